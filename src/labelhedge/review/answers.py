"""`Answers`: what is known of the observed labels of train, from the clean set and from votes, and how it was asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelhedge.corpus import Corpus
from labelhedge.verify import VoteStore
from labelhedge.verify.apply import own_votes
from labelhedge.verify.ballots import resolve
from labelhedge.verify.decide import decide
from labelhedge.verify.formats import read_votes, tell_format

RANDOM = "random"
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Answers(NamedTuple):
    """Observed labels of train of which somebody said whether they are right, A pairs, by row and label.

    Attributes
    ----------
    rows, labels : (A,) int
    wrong : (A,) bool
    sitting : (A,) int
        When the sample was first asked about: sittings are in order of time, 0 is all of which no store knows.
    drawn : (A,) bool
        Whether the sample was drawn at random then, and not for its pseudo labels.
    """

    rows: Integers
    labels: Integers
    wrong: Bools
    sitting: Integers
    drawn: Bools

    def of(self, label: int) -> Answers:
        """Those about one label."""
        chosen = self.labels == label
        return Answers(*(part[chosen] for part in self))


def known_answers(corpus: Corpus, files: Sequence[str | os.PathLike[str]] = ()) -> Answers:
    """What the clean set and votes say of observed labels; votes, also unsettled ones, win over the clean set.

    Parameters
    ----------
    corpus : Corpus
    files : files of votes, optional
        Default: the corpus's own, where `labelhedge review` puts them.

    Raises
    ------
    LabelhedgeError
        When votes are malformed, or another corpus's.
    """
    samples = corpus.samples
    train = samples.split == "train"
    said: dict[tuple[int, int], bool] = {}
    trusted = np.flatnonzero(samples.trusted & train)
    at, labels = samples.observed[trusted].nonzero()
    true_at, true = samples.verified[trusted].nonzero()
    right = np.isin(at * len(corpus.labels) + labels, true_at * len(corpus.labels) + true)
    said |= dict(zip(zip(trusted[at].tolist(), labels.tolist(), strict=True), right.tolist(), strict=True))
    paths = [Path(file) for file in files] or [path for path in [own_votes(corpus)] if path.exists()]
    if paths:
        votes = [read_votes(path, None) for path in paths]
        ballots = resolve(votes, samples.ids, corpus.labels, exclusive=corpus.info.exclusive, ignore_unknown=False)
        observed = samples.observed
        for (row, label), answer in decide(corpus, ballots).answers.items():
            if train[row] and label in observed.indices[observed.indptr[row] : observed.indptr[row + 1]]:
                said[row, label] = answer
    pairs = np.array(sorted(said), np.int64).reshape(-1, 2)
    wrong = np.array([not said[row, label] for row, label in pairs.tolist()], bool)
    asked = _first_asked(corpus, paths)
    sittings = [asked.get(row, (0, RANDOM)) for row in pairs[:, 0].tolist()]
    sitting = np.array([number for number, _ in sittings], np.int64)
    drawn = np.array([order in ("", RANDOM) for _, order in sittings], bool)
    return Answers(pairs[:, 0], pairs[:, 1], wrong, sitting, drawn)


def _first_asked(corpus: Corpus, paths: Sequence[Path]) -> Mapping[int, tuple[int, str]]:
    """Row -> (sitting, order), of samples that a store knows."""
    places = {id_: row for row, id_ in enumerate(corpus.samples.ids)}
    found: dict[int, tuple[int, str]] = {}
    before = 1
    for path in paths:
        if tell_format(path) != "store":
            continue
        with VoteStore(path, create=False) as store:
            asked = store.first_asked()
        for sample, (sitting, order) in asked.items():
            if sample in places:
                found.setdefault(places[sample], (before + sitting + 1, order))
        before += 2 + max((sitting for sitting, _ in asked.values()), default=0)
    return found
