"""What methods may see: the training view holds no verified label of an untrusted sample."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse

Sight = Literal["everything", "labels", "clean set"]
"""What of the training samples a method looks at, see `TrainingView.seen_as`."""

LabelSets = scipy.sparse.csr_array
"""(N, L) sparse bool: the labels of N samples."""


@dataclass(frozen=True)
class TrainingView:
    """The training samples as a method may see them.

    Attributes
    ----------
    digests : list of N bytes
        Identities of the images.
    observed : (N, L) sparse bool
        Noisy labels y as they were found.
    trusted : (N,) bool
        The samples of the clean set D_c.
    verified : (N, L) sparse bool
        True labels of the trusted samples; the rows of all others are empty.
    texts : list of N str
        The words about each image, of the columns that corpus.json names as `text`; empty where it names none.
    """

    digests: list[bytes]
    observed: LabelSets
    trusted: npt.NDArray[np.bool_]
    verified: LabelSets
    texts: list[str]

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def labels(self) -> LabelSets:
        """(N, L): what is known of each sample: verified labels where trusted, observed labels elsewhere."""
        observed = self.observed.copy()
        observed.data[np.repeat(self.trusted, np.diff(observed.indptr))] = False
        labels: LabelSets = (observed + self.verified).tocsr()
        labels.eliminate_zeros()
        return labels

    def seen_as(self, sight: Sight) -> TrainingView:
        """The part of the view that a method looks at, so that its training does not depend on the rest.

        Parameters
        ----------
        sight : str
            ``labels``: what is known of each sample, as observed labels, and not whether somebody checked it.
            ``clean set``: the verified labels of trusted samples, without observed labels. Neither has texts.
            ``everything``: the view as it is.
        """
        if sight == "everything":
            return self
        nothing: LabelSets = scipy.sparse.csr_array(self.observed.shape, dtype=bool)
        unread = [""] * len(self)
        if sight == "labels":
            return replace(
                self, observed=self.labels, trusted=np.zeros(len(self), bool), verified=nothing, texts=unread
            )
        return replace(self, observed=nothing, texts=unread)

    def fingerprint(self) -> str:
        """A hash of everything in the view."""
        texts = hashlib.blake2b("\0".join(self.texts).encode(), digest_size=8).hexdigest() if any(self.texts) else ""
        return _hash(self.digests, self.observed, self.verified, self.trusted) + texts


@dataclass(frozen=True)
class EvaluationView:
    """Held-out samples with their true labels: dev, to choose on, or test, to report.

    Attributes
    ----------
    digests : list of N bytes
    truth : (N, L) sparse bool
    observed : (N, L) sparse bool
    """

    digests: list[bytes]
    truth: LabelSets
    observed: LabelSets

    def __len__(self) -> int:
        return len(self.digests)

    def fingerprint(self) -> str:
        """A hash of everything in the view."""
        return _hash(self.digests, self.truth, self.observed)


def _hash(digests: list[bytes], *parts: LabelSets | npt.NDArray[np.bool_]) -> str:
    state = hashlib.blake2b(b"".join(digests), digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(part.tobytes())
        else:
            part = part.sorted_indices()
            state.update(repr(part.shape).encode())
            state.update(part.indptr.astype(np.int64).tobytes() + part.indices.astype(np.int64).tobytes())
    return state.hexdigest()
