"""Handing images out: every class or background group has a stock of images, every label wants some of some stocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.corpus.views import LabelSets
from labelhedge.noise.sets import Integers, label_sets, pairs

Gains = list[tuple[int, int, int]]
"""(row, source, label): the image of a row, out of the stock of a class or group, goes to a label."""


def incidence(sources: Sequence[Sequence[int]], height: int) -> scipy.sparse.csr_array:
    """(height, L): the share of its images that a label takes from each of its sources, evenly."""
    sizes = [len(group) for group in sources]
    columns = np.repeat(np.arange(len(sources)), sizes)
    rows = np.array([source for group in sources for source in group], np.int64)
    shares = 1 / np.repeat(np.maximum(sizes, 1), sizes)
    return scipy.sparse.coo_array((shares, (rows, columns)), shape=(height, len(sources))).tocsr()


def stocks_of(sources: Integers, rows: Integers, count: int, draws: np.random.Generator) -> list[list[int]]:
    """The rows of every class or group, shuffled."""
    shuffled = draws.permutation(len(rows))
    stocks: list[list[int]] = [[] for _ in range(count)]
    for source, row in zip(sources[shuffled].tolist(), rows[shuffled].tolist()):
        stocks[source].append(row)
    return stocks


def quotas(
    taken: npt.NDArray[np.float64],
    sources: Sequence[Sequence[int]],
    stocks: Sequence[Sequence[int]],
    draws: np.random.Generator,
) -> list[tuple[int, int, int]]:
    """(label, source, whole number of images), scaled down where a source has too few."""
    demand = incidence(sources, len(stocks)) @ taken
    supply = np.array([len(images) for images in stocks], float)
    scale = np.minimum(1, supply / np.maximum(demand, 1e-12))
    wants = []
    for label in draws.permutation(len(sources)).tolist():
        sizes = [taken[label] / len(sources[label]) * scale[source] for source in sources[label]]
        wants += [(label, source, size) for source, size in zip(sources[label], whole(sizes), strict=True)]
    return wants


def whole(sizes: Sequence[float]) -> list[int]:
    """Whole numbers near to `sizes` whose sum is the rounded sum (largest remainders).

    Examples
    --------
    >>> whole([0.5, 0.5, 1.0])
    [1, 0, 1]
    """
    exact = np.asarray(sizes, float) + 1e-9
    rounded = np.floor(exact)
    extra = int(np.rint(exact.sum()) - rounded.sum())
    rounded[np.argsort(rounded - exact, kind="stable")[:extra]] += 1
    return [int(size) for size in rounded]


def carried_labels(*sets: LabelSets) -> list[set[int]]:
    """The labels of every row in any of the sets."""
    carried: list[set[int]] = [set() for _ in range(sets[0].shape[0])]
    for part in sets:
        for row, label in zip(*(places.tolist() for places in pairs(part)), strict=True):
            carried[row].add(label)
    return carried


def hand_out(stocks: Sequence[list[int]], wants: Sequence[tuple[int, int, int]], carried: Sequence[set[int]]) -> Gains:
    """Give images to labels; each leaves the stock, and none goes to a label that it truly has or carries already."""
    gains: Gains = []
    for label, source, size in wants:
        chosen = [row for row in stocks[source] if label not in carried[row]][:size]
        gone = set(chosen)
        stocks[source][:] = [row for row in stocks[source] if row not in gone]
        for row in chosen:
            carried[row].add(label)
        gains += [(row, source, label) for row in chosen]
    return gains


def with_gains(rows: Integers, labels: Integers, gains: Gains, shape: tuple[int, int]) -> LabelSets:
    """Label sets of pairs and of what labels gained."""
    new_rows = np.array([row for row, _, _ in gains], np.int64)
    new_labels = np.array([label for _, _, label in gains], np.int64)
    return label_sets(np.concatenate([rows, new_rows]), np.concatenate([labels, new_labels]), shape)
