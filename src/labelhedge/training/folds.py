"""Folds for cross-fitting: copies of an image are in one fold, so that no network is asked about what it has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labelhedge.training.randomness import derive_seed


def image_numbers(digests: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """A number (N,) for the image of each sample; copies have the same.

    Examples
    --------
    >>> image_numbers([b"cat", b"dog", b"cat"])
    array([0, 1, 0])
    """
    numbers = {identity: number for number, identity in enumerate(dict.fromkeys(digests))}
    return np.array([numbers[identity] for identity in digests], np.int64)


def assign_folds(
    images: npt.NDArray[np.int64], folds: int, seed: int, first: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """The fold (N,) of each sample: as many images in each, drawn from the seed.

    Parameters
    ----------
    images : (N,) from :func:`image_numbers`
    folds : int
    seed : int
    first : (N,) bool, optional
        Samples whose images are shared out by themselves, before the others, so that each fold has its part of them.

    Raises
    ------
    ValueError
        When `folds` is below 2.

    Examples
    --------
    >>> folds = assign_folds(np.array([0, 1, 2, 3, 0]), 2, seed=0)
    >>> bool(folds[0] == folds[4]), np.bincount(folds[:4]).tolist()
    (True, [2, 2])
    """
    if folds < 2:
        raise ValueError(f"two folds or more are needed, found {folds}")
    draws = np.random.default_rng(derive_seed(seed, "folds"))
    fold_of = np.full(images.max() + 1, -1)
    first = np.zeros(len(images), bool) if first is None else first
    for members in (images[first], images):
        new = np.unique(members[fold_of[members] < 0])
        fold_of[new] = draws.permutation(len(new)) % folds
    return fold_of[images]
