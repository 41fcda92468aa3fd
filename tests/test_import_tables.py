"""Tables of image files: CSV, TSV, Parquet, JSON lines; several labels, background, checked ones, bad values."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import columns_of, picture
from labelhedge.cli import app
from labelhedge.collect.importing import Options, import_table
from labelhedge.errors import LabelhedgeError

HEADER = ["", "image", "label", "checked", "part", "title"]  # pandas writes a first column without a name
ROWS = [
    ["0", "photos/a.png", "cat", "", "training", "my cat"],
    ["1", "photos/b c.png", "cat | dog", "dog", "train", ""],
    ["2", "photos/d.png", "background", "Cafe\u0301", "train", 'le caf\u00e9, "the" best'],
    ["3", "photos/e.png", "dog", "background", "val", "x"],
    ["4", "photos/f.png", "", "", "train", "nobody labelled it"],
    ["5", "photos/g.png", "dog", "cat|dog", "test", "y"],
]
EXPECTED = {
    "photos/a.png": ("train", ["cat"], None, False),
    "photos/b c.png": ("train", ["cat", "dog"], ["dog"], True),
    "photos/d.png": ("train", [], ["Caf\u00e9"], True),
    "photos/e.png": ("dev", ["dog"], [], False),
    "photos/g.png": ("test", ["dog"], ["cat", "dog"], False),
}
COLUMNS = {"verified": "checked", "split": "part"}


def names_of(folder):
    """Rows by id, labels by name."""
    rows, names = columns_of(folder), [label.name for label in lh.Corpus.open(folder).labels]
    labels = [
        [None if found is None else sorted(names[label] for label in found) for found in rows[column]]
        for column in ("observed", "verified")
    ]
    return dict(zip(rows["id"], zip(rows["split"], *labels, rows["trusted"], strict=True), strict=True))


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, row in enumerate(ROWS):
        (tmp_path / row[1]).write_bytes(picture(number))
    return tmp_path


def write(folder, kind, rows=ROWS, header=HEADER):
    path = folder / f"images.{kind}"
    if kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter="," if kind == "csv" else "\t").writerows([header, *rows])
        return path

    def labels(text):
        named = [] if text == "background" else [name.strip() for name in text.split("|")]
        return None if text == "" else named

    content = [
        {"image": row[1], "label": labels(row[2]), "checked": labels(row[3]), "part": row[4], "title": [row[5]]}
        for row in rows
    ]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(content), path)
    else:
        path.write_text("\n".join(json.dumps(row) for row in content) + "\n\n")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl"])
def test_a_table_becomes_a_corpus(photos, kind):
    done = import_table(write(photos, kind), photos / "c", text=["title"], **COLUMNS)
    assert names_of(photos / "c") == EXPECTED
    assert done.corpus.info.text == ("title",)
    assert columns_of(photos / "c")["title"][2] == ['le caf\u00e9, "the" best']
    assert columns_of(photos / "c")["image"][1]["bytes"] == picture(1)
    assert "1 of 6 left out, see left-out.csv: 1 × no label" in done.remarks


def test_as_a_command_with_images_elsewhere_and_a_column_of_trust(photos, monkeypatch):
    rows = [[*row, "yes" if row[0] == "2" else "no"] for row in ROWS]
    (photos / "tables").mkdir()
    write(photos / "tables", "csv", rows, [*HEADER, "mine"])
    monkeypatch.chdir(photos)
    arguments = "tables/images.csv c --verified checked --trusted mine --split-column part --images .".split()
    done = CliRunner().invoke(app, ["corpus", "import", "table", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    untrusted = {"photos/b c.png": (*EXPECTED["photos/b c.png"][:3], False)}
    assert names_of(photos / "c") == EXPECTED | untrusted


def test_splits_are_made_where_the_table_has_none(photos):
    for number in range(60):
        (photos / "photos" / f"{number}.png").write_bytes(picture(100 + number))
    rows = [[str(n), f"photos/{n}.png", "cat,dog"[4 * (n % 2) :][:3], "cat", "", ""] for n in range(60)]
    done = import_table(
        write(photos, "csv", rows), photos / "c", verified="checked", options=Options(split="6:3:1", exclusive=True)
    )
    described = done.corpus.describe()
    assert (described.train, described.test, described.dev) == (36, 18, 6)
    assert described.clean == 36
    assert done.corpus.info.exclusive


def changed(place, column, value):
    rows = [list(row) for row in ROWS]
    rows[place][column] = value
    return rows


@pytest.mark.parametrize(
    ("kind", "rows", "settings", "message"),
    [
        ("csv", ROWS, {"label": "tags"}, "no column 'tags'; it has , image, label, checked, part, title"),
        ("parquet", ROWS, {"label": "tags"}, "no column 'tags'; it has image, label"),
        ("jsonl", ROWS, {"label": "tags"}, "no column 'tags'; it has image, label"),
        ("csv", changed(3, 4, "holdout"), COLUMNS, "line 5: part is 'holdout': write one of train, training, dev"),
        ("csv", changed(1, 1, ""), COLUMNS, "line 3: image is '', where the path of a file is needed"),
        ("csv", changed(1, 2, "cat|background"), COLUMNS, "line 3: label is cat, background: background stands for no"),
        ("csv", [*ROWS, ["6", "x.png", "cat"]], COLUMNS, "line 8: not as many fields as the first line names"),
        ("csv", ROWS, {**COLUMNS, "trusted": "title"}, "line 2: title is 'my cat': write true or false"),
        ("csv", ROWS, {"label": "twice"}, "the column 'twice' stands twice"),
        ("csv", ROWS, {"images": "nowhere"}, "there is no folder nowhere"),
        ("csv", ROWS, {"separator": ""}, "--separator is empty"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(photos, kind, rows, settings, message):
    twice = ["twice" if settings.get("label") == "twice" and name in ("label", "checked") else name for name in HEADER]
    table = write(photos, kind, rows, twice)
    with pytest.raises(LabelhedgeError, match=message):
        import_table(table, photos / "c", **settings)
    assert not (photos / "c").exists()


def test_what_is_no_table_is_refused(photos):
    for name, content, message in (
        ("a.txt", "image,label\n", r"the ending tells what a table is: name one of \.csv, \.tsv, \.parquet"),
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.csv", b"image,label\n\xff\xfe,cat\n", "is no text in UTF-8"),
        ("a.jsonl", "{", "line 1: not JSON"),
        ("b.jsonl", "[1]", "line 1: a JSON object is needed"),
    ):
        (photos / name).write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(LabelhedgeError, match=message):
            import_table(photos / name, photos / "c")
    with pytest.raises(LabelhedgeError, match="there is no file"):
        import_table(photos / "nowhere.csv", photos / "c")


def test_an_image_that_is_not_there_is_left_out_with_its_reason(photos):
    (photos / "photos" / "a.png").unlink()
    done = import_table(write(photos, "csv"), photos / "c", **COLUMNS)
    assert "photos/a.png" not in names_of(photos / "c")
    assert any("1 × the file cannot be read" in remark for remark in done.remarks)
