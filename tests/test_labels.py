"""The equations of the method against plain Python loops, on NumPy arrays and on torch tensors."""

from __future__ import annotations

import itertools
import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

import labelhedge as lh

CASES = settings(deadline=None, max_examples=50, derandomize=True)
DEVICES = ["numpy", "cpu"] + (["cuda"] if torch.cuda.is_available() else [])
FORMS = list(itertools.product(DEVICES, ["float32", "float64"]))
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}

on_every_device = pytest.mark.parametrize("device", DEVICES)
probabilities = st.floats(0, 1, width=32)
shapes = st.tuples(st.integers(1, 6), st.integers(1, 5))


def put(values, device, dtype=None):
    """The values as a NumPy array, or as a torch tensor on a device."""
    array = np.array(values, dtype=dtype)
    return array if device == "numpy" else torch.from_numpy(array).to(device)


def back(result):
    return result.detach().cpu().numpy() if isinstance(result, torch.Tensor) else np.asarray(result)


def assert_like(result, model):
    """Same kind, floating type and device."""
    if isinstance(model, torch.Tensor):
        assert isinstance(result, torch.Tensor)
        assert result.device == model.device
    else:
        assert isinstance(result, np.ndarray | np.generic)
    assert result.dtype == model.dtype


@st.composite
def batches(draw):
    """Observed and soft labels of one shape, (N, L)."""
    shape = draw(shapes)
    observed = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 1)))
    return observed, draw(hnp.arrays(np.float64, shape, elements=probabilities))


@st.composite
def batches_and_matrices(draw):
    """Soft labels (N, L) and a matrix (L, L) that is not symmetric."""
    soft = draw(hnp.arrays(np.float64, shapes, elements=probabilities))
    count = soft.shape[1]
    return soft, draw(hnp.arrays(np.float64, (count, count), elements=st.sampled_from([0, 0, 0.25, 0.6, 1])))


# pseudo labels, Eq. 4 and 5


@CASES
@given(batches(), probabilities)
def test_pseudo_labels_equal_a_plain_loop(batch, weight):
    expected = [
        [weight * y + (1 - weight) * s for y, s in zip(*rows, strict=True)] for rows in zip(*batch, strict=True)
    ]
    for device, dtype in FORMS:
        observed, soft = put(batch[0], device), put(batch[1], device, dtype)
        mixed = lh.labels.pseudo_labels(observed, soft, weight)
        assert_like(mixed, soft)
        np.testing.assert_allclose(back(mixed), expected, atol=TOLERANCE[dtype])


@CASES
@given(batches(), st.data())
def test_pseudo_labels_take_one_weight_per_label(batch, data):
    count = batch[0].shape[1]
    weights = data.draw(hnp.arrays(np.float64, count, elements=probabilities))
    for device, dtype in FORMS:
        soft = put(batch[1], device, dtype)
        mixed = lh.labels.pseudo_labels(put(batch[0], device), soft, put(weights, device))
        assert_like(mixed, soft)
        for row, (y, s) in enumerate(zip(*batch, strict=True)):
            expected = [weights[m] * y[m] + (1 - weights[m]) * s[m] for m in range(count)]
            np.testing.assert_allclose(back(mixed)[row], expected, atol=TOLERANCE[dtype])


@on_every_device
@pytest.mark.parametrize("observed_type", ["bool", "int8", "int64", "float32"])
def test_pseudo_labels_take_observed_labels_of_any_type(device, observed_type):
    soft = put([[0.5, 0.25]], device, "float32")
    mixed = lh.labels.pseudo_labels(put([[1, 0]], device, observed_type), soft, 0.75)
    assert_like(mixed, soft)
    np.testing.assert_array_equal(back(mixed), [[0.875, 0.0625]])


