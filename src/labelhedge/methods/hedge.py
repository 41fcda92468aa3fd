"""hedge, our own: the pseudo label is the posterior P(y* | y, s, relations), learned on the clean set.

The paper mixes observed and soft labels by one λ. Where the clean set has both observed and verified labels, how far
each is to be believed can be learned, label by label and sample by sample, and a student trained on that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from labelhedge.methods.base import Method
from labelhedge.methods.posterior import (
    Posterior,
    clean_set_bias,
    estimate_noise,
    fit_posterior,
    pair_features,
)
from labelhedge.methods.words import WordModel, WordVectors
from labelhedge.training import CrossEntropy, Fit, SampleNumbers, Targets, Task, derive_seed

Soft = npt.NDArray[np.float32]
_ENOUGH = 50_000  # samples for a test or a rate, so that no dense array of all is made


class Hedge(Method):
    """Train on P(y* | y, s, relations) for untrusted samples, on verified labels for trusted ones.

    1. Cross-fitting: for each of ``folds`` parts of D a teacher is trained on the trusted samples outside it, and
       predicts it. So the scores s of trusted samples are as honest as those of all others.
    2. A logistic regression over all (sample, label) pairs of D_c, on the observed labels, s and the label graph, gives
       the posterior (:mod:`.posterior`). Where corpus.json names columns of words (``text``), a ridge regression from
       the words to the labels, cross-fitted too, is a further view. Words are needed in training only.
    3. For ``rounds`` of 2, teachers are trained on the posterior, each without its fold and without its fold's verified
       labels, and their predictions join the regression as a further view.
    4. The student, one network, is trained on the posterior.

    All this rests on a *representative* clean set: a random part of the noisy data. If a test on the data
    (:func:`.clean_set_bias`) says that it is not one, as where the images with wrong labels were thrown away, it tells
    nothing about the noise: then noise rates are estimated by expectation maximisation from the teachers' predictions
    on untrusted samples, and the pseudo label is half that posterior, half the observed label.
    If the student does not beat Baseline-Noisy on dev, Baseline-Noisy is what is returned, with a remark.
    """

    name: ClassVar[str] = "hedge"
    about: ClassVar[str] = "our own: labels replaced by the posterior that the clean set teaches"
    by_default: ClassVar[bool] = True
    needs_clean_set: ClassVar[bool] = True

    folds: Annotated[int, Field(ge=2)] = 5
    rounds: Annotated[int, Field(ge=1, le=2)] = 2
    text: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        """What the student has to beat."""
        return ("noisy",)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Cross-fit teachers, learn the posterior, train the student."""
        noisy = fitted["noisy"]
        trusted = int(task.train.trusted.sum())
        folds = min(self.folds, trusted // 2)
        if folds < 2:
            return _instead(noisy, task, f"{trusted} trusted samples are too few to learn from")
        work = _Work(task, assign_folds(task, folds), self.text)
        teachers = [work.teacher(number) for number in range(folds)]
        some = work.some(np.arange(len(task.train)))
        bias = clean_set_bias(work.own(teachers)(some), work.observed(some), task.train.trusted[some])
        remarks = []
        if bias.right_only:
            remarks.append(
                f"the clean set's observed labels are believed more than those elsewhere (area {bias.area:.2f}, p = "
                f"{bias.p_value:.0e}): it is not a random part of the noisy data, so the noise was estimated without it"
            )
            targets = work.estimated(teachers)
        else:
            targets = work.learned(teachers, self.rounds)
        fit = task.train_model(targets)
        fit.seconds += work.seconds
        if (fit.dev_accuracy or 0, fit.dev_map) < (noisy.dev_accuracy or 0, noisy.dev_map):
            other = _instead(noisy, task, "the student did not beat it on dev")
            fit.classifier, fit.last, fit.dev_map = other.classifier, other.last, other.dev_map
            fit.dev_accuracy = other.dev_accuracy
            remarks += other.remarks
        fit.remarks = remarks
        return fit


def assign_folds(task: Task, folds: int) -> npt.NDArray[np.int64]:
    """The fold (N,) of each training sample: equal parts of D_c and of D_n; copies of an image are in one fold."""
    draws = np.random.default_rng(derive_seed(task.seed, "folds"))
    fold_of: dict[bytes, int] = {}
    result = np.empty(len(task.train), np.int64)
    for rows in (np.flatnonzero(task.train.trusted), np.flatnonzero(~task.train.trusted)):
        digests = [task.train.view.digests[row] for row in rows]
        new = [digest for digest in dict.fromkeys(digests) if digest not in fold_of]
        places = draws.permutation(len(new))
        fold_of.update((digest, int(place) % folds) for digest, place in zip(new, places, strict=True))
        result[rows] = [fold_of[digest] for digest in digests]
    return result


def _instead(noisy: Fit, task: Task, reason: str) -> Fit:
    return Fit(
        folder=task.folder,
        classifier=noisy.classifier,
        dev_map=noisy.dev_map,
        dev_accuracy=noisy.dev_accuracy,
        last=noisy.last,
        remarks=[f"{reason}: Baseline-Noisy is what is returned"],
    )


View = Callable[[SampleNumbers], Soft]
"""From sample numbers (B,) to logits (B, L)."""


@dataclass
class _Work:
    """The steps of one fit; each network is trained once, also when the run is resumed."""

    task: Task
    fold: npt.NDArray[np.int64]
    text: bool

    def __post_init__(self) -> None:
        train = self.task.train
        self.folds = int(self.fold.max()) + 1
        self.trusted = np.flatnonzero(train.trusted)
        self.siblings = self.task.siblings() if self.task.graph else [[] for _ in self.task.labels]
        self.words = WordVectors.of(train.view.texts) if self.text else None
        self.seconds = 0.0

    def observed(self, samples: SampleNumbers) -> npt.NDArray[np.bool_]:
        return np.asarray(self.task.train.observed[samples].toarray(), bool)

    def some(self, samples: SampleNumbers) -> SampleNumbers:
        """At most as many samples as a statistic needs, drawn at random."""
        draws = np.random.default_rng(derive_seed(self.task.seed, "statistics"))
        return np.sort(draws.permutation(samples)[:_ENOUGH])

    def teacher(self, number: int) -> View:
        """Trained on trusted samples outside a fold."""
        rows = self.trusted[self.fold[self.trusted] != number]
        return self._network(f"teacher-{number}", CrossEntropy(self._verified, exclusive=self.task.exclusive), rows)

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

    def learned(self, teachers: Sequence[View], rounds: int) -> Targets:
        """The posterior that D_c teaches."""
        views = [teachers]
        if self.words is not None:
            views.append([self._word_view(number, self._verified, self.trusted, 0.3) for number in range(self.folds)])
        if rounds == 2:
            per_fold = [self._fold_targets(views, number) for number in range(self.folds)]
            everything = np.arange(len(self.task.train))
            outside = [everything[self.fold != number] for number in range(self.folds)]
            second = [self._second(number, per_fold[number], outside[number]) for number in range(self.folds)]
            views.append(second)
            if self.words is not None:
                views.append(
                    [self._word_view(number, per_fold[number], outside[number], 1.0) for number in range(self.folds)]
                )
        honest = [self.own(view) for view in views]
        posterior = self._posterior(honest, self.trusted)
        return self._targets("posterior", posterior, honest, self.task.train.trusted)

    def estimated(self, teachers: Sequence[View]) -> Targets:
        """Half the posterior by estimated noise rates, half the labels."""
        own, train = self.own(teachers), self.task.train
        alone = np.zeros((len(self.trusted), len(self.task.labels)), bool)  # calibration: without observed labels
        calibration = fit_posterior(
            own(self.trusted)[:, :, None].clip(-10, 10),
            alone,
            self._verified(self.trusted).astype(bool),
            exclusive=self.task.exclusive,
            penalty=0.1,
            label_penalty=1e6,
            confusion_penalty=1e6,
        )

        def calibrated(samples: SampleNumbers) -> npt.NDArray[Any]:
            logits = own(samples)[:, :, None].clip(-10, 10)
            return calibration.logits(logits, np.zeros(logits.shape[:2], bool))

        untrusted = np.flatnonzero(~train.trusted)
        some = self.some(untrusted)
        rates = estimate_noise(calibrated(some), self.observed(some), exclusive=self.task.exclusive)

        def targets(samples: SampleNumbers) -> Soft:
            labels = train.labels[samples].toarray().astype(np.float32)
            hedged = 0.5 * labels + 0.5 * rates.probabilities(calibrated(samples), self.observed(samples))
            known = train.trusted[samples]
            hedged[known] = labels[known]
            return hedged

        return self.task.keep("posterior", targets)

    def _verified(self, samples: SampleNumbers) -> Soft:
        verified: Soft = self.task.train.verified[samples].toarray().astype(np.float32)
        return verified

    def _second(self, number: int, targets: Targets, rows: SampleNumbers) -> View:
        """Trained on the posterior outside a fold."""
        return self._network(f"second-{number}", CrossEntropy(targets, exclusive=self.task.exclusive), rows)

    def _network(self, name: str, objective: CrossEntropy, rows: SampleNumbers) -> View:
        fit = self.task.once(name, lambda part: part.train_model(objective, rows=rows))
        self.seconds += fit.seconds
        logits = fit.logits(self.task.train)  # (N, L) float16, memory-mapped
        return lambda samples: logits[samples].astype(np.float32)

    def _word_view(self, number: int, targets: Targets, rows: SampleNumbers, penalty: float) -> View:
        """From the words, fitted outside a fold."""
        assert self.words is not None
        chosen = rows[self.fold[rows] != number]
        weights = np.where(self.task.train.trusted[chosen], 3.0, 1.0) if len(rows) > len(self.trusted) else None
        model = WordModel.fit(self.words, chosen, targets(chosen), penalty, weights)
        return model.logits

    def _fold_targets(self, views: Sequence[Sequence[View]], number: int) -> Targets:
        """The posterior for training without a fold: no verified label of the fold has a part in it."""
        honest = [self.own(view) for view in views]
        rest = self.trusted[self.fold[self.trusted] != number]
        posterior = self._posterior(honest, rest)
        trusted = self.task.train.trusted

        def blind(view: Sequence[View], own: View) -> View:
            return lambda samples: np.where(trusted[samples, None], own(samples), view[number](samples))

        seen = [blind(view, own) for view, own in zip(views, honest, strict=True)]
        known = trusted & (self.fold != number)
        return self._targets(f"posterior-without-{number}", posterior, seen, known)

    def _posterior(self, views: Sequence[View], rows: SampleNumbers) -> Posterior:
        observed = self.observed(rows)
        features = pair_features(observed, [view(rows) for view in views], self.siblings)
        truth = self._verified(rows).astype(bool)
        return fit_posterior(features, observed, truth, exclusive=self.task.exclusive)

    def _targets(self, name: str, posterior: Posterior, views: Sequence[View], known: npt.NDArray[np.bool_]) -> Targets:
        def targets(samples: SampleNumbers) -> Soft:
            observed = self.observed(samples)
            features = pair_features(observed, [view(samples) for view in views], self.siblings)
            result = posterior.probabilities(features, observed)
            checked = known[samples]
            result[checked] = self._verified(samples[checked])
            return result

        return self.task.keep(name, targets)
