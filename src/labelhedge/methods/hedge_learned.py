"""The posterior of `hedge` where the clean set shows the noise: learned from trusted samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.methods.hedge_networks import CrossFitted, Lesson, View
from labelhedge.methods.hedge_noise import through_noise
from labelhedge.methods.posterior import Posterior, fit_posterior, pair_features
from labelhedge.methods.words import WordModel, WordVectors
from labelhedge.training import SampleNumbers, Targets

_TRUSTED_COUNTS = 3.0  # where words are learned from all samples


def learned(networks: CrossFitted, words: WordVectors | None, rounds: int, *, noisy_view: bool = False) -> Lesson:
    """P(y* | y, s, relations, words) for all samples, verified labels for trusted ones; see :class:`.Hedge`."""
    return _Learning(networks, words).lesson(rounds, noisy_view)


class _Learning:
    def __init__(self, networks: CrossFitted, words: WordVectors | None) -> None:
        self.networks, self.task, self.words = networks, networks.task, words
        unrelated = scipy.sparse.csr_array((len(self.task.labels),) * 2, dtype=bool)
        self.siblings = self.task.siblings() if self.task.graph else unrelated
        self.observers: Sequence[View] | None = None

    def lesson(self, rounds: int, noisy_view: bool) -> Lesson:
        networks, folds = self.networks, range(self.networks.folds)
        views: list[Sequence[View]] = [networks.teachers]
        if noisy_view:
            self.observers = networks.observers()
            views.append(self.observers)
        if self.words is not None:
            views.append([self._word_view(n, networks.verified, networks.trusted, 0.3) for n in folds])
        if rounds == 2:
            targets = [self._fold_targets(views, n) for n in folds]
            second = networks.second_round([through_noise(networks, posterior, 0.0) for posterior in targets])
            if self.words is not None:
                everything = np.arange(len(self.task.train))
                views.append([self._word_view(n, targets[n], everything, 1.0, _TRUSTED_COUNTS) for n in folds])
            views.append(second)
        honest = [networks.own(view) for view in views]
        known = self.task.train.trusted
        posterior = self._keep("posterior", self._posterior(honest, networks.trusted), honest, known)
        return through_noise(networks, posterior, 0.5)

    def _word_view(
        self, number: int, targets: Targets, rows: SampleNumbers, penalty: float, trusted: float = 1.0
    ) -> View:
        """From the words, fitted outside a fold; a trusted sample counts so many times."""
        assert self.words is not None
        chosen = self.networks.some_pairs(rows[self.networks.fold[rows] != number])
        weights = None if trusted == 1 else np.where(self.task.train.trusted[chosen], trusted, 1.0)
        return WordModel.fit(self.words, chosen, targets(chosen), penalty, weights).logits

    def _fold_targets(self, views: Sequence[Sequence[View]], number: int) -> Targets:
        """The posterior for training without a fold; verified labels of the fold are not among its targets."""
        networks = self.networks
        honest = [networks.own(view) for view in views]
        rest = networks.trusted[networks.fold[networks.trusted] != number]
        posterior = self._posterior(honest, rest)

        def blind(view: Sequence[View], own: View) -> View:
            return lambda samples: np.where(networks.seen[samples, None], own(samples), view[number](samples))

        # Observers know no verified label, but the observed ones of all samples that are not in their fold.
        unseen = [own if view is self.observers else blind(view, own) for view, own in zip(views, honest, strict=True)]
        known = self.task.train.trusted & (networks.fold != number)
        return self._keep(f"posterior-without-{number}", posterior, unseen, known)

    def _posterior(self, views: Sequence[View], rows: SampleNumbers) -> Posterior:
        rows = self.networks.some_pairs(rows)
        observed = self.networks.observed(rows)
        features = pair_features(observed, [view(rows) for view in views], self.siblings)
        truth = self.networks.verified(rows).astype(bool)
        return fit_posterior(features, observed, truth, exclusive=self.task.exclusive)

    def _keep(self, name: str, posterior: Posterior, views: Sequence[View], known: npt.NDArray[np.bool_]) -> Targets:
        def targets(samples: SampleNumbers) -> npt.NDArray[np.float32]:
            observed = self.networks.observed(samples)
            features = pair_features(observed, [view(samples) for view in views], self.siblings)
            result = posterior.probabilities(features, observed)
            checked = known[samples]
            result[checked] = self.networks.verified(samples[checked])
            return result

        return self.task.keep(name, targets)
