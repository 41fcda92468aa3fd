"""Photos are read from YFCC100M's metadata; what is no photo is kept with its reason, and nothing is lost."""

import bz2
import gzip
import lzma
import time

import pytest

from collect_help import yfcc_line
from labelhedge.collect import copy_url, photo_hash
from labelhedge.collect.photos.lines import LONGEST
from labelhedge.collect.photos.rows import plain_text
from outside_data import outside
from photos_help import read, written

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
