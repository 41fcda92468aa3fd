"""The corpus format: what opens, what is refused, views, statistics, hash, atomic writing, decoding."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from PIL import Image
from rich.console import Console

import labelhedge as lh
from labelhedge.corpus.images import decode

FIXED = ["id", "split", "image", "observed", "verified", "trusted"]
PART = "samples/part-00000.parquet"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
INFO = lh.CorpusInfo(
    name="written",
    licence="CC0",
    labels=tuple(lh.Label(id=name, name=name) for name in ("cat", "dog", "owl")),
)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(seed=99, size=(8, 6)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def table_of(folder):
    return pa.concat_tables([pq.read_table(path) for path in sorted((folder / "samples").glob("*.parquet"))])


def columns_of(folder):
    return table_of(folder).to_pydict()


def with_type(name, kind):
    """An edit that stores a column of each part as another type."""

    def edit(table, part):
        values = pa.array(table[name].to_pylist(), kind)
        return table.set_column(table.column_names.index(name), name, values)

    return edit


def only_second(edit):
    return lambda table, part: edit(table, part) if part else table


def refusal(folder, file, row=None):
    """The message of the CorpusError that opening gives; it names the file, the row and the mend."""
    with pytest.raises(lh.CorpusError) as caught:
        lh.Corpus.open(folder)
    error, message = caught.value, str(caught.value)
    assert Path(error.file) == folder / file
    assert error.row == row
    assert str(folder / file) in message
    assert re.search(r"To mend it: \w.+\.$", message, re.S)
    if row is not None:
        assert f", row {row}" in message
    return message


# --- What is refused ---


def test_a_missing_folder_and_a_file_in_its_place_are_refused(tmp_path):
    assert "no such folder" in refusal(tmp_path / "none", ".")
    (tmp_path / "file").write_text("text")
    assert "no such folder" in refusal(tmp_path / "file", ".")


def labels(*pairs):
    return [{"id": id_, "name": name} for id_, name in pairs]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"files": {"corpus.json": None}}, "missing"),
        ({"files": {"corpus.json": "{"}}, "not JSON"),
        ({"files": {"corpus.json": b"\xff\xfe"}}, "not JSON"),
        ({"files": {"corpus.json": "[1]"}}, "found list"),
        ({"files": {"corpus.json": "{}"}}, "format_version is None"),
        ({"info": {"format_version": 2}}, "format_version is 2"),
        ({"info": {"format_version": "1"}}, "format_version is '1'"),
        ({"info": {"labels": labels(("a", "x"), ("b", "y"), ("a", "z"))}}, "two labels have the id 'a'"),
        ({"info": {"labels": labels(("a", "x"), ("b", "y"), ("c", "y"))}}, "two labels have the name 'y'"),
        (
            {"info": {"labels": [{"id": n, "name": n, "uri": "urn:one"} for n in "ab"]}},
            "two labels have the uri 'urn:one'",
        ),
        ({"info": {"labels": []}}, "labels"),
        ({"info": {"labels": ["a", "b", "c"]}}, "labels.0"),
        ({"info": {"labels": [{"id": "a"}]}}, "labels.0.name"),
        ({"info": {"labels": labels(("a", ""))}}, "labels.0.name"),
        ({"info": {"labels": [{"id": "a", "name": "a", "url": "u"}]}}, "labels.0.url"),
        ({"info": {"license": "CC0"}}, "license"),
        ({"info": {"licence": None}}, "licence"),
        ({"info": {"name": ""}}, "name"),
    ],
)
def test_a_bad_corpus_json_is_refused(make_corpus, tmp_path, change, says):
    folder = make_corpus(tmp_path / "corpus", **change)
    assert says in refusal(folder, "corpus.json").removeprefix(str(folder))


def at(path):
    return {"bytes": None, "path": path}


def raw(data):
    return {"bytes": data, "path": None}


@pytest.mark.parametrize(
    ("row", "column", "value", "says"),
    [
        (3, "id", None, "id is null"),
        (3, "split", None, "split is null"),
        (3, "observed", None, "observed is null"),
        (4, "trusted", None, "trusted is null"),
        (5, "split", "validation", "'validation'"),
        (5, "split", "Train", "'Train'"),
        (4, "observed", [0, 3], "observed is [0, 3]"),
        (4, "observed", [-1], "observed is [-1]"),
        (19, "verified", [7], "verified is [7]"),
        (4, "verified", [1, -1], "verified is [1, -1]"),
        (4, "observed", [0, None], "observed is [0, None]"),
        (4, "observed", [1, 0, 1], "one label twice"),
        (18, "verified", [2, 2], "one label twice"),
        (9, "id", "s02", "(id 's02')"),
        (3, "verified", None, "trusted but has no verified"),
        (6, "trusted", True, "trusted but its split is 'dev'"),
        (7, "trusted", True, "trusted but its split is 'test'"),
        (2, "image", None, "neither bytes nor a path"),
        (2, "image", at(None), "neither bytes nor a path"),
        (2, "image", at("images/no.png"), "'images/no.png'"),
        (2, "image", at(""), "no image at"),
        (2, "image", at("samples"), "no image at 'samples'"),
        (2, "image", at("no\0.png"), "image"),
        (2, "image", at("x" * 5000), "image"),
        (2, "image", at("graph.nt"), "unreadable"),
        (2, "image", raw(b""), "unreadable"),
        (2, "image", raw(b"GIF89a"), "unreadable"),
        (2, "image", raw(picture()[:20]), "unreadable"),
    ],
    ids=lambda value: value[:40].replace("\0", "0") if isinstance(value, str) else None,
)
def test_a_bad_row_is_refused(make_corpus, tmp_path, row, column, value, says):
    folder = make_corpus(tmp_path / "corpus", cells={(row, column): value})
    assert says in refusal(folder, PART, row)


def test_a_label_number_beyond_64_bits_with_sign_is_refused(make_corpus, tmp_path):
    huge = pa.array([[0]] * 8 + [[2**63]] + [[0]] * 11, pa.list_(pa.uint64()))
    assert str(2**63) in refusal(make_corpus(tmp_path / "corpus", columns={"observed": huge}), PART, 8)


def test_of_several_bad_rows_the_first_is_named(make_corpus, tmp_path):
    cells = {(row, "observed"): [9] for row in (17, 11, 5)}
    assert "(id 's05')" in refusal(make_corpus(tmp_path / "corpus", cells=cells), PART, 5)


def test_a_row_is_counted_in_its_own_part(make_corpus, tmp_path):
    for row, name, value in [(13, "observed", [3]), (13, "image", raw(b"no image"))]:
        folder = make_corpus(tmp_path / name, parts=3, cells={(row, name): value})  # parts begin at 0, 6, 13
        assert "(id 's13')" in refusal(folder, "samples/part-00002.parquet", 0)


def test_an_id_repeated_in_another_part_is_refused(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus", parts=3, cells={(9, "id"): "s02", (15, "id"): "s02"})
    message = refusal(folder, "samples/part-00001.parquet", 3)
    assert "already in part-00000.parquet, row 2" in message


@pytest.mark.parametrize("name", ["../outside.png", "images/../../outside.png", "absolute", "link.png"])
def test_an_image_path_that_leads_out_of_the_folder_is_refused(make_corpus, tmp_path, name):
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture())
    path = str(outside) if name == "absolute" else name
    folder = make_corpus(tmp_path / "corpus", cells={(8, "image"): at(path)})
    (folder / "link.png").symlink_to(outside)
    assert "out of the corpus folder" in refusal(folder, PART, 8)


@pytest.mark.parametrize(("one", "other"), [(0, 7), (0, 16), (6, 19)])
def test_the_same_image_in_two_splits_is_refused(make_corpus, tmp_path, one, other):
    image = raw(picture())
    folder = make_corpus(tmp_path / "corpus", parts=2, cells={(one, "image"): image, (other, "image"): image})
    message = refusal(folder, f"samples/part-0000{other // 10}.parquet", other % 10)
    assert f"'s{one:02d}'" in message
    assert f"'s{other:02d}'" in message


def test_the_same_image_twice_in_one_split_is_accepted(make_corpus, tmp_path):
    image = raw(picture())
    corpus = lh.Corpus.open(make_corpus(tmp_path / "c", cells={(0, "image"): image, (1, "image"): image}))
    assert corpus.samples.digests[0] == corpus.samples.digests[1] != corpus.samples.digests[2]


@pytest.mark.parametrize("column", FIXED)
def test_a_missing_column_is_refused(make_corpus, tmp_path, column):
    folder = make_corpus(tmp_path / "corpus", columns={column: None})
    assert f"column '{column}' is missing" in refusal(folder, PART)


@pytest.mark.parametrize("column", FIXED)
def test_a_column_missing_in_the_second_part_only_is_refused(make_corpus, tmp_path, column):
    edit = only_second(lambda table, part: table.drop_columns([column]))
    folder = make_corpus(tmp_path / "corpus", parts=2, edit=edit)
    assert f"column '{column}' is missing" in refusal(folder, "samples/part-00001.parquet")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("id", pa.array(range(20))),
        ("id", pa.array([b"x"] * 20)),
        ("split", pa.array([0] * 20)),
        ("image", pa.array([b"x"] * 20)),
        ("image", pa.array([{"path": "a.png"}] * 20)),
        ("image", pa.array([{"bytes": b"x", "path": 3}] * 20)),
        ("image", pa.array([{"bytes": "x", "path": "y"}] * 20)),
        ("image", pa.array([{"bytes": b"x", "path": "y", "more": 1}] * 20)),
        ("observed", pa.array([0] * 20)),
        ("observed", pa.array(["cat"] * 20)),
        ("observed", pa.array([["cat"]] * 20)),
        ("observed", pa.array([[0.0]] * 20)),
        ("observed", pa.nulls(20)),
        ("verified", pa.array([[[0]]] * 20)),
        ("verified", pa.array([[True]] * 20)),
        ("trusted", pa.array([0, 1] * 10)),
        ("trusted", pa.array(["false"] * 20)),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_a_column_of_a_wrong_type_is_refused(make_corpus, tmp_path, column, values):
    folder = make_corpus(tmp_path / "corpus", columns={column: values})
    assert f"column '{column}' has type {values.type}".split("<")[0] in refusal(folder, PART)


def test_a_column_that_stands_twice_is_refused(make_corpus, tmp_path):
    for column in ("id", "trusted"):
        folder = make_corpus(tmp_path / column, edit=lambda t, _, c=column: t.append_column(c, t[c]))
        assert column in refusal(folder, PART)


def test_an_extra_column_of_two_types_is_refused(make_corpus, tmp_path):
    def edit(table, part):
        return table.append_column("votes", pa.array([["3"] * 10, [3] * 10][part]))

    folder = make_corpus(tmp_path / "corpus", parts=2, edit=edit)
    assert "votes" in refusal(folder, "samples/part-00001.parquet")


def test_no_parquet_file_is_refused(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus", files={PART: None, "samples/data.csv": "id,split\n"})
    assert "no Parquet file" in refusal(folder, "samples")
    shutil.rmtree(folder / "samples")
    assert "no Parquet file" in refusal(folder, "samples")


def test_a_parquet_file_without_rows_is_refused(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus", edit=lambda table, part: table.slice(0, 0))
    assert "no sample" in refusal(folder, PART)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,split\n", "first half", "last half"])
def test_a_damaged_parquet_file_is_refused(make_corpus, tmp_path, content):
    folder = make_corpus(tmp_path / "corpus")
    whole = (folder / PART).read_bytes()
    halves = {"first half": whole[: len(whole) // 2], "last half": whole[len(whole) // 2 :]}
    (folder / PART).write_bytes(halves.get(content, content))
    refusal(folder, PART)


@pytest.mark.parametrize("column", ["id", "split", "observed.", "verified.", "trusted", "image.b", "image.p"])
def test_a_parquet_file_with_one_damaged_column_is_refused(make_corpus, tmp_path, column):
    folder = make_corpus(tmp_path / "corpus", use_dictionary=False)
    group = pq.read_metadata(folder / PART).row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    (start,) = [chunk.data_page_offset for chunk in chunks if chunk.path_in_schema.startswith(column)]
    data = bytearray((folder / PART).read_bytes())
    data[start : start + 12] = b"\xff" * 12
    (folder / PART).write_bytes(data)
    refusal(folder, PART)


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


def like_polars(table, part):
    """The types that Polars 2.1 writes; a path that is never given has no type at all."""
    image = pa.struct([("bytes", pa.large_binary()), ("path", pa.null())])
    types = [
        ("id", pa.large_string()),
        ("split", pa.dictionary(pa.uint32(), pa.string())),
        ("image", image),
        ("observed", pa.large_list(pa.int64())),
        ("verified", pa.large_list(pa.int64())),
        ("title", pa.large_string()),
    ]
    for name, kind in types:
        table = with_type(name, kind)(table, part)
    return table


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


# --- describe ---


def slow_description(columns, count):
    """The statistics, sample by sample."""
    found = {"categories": count, "train": 0, "dev": 0, "test": 0, "clean": 0, "noisy": 0}
    background = {"train": 0, "dev": 0, "test": 0}
    hits = given = true = empty = mislabelled = 0
    for i, split in enumerate(columns["split"]):
        observed, verified = columns["observed"][i], columns["verified"][i]
        found[split] += 1
        if split == "train":
            found["clean" if columns["trusted"][i] else "noisy"] += 1
        background[split] += not (observed if verified is None else verified)
        if verified is not None:
            hits += len(set(observed) & set(verified))
            given += len(observed)
            true += len(verified)
            empty += not verified
            mislabelled += not verified and bool(observed)
    return {
        **found,
        "background": background,
        "precision": hits / given,
        "recall": hits / true,
        "background_mislabelled": mislabelled / empty,
    }


def random_columns(seed, size=60, checked=0.7):
    """Random splits and labels; untrusted rows are verified with the probability `checked`."""
    rng = np.random.default_rng(seed)

    def some():
        return rng.choice(3, rng.integers(0, 4), replace=False).tolist()

    split = rng.choice(["train", "dev", "test"], size, p=[0.6, 0.1, 0.3]).tolist()
    trusted = [bool(name == "train" and rng.random() < 0.3) for name in split]
    return {
        "split": split,
        "trusted": trusted,
        "observed": [some() for _ in range(size)],
        "verified": [some() if known or rng.random() < checked else None for known in trusted],
    }


@pytest.mark.parametrize("seed", range(5))
def test_describe_agrees_with_its_slow_twin(make_corpus, tmp_path, seed):
    columns = random_columns(seed)
    found = asdict(lh.Corpus.open(make_corpus(tmp_path / "corpus", size=60, columns=columns)).describe())
    expected = slow_description(columns, 3)
    assert found["background"] == expected.pop("background")
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_describe_counts_a_tiny_corpus_as_by_hand(make_corpus, tmp_path):
    columns = {
        "split": ["train", "train", "train", "train", "dev", "test"],
        "observed": [[0, 1], [], [2], [1], [0], []],
        "verified": [[0], None, [], [1, 2], [], []],
        "trusted": [True, False, True, False, False, False],
    }
    found = lh.Corpus.open(make_corpus(tmp_path / "corpus", size=6, columns=columns)).describe()
    assert (found.name, found.licence, found.categories) == ("small", "CC0", 3)
    assert (found.train, found.dev, found.test) == (4, 1, 1)
    assert (found.clean, found.noisy) == (2, 2)
    assert found.background == {"train": 2, "dev": 1, "test": 1}  # rows 1 (nobody checked) and 2; 4; 5
    assert found.precision == pytest.approx(2 / 5)
    assert found.recall == pytest.approx(2 / 3)
    assert found.background_mislabelled == pytest.approx(2 / 3)


def test_describe_prints_what_it_found(make_corpus, tmp_path):
    found = lh.Corpus.open(make_corpus(tmp_path / "corpus")).describe()
    console = Console(file=io.StringIO(), width=80)
    console.print(found)
    for text in (str(found), console.file.getvalue()):
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert "train 12 (3 background)" in lines
        assert "clean : noisy 4 : 8" in lines
        assert f"observed labels precision {found.precision:.2f}, recall {found.recall:.2f}" in lines


def test_where_nobody_checked_nothing_is_said_about_the_noise(make_corpus, tmp_path):
    columns = {"verified": [None] * 20, "trusted": [False] * 20}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus", columns=columns))
    found = corpus.describe()
    assert (found.precision, found.recall, found.background_mislabelled) == (None, None, None)
    assert found.background == {"train": 1, "dev": 0, "test": 2}  # by the observed labels: rows 11; 7 and 19
    assert "precision" not in str(found)
    for split in ("dev", "test", "no split"):
        with pytest.raises(lh.CorpusError, match=rf"{split}.*To mend it: "):
            corpus.evaluation_view(split)


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


# --- Writing ---


def same_content(one, other):
    assert one.select(other.column_names).to_pydict() == other.to_pydict()


def test_a_written_corpus_opens_with_the_same_content(make_corpus, tmp_path):
    table = table_of(make_corpus(tmp_path / "source"))
    graph = (tmp_path / "source/graph.nt").read_text()
    target = lh.write_corpus(tmp_path / "new" / "written", INFO, table, graph=graph)
    assert target == tmp_path / "new" / "written"
    corpus = lh.Corpus.open(target)
    assert corpus.info == INFO
    same_content(table_of(target), table)
    assert corpus.graph_path.read_text() == graph
    assert sorted(p.name for p in target.iterdir()) == ["corpus.json", "graph.nt", "samples"]
    assert sorted(p.name for p in target.parent.iterdir()) == ["written"]


def test_several_tables_become_several_parts_of_the_types_of_the_format(make_corpus, tmp_path):
    table = table_of(make_corpus(tmp_path / "source", edit=like_polars))
    target = lh.write_corpus(str(tmp_path / "written"), INFO, (table.slice(row, 8) for row in (0, 8, 16)))
    parts = sorted((target / "samples").iterdir())
    assert [pq.read_metadata(part).num_rows for part in parts] == [8, 8, 4]
    kinds = [pa.string(), pa.string(), IMAGE, pa.list_(pa.int32()), pa.list_(pa.int32()), pa.bool_()]
    for part in parts:
        schema = pq.read_schema(part)
        assert [schema.field(name).type for name in FIXED] == kinds
    same_content(table_of(target), table)
    assert lh.Corpus.open(target).graph_path is None


def test_writing_refuses_to_replace_unless_told_to(make_corpus, tmp_path):
    target = make_corpus(tmp_path / "corpus")
    before = lh.Corpus.open(target).hash
    table = table_of(target).slice(0, 8)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        lh.write_corpus(target, INFO, table)
    assert lh.Corpus.open(target).hash == before
    lh.write_corpus(target, INFO, table, overwrite=True)
    corpus = lh.Corpus.open(target)
    assert (corpus.name, len(corpus.samples.ids), corpus.graph_path) == ("written", 8, None)
    assert [p.name for p in tmp_path.iterdir()] == ["corpus"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", None),
        ("image", None),
        ("trusted", None),
        ("observed", ["cat"] * 20),
        ("observed", [[2**40]] * 20),
        ("verified", [[0.5]] * 20),
        ("image", ["x.png"] * 20),
        ("trusted", ["maybe"] * 20),
    ],
)
def test_writing_refuses_columns_that_the_format_does_not_know(make_corpus, tmp_path, name, values):
    table = table_of(make_corpus(tmp_path / "source")).drop_columns([name])
    table = table.append_column(name, pa.array(values)) if values else table
    with pytest.raises(ValueError, match=f"column '{name}'"):
        lh.write_corpus(tmp_path / "target", INFO, table)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_a_corpus_without_samples_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        lh.write_corpus(tmp_path / "target", INFO, iter([]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", [False, True])
def test_a_writer_that_fails_half_way_leaves_things_as_they_were(make_corpus, tmp_path, existing):
    table = table_of(make_corpus(tmp_path / "source"))
    target = tmp_path / "target"
    before = lh.Corpus.open(make_corpus(target)).hash if existing else None

    def tables():
        yield table.slice(0, 10)
        yield table.slice(10)
        assert lone_corpus_files(tmp_path) == []
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError):
        lh.write_corpus(target, INFO, tables(), overwrite=existing)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "target"] if existing else ["source"]
    if existing:
        assert lh.Corpus.open(target).hash == before


def lone_corpus_files(folder):
    """Every corpus.json under a folder whose corpus cannot be opened."""
    found = []
    for path in folder.rglob("corpus.json"):
        try:
            lh.Corpus.open(path.parent)
        except lh.CorpusError:
            found.append(path)
    return found


WRITER = """
import os, signal, sys
import pyarrow.parquet as pq
from labelhedge import CorpusInfo, Label, write_corpus

