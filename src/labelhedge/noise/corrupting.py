"""From a corpus whose truth is known to a new corpus with noisy observed labels: `labelhedge corpus corrupt`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from labelhedge import graph
from labelhedge.corpus import Corpus, CorpusError, stratified_split, write_corpus
from labelhedge.corpus.schema import SPLITS
from labelhedge.corpus.views import LabelSets
from labelhedge.corpus.writing import companions
from labelhedge.errors import LabelhedgeError
from labelhedge.noise import flips
from labelhedge.noise.composition import compose
from labelhedge.noise.fixed import kinship
from labelhedge.noise.modes import background, modes
from labelhedge.noise.sets import Integers, generator, label_sets, pairs
from labelhedge.noise.settings import Noise

Trusted = Literal["representative", "right-only", "keep"]
_BATCH = 4096


def corrupt(
    corpus: Corpus,
    target: str | os.PathLike[str],
    noise: str | Noise | Sequence[str | Noise],
    *,
    seed: int = 0,
    splits: Collection[str] = ("train",),
    trusted: Trusted = "representative",
    clean_share: float | None = None,
    relations: Collection[str] | None = None,
    background_column: str | None = None,
    name: str | None = None,
) -> Corpus:
    """Write a corpus whose observed labels are the verified ones of another, made noisy.

    The noise models are applied in the order given, to each split by itself; the truth stays in `verified`. Images,
    other columns and the graph are carried over; images that lay beside the corpus are embedded. `corpus.json` says
    what was done. The samples' order changes nothing, and a split's noise does not depend on which other splits are
    made noisy. Fixed classes and groups are the same in all splits in which the same ones have images.

    Parameters
    ----------
    corpus : Corpus
        An opened corpus, with verified labels wherever noise is wanted.
    target : folder to write
    noise : Noise, text such as ``"symmetric:0.2"``, or several
        See :data:`labelhedge.noise.NOISES`; ``shares`` can only come first.
    seed : int >= 0
    splits : names of splits
        The others stay as they are.
    trusted : {"representative", "right-only", "keep"}
        Trusted samples keep their noisy labels beside the verified ones, so that D_c is a checked random part of the
        noisy data; or only samples whose noisy labels happen to be right are trusted; or samples that were
        trusted before stay so, untouched by noise.
    clean_share : float in [0, 1], optional
        Draw the trusted samples anew, this share of the training samples, stratified by true label. Default: those
        trusted before (with ``right-only``, those of them that are right).
    relations : collection of str, optional
        The relations that make siblings. Default: all.
    background_column : str, optional
        The column whose values group the background images. Default: one group.
    name : str, optional
        The new corpus's name. Default: the old one's and the noise.

    Returns
    -------
    Corpus
        The new corpus, opened.

    Raises
    ------
    LabelhedgeError
        When a setting is wrong or does not fit the corpus: a sample without verified labels, siblings without a
        graph, an unknown column or split, a target that exists.

    Examples
    --------
    >>> import tempfile
    >>> noisy = corrupt(Corpus.open("clipart"), tempfile.mkdtemp(), ["symmetric:0.5", "missing:0.1"])
    >>> noisy.name
    'clipart-symmetric-0.5-missing-0.1'
    """
    target = Path(target)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise LabelhedgeError(f"{target} exists already: choose another folder")
    named = [noise] if isinstance(noise, str | Noise) else noise
    steps = [Noise.parse(step) if isinstance(step, str) else step for step in named]
    splits = [splits] if isinstance(splits, str) else list(splits)
    relations = [relations] if isinstance(relations, str) else relations
    settings = _Settings(steps, seed, splits, trusted, clean_share, relations, background_column)
    settings.check(corpus)
    observed, reached = _observed(corpus, settings)
    chosen = _trusted(corpus, observed, settings)
    given = "-".join(step.kind if step.kind == "shares" else f"{step.kind}-{step.rate}" for step in steps)
    description = f"{corpus.info.description} {settings.sentence(corpus, reached)}".strip()
    info = corpus.info.model_copy(
        update={
            "text": (),  # words are of the real labels, not of these
            "name": name or re.sub(r"[^\w.-]+", "-", f"{corpus.name}-{given}"),
            "description": description,
        }
    )
    tables = _tables(corpus, observed, chosen)
    return Corpus.open(write_corpus(target, info, tables, graph=corpus.graph_text(), extras=companions(corpus.folder)))


@dataclass(frozen=True)
class _Settings:
    """What `corrupt` was asked for."""

    steps: list[Noise]
    seed: int
    splits: list[str]
    trusted: str
    clean_share: float | None
    relations: Collection[str] | None
    column: str | None

    def check(self, corpus: Corpus) -> None:
        """Raise a LabelhedgeError where the settings are wrong or do not fit the corpus."""
        kinds = [step.kind for step in self.steps]
        parts = {part for step in self.steps for part, share in step.shares.items() if share > 0}
        if not self.steps:
            raise LabelhedgeError("no noise is named: name some, such as symmetric:0.2")
        if "shares" in kinds[1:]:
            raise LabelhedgeError("the noise 'shares' chooses labels from the truth, so it can only come first")
        for split in self.splits:
            if split not in SPLITS or not len(corpus.rows(split)):
                there = ", ".join(name for name in SPLITS if len(corpus.rows(name)))
                raise LabelhedgeError(f"the corpus has no split {split!r}; it has: {there}")
        if not self.splits:
            raise LabelhedgeError("no split is named: name some, such as train")
        if self.trusted not in get_args(Trusted):
            raise LabelhedgeError(f"trusted must be one of {', '.join(get_args(Trusted))}, found {self.trusted!r}")
        if self.clean_share is not None and not 0 <= self.clean_share <= 1:
            raise LabelhedgeError(f"the clean share must lie between 0 and 1, found {self.clean_share}")
        if self.clean_share is not None and self.trusted == "keep":
            raise LabelhedgeError("a clean share draws the trusted samples anew, and 'keep' keeps them: leave one out")
        kin = "siblings" in kinds or "siblings" in parts
        if self.relations is not None and not kin:
            raise LabelhedgeError("relations are named, but no noise uses siblings: leave them out")
        if kin and corpus.graph_path is None:
            raise CorpusError(
                corpus.folder / "graph.nt", "the file is missing, and siblings need it", "write it, or use other noise"
            )
        if self.column is not None and "background" not in kinds and "background" not in parts:
            raise LabelhedgeError("a background column is named, but no noise uses background: leave it out")
        columns = corpus.samples.extra.column_names
        if self.column is not None and self.column not in columns:
            raise LabelhedgeError(
                f"the corpus has no column {self.column!r} to group background by; it has: {', '.join(columns) or '-'}"
            )

    def sentence(self, corpus: Corpus, reached: Sequence[str]) -> str:
        """How the corpus was made, as a command that makes it again."""
        words = ["labelhedge", "corpus", "corrupt", corpus.name, "TARGET"]
        for step in self.steps:
            words += ["--noise", str(step)]
        words += ["--seed", str(self.seed), "--splits", ",".join(self.splits), "--trusted", self.trusted]
        for flag, value in (("--clean-share", self.clean_share), ("--background-column", self.column)):
            words += [] if value is None else [flag, str(value)]
        words += [] if self.relations is None else ["--relations", ",".join(self.relations)]
        return f"Noise made by: {shlex.join(words)} (from the corpus with hash {corpus.hash}): {'; '.join(reached)}."


def _observed(corpus: Corpus, settings: _Settings) -> tuple[LabelSets, list[str]]:
    """The observed labels of all samples, (N, L), and in words what the noise came to in each split."""
    samples = corpus.samples
    triples = graph.read_triples(corpus.graph_path) if corpus.graph_path else []
    groups = None if settings.column is None else np.array(samples.extra.column(settings.column).to_pylist(), object)
    changed = np.zeros(len(samples.ids), bool)
    found, reached = [], []
    for split in settings.splits:
        rows = _rows(corpus, split, settings)
        truth = samples.verified[rows]
        sets = truth
        own = None if groups is None else groups[rows].tolist()
        for number, step in enumerate(settings.steps):
            draws = generator(settings.seed, "step", str(number))
            seed = settings.seed if number == 0 else int(draws.integers(2**62))
            before, sets = sets, _apply(step, sets, truth, seed, triples, own, corpus, settings)
            if step.kind in ("modes", "background") and sets.nnz:
                reached.append(f"{step} reached {1 - sets.multiply(before).nnz / sets.nnz:.3f} in {split}")
        right = sets.multiply(truth).nnz / max(sets.nnz, 1)
        reached.append(f"{right:.1%} of {sets.nnz:,} labels made in {split} are right")
        changed[rows] = True
        places, labels = pairs(sets)
        found.append((rows[places], labels))
    places, labels = pairs(samples.observed)
    found.append((places[~changed[places]], labels[~changed[places]]))
    rows, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return label_sets(rows, labels, samples.observed.shape), reached


def _rows(corpus: Corpus, split: str, settings: _Settings) -> Integers:
    """The rows of a split that get noise, by id, so that the order of the rows changes nothing."""
    samples = corpus.samples
    rows = corpus.rows(split)
    unknown = rows[~samples.checked[rows]]
    if len(unknown):
        file, place = corpus.images.place(int(unknown[0]))
        raise CorpusError(
            file,
            f"{len(unknown)} of {len(rows)} {split} samples have no verified labels, and noise starts from them",
            "fill in verified, or remove these rows",
            row=place,
            sample=samples.ids[int(unknown[0])],
        )
    if settings.trusted == "keep":
        rows = rows[~samples.trusted[rows]]
    return np.array(sorted(rows.tolist(), key=samples.ids.__getitem__), np.int64)


def _apply(
    step: Noise,
    sets: LabelSets,
    truth: LabelSets,
    seed: int,
    triples: Sequence[tuple[str, str, str]],
    groups: Sequence[object] | None,
    corpus: Corpus,
    settings: _Settings,
) -> LabelSets:
    if step.kind in ("symmetric", "pair", "missing"):
        flip = {"symmetric": flips.symmetric, "pair": flips.pair, "missing": flips.missing}[step.kind]
        return flip(sets, step.rate, seed=seed)
    if step.kind == "siblings":
        related = graph.siblings(triples, corpus.labels, settings.relations)
        _check_kin(any(related), corpus)
        return flips.siblings(sets, step.rate, related, seed=seed)
    if step.kind == "modes":
        return modes(sets, truth, step.rate, seed=seed)
    if step.kind == "background":
        return background(sets, truth, step.rate, seed=seed, groups=groups)
    near = None
    if step.shares.get("siblings"):
        near = kinship(triples, corpus.labels, settings.relations)
        _check_kin(near.nnz > 0, corpus)
    return compose(truth, step.shares, seed=seed, near=near, groups=groups)


def _check_kin(found: bool, corpus: Corpus) -> None:
    if not found:
        raise CorpusError(
            corpus.folder / "graph.nt",
            "no label has a sibling through these relations",
            "give the labels of corpus.json the URIs of its subjects, or name other relations",
        )


def _trusted(corpus: Corpus, observed: LabelSets, settings: _Settings) -> npt.NDArray[np.bool_]:
    samples = corpus.samples
    right = np.asarray(abs(observed.astype(np.int8) - samples.verified.astype(np.int8)).sum(axis=1)).ravel() == 0
    able = samples.checked & (samples.split == "train")
    if settings.trusted == "right-only":
        able &= right
    if settings.clean_share is None:
        kept: npt.NDArray[np.bool_] = samples.trusted & (able if settings.trusted == "right-only" else True)
        return kept
    total, rows = len(corpus.rows("train")), np.flatnonzero(able)
    wanted = round(settings.clean_share * total)
    if wanted > len(rows):
        what = "are right after the noise" if settings.trusted == "right-only" else "have verified labels"
        raise LabelhedgeError(
            f"a clean share of {settings.clean_share} asks for {wanted} of {total} training samples, "
            f"but only {len(rows)} {what}: take a smaller share"
        )
    chosen = np.zeros(len(samples.ids), bool)
    if wanted == len(rows):
        chosen[rows] = True
    elif wanted:
        known = samples.verified[rows]
        lists = [known.indices[start:stop].tolist() for start, stop in zip(known.indptr, known.indptr[1:])]
        fractions = {"trusted": wanted, "rest": len(rows) - wanted}
        ids = [samples.ids[row] for row in rows]
        drawn = stratified_split(lists, fractions, seed=settings.seed, groups=ids)
        chosen[rows] = np.array(drawn) == "trusted"
    return chosen


def _tables(corpus: Corpus, observed: LabelSets, trusted: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
    """The samples anew, a batch at a time: labels replaced, images embedded, everything else as it was."""
    images = corpus.images.read()
    start = 0
    for path, _ in corpus.images.parts:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = ["image.path" if name == "image" else name for name in names]  # the bytes come from `images`
            for batch in file.iter_batches(_BATCH, columns=columns):
                stop = start + len(batch)
                data = pa.array([next(images)[1] for _ in range(start, stop)], pa.binary())
                paths = batch.column("image").field("path").cast(pa.string())
                new = {
                    "image": pa.StructArray.from_arrays([data, paths], ["bytes", "path"]),
                    "observed": _lists(observed[start:stop]),
                    "trusted": pa.array(trusted[start:stop]),
                }
                yield pa.table({name: new.get(name, batch.column(name)) for name in names})
                start = stop


def _lists(sets: scipy.sparse.csr_array) -> pa.Array:
    sets = sets.sorted_indices()
    return pa.ListArray.from_arrays(pa.array(sets.indptr, pa.int32()), pa.array(sets.indices, pa.int32()))
