"""Add the selected images to a corpus: `labelhedge verify crosslink`.

    done = add_images("my-corpus", "ImageNet", LinkSettings(mappings=["wnid_wikipedia.csv"]), target="bigger")
    print(*done.lines(), sep="\\n")

New samples are trusted training samples, their observed labels equal to the verified ones; the column `source` tells
where they come from. Such a clean set is right-only: it shows no wrong label, so nothing of how the noise behaves.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.crosslinks.finding import Around, LinkSettings, find_links, link_lines
from labelhedge.collect.crosslinks.folders import ImageFolders
from labelhedge.collect.crosslinks.linking import Link, write_links
from labelhedge.collect.crosslinks.selection import Candidate, Selection, Selector, Usable, held_out_images
from labelhedge.corpus import Corpus, write_corpus
from labelhedge.corpus.corpus import EMBEDDED
from labelhedge.corpus.images import digest
from labelhedge.corpus.schema import read_info
from labelhedge.corpus.writing import companions
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

LEFT_OUT = "cross-links-left-out.csv"
"""In the corpus folder: which images were not taken, and why."""
SOURCE = "source"
RIGHT_ONLY = (
    "these images are right-only: none shows a wrong label, so they tell nothing of how the noise behaves; checking a "
    "random part of the noisy images does (labelhedge review)"
)
_BATCH = 1024
_PART_BYTES = 1 << 27
_LABELS = pa.list_(pa.int32())
_TOLD = 20

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Added:
    """What was added to a corpus.

    Attributes
    ----------
    corpus : Corpus
        As it is now.
    links : list of Link
        One a label, in their order.
    selection : Selection
    passed : Counter
        Rows of the mappings that were passed over, by reason.
    per_label : int
    """

    corpus: Corpus
    links: list[Link]
    selection: Selection
    passed: Counter[str]
    per_label: int

    @property
    def images(self) -> int:
        """New samples."""
        return sum(one.row is None for one in self.selection.taken.values())

    @property
    def made_trusted(self) -> int:
        """Training samples that were there and became trusted."""
        return sum(one.row is not None and not one.there for one in self.selection.taken.values())

    def lines(self) -> Iterator[str]:
        """What there is to know, a line each."""
        yield from link_lines(self.links, self.passed)
        there = len(self.selection.taken) - self.images - self.made_trusted
        yield (
            f"{self.images:,} images added"
            + (f"; {self.made_trusted:,} equal training samples became trusted" if self.made_trusted else "")
            + (f"; {there:,} were in the clean set already" if there else "")
        )
        if self.selection.left_out:
            reasons = Counter(reason.split(" (")[0] for reason in self.selection.left_out.values())
            told = "; ".join(f"{count:,} × {reason}" for reason, count in reasons.most_common())
            yield f"{len(self.selection.left_out):,} images left out, see {LEFT_OUT}: {told}"
        few = [(number, count) for number, count in self.selection.by_label.items() if count < self.per_label]
        if few:
            names = ", ".join(f"{self.links[number].label.name} ({count:,})" for number, count in few[:_TOLD])
            yield f"{len(few):,} labels have fewer than {self.per_label:,}: {names}{' …' if len(few) > _TOLD else ''}"
        yield RIGHT_ONLY


def add_images(
    corpus: PathLike,
    images: PathLike,
    settings: LinkSettings | None = None,
    *,
    target: PathLike | None = None,
    per_label: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> Added:
    """Add clean images of an ImageNet-style folder to a corpus.

    Parameters
    ----------
    corpus : folder of the corpus
    images : folder with ``n01443537/*.JPEG``, ``train/n01443537/*.JPEG``, or ``n01443537.tar``
    settings : LinkSettings, optional
    target : folder to write; default: the corpus itself is replaced, all at once
    per_label : int
        Images for each label, of those that are usable.
    seed : int
        Of the choice, which hangs on it and the names of the files alone.
    progress : bool

    Raises
    ------
    LabelhedgeError
        When a folder or file is not what it should be, or nothing is linked.
    """
    settings = settings or LinkSettings()
    opened = Corpus.open(corpus, progress=progress)
    goal = _goal(opened, target)
    folders = ImageFolders(images)
    found = find_links(opened.labels, folders, settings)
    if not any(link.state == "linked" for link in found.links):
        raise LabelhedgeError("no label is linked to images: " + "; ".join(link_lines(found.links, found.passed)))

    def shown(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        from rich.progress import track

        return track(items, what, total=total, disable=not progress, transient=True)

    around = Around(found, folders, settings, exclusive=opened.info.exclusive)
    selector = Selector(opened, folders, held_out_images(opened, shown), around.labels_of, shown)
    selection = selector.select(around.pools(), per_label, seed)
    if goal != opened.folder.resolve() or not all(one.there for one in selection.taken.values()):
        _write(opened, goal, selection, folders, _said(opened, settings, per_label, seed))
    _write_left_out(goal / LEFT_OUT, selection)
    return Added(Corpus.open(goal, progress=progress), found.links, selection, found.passed, per_label)


def show_links(corpus: PathLike, images: PathLike, file: PathLike, settings: LinkSettings) -> Iterator[str]:
    """Write what each label of a corpus is linked to or may mean, and say how many are."""
    found = find_links(read_info(Path(corpus)).labels, ImageFolders(images), settings)
    write_links(found.links, file)
    yield from link_lines(found.links, found.passed)
    yield f"the links are in {file}; nothing was added"


def _goal(corpus: Corpus, target: PathLike | None) -> Path:
    """The folder to write, refused before long work where it cannot be."""
    here = corpus.folder.resolve()
    goal = here if target is None else Path(target).resolve()
    if goal == here and here.parent == EMBEDDED.resolve():
        raise LabelhedgeError(f"{corpus.name} is embedded in labelhedge and stays as it is: name a folder with --out")
    if goal != here and (goal.is_file() or (goal.is_dir() and any(goal.iterdir()))):
        raise LabelhedgeError(f"{target} exists already: choose another folder")
    schema = corpus.samples.extra.schema
    if SOURCE in corpus.info.text:
        raise LabelhedgeError(
            "the column 'source' is among the words that methods learn from, and would tell them the labels: take it "
            "out of 'text' in corpus.json"
        )
    if SOURCE in schema.names and schema.field(SOURCE).type not in (pa.string(), pa.large_string(), pa.null()):
        raise LabelhedgeError(
            f"the corpus has a column 'source' of type {schema.field(SOURCE).type}, where strings go: rename it"
        )
    return goal


def _said(corpus: Corpus, settings: LinkSettings, per_label: int, seed: int) -> str:
    words = ["labelhedge", "verify", "crosslink", corpus.name, "--images", "IMAGENET", "--per-label", str(per_label)]
    words += ["--seed", str(seed)] + ["--below"] * settings.below + ["--no-above"] * (not settings.above)
    return f"Clean images added by: {shlex.join(words)} (to the corpus with hash {corpus.hash})."


def _write(corpus: Corpus, goal: Path, selection: Selection, folders: ImageFolders, said: str) -> None:
    info = corpus.info.model_copy(update={"description": f"{corpus.info.description} {said}".strip()})
    graph = corpus.graph_text()
    changed = {one.row: one for one in selection.taken.values() if one.row is not None and not one.there}
    new = sorted((one for one in selection.taken.values() if one.row is None), key=lambda one: one.candidate)

    metadata = pq.read_schema(corpus.images.parts[0][0]).metadata  # such as what Hugging Face datasets knows of columns

    def tables() -> Iterator[pa.Table]:
        for table in _old_tables(corpus, changed, embed=goal != corpus.folder.resolve()):
            yield _uniform(table, corpus).replace_schema_metadata(table.schema.metadata)
        for table in _new_tables(new, folders):
            yield _uniform(table, corpus).replace_schema_metadata(metadata)

    extras: dict[str, bytes | Path] = {} if goal == corpus.folder.resolve() else {**companions(corpus.folder)}
    if selection.left_out:
        extras[LEFT_OUT] = _left_out(selection)
    write_corpus(goal, info, tables(), graph=graph, extras=extras, overwrite=True)


def _old_tables(corpus: Corpus, changed: dict[int, Usable], *, embed: bool) -> Iterator[pa.Table]:
    """The samples that were there, a part each or several; `embed`: images that lie beside the corpus come into it."""
    start, images = 0, corpus.images.read() if embed else None
    for path, _ in corpus.images.parts:
        waiting: list[pa.Table] = []
        size = 0
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not (images and name == "image")]
            columns = [*names, "image.path"] if images else names
            for batch in file.iter_batches(_BATCH, columns=columns):
                table = pa.Table.from_batches([batch]).replace_schema_metadata(file.schema_arrow.metadata)
                if images:
                    data = [next(images)[1] for _ in range(len(table))]
                    paths = batch.column("image").field("path").cast(pa.string())
                    image = pa.StructArray.from_arrays([pa.array(data, pa.binary()), paths], ["bytes", "path"])
                    table = table.set_column(table.column_names.index("image"), "image", image)
                waiting.append(_changed(table, start, changed))
                start, size = start + len(table), size + table.nbytes
                if size >= _PART_BYTES:
                    yield pa.concat_tables(waiting)
                    waiting, size = [], 0
        if waiting:
            yield pa.concat_tables(waiting)


def _changed(table: pa.Table, start: int, changed: dict[int, Usable]) -> pa.Table:
    """A piece of the samples, from row `start` of the corpus, with the newly trusted ones in it."""
    here = {row - start: one for row, one in changed.items() if start <= row < start + len(table)}
    source = table.column(SOURCE).to_pylist() if SOURCE in table.column_names else [None] * len(table)
    verified, trusted = (table.column(name).to_pylist() for name in ("verified", "trusted"))
    for row, one in here.items():
        source[row] = source[row] or _source(one.candidate)
        verified[row] = list(one.labels)  # what an untrusted training sample has there is hidden truth
        trusted[row] = True
    new = {SOURCE: pa.array(source, pa.string()), "verified": pa.array(verified, _LABELS), "trusted": pa.array(trusted)}
    for name, values in new.items():
        if name not in table.column_names:
            table = table.append_column(name, values)
        elif here:
            table = table.set_column(table.column_names.index(name), name, values)
    return table


def _new_tables(new: Sequence[Usable], folders: ImageFolders) -> Iterator[pa.Table]:
    rows: list[dict[str, Any]] = []
    size = 0
    for number, one in enumerate(new, 1):
        data = folders.read(*one.candidate)
        if digest(data) != one.digest:
            raise LabelhedgeError(f"{one.candidate.name} changed while it was added: start again")
        labels = list(one.labels)
        rows.append(
            {
                "id": one.candidate.name,
                "split": "train",
                "image": {"bytes": data, "path": None},
                "observed": labels,
                "verified": labels,
                "trusted": True,
                SOURCE: _source(one.candidate),
            }
        )
        size += len(data)
        if size >= _PART_BYTES or number == len(new):
            yield _table(rows)
            rows, size = [], 0


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    fixed = [
        ("id", pa.string()),
        ("split", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("observed", _LABELS),
        ("verified", _LABELS),
        ("trusted", pa.bool_()),
        (SOURCE, pa.string()),
    ]
    return pa.Table.from_pylist(rows, pa.schema(fixed))


def _uniform(table: pa.Table, corpus: Corpus) -> pa.Table:
    """The columns of all parts in one order and of one type, as what reads Parquet without us may want."""
    schema = corpus.samples.extra.schema
    types = {name: schema.field(name).type for name in schema.names} | {SOURCE: pa.string()}
    columns = {name: table.column(name) for name in ("id", "split", "image", "observed", "verified", "trusted")}
    for name, kind in types.items():
        there = name in table.column_names
        columns[name] = table.column(name).cast(kind) if there else pa.nulls(len(table), kind)
    return pa.table(columns)


def _source(one: Candidate) -> str:
    return f"imagenet:{one.name}"


def _write_left_out(path: Path, selection: Selection) -> None:
    if not selection.left_out:
        path.unlink(missing_ok=True)  # of an earlier call
        return
    with replacing(path) as new:
        new.write_bytes(_left_out(selection))


def _left_out(selection: Selection) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["place", "reason"])
    writer.writerows((one.name, reason) for one, reason in sorted(selection.left_out.items()))
    return text.getvalue().encode()
