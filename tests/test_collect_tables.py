"""Photos are read from tables; a broken line costs itself only."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collect_help import yfcc_line
from labelhedge.collect.photos.lines import cut_lines, read_lines
from labelhedge.collect.photos.rows import Piece
from labelhedge.collect.photos.sources import find_inputs, open_sources
from photos_help import read, written


def test_columns_are_guessed_named_or_turned_off(tmp_path):
    path = written(tmp_path / "photos.csv", "Photo ID,caption,keywords,votes,text", "1,A fox,red;fox,3,x")
    (photo,), _ = read(path)
    assert (photo["id"], photo["title"], photo["tags"], photo["votes"]) == ("1", "A fox", ["red", "fox"], "3")
    assert photo["description"] == "x"
    (photo,), _ = read(path, columns={"description": "caption", "tags": ""})
    assert (photo["title"], photo["description"], photo["tags"]) == (None, "A fox", [])
    assert photo["input_text"] == "x"
    (photo,), _ = read(path, keep=["votes"])
    assert list(photo)[-1] == "votes"
    assert "keywords" not in photo


@pytest.mark.parametrize(
    ("value", "options", "tags"),
    [
        ("red fox, snow", {}, ["red fox", "snow"]),
        ("red fox; snow,ice", {}, ["red fox; snow", "ice"]),
        ("a|b", {}, ["a", "b"]),
        ("one tag", {}, ["one tag"]),
        ("two tags", {"tag_separator": " "}, ["two", "tags"]),
        ('["a, b", "c"]', {}, ["a, b", "c"]),
        ("[a]", {}, ["[a]"]),
        ("", {}, []),
    ],
)
def test_tags_in_a_text(tmp_path, value, options, tags):
    path = tmp_path / "photos.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "title", "tags"], ["1", "t", value]])
    (photo,), _ = read(path, **options)
    assert photo["tags"] == tags


def test_quotes_cost_their_own_line_only(tmp_path):
    path = written(
        tmp_path / "photos.csv",
        "id,title",
        '1,"two',
        'lines, ""one"" photo"',
        '2,5" disk',
        '3,"never closed',
        "4,next",
        '5,"text" behind',
        "6,a,b",
        "7,last",
    )
    photos, rejects = read(path)
    assert [(photo["id"], photo["title"]) for photo in photos] == [
        ("1", 'two\nlines, "one" photo'), ("2", '5" disk'), ("4", "next"), ("7", "last"),
    ]  # fmt: skip
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [
        (5, "a quote that never closes"),
        (7, "malformed CSV: ',' expected after '\"'"),
        (8, "3 columns, not 2"),
    ]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz"])
@pytest.mark.parametrize("identity", ["{}", "img_{}.jpg"])
def test_no_line_between_two_stray_quotes_is_swallowed(tmp_path, ending, identity):
    titles = {5: '"wow', 150: 'a pipe of 5"'}
    mark = "\t" if ending == ".tsv" else ","
    rows = [(identity.format(n), titles.get(n, f"title {n}"), f"http://x.org/{n}") for n in range(1, 201)]
    text = "".join(mark.join(row) + "\n" for row in [("id", "title", "url"), *rows])
    path = tmp_path / f"photos{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    photos, rejects = read(path)
    assert not rejects
    assert [(photo["id"], photo["title"], photo["url"]) for photo in photos] == rows


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_a_stray_quote_beside_a_comma_costs_its_own_line_only(tmp_path, order):
    titles = {5: '"wow, great', 150: 'a pipe of 5"'}
    rows = [("id", "title", "url"), *((str(n), titles.get(n, "t"), f"http://x.org/{n}") for n in range(1, 201))]
    path = written(tmp_path / "photos.csv", *(",".join(row[place] for place in order) for row in rows))
    photos, rejects = read(path)
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [(6, "a quote that never closes")]
    assert [photo["id"] for photo in photos] == [str(n) for n in range(1, 201) if n != 5]


@pytest.mark.parametrize(("ending", "mark"), [(".csv", ","), (".tsv", "\t")])
def test_a_field_that_is_quoted_over_lines_stays_one(tmp_path, ending, mark):
    """Even where its lines alone have the number of columns."""
    path = written(
        tmp_path / f"photos{ending}",
        mark.join(["id", "title", "description"]),
        mark.join(["1", "t", '"a poem, in two lines']),
        'of commas, one, two"',
        mark.join(["2", '"over', 'two lines"', "x"][:2]),
        mark.join(['two lines"', "x"]),
        mark.join(["3", "u", "last"]),
    )
    photos, rejects = read(path)
    assert not rejects
    assert [(photo["id"], photo["title"]) for photo in photos] == [("1", "t"), ("2", "over\ntwo lines"), ("3", "u")]
    assert photos[0]["description"] == "a poem, in two lines\nof commas, one, two"


def test_tsv_may_be_quoted_or_not(tmp_path):
    path = written(tmp_path / "photos.tsv", "id\ttitle", '1\t"quoted"', '2\t"so" called', '3\t"open', "4\tlast")
    photos, rejects = read(path)
    assert [photo["title"] for photo in photos] == ["quoted", '"so" called', '"open', "last"]
    assert not rejects


FIELDS = st.text(st.sampled_from('a",\n\r x'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(FIELDS, FIELDS), max_size=8), size=st.integers(1, 4))
def test_what_a_writer_of_csv_wrote_is_read_whole_and_in_pieces(tmp_path_factory, rows, size):
    path = tmp_path_factory.mktemp("csv") / "photos.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["id", "title"], *rows])
    (source,) = open_sources(find_inputs(path))
    assert [record.fields for record in source.records(source.whole())] == [*map(list, rows)]
    pieces = [Piece(0, *piece, 0) for piece in source.pieces(size)]
    assert [piece.length for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    apart = [record for piece in pieces for record in list(source.records(piece))[: piece.length]]
    assert apart == list(source.records(source.whole()))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60).map(lambda raw: raw.replace(b"b", b"\n")), size=st.integers(1, 4))
def test_a_file_cut_at_line_ends_is_the_file(tmp_path_factory, data, size):
    path = tmp_path_factory.mktemp("cut") / "lines"
    path.write_bytes(data)
    wholly = list(read_lines(path))
    assert sum(line.size for line in wholly) == len(data)
    apart = []
    for start, first, length in cut_lines(path, size):
        apart += list(read_lines(path, start, first))[:length]
    assert [line[:2] for line in apart] == [line[:2] for line in wholly]
    assert len(wholly) == len(io.BytesIO(data).readlines())


def test_json_lines(tmp_path):
    path = tmp_path / "photos.jsonl.gz"
    lines = [
        '{"id": 1, "title": "A fox", "tags": ["red", "fox", 7], "votes": {"a": 2}}',
        '{"id": 2, "title": "broken"',
        "[1, 2]",
        "",
        '{"title": "no id"}',
        '{"id": 3, "title": ["a", "list"]}',
        '{"id": 4, "tags": {"a": 1}}',
        '{"id": 5, "title": "half \\ud83d"}',
        "[" * 100_000,
        '{"id": 6, "tags": "a, b"}',
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    photos, rejects = read(path, keep=["votes"])
    assert [photo["id"] for photo in photos] == ["1", "6"]
    assert photos[0]["tags"] == ["red", "fox", "7"]
    assert json.loads(photos[0]["votes"]) == {"a": 2}
    assert [reject["line"] for reject in rejects] == [2, 3, 4, 5, 6, 7, 8, 9]
    reasons = [reject["reason"] for reject in rejects]
    assert reasons[0].startswith("broken JSON")
    assert reasons[1:7] == [
        "no JSON object", "empty line", "no id", "title is a list, not a text",
        "tags are neither a list of texts nor a text", "not Unicode: half of a surrogate pair",
    ]  # fmt: skip


def test_parquet(tmp_path):
    path = tmp_path / "photos.parquet"
    table = pa.table(
        {
            "id": [11, 12, None, 14],
            "caption": pa.array(["A fox", None, "x", "y"], pa.large_string()),
            "keywords": [["red", "fox"], None, [], ["a"]],
            "votes": [1, 2, 3, 4],
            "taken": pa.array([0, 1, 2, 3], pa.timestamp("ns", "UTC")),
            "image": pa.array([{"bytes": b"x", "path": None}] * 4),
        }
    )
    pq.write_table(table, path, row_group_size=2)
    photos, rejects = read(path)
    assert [photo["id"] for photo in photos] == ["11", "12", "14"]
    assert photos[0]["tags"] == ["red", "fox"]
    assert photos[0]["votes"] == 1
    assert photos[0]["taken"].startswith("1970-01-01")
    assert photos[0]["image"] is None  # bytes of a dataset are no path
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [(2, "no id")]
    (source,) = open_sources(find_inputs(path))
    assert list(source.pieces(2)) == [(0, 0, 2), (1, 2, 2)]
    assert list(source.pieces(3)) == [(0, 0, 2), (1, 2, 2)]
    assert list(source.pieces(9)) == [(0, 0, 4)]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("photos.csv", "a,b\n1,2\n", {}, "no column of ids is known among a, b; name it: --columns id=…"),
        ("photos.csv", "id,b\n1,2\n", {}, "no column of words is known among id, b"),
        ("photos.csv", "id,title\n", {"columns": {"titel": "title"}}, "names 'titel', which a photo does not have"),
        ("photos.csv", "id,title\n", {"columns": {"title": "x"}}, "has no column 'x'"),
        ("photos.csv", "id,title\n", {"keep": ["x"]}, "has no column 'x'"),
        ("photos.csv", "id,title,title\n", {}, "stands twice in the header"),
        ("photos.csv", "", {}, "is empty: its first line must name the columns"),
        ("photos.json", '[{"id": 1}]', {}, "is one JSON array: write JSON lines"),
        ("photos.jsonl", "x\ny\n", {}, "no JSON object in its first"),
        ("photos.parquet", "PAR1", {}, "is no readable Parquet file"),
        ("photos.xyz", "what", {}, "the format is not known by its ending"),
        ("photos.csv", "id,title\n", {"format": "excel"}, "--format is 'excel'; it may be yfcc, csv"),
        ("photos.tsv", yfcc_line(1), {"columns": {"id": "x"}}, "whose columns are known"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, content, options, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        read(tmp_path / name, **options)


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds neither images nor tables"):
        read(tmp_path)


def test_a_folder_of_tables_is_read_in_order(tmp_path):
    written(tmp_path / "b.csv", "id,title", "2,x")
    written(tmp_path / "a.csv", "id,title", "1,x")
    assert [photo["id"] for photo in read(tmp_path)[0]] == ["1", "2"]
