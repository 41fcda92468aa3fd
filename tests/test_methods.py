"""Formulas of the paper's Table 4 against slow twins: plain loops, from the definition in the method's own paper."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelhedge.methods import METHODS
from labelhedge.methods.reweight import exclusive_weights, importance_weights, noise_rates, transition_matrix
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
from task_help import asked, make_task, objective_of, predicting

# --- bootstrap ---------------------------------------------------------------------------------------------------


def slow_bootstrap(logits, labels, beta, hard, exclusive):
    """Reed et al., Eqs. 5 and 6: targets are β t + (1 - β) q, or with z the most probable class in q's place."""
    predicted = probabilities(logits, exclusive)
    targets = []
    for wanted, row in zip(labels, predicted, strict=True):
        own = row
        if hard:
            own = [float(p == max(row)) if exclusive else float(p > 0.5) for p in row]
        targets.append([beta * t + (1 - beta) * q for t, q in zip(wanted, own, strict=True)])
    return slow_cross_entropy(targets, predicted, exclusive)


@BOTH
@pytest.mark.parametrize(("hard", "beta"), [(False, 0.95), (True, 0.8)])
def test_bootstrap_is_that_of_reed_with_the_defaults_of_the_paper(make, exclusive, hard, beta):
    task = make(exclusive=exclusive)
    logits = draw_logits(task)
    loss = objective_of(METHODS["bootstrap"](hard=hard), task).loss(logits, SAMPLES)
    assert float(loss) == pytest.approx(slow_bootstrap(logits, known(task), beta, hard, exclusive), rel=1e-5)
    assert asked(METHODS["bootstrap"](hard=hard), task).weight == beta


@BOTH
@pytest.mark.parametrize("hard", [False, True])
def test_the_gradient_of_bootstrap_is_that_of_its_loss(make, exclusive, hard):
    """Soft bootstrapping adds an entropy, so its gradient flows through the predictions in the targets too.

    Without that flow the gradient is β (q - t), plain training at a lower rate, and Adam does not see rates.
    """
    task = make(exclusive=exclusive)
    logits, labels = draw_logits(task), known(task)
    found = gradient(objective_of(METHODS["bootstrap"](hard=hard, weight=0.7), task), logits)
    slow = numeric_gradient(lambda moved: slow_bootstrap(moved, labels, 0.7, hard, exclusive), logits)
    assert torch.allclose(found, slow.float(), atol=1e-4)
    plain = gradient(objective_of(METHODS["noisy"](), task), logits)
    assert not torch.allclose(found, 0.7 * plain, atol=1e-3)


# --- label smoothing ---------------------------------------------------------------------------------------------


@BOTH
def test_smooth_mixes_labels_with_the_uniform_distribution(make, exclusive):
    task = make(exclusive=exclusive)
    logits = draw_logits(task)
    targets = [[0.8 * y + 0.2 / 3 for y in row] for row in known(task)]
    loss = objective_of(METHODS["smooth"](weight=0.8), task).loss(logits, SAMPLES)
    assert float(loss) == pytest.approx(slow_cross_entropy(targets, probabilities(logits, exclusive), exclusive))


# --- noise layer -------------------------------------------------------------------------------------------------


@BOTH
def test_the_noise_layer_passes_probabilities_through_its_matrix(make, exclusive):
    task = make(exclusive=exclusive)
    objective = objective_of(METHODS["noise-layer"](decay=0.5), task)
    torch.manual_seed(0)
    with torch.no_grad():
        objective.parameter += torch.randn_like(objective.parameter)
    logits, trusted = draw_logits(task), task.train.trusted[SAMPLES]
    matrix, labels = objective.matrix().tolist(), known(task)
    total = 0.0
    for row, wanted, checked in zip(probabilities(logits, exclusive), labels, trusted, strict=True):
        switched = list(row)
        if not checked and exclusive:  # Sukhbaatar et al., Eq. 3: p(observed j) = sum over i of q_ji p(true i)
            switched = [sum(matrix[i][j] * row[i] for i in range(3)) for j in range(3)]
        elif not checked:
            switched = [sum(matrix[m][n] * row[n] for n in range(3)) + matrix[m][3] for m in range(3)]
        total += slow_cross_entropy([wanted], [switched], exclusive)
    trace = sum(matrix[i][i] for i in range(3))
    assert float(objective.loss(logits, SAMPLES).detach()) == pytest.approx(
        total / len(SAMPLES) + 0.5 * trace, rel=1e-5
    )


