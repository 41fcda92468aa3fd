"""Malformed corpora: each is refused with file, row and mend."""

from __future__ import annotations

import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelhedge as lh
from corpus_help import (
    FIXED,
    PART,
    at,
    labels,
    only_second,
    picture,
    raw,
    refusal,
)

# --- What is refused ---


def test_a_missing_folder_and_a_file_in_its_place_are_refused(tmp_path):
    assert "no such folder" in refusal(tmp_path / "none", ".")
    (tmp_path / "file").write_text("text")
    assert "no such folder" in refusal(tmp_path / "file", ".")


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
    assert re.search("not a Parquet file|the file is damaged", refusal(folder, PART))


@pytest.mark.parametrize("column", ["id", "split", "observed.", "verified.", "trusted", "image.b", "image.p"])
def test_a_parquet_file_with_one_damaged_column_is_refused(make_corpus, tmp_path, column):
    folder = make_corpus(tmp_path / "corpus", use_dictionary=False)
    group = pq.read_metadata(folder / PART).row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    (start,) = [chunk.data_page_offset for chunk in chunks if chunk.path_in_schema.startswith(column)]
    data = bytearray((folder / PART).read_bytes())
    data[start : start + 12] = b"\xff" * 12
    (folder / PART).write_bytes(data)
    assert "the file is damaged" in refusal(folder, PART)