@on_every_device
@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_a_weight_may_be_any_floating_number(device, number):
    soft = put([[0.5, 0.25]], device, "float32")
    mixed = lh.labels.pseudo_labels(put([[1, 0]], device), soft, number(0.75))
    assert_like(mixed, soft)
    np.testing.assert_array_equal(back(mixed), [[0.875, 0.0625]])


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@CASES
@given(batches(), probabilities, st.data())
def test_eq_4_and_eq_5_are_one_loss(temperature, batch, weight, data):
    finite = hnp.arrays(np.float64, batch[0].shape, elements=st.floats(-30, 30))
    outputs = torch.from_numpy(data.draw(finite)).requires_grad_()
    observed = torch.from_numpy(batch[0]).double()
    soft = lh.labels.soften(torch.from_numpy(data.draw(finite)), temperature)

    def cross_entropy(targets):
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none").sum(dim=1).mean()

    eq_4 = weight * cross_entropy(observed) + (1 - weight) * cross_entropy(soft)
    eq_5 = cross_entropy(lh.labels.pseudo_labels(observed, soft, weight))
    torch.testing.assert_close(eq_4, eq_5)
    gradients = [torch.autograd.grad(loss, outputs)[0] for loss in (eq_4, eq_5)]
    torch.testing.assert_close(*gradients)


@on_every_device
@pytest.mark.parametrize("weight", [-0.01, 1.01, math.nan, math.inf])
def test_a_weight_outside_0_to_1_is_refused(device, weight):
    observed, soft = put([[1, 0]], device), put([[0.5, 0.5]], device)
    with pytest.raises(ValueError, match=r"weight λ must lie in \[0, 1\]"):
        lh.labels.pseudo_labels(observed, soft, weight)
    with pytest.raises(ValueError, match=r"weight λ must lie in \[0, 1\]"):
        lh.labels.pseudo_labels(observed, soft, put([0.5, weight], device))
    with pytest.raises(ValueError, match=r"weight λ must lie in \[0, 1\]"):
        lh.labels.smooth(observed, weight)


@on_every_device
def test_pseudo_labels_refuse_two_shapes(device):
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        lh.labels.pseudo_labels(put(np.zeros((2, 3)), device), put(np.zeros((3, 2)), device), 0.5)
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(2, 3\)"):  # would broadcast
        lh.labels.pseudo_labels(put(np.zeros((1, 3)), device), put(np.zeros((2, 3)), device), 0.5)


# soft labels


@CASES
@given(hnp.arrays(np.float32, shapes, elements=st.floats(-100, 100, width=32)), st.floats(0.25, 20))
def test_soften_equals_the_sigmoid(logits, temperature):
    expected = [[1 / (1 + math.exp(-float(x) / temperature)) for x in row] for row in logits]
    for device, dtype in FORMS:
        values = put(logits, device, dtype)
        soft = lh.labels.soften(values, temperature)
        assert_like(soft, values)
        np.testing.assert_allclose(back(soft), expected, rtol=10 * TOLERANCE[dtype], atol=1e-35)