@BOTH
@pytest.mark.parametrize("checked", [True, False])
def test_a_batch_of_trusted_samples_alone_or_of_none_has_a_loss(make, exclusive, checked):
    """Methods that treat both kinds differently must not average over an empty part."""
    task = make(exclusive=exclusive)
    samples = np.flatnonzero(task.train.trusted == checked)[:6]
    logits = draw_logits(task, len(samples))
    plain = objective_of(METHODS["noisy"](), task).loss(logits, samples)
    for name in ("noise-layer", "glc", "reweight"):
        scores = np.array(probabilities(draw_logits(task, len(task.train)), exclusive), np.float32)
        fitted = {need: predicting(scores=scores) for need in METHODS[name]().needs}
        options = {"decay": 0} if name == "noise-layer" else {}
        loss = objective_of(METHODS[name](**options), task, fitted).loss(logits, samples)
        assert bool(loss.isfinite()), name
        assert (abs(float(loss.detach()) - float(plain)) < 1e-5) == checked, (
            name
        )  # trusted samples: as in plain training


@BOTH
def test_the_noise_layer_is_near_the_identity_at_first_and_its_rows_sum_to_one(make, exclusive):
    task = make(exclusive=exclusive)
    objective = objective_of(METHODS["noise-layer"](identity=0.9), task)
    matrix = objective.matrix().detach()
    assert torch.allclose(matrix.sum(1), torch.ones(3))
    assert torch.allclose(matrix.diagonal(), torch.full((3,), 0.9))
    assert matrix.shape == (3, 3 if exclusive else 5)
    logits = draw_logits(task)
    straight = torch.tensor(probabilities(logits, exclusive))
    assert float((objective.switch(logits).detach() - straight).abs().max()) <= 0.1 + 1e-6
    nearly = objective_of(METHODS["noise-layer"](identity=1 - 1e-6), task)
    assert torch.allclose(nearly.switch(logits), straight, atol=1e-5)


def test_the_noise_layer_learns_along_and_is_not_in_the_saved_classifier(make):
    task = make()
    fit = METHODS["noise-layer"]().fit(task, {})
    plain = METHODS["noisy"]().fit(make(seed=0), {})
    assert fit.classifier.state_dict().keys() == plain.classifier.state_dict().keys()
    objective = objective_of(METHODS["noise-layer"](), task)
    before = objective.parameter.detach().clone()
    optimizer = torch.optim.Adam(objective.trained(), 0.01)
    objective.loss(draw_logits(task), SAMPLES).backward()
    optimizer.step()
    assert not torch.equal(before, objective.parameter)


@BOTH
@pytest.mark.parametrize("name", ["noise-layer", "glc"])
def test_a_layer_that_switches_nothing_is_plain_training_also_where_the_network_is_surely_wrong(make, name, exclusive):
    """A clamped probability has no gradient: the sample could never be learned."""
    task = make(exclusive=exclusive, trusted=np.zeros(42, bool))
    scores = np.full((42, 3), 0.5, np.float32)
    method = METHODS[name](identity=1 - 1e-7, decay=0) if name == "noise-layer" else METHODS[name]()
    objective = objective_of(method, task, {"silver": predicting(scores=scores)})
    if name == "noise-layer":
        with torch.no_grad():
            objective.parameter[:] = torch.where(objective.parameter > -1, 0.0, -80.0)
    labels = torch.tensor(known(task))
    logits = torch.where(labels > 0, -20.0, 0.0 if exclusive else 20.0)
    plain = gradient(objective_of(METHODS["noisy"](), task), logits)
    assert float(plain.abs().max()) > 0.05
    assert torch.allclose(gradient(objective, logits), plain, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.1, 3.0, 60.0]))
def test_losses_stay_finite_whatever_the_logits(tmp_path_factory, seed, exclusive, scale):
    task = make_task(tmp_path_factory.getbasetemp() / "finite", exclusive=exclusive)
    logits = draw_logits(task, seed=seed, scale=scale)
    scores = torch.softmax(draw_logits(task, 42, seed + 1, scale), 1).numpy()
    for name in OBJECTIVES:
        fitted = {need: predicting(scores=scores) for need in METHODS[name]().needs}
        objective = objective_of(METHODS[name](), task, fitted)
        moved = logits.clone().requires_grad_()
        loss = objective.loss(moved, SAMPLES)
        loss.backward()
        assert bool(loss.isfinite()), name
        assert bool(moved.grad.isfinite().all()), name


@pytest.mark.parametrize("name", OBJECTIVES)
@BOTH
def test_under_mixed_precision_only_the_network_is_computed_in_half(make, name, exclusive):
    """In bfloat16 a probability of 0.999 is 1, and its complement has no logarithm."""
    task = make(exclusive=exclusive)
    scores = np.array(probabilities(draw_logits(task, 42), exclusive), np.float32)
    fitted = {need: predicting(scores=scores) for need in METHODS[name]().needs}
    logits = draw_logits(task, scale=9.0).bfloat16()
    whole = objective_of(METHODS[name](), task, fitted)(lambda batch: logits, None, SAMPLES)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = objective_of(METHODS[name](), task, fitted)(lambda batch: logits, None, SAMPLES)
    assert float(mixed.detach()) == pytest.approx(float(whole.detach()), rel=1e-6)


