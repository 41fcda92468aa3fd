"""The posterior of hedge: features, regression, calibration, noise rates and words against slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from labelhedge.methods.posterior import calibrate, estimate_noise, examine_clean_set, fit_posterior, pair_features
from labelhedge.methods.words import WordModel, WordVectors


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_pair_features_are_what_a_loop_over_pairs_finds(seed, count, rows):
    draw = np.random.default_rng(seed)
    observed = draw.random((rows, count)) < 0.4
    view = draw.normal(0, 8, (rows, count))
    related = (draw.random((count, count)) < 0.4) & ~np.eye(count, dtype=bool)
    siblings = [np.flatnonzero(row) for row in related]
    found = pair_features(observed, [view], csr_array(related))
    z = np.clip(view, -10, 10)
    for i in range(rows):
        for m in range(count):
            others = [n for n in range(count) if n != m]
            expected = [
                observed[i, m],
                any(observed[i]),
                any(observed[i, n] for n in siblings[m]),
                z[i, m],
                z[i, m] if observed[i, m] else 0,
                max((z[i, n] for n in others), default=-10),
                sum(sigmoid(z[i, n]) for n in range(count)),
                max((z[i, n] for n in siblings[m]), default=-10),
                max((z[i, n] if observed[i, n] else -10 for n in others), default=-10),
            ]
            assert np.allclose(found[i, m], expected)


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_posterior_minimises_the_penalised_likelihood(exclusive):
    draw = np.random.default_rng(3)
    rows, count, size = 30, 3, 2
    features = draw.normal(size=(rows, count, size))
    truth = np.eye(count, dtype=bool)[draw.integers(0, count, rows)] if exclusive else draw.random((rows, count)) < 0.4
    observed = truth ^ (draw.random((rows, count)) < 0.2)
    mean, scale = features.mean((0, 1)), features.std((0, 1))

    def slow(parameters):  # one pair at a time
        slopes, intercept, labels = parameters[:size], parameters[size], parameters[size + 1 : size + 1 + count]
        pairs = parameters[size + 1 + count :].reshape(count, count)
        cost = 0.0
        for i in range(rows):
            z = np.array(
                [
                    sum(slopes * (features[i, m] - mean) / scale) + intercept + labels[m] + sum(pairs[m] * observed[i])
                    for m in range(count)
                ]
            )
            if exclusive:
                cost -= z[truth[i]][0] - np.log(np.exp(z).sum())
            else:
                cost -= sum(np.log(sigmoid(z[m] if truth[i, m] else -z[m])) for m in range(count))
        rest = pairs - np.diag(np.diag(pairs))
        return cost + 1.5 * sum(slopes**2) + 1.0 * (sum(labels**2) + sum(np.diag(pairs) ** 2)) + 5.0 * (rest**2).sum()

    found = fit_posterior(features, observed, truth, exclusive=exclusive)
    parameters = np.concatenate([found.slopes, [found.intercept], found.labels, found.observed.ravel()])
    best = minimize(slow, parameters, options={"maxiter": 3})
    assert slow(parameters) == pytest.approx(best.fun, abs=1e-3)
    probabilities = found.probabilities(features, observed)
    assert probabilities.dtype == np.float32
    if exclusive:
        assert np.allclose(probabilities.sum(1), 1, atol=1e-5)


def test_the_posterior_learns_what_a_wrong_label_stands_for():
    draw = np.random.default_rng(0)
    truth = np.eye(3, dtype=bool)[draw.integers(0, 3, 600)]
    observed = truth.copy()
    flipped = truth[:, 0] & (draw.random(600) < 0.5)
    observed[flipped] = [False, True, False]  # half of the zeros are called one
    flat = np.zeros((600, 3, 1))
    posterior = fit_posterior(flat, observed, truth, confusion_penalty=1.0)
    one = posterior.probabilities(np.zeros((1, 3, 1)), np.array([[False, True, False]]))[0]
    share = truth[observed[:, 1]].mean(0)
    assert one == pytest.approx(share, abs=0.05)


def noisy_data(seed, count=1500, wrong_share=0.5, sure=3.0):
    """Truth, observed labels and a teacher's logits of exclusive-looking data."""
    draw = np.random.default_rng(seed)
    truth = np.eye(4, dtype=bool)[draw.integers(0, 4, count)]
    wrong = draw.random(count) < wrong_share
    observed = np.where(wrong[:, None], np.roll(truth, 1, 1), truth)
    return draw, truth, wrong, observed, sure * truth + draw.normal(0, 2, truth.shape)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_a_random_clean_set_shows_the_noise_and_one_without_the_rejects_does_not(seed):
    draw, truth, wrong, observed, logits = noisy_data(seed)
    representative = draw.random(1500) < 0.2
    assert examine_clean_set(logits, observed, truth, representative).shows_noise
    right_only = ~wrong & (draw.random(1500) < 0.4)
    assert not examine_clean_set(logits, observed, truth, right_only).shows_noise


