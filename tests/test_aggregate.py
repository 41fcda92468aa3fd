"""Combining votes: models of the workers, agreement, and what is told of the people."""

import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

import votes_help
from labelhedge.errors import LabelhedgeError
from labelhedge.verify.aggregate import agreement, combine, reviewers
from labelhedge.verify.apply import settle
from outside_data import outside

corpus = votes_help.corpus
say = votes_help.say
know = votes_help.know


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40),
    st.dictionaries(st.integers(0, 7), st.integers(0, 2), max_size=2),
)
def test_majority_is_what_counting_says(votes, golden):
    votes = list({(unit, worker): (unit, worker, label) for unit, worker, label in votes}.values())
    combined = combine(*np.array(votes).T, method="majority", golden=golden)
    assert combined.units.tolist() == sorted({unit for unit, *_ in votes} | set(golden))
    for place, unit in enumerate(combined.units.tolist()):
        counts = Counter(label for task, _, label in votes if task == unit)
        assert combined.votes[place] == counts.total()
        if unit in golden:
            assert (combined.winners[place], combined.confidence[place], combined.tied[place]) == (golden[unit], 1, 0)
            continue
        best = max(counts.values())
        assert combined.winners[place] == min(label for label, count in counts.items() if count == best)
        assert combined.tied[place] == (list(counts.values()).count(best) > 1)
        assert combined.confidence[place] == pytest.approx(best / counts.total())


def simulated(seed=0, units=400, right=(0.95, 0.9, 0.9, 0.55, 0.55, 0.55, 0.55)):
    """Truth, and the votes of workers who are right so often."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, units)
    votes = np.array([np.where(rng.random(units) < share, truth, 1 - truth) for share in right]).T  # (U, W)
    unit, worker = np.indices(votes.shape).reshape(2, -1)
    return truth, unit, worker, votes.reshape(-1)


@pytest.mark.parametrize("method", ["dawid-skene", "one-coin"])
def test_models_of_the_workers_beat_the_majority_where_some_are_poor(method):
    truth, *votes = simulated()
    right = {name: (combine(*votes, method=name).winners == truth).mean() for name in ("majority", method)}
    assert right[method] > right["majority"] + 0.05


def test_golden_answers_teach_dawid_skene_who_is_right():
    """Two workers who are wrong together win any vote; known answers show it, also on units that have none."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    votes = np.stack([truth, 1 - truth, 1 - truth], axis=1)
    unit, worker = np.indices(votes.shape).reshape(2, -1)
    alone = combine(unit, worker, votes.reshape(-1), method="dawid-skene")
    assert (alone.winners == truth).mean() < 0.1
    taught = combine(
        unit, worker, votes.reshape(-1), method="dawid-skene", golden=dict(enumerate(truth[:120].tolist()))
    )
    assert (taught.winners[120:] == truth[120:]).all()


def test_glad_and_auto():
    truth, *votes = simulated(units=12, right=(1, 1, 0.8))
    assert (combine(*votes, method="glad").winners == truth).all()
    assert combine(*votes).method == "majority"  # too few to tell the workers from each other
    assert combine(*simulated()[1:]).method == "dawid-skene"


@pytest.mark.parametrize("method", ["majority", "dawid-skene", "one-coin", "glad"])
def test_where_all_say_the_same_every_method_agrees(method):
    combined = combine(np.array([3, 3, 5]), np.array([0, 1, 0]), np.array([1, 1, 1]), method=method)
    assert (combined.units.tolist(), combined.winners.tolist()) == ([3, 5], [1, 1])
    assert combined.confidence.tolist() == [1, 1]


def test_an_unknown_method_and_no_votes_at_all():
    with pytest.raises(LabelhedgeError, match="name one of auto, dawid-skene, majority"):
        combine(np.array([1]), np.array([1]), np.array([1]), method="mace")
    nothing = np.zeros(0, np.int64)
    assert len(combine(nothing, nothing, nothing).units) == 0
    assert combine(nothing, nothing, nothing, golden={4: 1}).winners.tolist() == [1]
    assert agreement(nothing, nothing, nothing).share is None


def test_agreement_and_reviewers_against_a_slow_twin():
    truth, unit, worker, label = simulated(units=30, right=(0.9, 0.7, 0.6))
    keep = np.random.default_rng(2).random(len(unit)) < 0.8
    unit, worker, label = unit[keep], worker[keep], label[keep]
    votes = list(zip(unit.tolist(), worker.tolist(), label.tolist(), strict=True))
    pairs = [(a, b) for a in votes for b in votes if a[0] == b[0] and a[1] < b[1]]
    found = agreement(unit, worker, label)
    assert found.pairs == len(pairs)
    assert found.share == pytest.approx(np.mean([a[2] == b[2] for a, b in pairs]))
    assert found.units == len({a[0] for a, _ in pairs})
    golden = {number: int(truth[number]) for number in range(15)}
    people = reviewers(unit, worker, label, ["x", "y", "z"], golden=golden, unsure={1: 3}, skipped={2: 1})
    for number, person in enumerate(people):
        mine = [(a, b) for a in votes for b in votes if a[0] == b[0] and a[1] == number != b[1]]
        assert person.agreement == pytest.approx(np.mean([a[2] == b[2] for a, b in mine]))
        known = [task for task, who, _ in votes if who == number and task in golden]
        right = [golden[task] == said for task, who, said in votes if who == number and task in golden]
        assert (person.golden, person.accuracy) == (len(known), pytest.approx(np.mean(right)))
        exact = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
        assert person.interval == pytest.approx((exact.low, exact.high))
    assert [(person.unsure, person.skipped) for person in people] == [(0, 0), (3, 0), (0, 1)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40))