# --- importance re-weighting -------------------------------------------------------------------------------------


def test_importance_weights_recover_the_clean_risk_in_expectation():
    """Liu and Tao: with the true rates, E over noisy labels of β l(y) is E over true labels of l(y*), for any loss."""
    draw = np.random.default_rng(0)
    lost, gained = np.array([0.3]), np.array([0.1])
    for posterior in draw.random(20):  # P(y* = 1 | x)
        predicted = posterior * (1 - lost) + (1 - posterior) * gained  # P(y = 1 | x)
        losses = draw.random(2)
        expected = posterior * losses[1] + (1 - posterior) * losses[0]
        found = 0.0
        for value in (0, 1):
            weight = importance_weights(np.array([[value]]), predicted[None], lost, gained).item()
            found += (predicted.item() if value else 1 - predicted.item()) * weight * losses[value]
        assert found == pytest.approx(expected, abs=1e-9)


def test_exclusive_weights_recover_the_clean_risk_in_expectation():
    draw = np.random.default_rng(0)
    transition = np.array([[0.7, 0.2, 0.1], [0.0, 0.9, 0.1], [0.3, 0.1, 0.6]])  # P(y = j | y* = i)
    for posterior in draw.dirichlet(np.ones(3), 20):
        predicted = np.array([sum(posterior[i] * transition[i, j] for i in range(3)) for j in range(3)])
        losses = draw.random(3)
        weights = exclusive_weights(np.eye(3), np.tile(predicted, (3, 1)), transition)[:, 0]
        found = sum(predicted[j] * weights[j] * losses[j] for j in range(3))
        assert found == pytest.approx(float(posterior @ losses), abs=1e-9)


def test_noise_rates_are_the_least_predictions_or_a_quantile_of_them():
    predicted = np.random.default_rng(0).random((101, 2)).astype(np.float32)
    lost, gained = noise_rates(predicted)
    for label in range(2):
        assert gained[label] == pytest.approx(min(predicted[:, label].tolist()))
        assert lost[label] == pytest.approx(min(1 - p for p in predicted[:, label].tolist()))
    lost, gained = noise_rates(predicted, 0.05)
    for label in range(2):
        assert gained[label] == pytest.approx(sorted(predicted[:, label].tolist())[5])
        assert lost[label] == pytest.approx(sorted(1 - p for p in predicted[:, label].tolist())[5])


def test_the_transition_is_read_off_where_each_label_is_surest():
    predicted = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]])
    assert transition_matrix(predicted).tolist() == predicted[:3].tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_weights_are_finite_and_not_negative(seed, certain):
    draw = np.random.default_rng(seed)
    predicted = draw.random((30, 3))
    predicted = np.round(predicted) if certain else predicted
    observed = draw.random((30, 3)) < 0.5
    weights = importance_weights(observed, predicted, *noise_rates(predicted))
    assert (weights >= 0).all()
    assert np.isfinite(weights).all()
    shares = (predicted + 1e-9) / (predicted + 1e-9).sum(1, keepdims=True)
    single = np.eye(3)[draw.integers(0, 3, 30)]
    weights = exclusive_weights(single, shares, transition_matrix(shares))
    assert weights.shape == (30, 1)
    assert (weights >= 0).all()
    assert np.isfinite(weights).all()


@BOTH
def test_reweight_weighs_each_label_caps_weights_and_trusts_checked_samples(make, exclusive):
    task = make(exclusive=exclusive)
    logits = draw_logits(task)
    scores = np.array(probabilities(draw_logits(task, len(task.train), seed=3), exclusive))
    loss = objective_of(METHODS["reweight"](cap=0.9), task, {"noisy": predicting(scores=scores)}).loss(logits, SAMPLES)
    labels, total, capped = np.array(known(task)), 0.0, 0
    lost, gained = 1 - scores.max(axis=0), scores.min(axis=0)
    inverse = np.linalg.inv(transition_matrix(scores)) if exclusive else None
    for row, (p, wanted, checked) in enumerate(
        zip(probabilities(logits, exclusive), labels, task.train.trusted[SAMPLES], strict=True)
    ):
        if exclusive:
            true = np.maximum(scores[row] @ inverse, 0)
            (label,) = np.flatnonzero(wanted)
            weight = true[label] / true.sum() / scores[row, label]
            total -= (1 if checked else min(weight, 0.9)) * math.log(p[label])
            capped += weight > 0.9
            continue
        for m in range(3):
            believed = scores[row, m] if wanted[m] else 1 - scores[row, m]
            other = gained[m] if wanted[m] else lost[m]
            weight = max(believed - other, 0) / (1 - lost[m] - gained[m]) / believed
            total -= (1 if checked else min(weight, 0.9)) * math.log(p[m] if wanted[m] else 1 - p[m])
            capped += weight > 0.9
    assert capped
    assert float(loss) == pytest.approx(total / len(SAMPLES), rel=1e-5)
