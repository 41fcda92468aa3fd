"""Formulas of the rivals `glc`, `gce` and `elr` against slow twins: plain loops, from each paper's definition."""

import math

import numpy as np
import pytest
import torch

from labelhedge.methods import METHODS
from labelhedge.methods.gce import generalised_cross_entropy
from labelhedge.methods.glc import corruption, exclusive_corruption
from method_help import (
    BOTH,
    OBJECTIVES,
    SAMPLES,
    draw_logits,
    gradient,
    known,
    numeric_gradient,
    probabilities,
    slow_cross_entropy,
)
from task_help import objective_of, predicting

# --- gold loss correction ----------------------------------------------------------------------------------------


def test_the_corruption_of_a_label_is_the_mean_prediction_where_it_is_so_and_where_it_is_not():
    draw = np.random.default_rng(0)
    truth, predicted = draw.random((30, 4)) < 0.4, draw.random((30, 4))
    truth[:, 2], truth[:, 3] = False, True
    found = corruption(truth, predicted)
    for label in range(2):
        for value in (0, 1):
            chosen = [predicted[i, label] for i in range(30) if truth[i, label] == value]
            assert found[value, label] == pytest.approx(sum(chosen) / len(chosen))
    assert found[:, 2:].tolist() == [[0, 0], [1, 1]]  # never seen on one side: not corrected


def test_the_corruption_of_exclusive_labels_is_the_mean_prediction_for_each_true_label():
    draw = np.random.default_rng(0)
    classes = draw.integers(0, 3, 30)
    predicted = draw.dirichlet(np.ones(4), 30)
    found = exclusive_corruption(np.eye(4, dtype=bool)[classes], predicted)
    for i in range(3):
        rows = [predicted[n] for n in range(30) if classes[n] == i]
        for j in range(4):
            assert found[i, j] == pytest.approx(sum(row[j] for row in rows) / len(rows))
    assert found[3].tolist() == [0, 0, 0, 1]
    assert np.allclose(found.sum(1), 1)


@BOTH
def test_glc_passes_predictions_for_untrusted_samples_through_the_corruption(make, exclusive):
    task = make(exclusive=exclusive)
    scores = np.array(probabilities(draw_logits(task, 42, seed=3), exclusive), np.float32)
    logits, trusted = draw_logits(task), task.train.trusted
    loss = objective_of(METHODS["glc"](), task, {"silver": predicting(scores=scores)}).loss(logits, SAMPLES)
    truth = task.train.verified.toarray()
    total = 0.0
    for row, wanted, checked in zip(probabilities(logits, exclusive), known(task), trusted[SAMPLES], strict=True):
        seen = list(row)
        if not checked and exclusive:
            means = [np.mean([scores[n] for n in range(42) if trusted[n] and truth[n, i]], axis=0) for i in range(3)]
            seen = [sum(means[i][j] * row[i] for i in range(3)) for j in range(3)]
        elif not checked:
            for m in range(3):
                c1 = np.mean([scores[n, m] for n in range(42) if trusted[n] and truth[n, m]])
                c0 = np.mean([scores[n, m] for n in range(42) if trusted[n] and not truth[n, m]])
                seen[m] = c1 * row[m] + c0 * (1 - row[m])
        total += slow_cross_entropy([wanted], [seen], exclusive)
    assert float(loss) == pytest.approx(total / len(SAMPLES), rel=1e-5)


