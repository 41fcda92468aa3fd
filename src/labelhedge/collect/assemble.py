"""The last step of collecting: from linked photos, a vocabulary and images to a corpus.

    labels = CorpusLabels.read("vocabulary.csv")
    made = assemble_corpus("linked", "my-corpus", labels, images="images", checks=read_checks("checks.csv", labels))
    print(made)                     # what was kept, what was dropped and why
    made.corpus.describe()

Columns are read first, without images: they decide which photos have labels. Then each of their images is looked at
once, background is drawn, near-duplicates are grouped, splits are made; only then the corpus is written, with the
images, part by part. The order of the photos and the number of workers change nothing. Nothing lies at the target
before all of it does: a run that was killed is started again, and ends with the same bytes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from labelhedge.collect.assembly.images import Downloads, Prepare
from labelhedge.collect.assembly.job import Job, Row, Sample, kept_columns
from labelhedge.collect.assembly.labels import CorpusLabels, with_kinds
from labelhedge.collect.assembly.linked import LinkedPhotos
from labelhedge.corpus import Corpus, CorpusInfo, Label, write_corpus
from labelhedge.corpus.near_duplicates import group_looks, join_groups
from labelhedge.corpus.splits import FRACTIONS, make_splits, short_of
from labelhedge.errors import LabelhedgeError, reading, some
from labelhedge.graph import LabelGraph, read_triples
from labelhedge.graph.wordnet import DEBIAN

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

BACKGROUND = 0.3
"""The share of background images: about that of dev and test in the paper's Species-Y and Sports (32 %)."""
TEXT = ("title", "tags", "description")