@pytest.mark.parametrize("count", [12, 40, 90])
def test_a_small_clean_set_without_errors_is_too_small_to_trust(count):
    _, truth, wrong, observed, logits = noisy_data(5, sure=0.5)
    few = np.zeros(1500, bool)
    few[np.flatnonzero(~wrong)[:count]] = True
    found = examine_clean_set(logits, observed, truth, few)
    assert (found.wrong, found.labelled) == (0, count)
    assert not found.shows_noise


def test_data_without_noise_is_believed():
    draw, truth, _, observed, logits = noisy_data(7, wrong_share=0.0)
    assert examine_clean_set(logits, observed, truth, draw.random(1500) < 0.2).shows_noise


def test_errors_that_are_visible_are_learned_from_though_the_clean_set_is_selected():
    draw, truth, wrong, observed, logits = noisy_data(8)
    mild = draw.random(1500) < np.where(wrong, 0.1, 0.3)
    found = examine_clean_set(logits, observed, truth, mild)
    assert found.area > 0.5
    assert found.wrong > 20
    assert found.shows_noise


def test_a_clean_set_without_observed_labels_says_nothing_about_them():
    _, truth, _, observed, logits = noisy_data(9)
    untagged = np.arange(1500) < 300
    observed[untagged] = False
    found = examine_clean_set(logits, observed, truth, untagged)
    assert found.fewer
    assert not found.shows_noise
    assert "less than half as often as the others" in str(found)


@pytest.mark.parametrize("exclusive", [False, True])
def test_calibration_finds_the_slope(exclusive):
    draw = np.random.default_rng(4)
    logits = draw.normal(0, 2, (20_000, 3))
    if exclusive:
        odds = np.exp(0.5 * logits) / np.exp(0.5 * logits).sum(1, keepdims=True)
        truth = np.eye(3, dtype=bool)[(draw.random((20_000, 1)) > odds.cumsum(1)[:, :2]).sum(1)]
    else:
        truth = draw.random(logits.shape) < sigmoid(0.5 * logits - 1)
    (slope,), offset = calibrate(logits[None], truth, exclusive=exclusive)
    assert slope == pytest.approx(0.5, abs=0.03)
    assert offset == pytest.approx(0 if exclusive else -1, abs=0.05)


def test_calibration_weighs_models_by_what_each_tells():
    draw = np.random.default_rng(4)
    views = draw.normal(0, 2, (3, 20_000, 3))
    truth = draw.random(views[0].shape) < sigmoid(0.5 * views[0] + 1.5 * views[1] - 1)
    slopes, offset = calibrate(views, truth)
    assert slopes == pytest.approx([0.5, 1.5, 0], abs=0.04)
    assert offset == pytest.approx(-1, abs=0.05)


