"""Linking photos: read an input, find the entities in each photo's words, write a folder of linked photos.

    summary = link_photos("yfcc100m_dataset-0.bz2", "linked", linker="wordnet")
    print(summary.read, summary.linked, summary.rejected)

The folder is described in `records.py`. Work is spread over processes, or over a cluster, in pieces of the input; parts
that are finished are passed over when a job is started again, and its bytes do not depend on how it was run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import pyarrow as pa

from labelhedge.collect.duplicates import repeated_ids
from labelhedge.collect.parts import (
    LINKED,
    Counts,
    PieceLinker,
    Settings,
    Task,
    opened_linker,
    part_name,
    read_counts,
)
from labelhedge.collect.photos.folders import folder_state, write_listing
from labelhedge.collect.photos.rows import Piece, Source, schema_of
from labelhedge.collect.photos.sources import Paths, find_inputs, listing_path, open_sources
from labelhedge.collect.records import check_folder
from labelhedge.collect.running import distribute, progress_bar, set_runner
from labelhedge.collect.summary import LinkSummary
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

if TYPE_CHECKING:
    from labelhedge.collect.records import Linker

PART_SIZE = 50_000
FORMAT_VERSION = 1
_ANSWERS = "answers.sqlite"
_OURS = ("job.json", "summary.json", "photos", "rejects", *(f"{_ANSWERS}{end}" for end in ("", "-wal", "-shm")))


def link_photos(
    photos: Paths,
    out: str | os.PathLike[str],
    *,
    linker: str | Linker,
    linker_options: Mapping[str, Any] | None = None,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] | None = None,
    tag_separator: str | None = None,
    part_size: int = PART_SIZE,
    workers: int | None = None,
    runner: str = "native",
    fresh: bool = False,
    progress: bool = False,
) -> LinkSummary:
    """Find the entities in the words of photos, and write both.

    Parameters
    ----------
    photos, format, columns, keep, tag_separator
        What is read, as for `read_photos`.
    out : path
        The folder to write; where a job was stopped in it, that job goes on.
    linker : str or Linker
        A name, which every worker opens with `linker_options` (``wordnet``, a lexicon's path, ``spotlight``), or a
        picklable linker.
    part_size : int
        Lines of each part of the result. A file that cannot be cut (a compressed text) is one worker's work.
    workers : int, optional
        Processes. By default as many as there are cores.
    runner : {'native', 'ray'}
        This machine, or a cluster whose machines share the folders (RAY_ADDRESS names it).
    fresh : bool
        Begin again, whatever is there.
    progress : bool
        Show a bar on the terminal.

    Returns
    -------
    LinkSummary

    Raises
    ------
    ValueError
        When the folder holds another job or something else, an input cannot be read, or a setting is wrong.
    """
    if part_size < 1:
        raise LabelhedgeError(f"the part size is {part_size}; one line at least makes a part")
    folder = Path(out).absolute()
    inputs = [(path.absolute(), format) for path, format in find_inputs(photos, format)]
    _check_folder(folder, inputs)
    name = linker if isinstance(linker, str) else type(linker).__name__
    linker = _absolute(linker)
    given = {name: _absolute(value) for name, value in (linker_options or {}).items()}
    if isinstance(linker, str) and linker.partition(":")[0] == "spotlight" and runner == "native":
        given.setdefault("cache", str(folder / _ANSWERS))  # SQLite, which machines cannot share
    options = tuple(sorted(given.items()))
    opened = opened_linker(linker, options) if isinstance(linker, str) else linker
    kept = tuple(keep) if keep is not None else None
    asked = {name: str(value) for name, value in (linker_options or {}).items()}
    job: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "inputs": [_state(path, format) for path, format in inputs],
        "columns": dict(columns) if columns else None,
        "keep": None if keep is None else list(keep),
        "tag_separator": tag_separator,
        "part_size": part_size,
        "linker": {"name": name, "fingerprint": opened.fingerprint, "options": asked},
    }
    with _alone_in(folder):
        if fresh:
            _clear(folder)
        _prepare(folder, job, inputs)
        sources = open_sources(inputs, columns, keep, tag_separator, folder)
        pieces = _pieces(folder, job, sources, part_size)
        schema = _linked_schema(sources)
        settings = Settings(
            folder, tuple(inputs), job["columns"], kept, tag_separator, schema, part_size, linker, options
        )
        return _finish(settings, pieces, workers, runner, progress)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other jobs out of a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LabelhedgeError(f"another job writes to {folder}: wait for it, or name another folder") from error
    try:
        yield
    finally:
        lock.release()  # and the file stays: another job may have opened it, and a third would lock a new one


def _prepare(folder: Path, job: dict[str, Any], inputs: Sequence[tuple[Path, str]]) -> None:
    """Check that a job begun before is this one, sweep up what a killed one left, list the images of folders."""
    for name in ("photos", "rejects"):
        (folder / name).mkdir(exist_ok=True)
    for left in [*folder.rglob(".*.tmp")]:
        left.unlink()
    path = folder / "job.json"
    if path.exists():
        with _own(path):
            _check_same(path, json.loads(path.read_text(encoding="utf-8")), job)
        return
    for number, (place, format) in enumerate(inputs):
        if format == "folder":
            write_listing(place, listing_path(folder, number))


@contextmanager
def _own(path: Path) -> Iterator[None]:
    """Say which file of the job is damaged, where it is."""
    try:
        yield
    except LabelhedgeError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LabelhedgeError(f"{path} is damaged ({error}): begin again with --fresh, or put it right") from error


def _linked_schema(sources: Sequence[Source]) -> pa.Schema:
    """LINKED, and the own columns of the sources."""
    schema = schema_of(sources)
    for place, field in enumerate(LINKED):
        if field.name not in schema.names:
            schema = schema.insert(place, field)
    return schema


def _finish(
    settings: Settings, pieces: Sequence[Piece], workers: int | None, runner: str, progress: bool
) -> LinkSummary:
    """Do what is left to do, and count it all."""
    path = settings.out / "summary.json"
    waiting = [Task(piece) for piece in pieces if not _finished(settings, piece)]
    if path.exists() and not waiting:
        with _own(path):
            return LinkSummary(**json.loads(path.read_text(encoding="utf-8")))
    count = set_runner(runner, workers)
    _work(settings, waiting, count, runner, progress, len(pieces) - len(waiting), "linking")
    again = [
        Task(_piece_of(pieces, source, part), part, ids)
        for (source, part), ids in repeated_ids(settings.out / "photos").items()
    ]
    _work(settings, again, count, runner, progress, 0, "dropping repeated ids")
    summary = _count(settings, pieces)
    _write_text(path, json.dumps(asdict(summary), indent=1, ensure_ascii=False) + "\n")
    return summary


def _absolute(value: Any) -> Any:
    """A path in full, since a worker elsewhere may be in another folder; anything else as it is."""
    is_path = isinstance(value, str) and (os.sep in value or Path(value).suffix) and Path(value).exists()
    return str(Path(value).absolute()) if is_path else value


def _piece_of(pieces: Sequence[Piece], source: int, part: int) -> Piece:
    return next(piece for piece in reversed(pieces) if piece.source == source and piece.part <= part)


def _work(
    settings: Settings, tasks: Sequence[Task], workers: int, runner: str, progress: bool, done: int, what: str
) -> None:
    linked = 0
    with progress_bar(progress and bool(tasks), what, len(tasks) + done, done) as advance:
        answers = distribute(PieceLinker, (settings,), [task.text() for task in tasks], workers=workers, runner=runner)
        for answer in answers:
            linked += json.loads(answer)[1]
            advance(f"{what}: {linked:,} photos")


def _state(path: Path, format: str) -> dict[str, Any]:
    """What tells whether an input has changed."""
    known = path.stat()
    if format == "folder":
        return {"path": str(path), "format": format, "state": folder_state(path)}
    return {"path": str(path), "format": format, "size": known.st_size, "modified": known.st_mtime_ns}


def _pieces(folder: Path, job: dict[str, Any], sources: Sequence[Source], part_size: int) -> list[Piece]:
    """The pieces of a job: from job.json where it was begun before, else cut now, and job.json written."""
    path = folder / "job.json"
    if path.exists():
        with _own(path):
            return [Piece(*piece) for piece in json.loads(path.read_text(encoding="utf-8"))["pieces"]]
    pieces = []
    for number, source in enumerate(sources):
        part = 0
        for start, line, length in list(source.pieces(part_size)) or [source.whole()[1:4]]:
            pieces.append(Piece(number, start, line, length, part))
            part += -(-length // part_size) if length else 1
    _write_text(path, _job_text({**job, "read_as": [source.mapping for source in sources]}, pieces))
    return pieces


def _check_same(path: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = [f"{name} was {begun.get(name)!r}, now {wanted[name]!r}" for name in wanted
                 if name not in ("inputs", "linker") and begun.get(name) != wanted[name]]  # fmt: skip
    if begun["linker"]["fingerprint"] != wanted["linker"]["fingerprint"]:  # its name may be another path to the same
        differing.append(_differing_linker(begun["linker"], wanted["linker"]))
    before = {file["path"]: file for file in begun.get("inputs", ())}
    now = {file["path"]: file for file in wanted["inputs"]}
    differing += [f"{name} was read, and now is not" for name in before if name not in now]
    differing += [f"{name} was not read" for name in now if name not in before]
    for name, file in now.items():
        if name in before and file != before[name]:
            formats = before[name]["format"], file["format"]
            change = "has changed" if formats[0] == formats[1] else "was read as {}, and now as {}".format(*formats)
            differing.append(f"{name} {change}")
    if not differing and list(before) != list(now):
        differing = ["the inputs come in another order"]
    if differing:
        raise LabelhedgeError(
            f"{path.parent} holds another job: {'; '.join(differing[:3])}. Begin again with --fresh, or name another "
            "folder with --out"
        )


def _differing_linker(begun: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What was asked of a linker and is not any more; if that is nothing, what it reads has changed."""
    if begun["name"] != wanted["name"]:
        return f"the linker was {begun['name']}, now {wanted['name']}"
    before, now = begun.get("options", {}), wanted["options"]
    differing = [
        f"the linker's {name} was {before.get(name, 'its default')}, now {now.get(name, 'its default')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return "; ".join(differing) or (
        f"the linker {wanted['name']} reads or does something else than before ({begun['fingerprint']!r}, now "
        f"{wanted['fingerprint']!r})"
    )


def _check_folder(folder: Path, inputs: Sequence[tuple[Path, str]]) -> None:
    for path, format in inputs:
        if format == "folder" and folder.is_relative_to(path):
            raise LabelhedgeError(f"{folder} lies in the folder of images {path}: name one outside of it")
    if not (folder / "job.json").exists():
        check_folder(folder, (*_OURS, "listing-*"))


def _clear(folder: Path) -> None:
    for name in _OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _part_counts(settings: Settings, piece: Piece) -> Iterator[Counts | None]:
    """The counts of a piece's parts, up to its last; None for one that is missing."""
    part = piece.part
    while True:
        counts = read_counts(settings.out / "photos" / part_name(piece.source, part))
        yield counts
        if counts is None or counts.last:
            return
        part += 1


def _finished(settings: Settings, piece: Piece) -> bool:
    return None not in _part_counts(settings, piece)


def _count(settings: Settings, pieces: Sequence[Piece]) -> LinkSummary:
    """Add up what the parts hold, and check it against the plan."""
    read = linked = with_entities = entities = further = refused = 0
    reasons: Counter[str] = Counter()
    for piece in pieces:
        here = 0
        for counts in _part_counts(settings, piece):
            if counts is None:
                raise RuntimeError(f"a part of piece {piece} is missing in {settings.out}")
            here += counts.read
            linked, with_entities = linked + counts.linked, with_entities + counts.with_entities
            entities, further, refused = (
                entities + counts.entities,
                further + counts.further_lines,
                refused + counts.refused,
            )
            reasons.update(counts.reasons)
        if piece.length is not None and here != piece.length:
            raise LabelhedgeError(
                f"{settings.inputs[piece.source][0]} was changed while it was read: {here} lines, not {piece.length}, "
                "stand where the job began; begin again with --fresh"
            )
        read += here
    ordered = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    rejected = sum(reasons.values())
    if read != linked + rejected:
        raise RuntimeError(f"{read} lines were read, and {linked} linked and {rejected} rejected")
    return LinkSummary(len(settings.inputs), read, linked, with_entities, entities, rejected, ordered, further, refused)


def _job_text(job: dict[str, Any], pieces: Sequence[Piece]) -> str:
    """job.json, with a line a piece."""
    lines = ",\n".join(f"  {json.dumps(piece)}" for piece in pieces)
    return f'{json.dumps(job, indent=1, ensure_ascii=False)[:-2]},\n "pieces": [\n{lines}\n ]\n}}\n'


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")