@dataclass(frozen=True)
class Assembled:
    """A corpus, and what became of the photos: photos = kept + the sum of dropped.

    Attributes
    ----------
    corpus : Corpus
    photos, kept : int
    dropped : dict of reason to number of photos
    rare : list of (name, images)
        Labels left out because too few images have them.
    groups : int
        Groups of samples that were kept on one side of the splits.
    grouped : int
        Samples in groups of more than one.
    remarks : list of str
        What the user should know.
    """

    corpus: Corpus
    photos: int
    kept: int
    dropped: dict[str, int]
    rare: list[tuple[str, int]] = field(default_factory=list)
    groups: int = 0
    grouped: int = 0
    remarks: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[str, str]]:
        """What it says, line by line, as pairs of a name and a value."""
        yield "photos", f"{self.photos:,}"
        yield "kept", f"{self.kept:,} in {self.groups:,} groups, {self.grouped:,} of them not alone in theirs"
        for reason, number in self.dropped.items():
            yield "dropped", f"{number:,} {reason}"
        if self.rare:
            rare = some([f"{name} {number}" for name, number in self.rare], most=10)
            yield "labels left out", f"{len(self.rare):,} with too few images: {rare}"
        for remark in self.remarks:
            yield "remark", remark

    def __str__(self) -> str:
        return "\n".join(f"{name:<16} {value}" for name, value in self.rows())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as a table."""
        from rich.table import Table

        table = Table(show_header=False, box=None)
        for name, value in self.rows():
            table.add_row(f"[bold]{name}", value)
        yield table


def assemble_corpus(
    linked: str | os.PathLike[str],
    target: str | os.PathLike[str],
    labels: CorpusLabels,
    *,
    images: str | os.PathLike[str] | None = None,
    checks: Mapping[str, tuple[int, ...]] | None = None,
    background: float = BACKGROUND,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    clean_share: float | None = None,
    min_score: float = 0.0,
    min_images: int = 10,
    near_duplicates: bool = True,
    groups: str | Mapping[str, str] | None = None,
    prepare: Prepare | None = None,
    graph: str | os.PathLike[str] | None = None,
    wordnet: str | os.PathLike[str] = DEBIAN,
    name: str | None = None,
    licence: str | None = None,
    description: str = "",
    text: Sequence[str] = TEXT,
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = False,
) -> Assembled:
    """Make a corpus of linked photos.

    A photo's observed labels are the labels that its entities stand for. Of images that are byte for byte the same
    one stays, a checked one before others, then the one with the smallest id, with its own labels: those of the
    others are not added, so that all labels of a sample come from its own words. A label that too few images have is
    left out, and with it the photos that have no other. A checked photo always stays; one without any (other)
    verified label is background.

    Parameters
    ----------
    linked : folder of linked photos
        As `labelhedge collect link` writes it. Columns that the reader of the photos added are kept; those whose names
        the format uses itself get ``photo_`` before theirs.
    target : folder to write
    labels : CorpusLabels
        The vocabulary.
    images : folder of downloads, optional
        As `labelhedge collect download` writes it. Photos that are not in it use the file that they name themselves.
    checks : mapping of photo id to true label numbers, optional
        They become ``verified``, and samples of train that have them are trusted.
    background : float >= 0
        How many samples are background, photos with no entity of the vocabulary and no kind of one: a share of all
        samples where it is less than 1, otherwise a number. Checked background counts.
    fractions, seed, clean_share
        See :func:`labelhedge.corpus.splits.make_splits`. The background drawn depends on the seed too.
    min_score : float in [0, 1]
        Entities below it give no label; photos that have only such ones are dropped.
    min_images : int
        The fewest images that a label needs, counted on verified labels where a photo was checked.
    near_duplicates : bool
        Keep near-duplicate images on one side, see :mod:`labelhedge.corpus.near_duplicates`.
    groups : a column of the photos, or a mapping of photo id to group, optional
        Samples with the same value are kept on one side too; those without a value stand alone.
    prepare : function from encoded image to encoded image, optional
        Applied to every image before anything else, such as :func:`labelhedge.collect.assembly.images.at_most`. It is
        called in threads and more than once, and must always give the same bytes.
    graph : path of an N-Triples file, optional
        Becomes the corpus's graph.
    wordnet : folder of WordNet's database files
        Where labels are nouns of WordNet, it says which photos show a kind of one: these are no background.
    name, licence, description : str
        For `corpus.json`. The name is by default that of the target, the licence refers to the photos' column
        ``licence`` where they have one with something in it, and is unknown otherwise.
    text : columns of words about the image
        For `corpus.json`; those that the photos have.
    workers : int
        Threads that read images.
    overwrite : bool
        Replace the corpus that is there.
    progress : bool
        Show progress bars.

    Returns
    -------
    Assembled

    Raises
    ------
    LabelhedgeError
        When a setting or a file is not as it should be, an id stands twice, or nothing is left.
    """
    target = Path(target)
    replaced = overwrite and (target / "corpus.json").is_file()
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not replaced):
        raise LabelhedgeError(
            f"{target} exists already: choose another folder"
            + (", or replace the corpus there with --overwrite" if (target / "corpus.json").is_file() else "")
        )
    if background < 0 or (background >= 1 and background != int(background)):
        raise LabelhedgeError(f"background must be a share below 1 or a whole number, found {background}")
    triples = None
    if graph is not None:
        with reading(graph):
            triples = Path(graph).read_text(encoding="utf-8")
        read_triples(graph)  # an error names its line
    column = groups if isinstance(groups, str) else None
    labels, lacking = with_kinds(labels, wordnet) if background else (labels, None)
    photos = LinkedPhotos.open(linked, labels, min_score)
    if column is not None and column not in photos.columns:
        raise LabelhedgeError(
            f"the photos have no column {column!r} to group by; they have: {', '.join(photos.columns)}"
        )
    job = Job(photos, Downloads.read(images), dict(checks or {}), prepare, column, workers, progress)

    samples = job.labelled()
    kept, rare = _frequent(samples, len(labels.labels), min_images)
    if not kept and job.unnamed:
        raise LabelhedgeError(
            f"none of {job.seen:,} photos has an entity of the vocabulary, whose URIs are such as "
            f"{next(iter(labels.entities))}; the photos have {photos.an_entity() or 'no entity at all'}: take the "
            "vocabulary from `labelhedge collect domains`, or link the photos to the entities of this one"
        )
    if not kept:
        raise LabelhedgeError(
            f"no label has {min_images} images: {job.counts()}. Link with another vocabulary, download more images, or "
            "ask for fewer images a label"
        )
    samples = job.with_labels(samples, kept)
    samples = sorted([*samples, *job.background(samples, background, seed)], key=lambda sample: sample.photo.id)
    renumbered = {old: new for new, old in enumerate(kept)}
    samples = [_renumber(sample, renumbered) for sample in samples]

    ids = [sample.photo.id for sample in samples]
    grouped = _groups(ids, samples, near_duplicates, groups)
    checked = [sample.verified is not None for sample in samples]
    splits = make_splits(
        ids,
        [sample.known for sample in samples],
        seed=seed,
        groups=grouped,
        fractions=fractions,
        checked=checked,
        clean_share=clean_share,
    )
    rows = {
        sample.photo.id: Row(sample, split, bool(trusted), group)
        for sample, split, trusted, group in zip(samples, splits.split, splits.trusted, grouped, strict=True)
    }
    info = CorpusInfo(
        name=name or target.resolve().name,
        licence=licence or ("see the column licence" if photos.says("licence") else "unknown"),
        description=description,
        text=tuple(word for word in text if word in kept_columns(photos.columns).values()),
        labels=tuple(labels.labels[number] for number in kept),
    )
    write_corpus(target, info, job.tables(rows, renumbered), graph=triples, overwrite=replaced)
    sizes = Counter(grouped)
    return Assembled(
        corpus=Corpus.open(target, progress=progress),
        photos=job.seen,
        kept=len(samples),
        dropped={reason: number for reason, number in job.dropped.items() if number},
        rare=[(labels.labels[number].name, images) for number, images in rare],
        groups=len(sizes),
        grouped=sum(size for size in sizes.values() if size > 1),
        remarks=[
            *([lacking] if lacking else []),
            *job.remarks,
            *short_of(splits, clean_share),
            *_remarks(rows, job),
            *_of_graph(graph, info.labels),
        ],
    )


def _frequent(samples: Sequence[Sample], count: int, min_images: int) -> tuple[list[int], list[tuple[int, int]]]:
    """The labels that enough images have, and those that too few have with their numbers of images."""
    images = Counter(number for sample in samples for number in sample.known)
    kept = [number for number in range(count) if images[number] >= max(min_images, 1)]
    return kept, [(number, images[number]) for number in range(count) if number not in set(kept)]


def _renumber(sample: Sample, renumbered: Mapping[int, int]) -> Sample:
    def kept(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(renumbered[number] for number in numbers if number in renumbered)

    return sample._replace(
        photo=sample.photo._replace(observed=kept(sample.photo.observed)),
        verified=None if sample.verified is None else kept(sample.verified),
    )


def _groups(ids: list[str], samples: Sequence[Sample], near: bool, given: str | Mapping[str, str] | None) -> list[str]:
    """The group of each sample. Names that were given stay as they are where nothing else makes groups."""
    groupings = []
    if given is not None:
        own = [sample.photo.group if isinstance(given, str) else given.get(sample.photo.id) for sample in samples]
        groupings.append([id_ if name is None else name for id_, name in zip(ids, own, strict=True)])
    if near:
        groupings.append(group_looks(ids, [sample.look for sample in samples]))
    return groupings[0] if len(groupings) == 1 else join_groups(ids, *groupings)


def _of_graph(graph: str | os.PathLike[str] | None, labels: Sequence[Label]) -> list[str]:
    """That a graph tells nothing of the labels, if that is so."""
    if graph is None or len(LabelGraph.from_file(graph, labels).label):
        return []
    return [f"{graph} says nothing of any label: its subjects are not the labels' URIs, such as {labels[0].uri}"]


def _remarks(rows: Mapping[str, Row], job: Job) -> list[str]:
    remarks = []
    missing = sorted(set(job.checks) - job.checked_photos)
    if missing:
        named = some(missing, most=3)
        remarks.append(f"{len(missing):,} of {len(job.checks):,} checked ids are not among the photos: {named}")
    checked = Counter(row.split for row in rows.values() if row.sample.verified is not None)
    lacking = [split for split in ("train", "dev", "test") if not checked[split]]
    if lacking:
        remarks.append(
            f"no sample of {' or '.join(lacking)} is checked: dev and test measure on checked samples, and all methods "
            "but 'noisy' learn from those of train. To check some: labelhedge review on this corpus, with --split "
            f"{','.join(lacking)}; or write what is known as id,labels into a CSV, and import again with --checked"
        )
    return remarks
