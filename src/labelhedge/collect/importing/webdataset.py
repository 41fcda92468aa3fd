"""A corpus of WebDataset shards: tar files in which the members of a sample share a name, `0001.jpg`, `0001.cls`.

import_webdataset("shards-{000..009}.tar", "my-corpus", names="classes.txt")
import_webdataset("shards-*.tar", "my-corpus", label="noisy", verified="true", text=("caption",))   # keys of the json
"""

from __future__ import annotations

import glob
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from labelhedge.collect.importing.building import Imported, Item, Options, Source, build, check_target
from labelhedge.collect.importing.settling import Entry
from labelhedge.collect.importing.values import BACKGROUND, check_background, label_entry, label_names, words
from labelhedge.collect.records import needs
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError, reading

IMAGE_MEMBERS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")


class _Keys(NamedTuple):
    label: str | None
    verified: str | None
    trusted: str | None
    text: tuple[str, ...]
    background: str | None  # what stands for none of the labels, unless that is a label


def import_webdataset(
    train: str,
    target: str | os.PathLike[str],
    *,
    dev: str | None = None,
    test: str | None = None,
    label: str | None = None,
    verified: str | None = None,
    trusted: str | None = None,
    background: str = BACKGROUND,
    text: Sequence[str] = (),
    names: str | os.PathLike[str] | None = None,
    options: Options | None = None,
) -> Imported:
    """Make a corpus of WebDataset shards on disk.

    Parameters
    ----------
    train, dev, test : shards of a split, as paths with ``{000..009}`` or ``*``
    target : folder to write
    label, verified, trusted : keys of the member ``json``
        Without `label`, the noisy label is the member ``cls``, else ``txt`` (names, parted by commas or lines).
    background : the name that stands for none of the labels, as an empty list does; with `exclusive` it is a label
    text : keys of the json, or ``txt``: words, which methods may learn from
    names : file with the names of the labels, one a line, of which ``cls`` gives the number from 0
    options : Options, optional

    Raises
    ------
    LabelhedgeError
        When a shard is missing or damaged, or a label is not as said; it names the shard and the sample.
    """
    try:
        import webdataset  # noqa: F401
    except ImportError as error:
        raise needs("webdataset", "datasets") from error
    options = options or Options()
    check_target(Path(target), options)
    patterns = {"train": train, "dev": dev, "test": test}
    shards = [(split, file) for split, pattern in patterns.items() if pattern for file in _expand(pattern)]
    listed = _read_names(Path(names)) if names is not None else None
    if listed:
        check_background(background, listed, str(names))
    keys = _Keys(label, verified, trusted, tuple(text), None if options.exclusive else background)

    def items() -> Iterator[Item]:
        unseen = {key for key in (label, verified, trusted, *text) if key is not None}
        for split, shard in shards:
            keys_seen: set[str] = set()
            for sample in _samples(shard):
                if sample["__key__"] in keys_seen:
                    raise LabelhedgeError(
                        f"{shard}: the members of {sample['__key__']!r} do not stand together: pack the shard in the "
                        "order of names, such as with tar --sort=name"
                    )
                keys_seen.add(sample["__key__"])
                content = _json(sample, f"{shard}: {sample['__key__']}")
                unseen -= content.keys()
                yield _item(sample, content, split, shard, keys, listed)
        if unseen := unseen - {"txt"}:
            raise LabelhedgeError(f"{train}: no sample has a member json with the key {min(unseen)!r}")

    labels = [Label(id=name, name=name) for name in listed if name != keys.background] if listed else None
    kinds = {name: pa.list_(pa.string()) for name in text}
    return build(Source(items, labels, kinds, tuple(text)), target, options)


def _expand(pattern: str) -> list[Path]:
    from webdataset.shardlists import expand_urls

    try:
        expanded: list[str] = expand_urls(pattern)
    except ValueError as error:
        raise LabelhedgeError(f"{pattern!r}: the braces do not close ({error})") from error
    files: list[Path] = []
    for name in expanded:
        found = sorted(glob.glob(name)) if glob.has_magic(name) else [name]
        if not found:
            raise LabelhedgeError(f"no shard fits {name!r}")
        files += map(Path, found)
    for file in files:
        if not file.is_file():
            raise LabelhedgeError(f"there is no shard {file}: shards are files on this machine")
    return files


def _read_names(file: Path) -> list[str]:
    with reading(file):
        names = file.read_text(encoding="utf-8").splitlines()
    if not names:
        raise LabelhedgeError(f"{file} names no label: write them there, one a line")
    for line, name in enumerate(names, start=1):
        if not name.strip() or name in names[: line - 1]:
            raise LabelhedgeError(f"{file}, line {line}: {name!r} is empty or stands above already: one label a line")
    return names


def _samples(shard: Path) -> Iterator[dict[str, Any]]:
    import webdataset

    try:
        yield from webdataset.WebDataset([str(shard.resolve())], shardshuffle=False, empty_check=False)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise LabelhedgeError(
            f"{shard} is damaged ({error.args[0] if error.args else error}): fetch it again"
        ) from error


def _item(
    sample: Mapping[str, Any],
    content: Mapping[str, Any],
    split: str,
    shard: Path,
    keys: _Keys,
    names: Sequence[str] | None,
) -> Item:
    key = sample["__key__"]
    place = f"{shard}: {key}"
    member = next((name for name in IMAGE_MEMBERS if name in sample), None)

    def labels_of(value: Any, what: str) -> tuple[str, ...] | None:
        return label_names(value, names, place, what, background=keys.background)

    if keys.label is not None:
        observed = labels_of(content.get(keys.label), keys.label)
    elif "cls" in sample:
        observed = labels_of(_number(sample["cls"], place), "cls")
    elif "txt" in sample:
        observed = labels_of(_parted(sample["txt"]), "txt")
    else:
        observed = None
    verified = labels_of(content.get(keys.verified), keys.verified) if keys.verified else None
    trusted = bool(content.get(keys.trusted)) if keys.trusted else False
    entry, problem = label_entry(split, observed, verified, trusted, place)
    if member is None:
        problem = f"no member is an image ({', '.join(name for name in sample if not name.startswith('__'))})"
    extra = {name: words(_text(sample.get("txt", b"")) if name == "txt" else content.get(name)) for name in keys.text}
    read = partial(bytes, sample[member] if member else b"")
    return Item(place, f"{split}/{shard.stem}/{key}", read, entry or Entry(split, (), None), problem, extra)


def _json(sample: Mapping[str, Any], place: str) -> dict[str, Any]:
    if "json" not in sample:
        return {}
    try:
        content = json.loads(sample["json"])
    except ValueError as error:
        raise LabelhedgeError(f"{place}: the member json is none ({error}): correct the shard") from error
    if not isinstance(content, dict):
        raise LabelhedgeError(f"{place}: the member json is a {type(content).__name__}, where an object is needed")
    return content


def _number(data: bytes, place: str) -> int | str:
    text = _text(data).strip()
    try:
        return int(text)
    except ValueError:
        if text:
            return text
        raise LabelhedgeError(f"{place}: the member cls is empty: write the number of the label") from None


def _parted(data: bytes) -> list[str]:
    return [part.strip() for part in _text(data).replace("\n", ",").split(",") if part.strip()]


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
