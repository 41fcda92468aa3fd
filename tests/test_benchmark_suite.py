"""Benchmarks: what is published of methods that were measured again, and of those that were not."""

import sys
from pathlib import Path

import pytest

from labelhedge.results import Result, Results

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
from suite import merged


def result(method, seed, score):
    return Result(
        method=method,
        seed=seed,
        test_map=score,
        dev_map=score,
        average_precision={"a": score},
        labels_scored=1,
        seconds=1,
        epochs=1,
        best_epoch=1,
    )


def results(scores, methods=None, **settings):
    """Results of {method: [score of seed 0, ...]}."""
    names = methods or {name: {"method": name} for name in scores}
    return Results(
        corpus={"name": "b, v", "hash": ""},
        recipe={"methods": names, "network": {"kind": "frozen"}, "training": {}} | settings,
        results=[result(name, seed, score) for name, values in scores.items() for seed, score in enumerate(values)],
    )


def scores(found):
    return {name: [one.score for one in found.of(name)] for name in found.methods}


def test_methods_measured_again_take_the_place_of_their_earlier_results():
    earlier = results({"noisy": [0.5, 0.4], "guided": [0.6, 0.6], "hedge": [0.8, 0.7]})
    later = results({"noisy": [0.5, 0.4, 0.3], "guided": [0.7, 0.5, 0.6]}, {"guided": {"beta": "dev"}, "noisy": {}})
    found = merged(earlier, later)
    assert scores(found) == {"noisy": [0.5, 0.4, 0.3], "guided": [0.7, 0.5, 0.6], "hedge": [0.8, 0.7]}
    assert found.recipe["methods"] == {"noisy": {}, "guided": {"beta": "dev"}, "hedge": {"method": "hedge"}}
    assert list(found.recipe["methods"]) == ["noisy", "guided", "hedge"]


def test_results_on_another_baseline_are_not_mixed():
    earlier = results({"noisy": [0.5, 0.4], "hedge": [0.8, 0.7]})
    with pytest.raises(SystemExit, match=r"seed 1: noisy has 0.410000 on test and was published with 0.400000"):
        merged(earlier, results({"noisy": [0.5, 0.41], "guided": [0.7, 0.5]}))
    with pytest.raises(SystemExit, match=r"network is not as it was published"):
        merged(earlier, results({"noisy": [0.5, 0.4]}, network={"kind": "alexnet-bn"}))
