"""Risks, the cross term and λ: against slow loops and simulated truth."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelhedge.evaluation import analyse_risk, bootstrap, cross_term, pseudo_label_risk
from labelhedge.labels import optimal_weight, pseudo_labels, risk
from risk_help import simulate

CASES = settings(deadline=None, max_examples=60, derandomize=True)
CHANCE = st.floats(0, 1, width=32)


@st.composite
def triples(draw):
    """Observed and soft labels and the truth, (N, L) each."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    zero_or_one = hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0]))
    return draw(zero_or_one), draw(hnp.arrays(np.float64, shape, elements=CHANCE)), draw(zero_or_one)


def cross_loop(observed, soft, truth):
    total = 0.0
    for sample in range(len(truth)):
        for label in range(len(truth[0])):
            total += (observed[sample][label] - truth[sample][label]) * (soft[sample][label] - truth[sample][label])
    return total / len(truth)


@CASES
@given(triples())
def test_the_cross_term_is_that_of_the_loop(case):
    found = cross_term(*case)
    assert found == pytest.approx(cross_loop(*(array.tolist() for array in case)), abs=1e-12)
    tensors = [torch.from_numpy(array) for array in case]
    assert isinstance(cross_term(*tensors), torch.Tensor)
    assert float(cross_term(*tensors)) == pytest.approx(found, abs=1e-12)
    assert abs(found) <= math.sqrt(risk(case[0], case[2]) * risk(case[1], case[2])) + 1e-12


def independent_loop(observed, soft, truth):
    """C_0: for each label and each truth, the mean errors multiplied."""
    total = 0.0
    for label in range(truth.shape[1]):
        for value in (0, 1):
            rows = [sample for sample in range(len(truth)) if truth[sample, label] == value]
            if rows:
                errors = [sum(side[row, label] - value for row in rows) / len(rows) for side in (observed, soft)]
                total += len(rows) / len(truth) * errors[0] * errors[1]
    return total


@CASES
@given(triples())
def test_what_independent_errors_would_give_is_that_of_the_loop(case):
    found = analyse_risk(*case, resamples=3)
    assert found.cross.value >= 0  # labels of 0 and 1: where y is wrong, s can only err to the same side
    assert found.cross_independent.value == pytest.approx(independent_loop(*case), abs=1e-12)
    assert found.cross_shared.value == pytest.approx(cross_loop(*case) - independent_loop(*case), abs=1e-12)
    for name in ("cross_independent", "cross_shared"):
        assert getattr(found.labels, name).value.sum() == pytest.approx(getattr(found, name).value, abs=1e-12)


def test_shared_errors_are_told_from_those_of_independent_sides():
    rng = np.random.default_rng(0)
    truth = rng.random((4000, 3)) < 0.4
    observed = truth ^ (rng.random(truth.shape) < 0.2)
    soft = np.where(truth, 0.7, 0.2) + rng.uniform(-0.2, 0.2, truth.shape)
    apart = analyse_risk(observed, soft, truth, resamples=200)
    assert apart.cross.low > 0.1
    assert apart.cross_shared.low < 0 < apart.cross_shared.high
    together = analyse_risk(observed, np.where(observed != truth, 0.5, soft), truth, resamples=200)
    assert together.cross_shared.low > 0


@CASES
@given(triples(), CHANCE)
def test_the_risk_of_pseudo_labels_is_a_parabola_in_the_weight(case, weight):
    observed, soft, truth = case
    found = pseudo_label_risk(weight, risk(observed, truth), risk(soft, truth), cross_term(observed, soft, truth))
    assert found == pytest.approx(risk(pseudo_labels(observed, soft, weight), truth), abs=1e-12)


@CASES
@given(triples())
def test_no_weight_of_a_grid_beats_the_exact_one(case):
    observed, soft, truth = case
    rules = analyse_risk(observed, soft, truth, resamples=2).rules
    grid = [risk(pseudo_labels(observed, soft, weight), truth) for weight in np.linspace(0, 1, 101)]
    assert rules["exact"].risk.value <= min(grid) + 1e-9
    assert min(grid) - rules["exact"].risk.value <= 1e-4 * risk(observed - soft, 0 * truth) + 1e-9