def test_alpha_is_that_of_crowd_kit(votes):
    import pandas as pd
    from crowdkit.metrics.data import alpha_krippendorff

    votes = list({(unit, worker): (unit, worker, label) for unit, worker, label in votes}.values())
    counts = Counter(unit for unit, *_ in votes)
    compared = [vote for vote in votes if counts[vote[0]] > 1]
    found = agreement(*np.array(votes).T).alpha
    if len({label for *_, label in compared}) < 2:
        assert found is None  # nothing to tell agreement from chance
    else:
        expected = alpha_krippendorff(pd.DataFrame(compared, columns=["task", "worker", "label"]))
        assert found == pytest.approx(expected)


def test_what_is_said_of_one_sample_counts_as_one_where_it_stands_or_falls_together():
    """40 samples with five labels each, and somebody who errs in all of one or in none.

    The intervals hold the true share as often as Wilson's of 40 votes do; those of 200 votes would in six of ten.
    """
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        right = np.repeat(rng.random(40) < 0.8, 5).astype(np.int64)  # (V,): the true share is 0.8
        unit = np.arange(200)
        golden = dict.fromkeys(range(200), 1)
        (one,) = reviewers(unit, 0 * unit, right, ["a"], golden=golden, unsure={}, skipped={}, samples=unit // 5)
        assert (one.golden, one.samples, one.accuracy) == (200, 40, right.mean())
        held += one.interval[0] <= 0.8 <= one.interval[1]
    assert held >= 175
    few = slice(0, 45)  # nine samples are too few, whatever their labels
    (one,) = reviewers(
        unit[few], 0 * unit[few], right[few], ["a"], golden=golden, unsure={}, skipped={}, samples=unit[few] // 5
    )
    assert (one.accuracy, one.interval, one.golden) == (None, None, 45)


def test_golden_samples_are_counted_in_a_corpus_of_several_labels(corpus, say, know):
    """Two samples, three labels each, all known: six votes, which tell of two samples only."""
    lines = [
        f"s{row:02d} {who} {label}" for row in range(2) for who in ("ana", "ben") for label in ("cat", "dog", "owl")
    ]
    golden = know("task,label", *(f"s{row:02d},{label}" for row in range(2) for label in ("cat", "dog", "owl")))
    (ana, _) = settle(corpus, [say(*lines)], golden=golden).decisions.reviewers
    assert (ana.golden, ana.samples, ana.accuracy, ana.agreement) == (6, 2, None, None)


def test_many_people_cost_no_pass_over_all_votes_each():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(100_000), 3)
    worker, label = rng.integers(0, 10_000, 300_000), rng.integers(0, 10, 300_000)
    start = time.perf_counter()
    people = reviewers(unit, worker, label, [str(n) for n in range(10_000)], golden={}, unsure={}, skipped={})
    agreement(unit, worker, label)
    assert time.perf_counter() - start < 10  # a pass for each of them takes half a minute
    assert sum(person.votes for person in people) == 300_000


def test_nothing_is_claimed_of_few_votes():
    unit = np.repeat(np.arange(9), 2)
    worker, label = np.tile([0, 1], 9), np.zeros(18, np.int64)
    for person in reviewers(unit, worker, label, ["a", "b"], golden={0: 0}, unsure={}, skipped={}):
        assert (person.votes, person.accuracy, person.interval, person.agreement) == (9, None, None, None)


def test_votes_on_fifty_thousand_images_are_combined_as_measured():
    """CIFAR-10N's three votes an image: Dawid-Skene is nearer to the truth than the majority."""
    table = pq.read_table(outside("cifar10n.parquet"), columns=["split", "clean", "random1", "random2", "random3"])
    table = table.filter(pa.compute.equal(table["split"], "train"))
    truth = table["clean"].to_numpy()
    votes = np.stack([table[f"random{number}"].to_numpy() for number in (1, 2, 3)], axis=1).astype(np.int64)
    unit, worker = np.indices(votes.shape).reshape(2, -1)
    right = {
        m: (combine(unit, worker, votes.reshape(-1), method=m).winners == truth).mean() for m in ("majority", "auto")
    }
    assert right["majority"] == pytest.approx(0.910, abs=0.005)
    assert right["auto"] == pytest.approx(0.920, abs=0.003)
