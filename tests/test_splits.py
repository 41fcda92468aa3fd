"""Stratified splits, the clean set, and background, as functions of ids and seed."""

from __future__ import annotations

import hashlib
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelhedge as lh
from labelhedge.corpus.resplitting import known_labels
from labelhedge.corpus.splits import choose_background, make_splits, parse_fractions, stratified_split
from labelhedge.errors import LabelhedgeError

CASES = settings(deadline=None, max_examples=50, derandomize=True)
PAPER = {"train": 6, "test": 3, "dev": 1}

label_lists = st.lists(st.integers(0, 5), max_size=3, unique=True)
fractions = st.sampled_from([PAPER, {"a": 1, "b": 1}, {"train": 0.8, "test": 0.2}, {"all": 1}])
seeds = st.integers(0, 2**32)


@st.composite
def grouped_samples(draw):
    """Label lists and a group for each; few groups, so that most hold several samples."""
    labels = draw(st.lists(label_lists, max_size=30))
    groups = [f"g{draw(st.integers(0, 10))}" for _ in labels]
    return labels, groups


def ids(count):
    return [f"sample-{i}" for i in range(count)]


def samples(count, seed=0, label_count=6):
    """Multi-label samples of uneven labels, some of them background."""
    generator = np.random.default_rng(seed)
    share = np.linspace(0.05, 0.4, label_count)
    return [np.flatnonzero(generator.random(label_count) < share).tolist() for _ in range(count)]


# splits


@CASES
@given(grouped_samples(), fractions, seeds)
def test_a_group_is_never_divided(case, fractions, seed):
    labels, groups = case
    split = stratified_split(labels, fractions, seed=seed, groups=groups)
    assert len(split) == len(labels)
    assert set(split) <= set(fractions)
    found = {}
    for group, name in zip(groups, split, strict=True):
        assert found.setdefault(group, name) == name


@CASES
@given(grouped_samples(), fractions, seeds, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case, fractions, seed, random):
    labels, groups = case
    by_group = dict(zip(groups, stratified_split(labels, fractions, seed=seed, groups=groups), strict=True))
    order = list(range(len(labels)))
    random.shuffle(order)
    permuted = stratified_split([labels[i] for i in order], fractions, seed=seed, groups=[groups[i] for i in order])
    assert permuted == [by_group[groups[i]] for i in order]


def test_the_order_of_many_single_samples_does_not_matter():
    labels = samples(300)
    names = ids(300)
    by_id = dict(zip(names, stratified_split(labels, PAPER, seed=4, groups=names), strict=True))
    order = np.random.default_rng(1).permutation(300)
    permuted = stratified_split([labels[i] for i in order], PAPER, seed=4, groups=[names[i] for i in order])
    assert dict(zip([names[i] for i in order], permuted, strict=True)) == by_id


def test_another_seed_is_another_split():
    labels = samples(200)
    splits = [stratified_split(labels, PAPER, seed=seed, groups=ids(200)) for seed in (0, 0, 1, 2)]
    assert splits[0] == splits[1]
    for i, j in ((0, 2), (0, 3), (2, 3)):
        differing = sum(a != b for a, b in zip(splits[i], splits[j], strict=True))
        assert differing > 50  # independent splits of 6:3:1 differ on 54 of 100


def test_the_seed_decides_where_a_lone_sample_goes():
    found = Counter(stratified_split([[0]], {"a": 1, "b": 1}, seed=seed, groups=["x"])[0] for seed in range(100))
    assert min(found["a"], found["b"]) > 25


@CASES
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), fractions, seeds)
def test_single_labels_are_shared_out_almost_exactly(labels, fractions, seed):
    """A sample goes where its label lacks most: no split gives up a whole one nor takes two too many."""
    found = [[label] if label < 4 else [] for label in labels]  # 4: background, stratified like a label
    split = stratified_split(found, fractions, seed=seed, groups=ids(len(labels)))
    for label in set(labels):
        count = Counter(name for name, value in zip(split, labels, strict=True) if value == label)
        for name, share in fractions.items():
            wanted = share / sum(fractions.values()) * labels.count(label)
            assert wanted - 1 <= count[name] + 1e-9
            assert count[name] <= wanted + max(1, len(fractions) - 1) + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_the_share_of_every_label_is_near_its_fraction(seed):
    labels = samples(400, seed)
    split = stratified_split(labels, PAPER, seed=seed, groups=ids(400))
    subsets = {f"label {n}": [n in found for found in labels] for n in range(6)}
    subsets |= {"background": [not found for found in labels], "all": [True] * 400}
    for kind, members in subsets.items():
        count = Counter(name for name, member in zip(split, members, strict=True) if member)
        for name, share in PAPER.items():
            wanted = share / 10 * sum(members)
            assert abs(count[name] - wanted) <= max(2, 0.02 * sum(members)), (kind, name)


