"""From ballots to a decision on each sample: `decide(corpus, ballots) -> Decisions`.

Where the labels exclude each other and everybody chose among all of them, a sample is one question with L answers, and
one more: none of them. Otherwise, also where it is known of a label that it is absent, every (sample, label) is a
question with the answers yes and no. Somebody who chose among all labels has said no to those that anybody else chose,
and to those that the sample was thought to have.

A multi-label sample is verified when every label that was asked, and every observed one, is decided; labels that
nobody asked about count as absent. Of a sample that was checked before, only what was voted on changes.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from labelhedge.corpus import Corpus
from labelhedge.corpus.views import LabelSets
from labelhedge.verify.aggregate import (
    Agreement,
    Combined,
    Integers,
    Reviewer,
    agreement,
    combine,
    reviewers,
)
from labelhedge.verify.ballots import NO, UNSURE, YES, Ballots

STATES = {
    "decided": "verified by the votes",
    "disputed": "disputed: unverified",
    "none": "none of the labels, or not the one asked: unverified",
    "few": "too few votes, or unsure: left as they were",
    "open": "observed labels that nobody was asked about: left as they were",
}
"""What can come of a sample that was voted on."""


@dataclass(frozen=True)
class Settled:
    """What the votes say of one sample: `labels` and `confidence` where the state is ``decided``."""

    state: str
    labels: tuple[int, ...] = ()
    confidence: float | None = None


@dataclass(frozen=True)
class Decisions:
    """What the votes come to.

    Attributes
    ----------
    samples : {row: Settled}
        Of the samples that were voted on.
    method : str
        What was used, where `auto` was asked for.
    per_label : bool
        Whether each (sample, label) was a question of its own.
    single : int
        Questions that were decided by one vote.
    agreement : Agreement
    reviewers : list of Reviewer
    answers : {(row, label): bool}
        What is decided on single labels, also of samples that are not verified with it.
    majorities : int
        Disputed questions in which most say the same, too few of them for the confidence that was asked for.
    """

    samples: dict[int, Settled]
    method: str
    per_label: bool
    single: int
    agreement: Agreement
    reviewers: list[Reviewer]
    answers: dict[tuple[int, int], bool]
    majorities: int = 0


@dataclass
class _Questions:
    """Votes, each (unit, worker) once, as three columns; known answers; which labels were asked, by row."""

    votes: Integers  # (3, V): unit, worker, class
    golden: dict[int, int] = field(default_factory=dict)
    asked: dict[int, set[int]] = field(default_factory=dict)


def decide(
    corpus: Corpus, ballots: Ballots, *, method: str = "auto", min_confidence: float = 0.8, min_votes: int = 1
) -> Decisions:
    """Decide on each sample that was voted on.

    Parameters
    ----------
    corpus : Corpus
    ballots : Ballots
    method : str
        See `labelhedge.verify.aggregate.combine`.
    min_confidence : float in [0, 1]
        A question of lower confidence is disputed; so is a tie.
    min_votes : int
        A question with fewer votes stays open. A known answer needs none.

    Raises
    ------
    LabelhedgeError
        When crowd-kit is missing or there is no such method.
    """
    count = len(corpus.labels)
    absent = NO in ballots.golden_answers.values()
    per_label = not corpus.info.exclusive or bool(ballots.answers) or absent
    questions = _by_label(corpus, ballots) if per_label else _by_sample(corpus, ballots)
    units, workers, classes = questions.votes
    combined = combine(units, workers, classes, method=method, golden=questions.golden)
    answers = _answers(combined, questions.golden, min_confidence, min_votes)
    if per_label:
        samples = {row: _sample(corpus, row, labels, answers, count + 1) for row, labels in questions.asked.items()}
    else:
        samples = {row: _one_of(answer, count) for row, answer in answers.items()}
    return Decisions(
        samples=samples,
        method=combined.method,
        per_label=per_label,
        single=sum(1 for answer in answers.values() if answer.votes == 1 and answer.state == "decided"),
        agreement=agreement(units, workers, classes),
        reviewers=reviewers(
            units,
            workers,
            classes,
            ballots.workers,
            golden=questions.golden,
            unsure=ballots.unsure,
            skipped=ballots.skipped,
            samples=units // (count + 1) if per_label else units,
        ),
        answers=_single(corpus, answers, count, per_label=per_label),
        majorities=sum(answer.state == "disputed" and answer.confidence > 0.5 for answer in answers.values()),
    )


def _single(
    corpus: Corpus, answers: Mapping[int, _Answer], count: int, *, per_label: bool
) -> dict[tuple[int, int], bool]:
    """The decided answers by (row, label); who chose one label of all has said no to the observed ones."""
    found: dict[tuple[int, int], bool] = {}
    for unit, answer in answers.items():
        if answer.state != "decided":
            continue
        if per_label:
            row, label = divmod(unit, count + 1)
            if label < count:
                found[row, label] = answer.winner == YES
        else:
            found |= {(unit, label): label == answer.winner for label in _members(corpus.samples.observed, unit)}
            if answer.winner < count:
                found[unit, answer.winner] = True
    return found


class _Answer(NamedTuple):
    state: str
    winner: int
    confidence: float
    votes: int


def _answers(
    combined: Combined, golden: Mapping[int, int], min_confidence: float, min_votes: int
) -> dict[int, _Answer]:
    found = {}
    columns = (combined.units, combined.winners, combined.confidence, combined.votes, combined.tied)
    for unit, winner, confidence, votes, tied in zip(*(column.tolist() for column in columns), strict=True):
        if unit in golden:
            state = "decided"
        elif votes < min_votes:
            state = "few"
        else:
            state = "disputed" if tied or confidence < min_confidence else "decided"
        found[unit] = _Answer(state, winner, confidence, votes)
    return found


def _by_sample(corpus: Corpus, ballots: Ballots) -> _Questions:
    """A sample is a unit; its classes are the labels, and one more where nobody chose any."""
    none = len(corpus.labels)
    keys = np.array(list(ballots.choices), np.int64).reshape(-1, 2)
    classes = [next(iter(chosen), none) for chosen in ballots.choices.values()]
    questions = _Questions(np.stack([*keys.T, np.array(classes, np.int64)]))
    for row, label in ballots.golden_answers:  # each a yes
        questions.golden[row] = label
    for row, chosen in ballots.golden_choices.items():
        questions.golden[row] = next(iter(chosen), none)
    return questions


def _by_label(corpus: Corpus, ballots: Ballots) -> _Questions:
    """A (sample, label) is a unit, numbered sample * (L + 1) + label.

    Label L is "is anything there?": asked where everybody chose nothing from all labels, and nothing was expected.
    """
    count = len(corpus.labels) + 1
    asked: dict[int, set[int]] = defaultdict(set)
    for row, label, _ in ballots.answers:
        asked[row].add(label)
    for row, label in ballots.golden_answers:
        asked[row].add(label)
    choices: dict[int, list[tuple[int, frozenset[int]]]] = defaultdict(list)
    for (row, worker), chosen in ballots.choices.items():
        choices[row].append((worker, chosen))
        asked[row] |= chosen
    known = dict(ballots.golden_choices)
    if corpus.info.exclusive:  # a yes to one label is a no to all others
        known |= {row: frozenset([label]) for (row, label), answer in ballots.golden_answers.items() if answer == YES}
    for row, chosen in known.items():
        choices.setdefault(row, [])
        asked[row] |= chosen
    implied = array("q")  # by choices: unit, worker, class, and again
    for row in choices:
        asked[row].update(_members(corpus.samples.observed, row))
        asked[row].update(_known(corpus, row) or ())
        if not asked[row]:
            asked[row].add(count - 1)
        for worker, chosen in choices[row]:
            for label in asked[row]:
                implied.extend((row * count + label, worker, YES if label in chosen else NO))
    questions = _Questions(_votes(ballots, np.frombuffer(implied, np.int64).reshape(-1, 3), count), asked=asked)
    for row, chosen in known.items():
        questions.golden.update({row * count + label: YES if label in chosen else NO for label in asked[row]})
    for (row, label), answer in ballots.golden_answers.items():
        questions.golden[row * count + label] = answer
    return questions


def _votes(ballots: Ballots, implied: Integers, count: int) -> Integers:
    """Answers, and what choices (C, 3) imply where the same person gave no answer, as three columns."""
    keys = np.array(list(ballots.answers), np.int64).reshape(-1, 3)
    classes = np.array(list(ballots.answers.values()), np.int64)
    said = np.stack([keys[:, 0] * count + keys[:, 1], keys[:, 2], classes])
    if len(implied) and len(keys):
        every = np.concatenate([said, implied.T], axis=1)
        _, first = np.unique(every[0] * len(ballots.workers) + every[1], return_index=True)
        said = every[:, first]
    elif len(implied):
        said = implied.T
    return said[:, said[2] != UNSURE]


def _one_of(answer: _Answer, none: int) -> Settled:
    if answer.state != "decided":
        return Settled(answer.state)
    if answer.winner == none:
        return Settled("none")
    return Settled("decided", (answer.winner,), answer.confidence)


def _sample(corpus: Corpus, row: int, asked: set[int], answers: Mapping[int, _Answer], count: int) -> Settled:
    found = {label: answers.get(row * count + label) for label in sorted(asked)}
    states = {label: "few" if answer is None else answer.state for label, answer in found.items()}
    sure = {label: answer for label, answer in found.items() if answer and answer.state == "decided"}
    yes = [label for label, answer in sure.items() if answer.winner == YES]
    known = _known(corpus, row)
    if corpus.info.exclusive:
        if len(yes) == 1:  # and with it every other label is known to be absent
            return Settled("decided", (yes[0],), sure[yes[0]].confidence)
        if yes or "disputed" in states.values():
            return Settled("disputed")
        if "few" in states.values():
            return Settled("few")
        return Settled("open" if known and not known & asked else "none")
    if "disputed" in states.values():
        return Settled("disputed")
    if "few" in states.values():
        return Settled("few")
    checked = known is not None
    if not checked and set(_members(corpus.samples.observed, row)) - asked:
        return Settled("open")
    labels = sorted({*yes, *((known or set()) - asked)})
    confidence = min((answer.confidence for answer in sure.values()), default=1.0)
    return Settled("decided", tuple(labels), confidence)


def _members(sets: LabelSets, row: int) -> list[int]:
    found: list[int] = sets.indices[sets.indptr[row] : sets.indptr[row + 1]].tolist()
    return found


def _known(corpus: Corpus, row: int) -> set[int] | None:
    """The verified labels of a sample that was checked before; what training may not see is not known here either."""
    samples = corpus.samples
    hidden = samples.split[row] == "train" and not samples.trusted[row]
    return None if hidden or not samples.checked[row] else set(_members(samples.verified, row))
