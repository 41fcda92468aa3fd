"""Splits 6:3:1, stratified by label, with the samples of a group kept together."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt


def stratified_split(
    labels: Sequence[Sequence[int]],
    fractions: Mapping[str, float],
    *,
    seed: int,
    groups: Sequence[str],
) -> list[str]:
    """Assign samples to splits so that every label, and background, is shared out as the fractions say.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011), on groups instead of samples:
    the rarest label goes first, its largest group first, each to the split that lacks most of that label.

    Parameters
    ----------
    labels : N lists of label numbers
        An empty list is background, which is stratified like a label.
    fractions : mapping of split name to share
        Shares are scaled to sum to one.
    seed : int
        Equal seeds give equal splits, whatever the order of the samples.
    groups : N strings
        Samples with the same group (near-duplicates, a series) end in one split. Give each sample its own id
        where there are no groups.

    Returns
    -------
    list of N split names

    Raises
    ------
    ValueError
        When the lengths differ, a share is not positive, or a label is negative.

    Examples
    --------
    >>> stratified_split([[0], [0], [1], [1]], {"train": 1, "test": 1}, seed=0, groups=list("abcd"))
    ['test', 'train', 'train', 'test']
    """
    if len(labels) != len(groups):
        raise ValueError(f"there are {len(labels)} label lists but {len(groups)} groups")
    if not fractions or not all(0 < share < math.inf for share in fractions.values()):
        raise ValueError(f"every share must be above 0, found {dict(fractions)}")
    lowest = min((label for found in labels for label in found), default=0)
    if lowest < 0:
        raise ValueError(f"label numbers count from 0, but one is {lowest}")
    names = list(fractions)
    shares = np.array(list(fractions.values()), float)
    shares /= shares.sum()
    width = 3 + max((label for found in labels for label in found), default=-1)  # labels, background, all
    counts = {group: (places % width, numbers) for group, (places, numbers) in _count(labels, groups).items()}
    totals = np.zeros(width)
    for places, numbers in counts.values():
        totals[places] += numbers
    lacking = shares[:, None] * totals  # (splits, labels + background + all)
    order = sorted(counts, key=lambda group: (-counts[group][1][-1], _shuffle(seed, group)))
    assigned: dict[str, str] = {}
    remaining = totals.copy()
    while len(assigned) < len(counts):
        open_labels = np.flatnonzero(remaining[:-1] > 0)
        label = int(open_labels[np.argmin(remaining[open_labels])])
        for group in order:
            if group in assigned or label not in counts[group][0]:
                continue
            best = max(
                range(len(names)),
                key=lambda split: (
                    lacking[split, label],
                    lacking[split, -1],
                    _shuffle(seed, group + names[split]),
                ),
            )
            assigned[group] = names[best]
            places, numbers = counts[group]
            lacking[best, places] -= numbers
            remaining[places] -= numbers
    return [assigned[group] for group in groups]


def _count(
    labels: Sequence[Sequence[int]], groups: Sequence[str]
) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """For each group, where it has samples and how many: labels by number, then -2 for background, -1 for all."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for found, group in zip(labels, groups, strict=True):
        counts[group].update(found if len(found) else (-2,))
        counts[group][-1] += 1
    return {
        group: (np.array(ordered, np.int64), np.array([count[place] for place in ordered], float))
        for group, count in counts.items()
        for ordered in [[*sorted(set(count) - {-1}), -1]]
    }


def _shuffle(seed: int, name: str) -> bytes:
    return hashlib.blake2b(name.encode(), key=str(seed).encode(), digest_size=8).digest()
