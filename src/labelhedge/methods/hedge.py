"""hedge, our own: the pseudo label is the posterior P(y* | y, s, relations, words), learned on the clean set.

The paper mixes observed and soft labels by one λ. Where the clean set has both observed and verified labels, how far
each is to be believed can be learned, label by label and sample by sample, and a student trained on that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from torch import Tensor

from labelhedge.methods.base import Method
from labelhedge.methods.posterior import (
    LIMIT,
    Posterior,
    calibrate,
    estimate_noise,
    examine_clean_set,
    fit_posterior,
    pair_features,
)
from labelhedge.methods.words import WordModel, WordVectors
from labelhedge.training import (
    CrossEntropy,
    Fit,
    SampleNumbers,
    Targets,
    Task,
    assign_folds,
    derive_seed,
    image_numbers,
)

Soft = npt.NDArray[np.float32]
View = Callable[[SampleNumbers], Soft]
"""From sample numbers (B,) to logits (B, L)."""

_ENOUGH = 50_000  # samples for a test or a rate
_PAIRS = 5_000_000  # (sample, label) pairs for a regression


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

    With ``warm_start`` the networks of the second round start from the teachers' weights, and the student from the best
    of theirs: features learned from right labels are kept. It costs nothing, as those are trained anyway. By default
    networks trained from scratch do so, and heads on frozen features, which are soon trained, do not.

    All this rests on a clean set that shows how labels err: a random part of the noisy data, checked. If the data says
    that it does not (:func:`.examine_clean_set`), as where images with wrong labels were thrown away, the posterior is
    estimated without it, in as many rounds: the predictions are calibrated on dev (a slope each, and an offset), and
    noise rates are estimated from them on untrusted samples by expectation maximisation. Two students are trained, on
    that posterior and on half of it with half the observed label, which a wrong estimate harms less; dev chooses.
    If the student does not beat Baseline-Noisy on dev, Baseline-Noisy is what is returned, with a remark.
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
        warm = task.network.from_scratch if self.warm_start is None else self.warm_start
        work = _Work(task, images, assign_folds(images, folds, task.seed, task.train.trusted), self.text, warm)
        teachers = [work.teacher(number) for number in range(folds)]
        some = work.some(np.arange(len(task.train)))
        verified = task.train.verified[some].toarray().astype(bool)
        clean_set = examine_clean_set(work.own(teachers)(some), work.observed(some), verified, task.train.trusted[some])
        remarks = []
        if clean_set.shows_noise:
            fit = work.student([work.learned(teachers, self.rounds)])
        else:
            remarks.append(f"the clean set does not show the noise, which was estimated without it: {clean_set}")
            fit = work.student(work.estimated(teachers, self.rounds))
        fit.seconds += work.seconds
        for path in task.folder.glob("posterior*.npy"):  # the student has kept its pseudo labels
            path.unlink()
        if (fit.dev_accuracy or 0, fit.dev_map) < (noisy.dev_accuracy or 0, noisy.dev_map):
            (task.folder / "pseudo-labels.npy").unlink()
            return _instead(noisy, task, [*remarks, "the student did not beat `noisy` on dev"], fit.seconds)
        fit.remarks = remarks
        return fit


def _instead(noisy: Fit, task: Task, reasons: Sequence[str], seconds: float = 0.0) -> Fit:
    return Fit(
        folder=task.folder,
        classifier=noisy.classifier,
        dev_map=noisy.dev_map,
        dev_accuracy=noisy.dev_accuracy,
        epochs=noisy.epochs,
        best_epoch=noisy.best_epoch,
        seconds=seconds,
        history=noisy.history,
        last=noisy.last,
        remarks=[*reasons[:-1], f"{reasons[-1]}: the model of `noisy` is returned"],
    )


class _Network:
    """A trained part of the work, as a view: its logits; of exclusive labels their log softmax, which has a zero."""

    def __init__(self, task: Task, fit: Fit) -> None:
        self.task, self.fit = task, fit
        self._logits = fit.logits(task.train)  # (N, L) float16, memory-mapped

    def __call__(self, samples: SampleNumbers) -> Soft:
        return self._values(self._logits[samples])

    def on_dev(self, samples: SampleNumbers) -> Soft:
        return self._values(self.fit.logits(self.task.dev)[samples])

    def _values(self, logits: npt.NDArray[np.float16]) -> Soft:
        values = logits.astype(np.float32)
        return np.log(np.maximum(self.task.soften(values), 1e-6)) if self.task.exclusive else values


class _Work:
    """The steps of one fit; each network is trained once, also when the run is resumed."""

    def __init__(
        self,
        task: Task,
        images: npt.NDArray[np.int64],
        fold: npt.NDArray[np.int64],
        text: bool,
        warm: bool,
    ) -> None:
        self.task, self.fold, self.folds = task, fold, int(fold.max()) + 1
        self.warm, self.trained = warm, list[_Network]()
        self.trusted = np.flatnonzero(task.train.trusted)
        self.seen = np.isin(images, images[self.trusted])  # by teachers of other folds: trusted, or a copy of one
        self.siblings = task.siblings() if task.graph else [[] for _ in task.labels]
        self.words = WordVectors.of(task.train.view.texts) if text else None
        self.seconds = 0.0

    def observed(self, samples: SampleNumbers) -> npt.NDArray[np.bool_]:
        return np.asarray(self.task.train.observed[samples].toarray(), bool)

    def verified(self, samples: SampleNumbers) -> Soft:
        verified: Soft = self.task.train.verified[samples].toarray().astype(np.float32)
        return verified

    def some(self, samples: SampleNumbers, most: int = _ENOUGH) -> SampleNumbers:
        """At most as many samples as a statistic needs, drawn at random."""
        draws = np.random.default_rng(derive_seed(self.task.seed, "statistics"))
        return np.sort(draws.permutation(samples)[:most])

    def teacher(self, number: int) -> _Network:
        """Trained on trusted samples outside a fold."""
        rows = self.trusted[self.fold[self.trusted] != number]
        return self._network(f"teacher-{number}", self.verified, rows)

    def student(self, candidates: Sequence[Targets]) -> Fit:
        """Trained on targets; of several the student that does best on dev."""
        best = max(self.trained[-self.folds :], key=lambda part: (part.fit.dev_accuracy or 0, part.fit.dev_map))
        initial = _weights(best) if self.warm else None
        if len(candidates) == 1:
            return self.task.train_model(candidates[0], initial=initial)

        def train(number: int) -> Fit:
            return self.task.once(
                f"student-{number}", lambda part: part.train_model(candidates[number], initial=initial)
            )

        students = [train(number) for number in range(len(candidates))]
        chosen = max(range(len(students)), key=lambda n: (students[n].dev_accuracy or 0, students[n].dev_map))
        self.task.keep("pseudo-labels", candidates[chosen])
        seconds = sum(student.seconds for student in students)
        return replace(students[chosen], folder=self.task.folder, seconds=seconds)

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

    def learned(self, teachers: Sequence[_Network], rounds: int) -> Targets:
        """The posterior that D_c teaches."""
        views: list[Sequence[View]] = [teachers]
        if self.words is not None:
            views.append([self._word_view(number, self.verified, self.trusted, 0.3) for number in range(self.folds)])
        if rounds == 2:
            everything = np.arange(len(self.task.train))
            targets = [self._fold_targets(views, number) for number in range(self.folds)]
            rows = [everything[self.fold != number] for number in range(self.folds)]
            second = [self._network(f"second-{n}", targets[n], rows[n], teachers[n]) for n in range(self.folds)]
            if self.words is not None:
                views.append([self._word_view(n, targets[n], rows[n], 1.0) for n in range(self.folds)])
            views.append(second)
        honest = [self.own(view) for view in views]
        return self._targets("posterior", self._posterior(honest, self.trusted), honest, self.task.train.trusted)

    def estimated(self, teachers: Sequence[_Network], rounds: int) -> list[Targets]:
        """The posterior by estimated noise rates, and half of it with half the labels."""
        dev = self.some(np.arange(len(self.task.dev.truth)), _ENOUGH // self.folds)
        average = np.mean([teacher.on_dev(dev) for teacher in teachers], axis=0)  # (n, L)
        posterior = self._estimate("posterior-1", [self._average(teachers)], [average], dev)
        if rounds == 2:
            everything = np.arange(len(self.task.train))
            second = [
                self._network(f"second-{number}", posterior, everything[self.fold != number], teachers[number])
                for number in range(self.folds)
            ]
            on_dev = [np.tile(average, (self.folds, 1)), np.concatenate([network.on_dev(dev) for network in second])]
            views = [self._average(teachers), self.own(second)]
            posterior = self._estimate("posterior-2", views, on_dev, np.tile(dev, self.folds))

        def half(samples: SampleNumbers) -> Soft:
            whole, labels = posterior(samples), self.task.train.labels[samples].toarray().astype(np.float32)
            kept = labels.any(1, keepdims=True) if self.task.exclusive else True  # an unlabelled sample has no half
            return np.where(kept, 0.5 * labels + 0.5 * whole, whole)

        return [posterior, half]

    def _average(self, teachers: Sequence[_Network]) -> View:
        """The mean of the teachers, none of which has seen an untrusted sample; else the one that has not."""
        own = self.own(teachers)
        return lambda samples: np.where(
            self.seen[samples, None], own(samples), np.mean([teacher(samples) for teacher in teachers], axis=0)
        )

    def _estimate(self, name: str, views: Sequence[View], on_dev: Sequence[Soft], dev: SampleNumbers) -> Targets:
        """The posterior by noise rates, from views (n, L) on dev, where they are calibrated, and on all samples."""
        train, exclusive = self.task.train, self.task.exclusive
        stacked = np.stack(on_dev).clip(-LIMIT, LIMIT).astype(np.float64)  # (V, n, L)
        slopes, offset = calibrate(stacked, self.task.dev.truth[dev], exclusive=exclusive)

        def calibrated(samples: SampleNumbers) -> npt.NDArray[np.float64]:
            values = np.stack([view(samples) for view in views]).clip(-LIMIT, LIMIT).astype(np.float64)
            return np.tensordot(slopes, values, 1) + offset

        untrusted = self.some(np.flatnonzero(~train.trusted))
        rates = estimate_noise(calibrated(untrusted), self.observed(untrusted), exclusive=exclusive)

        def targets(samples: SampleNumbers) -> Soft:
            result = rates.probabilities(calibrated(samples), self.observed(samples))
            known = train.trusted[samples]
            result[known] = self.verified(samples[known])
            return result

        return self.task.keep(name, targets)

    def _network(self, name: str, targets: Targets, rows: SampleNumbers, start: _Network | None = None) -> _Network:
        objective = CrossEntropy(targets, exclusive=self.task.exclusive)
        initial = _weights(start) if start is not None and self.warm else None
        fit = self.task.once(name, lambda part: part.train_model(objective, rows=rows, initial=initial))
        self.seconds += fit.seconds
        self.trained.append(_Network(self.task, fit))
        return self.trained[-1]

    def _word_view(self, number: int, targets: Targets, rows: SampleNumbers, penalty: float) -> View:
        """From the words, fitted outside a fold; among all samples a trusted one counts three times."""
        assert self.words is not None
        chosen = rows[self.fold[rows] != number]
        weights = None if len(rows) == len(self.trusted) else np.where(self.task.train.trusted[chosen], 3.0, 1.0)
        return WordModel.fit(self.words, chosen, targets(chosen), penalty, weights).logits

    def _fold_targets(self, views: Sequence[Sequence[View]], number: int) -> Targets:
        """The posterior for training without a fold; verified labels of the fold are not among its targets."""
        honest = [self.own(view) for view in views]
        rest = self.trusted[self.fold[self.trusted] != number]
        posterior = self._posterior(honest, rest)

        def blind(view: Sequence[View], own: View) -> View:
            return lambda samples: np.where(self.seen[samples, None], own(samples), view[number](samples))

        unseen = [blind(view, own) for view, own in zip(views, honest, strict=True)]
        known = self.task.train.trusted & (self.fold != number)
        return self._targets(f"posterior-without-{number}", posterior, unseen, known)

    def _posterior(self, views: Sequence[View], rows: SampleNumbers) -> Posterior:
        rows = self.some(rows, max(1000, _PAIRS // len(self.task.labels)))
        observed = self.observed(rows)
        features = pair_features(observed, [view(rows) for view in views], self.siblings)
        truth = self.verified(rows).astype(bool)
        return fit_posterior(features, observed, truth, exclusive=self.task.exclusive)

    def _targets(self, name: str, posterior: Posterior, views: Sequence[View], known: npt.NDArray[np.bool_]) -> Targets:
        def targets(samples: SampleNumbers) -> Soft:
            observed = self.observed(samples)
            features = pair_features(observed, [view(samples) for view in views], self.siblings)
            result = posterior.probabilities(features, observed)
            checked = known[samples]
            result[checked] = self.verified(samples[checked])
            return result

        return self.task.keep(name, targets)


def _weights(network: _Network) -> Mapping[str, Tensor]:
    weights: Mapping[str, Tensor] = network.fit.classifier.networks[0].state_dict()
    return weights
