"""Splits 6:3:1, stratified by label, with the samples of a group kept together; the clean set; background images.

    splits = make_splits(ids, labels, seed=0, groups=near_duplicates(images), checked=checked)

Equal seeds give equal splits, whatever the order of the samples: all chance comes from hashes of ids and group names.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelhedge.errors import LabelhedgeError

FRACTIONS: Mapping[str, float] = {"train": 6, "test": 3, "dev": 1}
"""The shares of the paper."""


class Splits(NamedTuple):
    """What :func:`make_splits` decides.

    Attributes
    ----------
    split : list of N str
        ``train``, ``dev`` or ``test``.
    trusted : (N,) bool
        The clean set D_c, among the checked training samples.
    """

    split: list[str]
    trusted: npt.NDArray[np.bool_]


def make_splits(
    ids: Sequence[str],
    labels: Sequence[Sequence[int]],
    *,
    seed: int,
    groups: Sequence[str] | None = None,
    fractions: Mapping[str, float] = FRACTIONS,
    checked: Sequence[bool] | npt.NDArray[np.bool_] | None = None,
    clean_share: float | None = None,
) -> Splits:
    """Split samples into train, test and dev, and choose the trusted ones.

    Where only some are checked, these are shared out too, label by label: dev and test measure on no others.

    Parameters
    ----------
    ids : N strings
        Unique.
    labels : N lists of label numbers
        What is known of each sample: verified labels where it is checked, observed labels elsewhere. An empty list
        is background, stratified like a label.
    seed : int
    groups : N strings, optional
        Samples with the same group end in one split. Default: each sample is a group.
    fractions : mapping of ``train``, ``test`` and ``dev`` to shares
    checked : N bools, optional
        Who has verified labels; only these can be trusted. Default: none.
    clean_share : float in [0, 1], optional
        Trust this share of the training samples, stratified by label. Default: every checked one. The draw rounds
        label by label, the rarest first: of labels with less than half a sample to give it mostly takes none, so a
        small share of a corpus with many labels can trust half as many as were asked for. :func:`short_of` says so.

    Returns
    -------
    Splits

    Raises
    ------
    LabelhedgeError
        When the clean share is more than the checked training samples can give.
    ValueError
        When lengths differ, a share is not positive, a label is negative.

    Examples
    --------
    >>> splits = make_splits(list("abcdefghij"), [[0]] * 10, seed=0, checked=[True] * 10, clean_share=0.5)
    >>> [splits.split.count(name) for name in ("train", "test", "dev")], splits.trusted.sum()
    ([6, 3, 1], np.int64(3))
    """
    known = np.zeros(len(ids), bool) if checked is None else np.asarray(checked, bool)
    strata = labels if known.all() else _with_checked(labels, known)
    split = stratified_split(strata, fractions, seed=seed, groups=ids if groups is None else groups)
    in_train = np.array([name == "train" for name in split], bool)
    able = np.flatnonzero(in_train & known)
    if clean_share is None:
        chosen = able
    else:
        wanted = _share_of_checked(clean_share, int(in_train.sum()), len(able))
        rows = able.tolist()
        chosen = able[_draw([labels[row] for row in rows], [ids[row] for row in rows], wanted, seed)]
    trusted = np.zeros(len(ids), bool)
    trusted[chosen] = True
    return Splits(split, trusted)


def short_of(splits: Splits, clean_share: float | None) -> list[str]:
    """What to tell about a clean share that was missed by more than a tenth, because the draw rounds label by label.

    Parameters
    ----------
    splits : Splits
    clean_share : float in [0, 1], optional
        What :func:`make_splits` was asked for.

    Returns
    -------
    list of at most one str

    Examples
    --------
    >>> few = make_splits(list("abcdefghij"), [[i] for i in range(10)], seed=0, checked=[True] * 10, clean_share=0.3)
    >>> short_of(few, 0.3)[0].split(": ")[0]
    'a clean share of 0.3 asks for 3 of 10 training samples, but 0 were drawn'
    """
    if clean_share is None:
        return []
    train = splits.split.count("train")
    wanted, drawn = round(clean_share * train), int(splits.trusted.sum())
    if abs(drawn - wanted) <= wanted / 10:
        return []
    return [
        f"a clean share of {clean_share:g} asks for {wanted:,} of {train:,} training samples, but {drawn:,} were "
        f"drawn: the draw rounds label by label. Ask for a {'larger' if drawn < wanted else 'smaller'} share where the "
        "number matters"
    ]


def choose_background(ids: Iterable[str], count: int, *, seed: int) -> list[str]:
    """Choose background images among photos that have none of the labels.

    Parameters
    ----------
    ids : iterable of str
        The photos that may serve, streamed: only the chosen ones are held.
    count : int >= 0
        How many are wanted; all, where there are fewer.
    seed : int

    Returns
    -------
    list of str
        In an order of their own, which depends on seed and ids alone: the first n are what a smaller count gives.

    Examples
    --------
    >>> choose_background(["a", "b", "c", "d"], 2, seed=0) == choose_background(["d", "c", "b", "a"], 2, seed=0)
    True
    """
    return heapq.nsmallest(count, ids, key=lambda name: (background_order(name, seed), name))


def background_order(name: str, seed: int) -> int:
    """A photo's place among all that may serve as background: a 64-bit number, the smallest is chosen first."""
    return int.from_bytes(_shuffle(seed, f"background {name}"), "big")


