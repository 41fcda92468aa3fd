"""The metadata of YFCC100M: one photo a line, 25 or 23 columns, and where a photo's public copy lies.

    0 line, 1 photo id, 2 hash, 3 user id, 4 nickname, 5 taken, 6 uploaded, 7 device, 8 title, 9 description,
    10 user tags, 11 machine tags, 12 longitude, 13 latitude, 14 accuracy, 15 page URL, 16 download URL, 17 licence,
    18 licence URL, 19 server, 20 farm, 21 secret, 22 original secret, 23 extension, 24 marker (0 photo, 1 video)

The form with 23 columns lacks 0 and 2. Tab separated, no header, no quoting; text is form-urlencoded, and tags are
parted by commas before they are decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_plus

import pyarrow as pa

from labelhedge.collect.photos.lines import Line, cut_lines, is_compressed, read_lines
from labelhedge.collect.photos.rows import Photo, Piece, Reject, Source, plain_text

OWN = (
    pa.field("hash", pa.string()),
    pa.field("copy_url", pa.string()),
    pa.field("user_id", pa.string()),
    pa.field("date_taken", pa.string()),
    pa.field("device", pa.string()),
    pa.field("machine_tags", pa.list_(pa.string())),
    pa.field("longitude", pa.float64()),
    pa.field("latitude", pa.float64()),
    pa.field("licence_url", pa.string()),
    pa.field("extension", pa.string()),
)
COPY = "https://multimedia-commons.s3-us-west-2.amazonaws.com/data/images/{}/{}/{}.jpg"


def photo_hash(download_url: str) -> str:
    """The hash by which YFCC100M names a photo, from its download URL.

    It is the MD5 with each byte printed without a leading zero, so it may be shorter than 32 characters.

    Examples
    --------
    >>> photo_hash("http://farm1.staticflickr.com/1/2_3.jpg")
    '8ab268b0c04d79eebacbe1a459edd5f7'
    """
    return "".join(f"{byte:x}" for byte in hashlib.md5(download_url.encode(), usedforsecurity=False).digest())


def copy_url(hash: str) -> str:
    """Where the public copy of a photo lies.

    Examples
    --------
    >>> copy_url("8ab268b0c04d79eebacbe1a459edd5f7")
    'https://multimedia-commons.s3-us-west-2.amazonaws.com/data/images/8ab/268/8ab268b0c04d79eebacbe1a459edd5f7.jpg'
    """
    return COPY.format(hash[:3], hash[3:6], hash)


class YFCC(Source):
    """A metadata file of YFCC100M, plain or compressed."""

    own = OWN

    def __init__(self, path: Path) -> None:
        self.path = path

    def pieces(self, size: int) -> Iterator[tuple[int, int, int | None]]:
        """Cut a plain file at line ends; a compressed one is a single piece."""
        return iter([(0, 1, None)]) if is_compressed(self.path) else cut_lines(self.path, size)

    def records(self, piece: Piece) -> Iterator[Line]:
        """The lines of a piece."""
        return read_lines(self.path, piece.start, piece.line)

    def photo(self, record: Line) -> Photo | Reject:
        """The photo of a line; a video is a reject."""
        number, _, text = record
        if isinstance(text, Reject):
            return text
        line = text.removesuffix("\n").removesuffix("\r")
        row = parse(line)
        return Reject(number, row, line) if isinstance(row, str) else row


def looks_like_yfcc(line: str) -> bool:
    """Whether a line may be one of the metadata."""
    fields = line.rstrip("\r\n").split("\t")
    if len(fields) == 25:
        return fields[1].isdecimal() and fields[24] in ("0", "1")
    return len(fields) == 23 and fields[0].isdecimal() and fields[22] in ("0", "1")


def parse(line: str) -> Photo | str:
    """A line without its end as a photo, or the reason why it is none."""
    fields = line.split("\t")
    if len(fields) == 25:
        given = fields[2]
        del fields[2], fields[0]
    elif len(fields) == 23:
        given = ""
    else:
        return f"{len(fields)} columns, not 25 or 23" if line else "empty line"
    identity, url = fields[0], fields[14]
    if fields[22] != "0":
        return "a video" if fields[22] == "1" else "the marker is neither 0 (photo) nor 1 (video)"
    if not identity:
        return "no id"
    if not identity.isdecimal():
        return "the photo id is no number"
    try:
        longitude, latitude = (float(field) if field else None for field in fields[10:12])
    except ValueError:
        return "longitude or latitude is no number"
    hash = given or (photo_hash(url) if url else None)
    return {
        "id": identity,
        "title": _text(fields[6]),
        "description": plain_text(decoded) if (decoded := _text(fields[7])) else None,
        "tags": _tags(fields[8]),
        "url": url or None,
        "page_url": fields[13] or None,
        "creator": _text(fields[2]) or fields[1] or None,
        "licence": fields[15] or None,
        "hash": hash,
        "copy_url": copy_url(hash) if hash else None,
        "user_id": fields[1] or None,
        "date_taken": fields[3] if fields[3] not in ("", "null") else None,
        "device": _text(fields[5]),
        "machine_tags": _tags(fields[9]),
        "longitude": longitude,
        "latitude": latitude,
        "licence_url": fields[16] or None,
        "extension": fields[21] or None,
    }


def _text(field: str) -> str | None:
    if "%" in field:
        field = unquote_plus(field)
    elif "+" in field:
        field = field.replace("+", " ")
    return field.strip() or None


def _tags(field: str) -> list[str]:
    if "%" in field:  # a comma may be encoded, so parting comes first
        return [tag for part in field.split(",") if (tag := _text(part))]
    return [tag for part in field.replace("+", " ").split(",") if (tag := part.strip())] if field else []
