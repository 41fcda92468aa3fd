"""Votes counted: `combine(units, workers, classes)` says what each unit is, and how sure that is, through crowd-kit.

A unit is what was asked: a sample, if its labels exclude each other and everybody chose among all of them; else a
sample and a label, whose classes are no and yes. Also how much people agree, and how good each of them is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelhedge.errors import LabelhedgeError

METHODS = ("auto", "dawid-skene", "majority", "one-coin", "glad")
Integers = npt.NDArray[np.int64]
_EQUAL = 1e-6  # probabilities nearer than this are a tie
ENOUGH = 10
"""Nobody's quality is stated from fewer samples."""
ENOUGH_UNITS = 200
"""For each class so many units with two votes, or a known answer, before `auto` trusts a model of the workers."""


@dataclass(frozen=True)
class Combined:
    """What the votes come to; U units in rising order.

    Attributes
    ----------
    method : str
    units, winners, votes : (U,) int64
        The likeliest class, and how many votes there were.
    confidence : (U,) float64
        The class's probability in the method's eyes; for `majority` its share of the votes.
    tied : (U,) bool
        Another class is as likely.
    """

    method: str
    units: Integers
    winners: Integers
    votes: Integers
    confidence: npt.NDArray[np.float64]
    tied: npt.NDArray[np.bool_]


def combine(
    units: Integers,
    workers: Integers,
    classes: Integers,
    *,
    method: str = "auto",
    golden: Mapping[int, int] | None = None,
) -> Combined:
    """Combine votes to one class a unit.

    Parameters
    ----------
    units, workers, classes : (V,) int64
        One vote each: this worker says that this unit is of this class.
    method : str
        ``majority``; ``dawid-skene``: everybody has a confusion matrix (Dawid and Skene, 1979); ``one-coin``: everybody
        has an accuracy; ``glad``: and every unit a difficulty (Whitehill et al., NeurIPS 2009), slow. ``auto`` is
        Dawid-Skene where there are enough votes to tell workers from each other, and else the majority.
    golden : {unit: class}, optional
        Known answers. They win over the votes, and Dawid-Skene learns from them how workers err.

    Raises
    ------
    LabelhedgeError
        When crowd-kit is not installed or there is no such method.

    Examples
    --------
    >>> votes = np.array([[0, 0, 1], [0, 1, 1], [0, 2, 0], [1, 0, 1], [1, 1, 0]]).T
    >>> combined = combine(*votes, method="majority")
    >>> combined.winners.tolist(), combined.confidence.round(2).tolist(), combined.tied.tolist()
    ([1, 0], [0.67, 0.5], [False, True])
    """
    if method not in METHODS:
        raise LabelhedgeError(f"there is no method {method!r}: name one of {', '.join(METHODS)}")
    golden = golden or {}
    if method == "auto":
        method = _choose(units, classes, golden)
    there, votes = np.unique(units, return_counts=True)
    winners, confidence, tied = _fit(method, there, units, workers, classes, golden)
    known = np.array(sorted(golden), np.int64)
    every = np.union1d(there, known)
    place, sure = np.searchsorted(every, there), np.searchsorted(every, known)
    result = Combined(
        method,
        every,
        np.zeros(len(every), np.int64),
        np.zeros(len(every), np.int64),
        np.ones(len(every)),
        np.zeros(len(every), bool),
    )
    result.winners[place], result.votes[place] = winners, votes
    result.confidence[place], result.tied[place] = confidence, tied
    result.winners[sure] = [golden[unit] for unit in known.tolist()]
    result.confidence[sure], result.tied[sure] = 1.0, False
    return result


def _choose(units: Integers, classes: Integers, golden: Mapping[int, int]) -> str:
    there, votes = np.unique(units, return_counts=True)
    telling = int(((votes > 1) | np.isin(there, list(golden))).sum())
    return "dawid-skene" if telling >= ENOUGH_UNITS * len(np.unique(classes)) else "majority"


def _fit(
    method: str, there: Integers, units: Integers, workers: Integers, classes: Integers, golden: Mapping[int, int]
) -> tuple[Integers, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    if not len(there):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool)
    if len(np.unique(classes)) == 1:  # the models divide by the number of other classes
        return np.full(len(there), classes[0]), np.ones(len(there)), np.zeros(len(there), bool)
    try:
        import pandas as pd
        from crowdkit import aggregation
    except ModuleNotFoundError as error:
        raise needs_crowdkit() from error
    model: Any = {
        "majority": aggregation.MajorityVote,
        "dawid-skene": aggregation.DawidSkene,
        "one-coin": aggregation.OneCoinDawidSkene,
        "glad": aggregation.GLAD,
    }[method]()
    data = pd.DataFrame({"task": units, "worker": workers, "label": classes})
    options = {}
    if method == "dawid-skene" and golden:
        options["true_labels"] = pd.Series(golden).rename_axis("task")
    with warnings.catch_warnings():  # crowd-kit 1.4 uses arguments that pandas 3 calls deprecated
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*deprecated")
        probabilities = model.fit_predict_proba(data, **options).reindex(there).sort_index(axis=1)
    table = probabilities.to_numpy(dtype=np.float64, na_value=0.0)  # (U, classes)
    best = table.argmax(axis=1)
    confidence = table.max(axis=1)
    tied = np.sort(table, axis=1)[:, -2] > confidence - _EQUAL
    return np.asarray(probabilities.columns, np.int64)[best], confidence.clip(0, 1), tied


def needs_crowdkit() -> LabelhedgeError:
    """The error to raise where crowd-kit is missing."""
    return LabelhedgeError("crowd-kit is not installed: pip install 'labelhedge[verify]'")