def parse_fractions(text: str) -> dict[str, float]:
    """The shares of train, test and dev that a text such as ``6:3:1`` names.

    Raises
    ------
    LabelhedgeError
        When it is no such text.

    Examples
    --------
    >>> parse_fractions("6:3:1")
    {'train': 6.0, 'test': 3.0, 'dev': 1.0}
    """
    try:
        shares = [float(part) for part in text.split(":")]
    except ValueError:
        shares = []
    if len(shares) != 3 or not all(0 < share < math.inf for share in shares):
        raise LabelhedgeError(
            f"the fractions must be three numbers above 0, such as 6:3:1 for train, test and dev, found {text!r}"
        )
    return dict(zip(("train", "test", "dev"), shares, strict=True))


def _with_checked(labels: Sequence[Sequence[int]], checked: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Labels, and for a checked sample each label once more as a rarer one of its own; background has one too."""
    width = 1 + max((label for found in labels for label in found), default=-1)
    background = [2 * width]
    return [
        [*found, *([width + label for label in found] or background)] if known else list(found)
        for found, known in zip(labels, checked.tolist(), strict=True)
    ]


def _share_of_checked(clean_share: float, train: int, able: int) -> float:
    """The share of the checked training samples that gives this share of all training samples."""
    if not 0 <= clean_share <= 1:
        raise LabelhedgeError(f"the clean share must lie between 0 and 1, found {clean_share}")
    if able == train:
        return clean_share
    wanted = round(clean_share * train)
    if wanted > able:
        raise LabelhedgeError(
            f"a clean share of {clean_share} asks for {wanted} of {train} training samples, but only {able} are "
            "checked: take a smaller share, or have more checked"
        )
    return wanted / max(able, 1)


def _draw(labels: Sequence[Sequence[int]], ids: Sequence[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    if share in (0, 1):
        return np.full(len(ids), bool(share))
    drawn = stratified_split(labels, {"clean": share, "noisy": 1 - share}, seed=seed, groups=ids)
    return np.array([name == "clean" for name in drawn], bool)


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
    counts = _count(labels, groups, width)
    totals = [0] * width
    for held in counts.values():
        for place, number in held.items():
            totals[place] += number
    lacking = [[share * total for total in totals] for share in shares.tolist()]
    members: list[list[str]] = [[] for _ in range(width)]
    for group in sorted(counts, key=lambda group: (-counts[group][width - 1], _shuffle(seed, group), group)):
        for place in counts[group]:
            members[place].append(group)
    assigned: dict[str, str] = {}
    remaining = totals.copy()
    rarest = [(total, label) for label, total in enumerate(totals[:-1]) if total]
    heapq.heapify(rarest)
    while rarest:
        number, label = heapq.heappop(rarest)
        if number != remaining[label]:
            continue  # it has become rarer since, and stands in the heap once more
        changed = set()
        for group in members[label]:
            if group in assigned:
                continue
            best = _neediest(lacking, label, names, seed, group)
            assigned[group] = names[best]
            for place, number in counts[group].items():
                lacking[best][place] -= number
                remaining[place] -= number
                changed.add(place)
        for place in changed - {width - 1}:
            if remaining[place]:
                heapq.heappush(rarest, (remaining[place], place))
    return [assigned[group] for group in groups]


def _neediest(lacking: list[list[float]], label: int, names: Sequence[str], seed: int, group: str) -> int:
    """The split that lacks most of a label, then most samples; equals are chosen by hash."""
    needs = [(lack[label], lack[-1]) for lack in lacking]
    most = max(needs)
    first = [split for split, need in enumerate(needs) if need == most]
    return first[0] if len(first) == 1 else max(first, key=lambda split: _shuffle(seed, group + names[split]))


def _count(labels: Sequence[Sequence[int]], groups: Sequence[str], width: int) -> dict[str, Counter[int]]:
    """For each group how many samples it has of each label, of background (width - 2) and of all (width - 1)."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for found, group in zip(labels, groups, strict=True):
        counts[group].update(found if len(found) else (width - 2,))
        counts[group][width - 1] += 1
    return counts


def _shuffle(seed: int, name: str) -> bytes:
    return hashlib.blake2b(name.encode(), key=str(seed).encode(), digest_size=8).digest()
