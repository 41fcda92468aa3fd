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


def sample_order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """The order of `count` samples in an epoch.

    Examples
    --------
    >>> sorted(sample_order(seed=1, epoch=2, count=4).tolist())
    [0, 1, 2, 3]
    """
    return np.random.Generator(np.random.Philox(derive_seed(seed, "order", epoch))).permutation(count)
