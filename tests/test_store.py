"""The row store: what goes in comes out, killed writers, and several writers on one folder."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import filelock
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelhedge.store import DIGEST_BYTES, RowStore

CASES = settings(deadline=None, max_examples=20, derandomize=True)


def digest(number):
    return hashlib.blake2b(str(number).encode(), digest_size=DIGEST_BYTES).digest()


def digests(numbers):
    return [digest(number) for number in numbers]


def rows_of(numbers, shape, dtype):
    """A row that follows from its number, so that a wrong row shows."""
    rows = [np.random.default_rng(number).integers(0, 250, shape) for number in numbers]
    return np.array(rows).reshape(len(rows), *shape).astype(dtype)


def stored(store, numbers):
    return np.array(store.array[store.locate(digests(numbers))])


def fill(store, numbers):
    store.append(digests(numbers), rows_of(numbers, store.shape, store.dtype))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3,), "float16"), ((2, 2, 3), "uint8"), ((1,), "float64"), ((), "int32")]
)
@CASES
@given(st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=5))
def test_rows_come_back_whatever_the_order_of_appends(tmp_path_factory, shape, dtype, batches):
    folder = tmp_path_factory.mktemp("store")
    store = RowStore(folder, shape, dtype)
    known = []
    for batch in batches:
        fill(store, batch)  # may hold what is stored already, and one content twice
        known += [number for number in dict.fromkeys(batch) if number not in known]
    for opened in (store, RowStore(folder, shape, dtype)):
        assert opened.array.dtype == np.dtype(dtype)
        assert opened.array.shape == (len(known), *shape)
        np.testing.assert_array_equal(opened.array, rows_of(known, shape, dtype))
        np.testing.assert_array_equal(stored(opened, known[::-1]), rows_of(known[::-1], shape, dtype))


def test_missing_names_each_content_once(tmp_path):
    store = RowStore(tmp_path / "made" / "here", (2,), "uint8")
    assert store.missing(digests([5, 6, 5, 7, 6])) == [0, 1, 3]
    fill(store, [6])
    assert store.missing(digests([5, 6, 5, 7, 6])) == [0, 3]
    fill(store, [5, 7])
    assert store.missing(digests([5, 6, 5, 7, 6])) == []
    assert store.missing([]) == []


def test_the_first_row_of_a_content_stays(tmp_path):
    store = RowStore(tmp_path, (1,), "uint8")
    store.append([digest(0), digest(0)], np.array([[1], [2]], np.uint8))
    store.append([digest(0)], np.array([[3]], np.uint8))
    np.testing.assert_array_equal(store.array, [[1]])


def test_rows_that_are_not_contiguous_are_stored_as_they_read(tmp_path):
    store = RowStore(tmp_path, (2, 3), "uint8")
    rows = rows_of(range(4), (3, 2), "uint8").transpose(0, 2, 1)
    store.append(digests(range(4)), rows)
    np.testing.assert_array_equal(store.array, rows)


def test_the_array_is_read_only(tmp_path):
    store = RowStore(tmp_path, (2,), "uint8")
    fill(store, [1])
    with pytest.raises(ValueError, match="read-only"):
        store.array[0] = 0


def test_a_content_that_is_not_stored_is_named(tmp_path):
    store = RowStore(tmp_path, (2,), "uint8")
    fill(store, [1])
    with pytest.raises(KeyError) as error:
        store.locate(digests([1, 2]))
    assert error.value.args == (digest(2),)


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize(
    ("row_bytes", "digest_bytes"),
    [(0, 0), (1, 0), (5, 0), (6, 0), (60, 0), (6, 1), (12, DIGEST_BYTES - 1), (24, DIGEST_BYTES - 1)],
)
def test_what_a_killed_writer_left_is_ignored_and_written_over(tmp_path, before, row_bytes, digest_bytes):
    """Rows of 6 bytes: none, a part, one, several and a part; a part of a digest only after whole rows."""
    old, new = list(range(before)), [10, 11, 12, 13]
    fill(RowStore(tmp_path, (3,), "float16"), old)
    for name, size in (("rows.bin", row_bytes), ("digests.bin", digest_bytes)):
        with (tmp_path / name).open("ab") as file:
            file.write(b"\xee" * size)
    store = RowStore(tmp_path, (3,), "float16")
    np.testing.assert_array_equal(store.array, rows_of(old, (3,), "float16"))
    assert store.missing(digests(old + new)) == list(range(before, before + len(new)))
    fill(store, new)
    for opened in (store, RowStore(tmp_path, (3,), "float16")):
        assert opened.array.shape == (before + len(new), 3)
        np.testing.assert_array_equal(stored(opened, new + old), rows_of(new + old, (3,), "float16"))
    assert (tmp_path / "rows.bin").stat().st_size == 6 * (before + len(new))
    assert (tmp_path / "digests.bin").stat().st_size == DIGEST_BYTES * (before + len(new))


def test_a_writer_killed_between_rows_and_digests_can_write_again(tmp_path):
    fill(RowStore(tmp_path, (2,), "uint8"), [1, 2, 3])
    (tmp_path / "digests.bin").unlink()  # rows.bin is written first
    store = RowStore(tmp_path, (2,), "uint8")
    assert store.array.shape == (0, 2)
    fill(store, [3, 4])
    np.testing.assert_array_equal(store.array, rows_of([3, 4], (2,), "uint8"))


def test_two_stores_on_one_folder_write_each_content_once(tmp_path):
    first, second = RowStore(tmp_path, (2,), "uint8"), RowStore(tmp_path, (2,), "uint8")
    fill(first, [1, 2])
    seen = first.array
    fill(second, [2, 3])  # does not know yet that 2 is stored
    assert second.array.shape == (3, 2)
    np.testing.assert_array_equal(stored(second, [1, 2, 3]), rows_of([1, 2, 3], (2,), "uint8"))
    np.testing.assert_array_equal(stored(first, [1, 2]), rows_of([1, 2], (2,), "uint8"))
    np.testing.assert_array_equal(seen, rows_of([1, 2], (2,), "uint8"))  # a map from before stays valid
    fill(first, [3, 4])
    np.testing.assert_array_equal(stored(first, [4, 3, 2, 1]), rows_of([4, 3, 2, 1], (2,), "uint8"))
    assert len(RowStore(tmp_path, (2,), "uint8").array) == 4


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    def write(start):
        store = RowStore(tmp_path, (5,), "float16")
        for number in range(start, start + 20, 2):
            fill(store, [number, number + 1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [0, 10, 20, 30]))  # each shares half of its contents with the next
    store = RowStore(tmp_path, (5,), "float16")
    assert store.array.shape == (50, 5)
    np.testing.assert_array_equal(stored(store, range(50)), rows_of(range(50), (5,), "float16"))


def test_a_writer_waits_for_the_lock_of_another(tmp_path):
    store = RowStore(tmp_path, (2,), "uint8")
    with ThreadPoolExecutor(1) as pool:
        with filelock.FileLock(tmp_path / "lock"):
            writing = pool.submit(fill, store, [1])
            with pytest.raises(TimeoutError):
                writing.result(timeout=0.2)
        writing.result(timeout=10)
    np.testing.assert_array_equal(stored(store, [1]), rows_of([1], (2,), "uint8"))


@pytest.mark.parametrize(("shape", "dtype"), [((3,), "uint8"), ((2, 1), "uint8"), ((2,), "int8"), ((1,), "float16")])
def test_a_folder_of_other_rows_is_refused(tmp_path, shape, dtype):
    fill(RowStore(tmp_path, (2,), "uint8"), [1])
    with pytest.raises(ValueError, match=r"layout\.json describes .*\[2\].* delete the folder"):
        RowStore(tmp_path, shape, dtype)
    np.testing.assert_array_equal(stored(RowStore(tmp_path, (2,), "uint8"), [1]), rows_of([1], (2,), "uint8"))


@pytest.mark.parametrize("found", [(2, 3), (1, 2), (2,), (2, 2, 1)])
def test_rows_of_another_shape_are_refused_and_nothing_is_written(tmp_path, found):
    store = RowStore(tmp_path, (2,), "uint8")
    with pytest.raises(ValueError, match=r"rows of shape \(2, 2\) are needed, found \("):
        store.append(digests([1, 2]), np.zeros(found, np.uint8))
    assert store.array.shape == (0, 2)
    assert store.missing(digests([1, 2])) == [0, 1]


@pytest.mark.parametrize("size", [8, 20])
def test_a_digest_of_another_length_is_refused(tmp_path, size):
    """It would shift all later digests: SHA-1 has 20 bytes."""
    store = RowStore(tmp_path, (1,), "uint8")
    with pytest.raises(ValueError, match="digest"):
        store.append([b"x" * size], np.zeros((1, 1), np.uint8))
    assert store.array.shape == (0, 1)
