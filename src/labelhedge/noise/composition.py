"""Observed labels of a wanted composition: so many right, so many on siblings, so many on background."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.corpus.views import LabelSets
from labelhedge.errors import LabelhedgeError
from labelhedge.noise.fixed import fixed_classes, fixed_groups, lenders
from labelhedge.noise.modes import background_groups
from labelhedge.noise.sets import Integers, as_sets, generator, pairs
from labelhedge.noise.stocks import Gains, carried_labels, hand_out, incidence, stocks_of, whole, with_gains

PARTS = ("right", "siblings", "modes", "background")


def compose(
    truth: Any,
    shares: Mapping[str, float],
    *,
    seed: int,
    near: Any = None,
    groups: Sequence[Any] | None = None,
    per_label: int | None = None,
) -> LabelSets:
    """Choose which images of a pool carry which label, so that every label's images have the composition wanted.

    Every label gets as many images as the pool allows with these shares (all labels grow together; one stops where a
    class or group that it draws on has no images left), so the shares hold for each label up to rounding. An image
    that no label needs carries none. No true label of an image is used twice: where the truth has at most one label
    a row, so has the result.

    Parameters
    ----------
    truth : (N, L) sparse or dense bool
        True labels of the pool; a row without any is background.
    shares : mapping of part to share, summing to one
        Of the images observed as a label: ``right`` are truly of it; ``siblings`` are of one or two fixed nearest
        siblings (a label without siblings takes another class); ``modes`` are of one or two fixed other classes;
        ``background`` are of one or two fixed groups of background images.
    seed : int >= 0
    near : (L, L) sparse or dense, optional
        Nearness of siblings, see :func:`kinship`; ``siblings`` needs it.
    groups : N values, optional
        The group of each background image, such as its class. Default: one group.
    per_label : int, optional
        Observed labels per label at most. Default: as many as the pool allows.

    Returns
    -------
    (N, L) sparse bool

    Raises
    ------
    LabelhedgeError
        When a part is unknown, the shares do not sum to one, `near` is missing, or there is no background image or no
        other class to take in.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.repeat(np.array([[1, 0], [0, 1], [0, 0]], bool), 20, axis=0)
    >>> shares = {"right": 0.5, "modes": 0.25, "background": 0.25}
    >>> noisy = compose(truth, shares, seed=0).toarray()
    >>> noisy.sum(axis=0), (noisy & truth).sum(axis=0), noisy[40:].sum(axis=0)
    (array([26, 26]), array([13, 13]), array([6, 6]))
    """
    shares = check_shares(shares)
    true = as_sets(truth)
    count = true.shape[1]
    rows, labels = pairs(true)
    height = count
    drawn: dict[str, list[list[int]]] = {"right": [[label] for label in range(count)]}
    if "siblings" in shares:
        if near is None:
            raise LabelhedgeError("shares: 'siblings' needs the labels' kinship, and so a graph")
        drawn["siblings"] = fixed_classes(count, seed=seed, near=near, among=lenders(true))
    if "modes" in shares:
        drawn["modes"] = fixed_classes(count, seed=seed, among=lenders(true))
    if "background" in shares:
        numbers, places, number = background_groups(true, groups)
        chosen = fixed_groups(count, number, seed=seed)
        drawn["background"] = [[count + group for group in own] for own in chosen]
        rows, labels = np.concatenate([rows, places]), np.concatenate([labels, count + numbers])
        height += number
    sources = {part: drawn[part] for part in shares}  # classes are numbered 0 to L - 1, groups from L on
    needs = scipy.sparse.csr_array((height, count), dtype=np.float64)  # of each source for one image of each label
    for part, share in shares.items():
        needs = (needs + share * incidence(sources[part], height)).tocsr()
    able = np.array([all(bool(own[label]) for own in sources.values()) for label in range(count)])
    if not able.any():
        raise LabelhedgeError("shares: no label has another class to take images from")
    supply = np.bincount(labels, minlength=height).astype(float)
    sizes = np.floor(_fill(needs, supply, able, math.inf if per_label is None else per_label) + 1e-9)
    stocks = stocks_of(labels, rows, height, generator(seed, "images of the composition"))
    carried = carried_labels(true)
    nobody: list[set[int]] = [set() for _ in carried]
    given: dict[str, Gains] = {}
    for part, wanted in _wants(sources, shares, sizes).items():
        given[part] = hand_out(stocks, wanted, nobody if part == "right" else carried)
    gains = _trimmed(given, shares, sizes)
    nothing: Integers = np.array([], np.int64)
    return with_gains(nothing, nothing, gains, true.shape)


def check_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares above zero; a LabelhedgeError for an unknown part or a sum other than one."""
    unknown = [part for part in shares if part not in PARTS]
    if unknown:
        raise LabelhedgeError(f"shares: there is no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    if not all(0 <= share <= 1 for share in shares.values()):
        raise LabelhedgeError(f"shares: every share must lie between 0 and 1, found {dict(shares)}")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise LabelhedgeError(f"shares: they must sum to 1, but sum to {sum(shares.values()):g}")
    return {part: share for part, share in shares.items() if share > 0}


def _fill(
    needs: scipy.sparse.csr_array, supply: npt.NDArray[np.float64], able: npt.NDArray[np.bool_], most: float
) -> npt.NDArray[np.float64]:
    """Let all labels grow together; those that draw on a source stop when it is empty (max-min fairness)."""
    sizes = np.zeros(len(able))
    left = supply.copy()
    growing = able.copy()
    while growing.any():
        speed = needs @ growing.astype(float)
        drawn = speed > 0
        step = min((left[drawn] / speed[drawn]).min(initial=math.inf), most - sizes[growing][0])
        sizes[growing] += step
        left -= step * speed
        empty = drawn & (left <= 1e-6)
        stopped = (needs.T @ empty.astype(float)) > 0
        growing &= ~stopped & (sizes < most)
    return sizes


def _wants(
    sources: Mapping[str, Sequence[Sequence[int]]], shares: Mapping[str, float], sizes: npt.NDArray[np.float64]
) -> dict[str, list[tuple[int, int, int]]]:
    """For every part, (label, source, whole number of images); a part is drawn evenly from its sources."""
    wants: dict[str, list[tuple[int, int, int]]] = {part: [] for part in shares}
    for label in np.flatnonzero(sizes).tolist():
        for part, size in zip(shares, whole([share * sizes[label] for share in shares.values()]), strict=True):
            own = sources[part][label]
            pieces = whole([size / len(own)] * len(own))
            wants[part] += [(label, source, piece) for source, piece in zip(own, pieces, strict=True)]
    return wants


def _trimmed(given: Mapping[str, Gains], shares: Mapping[str, float], sizes: npt.NDArray[np.float64]) -> Gains:
    """What labels got, cut where a part ran short: where images of a class truly have the label that wants them."""
    count = len(sizes)
    got = {part: np.bincount([label for _, _, label in gains], minlength=count) for part, gains in given.items()}
    kept: Gains = []
    left = {}
    for label in range(count):
        total = sizes[label]
        if sum(got[part][label] for part in given) < total:
            total = min(got[part][label] / shares[part] for part in given)
        left[label] = dict(zip(given, whole([shares[part] * total for part in given]), strict=True))
    for part, gains in given.items():
        for gain in gains:
            if left[gain[2]][part] > 0:
                left[gain[2]][part] -= 1
                kept.append(gain)
    return kept
