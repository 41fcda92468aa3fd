"""What `collect download` is asked for: lists of every kind, and lines of them that are none."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import download_help
import hostile_server
from download_help import FAST
from hostile_server import answer, picture
from labelhedge.collect import copy_url, photo_hash
from labelhedge.collect.download import Settings, download
from labelhedge.collect.download.photos import Photos
from labelhedge.collect.records import PHOTO
from labelhedge.errors import LabelhedgeError
from outside_data import outside

fetch, server = download_help.fetch, hostile_server.server


# --- Lists ---


def read(path, **options):
    return [tuple(ask) for batch in Photos(path, **options).batches() for ask in batch]


def test_kinds_of_lists(tmp_path):
    wanted = [("007", "http://a.example/1", None), ("b,c", "http://a.example/2?x=1,2", None), ("d", None, None)]
    (tmp_path / "a.csv").write_text(
        'title,id,url\n"two\nlines",007,http://a.example/1\n,"b,c","http://a.example/2?x=1,2"\n,d,\n'
    )
    assert read(tmp_path / "a.csv") == wanted
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    assert read(tmp_path / "a.csv.gz") == wanted
    (tmp_path / "a.tsv").write_text("key\tlink\n007\thttp://a.example/1\nb,c\thttp://a.example/2?x=1,2\nd\t\n")
    assert read(tmp_path / "a.tsv", id="key", url="link") == wanted
    (tmp_path / "a.txt").write_text("# two\nhttp://a.example/1\r\n\nx http://a.example/2")
    assert read(tmp_path / "a.txt") == [
        ("http://a.example/1", "http://a.example/1", None),
        ("x", "http://a.example/2", None),
    ]
    table = pa.table({"id": pa.array([7, 8]), "url": pa.array(["http://a.example/1", None], pa.large_string())})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("7", "http://a.example/1", None), ("8", None, None)]


def test_a_linked_folder_is_read_part_by_part(server, tmp_path):
    server.otherwise(answer(picture()))
    (tmp_path / "linked" / "photos").mkdir(parents=True)
    for part in range(3):
        rows = [{"id": f"{part}-{row}", "url": server.url(f"/{part}/{row}")} for row in range(4)]
        pq.write_table(pa.Table.from_pylist(rows, PHOTO), tmp_path / "linked" / "photos" / f"part-{part:05d}.parquet")
    summary = download(tmp_path / "linked", tmp_path / "images", settings=Settings(**FAST))
    ids = pq.read_table(tmp_path / "images" / "images.parquet")["id"].to_pylist()
    assert ids == [f"{part}-{row}" for part in range(3) for row in range(4)]
    assert summary.stored == 12


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv is not there"),
        ("a.csv", "id,link\n1,http://a.example\n", "no column 'url' but id, link"),
        ("a.csv", "", "is empty"),
        ("a.csv", "id,url,url\n", "'url' stands twice"),
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.xlsx", "x", "of no known kind"),
    ],
)
def test_lists_that_cannot_be_read_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LabelhedgeError, match=message):
        read(tmp_path / name)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(LabelhedgeError, match="holds no Parquet file"):
        Photos(tmp_path)


def test_a_stray_quote_costs_its_own_row_only(tmp_path):
    rows = [f"{row},http://a.example/{row}.jpg,title" for row in range(1000)]
    rows[2] = '2,http://a.example/2.jpg,"never closed'
    (tmp_path / "a.csv").write_text("\n".join(["id,url,title", *rows]) + "\n")
    asks = read(tmp_path / "a.csv")
    assert len(asks) == 1000
    assert asks[2] == ("a.csv:4", None, "a quote that never closes")
    assert [ask[0] for ask in asks[:2] + asks[3:]] == [str(row) for row in range(1000) if row != 2]


@pytest.mark.parametrize(
    ("name", "content", "problems"),
    [
        (
            "a.csv",
            b"id,url\na,http://a.example/1\n\nb,c,d\nb\n,http://a.example/2\ncaf\xe9,x\nz,http://a.example/3",
            {4: "3 columns, not 2", 5: "1 columns, not 2", 6: "no id", 7: "not UTF-8"},
        ),
        (
            "a.tsv.gz",
            gzip.compress(b"id\turl\na\thttp://a.example/1\nb\tc\td\ncaf\xe9\tx\nz\thttp://a.example/3\n"),
            {3: "3 columns, not 2", 4: "not UTF-8"},
        ),
        (
            "a.txt",
            b"a http://a.example/1\n\nb http://a.example/2 title\n# none\ncaf\xe9 x\nz http://a.example/3",
            {3: "3 words, not an address, or an id and an address", 5: "not UTF-8"},
        ),
    ],
    ids=["csv", "tsv.gz", "txt"],
)
def test_rows_that_are_none_are_counted_and_stop_nothing(tmp_path, name, content, problems):
    (tmp_path / name).write_bytes(content)
    bad = [(f"{name}:{line}", None, problem) for line, problem in problems.items()]
    good = [("a", "http://a.example/1", None), ("z", "http://a.example/3", None)]
    assert read(tmp_path / name) == [good[0], *bad, good[1]]


def test_rows_that_are_none_stand_in_the_table_with_their_reason(server, tmp_path):
    good = server.on("/1", answer(picture()))
    (tmp_path / "a.txt").write_text(f"a {good}\none two three\n")
    summary = download(tmp_path / "a.txt", tmp_path / "images", settings=Settings(**FAST))
    assert (summary.asked, summary.stored, summary.reasons) == (2, 1, {"bad row": 1})
    [_, row] = pq.read_table(tmp_path / "images" / "images.parquet").to_pylist()
    assert (row["id"], row["url"], row["path"]) == ("a.txt:2", None, None)
    assert row["reason"].startswith("bad row: 3 words")


def test_a_photo_without_an_id_in_parquet_is_counted(tmp_path):
    pq.write_table(pa.table({"id": ["a", None], "url": ["http://a.example"] * 2}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a", "http://a.example", None), ("a.parquet:1", None, "no id")]


def test_the_address_of_a_copy_follows_from_the_hash_or_the_address(tmp_path):
    url = "http://farm6.staticflickr.com/5465/10201275523_3e6ea67c7f.jpg"
    hash = "6ae91cc04fe06697c9404a5360b9b62"
    table = pa.table({"id": list("abcd"), "url": [url, url, None, None], "hash": [hash, None, hash, "../../x"]})
    pq.write_table(table, tmp_path / "a.parquet")
    copies = [ask[1] for ask in read(tmp_path / "a.parquet", copy=True)]
    assert copies == [copy_url(hash)] * 3 + [None]
    assert copy_url(hash).endswith(f"/data/images/6ae/91c/{hash}.jpg")
    assert [ask[1] for ask in read(tmp_path / "a.parquet")] == [url, url, None, None]


def test_the_hash_of_real_photos_is_that_of_their_addresses():
    lines = outside("yfcc100m_metadata.tsv").read_text().splitlines()
    photos = [line.split("\t") for line in lines]
    assert len(photos) == 700
    assert all(photo_hash(photo[16]) == photo[2] for photo in photos)