@on_every_device
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_soften_does_not_overflow(device, dtype):
    logits = put([[-1000, 0, 1000]], device, dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        soft = lh.labels.soften(logits)
        softer = lh.labels.soften(logits, temperature=0.1)
    assert_like(soft, logits)
    np.testing.assert_array_equal(back(soft), [[0, 0.5, 1]])
    np.testing.assert_array_equal(back(softer), [[0, 0.5, 1]])


def test_soften_keeps_the_type_with_a_numpy_temperature():
    logits = np.zeros((1, 2), np.float32)
    assert_like(lh.labels.soften(logits, np.float64(2)), logits)


@on_every_device
def test_a_higher_temperature_is_softer(device):
    logits = put([[-3.0, 2.0]], device)
    hot, cold = (abs(back(lh.labels.soften(logits, t)) - 0.5) for t in (4.0, 1.0))
    assert (hot < cold).all()


@on_every_device
@pytest.mark.parametrize("temperature", [0, -1.0, math.nan])
def test_a_temperature_that_is_not_positive_is_refused(device, temperature):
    with pytest.raises(ValueError, match=f"temperature must be above 0, found {temperature}"):
        lh.labels.soften(put([[0.0]], device), temperature)


# label smoothing, Eq. 9


@CASES
@given(batches(), probabilities)
def test_smooth_equals_a_plain_loop(batch, weight):
    count = batch[0].shape[1]
    expected = [[weight * y + (1 - weight) / count for y in row] for row in batch[0]]
    for device, dtype in FORMS:
        observed = put(batch[0], device, dtype)
        smoothed = lh.labels.smooth(observed, weight)
        assert_like(smoothed, observed)
        np.testing.assert_allclose(back(smoothed), expected, atol=TOLERANCE[dtype])


@on_every_device
@pytest.mark.parametrize("observed_type", ["bool", "int64", "float32"])
@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_smooth_takes_labels_and_weights_of_any_type(device, observed_type, number):
    smoothed = lh.labels.smooth(put([[1, 0, 0, 0]], device, observed_type), number(0.5))
    np.testing.assert_array_equal(back(smoothed), [[0.625, 0.125, 0.125, 0.125]])


@on_every_device
def test_smooth_takes_the_weight_that_the_heuristic_gives(device):
    observed = put([[1, 0], [0, 1]], device)
    scores = put([[0.9, 0.1], [0.1, 0.9]], device)
    precision = lh.evaluation.mean_average_precision(observed, scores)  # 1, of the same kind as the scores
    smoothed = lh.labels.smooth(observed, lh.labels.heuristic_weight(precision, precision))
    np.testing.assert_array_equal(back(smoothed), [[0.75, 0.25], [0.25, 0.75]])


# guided soft labels, Eq. 12


@CASES
@given(batches_and_matrices())
def test_propagate_is_g_s_for_every_row(case):
    values, matrix = case
    count = len(matrix)
    expected = [[sum(matrix[m, n] * row[n] for n in range(count)) for m in range(count)] for row in values]
    for device, dtype in FORMS:
        soft = put(values, device, dtype)
        forms = [
            put(matrix, device, dtype),
            scipy.sparse.csr_array(matrix),
            scipy.sparse.coo_array(matrix),
            scipy.sparse.csc_matrix(matrix),
        ]
        for form in forms:
            guided = lh.labels.propagate(soft, form)
            assert_like(guided, soft)
            assert tuple(guided.shape) == values.shape
            np.testing.assert_allclose(back(guided), expected, atol=TOLERANCE[dtype])


@on_every_device
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_propagate_keeps_the_type_of_the_soft_labels(device, sparse, dtype):
    """G is float64 as `relation_matrix` makes it; soft labels are stored as float16."""
    matrix = lh.graph.relation_matrix([[1], [0], []])
    soft = put([[1.0, 0.0, 0.5]], device, dtype)
    guided = lh.labels.propagate(soft, matrix if sparse else put(matrix.toarray(), device))
    assert_like(guided, soft)
    np.testing.assert_allclose(back(guided), [[1 / 1.4, 0.4 / 1.4, 0.5]], rtol=2e-3)


@on_every_device
def test_propagate_keeps_a_soft_label_between_0_and_1(device):
    soft = np.random.default_rng(0).random((50, 6))
    matrix = lh.graph.relation_matrix([[1, 2], [0, 2], [0, 1], [4], [3], []])
    guided = back(lh.labels.propagate(put(soft, device), matrix))
    assert guided.min() >= soft.min()
    assert guided.max() <= soft.max()
    np.testing.assert_array_equal(guided[:, 5], soft[:, 5])  # no sibling, nothing to take


@on_every_device
@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (4, 3)])
def test_propagate_refuses_a_matrix_of_another_size(device, shape):
    soft = put(np.zeros((2, 3)), device)
    for matrix in (put(np.zeros(shape), device), scipy.sparse.csr_array(shape)):
        with pytest.raises(ValueError, match=r"there are 3 labels: it must be \(3, 3\)"):
            lh.labels.propagate(soft, matrix)


# risk and the weights that follow from it, Eq. 6, 8 and 14


