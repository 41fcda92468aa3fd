"""The corpus format: what opens, its hash, and the views that hide labels."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

import labelhedge as lh
from corpus_help import (
    IMAGE,
    PART,
    at,
    columns_of,
    labels,
    like_polars,
    only_second,
    picture,
    random_columns,
    raw,
    refusal,
    table_of,
    with_type,
)
from labelhedge.corpus.images import ImageReader

# --- What is accepted ---


def as_files(folder):
    """Move the images of a corpus into files, half of them in a folder of their own."""
    images = []
    for row, image in enumerate(table_of(folder)["image"].to_pylist()):
        path = f"images/{row}.png" if row % 2 else f"picture {row}.png"
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(image["bytes"])
        images.append(at(path))
    return images


def like_datasets(table, part):
    """What Hugging Face `datasets` writes: bytes with the bare name of a file that is gone, and features."""
    images = [{"bytes": i["bytes"], "path": f"{n}.png"} for n, i in enumerate(table["image"].to_pylist())]
    table = table.set_column(table.column_names.index("image"), "image", pa.array(images, IMAGE))
    table = with_type("observed", pa.list_(pa.int64()))(table, part)
    features = {"image": {"_type": "Image"}, "id": {"dtype": "string", "_type": "Value"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


@pytest.mark.parametrize(
    "change",
    [
        {"parts": 3},
        {"parts": 25},  # some are empty
        {"row_group_size": 3, "compression": "gzip"},
        {"edit": lambda table, part: table.select(sorted(table.column_names))},
        {"edit": like_polars},
        {"edit": like_datasets},
        {"edit": only_second(like_polars), "parts": 2},
        {"edit": only_second(like_datasets), "parts": 2},
        {"edit": with_type("id", pa.large_string())},
        {"edit": with_type("id", pa.dictionary(pa.int32(), pa.string()))},
        {"edit": with_type("split", pa.dictionary(pa.int8(), pa.large_string()))},
        {"edit": only_second(with_type("split", pa.dictionary(pa.int32(), pa.string()))), "parts": 2},
        {"edit": with_type("split", pa.string_view())},
        {"edit": with_type("observed", pa.list_(pa.uint8()))},
        {"edit": with_type("verified", pa.large_list(pa.int32()))},
        {"edit": only_second(with_type("verified", pa.large_list(pa.int16()))), "parts": 2},
        {"edit": with_type("image", pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())]))},
        {"cells": {(5, "observed"): [2, 0]}},  # a set, in whatever order
    ],
)
def test_other_ways_of_storing_the_same_are_accepted_and_hash_alike(make_corpus, tmp_path, change):
    usual = lh.Corpus.open(make_corpus(tmp_path / "usual"))
    # Hive would read a column from this name.
    other = lh.Corpus.open(make_corpus(tmp_path / "split=dev", **change))
    assert other.hash == usual.hash
    assert other.describe() == usual.describe()
    assert other.samples.ids == [f"s{row:02d}" for row in range(20)]
    assert other.training_view().fingerprint() == usual.training_view().fingerprint()


def test_images_can_lie_in_files(make_corpus, tmp_path):
    usual = make_corpus(tmp_path / "usual")
    other = make_corpus(tmp_path / "files", columns={"image": as_files(usual)})
    assert "no image at 'picture 0.png'" in refusal(other, PART, 0)
    shutil.copytree(usual, other, dirs_exist_ok=True, ignore=shutil.ignore_patterns("samples", "*.json"))
    assert lh.Corpus.open(other).hash == lh.Corpus.open(usual).hash


def test_a_folder_can_be_named_as_string_or_path(make_corpus, tmp_path, monkeypatch):
    folder = make_corpus(tmp_path / "corpus")
    monkeypatch.chdir(tmp_path)
    names = (folder, str(folder), "corpus", "./corpus/", Path("corpus"))
    hashes = {lh.Corpus.open(name).hash for name in names}
    assert len(hashes) == 1


def test_extra_columns_are_kept_as_they_are(make_corpus, tmp_path):
    extra = {
        "votes": pa.array([{"yes": row, "no": [row]} for row in range(20)]),
        "tags": pa.array([[("a", row)] for row in range(20)], pa.map_(pa.string(), pa.int16())),
        "taken": pa.array(range(20), pa.timestamp("ms")),
        "kind": pa.array(["photo", None] * 10).dictionary_encode(),
        "meta.url": pa.array([f"http://x/{row}" for row in range(20)]),
    }
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus", columns=extra, parts=2))
    assert corpus.samples.extra.column_names == ["title", *extra]
    found = corpus.extra(np.array([12, 3]))
    assert found["title"].to_pylist() == ["drawing 12", "drawing 3"]
    for name, values in extra.items():
        assert found[name].to_pylist() == [values[12].as_py(), values[3].as_py()]
        assert found[name].type == values.type


def test_an_extra_column_that_one_part_lacks_is_null_there(make_corpus, tmp_path):
    edit = lambda table, part: table if part else table.drop_columns(["title"])  # noqa: E731
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus", parts=2, edit=edit))
    assert corpus.extra(np.array([9, 10]))["title"].to_pylist() == [None, "drawing 10"]


def test_images_are_read_by_row_across_parts_and_row_groups(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus", parts=3, row_group_size=4)
    images = [image["bytes"] for image in table_of(folder)["image"].to_pylist()]
    reader = lh.Corpus.open(folder).images
    assert list(reader.read()) == list(enumerate(images))
    for rows in ([], [0], [5, 6], [12, 13, 19], list(range(3, 17))):
        assert list(reader.read(np.array(rows, np.int64))) == [(row, images[row]) for row in rows]
    assert [reader.place(row)[1] for row in (0, 5, 6, 12, 13)] == [0, 5, 0, 6, 0]
    with pytest.raises(IndexError):
        reader.place(20)


def test_one_image_of_a_large_row_group_is_all_that_becomes_bytes(make_corpus, tmp_path, monkeypatch):
    """Images of hundreds of kilobytes, a thousand in a row group: what is not asked for must cost little."""
    folder = make_corpus(tmp_path / "corpus", size=30, row_group_size=15)
    images = [image["bytes"] for image in table_of(folder)["image"].to_pylist()]
    monkeypatch.setattr("labelhedge.corpus.images._BATCH", 4)
    decoded, made = [], []

    class Counting(pq.ParquetFile):
        def iter_batches(self, *arguments, **named):
            for batch in super().iter_batches(*arguments, **named):
                decoded.append(batch.num_rows)
                yield batch

    monkeypatch.setattr("labelhedge.corpus.images.pq.ParquetFile", Counting)
    whole = ImageReader._bytes
    monkeypatch.setattr(ImageReader, "_bytes", lambda self, *cell: made.append(cell) or whole(self, *cell))
    reader = ImageReader(folder, [(folder / "samples" / "part-00000.parquet", 30)])
    for row, batches in ((0, 1), (5, 2), (14, 4), (21, 2)):
        decoded.clear()
        made.clear()
        assert reader.read_one(row) == images[row]
        assert (len(decoded), len(made)) == (batches, 1), row
    for row in (-1, 30):
        with pytest.raises(IndexError):
            reader.read_one(row)


# --- Hash ---


def test_the_hash_does_not_depend_on_the_place(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus")
    before = lh.Corpus.open(folder).hash
    folder.rename(tmp_path / "elsewhere")
    assert lh.Corpus.open(tmp_path / "elsewhere").hash == before


@pytest.mark.parametrize(
    "change",
    [
        {"cells": {(4, "observed"): [0]}},
        {"cells": {(4, "verified"): [0]}},
        {"cells": {(7, "verified"): None}},  # unknown is not background
        {"cells": {(0, "trusted"): False}},
        {"cells": {(6, "split"): "test"}},
        {"cells": {(6, "id"): "other"}},
        {"cells": {(6, "image"): raw(picture())}},
        {"files": {"graph.nt": None}},
        {"files": {"graph.nt": "<urn:a> <urn:b> <urn:c> .\n"}},
        {"info": {"labels": labels(("cat", "cat"), ("dog", "dog"), ("owl", "barn owl"))}},
        {"size": 19},
    ],
)
def test_the_hash_changes_with_the_content(make_corpus, tmp_path, change):
    usual, changed = make_corpus(tmp_path / "usual"), make_corpus(tmp_path / "changed", **change)
    assert lh.Corpus.open(usual).hash != lh.Corpus.open(changed).hash


def test_a_corpus_without_a_graph_has_no_graph_path(make_corpus, tmp_path):
    with_graph = lh.Corpus.open(make_corpus(tmp_path / "a"))
    assert with_graph.graph_path == tmp_path / "a" / "graph.nt"
    assert lh.graph.siblings(lh.graph.read_triples(with_graph.graph_path), with_graph.labels) == [
        [1],
        [0],
        [],
    ]
    assert lh.Corpus.open(make_corpus(tmp_path / "b", files={"graph.nt": None})).graph_path is None


# --- Views ---


def dense(sets, count=3):
    rows = [[False] * count for _ in sets]
    for row, found in zip(rows, sets):
        for label in found:
            row[label] = True
    return np.array(rows, bool)


@pytest.mark.parametrize("seed", range(3))
def test_views_agree_with_their_slow_twin(make_corpus, tmp_path, seed):
    columns = random_columns(seed)
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus", size=60, columns=columns))
    split, observed, verified, trusted = (columns[n] for n in ("split", "observed", "verified", "trusted"))

    rows = [row for row in range(60) if split[row] == "train"]
    view = corpus.training_view()
    assert corpus.rows("train").tolist() == rows
    assert len(view) == len(rows)
    assert view.digests == [corpus.samples.digests[row] for row in rows]
    assert view.trusted.tolist() == [trusted[row] for row in rows]
    assert np.array_equal(view.observed.toarray(), dense([observed[row] for row in rows]))
    shown = [verified[row] if trusted[row] else [] for row in rows]
    assert np.array_equal(view.verified.toarray(), dense(shown))
    known = [verified[row] if trusted[row] else observed[row] for row in rows]
    assert np.array_equal(view.labels.toarray(), dense(known))

    rows = [row for row in range(60) if split[row] == "test" and verified[row] is not None]
    held_out = corpus.evaluation_view("test")
    assert len(held_out) == len(rows)
    assert held_out.digests == [corpus.samples.digests[row] for row in rows]
    assert np.array_equal(held_out.truth.toarray(), dense([verified[row] for row in rows]))
    assert np.array_equal(held_out.observed.toarray(), dense([observed[row] for row in rows]))
    assert held_out.fingerprint() != corpus.evaluation_view("dev").fingerprint()


def contents(thing):
    """Everything that an object reaches through attributes and items; of an array also its whole buffer."""
    if isinstance(thing, np.ndarray):
        return [thing.dtype.str, thing.shape, thing.tobytes(), contents(thing.base)]
    if isinstance(thing, list | tuple):
        return [contents(item) for item in thing]
    if isinstance(thing, dict):
        return [(name, contents(value)) for name, value in sorted(thing.items())]
    if hasattr(thing, "__dict__"):
        return [type(thing).__name__, contents(vars(thing))]
    assert thing is None or isinstance(thing, bool | int | str | bytes), f"cannot look into {thing!r}"
    return thing


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])  # of trusted rows
def test_the_training_view_holds_no_hidden_label(make_corpus, tmp_path, share):
    rng = np.random.default_rng(5)
    columns = random_columns(7, size=200, checked=1.0)
    train = [row for row in range(200) if columns["split"][row] == "train"]
    columns["trusted"] = [row in train and bool(rng.random() < share) for row in range(200)]
    hidden = [row for row in train if not columns["trusted"][row]]
    permuted = list(columns["verified"])
    for row, other in zip(hidden, rng.permutation(hidden)):
        permuted[row] = columns["verified"][other]
    assert permuted != columns["verified"]

    one = lh.Corpus.open(make_corpus(tmp_path / "one", size=200, columns=columns))
    columns["verified"] = permuted
    other = lh.Corpus.open(make_corpus(tmp_path / "other", size=200, columns=columns))
    assert one.hash != other.hash
    views = one.training_view(), other.training_view()
    assert views[0].fingerprint() == views[1].fingerprint()
    assert pickle.dumps(views[0]) == pickle.dumps(views[1])
    assert np.array_equal(views[0].labels.toarray(), views[1].labels.toarray())
    assert contents(views[0]) == contents(views[1])
    # The oracle sees them, and so do the instruments of this test.
    oracles = one.oracle_view(), other.oracle_view()
    assert oracles[0].fingerprint() != oracles[1].fingerprint()
    assert contents(oracles[0]) != contents(oracles[1])


def test_the_oracle_view_knows_every_true_label(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus")
    corpus, columns = lh.Corpus.open(folder), columns_of(folder)
    oracle, plain = corpus.oracle_view(), corpus.training_view()
    truth = dense([columns["verified"][row] for row in corpus.rows("train")])
    assert oracle.trusted.all()
    assert np.array_equal(oracle.verified.toarray(), truth)
    assert np.array_equal(oracle.labels.toarray(), truth)
    assert not np.array_equal(plain.labels.toarray(), truth)
    assert oracle.fingerprint() != plain.fingerprint()


def test_the_oracle_view_needs_every_training_sample_checked(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus", parts=2, cells={(14, "verified"): None, (7, "verified"): None})
    corpus = lh.Corpus.open(folder)
    with pytest.raises(lh.CorpusError, match=r"1 of 12 .*To mend it: ") as caught:
        corpus.oracle_view()
    assert (caught.value.file, caught.value.row) == (folder / "samples/part-00001.parquet", 4)
    assert len(corpus.training_view()) == 12
    assert len(corpus.evaluation_view("test")) == 5  # row 7 left out


def test_a_view_is_a_copy(make_corpus, tmp_path):
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus"))
    view = corpus.training_view()
    before = view.fingerprint()
    for sets in (view.observed, view.verified):
        assert scipy.sparse.issparse(sets)
        sets.data[:] = False
        sets.indices[:] = 0
    view.trusted[:] = True
    view.digests.clear()
    assert corpus.training_view().fingerprint() == before
    with pytest.raises(FrozenInstanceError):
        view.trusted = None
