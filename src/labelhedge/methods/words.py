"""From the words about an image (a title, tags) to soft labels: a linear model on TF-IDF weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_LEAST = 0.003  # probabilities are clipped before their logit
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each character is a word
_WORD = rf"[{_CJK}]|[^\W\d_{_CJK}]{{2,}}"


@dataclass(frozen=True)
class WordVectors:
    """TF-IDF weights (N, V), sparse, of words that stand in two samples or more."""

    matrix: Any

    @classmethod
    def of(cls, texts: Sequence[str]) -> WordVectors | None:
        """The vectors of N texts; None where no word stands in two of them."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(binary=True, token_pattern=_WORD)
        analyse = vectorizer.build_analyzer()
        if not any(analyse(text) for text in texts):
            return None
        matrix = vectorizer.fit_transform(texts).tocsc()
        common = np.flatnonzero(np.diff(matrix.indptr) > 1)
        return cls(matrix[:, common].tocsr()) if len(common) else None


@dataclass(frozen=True)
class WordModel:
    """A ridge regression from words to labels."""

    vectors: WordVectors
    ridge: Any

    @classmethod
    def fit(
        cls,
        vectors: WordVectors,
        samples: npt.NDArray[np.int64],
        targets: npt.NDArray[Any],
        penalty: float,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> WordModel:
        """Fit to targets (n, L) of samples (n,), each with a weight."""
        from sklearn.linear_model import Ridge

        ridge = Ridge(alpha=penalty, solver="sparse_cg", tol=1e-4)
        return cls(vectors, ridge.fit(vectors.matrix[samples], targets, sample_weight=weights))

    def logits(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Logits (B, L) of samples (B,)."""
        predicted = self.ridge.predict(self.vectors.matrix[samples]).reshape(len(samples), -1)
        p = np.clip(predicted, _LEAST, 1 - _LEAST)
        return np.asarray(np.log(p / (1 - p)), np.float32)