@CASES
@given(batches())
def test_risk_equals_a_plain_loop(batch):
    truth, values = batch
    expected = 0.0
    for y, t in zip(values, truth, strict=True):
        expected += sum((a - b) ** 2 for a, b in zip(y, t, strict=True)) / len(truth)
    for device, dtype in FORMS:
        labels = put(values, device, dtype)
        risk = lh.labels.risk(labels, put(truth, device, dtype))
        assert_like(risk, labels)
        assert risk.shape == ()
        assert float(risk) == pytest.approx(expected, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])
        mixed_types = lh.labels.risk(labels, put(truth, device))
        assert float(mixed_types) == pytest.approx(expected, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])


@on_every_device
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_risk_of_whole_numbers_counts_the_wrong_labels(device, dtype):
    labels, truth = put([[1, 0, 1], [0, 0, 1]], device, dtype), put([[0, 1, 1], [0, 0, 0]], device, dtype)
    assert float(lh.labels.risk(labels, truth)) == 1.5


@on_every_device
def test_risk_refuses_what_has_no_risk(device):
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 1\)"):
        lh.labels.risk(put(np.zeros((2, 3)), device), put(np.zeros((2, 1)), device))
    with pytest.raises(ValueError, match="no samples"):
        lh.labels.risk(put(np.zeros((0, 3)), device), put(np.zeros((0, 3)), device))


@st.composite
def measured(draw):
    """Observed, soft and true labels whose errors may go together or apart; at least one label is wrong."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    shape = draw(st.tuples(st.integers(5, 30), st.integers(1, 4)))
    truth = (generator.random(shape) < 0.4).astype(float)
    observed = np.where(generator.random(shape) < draw(st.floats(0.05, 0.6)), 1 - truth, truth)
    observed[0, 0] = 1 - truth[0, 0]
    shared = draw(st.floats(-1, 1))  # how far the soft labels follow the observed errors
    soft = truth + shared * (observed - truth) + draw(st.floats(0.05, 0.5)) * (generator.random(shape) - 0.5)
    return observed, soft, truth


@on_every_device
@CASES
@given(measured())
def test_the_optimal_weight_has_the_least_measured_risk(device, case):
    observed, soft, truth = case
    arrays = [put(values, device) for values in case]
    risk_observed, risk_soft = (lh.labels.risk(labels, arrays[2]) for labels in arrays[:2])
    cross = sum(float(e @ f) for e, f in zip(observed - truth, soft - truth, strict=True)) / len(truth)
    best = lh.labels.optimal_weight(risk_soft, risk_observed, cross)
    assert type(best) is float
    assert 0 <= best <= 1

    def risk_at(weight):
        return float(lh.labels.risk(lh.labels.pseudo_labels(*arrays[:2], weight), arrays[2]))

    grid = np.linspace(0, 1, 201)
    risks = [risk_at(float(weight)) for weight in grid]
    assert risk_at(best) <= min(risks) + 1e-12
    assert abs(grid[int(np.argmin(risks))] - best) <= 1 / 200


@pytest.mark.parametrize(("shared", "expected"), [(0.5, 0.0), (2.0, 1.0), (-1.0, 0.5)])
def test_the_optimal_weight_is_clipped(shared, expected):
    """Soft labels that err as the observed ones do, only less (or more): nothing is gained by mixing."""
    risk_observed = 0.8
    risk_soft, cross = shared**2 * risk_observed, shared * risk_observed
    assert lh.labels.optimal_weight(risk_soft, risk_observed, cross) == pytest.approx(expected)


risks = st.floats(1e-3, 1e3)


@CASES
@given(risks, risks)
def test_without_cross_term_the_optimal_weight_is_eq_8(risk_soft, risk_observed):
    weight = lh.labels.optimal_weight(risk_soft, risk_observed)
    assert weight == pytest.approx(risk_soft / (risk_soft + risk_observed))
    assert weight == lh.labels.optimal_weight(risk_soft, risk_observed, cross=0.0)
    least = weight**2 * risk_observed + (1 - weight) ** 2 * risk_soft  # risk of the mixture where C = 0
    assert least == pytest.approx(risk_observed * risk_soft / (risk_soft + risk_observed))
    assert least < min(risk_soft, risk_observed)


def test_the_least_risk_of_eq_8_is_reached_on_labels_whose_errors_are_orthogonal():
    truth = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    observed = truth + np.array([[-1.0, 0, 0, 0], [1.0, 0, -1.0, 0]])
    soft = truth + np.array([[0, 0.5, 0, 0.25], [0, -0.75, 0, 0.5]])
    risk_observed, risk_soft = lh.labels.risk(observed, truth), lh.labels.risk(soft, truth)
    mixed = lh.labels.pseudo_labels(observed, soft, lh.labels.optimal_weight(risk_soft, risk_observed))
    least = risk_observed * risk_soft / (risk_observed + risk_soft)
    assert lh.labels.risk(mixed, truth) == pytest.approx(least)


def test_the_optimal_weight_where_one_side_or_none_is_wrong():
    assert lh.labels.optimal_weight(risk_soft=0.0, risk_observed=1.0) == 0
    assert lh.labels.optimal_weight(risk_soft=1.0, risk_observed=0.0) == 1
    assert lh.labels.optimal_weight(risk_soft=0.0, risk_observed=0.0) == 0.5
    assert lh.labels.optimal_weight(risk_soft=0.7, risk_observed=0.7, cross=0.7) == 0.5


def test_a_cross_term_measured_in_float32_is_accepted():
    """Soft labels that err as the observed ones do, only less: C² is R_y R_s but for rounding."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        error = generator.integers(-1, 2, (50, 4)).astype(np.float32)
        less = error * np.float32(0.7)
        risk_observed, risk_soft, cross = (
            np.mean(np.sum(a * b, axis=1)) for a, b in ((error, error), (less, less), (error, less))
        )
        assert lh.labels.optimal_weight(risk_soft, risk_observed, cross) == 0


