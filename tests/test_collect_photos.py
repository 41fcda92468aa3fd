"""Photos are read from metadata, tables and folders; what is no photo is kept with its reason, and nothing is lost."""

import bz2
import csv
import gzip
import io
import json
import lzma
import struct
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from collect_help import yfcc_line
from labelhedge.collect import copy_url, photo_hash, read_photos
from labelhedge.collect.photos.lines import LONGEST, cut_lines, read_lines
from labelhedge.collect.photos.rows import Piece, plain_text
from labelhedge.collect.photos.sources import find_inputs, open_sources
from outside_data import outside


def read(path, **options):
    """All photos and all rejects of an input, as rows; each line is one of them."""
    batches = list(read_photos(path, **options))
    photos = [row for batch in batches for row in batch.photos.to_pylist()]
    rejects = [row for batch in batches for row in batch.rejects.to_pylist()]
    assert sum(batch.read for batch in batches) == len(photos) + len(rejects)
    return photos, rejects


def written(path, *lines, end="\n"):
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


# --- YFCC100M


def test_a_line_of_metadata_becomes_a_photo(tmp_path):
    line = yfcc_line(
        7, title="A+red+fox%21", description="At+%3Cb%3Edawn%3C%2Fb%3E%0Anear+%26amp%3B+far", longitude="-81.5",
        tags="red+fox,sam%2C+the+pirate,caf%C3%A9", latitude="24.5", machine_tags="a%3Ab%3Dc",
    )  # fmt: skip
    (photo,), rejects = read(written(tmp_path / "photos.tsv", line))
    assert not rejects
    assert photo["id"] == "7"
    assert photo["title"] == "A red fox!"
    assert photo["description"] == "At dawn\nnear & far"
    assert photo["tags"] == ["red fox", "sam, the pirate", "café"]
    assert photo["text"] == "A red fox!\nred fox, sam, the pirate, café\nAt dawn\nnear & far"
    assert photo["url"] == "http://farm1.staticflickr.com/1/7_a.jpg"
    assert photo["image"] is None
    assert photo["creator"] == "nick name"
    assert photo["licence"] == "Attribution License"
    assert photo["machine_tags"] == ["a:b=c"]
    assert (photo["longitude"], photo["latitude"]) == (-81.5, 24.5)
    assert photo["hash"] == photo_hash(photo["url"])
    assert photo["copy_url"] == copy_url(photo["hash"])


def test_both_forms_of_metadata_give_the_same_photo(tmp_path):
    long, _ = read(written(tmp_path / "long", yfcc_line(7, title="A+fox")), format="yfcc")
    short, _ = read(written(tmp_path / "short", yfcc_line(7, title="A+fox", short=True)), format="yfcc")
    assert long == short


def test_lines_that_are_no_photo_are_kept_with_their_reason(tmp_path):
    path = tmp_path / "photos.tsv"
    lines = [
        yfcc_line(1, title="ok"),
        yfcc_line(2, marker="1"),
        "only\tfour\tcolumns\there",
        "",
        yfcc_line(""),
        yfcc_line("x9"),
        yfcc_line(3, marker="2"),
        yfcc_line(4, longitude="east"),
        yfcc_line(5).removesuffix("\t0") + "\t",  # the last field is empty, not absent
        yfcc_line(6, title="a" * LONGEST),
        yfcc_line(8, title="also+ok"),
    ]
    data = [line.encode() for line in lines]
    data.insert(10, yfcc_line(7, title="caf\u00e9").encode("latin-1"))
    path.write_bytes(b"\n".join(data))  # without a line end at the end
    photos, rejects = read(path)
    assert [photo["id"] for photo in photos] == ["1", "8"]
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [
        (2, "a video"),
        (3, "4 columns, not 25 or 23"),
        (4, "empty line"),
        (5, "no id"),
        (6, "the photo id is no number"),
        (7, "the marker is neither 0 (photo) nor 1 (video)"),
        (8, "longitude or latitude is no number"),
        (9, "the marker is neither 0 (photo) nor 1 (video)"),
        (10, f"longer than {LONGEST:,} bytes"),
        (11, "not UTF-8"),
    ]
    assert rejects[1]["content"] == lines[2]
    assert "caf\\xe9" in rejects[-1]["content"]
    assert len(rejects[-2]["content"]) == 10_000
    assert {reject["file"] for reject in rejects} == {str(path)}


