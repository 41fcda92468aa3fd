"""A corpus of a local Hugging Face dataset: a `save_to_disk` folder, or a folder of Parquet files.

import_hf("my-dataset", "my-corpus", image="image", label="label")
import_hf("my-dataset", "my-corpus", label="noisy", verified="true", trusted="checked", text=("title",))
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from labelhedge.collect.importing.building import Imported, Item, Options, Source, build, check_target
from labelhedge.collect.importing.class_folders import SPLIT_NAMES
from labelhedge.collect.importing.settling import Entry
from labelhedge.collect.importing.values import BACKGROUND, check_background, label_entry, label_names, words
from labelhedge.collect.records import needs
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError


class _Columns(NamedTuple):
    image: str
    label: str
    verified: str | None
    trusted: str | None
    text: tuple[str, ...]
    background: str | None  # what stands for none of the labels, unless that is a label


def import_hf(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    image: str = "image",
    label: str = "label",
    verified: str | None = None,
    trusted: str | None = None,
    background: str = BACKGROUND,
    text: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> Imported:
    """Make a corpus of a Hugging Face dataset on disk.

    Parameters
    ----------
    path : folder that `save_to_disk` wrote, or that holds Parquet files
    target : folder to write
    image : column of images: an image feature, encoded bytes, or paths of files
    label : column of noisy labels: ClassLabel, strings, numbers, or lists of these; an empty list is background
        A row whose label is null, or -1 as an unlabelled ClassLabel has it, is left out unless `verified` has one.
    verified : column of checked labels, null where nobody checked
    trusted : column of bools: the training samples whose verified labels methods may see
    background : the name that stands for none of the labels, as an empty list does; with `exclusive` it is a label
    text : columns of words, which methods may learn from
    rename : what the dataset calls a split -> train, dev or test
        Names such as ``validation`` are known.
    options : Options, optional

    Raises
    ------
    LabelhedgeError
        When the folder is no dataset, or a column or split is not as said; it names what there is.
    """
    options = options or Options()
    check_target(Path(target), options)
    folder = Path(path)
    columns = _Columns(image, label, verified, trusted, tuple(text), None if options.exclusive else background)
    loaded = _load(folder)
    for name in rename or {}:
        if name not in loaded:
            raise LabelhedgeError(f"{folder} has no split {name!r}; it has {', '.join(loaded)}")
    parts = [(_split(name, rename or {}, folder), name, part) for name, part in loaded.items()]
    names: dict[str, list[str] | None] = {}
    for column in (image, label, *filter(None, (verified, trusted)), *text):
        for _, name, part in parts:
            if column not in part.features:
                raise LabelhedgeError(f"{folder}, {name}: no column {column!r}; it has {', '.join(part.features)}")
            names[column] = _class_names(part.features[column])

    def items() -> Iterator[Item]:
        for split, name, part in parts:
            for number, row in enumerate(_rows(part, image, folder)):
                yield _item(f"{name}-{number}", row, split, columns, names, folder)

    known = [names[column] for column in (label, verified) if column is not None]
    listed = list(dict.fromkeys(name for some in known for name in some or ()))
    if all(known):
        check_background(background, listed, str(folder))
    labels = [Label(id=name, name=name) for name in listed if name != columns.background] if all(known) else None
    kinds = {name: pa.list_(pa.string()) for name in text}
    lengths = [len(part) for _, _, part in parts if hasattr(part, "__len__")]
    total = sum(lengths) if len(lengths) == len(parts) else None
    return build(Source(items, labels, kinds, tuple(text), total), target, options)


def parse_renames(pairs: Sequence[str]) -> dict[str, str]:
    """Names of splits as the command line takes them.

    Examples
    --------
    >>> parse_renames(["extra=train"])
    {'extra': 'train'}
    """
    parted = [pair.partition("=") for pair in pairs]
    for name, equals, split in parted:
        if not (name and equals and split in ("train", "dev", "test")):
            raise LabelhedgeError(f"--rename {name}{equals}{split}: say NAME=train, NAME=dev or NAME=test")
    return {name: split for name, _, split in parted}


def _load(folder: Path) -> dict[str, Any]:
    """Splits by the dataset's own names."""
    try:
        import datasets
    except ImportError as error:
        raise needs("datasets", "datasets") from error
    if not folder.is_dir():
        raise LabelhedgeError(f"there is no folder {folder}")
    saved = (folder / "dataset_dict.json").exists() or (folder / "state.json").exists()
    if not saved and next(folder.rglob("*.parquet"), None) is None:
        raise LabelhedgeError(
            f"{folder} was not written by save_to_disk and holds no Parquet file: name another folder"
        )
    try:
        if saved:
            loaded = datasets.load_from_disk(str(folder.resolve()))
        else:
            loaded = datasets.load_dataset(str(folder.resolve()), streaming=True)
    except (ValueError, OSError) as error:
        raise LabelhedgeError(f"{folder} cannot be read as a dataset: {error}") from error
    parts = loaded if isinstance(loaded, dict) else {str(loaded.split or "train"): loaded}
    if not all(part.features for part in parts.values()):
        raise LabelhedgeError(f"{folder} has no column")
    return dict(parts)


def _split(name: str, rename: Mapping[str, str], folder: Path) -> str:
    split = rename.get(name) or SPLIT_NAMES.get(name.lower())
    if split not in ("train", "dev", "test"):
        found = f"is to be {split!r}" if split else "has a name of its own"
        raise LabelhedgeError(f"{folder}: the split {name!r} {found}: say --rename {name}=train, =dev or =test")
    return split


def _class_names(feature: Any) -> list[str] | None:
    """Names of a ClassLabel, or of a list of them."""
    import datasets

    inner = getattr(feature, "feature", feature)
    return list(inner.names) if isinstance(inner, datasets.ClassLabel) else None


def _rows(part: Any, image: str, folder: Path) -> Iterator[dict[str, Any]]:
    import datasets

    try:
        yield from part.cast_column(image, datasets.Image(decode=False))
    except (ValueError, TypeError, NotImplementedError, OSError) as error:  # Arrow has some of each
        raise LabelhedgeError(f"{folder}: the column {image!r} cannot be read as images: {error}") from error


def _item(
    id_: str,
    row: Mapping[str, Any],
    split: str,
    columns: _Columns,
    names: Mapping[str, list[str] | None],
    folder: Path,
) -> Item:
    place = f"{folder}: {id_}"

    def labels_of(column: str) -> tuple[str, ...] | None:
        return label_names(row[column], names[column], place, column, background=columns.background)

    observed = labels_of(columns.label)
    verified = labels_of(columns.verified) if columns.verified is not None else None
    trusted = bool(row[columns.trusted]) if columns.trusted is not None else False
    entry, problem = label_entry(split, observed, verified, trusted, place)
    encoded = row[columns.image] or {}
    read: Callable[[], bytes] = bytes
    if encoded.get("bytes") is not None:
        read = partial(bytes, encoded["bytes"])
    elif encoded.get("path"):
        read = _beside(folder, encoded["path"]).read_bytes
    else:
        problem = "no image"
    return Item(
        place, id_, read, entry or Entry(split, (), None), problem, {name: words(row[name]) for name in columns.text}
    )


def _beside(folder: Path, path: str) -> Path:
    """A relative path starts from the dataset's folder where there is such a file, else from where one is."""
    inside = folder / path
    return inside if inside.exists() else Path(path)