@pytest.mark.parametrize("risks", [(-0.1, 0.5), (0.5, -0.1), (math.nan, 0.5), (0.5, math.nan)])
def test_a_risk_that_is_negative_or_not_a_number_is_refused(risks):
    with pytest.raises(ValueError, match="risk"):
        lh.labels.optimal_weight(*risks)


@pytest.mark.parametrize("cross", [0.9, -0.9, math.nan])
def test_an_impossible_cross_term_is_refused(cross):
    with pytest.raises(ValueError, match=f"cross term {cross}"):
        lh.labels.optimal_weight(0.5, 0.5, cross)


precisions = st.floats(0.01, 1)


@CASES
@given(precisions, precisions, st.floats(0.001, 0.5))
def test_the_heuristic_is_eq_14_as_printed(map_clean, map_noisy, more):
    weight = lh.labels.heuristic_weight(map_clean, map_noisy)
    assert weight == pytest.approx(map_clean / (map_noisy + map_clean))
    # The trap: a better teacher gives the noisy labels more weight, where Eq. 8 gives them less.
    assert lh.labels.heuristic_weight(map_clean + more, map_noisy) > weight
    risk_soft, risk_observed = 2 - map_clean, 2 - map_noisy  # a risk falls as mAP rises
    assert lh.labels.optimal_weight(risk_soft - more, risk_observed) < lh.labels.optimal_weight(
        risk_soft, risk_observed
    )


@CASES
@given(precisions, precisions)
def test_exchanged_arguments_mirror_the_heuristic(map_clean, map_noisy):
    weight = lh.labels.heuristic_weight(map_clean=map_clean, map_noisy=map_noisy)
    assert lh.labels.heuristic_weight(map_clean=map_noisy, map_noisy=map_clean) == pytest.approx(1 - weight)


@pytest.mark.parametrize("precisions", [(-0.1, 0.5), (0.5, -0.1), (0.0, 0.0), (math.nan, 0.5), (0.5, math.nan)])
def test_the_heuristic_refuses_what_is_no_precision(precisions):
    with pytest.raises(ValueError, match="two mAPs above zero are needed"):
        lh.labels.heuristic_weight(*precisions)
