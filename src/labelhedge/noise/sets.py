"""What the noise models share: label sets as pairs of a row and a label, generators by purpose, checked rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.corpus.views import LabelSets
from labelhedge.errors import LabelhedgeError

Integers = npt.NDArray[np.int64]


def pairs(sets: Any) -> tuple[Integers, Integers]:
    """Rows and labels of all labels that are set, by row, then by label."""
    coordinates = scipy.sparse.coo_array(sets)
    present = coordinates.data.astype(bool)
    rows, labels = (place[present].astype(np.int64) for place in coordinates.coords)
    order = np.lexsort((labels, rows))
    return rows[order], labels[order]


def label_sets(rows: Integers, labels: Integers, shape: tuple[int, int]) -> LabelSets:
    """(N, L) sparse bool from pairs; a pair that stands twice counts once."""
    flat = np.unique(rows * shape[1] + labels)
    places = (flat // shape[1], flat % shape[1])
    sets: LabelSets = scipy.sparse.coo_array((np.ones(len(flat), bool), places), shape=shape).tocsr()
    return sets


def as_sets(sets: Any) -> LabelSets:
    """Sparse or dense (N, L) labels as canonical label sets."""
    return label_sets(*pairs(sets), sets.shape)


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """A generator of its own for each purpose of a seed."""
    if seed < 0:
        raise LabelhedgeError(f"the seed must be 0 or more, found {seed}")
    return np.random.default_rng([seed, *"/".join(purpose).encode()])


def check_rate(rate: float, what: str, *, below_one: bool = False) -> None:
    """Raise a LabelhedgeError for a rate outside [0, 1], or [0, 1) where `below_one`."""
    if not 0 <= rate <= 1:  # also true of NaN
        raise LabelhedgeError(f"{what}: the rate must lie between 0 and 1, found {rate}")
    if below_one and rate == 1:
        raise LabelhedgeError(f"{what}: at rate 1 no right image would be left to measure the rate by; take less")
