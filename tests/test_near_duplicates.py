"""Near-duplicates: copies of an image are found, other images are not, and no pair of close hashes is missed."""

from __future__ import annotations

import io
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

import labelhedge as lh
from corpus_help import encoded
from labelhedge.corpus import near_duplicates as module
from labelhedge.corpus.images import upright_on_white
from labelhedge.corpus.near_duplicates import close_pairs, group_looks, join_groups, look, near_duplicates
from labelhedge.errors import LabelhedgeError

CASES = settings(deadline=None, max_examples=25, derandomize=True)
COPIES = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "larger": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "recompressed": lambda image: Image.open(io.BytesIO(encoded(image, "JPEG", quality=40))),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darkened": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "grey": lambda image: image.convert("L"),
    "cropped": lambda image: image.crop((2, 2, image.width - 2, image.height - 2)),
}


def scene(seed, size=(120, 90)):
    """A picture with a composition of its own, and with less in it the finer it is, as in photos."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((size[1], size[0], 3))
    for cells, contrast in ((2, 90), (4, 60), (8, 25), (30, 10)):
        field = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        pixels += np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BICUBIC)) / 255 * contrast
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def drawings():
    """Every sixteenth drawing of the embedded corpus, of which no two are variants of each other."""
    corpus = lh.Corpus.open("clipart")
    groups = corpus.samples.extra["group"].to_pylist()
    rows = np.array(sorted({group: row for row, group in enumerate(groups)}.values())[::16])
    return [upright_on_white(Image.open(io.BytesIO(data))) for _, data in corpus.images.read(rows)]


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_photos_are_found_and_kept_apart_from_other_photos(kind):
    scenes = [scene(seed) for seed in range(25)]
    images = [(f"{number:02}", encoded(image)) for number, image in enumerate(scenes)]
    images += [(f"copy {number:02}", encoded(COPIES[kind](image))) for number, image in enumerate(scenes)]
    groups = near_duplicates(images)
    assert groups[:25] == [f"{number:02}" for number in range(25)]
    found = sum(one == other for one, other in zip(groups[:25], groups[25:], strict=True))
    assert found >= (22 if kind == "cropped" else 25)
    assert {group for group in groups[25:] if not group.startswith("copy")} <= set(groups[:25])


@pytest.mark.parametrize(
    ("kind", "least"), [("smaller", 0.97), ("recompressed", 0.95), ("grey", 0.97), ("cropped", 0.7)]
)
def test_copies_of_drawings_are_found(drawings, kind, least):
    images = [(f"{number:03}", encoded(image)) for number, image in enumerate(drawings)]
    images += [(f"copy {number:03}", encoded(COPIES[kind](image))) for number, image in enumerate(drawings)]
    groups = near_duplicates(images, workers=2)
    count = len(drawings)
    assert np.mean([one == other for one, other in zip(groups[:count], groups[count:], strict=True)]) >= least
    assert len(set(groups[:count])) >= count - 2  # different drawings are hardly ever taken for one


def test_blank_images_are_grouped_only_with_their_equals():
    white, black, red = (Image.new("RGB", (40, 40), colour) for colour in ("white", "black", "red"))
    almost = Image.new("RGB", (40, 40), (250, 250, 250))
    names = ["white", "black", "red", "almost", "white again", "white larger"]
    images = [white, black, red, almost, white, white.resize((90, 90))]
    groups = near_duplicates([(name, encoded(image)) for name, image in zip(names, images, strict=True)])
    assert groups == ["white", "black", "red", "almost", "white", "white"]


def test_line_drawings_on_white_do_not_fall_together():
    def drawing(points):
        image = Image.new("RGB", (120, 120), "white")
        ImageDraw.Draw(image).line(points, "black", 3)
        return encoded(image)

    images = [
        ("rising", drawing([(10, 110), (110, 10)])),
        ("falling", drawing([(10, 10), (110, 110)])),
        ("level", drawing([(10, 60), (110, 60)])),
        ("upright", drawing([(60, 10), (60, 110)])),
        ("box", drawing([(20, 20), (100, 20), (100, 100), (20, 100), (20, 20)])),
    ]
    assert near_duplicates(images) == [name for name, _ in images]


def test_equal_hashes_of_different_pictures_are_told_apart_by_their_thumbnails():
    looks = [look(encoded(scene(seed)))._replace(hash=5) for seed in range(4)]
    assert group_looks(list("abcd"), looks) == list("abcd")
    assert group_looks(list("abcd"), looks, correlation=-1) == ["a"] * 4


def test_thousands_of_similar_images_need_little_memory():
    """Four and a half million pairs are close, and none is held longer than it is looked at."""
    base, rng = look(encoded(scene(0))), np.random.default_rng(0)
    pixels = np.frombuffer(base.thumbnail, np.uint8)
    looks = [
        base._replace(
            hash=base.hash ^ 1 << int(rng.integers(64)),
            thumbnail=np.clip(pixels + rng.integers(-3, 4, pixels.size), 0, 255).astype(np.uint8).tobytes(),
        )
        for _ in range(3000)
    ]
    ids = [f"{number:04}" for number in range(3000)]
    tracemalloc.start()
    try:
        groups = group_looks(ids, looks)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert set(groups) == {"0000"}
    assert peak < 60e6


def test_groups_are_chains_and_are_named_by_the_smallest_id():
    base = look(encoded(scene(0)))
    looks = [base._replace(hash=base.hash ^ mask) for mask in (0, 0x3FF, 0xFFFFF, 0xFFFFF << 20)]  # 10 bits a step
    assert group_looks(["d", "c", "b", "a"], looks) == ["b", "b", "b", "a"]


@CASES
@given(st.integers(0, 10**6), st.randoms(use_true_random=False), st.integers(1, 3))
def test_neither_order_nor_workers_matter(seed, random, workers):
    rng = np.random.default_rng(seed)
    images = [
        (f"i{n}", encoded(scene(int(rng.integers(3)), (24, 18)), "JPEG", quality=int(rng.integers(50, 95))))
        for n in range(8)
    ]
    by_id = dict(zip([name for name, _ in images], near_duplicates(images), strict=True))
    random.shuffle(images)
    assert near_duplicates(iter(images), workers=workers) == [by_id[name] for name, _ in images]


def all_pairs(hashes, distance):
    """The slow twin: every pair."""
    values = [int(value) for value in hashes]
    return {
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= distance
    }


@CASES
@given(st.integers(0, 15), st.integers(0, 10**6), st.integers(0, 120), st.integers(1, 4))
def test_close_pairs_are_exactly_those_of_brute_force(distance, seed, count, centres):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, centres, dtype=np.uint64)[rng.integers(0, centres, count)]
    for _ in range(12):  # so that distances of 0 to about 20 occur
        hashes = hashes ^ np.where(
            rng.random(count) < 0.7, np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64), np.uint64(0)
        )
    found = [tuple(pair) for pairs in close_pairs(hashes, distance) for pair in pairs.tolist()]
    assert len(found) == len(set(found))
    assert set(found) == all_pairs(hashes, distance)


def test_pairs_come_in_portions(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 50)
    hashes = np.zeros(60, np.uint64)
    portions = list(close_pairs(hashes, 3))
    assert max(map(len, portions)) <= 60
    assert sum(map(len, portions)) == 60 * 59 // 2


def test_a_hundred_thousand_hashes_take_seconds():
    hashes = np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64)
    hashes[1::1000] = hashes[::1000] ^ np.uint64(0b1011)
    started = time.process_time()
    assert sum(map(len, close_pairs(hashes, 5))) == 100
    assert time.process_time() - started < 20  # about 1 s; comparing all with all takes minutes


@pytest.mark.parametrize("distance", [-1, 16])
def test_a_distance_out_of_range_is_refused(distance):
    with pytest.raises(ValueError, match="between 0 and 15"):
        list(close_pairs(np.zeros(2, np.uint64), distance))


def test_an_unreadable_image_is_named():
    with pytest.raises(LabelhedgeError, match=r"'b'.*unreadable"):
        near_duplicates([("a", encoded(scene(0))), ("b", b"no image")])


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(LabelhedgeError, match=r"imagehash is not installed: pip install 'labelhedge\[collect\]'"):
        near_duplicates([("a", encoded(scene(0)))])


def test_groupings_are_joined():
    ids = ["e", "d", "c", "b", "a"]
    assert join_groups(ids) == ids
    assert join_groups(ids, ["x", "x", "y", "y", "z"], ["1", "2", "2", "3", "3"]) == ["a"] * 5


def test_images_are_read_no_further_ahead_than_they_are_worked_on():
    started = []

    def images():
        for number in range(200):
            started.append(number)
            yield number

    results = module.in_order(lambda number: -number, images(), 2)
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    assert len(started) < 40
    assert list(results) == [-number for number in range(3, 200)]
