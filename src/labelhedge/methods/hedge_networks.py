"""The networks of `hedge`: teachers, second round, student; a resumed run goes on with those that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from labelhedge.methods.posterior import CleanSet, examine_clean_set
from labelhedge.training import CrossEntropy, Fit, Objective, SampleNumbers, Targets, Task, derive_seed

Soft = npt.NDArray[np.float32]
View = Callable[[SampleNumbers], Soft]
"""From sample numbers (B,) to logits (B, L)."""

ENOUGH = 50_000  # samples for a test or a rate
_PAIRS = 5_000_000  # (sample, label) pairs for a regression


class Network:
    """A trained part of the work, as a view: its logits; of exclusive labels their log softmax, which has a zero.

    Only its folder is kept: ten networks with their gradients would fill a GPU.
    """

    def __init__(self, task: Task, fit: Fit) -> None:
        self.task, self.folder, self.on_dev = task, fit.folder, on_dev(fit)
        self._train, self._dev = fit.logits(task.train), fit.logits(task.dev)  # (N, L) float16, memory-mapped

    def __call__(self, samples: SampleNumbers) -> Soft:
        """Logits (B, L) of training samples (B,)."""
        return self._values(self._train[samples])

    def dev(self, samples: SampleNumbers) -> Soft:
        """Logits (B, L) of dev samples (B,)."""
        return self._values(self._dev[samples])

    def weights(self) -> Mapping[str, Tensor]:
        """To start another network from."""
        fit = Fit.load(self.folder)
        assert fit is not None
        weights: Mapping[str, Tensor] = fit.classifier.networks[0].state_dict()
        return weights

    def _values(self, logits: npt.NDArray[np.float16]) -> Soft:
        values = logits.astype(np.float32)
        return np.log(np.maximum(self.task.soften(values), 1e-6)) if self.task.exclusive else values


class Lesson(NamedTuple):
    """What a network is trained on: pseudo labels, and the loss that is made of them."""

    targets: Targets
    objective: Objective


class CrossFitted:
    """Networks per fold, and what they may see.

    Attributes
    ----------
    teachers : list of Network
        Number n is trained on trusted samples outside fold n.
    last : list of Network
        Those of the last round that was trained.
    warm, anew : bool
        Whether a round starts from the weights of the one before; whether a student is trained from fresh weights too.
    seen : (N,) bool
        Samples that teachers of other folds have seen: trusted, or a copy of one.
    """

    def __init__(
        self,
        task: Task,
        images: npt.NDArray[np.int64],
        fold: npt.NDArray[np.int64],
        *,
        warm: bool,
        anew: bool = False,
    ) -> None:
        self.task, self.fold, self.folds = task, fold, int(fold.max()) + 1
        self.warm, self.anew = warm, anew
        self.trusted = np.flatnonzero(task.train.trusted)
        self.seen = np.isin(images, images[self.trusted])
        self.seconds = 0.0
        outside = [self.trusted[fold[self.trusted] != number] for number in range(self.folds)]
        lesson = self.plain(self.verified).objective
        self.teachers = [self._train(f"teacher-{n}", lesson, rows) for n, rows in enumerate(outside)]
        self.last = self.teachers

    def observed(self, samples: SampleNumbers) -> npt.NDArray[np.bool_]:
        """Observed labels (B, L)."""
        return np.asarray(self.task.train.observed[samples].toarray(), bool)

    def verified(self, samples: SampleNumbers) -> Soft:
        """Verified labels (B, L), of trusted samples."""
        verified: Soft = self.task.train.verified[samples].toarray().astype(np.float32)
        return verified

    def some(self, samples: SampleNumbers, most: int = ENOUGH) -> SampleNumbers:
        """At most as many samples as a statistic needs, drawn at random."""
        draws = np.random.default_rng(derive_seed(self.task.seed, "statistics"))
        return np.sort(draws.permutation(samples)[:most])

    def some_pairs(self, samples: SampleNumbers) -> SampleNumbers:
        """As many samples as a regression over (sample, label) pairs needs."""
        return self.some(samples, max(1000, _PAIRS // len(self.task.labels)))

    def examine_clean_set(self) -> CleanSet:
        """Does it show the noise? Of trusted and of untrusted samples as many as that needs."""
        train = self.task.train
        some = np.concatenate([self.some(self.trusted), self.some(np.flatnonzero(~train.trusted))])
        verified = self.verified(some).astype(bool)
        return examine_clean_set(self.own(self.teachers)(some), self.observed(some), verified, train.trusted[some])

    def own(self, views: Sequence[View]) -> View:
        """Each sample's prediction by the model that has not seen its fold."""

        def view(samples: SampleNumbers) -> Soft:
            result = np.empty((len(samples), len(self.task.labels)), np.float32)
            for number in range(self.folds):
                chosen = self.fold[samples] == number
                if chosen.any():
                    result[chosen] = views[number](samples[chosen])
            return result

        return view

    def observers(self) -> list[Network]:
        """Number n is trained on the observed labels of all samples outside fold n, and on no verified label."""

        def observed(samples: SampleNumbers) -> Soft:
            return self.observed(samples).astype(np.float32)

        outside = [np.flatnonzero(self.fold != number) for number in range(self.folds)]
        lesson = self.plain(observed).objective
        return [self._train(f"observer-{n}", lesson, rows) for n, rows in enumerate(outside)]

    def plain(self, targets: Targets) -> Lesson:
        """Cross entropy with pseudo labels."""
        return Lesson(targets, CrossEntropy(targets, exclusive=self.task.exclusive))

    def second_round(self, lessons: Sequence[Lesson]) -> list[Network]:
        """Number n is trained on its lesson outside fold n."""
        outside = [np.flatnonzero(self.fold != number) for number in range(self.folds)]
        self.last = [
            self._train(f"second-{n}", lessons[n].objective, outside[n], start=self.teachers[n])
            for n in range(self.folds)
        ]
        return self.last

    def student(self, lessons: Sequence[Lesson]) -> Fit:
        """Its seconds are those of all networks; of several lessons, and of two starts, what does best on dev."""
        best = max(self.last, key=lambda network: network.on_dev)
        initial = best.weights() if self.warm else None

        def train(part: Task, lesson: Lesson, start: Mapping[str, Tensor] | None) -> Fit:
            return part.train_model(lesson.objective, initial=start, pseudo_labels=lesson.targets)

        if len(lessons) == 1 and not self.anew:
            fit = train(self.task, lessons[0], initial)
            return replace(fit, seconds=fit.seconds + self.seconds)
        students = []
        for number, lesson in enumerate(lessons):
            students.append(self.task.once(f"student-{number}", partial(train, lesson=lesson, start=initial)))
        chosen = max(students, key=on_dev)
        if self.anew:
            lesson = lessons[students.index(chosen)]
            students.append(self.task.once("student-anew", partial(train, lesson=lesson, start=None)))
            chosen = max(chosen, students[-1], key=on_dev)
        for student in students:
            kept = student.folder / "pseudo-labels.npy"
            if student is chosen and kept.exists():  # else an earlier sitting has moved it
                kept.replace(self.task.folder / kept.name)
            kept.unlink(missing_ok=True)
        seconds = self.seconds + sum(student.seconds for student in students)
        return replace(chosen, folder=self.task.folder, seconds=seconds)

    def _train(self, name: str, objective: Objective, rows: SampleNumbers, start: Network | None = None) -> Network:
        initial = start.weights() if start is not None and self.warm else None
        fit = self.task.once(name, lambda part: part.train_model(objective, rows=rows, initial=initial))
        self.seconds += fit.seconds
        return Network(self.task, fit)


def on_dev(fit: Fit) -> tuple[float, float]:
    """What fits are compared by on dev: accuracy where labels exclude each other, then mAP."""
    return fit.dev_accuracy or 0.0, fit.dev_map
