"""Which column of a table is what of a photo: named by the user, or guessed by usual names; and values made fit.

mapping = map_columns(["photo_id", "caption", "keywords"], {"id": "photo_id"}, path)
# {"id": "photo_id", "title": "caption", "tags": "keywords"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelhedge.collect.photos.rows import Photo, plain_text
from labelhedge.collect.records import PHOTO
from labelhedge.errors import LabelhedgeError

USUAL = {
    "id": ("id", "photo_id", "photoid", "image_id", "imageid", "key", "uid", "uuid"),
    "title": ("title", "caption", "name", "headline", "alt", "alt_text", "photo_title"),
    "description": ("description", "desc", "comment", "photo_description", "text"),
    "tags": ("tags", "keywords", "user_tags", "usertags", "hashtags"),
    "url": ("url", "image_url", "img_url", "download_url", "photo_url", "photo_image_url"),
    "image": ("image", "image_path", "path", "file", "file_name", "filename", "filepath"),
    "page_url": ("page_url", "page", "webpage", "permalink", "source_url"),
    "creator": ("creator", "author", "owner", "photographer", "user", "username", "user_name"),
    "licence": ("licence", "license", "rights", "license_name", "licence_name"),
}
"""Columns of a photo, and the names by which they are guessed, the likeliest first."""
WORDS = ("title", "description", "tags")
SEPARATORS = (",", ";", "|")


def map_columns(available: Sequence[str], given: Mapping[str, str] | None, path: Path) -> dict[str, str]:
    """The table's column for each column of a photo.

    Parameters
    ----------
    available : sequence of str
        The table's columns.
    given : mapping from a photo's column to the table's
        What the user says; an empty name turns the guess off. The others are guessed.
    path : Path
        For messages.

    Raises
    ------
    ValueError
        When a name given is none, or no ids or no words are found.

    Examples
    --------
    >>> map_columns(["Photo ID", "caption", "keywords"], {"description": "caption"}, Path("photos.csv"))
    {'id': 'Photo ID', 'description': 'caption', 'tags': 'keywords'}
    """
    given = dict(given or {})
    listed = ", ".join(available)
    for column, source in given.items():
        if column not in USUAL:
            raise LabelhedgeError(f"--columns names {column!r}, which a photo does not have: name {', '.join(USUAL)}")
        if source and source not in available:
            raise LabelhedgeError(f"{path} has no column {source!r} (--columns {column}={source}); it has {listed}")
    mapping = guess_columns(available, given)
    if "id" not in mapping:
        raise LabelhedgeError(
            f"{path}: no column of ids is known among {listed}; " + (semicolons(available) or "name it: --columns id=…")
        )
    if not any(column in mapping for column in WORDS):
        raise LabelhedgeError(f"{path}: no column of words is known among {listed}; name one: --columns title=…")
    return mapping


def semicolons(available: Sequence[str]) -> str | None:
    """What to do where the only column has semicolons in its name: spreadsheets write such tables."""
    if len(available) != 1 or ";" not in available[0]:
        return None
    return "it is parted by semicolons: save it with commas, or as TSV"


def guess_columns(available: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """The columns given, and those that are known by a usual name."""
    plain = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(available)}
    taken = set(given.values())
    mapping = {}
    for column, names in USUAL.items():
        if column in given:
            if given[column]:
                mapping[column] = given[column]
            continue
        found = next((plain[name] for name in names if name in plain and plain[name] not in taken), None)
        if found is not None:
            mapping[column] = found
    return mapping


def kept_names(
    available: Iterable[str], mapping: Mapping[str, str], keep: Sequence[str] | None, path: Path
) -> list[str]:
    """The table's own columns that stay beside the photo's: those in `keep`, or all that are not mapped."""
    available = list(available)
    if keep is None:
        used = set(mapping.values())
        return [name for name in available if name not in used]
    for name in keep:
        if name not in available:
            raise LabelhedgeError(f"{path} has no column {name!r} (--keep); it has {', '.join(available)}")
    return list(keep)


def own_name(name: str) -> str:
    """The name under which a table's own column stays: another one where a photo has a column of that name.

    Examples
    --------
    >>> own_name("votes"), own_name("text")
    ('votes', 'input_text')
    """
    return f"input_{name}" if name in (*PHOTO.names, "entities") else name


def photo_from(values: Mapping[str, Any], mapping: Mapping[str, str], separator: str | None) -> Photo | str:
    """The photo that a table's row describes, or the reason why it is none."""
    photo: Photo = {}
    for column, source in mapping.items():
        value: Any = values.get(source)
        if column == "tags":
            value = _tags(value, separator)
        elif isinstance(value, list | dict):
            return f"{column} is a {type(value).__name__}, not a text"
        else:
            value = _text(value)
        if column in ("title", "description") and value is not None:
            value = plain_text(value) or None
        photo[column] = value
    photo.setdefault("tags", [])
    if photo["id"] is None:
        return "no id"
    if photo["tags"] is None:
        return "tags are neither a list of texts nor a text"
    return photo


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _tags(value: Any, separator: str | None) -> list[str] | None:
    if value is None or (isinstance(value, float) and value != value):
        return []
    if isinstance(value, str):
        value = _split(value.strip(), separator)
    if not isinstance(value, list) or any(isinstance(tag, list | dict) for tag in value):
        return None
    return [text for tag in value if (text := _text(tag))]


def _split(text: str, separator: str | None) -> list[Any]:
    if text.startswith("[") and text.endswith("]"):
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if isinstance(parsed, list):
            return parsed
    if separator is None:
        separator = next((mark for mark in SEPARATORS if mark in text), ",")
    return text.split(separator)


def keepable(kind: pa.DataType) -> pa.DataType | None:
    """The type under which a column of Parquet stays as an own column; None for bytes and nested types."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = keepable(kind.value_type)
        return None if inner is None or pa.types.is_list(inner) else pa.list_(inner)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return kind
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_temporal)
    decimal_or_null = pa.types.is_decimal(kind) or pa.types.is_null(kind)
    return pa.string() if decimal_or_null or any(test(kind) for test in texts) else None
