"""Photos are read from folders of images, with the words beside and inside them."""

import io
import json
import struct

import pytest
from PIL import Image

from photos_help import read, written

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
