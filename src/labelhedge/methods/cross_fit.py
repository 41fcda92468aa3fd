"""Cross-fitting: predictions for every training sample by networks that have not seen it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from labelhedge.corpus.views import LabelSets, Sight
from labelhedge.errors import LabelhedgeError
from labelhedge.methods.base import Method
from labelhedge.training import Fit, Task, assign_folds, image_numbers


class CrossNoisy(Method):
    """Baseline-Noisy, once for each of ``folds`` parts of D, trained on the other parts."""

    name: ClassVar[str] = "cross-noisy"
    about: ClassVar[str] = "noisy, cross-fitted"
    sight: ClassVar[Sight] = "labels"
    auxiliary: ClassVar[bool] = True

    folds: Annotated[int, Field(ge=2)] = 5

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train a network for each fold of all samples."""
        return cross_fit(task, task.train.labels, np.arange(len(task.train)), self.folds)


def cross_fit(task: Task, labels: LabelSets, rows: npt.NDArray[np.int64], folds: int) -> Fit:
    """Train a network per fold of the rows; a sample is predicted by those that have not been trained on its image.

    Parameters
    ----------
    task : Task
    labels : (N, L) sparse labels
    rows : (n,) sample numbers to train on
    folds : int
        Of each, a network is trained on the others. Copies of an image are in one fold.

    Returns
    -------
    Fit
        Its classifier is the mean of the networks, `Fit.held_out` their predictions.

    Raises
    ------
    LabelhedgeError
        When there are fewer than two different images per fold.
    """
    images = image_numbers(task.train.view.digests)
    distinct = len(np.unique(images[rows]))
    if distinct < 2 * folds:
        raise LabelhedgeError(f"{folds} folds need at least {2 * folds} different images, found {distinct}")
    fold = assign_folds(images[rows], folds, task.seed)

    def train_without(number: int) -> Fit:
        return task.once(f"fold-{number}", lambda part: part.train_model(labels, rows=rows[fold != number]))

    fits = [train_without(number) for number in range(folds)]
    # Of an image, all copies have been seen, also those that are not among the rows.
    unseen = np.stack([~np.isin(images, images[rows[fold != number]]) for number in range(folds)])
    logits = [fit.logits(task.train) for fit in fits]
    together = Fit(
        folder=task.folder,
        classifier=task.classifier([network for fit in fits for network in fit.classifier.networks]),
        dev_map=float(np.mean([fit.dev_map for fit in fits])),
        epochs=sum(fit.epochs for fit in fits),
        seconds=sum(fit.seconds for fit in fits),
    )

    def held_out(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        weights = unseen[:, samples].astype(np.float32)  # (folds, B)
        total = sum(w[:, None] * array[samples].astype(np.float32) for w, array in zip(weights, logits, strict=True))
        return np.asarray(total / weights.sum(0)[:, None], np.float32)

    together.keep_held_out(held_out, len(task.train))
    return together
