"""Writing a corpus, atomically: a killed writer leaves no half corpus, and nothing is lost.

While `my-corpus` is written there lie beside it

    .my-corpus.lock              held by the writer: there is one at a time
    .my-corpus.partial/
      new/                       the corpus as it is written
      exchange.txt               where the folder is there already: what is exchanged; written before, ends with "end"
      corpus.json.old, …         what was there before

and all of that is removed in the end. What a killed writer left, the next one puts right: it brings back what was
there, and starts anew. So does opening a corpus whose pieces were being exchanged.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.corpus.errors import CorpusError
from labelhedge.corpus.reading import check_samples
from labelhedge.corpus.schema import CorpusInfo
from labelhedge.errors import LabelhedgeError

_PIECES = ("corpus.json", "samples", "graph.nt")
_LABELS = pa.list_(pa.int32())
_TYPES = {
    "id": pa.string(),
    "split": pa.string(),
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    "observed": _LABELS,
    "verified": _LABELS,
    "trusted": pa.bool_(),
}
_EXCHANGE = "exchange.txt"
_END = "end"
_COMPANIONS = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "CREDITS*", "README*", "definitions.*")


def write_corpus(
    path: str | os.PathLike[str],
    info: CorpusInfo,
    samples: pa.Table | Iterable[pa.Table],
    *,
    graph: str | None = None,
    extras: Mapping[str, bytes | Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a corpus folder.

    Everything is written under a temporary name beside the target, then renamed, `corpus.json` last. A folder that is
    there already, with the images for instance, keeps its other files. What a writer left that was killed is put right
    first.

    Parameters
    ----------
    path : folder to write
    info : CorpusInfo
        Name, licence, labels.
    samples : pyarrow.Table, or several: one Parquet part each
        The columns of the format (`id`, `split`, `image`, `observed`, `verified`, `trusted`) and any others.
    graph : str, optional
        Label relations in N-Triples, written as `graph.nt`.
    extras : mapping of file name to bytes, or to a file to copy, optional
        Other files for the top of the folder, such as the licence's text; they come into place with the corpus.
    overwrite : bool
        Replace the corpus that is there already: `corpus.json`, `samples`, `graph.nt` and files that `extras` names,
        nothing else.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        When a corpus, or a piece of one, is there and `overwrite` is false.
    ValueError
        When a column of the format is missing or cannot be converted to its type, a row is such that the corpus could
        not be opened (images are looked at when it is), an extra has a name of the format's, or another process is
        writing this folder. What was there before is left as it was.
    """
    extras = extras or {}
    for name in extras:
        if name != Path(name).name or name in (*_PIECES, "..") or not name.isprintable():
            raise ValueError(f"{name!r} cannot be an extra file: give the name of one, other than {', '.join(_PIECES)}")
    target = Path(path).resolve()
    with _alone(target):
        partial = _partial(target)
        _put_right(target)  # what another writer left
        if target.exists() and not target.is_dir():
            raise FileExistsError(f"{path} is a file: choose another folder")
        there = [name for name in _PIECES if (target / name).exists()]
        if there and not overwrite:
            raise FileExistsError(
                f"{path} holds {', '.join(there)} already: choose another folder, or pass overwrite=True"
            )
        try:
            _write_new(partial / "new", info, samples, graph, extras)
            try:
                check_samples(partial / "new", len(info.labels), exclusive=info.exclusive)
            except CorpusError as error:  # it names a file that will never be there
                raise error.moved(target / error.file.relative_to(partial / "new")) from None
            _put_in_place(partial, target, (*_PIECES, *extras))
        finally:
            _put_right(target)
    return Path(path)


def companions(folder: Path) -> dict[str, Path]:
    """Files of a corpus folder that go with what is made of it: licences, credits, definitions of labels."""
    found = {path.name: path for pattern in _COMPANIONS for path in folder.glob(pattern) if path.is_file()}
    return dict(sorted(found.items()))


