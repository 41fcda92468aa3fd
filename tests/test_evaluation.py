"""Average precision against scikit-learn and a plain loop, its mean, and the ranking of Figure 4."""

from __future__ import annotations

import itertools
import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

import labelhedge as lh

CASES = settings(deadline=None, max_examples=50, derandomize=True)
DEVICES = ["numpy", "cpu"] + (["cuda"] if torch.cuda.is_available() else [])
FORMS = list(itertools.product(DEVICES, ["float32", "float64"]))

on_every_device = pytest.mark.parametrize("device", DEVICES)


def put(values, device, dtype=None):
    """The values as a NumPy array, or as a torch tensor on a device."""
    array = np.array(values, dtype=dtype)
    return array if device == "numpy" else torch.from_numpy(array).to(device)


def back(result):
    return result.detach().cpu().numpy() if isinstance(result, torch.Tensor) else np.asarray(result)


def assert_kind(result, model):
    if isinstance(model, torch.Tensor):
        assert isinstance(result, torch.Tensor)
        assert result.device == model.device
    else:
        assert isinstance(result, np.ndarray | np.generic)


def precision_loop(truth, scores):
    """Average precision of one label: one step per distinct score."""
    positives = sum(truth)
    if not positives:
        return math.nan
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [t for t, score in zip(truth, scores, strict=True) if score >= threshold]
        recall = sum(chosen) / positives
        total += (recall - recall_before) * sum(chosen) / len(chosen)
        recall_before = recall
    return total


@st.composite
def scored(draw, positive=False):
    """Truth and scores (N, L); few distinct scores, so that many tie."""
    shape = draw(st.tuples(st.integers(1, 25), st.integers(1, 4)))
    truth = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 1)))
    if positive:
        truth[draw(st.integers(0, shape[0] - 1))] = 1
    levels = draw(st.sampled_from([1, 2, 4, 100]))
    return truth, draw(hnp.arrays(np.int64, shape, elements=st.integers(0, levels))) / levels


@CASES
@given(scored())
def test_average_precision_equals_scikit_learn_and_a_plain_loop(case):
    truth, scores = case
    for device, dtype in FORMS:
        values = lh.evaluation.average_precision(put(truth, device), put(scores, device, dtype))
        assert_kind(values, put(scores, device))
        assert tuple(values.shape) == (truth.shape[1],)
        for label, value in enumerate(back(values)):
            columns = truth[:, label], scores[:, label]
            assert value == pytest.approx(precision_loop(*map(list, columns)), nan_ok=True)
            if columns[0].any():
                assert value == pytest.approx(average_precision_score(*columns))
            else:
                assert math.isnan(value)


@on_every_device
def test_average_precision_of_a_label_on_all_samples_or_on_none(device):
    truth = put([[1, 0], [1, 0], [1, 0]], device)
    values = lh.evaluation.average_precision(truth, put([[0.1, 0.1], [0.3, 0.3], [0.3, 0.9]], device))
    np.testing.assert_array_equal(back(values), [1, math.nan])


def test_average_precision_of_equal_scores_is_the_share_of_positives():
    truth = np.array([[1], [0], [0], [0]])
    assert lh.evaluation.average_precision(truth, np.full((4, 1), 0.5)) == [0.25]


@CASES
@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(case, random):
    truth, scores = case
    order = list(range(len(truth)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        lh.evaluation.average_precision(truth[order], scores[order]),
        lh.evaluation.average_precision(truth, scores),
    )


@CASES
@given(scored(), st.data())
def test_a_strictly_monotone_transform_of_the_scores_does_not_matter(case, data):
    truth, scores = case
    levels = np.unique(scores)
    size = len(levels)
    others = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=size, max_size=size, unique=True))
    transformed = np.sort(others)[np.searchsorted(levels, scores)]
    np.testing.assert_array_equal(
        lh.evaluation.average_precision(truth, transformed), lh.evaluation.average_precision(truth, scores)
    )


@on_every_device
def test_infinite_scores_that_tie_are_one_threshold(device):
    """A logit can be infinite, the logarithm of a probability of zero is."""
    truth = np.array([[1], [0], [1], [0]])
    finite = np.array([[9.0], [9.0], [1.0], [1.0]])
    infinite = np.where(finite == 9, np.inf, -np.inf)
    expected = lh.evaluation.average_precision(truth, finite)
    for order in ([0, 1, 2, 3], [1, 0, 3, 2]):
        values = lh.evaluation.average_precision(put(truth[order], device), put(infinite[order], device))
        np.testing.assert_array_equal(back(values), expected)