@CASES
@given(triples(), CHANCE)
def test_an_analysis_agrees_with_the_equations_and_labels_add_up(case, weight):
    observed, soft, truth = case
    found = analyse_risk(observed > 0, soft, truth > 0, {"given": weight}, resamples=5)
    sides = risk(soft, truth), risk(observed, truth)
    cross = cross_term(observed, soft, truth)
    assert (found.soft.value, found.observed.value) == pytest.approx(sides)
    assert found.cross.value == pytest.approx(cross, abs=1e-12)
    assert found.rules["exact"].weight.value == pytest.approx(optimal_weight(*sides, cross))
    assert found.rules["risk"].weight.value == pytest.approx(optimal_weight(*sides))
    for rule in found.rules.values():
        assert rule.risk.value == pytest.approx(risk(pseudo_labels(observed, soft, rule.weight.value), truth), abs=1e-9)
        assert rule.excess.value == pytest.approx(rule.risk.value - found.rules["exact"].risk.value, abs=1e-9)
        assert rule.excess.value >= -1e-9
    assert list(found.rules) == ["observed", "soft", "given", "risk", "exact"]
    assert found.labels.positives.tolist() == truth.sum(axis=0).tolist()
    for name in ("observed", "soft", "cross"):
        assert getattr(found.labels, name).value.sum() == pytest.approx(getattr(found, name).value, abs=1e-9)
    for label in range(truth.shape[1]):
        alone = analyse_risk(observed[:, [label]], soft[:, [label]], truth[:, [label]], resamples=5)
        for ours, theirs in (
            (found.labels.cross, alone.cross),
            (found.labels.correlation, alone.correlation),
            (found.labels.weight_exact, alone.rules["exact"].weight),
            (found.labels.weight_risk, alone.rules["risk"].weight),
        ):
            for name in ("value", "low", "high"):  # the same draws of samples, so the same intervals
                expected = pytest.approx(getattr(theirs, name), abs=1e-9, nan_ok=True)
                assert getattr(ours, name)[label] == expected


def test_the_bootstrap_is_that_of_the_loop():
    observed, soft, truth = simulate(40, seed=3)
    found = analyse_risk(observed, soft, truth, {"half": 0.5}, resamples=50, seed=7)
    generator = np.random.default_rng(7)
    drawn = {"cross": [], "weight": [], "excess": [], "shared": []}
    best = found.rules["exact"].weight.value
    for _ in range(50):
        rows = generator.integers(40, size=40)
        y, s, t = observed[rows].astype(float), soft[rows], truth[rows].astype(float)
        drawn["cross"].append(cross_loop(y, s, t))
        drawn["weight"].append(optimal_weight(risk(s, t), risk(y, t), cross_loop(y, s, t)))
        drawn["excess"].append(risk(pseudo_labels(y, s, 0.5), t) - risk(pseudo_labels(y, s, best), t))
        drawn["shared"].append(cross_loop(y, s, t) - independent_loop(y, s, t))
    for values, estimate in (
        (drawn["cross"], found.cross),
        (drawn["shared"], found.cross_shared),
        (drawn["weight"], found.rules["exact"].weight),
        (drawn["excess"], found.rules["half"].excess),
    ):
        assert (estimate.low, estimate.high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-9)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    whole = analyse_risk(*simulate(400_000, seed=0), resamples=1)
    covered = {"observed": 0, "soft": 0, "cross": 0, "correlation": 0, "weight": 0}
    trials = 200
    for seed in range(1, trials + 1):
        found = analyse_risk(*simulate(150, seed), resamples=300, seed=seed)
        for name in ("observed", "soft", "cross", "correlation"):
            estimate = getattr(found, name)
            covered[name] += estimate.low <= getattr(whole, name).value <= estimate.high
        estimate = found.rules["exact"].weight
        covered["weight"] += estimate.low <= whole.rules["exact"].weight.value <= estimate.high
    assert {name for name, count in covered.items() if not 0.89 <= count / trials <= 0.99} == set(), covered


def test_independent_errors_are_said_to_be_so_about_as_often_as_they_should():
    said = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth = rng.random((200, 4)) < 0.5
        observed = truth ^ (rng.random(truth.shape) < 0.2)
        sign = rng.choice([-1, 1], truth.shape)  # of the soft labels' error, whatever the truth
        said += analyse_risk(observed, truth + 0.2 * sign, truth, resamples=200).independent
        assert not analyse_risk(observed, 0.8 * observed, truth, resamples=200).independent
    assert 88 <= said <= 100