def restore(folder: str | os.PathLike[str]) -> None:
    """Bring back the corpus of a folder whose pieces were being exchanged when the writer was killed.

    Raises
    ------
    CorpusError
        When that cannot be done; it says where the corpus is.
    """
    target = Path(folder).resolve()
    if not _interrupted(_partial(target)):
        return
    try:
        with _alone(target):
            _put_right(target)
    except OSError as error:
        raise CorpusError(
            _partial(target),
            f"a writer was stopped here while it replaced {folder}, and what was there cannot be put back ({error})",
            "make both folders writable, and open the corpus again",
        ) from error


def _write_new(
    folder: Path,
    info: CorpusInfo,
    samples: pa.Table | Iterable[pa.Table],
    graph: str | None,
    extras: Mapping[str, bytes | Path],
) -> None:
    (folder / "samples").mkdir(parents=True)
    parts = [samples] if isinstance(samples, pa.Table) else samples
    number = -1
    for number, part in enumerate(parts):
        pq.write_table(
            _typed(part),
            folder / "samples" / f"part-{number:05d}.parquet",
            row_group_size=1024,
            compression="zstd",
        )
    if number < 0:
        raise ValueError("there is no table of samples to write")
    if graph is not None:
        (folder / "graph.nt").write_text(graph, encoding="utf-8")
    for name, content in extras.items():
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_bytes(content)
    (folder / "corpus.json").write_text(info.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other writers away from a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LabelhedgeError(
            f"another process is writing {target}: wait until it has ended, or choose another folder"
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _put_in_place(partial: Path, target: Path, names: tuple[str, ...]) -> None:
    """Move a written corpus to its place; other files there, such as images, stay."""
    new = partial / "new"
    here = Path.cwd()
    if target.exists() and not any(target.iterdir()) and target not in (here, *here.parents):
        shutil.copymode(target, new)
        target.rmdir()  # so that all comes at once
    if not target.exists():
        new.rename(target)
        return
    # Without corpus.json the folder is no corpus while its pieces are exchanged: it leaves first and comes last.
    there = [name for name in names if (target / name).exists()]
    lines = [f"{'old' if name in there else 'new'} {name}" for name in names]
    (partial / _EXCHANGE).write_text("\n".join([*lines, _END]), encoding="utf-8")
    for name in there:
        (target / name).rename(partial / f"{name}.old")
    for name in reversed(names):
        if (new / name).exists():
            (new / name).rename(target / name)


def _interrupted(partial: Path) -> bool:
    """Whether pieces were being exchanged: all were announced, and the new `corpus.json` is not in its place."""
    if not (partial / "new" / "corpus.json").exists() or not (partial / _EXCHANGE).exists():
        return False
    return (partial / _EXCHANGE).read_text(encoding="utf-8").endswith(f"\n{_END}")


def _put_right(target: Path) -> None:
    """Bring back what was in the folder where an exchange did not end, then remove the temporary folder."""
    partial = _partial(target)
    if _interrupted(partial):
        lines = (partial / _EXCHANGE).read_text(encoding="utf-8").splitlines()[:-1]
        for line in reversed(lines):  # corpus.json last
            state, _, name = line.partition(" ")
            old = partial / f"{name}.old"
            if (target / name).exists() and (state == "new" or old.exists()):
                (target / name).rename(partial / "new" / name)
            if old.exists():
                old.rename(target / name)
        (partial / _EXCHANGE).unlink()
    shutil.rmtree(partial, ignore_errors=True)


def _typed(table: pa.Table) -> pa.Table:
    for name, kind in _TYPES.items():
        if table.column_names.count(name) > 1:
            raise ValueError(f"the column {name!r} stands twice")
        if name not in table.column_names:
            raise ValueError(f"the column {name!r} is missing: a corpus needs {', '.join(_TYPES)}")
        try:
            column = table.column(name).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise ValueError(f"the column {name!r} has type {table.column(name).type}, not {kind}") from error
        table = table.set_column(table.column_names.index(name), name, column)
    return table