def test_noise_rates_are_recovered_from_a_calibrated_teacher():
    draw = np.random.default_rng(1)
    logits = draw.normal(-1.5, 3, (40_000, 3))
    truth = draw.random(logits.shape) < sigmoid(logits)
    kept, gained = np.array([0.9, 0.6, 0.7]), np.array([0.02, 0.1, 0.05])
    observed = draw.random(logits.shape) < np.where(truth, kept, gained)
    rates = estimate_noise(logits, observed)
    assert rates.kept == pytest.approx(kept, abs=0.03)
    assert rates.gained == pytest.approx(gained, abs=0.02)
    prior, odds = sigmoid(logits[:5] + rates.shift), np.empty((5, 3))
    for i in range(5):
        for m in range(3):
            yes = prior[i, m] * (rates.kept[m] if observed[i, m] else 1 - rates.kept[m])
            no = (1 - prior[i, m]) * (rates.gained[m] if observed[i, m] else 1 - rates.gained[m])
            odds[i, m] = yes / (yes + no)
    assert rates.probabilities(logits[:5], observed[:5]) == pytest.approx(odds, abs=1e-5)


def test_the_transition_between_exclusive_labels_is_recovered():
    draw = np.random.default_rng(2)
    logits = draw.normal(0, 3, (40_000, 3))
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (draw.random((40_000, 1)) > odds.cumsum(1)[:, :2]).sum(1)
    transition = np.array([[0.7, 0.3, 0.0], [0.1, 0.9, 0.0], [0.2, 0.2, 0.6]])
    labels = (draw.random((40_000, 1)) > transition[truth].cumsum(1)[:, :2]).sum(1)
    rates = estimate_noise(logits, np.eye(3, dtype=bool)[labels], exclusive=True)
    assert rates.transition == pytest.approx(transition, abs=0.03)
    unlabelled = rates.probabilities(logits[:2], np.zeros((2, 3), bool))
    assert unlabelled == pytest.approx(odds[:2], abs=1e-5)  # no label, no evidence


def test_words_tell_labels_and_rare_words_nothing():
    texts = ["red apple", "green apple", "red car", "blue car", "unique"] * 8 + ["", "once"]
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]] * 8 + [[0, 0]] * 2, float)
    vectors = WordVectors.of(texts)
    model = WordModel.fit(vectors, np.arange(40), targets[:40], 0.3)
    logits = model.logits(np.array([0, 2]))
    assert logits[0, 0] > 0 > logits[0, 1]
    assert logits[1, 1] > 0 > logits[1, 0]
    assert np.isfinite(model.logits(np.array([40, 41]))).all()
    assert WordVectors.of(["", ""]) is None
    assert WordVectors.of(["1001", "2 a"]) is None
    assert WordVectors.of(["図鑑", "図", "x"]).matrix.shape == (3, 1)  # a language without spaces
    assert WordVectors.of(["only", "once"]) is None


@pytest.mark.parametrize("exclusive", [False, True])
def test_calibration_is_where_a_search_without_gradients_ends(exclusive):
    draw = np.random.default_rng(7)
    views = draw.normal(0, 2, (2, 60, 4))
    truth = np.eye(4, dtype=bool)[draw.integers(0, 4, 60)] if exclusive else draw.random((60, 4)) < 0.3

    def cost(parameters):
        z = parameters[0] * views[0] + parameters[1] * views[1] + parameters[2]
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True) if exclusive else sigmoid(z)
        likely = np.log(p[truth]).sum() + (0 if exclusive else np.log(1 - p[~truth]).sum())
        held = (parameters[0] - 0.5) ** 2 + (parameters[1] - 0.5) ** 2 + (parameters[2] ** 2 if exclusive else 0)
        return held / 2 - likely

    options = {"xatol": 1e-9, "fatol": 1e-9, "maxiter": 5000}
    expected = minimize(cost, np.zeros(3), method="Nelder-Mead", options=options).x
    slopes, offset = calibrate(views, truth, exclusive=exclusive)
    assert [*slopes, offset] == pytest.approx(expected, abs=1e-4)