source, target, moment = sys.argv[1:]
table = pq.read_table(source)
seen = []

def watch(event, arguments):
    seen.append(event)
    now = f"{event} {seen.count(event)}"
    if event == "open" and str(arguments[0]).endswith("corpus.json"):
        now = "open corpus.json"
    if now == moment:
        os.kill(os.getpid(), signal.SIGKILL)

def tables():
    yield table
    yield table.slice(0, 0)
    if moment == "second part":
        print("ready", flush=True)
        signal.pause()
    sys.addaudithook(watch)

info = CorpusInfo(name="new", licence="CC0", labels=[Label(id=n, name=n) for n in ("cat", "dog", "owl")])
write_corpus(target, info, tables(), overwrite=True)
print("written", flush=True)
"""


@pytest.mark.parametrize(
    ("moment", "existing"),
    [
        ("second part", False),
        ("second part", True),
        ("open corpus.json", True),
        ("os.rename 1", False),
        ("os.rename 1", True),
        ("os.rename 2", True),
        ("shutil.rmtree 1", True),
    ],
)
def test_a_killed_writer_leaves_no_half_corpus(make_corpus, tmp_path, moment, existing):
    source, target = make_corpus(tmp_path / "source"), tmp_path / "target"
    old = lh.Corpus.open(make_corpus(target, size=10)).hash if existing else None
    command = [sys.executable, "-c", WRITER, str(source / PART), str(target), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        line = writer.stdout.readline()
        if moment == "second part":
            assert line == "ready\n"
            assert target.exists() == existing
            writer.kill()
    assert lone_corpus_files(tmp_path) == []
    assert line != "written\n"
    assert writer.returncode == -signal.SIGKILL
    if moment == "shutil.rmtree 1":  # all is in place but for the cleaning
        assert lh.Corpus.open(target).name == "new"
    elif not existing:
        assert not target.exists()
    elif (
        moment == "os.rename 2"
    ):  # while pieces are exchanged the folder is no corpus, and the new one is whole beside it
        assert not (target / "corpus.json").exists()
        assert "new" in {lh.Corpus.open(path.parent).name for path in tmp_path.rglob("corpus.json")}
    else:
        assert lh.Corpus.open(target).hash == old
    lh.write_corpus(target, INFO, table_of(source), overwrite=True)
    assert lh.Corpus.open(target).name == "written"


def test_writing_leaves_images_in_the_folder_alone(make_corpus, tmp_path):
    source, target = make_corpus(tmp_path / "source"), tmp_path / "target"
    table = table_of(source)
    images = [{"bytes": None, "path": f"photos/{number}.png"} for number in range(len(table))]
    (target / "photos").mkdir(parents=True)
    for image, (_, data) in zip(images, lh.Corpus.open(source).images.read(), strict=True):
        (target / image["path"]).write_bytes(data)
    column = pa.array(images, table["image"].type)
    table = table.set_column(table.column_names.index("image"), "image", column)
    for overwrite in (False, True):
        lh.write_corpus(target, INFO, table, overwrite=overwrite)
        assert lh.Corpus.open(target).samples.digests == lh.Corpus.open(source).samples.digests
    assert {path.name for path in target.iterdir()} == {"photos", "samples", "corpus.json"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# --- Decoding ---


def test_decoding_keeps_the_aspect_ratio_and_fills_with_the_colour_of_the_border():
    for size, ink in [((80, 40), (20, 10)), ((40, 80), (10, 20)), ((64, 64), (20, 20)), ((8, 4), (20, 10))]:
        for ground in ((255, 255, 255), (10, 200, 90)):
            image = Image.new("RGB", size, ground)
            image.paste((0, 0, 0), (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
            pixels = decode(encoded(image), 40)
            assert pixels.shape == (40, 40, 3)
            assert pixels.dtype == np.uint8
            assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == ground).all()
            rows, columns = np.nonzero(pixels[..., 1] < ground[1] // 2)
            assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == pytest.approx(ink, abs=1)
            assert (columns.mean(), rows.mean()) == pytest.approx((19.5, 19.5), abs=0.6)


def test_the_border_colour_is_a_median():
    image = Image.new("RGB", (30, 10), (250, 250, 250))
    image.paste((0, 0, 0), (0, 0, 3, 10))  # a dark edge does not make the filling grey
    assert (decode(encoded(image), 30)[0] == 250).all()


def palette_image(transparent):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 60] + [0] * 750)
    return encoded(image, transparency=1) if transparent else encoded(image)


def grey16(value, kind="PNG"):
    return encoded(Image.fromarray(np.full((8, 8), value, np.uint16)), kind)


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        pytest.param(encoded(Image.new("RGB", (8, 8), (200, 30, 60))), (200, 30, 60), id="RGB"),
        pytest.param(encoded(Image.new("L", (8, 8), 77)), (77, 77, 77), id="L"),
        pytest.param(encoded(Image.new("1", (8, 8), 1)), (255, 255, 255), id="1"),
        pytest.param(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"), (0, 0, 0), id="CMYK"),
        pytest.param(palette_image(False), (200, 30, 60), id="P"),
        pytest.param(palette_image(True), (255, 255, 255), id="P transparent"),
        pytest.param(encoded(Image.new("RGBA", (8, 8))), (255, 255, 255), id="RGBA transparent"),
        pytest.param(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128))), (127, 127, 127), id="RGBA half"),
        pytest.param(encoded(Image.new("RGBA", (8, 8), (9, 8, 7, 255))), (9, 8, 7), id="RGBA opaque"),
        pytest.param(encoded(Image.new("LA", (8, 8), (9, 0))), (255, 255, 255), id="LA transparent"),
        pytest.param(
            encoded(Image.new("RGB", (8, 8), (9, 8, 7)), transparency=(9, 8, 7)),
            (255, 255, 255),
            id="RGB tRNS",
        ),
        pytest.param(encoded(Image.new("L", (8, 8), 9), transparency=9), (255, 255, 255), id="L tRNS"),
        pytest.param(grey16(0), (0, 0, 0), id="16 bit black"),
        pytest.param(grey16(128 * 257), (128, 128, 128), id="16 bit grey"),
        pytest.param(grey16(40 * 257, "TIFF"), (40, 40, 40), id="16 bit TIFF"),
        pytest.param(grey16(65535), (255, 255, 255), id="16 bit white"),
    ],
)
def test_every_mode_becomes_rgb_on_white(data, colour):
    pixels = decode(data, 8)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= 1


def test_extreme_shapes_decode():
    for size in [(1, 1), (1000, 1), (1, 1000), (3, 700)]:
        assert decode(encoded(Image.new("RGB", size, (1, 2, 3))), 16).tolist() == [[[1, 2, 3]] * 16] * 16


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_a_truncated_image_is_a_value_error(kind, share):
    with Image.open(io.BytesIO(picture(size=(50, 40)))) as image:
        data = encoded(image, kind)
    assert decode(data, 8).shape == (8, 8, 3)
    with pytest.raises(ValueError, match="unreadable"):
        decode(data[: int(len(data) * share)], 8)


def test_bytes_that_are_no_image_are_a_value_error():
    noise = np.random.default_rng(0).bytes(500)
    for data in (noise, b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(ValueError, match="unreadable"):
            decode(data, 8)


def test_a_truncated_image_behind_a_good_header_is_found_by_check(make_corpus, tmp_path):
    cells = {(13, "image"): raw(picture(size=(50, 40))[:-500])}
    folder = make_corpus(tmp_path / "corpus", parts=2, cells=cells)
    corpus = lh.Corpus.open(folder)  # looks at headers only
    with pytest.raises(lh.CorpusError, match=r"truncated.*To mend it: ") as caught:
        corpus.check()
    assert (caught.value.file, caught.value.row) == (folder / "samples/part-00001.parquet", 3)
    assert "20 images" in lh.Corpus.open(make_corpus(tmp_path / "good")).check()
