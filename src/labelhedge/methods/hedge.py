"""hedge, our own: the pseudo label is the posterior P(y* | y, s, relations, words), learned on the clean set.

The paper mixes observed and soft labels by one λ. Where the clean set has both observed and verified labels, how far
each is to be believed can be learned, label by label and sample by sample, and a student trained on that.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from labelhedge.methods.base import Method
from labelhedge.methods.hedge_estimated import estimated
from labelhedge.methods.hedge_learned import learned
from labelhedge.methods.hedge_networks import CrossFitted, on_dev
from labelhedge.methods.teacher import dev_error, dev_score
from labelhedge.methods.words import WordVectors
from labelhedge.training import Fit, Task, assign_folds, image_numbers

FEW = 50
"""With fewer checked images the student has to lead on dev by more than a standard error."""


class Hedge(Method):
    """Train on P(y* | y, s, relations, words) for untrusted samples, on verified labels for trusted ones.

    1. Cross-fitting: for each of ``folds`` parts of D a teacher is trained on the trusted samples outside it, and
       predicts it. So the scores s of trusted samples are as honest as those of all others.
    2. A logistic regression over all (sample, label) pairs of D_c, on the observed labels, s and the label graph, gives
       the posterior (:mod:`.posterior`). Where corpus.json names columns of words (``text``), a ridge regression from
       the words to the labels, cross-fitted too, is a further view. Words are needed in training only.
    3. For ``rounds`` of 2, teachers are trained on the posterior, each without its fold, and their predictions join the
       regression as a further view. No verified label of a fold is a target for the networks that predict it; it has
       had a part in the other folds' teachers, whose scores the posterior was fitted on.
    4. The student, one network, is trained on the posterior.

    Where labels exclude each other and the posterior is learned, networks of the second round are trained on the
    observed labels instead, and the student on both, by halves: on observed labels through the noise that the posterior
    tells (:mod:`.hedge_noise`).

    With ``noisy_view`` networks that were trained on the observed labels alone, each without its fold, are one more
    view from the first round on: what the noise says of an image beyond its own label. It costs a training for each
    fold.

    With ``warm_start`` the networks of the second round start from the teachers' weights, and the student from the best
    of the last round's: features learned from right labels are kept. It costs nothing, as those are trained anyway, but
    the student has then had three trainings behind it: it helps where a training is short, and after a long one the
    network has learned its pseudo labels by heart. By default networks trained from scratch do so, and one more
    student, from fresh weights, is trained; dev chooses. Heads on frozen features, which are soon trained, start anew.

    All this rests on a clean set that shows how labels err: a random part of the noisy data, checked. If the data says
    that it does not (:func:`.examine_clean_set`), as where images with wrong labels were thrown away, the posterior is
    estimated without it, see :mod:`.hedge_estimated`; words and the graph then have no part in it.
    If the student does not beat Baseline-Noisy on dev, Baseline-Noisy is what is returned, with a remark. The posterior
    is kept all the same, to tell which labels to check next; among the pseudo labels of other methods it counts as its
    student did.
    """

    name: ClassVar[str] = "hedge"
    about: ClassVar[str] = "our own: labels replaced by the posterior that the clean set teaches"
    by_default: ClassVar[bool] = True
    needs_clean_set: ClassVar[bool] = True
    uses_graph: ClassVar[bool] = True

    folds: Annotated[int, Field(ge=2)] = 5
    rounds: Annotated[int, Field(ge=1, le=2)] = 2
    text: bool = True
    warm_start: bool | None = None
    noisy_view: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """What the student has to beat."""
        return ("noisy",)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Cross-fit teachers, learn the posterior, train the student."""
        noisy = fitted["noisy"]
        images = image_numbers(task.train.view.digests)
        checked = len(np.unique(images[task.train.trusted]))
        folds = min(self.folds, checked // 2)
        if folds < 2:
            return _instead(noisy, task, [f"{checked} checked images are too few to learn from"])
        fold = assign_folds(images, folds, task.seed, task.train.trusted)
        warm = task.network.from_scratch if self.warm_start is None else self.warm_start
        networks = CrossFitted(task, images, fold, warm=warm, anew=warm and self.warm_start is None)
        clean_set = networks.examine_clean_set()
        remarks = []
        if clean_set.shows_noise:
            words = WordVectors.of(task.train.view.texts) if self.text else None
            lessons = [learned(networks, words, self.rounds, noisy_view=self.noisy_view)]
        else:
            remarks.append(f"the clean set does not show the noise, which was estimated without it: {clean_set}")
            lessons = estimated(networks, self.rounds)
        fit = networks.student(lessons)
        for pattern in ("posterior*.npy", ".posterior*.tmp"):  # the student has kept its pseudo labels
            for path in task.folder.glob(pattern):
                path.unlink()
        if on_dev(fit) < on_dev(noisy):
            return _instead(noisy, task, [*remarks, "the student did not beat `noisy` on dev"], fit)
        if checked < FEW and not _surely_better(fit, noisy, task):
            reason = f"with {checked} checked images the student did not beat `noisy` on dev by a standard error"
            return _instead(noisy, task, [*remarks, reason], fit)
        fit.remarks = remarks
        return fit


def _surely_better(student: Fit, noisy: Fit, task: Task) -> bool:
    """By more than a standard error on dev, so that its lead is not chance."""
    # In a folder of its own: what is predicted in `task.folder` is kept there as predicted by the model returned.
    apart = replace(student, folder=task.folder / "student")
    shutil.rmtree(apart.folder, ignore_errors=True)  # of a student before a kill
    apart.folder.mkdir()
    lead = apart.scores(task.dev), noisy.scores(task.dev)
    return dev_score(task, lead[0]) - dev_score(task, lead[1]) > dev_error(task, *lead)


def _instead(noisy: Fit, task: Task, reasons: Sequence[str], student: Fit | None = None) -> Fit:
    return Fit(
        folder=task.folder,
        classifier=noisy.classifier,
        dev_map=noisy.dev_map,
        dev_accuracy=noisy.dev_accuracy,
        epochs=noisy.epochs,
        best_epoch=noisy.best_epoch,
        seconds=0.0 if student is None else student.seconds,
        history=noisy.history,
        last=noisy.last,
        remarks=[*reasons[:-1], f"{reasons[-1]}: the model of `noisy` is returned"],
        taught_dev=None if student is None else student.dev_accuracy if task.exclusive else student.dev_map,
    )