def test_empty_trailing_fields_and_broken_encodings_of_text_are_no_fault(tmp_path):
    line = yfcc_line(1, title="caf%E9", short=True)
    (photo,), _ = read(written(tmp_path / "photos.tsv", line, end="\r\n"))
    assert photo["title"] == "caf\ufffd"
    assert photo["tags"] == []
    assert photo["description"] is None


@pytest.mark.parametrize(("ending", "compress"), [(".bz2", bz2.compress), (".gz", gzip.compress)])
def test_compressed_metadata(tmp_path, ending, compress):
    plain = written(tmp_path / "photos.tsv", *(yfcc_line(number, title=f"t{number}") for number in range(1, 30)))
    packed = tmp_path / f"photos.tsv{ending}"
    packed.write_bytes(compress(plain.read_bytes()))
    assert read(packed)[0] == read(plain)[0]


@pytest.mark.parametrize(("ending", "compress"), [(".bz2", bz2.compress), (".gz", gzip.compress)])
def test_a_damaged_file_says_where_it_ends(tmp_path, ending, compress):
    lines = [yfcc_line(number, title=f"title+{number * 7919 % 1000}") for number in range(1, 2000)]
    path = tmp_path / f"photos{ending}"
    whole = compress("\n".join(lines).encode())
    path.write_bytes(whole[: len(whole) * 2 // 3])
    photos, rejects = read(path, format="yfcc")
    assert rejects[-1]["reason"] == "the file is damaged here, what follows was not read"
    assert rejects[-1]["line"] == len(photos) + len(rejects)


@pytest.mark.parametrize(
    ("ending", "compress"), [(".bz2", bz2.compress), (".xz", lzma.compress), (".gz", gzip.compress)]
)
def test_a_file_of_several_streams_is_read_whole_or_says_where_it_is_damaged(tmp_path, ending, compress):
    lines = [yfcc_line(number, title=f"title+{number}") + "\n" for number in range(1, 101)]
    first, second = (compress("".join(part).encode()) for part in (lines[:50], lines[50:]))
    path = tmp_path / f"photos{ending}"
    path.write_bytes(first + second + b"\0" * 8)
    photos, rejects = read(path, format="yfcc")
    assert (len(photos), len(rejects)) == (100, 0)
    for damaged in (first + b"XXXX" + second[4:], first + second[:3], first + b"\0" * 4 + b"XX"):
        path.write_bytes(damaged)
        photos, rejects = read(path, format="yfcc")
        assert len(photos) == 50
        assert [(reject["line"], reject["reason"]) for reject in rejects] == [
            (51, "the file is damaged here, what follows was not read")
        ]
    path.write_bytes(b"")
    assert not read(path, format="yfcc")[0]


def test_metadata_is_known_though_its_first_line_is_damaged(tmp_path):
    lines = [yfcc_line(number, title="A+fox") for number in range(1, 30)]
    photos, rejects = read(written(tmp_path / "photos.tsv", lines[0][50:], *lines[1:]))
    assert (len(photos), [reject["line"] for reject in rejects]) == (28, [1])
    with pytest.raises(ValueError, match="if it is metadata of YFCC100M: --format yfcc"):
        read(written(tmp_path / "photos.tsv", lines[0][50:]))


def test_the_real_lines_are_all_read():
    photos, rejects = read(outside("yfcc100m_metadata.tsv"))
    assert (len(photos), len(rejects)) == (700, 0)
    assert all(photo["hash"] == photo_hash(photo["url"]) for photo in photos)
    assert not any("<" in (photo["description"] or "") and "href=" in photo["description"] for photo in photos)
    assert sum("\n" in (photo["description"] or "") for photo in photos) > 40
    assert len({photo["id"] for photo in photos}) == 700


# --- tables


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


# --- HTML


@pytest.mark.parametrize(
    "text", ["<a " * 100_000, "<script>" * 100_000, "<!--" * 100_000, "</p" * 100_000, "<a href='" * 100_000,
             "&lt;" * 100_000, "&#" + "9" * 500_000 + ";", "<" * 300_000 + "b", "<b>" * 100_000],
)  # fmt: skip
def test_no_text_takes_long_to_be_made_plain(text):
    begun = time.perf_counter()
    plain_text(text)
    plain_text(text + "<i>fox</i>")
    assert time.perf_counter() - begun < 1


def test_html_is_made_plain():
    assert plain_text('<p class="a">A&nbsp;fox</p><SCRIPT>var a = "<b>";</SCRIPT> &lt;b&gt;') == "A\xa0fox <b>"
    assert plain_text("I <3 this, 2 < 3 > 1 <unclosed") == "I <3 this, 2 < 3 > 1 <unclosed"
    assert plain_text("a<br/>b<!-- gone -->c</div>") == "a\nbc"


# --- folders of images

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">XMP title</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>xmp tag</rdf:li><rdf:li>fox</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def iptc_jpeg(**fields):
    """A JPEG with IPTC data, as cameras and picture agencies write it."""
    numbers = {"title": 5, "tags": 25, "creator": 80, "description": 120}
    records = b""
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            records += struct.pack(">BBBH", 0x1C, 2, numbers[name], len(value)) + value
    block = b"8BIM" + struct.pack(">H2xI", 0x0404, len(records)) + records + b"\0" * (len(records) % 2)
    block = b"Photoshop 3.0\0" + block
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "JPEG")
    return b"\xff\xd8\xff\xed" + struct.pack(">H", len(block) + 2) + block + plain.getvalue()[2:]


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep" / "er").mkdir(parents=True)
    image = Image.new("RGB", (8, 8))
    image.save(folder / "a.jpg")
    (folder / "a.txt").write_text("\ufeffA fox at dawn\r\n")
    image.save(folder / "b.png")
    (folder / "b.png.json").write_text(json.dumps({"title": "B", "keywords": ["x", "y"], "license": "CC0", "n": 1}))
    (folder / "c.jpg").write_bytes(iptc_jpeg(title=b"IPTC title", tags=[b"red fox", b"caf\xe9"], creator=b"Ann"))
    exif = Image.Exif()
    exif[270], exif[0x9C9E] = "EXIF words", "one tag;fox".encode("utf-16-le")
    image.save(folder / "deep" / "d.jpg", exif=exif)
    (folder / "deep" / "d.xmp").write_text(XMP)
    image.save(folder / "deep" / "er" / "e.webp", xmp=XMP.encode())
    return folder


def test_words_beside_and_inside_images(pictures):
    photos, rejects = read(pictures)
    assert not rejects
    found = {photo["id"]: photo for photo in photos}
    assert list(found) == ["a.jpg", "b.png", "c.jpg", "deep/d.jpg", "deep/er/e.webp"]
    assert found["a.jpg"]["description"] == "A fox at dawn"
    assert found["a.jpg"]["image"] == str(pictures / "a.jpg")
    assert found["a.jpg"]["url"] is None
    assert (found["b.png"]["title"], found["b.png"]["tags"], found["b.png"]["licence"]) == ("B", ["x", "y"], "CC0")
    assert (found["c.jpg"]["title"], found["c.jpg"]["tags"]) == ("IPTC title", ["red fox", "café"])
    assert found["c.jpg"]["creator"] == "Ann"
    deep = found["deep/d.jpg"]
    assert (deep["title"], deep["description"], deep["tags"]) == (
        "XMP title", "EXIF words", ["xmp tag", "fox", "one tag"],
    )  # fmt: skip
    assert found["deep/er/e.webp"]["tags"] == ["xmp tag", "fox"]


def test_files_of_a_folder_that_are_no_photo(pictures):
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    (pictures / "film.mp4").write_bytes(b"")
    (pictures / "lonely.txt").write_text("of nothing")
    (pictures / ".hidden").write_text("")
    (pictures / "a.json").write_text("{")
    (pictures / "c.xmp").write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    (pictures / "b.txt").write_bytes(b"\xff\xfe")
    photos, rejects = read(pictures)
    assert len(photos) == 2
    assert {reject["content"]: reject["reason"] for reject in rejects} == {
        "a.jpg": "its .json sidecar is broken",
        "b.png": "its .txt sidecar is not UTF-8",
        "broken.jpg": "the image cannot be opened",
        "c.jpg": "its .xmp sidecar has a document type, which XMP never has",
        "film.mp4": "no image (ending .mp4)",
        "lonely.txt": "a sidecar without an image",
    }


def test_own_columns_of_json_beside_images(pictures):
    found = {photo["id"]: photo for photo in read(pictures, keep=["n"], columns={"title": "license"})[0]}
    assert (found["b.png"]["n"], found["b.png"]["title"]) == ("1", "CC0")
    assert found["a.jpg"]["n"] is None
    with pytest.raises(ValueError, match="of JSON beside images, title, description"):
        read(pictures, columns={"id": "n"})


def test_ids_of_several_folders_are_apart(tmp_path):
    for name in ("one/a", "one/b", "two/a"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name / "IMG_0.JPG", "JPEG")
    one, other, same = (tmp_path / name for name in ("one/a", "one/b", "two/a"))
    assert [photo["id"] for photo in read([one, other])[0]] == ["a/IMG_0.JPG", "b/IMG_0.JPG"]
    assert [photo["id"] for photo in read([one, same])[0]] == ["one/a/IMG_0.JPG", "two/a/IMG_0.JPG"]
    assert [photo["id"] for photo in read([one])[0]] == ["IMG_0.JPG"]
    table = written(tmp_path / "more.csv", "id,title", "1,x")
    assert [photo["id"] for photo in read([one, table])[0]] == ["IMG_0.JPG", "1"]


def test_sidecars_in_upper_case_count(tmp_path):
    for name in ("x.jpg", "y.JPG", "z.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "x.TXT").write_text("a fox")
    (tmp_path / "y.JPG.Json").write_text('{"title": "a hare"}')
    (tmp_path / "z.XMP").write_text(XMP)
    photos, rejects = read(tmp_path)
    assert not rejects
    assert [photo["title"] or photo["description"] for photo in photos] == ["a fox", "a hare", "XMP title"]


def test_a_damaged_field_of_metadata_costs_itself_only(tmp_path):
    exif = Image.Exif()
    exif[270] = "EXIF words"
    exif[0x9C9B] = tuple(ord(mark) for mark in "Café Ω\0")  # XPTitle as SHORT
    exif[0x9C9E] = 3.5  # XPKeywords as a number
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    (photo,), rejects = read(tmp_path)
    assert not rejects
    assert (photo["title"], photo["description"], photo["tags"]) == ("Café Ω", "EXIF words", [])


def test_damaged_metadata_does_not_make_an_image_a_reject(tmp_path):
    plain = io.BytesIO()
    Image.new("RGB", (8, 8)).save(plain, "JPEG")
    for number, block in enumerate(
        [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage!", b"Exif\0\0MM\0*\0\0\0\x08\0\x05"]
    ):
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
        (tmp_path / f"{number}.jpg").write_bytes(b"\xff\xd8" + segment + plain.getvalue()[2:])
    photos, rejects = read(tmp_path)
    assert not rejects
    assert len(photos) == 3
