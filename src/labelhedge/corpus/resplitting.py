"""New splits for a corpus that is there already: `labelhedge corpus split`.

made = resplit(Corpus.open("my-corpus"), "other-split", seed=1)
print(made)                     # samples by split and label, and how many groups there were
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.corpus.corpus import Corpus
from labelhedge.corpus.near_duplicates import join_groups, near_duplicates
from labelhedge.corpus.schema import SPLITS
from labelhedge.corpus.splits import FRACTIONS, make_splits, short_of
from labelhedge.corpus.views import LabelSets
from labelhedge.corpus.writing import companions, write_corpus
from labelhedge.errors import LabelhedgeError

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_BATCH = 1024
_BYTES = 1 << 28  # of images in a part
CLEAN_SHARE = 0.2


@dataclass(frozen=True)
class Resplit:
    """A corpus with new splits.

    Attributes
    ----------
    corpus : Corpus
    groups, grouped : int
        Groups that were kept on one side, and the samples in groups of more than one.
    remarks : list of str
        What the user should know.
    """

    corpus: Corpus
    groups: int
    grouped: int
    remarks: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """By label, then background and all: the name, samples of train, dev and test, and how many are trusted."""
        samples = self.corpus.samples
        known = known_labels(self.corpus)
        background = np.diff(known.indptr) == 0
        masks = [samples.split == split for split in SPLITS] + [samples.trusted]
        by_label = [np.asarray(known[mask].sum(axis=0)).ravel() for mask in masks]
        for number, label in enumerate(self.corpus.labels):
            yield label.name, *(f"{counts[number]:,}" for counts in by_label)
        yield "background", *(f"{int((mask & background).sum()):,}" for mask in masks)
        yield "all", *(f"{int(mask.sum()):,}" for mask in masks)

    def __str__(self) -> str:
        rows = [("label", *SPLITS, "trusted"), *self.rows()]
        width = max(len(row[0]) for row in rows)
        lines = [f"{row[0]:<{width}}" + "".join(f"{cell:>9}" for cell in row[1:]) for row in rows]
        return "\n".join([*lines, self.sentence(), *self.remarks])

    def sentence(self) -> str:
        """How many groups there were."""
        total = len(self.corpus.samples.ids)
        return f"{total:,} samples in {self.groups:,} groups; {self.grouped:,} samples are not alone in theirs"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as a table."""
        from rich.table import Table

        table = Table(box=None)
        for name in ("label", *SPLITS, "trusted"):
            table.add_column(name, justify="left" if name == "label" else "right")
        for row in self.rows():
            table.add_row(*row)
        yield table
        yield self.sentence()
        yield from self.remarks


def resplit(
    corpus: Corpus,
    target: str | os.PathLike[str],
    *,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    clean_share: float | None = None,
    near: bool = True,
    group_column: str | None = None,
    name: str | None = None,
    workers: int = 1,
    progress: bool = False,
) -> Resplit:
    """Write a corpus with new splits and a new clean set; labels, other columns, images and graph are carried over.

    So are files about the whole: licences, credits, a README, definitions of the labels. Stratified by verified labels,
    by observed ones where nobody checked. The order of the samples and the number of workers change nothing. Images are
    streamed, and embedded where they lay beside the corpus.

    Parameters
    ----------
    corpus : Corpus
        An opened corpus.
    target : folder to write
    fractions : mapping of ``train``, ``test`` and ``dev`` to shares
    seed : int
    clean_share : float in [0, 1], optional
        The share of the training samples to trust; only checked ones can be. Default: 0.2 where all samples are
        checked, otherwise all that are.
    near : bool
        Keep near-duplicate images on one side.
    group_column : str, optional
        Keep samples with one value in this column on one side too.
    name : str, optional
        The new corpus's name. Default: the old one's.
    workers : int
        Threads that decode.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Resplit

    Raises
    ------
    LabelhedgeError
        When the target exists, the column does not, or the clean share is more than there is.

    Examples
    --------
    >>> import tempfile
    >>> made = resplit(Corpus.open("clipart"), tempfile.mkdtemp(), seed=2017, near=False, group_column="group")
    >>> bool((made.corpus.samples.split == Corpus.open("clipart").samples.split).all())
    True
    """
    target = Path(target)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise LabelhedgeError(f"{target} exists already: choose another folder")
    samples = corpus.samples
    groups = _groups(corpus, near, group_column, workers, progress)
    if clean_share is None and samples.checked.all():
        clean_share = CLEAN_SHARE
    splits = make_splits(
        samples.ids,
        _lists(known_labels(corpus)),
        seed=seed,
        groups=groups,
        fractions=fractions,
        checked=samples.checked,
        clean_share=clean_share,
    )
    shares = ":".join(f"{fractions.get(split, 0):g}" for split in ("train", "test", "dev"))
    words = ["labelhedge", "corpus", "split", corpus.name, "TARGET", "--fractions", shares, "--seed", str(seed)]
    words += [] if clean_share is None else ["--clean-share", f"{clean_share:g}"]
    words += [] if near else ["--no-near-duplicates"]
    words += [] if group_column is None else ["--group-column", group_column]
    said = f"Splits made by: {shlex.join(words)} (from the corpus with hash {corpus.hash})."
    info = corpus.info.model_copy(
        update={"name": name or corpus.name, "description": f"{corpus.info.description} {said}".strip()}
    )
    graph = corpus.graph_text()
    tables = _tables(corpus, np.array(splits.split), splits.trusted)
    write_corpus(target, info, tables, graph=graph, extras=companions(corpus.folder))
    sizes = np.unique(groups, return_counts=True)[1]
    return Resplit(
        corpus=Corpus.open(target, progress=progress),
        groups=len(sizes),
        grouped=int(sizes[sizes > 1].sum()),
        remarks=short_of(splits, clean_share),
    )