@on_every_device
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64", "float16"])
def test_scores_and_truth_may_have_any_type(device, dtype):
    """Observed labels can be scored too, to see how much a model improves on them."""
    truth, scores = [[1], [0], [1], [0]], [[1], [0], [0], [0]]
    value = lh.evaluation.average_precision(put(truth, device, dtype), put(scores, device, dtype))
    assert float(value[0]) == pytest.approx(0.75)


def test_scores_of_a_network_in_training_are_accepted():
    scores = torch.tensor([[0.9], [0.1]], requires_grad=True)
    assert lh.evaluation.average_precision(torch.tensor([[1], [0]]), scores).tolist() == [1]


@CASES
@given(scored(positive=True), st.booleans())
def test_the_mean_leaves_out_labels_without_a_positive(case, with_empty_label):
    truth, scores = case
    if with_empty_label:
        truth = np.column_stack([truth, np.zeros(len(truth), int)])
        scores = np.column_stack([scores, scores[:, 0]])
    values = [precision_loop(list(t), list(s)) for t, s in zip(truth.T, scores.T, strict=True)]
    found = [value for value in values if not math.isnan(value)]
    for device in DEVICES:
        mean = lh.evaluation.mean_average_precision(put(truth, device), put(scores, device))
        assert_kind(mean, put(scores, device))
        assert mean.shape == ()
        assert float(mean) == pytest.approx(sum(found) / len(found))


@on_every_device
def test_background_images_count_as_negatives(device):
    scores = put([[0.5], [0.9]], device)
    assert float(lh.evaluation.mean_average_precision(put([[1], [0]], device), scores)) == 0.5
    assert float(lh.evaluation.mean_average_precision(put([[1]], device), scores[:1])) == 1


@on_every_device
@pytest.mark.parametrize("samples", [0, 3])
def test_no_positive_at_all_has_no_mean(device, samples):
    empty = put(np.zeros((samples, 2)), device)
    with pytest.raises(ValueError, match="no label has a positive"):
        lh.evaluation.mean_average_precision(empty, empty)


@on_every_device
@pytest.mark.parametrize(
    ("truth", "scores", "cause"),
    [
        ([[1, 0]], [[0.5, 0.5, 0.5]], r"\(1, 2\) and \(1, 3\)"),
        ([1, 0], [0.5, 0.5], r"two \(N, L\) arrays"),
        ([[1], [0]], [[0.5], [math.nan]], "NaN"),
        ([[1], [2]], [[0.5], [0.5]], "0 and 1 only"),
        ([[1], [0.5]], [[0.5], [0.5]], "0 and 1 only"),
        ([[1], [-1]], [[0.5], [0.5]], "0 and 1 only"),
    ],
)
@pytest.mark.parametrize("measure", ["average_precision", "mean_average_precision"])
def test_what_cannot_be_scored_is_refused(device, measure, truth, scores, cause):
    with pytest.raises(ValueError, match=cause):
        getattr(lh.evaluation, measure)(put(truth, device), put(scores, device))


@CASES
@given(scored())
def test_rank_sorts_every_label_by_itself(case):
    truth, values = case
    for device, dtype in FORMS:
        labels = put(values, device, dtype)
        ranking = lh.evaluation.rank(labels, put(truth, device))
        for array in ranking:
            assert_kind(array, labels)
            assert tuple(array.shape) == values.shape
        assert ranking.values.dtype == labels.dtype
        for label in range(values.shape[1]):
            column = back(labels)[:, label]
            order = np.lexsort([range(len(column)), -column]).tolist()  # ties stay in order
            assert back(ranking.order)[:, label].tolist() == order
            assert back(ranking.values)[:, label].tolist() == [column[i] for i in order]
            assert back(ranking.correct)[:, label].tolist() == [bool(truth[i, label]) for i in order]


@on_every_device
def test_rank_without_truth_marks_nothing(device):
    ranking = lh.evaluation.rank(put([[0.2], [0.9]], device))
    assert ranking.correct is None
    assert back(ranking.order)[:, 0].tolist() == [1, 0]


@on_every_device
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64", "float16"])
def test_rank_takes_labels_of_any_type(device, dtype):
    ranking = lh.evaluation.rank(put([[0], [1], [0], [1]], device, dtype))
    assert back(ranking.order)[:, 0].tolist() == [1, 3, 0, 2]


@on_every_device
def test_rank_refuses_other_shapes(device):
    with pytest.raises(ValueError, match=r"\(N, L\) labels are needed, found shape \(3,\)"):
        lh.evaluation.rank(put([0.1, 0.2, 0.3], device))
    with pytest.raises(ValueError, match=r"truth has shape \(1, 2\), labels \(2, 1\)"):
        lh.evaluation.rank(put([[0.1], [0.2]], device), put([[0, 1]], device))
