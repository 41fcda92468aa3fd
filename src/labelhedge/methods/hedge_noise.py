"""What `hedge` trains networks on where labels exclude each other: the posterior it learned, and the observed labels.

Trained on a posterior alone, a network takes over the mistakes that its teachers make for a reason of the image: they
are in all images of that kind. Observed labels hold no opinion of a teacher. Where labels exclude each other the noise
is one matrix, P(y = j | y* = i), and the posterior of all samples tells it more surely than a small clean set does. So
networks of the second round, whose opinion is to be a further one, learn from observed labels, and the student from
both, by halves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from labelhedge.methods.glc import ForwardCorrection
from labelhedge.methods.hedge_networks import CrossFitted, Lesson
from labelhedge.methods.posterior import transition_rates
from labelhedge.training import CrossEntropy, Objective, SampleNumbers, Targets

_BLOCK = 4096


def through_noise(networks: CrossFitted, posterior: Targets, share: float) -> Lesson:
    """Where labels exclude each other `ThroughNoise`, else the posterior alone."""
    if not networks.task.exclusive:
        return networks.plain(posterior)
    return Lesson(posterior, ThroughNoise(networks, posterior, share))


class ThroughNoise(Objective):
    """Cross entropy with the posterior, by a share, and for the rest the cost of :class:`.ForwardCorrection`.

    Of trusted samples both are the cross entropy with verified labels. Untrusted samples without an observed label have
    the posterior alone.

    Parameters
    ----------
    networks : CrossFitted
    posterior : function from sample numbers (B,) to (B, L), rows of which sum to one
    share : float
        0 to 1.
    """

    def __init__(self, networks: CrossFitted, posterior: Targets, share: float) -> None:
        super().__init__()
        train = networks.task.train
        unlabelled = (np.asarray(train.labels.sum(1)).ravel() == 0) & ~train.trusted
        weights = np.where(unlabelled, 1.0, share)[:, None]
        # Cross entropy is linear in its targets.
        self.posterior = CrossEntropy(lambda samples: weights[samples] * posterior(samples), exclusive=True)
        self.observed = ForwardCorrection(networks.task, noise_of(networks, posterior))
        self.share = share

    def loss(self, logits: Tensor, samples: SampleNumbers) -> Tensor:
        """The cost of logits (B, L), mean over samples."""
        return self.posterior.loss(logits, samples) + (1 - self.share) * self.observed.loss(logits, samples)


def noise_of(networks: CrossFitted, posterior: Targets) -> npt.NDArray[np.floating[Any]]:
    """P(y = j | y* = i), (L, L), by the posterior of samples that carry a label."""
    labelled = networks.some(np.flatnonzero(np.asarray(networks.task.train.observed.sum(1)).ravel()))
    pairs = np.zeros((len(networks.task.labels),) * 2)
    for begin in range(0, len(labelled), _BLOCK):
        samples = labelled[begin : begin + _BLOCK]
        pairs += posterior(samples).astype(np.float64).T @ networks.observed(samples)
    return transition_rates(pairs)