def test_groups_are_shared_out_too():
    labels = samples(600)
    groups = [f"series {i // 3}" for i in range(600)]
    split = stratified_split(labels, PAPER, seed=0, groups=groups)
    for label in range(6):
        count = Counter(name for name, found in zip(split, labels, strict=True) if label in found)
        total = sum(count.values())
        for name, share in PAPER.items():
            assert count[name] / total == pytest.approx(share / 10, abs=0.06), (label, name)


def test_only_the_ratio_of_the_fractions_counts():
    labels, names = samples(100), ids(100)
    twice = {name: 2 * share for name, share in PAPER.items()}
    assert stratified_split(labels, twice, seed=0, groups=names) == stratified_split(
        labels, PAPER, seed=0, groups=names
    )


def test_no_samples_have_no_split():
    assert stratified_split([], PAPER, seed=0, groups=[]) == []


def test_labels_without_a_group_each_are_refused():
    with pytest.raises(ValueError, match="3 label lists but 2 groups"):
        stratified_split([[0], [1], []], PAPER, seed=0, groups=["a", "b"])


@pytest.mark.parametrize("fractions", [{}, {"train": 1, "test": 0}, {"train": 1, "test": -1}, {"train": float("nan")}])
def test_a_share_that_is_not_positive_is_refused(fractions):
    with pytest.raises(ValueError, match="every share must be above 0, found"):
        stratified_split([[0]], fractions, seed=0, groups=["a"])


@pytest.mark.parametrize("labels", [[[-1]], [[0], [1, -1]]])
def test_a_negative_label_number_is_refused(labels):
    with pytest.raises(ValueError, match="-1"):
        stratified_split(labels, PAPER, seed=0, groups=ids(len(labels)))


def slow_split(labels, fractions, seed, groups):
    """The slow twin: for each label all groups are gone through, and every sum is made anew from all samples."""

    def shuffle(name):
        return hashlib.blake2b(name.encode(), key=str(seed).encode(), digest_size=8).digest()

    members = {group: [row for row, name in enumerate(groups) if name == group] for group in groups}
    strata = [set(found) or {"background"} for found in labels]
    order = sorted(members, key=lambda group: (-len(members[group]), shuffle(group)))
    shares = {name: share / sum(fractions.values()) for name, share in fractions.items()}
    assigned = {}

    def count(stratum, rows):
        return sum(stratum is None or stratum in strata[row] for row in rows)

    def lacking(split, stratum):
        lack = shares[split] * count(stratum, range(len(labels)))
        for group, name in assigned.items():  # in the order of assignment, so that roundings agree
            if name == split:
                lack -= count(stratum, members[group])
        return lack

    while len(assigned) < len(members):
        rest = [row for group in members if group not in assigned for row in members[group]]
        counts = Counter(stratum for row in rest for stratum in strata[row])
        rarest = min(counts, key=lambda stratum: (counts[stratum], stratum == "background", stratum))
        for group in order:
            if group not in assigned and count(rarest, members[group]):
                assigned[group] = max(
                    shares, key=lambda name: (lacking(name, rarest), lacking(name, None), shuffle(group + name))
                )
    return [assigned[group] for group in groups]


@CASES
@given(grouped_samples(), st.sampled_from([PAPER, {"a": 1, "b": 1}]), seeds)
def test_the_split_is_that_of_the_slow_twin(case, fractions, seed):
    labels, groups = case
    assert stratified_split(labels, fractions, seed=seed, groups=groups) == slow_split(labels, fractions, seed, groups)


def test_the_embedded_corpus_is_split_as_it_was():
    corpus = lh.Corpus.open("clipart")
    known = known_labels(corpus)
    labels = [known.indices[start:stop].tolist() for start, stop in zip(known.indptr, known.indptr[1:], strict=False)]
    groups = corpus.samples.extra["group"].to_pylist()
    splits = make_splits(
        corpus.samples.ids, labels, seed=2017, groups=groups, checked=corpus.samples.checked, clean_share=0.2
    )
    assert splits.split == corpus.samples.split.tolist()
    assert splits.trusted.tolist() == corpus.samples.trusted.tolist()


