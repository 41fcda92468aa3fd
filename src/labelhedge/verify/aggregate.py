"""Votes counted: `combine(units, workers, classes)` says what each unit is, and how sure that is, through crowd-kit.

A unit is what was asked: a sample, if its labels exclude each other and everybody chose among all of them; else a
sample and a label, whose classes are no and yes. Also how much people agree, and how good each of them is.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelhedge.errors import LabelhedgeError

METHODS = ("auto", "dawid-skene", "majority", "one-coin", "glad")
Integers = npt.NDArray[np.int64]
_EQUAL = 1e-6  # probabilities nearer than this are a tie
ENOUGH = 10
"""Nobody's quality is stated from fewer votes."""
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
    """How one person votes; a figure from fewer than `ENOUGH` votes is None.

    Attributes
    ----------
    name : str
    votes, unsure, skipped, golden, compared : int
        Yes, no and choices; the other answers; votes on units with a known answer; pairs with others' votes.
    accuracy : float or None
        On known answers.
    interval : (float, float) or None
        Of the accuracy, 95%, Wilson's.
    agreement : float or None
        Share of others' votes on the same units that say the same.
    """

    name: str
    votes: int
    unsure: int
    skipped: int
    golden: int
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
    same, others = _compare(units, classes)
    total = int(others.sum())
    if not total:
        return Agreement(0, 0, None, None)
    several = others > 0
    alpha = None
    if len(np.unique(classes[several])) > 1:
        try:
            import pandas as pd
            from crowdkit.metrics.data import alpha_krippendorff
        except ModuleNotFoundError as error:
            raise needs_crowdkit() from error
        columns = {"task": units[several], "worker": workers[several], "label": classes[several]}
        alpha = float(alpha_krippendorff(pd.DataFrame(columns)))
    return Agreement(len(np.unique(units[several])), total // 2, float(same.sum() / total), alpha)


def reviewers(
    units: Integers,
    workers: Integers,
    classes: Integers,
    names: list[str],
    *,
    golden: Mapping[int, int],
    unsure: Mapping[int, int],
    skipped: Mapping[int, int],
) -> list[Reviewer]:
    """How everybody votes, in order of name."""
    from scipy.stats import binomtest

    same, others = _compare(units, classes)
    known = np.array([golden.get(unit, -1) for unit in units.tolist()], np.int64)
    asked, right = known >= 0, known == classes
    found = []
    for worker, name in enumerate(names):
        mine = workers == worker
        count, hits = int((mine & asked).sum()), int((mine & asked & right).sum())
        interval = binomtest(hits, count).proportion_ci(method="wilson") if count >= ENOUGH else None
        compared = int(others[mine].sum())
        found.append(
            Reviewer(
                name=name,
                votes=int(mine.sum()),
                unsure=unsure.get(worker, 0),
                skipped=skipped.get(worker, 0),
                golden=count,
                compared=compared,
                accuracy=hits / count if count >= ENOUGH else None,
                interval=(float(interval.low), float(interval.high)) if interval else None,
                agreement=float(same[mine].sum() / compared) if (others[mine] > 0).sum() >= ENOUGH else None,
            )
        )
    return sorted(found, key=lambda reviewer: reviewer.name)


def _compare(units: Integers, classes: Integers) -> tuple[Integers, Integers]:
    """For each vote: how many others on its unit say the same, and how many others there are."""
    _, unit, votes = np.unique(units, return_inverse=True, return_counts=True)
    pairs = np.stack([units, classes]) if len(units) else np.zeros((2, 0), np.int64)
    _, pair, equal = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    return equal[pair.reshape(-1)] - 1, votes[unit] - 1