def known_labels(corpus: Corpus) -> LabelSets:
    """(N, L): verified labels where a sample was checked, observed ones elsewhere."""
    samples = corpus.samples
    observed = samples.observed.copy()
    observed.data[np.repeat(samples.checked, np.diff(observed.indptr))] = False
    known: LabelSets = (observed + samples.verified).tocsr()
    known.eliminate_zeros()
    return known


def _groups(corpus: Corpus, near: bool, column: str | None, workers: int, progress: bool) -> list[str]:
    """The group of each sample. A column's names stay as they are where nothing else makes groups."""
    from rich.progress import track

    samples = corpus.samples
    groupings: list[Sequence[str]] = []
    if column is not None:
        if column not in samples.extra.column_names:
            there = ", ".join(samples.extra.column_names) or "none"
            raise LabelhedgeError(f"the corpus has no column {column!r} to group by; it has: {there}")
        values = samples.extra.column(column).to_pylist()
        groupings.append([id_ if value is None else str(value) for id_, value in zip(samples.ids, values, strict=True)])
    if near:
        images = ((samples.ids[row], data) for row, data in corpus.images.read())
        total = len(samples.ids)
        shown = track(images, "looking at images", total=total, disable=not progress, transient=True)
        groupings.append(near_duplicates(shown, workers=workers))
    elif len(set(samples.digests)) < len(samples.digests):  # identical images must be in one split
        groupings.append([identity.hex() for identity in samples.digests])
    if not groupings:
        return samples.ids
    return list(groupings[0]) if len(groupings) == 1 else join_groups(samples.ids, *groupings)


def _lists(sets: LabelSets) -> list[list[int]]:
    values = sets.indices.tolist()
    return [values[start:stop] for start, stop in zip(sets.indptr.tolist(), sets.indptr[1:].tolist())]


def _tables(corpus: Corpus, split: npt.NDArray[np.str_], trusted: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
    """The samples anew, some at a time: splits replaced, images embedded, everything else as it was."""
    images = corpus.images.read()
    start = 0
    for path, _ in corpus.images.parts:
        waiting: list[pa.Table] = []
        size = 0
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = ["image.path" if name == "image" else name for name in names]  # the bytes come from `images`
            for batch in file.iter_batches(_BATCH, columns=columns):
                stop = start + len(batch)
                data = [next(images)[1] for _ in range(start, stop)]
                paths = batch.column("image").field("path").cast(pa.string())
                new = {
                    "split": pa.array(split[start:stop].tolist(), pa.string()),
                    "image": pa.StructArray.from_arrays([pa.array(data, pa.binary()), paths], ["bytes", "path"]),
                    "trusted": pa.array(trusted[start:stop]),
                }
                waiting.append(pa.table({name: new.get(name, batch.column(name)) for name in names}))
                start, size = stop, size + sum(map(len, data))
                if size >= _BYTES:
                    yield pa.concat_tables(waiting)
                    waiting, size = [], 0
        if waiting:
            yield pa.concat_tables(waiting)