def test_verdicts_by_label_are_those_of_the_loop():
    """Of draws of samples, sorted, the 2.5% ends: does 0 lie between them?"""
    observed, soft, truth = simulate(30, seed=5, labels=12)
    observed[:, 0] = truth[:, 0]  # a label that is never wrong
    soft[:, 1] = np.where(truth[:, 1], 0.75, 0.25)  # C is C_0, up to rounding
    found = analyse_risk(observed, soft, truth, resamples=40, seed=2)
    generator = np.random.default_rng(2)
    draws = [generator.integers(30, size=30) for _ in range(40)]

    def may_be_zero(values):
        low, high = np.quantile(values, [0.025, 0.975])
        return low < 1e-12 and high > -1e-12

    for label in range(12):
        crosses, shares = [], []
        for rows in draws:
            y, s, t = (side[rows][:, [label]].astype(float) for side in (observed, soft, truth))
            crosses.append(cross_loop(y, s, t))
            shares.append(cross_loop(y, s, t) - independent_loop(y, s, t))
        assert found.labels.independent[label] == may_be_zero(crosses)
        assert found.labels.independent_given_truth[label] == may_be_zero(shares)
        assert found.labels.noise_shown[label] == any(observed[:, label] != truth[:, label])
    assert not found.labels.noise_shown[0]
    assert found.labels.independent_given_truth[1]
    assert set(found.labels.independent[1:]) == set(found.labels.independent_given_truth) == {True, False}
    alone = analyse_risk(observed[:, [2]], soft[:, [2]], truth[:, [2]], resamples=40, seed=2)
    assert alone.independent == found.labels.independent[2]
    assert alone.independent_given_truth == found.labels.independent_given_truth[2]


def test_labels_whose_sides_err_independently_are_rarely_told_apart():
    """Rare labels, half of them missed, on few samples: the table says 1 in 20; measured, 1 in 13."""
    told = shown = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth = rng.random((200, 60)) < rng.uniform(0.01, 0.06, 60)
        observed = np.where(truth, rng.random(truth.shape) < 0.5, rng.random(truth.shape) < 0.01)
        soft = np.where(truth, rng.beta(0.4, 0.4, truth.shape), rng.beta(0.05, 2, truth.shape))
        labels = analyse_risk(observed, soft, truth, resamples=200).labels
        shown += np.count_nonzero(labels.noise_shown)
        told += np.count_nonzero(labels.noise_shown & ~labels.independent_given_truth)
    assert shown > 200
    assert told / shown < 0.12


def test_many_labels_and_draws_go_in_blocks(monkeypatch):
    observed, soft, truth = simulate(30, seed=1, labels=40)
    whole = analyse_risk(observed, soft, truth, resamples=20)
    monkeypatch.setattr(bootstrap, "_ENTRIES", 100)  # sixteen labels and one draw at once
    parts = analyse_risk(observed, soft, truth, resamples=20)
    assert parts.cross == pytest.approx(whole.cross)
    for name in ("observed", "soft", "cross", "weight_exact"):
        for ours, theirs in zip(getattr(parts.labels, name), getattr(whole.labels, name), strict=True):
            assert ours.shape == (40,)
            assert np.allclose(ours, theirs)


def test_without_errors_nothing_is_divided_by_zero():
    truth = np.array([[1, 0], [0, 1]])
    right = analyse_risk(truth, truth.astype(float), truth, resamples=10)
    assert right.rules["exact"].weight.value == 0.5
    assert math.isnan(right.correlation.value)
    assert math.isnan(right.correlation.low)
    shown = analyse_risk(truth, np.full((2, 2), 0.5), truth, resamples=10)
    assert not shown.noise_shown
    assert shown.rules["exact"].weight.value == shown.rules["risk"].weight.value == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"soft": np.zeros((2, 3))}, "of one shape"),
        ({"soft": np.array([[0.5, np.nan], [0, 0]])}, "NaN"),
        ({"observed": np.zeros((0, 2)), "soft": np.zeros((0, 2)), "truth": np.zeros((0, 2))}, "no samples"),
        ({"weights": {"bold": 1.5}}, "'bold' must lie in"),
        ({"weights": {"exact": 0.5}}, "'exact' is measured anyway"),
        ({"resamples": 0}, "one bootstrap draw"),
    ],
)
def test_what_cannot_be_analysed_is_refused(change, message):
    case = {name: np.zeros((2, 2)) for name in ("observed", "soft", "truth")}
    with pytest.raises(ValueError, match=message):
        analyse_risk(**{**case, **change})