@BOTH
def test_with_the_exact_corruption_the_minimiser_of_glc_is_the_clean_posterior(make, exclusive):
    """All samples show one x; their labels are the noisy ones in proportion to P(y | x), and none is trusted."""
    if exclusive:
        transition = np.array([[0.75, 0.25, 0.0], [0.0, 0.75, 0.25], [0.25, 0.0, 0.75]])
        posterior = np.array([0.5, 0.3, 0.2])
        counts = np.rint(1000 * posterior @ transition).astype(int)
        observed = np.repeat(np.eye(3, dtype=bool), counts, axis=0)
    else:
        transition = np.array([[0.1, 0.2, 0.05], [0.7, 0.6, 0.8]])  # P(y = 1 | y* = 0 and 1)
        posterior = np.array([0.5, 0.3, 0.2])
        rates = posterior * transition[1] + (1 - posterior) * transition[0]
        observed = np.arange(1000)[:, None] < np.rint(1000 * rates)
    trusted = np.zeros(len(observed), bool)
    task = make(count=len(observed), observed=observed, trusted=trusted, exclusive=exclusive)
    scores = np.full(observed.shape, 1 / 3, np.float32)
    objective = objective_of(METHODS["glc"](), task, {"silver": predicting(scores=scores)})
    objective.corruption = torch.tensor(transition, dtype=torch.float32)
    logit = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.LBFGS([logit], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = objective.loss(logit.expand(len(observed), 3), np.arange(len(observed)))
        loss.backward()
        return loss

    optimizer.step(closure)
    assert probabilities(logit.detach(), exclusive)[0] == pytest.approx(posterior, abs=5e-3)


# --- generalised cross entropy -----------------------------------------------------------------------------------


def slow_gce(logits, labels, q, exclusive):
    total = 0.0
    for row, wanted in zip(probabilities(logits, exclusive), labels, strict=True):
        for p, y in zip(row, wanted, strict=True):
            if y or not exclusive:
                total += (1 - (p if y else 1 - p) ** q) / q
    return total / len(labels)


@BOTH
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_gce_is_the_box_cox_transform_of_the_probability_of_the_label(make, exclusive, q):
    task = make(exclusive=exclusive)
    logits, labels = draw_logits(task), known(task)
    objective = objective_of(METHODS["gce"](q=q), task)
    assert float(objective.loss(logits, SAMPLES)) == pytest.approx(slow_gce(logits, labels, q, exclusive), rel=1e-5)
    slow = numeric_gradient(lambda moved: slow_gce(moved, labels, q, exclusive), logits)
    assert torch.allclose(gradient(objective, logits), slow.float(), atol=1e-4)


@BOTH
def test_gce_runs_from_cross_entropy_to_absolute_error(make, exclusive):
    task = make(exclusive=exclusive)
    logits, labels = draw_logits(task), torch.tensor(known(task))
    for q in (1e-4, 1e-7):
        near = generalised_cross_entropy(logits, labels, q, exclusive=exclusive)
        expected = slow_cross_entropy(labels.tolist(), probabilities(logits, exclusive), exclusive)
        assert float(near) == pytest.approx(expected, rel=1e-3)
    far = generalised_cross_entropy(logits, labels, 1.0, exclusive=exclusive)
    p = torch.tensor(probabilities(logits, exclusive))
    absolute = (p - labels).abs().sum(1).mean() / (2 if exclusive else 1)  # ‖e_y - p‖₁ = 2 - 2 p_y
    assert float(far) == pytest.approx(float(absolute), rel=1e-5)


@BOTH
def test_the_gradient_of_gce_is_that_of_cross_entropy_weighted_by_the_probability_to_the_q(make, exclusive):
    """Zhang and Sabuncu, Eq. 7: ∂L_q = p_y^q (-1 / p_y ∂p_y)."""
    task = make(exclusive=exclusive)
    logits, labels = draw_logits(task), torch.tensor(known(task))
    plain = gradient(objective_of(METHODS["noisy"](), task), logits)
    p = torch.tensor(probabilities(logits, exclusive))
    believed = (p * labels).sum(1, keepdim=True) if exclusive else torch.where(labels > 0, p, 1 - p)
    found = gradient(objective_of(METHODS["gce"](q=0.7), task), logits)
    assert torch.allclose(found, believed**0.7 * plain, atol=1e-6)


# --- early-learning regularisation -------------------------------------------------------------------------------


@BOTH
def test_elr_remembers_a_running_mean_of_predictions_and_pulls_towards_it(make, exclusive):
    task = make(exclusive=exclusive)
    objective = objective_of(METHODS["elr"](strength=2.0, momentum=0.6), task)
    memory = {n: [0.0 if exclusive else 0.5] * 3 for n in range(42)}
    for visit in range(4):
        samples = np.array([0, 1, 2, 5]) if visit % 2 else np.array([5, 7, 0])
        logits = draw_logits(task, len(samples), seed=visit)
        penalty, predicted = 0.0, probabilities(logits, exclusive)
        for n, row in zip(samples, predicted, strict=True):
            memory[n] = [0.6 * t + 0.4 * p for t, p in zip(memory[n], row, strict=True)]
            if exclusive:
                penalty += math.log(1 - sum(p * t for p, t in zip(row, memory[n], strict=True)))
            else:
                terms = [math.log(1 - p * t - (1 - p) * (1 - t)) for p, t in zip(row, memory[n], strict=True)]
                penalty += sum(terms)
        plain = slow_cross_entropy(known(task, samples), predicted, exclusive)
        loss = float(objective.loss(logits, samples))
        assert loss == pytest.approx(plain + 2.0 * penalty / len(samples), rel=1e-4)
        for n in range(42):
            assert objective.memory[n].tolist() == pytest.approx(memory[n], abs=1e-5)


def test_the_gradient_of_elr_is_that_of_the_paper(make):
    """Liu et al., Lemma 2: ∂/∂logits is p - y + λ g, g_c = p_c / (1 - ⟨p, t⟩) Σ_k (t_k - t_c) p_k."""
    task = make(exclusive=True)
    objective = objective_of(METHODS["elr"](strength=3.0, momentum=0.7), task)
    objective.loss(draw_logits(task, seed=5), SAMPLES)
    logits = draw_logits(task)
    found = gradient(objective, logits)
    p, t = probabilities(logits, True), objective.memory[SAMPLES].tolist()
    for n, wanted in enumerate(known(task)):
        inner = sum(p[n][k] * t[n][k] for k in range(3))
        for c in range(3):
            pull = p[n][c] / (1 - inner) * sum((t[n][k] - t[n][c]) * p[n][k] for k in range(3))
            assert float(found[n, c]) == pytest.approx((p[n][c] - wanted[c] + 3.0 * pull) / len(SAMPLES), abs=1e-5)


def test_the_memory_of_elr_is_part_of_its_state(make):
    task = make()
    first, second = (objective_of(METHODS["elr"](), task) for _ in range(2))
    first.loss(draw_logits(task), SAMPLES)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.memory, second.memory)
    assert not torch.equal(first.memory, torch.full((42, 3), 0.5))


# --- samples without a label -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [METHODS["bootstrap"](hard=True), *(METHODS[name]() for name in ("noisy", *OBJECTIVES) if name != "elr")],
    ids=lambda method: f"{method.name} {method}",
)
def test_an_unlabelled_sample_of_exclusive_labels_pulls_at_nothing(make, method):
    observed = np.eye(3, dtype=bool)[np.arange(42) % 3]
    observed[4] = False
    task = make(exclusive=True, observed=observed)
    assert not task.train.labels[[4]].nnz
    scores = np.array(probabilities(draw_logits(task, 42), True), np.float32)
    objective = objective_of(method, task, {need: predicting(scores=scores) for need in method.needs})
    pulls = gradient(objective, draw_logits(task))
    assert not pulls[4].any()
    assert pulls[:4].any(1).all()