def test_a_hundred_thousand_samples_are_split_in_seconds():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 300, (2, 100_000)).tolist()
    labels = [[], *([one] if one % 3 else sorted({one, other}) for one, other in zip(first, second, strict=True))][:-1]
    started = time.process_time()
    split = stratified_split(labels, PAPER, seed=0, groups=ids(100_000))
    assert time.process_time() - started < 30  # about 2 s
    assert Counter(split)["dev"] == pytest.approx(10_000, rel=0.01)


# trusted samples, background


def some_checked(labels, share, seed=0):
    return np.random.default_rng(seed).random(len(labels)) < share


@CASES
@given(grouped_samples(), seeds, st.randoms(use_true_random=False), st.sampled_from([None, 0.0, 0.1]))
def test_splits_and_trust_do_not_depend_on_the_order(case, seed, random, share):
    labels, groups = case
    names = [f"s{row}" for row in range(len(labels))]
    checked = some_checked(labels, 0.7, seed)
    order = list(range(len(labels)))
    random.shuffle(order)

    def split(rows):
        try:
            made = make_splits(
                [names[i] for i in rows],
                [labels[i] for i in rows],
                seed=seed,
                groups=[groups[i] for i in rows],
                checked=[checked[i] for i in rows],
                clean_share=share,
            )
        except LabelhedgeError as error:
            return str(error)
        trusted = made.trusted.tolist()
        return {names[i]: found for i, found in zip(rows, zip(made.split, trusted, strict=True), strict=True)}

    first = split(range(len(labels)))
    assert split(order) == first
    if isinstance(first, dict):
        for name, known in zip(names, checked, strict=True):
            assert not first[name][1] or (known and first[name][0] == "train")


def test_the_few_checked_samples_are_shared_out_too():
    labels = samples(2000)
    checked = some_checked(labels, 0.05)
    made = make_splits(ids(2000), labels, seed=0, checked=checked)
    for subset in (checked, ~checked):
        count = Counter(name for name, member in zip(made.split, subset, strict=True) if member)
        for name, share in PAPER.items():
            assert count[name] / subset.sum() == pytest.approx(share / 10, abs=0.04)
    assert made.trusted.tolist() == [
        bool(known and name == "train") for known, name in zip(checked, made.split, strict=True)
    ]


def test_a_clean_share_is_of_all_training_samples():
    labels = samples(1000)
    checked = some_checked(labels, 0.5)
    made = make_splits(ids(1000), labels, seed=0, checked=checked, clean_share=0.1)
    assert made.trusted.sum() == pytest.approx(60, abs=2)
    assert made.trusted[checked].sum() == made.trusted.sum()
    with pytest.raises(LabelhedgeError, match=r"asks for .* but only .* are checked"):
        make_splits(ids(1000), labels, seed=0, checked=checked, clean_share=0.9)
    with pytest.raises(LabelhedgeError, match="between 0 and 1"):
        make_splits(ids(1000), labels, seed=0, clean_share=1.1)


@CASES
@given(st.sets(st.text("abcdé", max_size=4), max_size=30), st.integers(0, 20), seeds, st.randoms(use_true_random=False))
def test_background_is_chosen_by_id_and_seed_alone(names, count, seed, random):
    shuffled = sorted(names)
    random.shuffle(shuffled)
    chosen = choose_background(shuffled, count, seed=seed)
    assert chosen == choose_background(sorted(names), count, seed=seed)
    assert len(set(chosen)) == len(chosen) == min(count, len(names))
    assert choose_background(names, count // 2, seed=seed) == chosen[: count // 2]


def test_background_is_drawn_evenly():
    found = Counter(name for seed in range(600) for name in choose_background("abcdef", 2, seed=seed))
    assert all(150 < times < 250 for times in found.values())  # 200 each


@pytest.mark.parametrize("text", ["6:3", "6:3:1:1", "6:3:0", "a:b:c", "", "6:3:nan", "6:-3:1", "6:3:inf"])
def test_fractions_that_are_none_are_refused(text):
    with pytest.raises(LabelhedgeError, match="three numbers above 0"):
        parse_fractions(text)