@dataclass(frozen=True)
class Agreement:
    """How much people agree.

    Attributes
    ----------
    units : int
        With two votes or more.
    pairs : int
        Of votes on one unit.
    share : float or None
        Of pairs that agree.
    alpha : float or None
        Krippendorff's, agreement beyond chance: 1 is perfect, 0 is chance. None where everybody always says the same.
    """

    units: int
    pairs: int
    share: float | None
    alpha: float | None


@dataclass(frozen=True)
class Reviewer:
    """How one person votes; a figure from fewer than `ENOUGH` samples is None.

    Attributes
    ----------
    name : str
    votes, unsure, skipped, golden, samples, compared : int
        Yes, no and choices; the other answers; votes on units with a known answer; samples these are about; pairs with
        others' votes.
    accuracy : float or None
        On known answers.
    interval : (float, float) or None
        Of the accuracy, 95%, Wilson's, as if each sample were one vote.
    agreement : float or None
        Share of others' votes on the same units that say the same.
    """

    name: str
    votes: int
    unsure: int
    skipped: int
    golden: int
    samples: int
    compared: int
    accuracy: float | None
    interval: tuple[float, float] | None
    agreement: float | None


def agreement(units: Integers, workers: Integers, classes: Integers) -> Agreement:
    """How much people agree, over all units with two votes or more.

    Examples
    --------
    >>> votes = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0], [2, 0, 1], [2, 1, 0]]).T
    >>> found = agreement(*votes)
    >>> found.units, round(found.share, 3), round(found.alpha, 3)
    (3, 0.667, 0.444)
    """
    found = _tally(units, classes)
    total = int(found.others.sum())
    if not total:
        return Agreement(0, 0, None, None)
    several = found.others > 0
    unlike = (found.others - found.same)[several] / found.others[several]
    chosen = np.bincount(found.place[several]).astype(np.float64)  # by class
    votes = chosen.sum()
    expected = (votes**2 - (chosen**2).sum()) / (votes * (votes - 1))
    return Agreement(
        units=len(np.unique(units[several])),
        pairs=total // 2,
        share=float(found.same.sum() / total),
        alpha=float(1 - unlike.mean() / expected) if expected else None,  # 1 - D_o / D_e, of classes that are nominal
    )


def reviewers(
    units: Integers,
    workers: Integers,
    classes: Integers,
    names: list[str],
    *,
    golden: Mapping[int, int],
    unsure: Mapping[int, int],
    skipped: Mapping[int, int],
    samples: Integers | None = None,
) -> list[Reviewer]:
    """How everybody votes, in order of name; `samples` (V,) are what the units are questions about, if not themselves.

    What somebody says of one sample may stand or fall together: a whole choice is a vote on each of its labels. So a
    figure needs `ENOUGH` samples, and an interval is as wide as if each sample were one vote.
    """
    samples = units if samples is None else samples
    tally = _tally(units, classes)
    known = _known(units, golden)
    asked, right, shared = known >= 0, known == classes, tally.others > 0
    count = len(names)
    columns = {
        "votes": np.bincount(workers, minlength=count),
        "golden": np.bincount(workers[asked], minlength=count),
        "right": np.bincount(workers[right], minlength=count),
        "compared": np.bincount(workers, tally.others, minlength=count).astype(np.int64),
        "same": np.bincount(workers, tally.same, minlength=count).astype(np.int64),
        "known": _samples_of(workers[asked], samples[asked], count),
        "shared": _samples_of(workers[shared], samples[shared], count),
    }
    found = []
    for worker, name in enumerate(names):
        one = {key: int(values[worker]) for key, values in columns.items()}
        accuracy = one["right"] / one["golden"] if one["known"] >= ENOUGH else None
        found.append(
            Reviewer(
                name=name,
                votes=one["votes"],
                unsure=unsure.get(worker, 0),
                skipped=skipped.get(worker, 0),
                golden=one["golden"],
                samples=one["known"],
                compared=one["compared"],
                accuracy=accuracy,
                interval=None if accuracy is None else _wilson(accuracy, one["known"]),
                agreement=one["same"] / one["compared"] if one["shared"] >= ENOUGH else None,
            )
        )
    return sorted(found, key=lambda reviewer: reviewer.name)


class _Tally(NamedTuple):
    """Of each vote: how many others on its unit say the same, how many others there are, and its class's number."""

    same: Integers
    others: Integers
    place: Integers


def _tally(units: Integers, classes: Integers) -> _Tally:
    _, unit, votes = np.unique(units, return_inverse=True, return_counts=True)
    there, place = np.unique(classes, return_inverse=True)
    _, pair, equal = np.unique(unit * len(there) + place, return_inverse=True, return_counts=True)
    return _Tally(equal[pair] - 1, votes[unit] - 1, place)


def _known(units: Integers, golden: Mapping[int, int]) -> Integers:
    """The known class of each vote's unit, else -1."""
    if not golden:
        return np.full(len(units), -1)
    keys = np.array(sorted(golden), np.int64)
    values = np.array([golden[key] for key in keys.tolist()], np.int64)
    place = np.searchsorted(keys, units).clip(max=len(keys) - 1)
    return np.where(keys[place] == units, values[place], -1)


def _samples_of(workers: Integers, samples: Integers, count: int) -> Integers:
    """How many different samples each worker's votes are about."""
    pairs = np.unique(samples * count + workers)
    return np.bincount(pairs % count, minlength=count)


def _wilson(share: float, count: int) -> tuple[float, float]:
    """The 95% interval of a share of so many (Wilson, 1927)."""
    z = NormalDist().inv_cdf(0.975)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
