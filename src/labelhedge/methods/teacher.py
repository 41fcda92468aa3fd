"""Does the teacher help? What is checked before labels are hedged with its predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelhedge.evaluation import accuracy, mean_average_precision
from labelhedge.evaluation.bootstrap import paired_error
from labelhedge.labels import optimal_weight, pseudo_labels, risk
from labelhedge.training import Task, derive_seed

GRID = tuple(number / 10 for number in range(11))
"""The λ among which dev chooses."""


class Checked(NamedTuple):
    """λ as it will be used, and what the user should know."""

    weight: float
    remarks: list[str]


def check_teacher(
    task: Task, soft: npt.NDArray[np.floating], noisy: npt.NDArray[np.floating], weight: float
) -> Checked:
    """Let λ stand where the hedge helps on dev, and move it to the side that helps where it does not.

    Two questions, both on dev, which the teacher has not been trained on:

    - Does the hedge lower the risk of the labels (Eq. 6)? Only where dev shows the noise, in observed labels that are
      not the true ones. If not, λ goes to the exact optimum (Eq. 8 with the cross term).
    - Would the student rank better than Baseline-Noisy? Trained on λ y + (1-λ) s(x) it learns λ E[y|x] + (1-λ) s(x),
      and E[y|x] is what Baseline-Noisy learned: the same mixture of the two models' predictions tells before training.
      If it ranks worse than Baseline-Noisy alone, λ goes to the best of a grid that includes 1, the noisy labels alone.
      The second question matters because random label errors average out in training and a teacher's do not.

    Parameters
    ----------
    task : Task
    soft, noisy : (N_dev, L)
        Soft labels of the teacher, and probabilities of Baseline-Noisy, for dev.
    weight : float
        λ.
    """
    truth = task.dev.truth
    remarks = []
    exact = truth.astype(np.float32)
    observed = task.dev.observed.astype(np.float32)
    risk_observed = float(risk(observed, exact))
    hedged = float(risk(pseudo_labels(observed, soft.astype(np.float32), weight), exact))
    if 0 < risk_observed < hedged:
        cross = float(((observed - exact) * (soft - exact)).sum(1).mean())
        better = optimal_weight(float(risk(soft, exact)), risk_observed, cross)
        remarks.append(
            f"on dev the hedge with λ = {weight:.2f} would raise the risk of the labels from {risk_observed:.2f} to "
            f"{hedged:.2f}: λ was moved to {better:.2f}"
        )
        weight = better

    alone, mixed = dev_score(task, noisy), dev_score(task, pseudo_labels(noisy, soft, weight))
    if mixed < alone:
        better = best_weight(task, soft, noisy)
        remarks.append(
            f"on dev the teacher's predictions mixed in with λ = {weight:.2f} do worse than the noisy labels' model "
            f"alone ({100 * mixed:.1f} against {100 * alone:.1f}): λ was moved to {better:.2f}"
        )
        weight = better
    return Checked(weight, remarks)


def best_weight(task: Task, soft: npt.NDArray[np.floating], noisy: npt.NDArray[np.floating]) -> float:
    """The λ of `GRID` at which λ noisy + (1-λ) soft does best on dev: predictions of Baseline-Noisy and the teacher.

    Of equals the one that trusts the teacher least.
    """
    scores = [dev_score(task, pseudo_labels(noisy, soft, weight)) for weight in GRID]
    return max(zip(scores, GRID, strict=True))[1]


def dev_score(task: Task, scores: npt.NDArray[np.floating]) -> float:
    """mAP of scores (N_dev, L), or their accuracy where labels exclude each other."""
    measure = accuracy if task.exclusive else mean_average_precision
    return float(measure(task.dev.truth, scores))


def dev_error(task: Task, one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    """Standard error of the difference of two `dev_score`: a bootstrap over dev samples, both scored on the same draws.

    Parameters
    ----------
    one, other : (N_dev, L)
    """
    measure = accuracy if task.exclusive else mean_average_precision
    return paired_error(measure, task.dev.truth, [(one, other)], derive_seed(task.seed, "dev bootstrap"))
