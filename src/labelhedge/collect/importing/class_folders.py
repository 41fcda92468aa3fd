"""A corpus of class folders: `cat/x.jpg`, or `train/cat/x.jpg` beside `dev` and `test`.

import_class_folders("photos", "my-corpus")                              # folder names are noisy labels
import_class_folders("photos", "my-corpus", clean="checked")             # and a second tree of checked images
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from labelhedge.collect.importing.building import Imported, Item, Options, Source, build, check_target
from labelhedge.collect.importing.settling import Entry
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError, some

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "test",
}  # fmt: skip
"""What others call the splits."""
IMAGE_ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".png", ".tif", ".tiff", ".webp"})


class _Found(NamedTuple):
    path: str  # relative to the tree
    split: str
    label: str | None  # None: the file stands in no class folder


def import_class_folders(
    folder: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    clean: str | os.PathLike[str] | None = None,
    background: str = "background",
    flat: bool = False,
    options: Options | None = None,
) -> Imported:
    """Make a corpus of class folders, whose names are noisy labels.

    Where all folders at the top are called train, dev (or val, valid, validation) or test, they are the splits and the
    class folders are in them; otherwise everything is train. What lies deeper in a class folder belongs to its class.
    Hidden folders and ``__MACOSX`` are passed over, and a folder without a usable image is no label.

    Parameters
    ----------
    folder : of the noisy images
    target : folder to write
    clean : folder of the same kind, whose images were checked
        Those for training are trusted. A checked image that is also among the noisy ones, byte for byte, becomes one
        sample with both labels, which also tells how the noise behaves.
    background : str
        The class folder of images with none of the labels.
    flat : bool
        Folders at the top are classes, whatever they are called.
    options : Options, optional

    Raises
    ------
    LabelhedgeError
        When a folder is missing or holds no class folder, or splits stand beside other folders.
    """
    options = options or Options()
    check_target(Path(target), options)
    trees = [(Path(folder), False)] + ([(Path(clean), True)] if clean is not None else [])
    found = [(tree, checked, _walk(tree, flat)) for tree, checked in trees]
    names = sorted({file.label for _, _, files in found for file in files if file.label is not None})
    if not options.exclusive:  # there, background needs a label of its own
        names = [name for name in names if name != background]
    empty = [tree for tree, _, files in found if all(file.label is None for file in files)]
    if empty or not names:
        where = empty[0] if empty else folder
        raise LabelhedgeError(f"{where} holds no class folder with a file in it: put images into folders, one a label")

    def items() -> Iterator[Item]:
        for tree, checked, files in found:
            for file in files:
                yield _item(tree, file, checked=checked, labels=set(names))

    labels = [Label(id=name, name=name) for name in names]
    total = sum(len(files) for _, _, files in found)
    made = build(Source(items, labels, total=total, only_found=True), target, options)
    trees_of: dict[str, set[Path]] = {label.name: set() for label in made.corpus.labels}
    for tree, _, files in found:
        for name in trees_of.keys() & {file.label for file in files}:
            trees_of[name].add(tree)
    return made._replace(remarks=[*_odd_names(trees_of, [tree for tree, _ in trees]), *made.remarks])


def _odd_names(trees_of: Mapping[str, set[Path]], trees: Sequence[Path]) -> Iterator[str]:
    """Labels that may be another one misspelt: in one of two trees only, or alike but for capitals."""
    for tree in trees:
        alone = [name for name, found in trees_of.items() if found == {tree}] if len(trees) > 1 else []
        if alone:
            yield f"{len(alone):,} labels stand in {tree} alone: {some(alone)}; is one of them another one misspelt?"
    folded: dict[str, list[str]] = {}
    for name in trees_of:
        folded.setdefault(name.casefold(), []).append(name)
    for alike in folded.values():
        if len(alike) > 1:
            yield f"the labels {', '.join(alike)} differ in capitals alone: rename a folder where they are one label"


def _item(tree: Path, file: _Found, *, checked: bool, labels: set[str]) -> Item:
    path = tree / file.path
    problem = None
    if file.label is None:
        problem = "in no class folder"
    elif path.suffix.lower() not in IMAGE_ENDINGS:
        problem = f"no image by its ending ({path.suffix or 'none'})"
    elif path.name.startswith("."):
        problem = "a hidden file"
    own = (file.label,) if file.label in labels else ()
    entry = Entry(file.split, None, own, file.split == "train") if checked else Entry(file.split, own, None)
    return Item(str(path), f"clean/{file.path}" if checked else file.path, path.read_bytes, entry, problem)


def _walk(tree: Path, flat: bool) -> list[_Found]:
    """All files of a tree, in the order of their paths."""
    if not tree.is_dir():
        raise LabelhedgeError(f"there is no folder {tree}")
    tops = sorted(entry.name for entry in os.scandir(tree) if entry.is_dir() and not _is_junk(entry.name))
    splits = [] if flat else [name for name in tops if name.lower() in SPLIT_NAMES]
    if splits and len(splits) < len(tops):
        other = next(name for name in tops if name not in splits)
        raise LabelhedgeError(
            f"{tree} holds {splits[0]}, a split, and {other}, none: move one of them away, or pass --flat where both "
            "are classes"
        )
    found = []
    for path in sorted(_files(tree, frozenset({tree.resolve()}))):
        parts = Path(path).parts
        split = "train"
        if splits and len(parts) > 1:
            split, parts = SPLIT_NAMES[parts[0].lower()], parts[1:]
        label = unicodedata.normalize("NFC", parts[0]) if len(parts) > 1 else None  # a Mac writes accents in two parts
        found.append(_Found(path, split, label))
    if splits and found and all(file.label is None for file in found):
        raise LabelhedgeError(
            f"{tree}/{splits[0]} holds no class folders: put images into {splits[0]}/LABEL/, or pass --flat where "
            f"{splits[0]} is a class"
        )
    return found


def _files(folder: Path, above: frozenset[Path], prefix: str = "") -> Iterator[str]:
    """Relative paths of all files but those in junk; links to folders are followed, but not into a folder above."""
    for entry in os.scandir(folder):
        if not entry.is_dir():
            yield prefix + entry.name
        elif _is_junk(entry.name):
            continue
        elif (real := Path(entry.path).resolve()) not in above:
            yield from _files(Path(entry.path), above | {real}, f"{prefix}{entry.name}/")


def _is_junk(name: str) -> bool:
    """Whether a folder is hidden, as `.ipynb_checkpoints`, or what a Mac puts beside the images of a zip file."""
    return name.startswith(".") or name == "__MACOSX"
