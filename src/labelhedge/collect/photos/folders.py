"""Photos of a folder of images, with the words that lie beside or inside them.

Beside `fox.jpg`: `fox.txt` or `fox.jpg.txt` (a description), `fox.json` or `fox.jpg.json` (an object with title, tags,
and so on, by the usual names of columns), `fox.xmp` or `fox.jpg.xmp`. Inside: XMP, IPTC and EXIF, also the
keywords that Windows writes. What is beside wins over what is inside; tags of all are joined.

A photo's id is its path in the folder; where several folders are read, with the folder's name before it. Hidden files
are passed over; any other file that is neither an image nor an image's sidecar is a reject.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import ExifTags, Image, ImageFile, IptcImagePlugin, UnidentifiedImageError

from labelhedge.collect.photos.columns import USUAL, guess_columns, own_name, photo_from
from labelhedge.collect.photos.lines import LONGEST, cut_lines, read_lines
from labelhedge.collect.photos.rows import Photo, Piece, Reject, Source
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

IMAGES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ppm")
SIDECARS = (".txt", ".json", ".xmp")
_WORDS = ("title", "description", "tags", "creator", "licence", "page_url")
_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_IPTC = {"title": (2, 5), "description": (2, 120), "creator": (2, 80), "licence": (2, 116), "tags": (2, 25)}
_EXIF = {
    "title": ExifTags.Base.XPTitle,
    "description": ExifTags.Base.ImageDescription,
    "creator": ExifTags.Base.Artist,
    "licence": ExifTags.Base.Copyright,
    "tags": ExifTags.Base.XPKeywords,
}


_PLACES = 50
"""Folders whose sidecars are remembered."""
_DAMAGE = (
    OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, struct.error,
)  # fmt: skip
"""What Pillow raises on damaged metadata."""


class _Broken(Exception):
    """Something beside or inside an image that cannot be read."""


class Folder(Source):
    """A folder of images, and the folders in it.

    Parameters
    ----------
    path : Path
        The folder.
    listing : Path, optional
        A file that `write_listing` made of it: with one, the folder is cut into pieces without being walked again.
    columns, keep, separator
        For JSON sidecars, as for tables.
    name : str, optional
        Put before the ids, where there are several folders (see `folder_names`).
    """

    def __init__(
        self,
        path: Path,
        listing: Path | None = None,
        columns: Mapping[str, str] | None = None,
        keep: Sequence[str] | None = None,
        separator: str | None = None,
        name: str = "",
    ) -> None:
        self.path, self.listing, self.separator = path, listing, separator
        self._before = f"{name}/" if name else ""
        self._sidecars: dict[Path, dict[str, list[Path]]] = {}
        for column in columns or {}:
            if column not in _WORDS:
                raise LabelhedgeError(
                    f"--columns names {column!r}: of JSON beside images, {', '.join(_WORDS)} can be named"
                )
        self._columns, self._keep = dict(columns or {}), tuple(keep or ())
        self.own = tuple(pa.field(own_name(name), pa.string()) for name in self._keep)

    def pieces(self, size: int) -> Iterator[tuple[int, int, int | None]]:
        """Cut the listing, where there is one."""
        return cut_lines(self.listing, size) if self.listing else iter([(0, 1, None)])

    def records(self, piece: Piece) -> Iterator[tuple[int, str]]:
        """Paths in the folder, numbered."""
        if self.listing is None:
            yield from islice(enumerate(walk(self.path), 1), piece.line - 1, None)
            return
        for line in read_lines(self.listing, piece.start, piece.line):
            yield line.number, json.loads(str(line.text))

    def photo(self, record: tuple[int, str]) -> Photo | Reject:
        """The photo of an image file with its words."""
        number, name = record
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if shown != name:
            return Reject(number, "the file's name is not UTF-8", shown)
        path = self.path / name
        if path.suffix.lower() not in IMAGES:
            lonely = path.suffix.lower() in SIDECARS
            reason = "a sidecar without an image" if lonely else f"no image (ending {path.suffix.lower() or 'none'})"
            return Reject(number, reason, name)
        try:
            inside = _inside(path)
            return {"id": self._before + name, "image": str(path)} | _merged([*self._beside(path), *inside])
        except _Broken as error:
            return Reject(number, str(error), name)

    def _beside(self, path: Path) -> Iterator[Photo]:
        if path.parent not in self._sidecars:
            if len(self._sidecars) >= _PLACES:
                self._sidecars.clear()
            self._sidecars[path.parent] = sidecars_in(path.parent)
        beside = self._sidecars[path.parent]
        for suffix in SIDECARS:
            for owner in (path.name, path.stem):
                yield from (self._sidecar(found) for found in beside.get(owner, ()) if found.suffix.lower() == suffix)

    def _sidecar(self, path: Path) -> Photo:
        suffix = path.suffix.lower()
        if path.stat().st_size > LONGEST:
            raise _Broken(f"its {suffix} sidecar is longer than {LONGEST:,} bytes")
        raw = path.read_bytes()
        if suffix == ".xmp":
            return _xmp(raw, "its .xmp sidecar")
        try:
            text = raw.decode("utf-8-sig")
            if suffix == ".txt":
                return {"description": text.strip().replace("\r\n", "\n") or None}
            values = json.loads(text)
            json.dumps(values, ensure_ascii=False).encode()
        except UnicodeError as error:
            raise _Broken(f"its {suffix} sidecar is not UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise _Broken("its .json sidecar is broken") from error
        if not isinstance(values, dict):
            raise _Broken("its .json sidecar is no JSON object")
        return self._from_json(values)

    def _from_json(self, values: dict[str, Any]) -> Photo:
        unused = {column: "" for column in USUAL if column not in _WORDS}
        mapping = guess_columns(list(values), unused | self._columns)
        photo = photo_from(values | {"": "-"}, mapping | {"id": ""}, self.separator)
        if isinstance(photo, str):
            raise _Broken(f"its .json sidecar: {photo}")
        del photo["id"]
        for name, field in zip(self._keep, self.own, strict=True):
            value = values.get(name)
            photo[field.name] = value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)
        return photo


def walk(folder: Path) -> Iterator[str]:
    """The files that `Folder` counts, by name in each folder, as paths in it with ``/``."""
    return (name for name, _, counts in _walk(folder) if counts)


def folder_state(folder: Path) -> str:
    """A hash of names, sizes and times of all files that `Folder` looks at: another one where any has changed."""
    state = hashlib.sha256()
    for name, entry, _ in _walk(folder):
        known = entry.stat()
        state.update(f"{name!r} {known.st_size} {known.st_mtime_ns}\n".encode())
    return state.hexdigest()


def folder_names(folders: Sequence[Path]) -> list[str]:
    """What tells folders apart, to put before their ids: the last parts of their paths, or nothing of a single one.

    Examples
    --------
    >>> folder_names([Path("/2023/may"), Path("/2023/june")])
    ['may', 'june']
    >>> folder_names([Path("/2023/may"), Path("/2024/may")])
    ['2023/may', '2024/may']
    """
    if len(folders) < 2:
        return [""] * len(folders)
    paths = [Path(os.path.abspath(folder)).parts[1:] for folder in folders]
    names: list[str] = []
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def sidecars_in(folder: Path) -> dict[str, list[Path]]:
    """The sidecars of a folder, by the name before their ending; endings count in any case."""
    found: dict[str, list[Path]] = {}
    with os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries if entry.is_file()):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in SIDECARS:
                found.setdefault(stem, []).append(folder / name)
    return found


def _walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Path in the folder and entry of each file, and whether it counts: a sidecar with an image does not."""

    def inside(place: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
        with os.scandir(place) as found:
            entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name)
        images = {entry.name for entry in entries if os.path.splitext(entry.name)[1].lower() in IMAGES}
        owners = images | {os.path.splitext(name)[0] for name in images}
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from inside(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                stem, suffix = os.path.splitext(entry.name)
                yield prefix + entry.name, entry, not (suffix.lower() in SIDECARS and stem in owners)

    return inside(str(folder), "")


def has_images(folder: Path) -> bool:
    """Whether there is an image in a folder, or in one of those in it."""
    return any(os.path.splitext(name)[1].lower() in IMAGES for name in walk(folder))


def write_listing(folder: Path, path: Path) -> None:
    """Write the paths of `walk`, one JSON string a line."""
    with replacing(path) as new, new.open("w", encoding="ascii") as file:
        file.writelines(json.dumps(name) + "\n" for name in walk(folder))


def _merged(found: Sequence[Photo]) -> Photo:
    """The first value of each column, and the tags of all."""
    merged: Photo = {"tags": list(dict.fromkeys(tag for words in found for tag in words.get("tags") or ()))}
    for words in found:
        for column, value in words.items():
            if column != "tags" and value is not None:
                merged.setdefault(column, value)
    return merged


def _inside(path: Path) -> list[Photo]:
    """What XMP, IPTC and EXIF of an image say; only the header is read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of many pixels: nothing is decoded here
            with Image.open(path) as image:
                xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
                if isinstance(xmp, str):
                    xmp = xmp.encode()
                return [_xmp(xmp, "its XMP") if xmp else {}, _iptc(image), _exif(image)]
    except Image.DecompressionBombError as error:
        raise _Broken("the image has too many pixels") from error
    except (UnidentifiedImageError, *_DAMAGE) as error:
        raise _Broken("the image cannot be opened") from error


def _xmp(raw: bytes, what: str) -> Photo:
    """The Dublin Core of an XMP packet."""
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise _Broken(f"{what} has a document type, which XMP never has")
    try:
        root = ET.fromstring(raw.strip(b"\0 \r\n\t"))
    except ET.ParseError as error:
        raise _Broken(f"{what} is broken XML") from error
    names = {"title": "title", "description": "description", "creator": "creator", "licence": "rights"}
    photo: Photo = {column: next(iter(_items(root, name)), None) for column, name in names.items()}
    photo["tags"] = _items(root, "subject")
    return photo


def _items(root: ET.Element, name: str) -> list[str]:
    items = [item.text.strip() for item in root.iterfind(f".//{_DC}{name}//{_RDF}li") if item.text]
    plain = [node.text.strip() for node in root.iter(f"{_DC}{name}") if node.text]
    return [item for item in items or plain if item]


def _unless_damaged(read: Callable[[], Any]) -> Any:
    """What stands in a block or field of metadata; None where it is damaged, which the image need not suffer from."""
    try:
        return read()
    except _DAMAGE:
        return None


def _iptc(image: ImageFile.ImageFile) -> Photo:
    found: Mapping[tuple[int, int], Any] = _unless_damaged(lambda: IptcImagePlugin.getiptcinfo(image)) or {}
    photo: Photo = {}
    for column, place in _IPTC.items():
        values = found.get(place, [])
        texts = [_decoded(value) for value in (values if isinstance(values, list) else [values])]
        texts = [text for text in texts if text]
        photo[column] = texts if column == "tags" else (texts or [None])[0]
    return photo


def _exif(image: Image.Image) -> Photo:
    found = _unless_damaged(image.getexif) or {}
    photo: Photo = {}
    for column, tag in _EXIF.items():
        value = _unless_damaged(partial(found.get, tag))
        windows = tag in (ExifTags.Base.XPTitle, ExifTags.Base.XPKeywords)
        if windows and isinstance(value, tuple):  # the units of UTF-16, one by one
            value = _unless_damaged(partial(struct.pack, f"<{len(value)}H", *value))
        if windows and isinstance(value, bytes):
            value = value.decode("utf-16-le", "replace")
        text = (_decoded(value) or "" if isinstance(value, bytes | str) else "").strip("\0 \r\n\t")
        photo[column] = [tag.strip() for tag in text.split(";") if tag.strip()] if column == "tags" else text or None
    return photo


def _decoded(value: Any) -> str | None:
    """Bytes as UTF-8, or as Latin-1, in which old cameras and IPTC wrote."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    return str(value).strip("\0 \r\n\t") or None if value is not None else None
