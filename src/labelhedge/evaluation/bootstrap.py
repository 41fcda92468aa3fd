"""A measured value and its interval: percentile bootstrap over samples, the same draws for everything measured.

drawn = bootstrap_means(quantities, resamples=1000, seed=0)      # (B, K) from (N, K)
estimate(quantities.mean(axis=0), drawn).low                     # (K,)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Value = TypeVar("Value", float, FloatArray)

LEVEL = 0.95
"""Of every interval here."""

_DRAWN = 2_000  # samples of a paired draw
_ENTRIES = 16_000_000  # of an array at work: 128 MB
_ROUNDING = 1e-12  # C - C_0 of a label is a difference of numbers of at most 1


class Estimate(NamedTuple, Generic[Value]):
    """A measured value and its 95% interval: floats, or arrays (L,) with an entry per label."""

    value: Value
    low: Value
    high: Value


def may_be_zero(measured: Estimate[Any]) -> Any:
    """Whether the interval contains 0, rounding errors aside: bool, or an array of them. NaN does not."""
    return (measured.low <= _ROUNDING) & (measured.high >= -_ROUNDING)


def bootstrap_means(quantities: FloatArray, resamples: int, seed: int) -> FloatArray:
    """Means (B, K) of quantities (N, K) over samples drawn again, N of N with replacement."""
    generator = np.random.default_rng(seed)
    count, width = quantities.shape
    means = np.empty((resamples, width))
    together = max(1, _ENTRIES // (8 * count))  # draws at once
    for start in range(0, resamples, together):
        draws = min(together, resamples - start)
        picked = generator.integers(count, size=(draws, count)) + count * np.arange(draws)[:, None]
        times = np.bincount(picked.ravel(), minlength=draws * count).reshape(draws, count)
        means[start : start + draws] = times.astype(np.float64) @ quantities / count
    return means


def estimate(value: FloatArray, drawn: FloatArray) -> Estimate[FloatArray]:
    """A value (...) with the interval of its draws (B, ...); NaN where the value is."""
    filled = np.nan_to_num(drawn, nan=0.0)  # a draw in which one side made no error shares none
    low, high = np.quantile(filled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    unknown = np.isnan(value)
    return Estimate(np.asarray(value), np.where(unknown, np.nan, low), np.where(unknown, np.nan, high))


def estimate_scalar(value: Any, drawn: FloatArray) -> Estimate[float]:
    """The same for one number and its draws (B,)."""
    return Estimate(*(float(part) for part in estimate(np.asarray(value, np.float64), drawn)))


def paired_error(
    measure: Callable[[npt.NDArray[Any], npt.NDArray[Any]], Any],
    truth: npt.NDArray[np.bool_],
    pairs: Sequence[tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]],
    seed: int,
    resamples: int = 50,
) -> float:
    """Standard error of by how much one score is above another: over samples, both scored on the same draws.

    Parameters
    ----------
    measure : function of (truth, scores), such as `mean_average_precision`
    truth : (N, L) bool
    pairs : scores (N, L) of the one and of the other; of several pairs the mean difference counts
    seed, resamples : int

    Raises
    ------
    ValueError
        When no sample has a label: nothing can be scored.
    """
    if not truth.any():
        raise ValueError("no sample has a label: there is nothing to score")
    generator = np.random.default_rng(seed)
    size = min(len(truth), _DRAWN)  # of more samples, draws of fewer: their error is larger by the root of the ratio
    differences: list[float] = []
    while len(differences) < resamples:
        drawn = generator.integers(len(truth), size=size)
        if truth[drawn].any():  # else nothing can be scored
            each = [measure(truth[drawn], one[drawn]) - measure(truth[drawn], other[drawn]) for one, other in pairs]
            differences.append(float(np.mean(each)))
    return float(np.std(differences, ddof=1) * np.sqrt(size / len(truth)))


def label_blocks(count: int, width: int) -> Iterator[slice]:
    """Labels in blocks, so that no float copy of everything is made."""
    step = max(16, _ENTRIES // (16 * count))
    return (slice(start, min(start + step, width)) for start in range(0, width, step))
