"""Randomness as a function, not a state: every draw follows from the seed and the place where it is made.

The order of samples follows from (seed, epoch), augmentation and dropout from (seed, step). To resume in mid-epoch
nothing of a generator has to be saved, and the order in which methods run changes nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def derive_seed(seed: int, purpose: str, number: int = 0) -> int:
    """A 63-bit seed for one purpose, such as ("dropout", step).

    Examples
    --------
    >>> derive_seed(0, "order", 1) == derive_seed(0, "order", 1) != derive_seed(0, "order", 2)
    True
    """
    key = f"{seed}/{purpose}/{number}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) >> 1


def sample_order(seed: int, epoch: int, count: int, length: int | None = None) -> npt.NDArray[np.int64]:
    """The samples of an epoch, in order: a permutation, or as many as `length` asks for.

    Parameters
    ----------
    seed, epoch : int
    count : int
        Number of samples n.
    length : int, optional
        Length of the epoch; a small set is gone through several times, each time in another order. Default: n.

    Returns
    -------
    (length,) sample numbers

    Examples
    --------
    >>> sorted(sample_order(seed=1, epoch=2, count=3).tolist())
    [0, 1, 2]
    >>> sorted(sample_order(seed=1, epoch=2, count=2, length=4).tolist())
    [0, 0, 1, 1]
    """
    if count < 1:
        raise ValueError("there is no sample to order")
    length = count if length is None else length
    generator = np.random.Generator(np.random.Philox(derive_seed(seed, "order", epoch)))
    rounds = [generator.permutation(count) for _ in range(max(1, -(-length // count)))]
    return np.concatenate(rounds)[:length]
