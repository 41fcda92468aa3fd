"""The order of samples and derived seeds, as functions of the seed and the place."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelhedge.training.randomness import derive_seed, sample_order

CASES = settings(deadline=None, max_examples=50, derandomize=True)
seeds = st.integers(0, 2**32)


@CASES
@given(seeds, st.integers(0, 1000), st.integers(1, 40), st.one_of(st.none(), st.integers(1, 100)))
def test_an_epoch_goes_through_the_samples_evenly(seed, epoch, count, length):
    order = sample_order(seed, epoch, count, length)
    assert order.dtype == np.int64
    assert len(order) == (count if length is None else length)
    for start in range(0, len(order), count):
        part = order[start : start + count].tolist()
        assert len(set(part)) == len(part)
        assert set(part) <= set(range(count))
    np.testing.assert_array_equal(order, sample_order(seed, epoch, count, length))


@CASES
@given(seeds, st.integers(0, 1000))
def test_seeds_epochs_and_rounds_have_other_orders(seed, epoch):
    order = sample_order(seed, epoch, 30, 60)
    others = [order[30:], sample_order(seed + 1, epoch, 30), sample_order(seed, epoch + 1, 30)]
    orders = {tuple(values.tolist()) for values in (order[:30], *others)}
    assert len(orders) == 4


def test_the_order_does_not_depend_on_the_global_generators():
    first = sample_order(3, 5, 20)
    np.random.seed(1)  # noqa: NPY002
    np.random.random()  # noqa: NPY002
    np.testing.assert_array_equal(sample_order(3, 5, 20), first)


def test_every_order_is_about_as_frequent():
    found = Counter(tuple(sample_order(0, epoch, 3).tolist()) for epoch in range(1200))
    assert len(found) == 6
    assert all(150 < times < 250 for times in found.values())  # 200 each, standard deviation 13


def test_derived_seeds_are_distinct_and_fit_63_bits():
    found = {
        derive_seed(seed, purpose, number)
        for seed in (0, 1, 11, 2**40)
        for purpose in ("order", "dropout", "augment")
        for number in (0, 1, 11, 10**9)
    }
    assert len(found) == 4 * 3 * 4
    assert all(0 <= value < 2**63 for value in found)
    assert max(found) > 2**61  # the bits are used


def test_derived_seeds_are_the_same_on_every_machine():
    """Pinned: recorded results could not be repeated if these changed."""
    assert (derive_seed(0, "order"), derive_seed(1, "dropout", 2)) == (
        1829853113658518448,
        3409042690013447375,
    )
    assert derive_seed(0, "order", 0) == derive_seed(0, "order")
