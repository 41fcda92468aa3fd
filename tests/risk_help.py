"""Simulated labels, soft labels and truth for the tests of the risk."""

import numpy as np


def simulate(samples, seed, labels=5):
    """Labels with noise of both sides, tied together where a label is hard."""
    rng = np.random.default_rng(seed)
    truth = rng.random((samples, labels)) < 0.3
    hard = rng.random((samples, labels)) < 0.3
    observed = truth ^ (rng.random((samples, labels)) < np.where(hard, 0.5, 0.05))
    soft = np.clip(np.where(hard, 0.5, truth) + rng.normal(0, 0.1, (samples, labels)), 0, 1)
    return observed, soft, truth
