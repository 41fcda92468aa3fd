"""An ImageNet-style folder: `n01443537/*.JPEG`, below `train` perhaps, or a tar file a synset.

folders = ImageFolders("ImageNet")
folders.files("n01443537")                           # names, sorted
folders.read("n01443537", "n01443537_11.JPEG")
"""

from __future__ import annotations

import os
import re
import tarfile
from collections import defaultdict
from pathlib import Path

from labelhedge.collect.importing.class_folders import IMAGE_ENDINGS
from labelhedge.collect.importing.yfcc_images import ROOTS
from labelhedge.errors import LabelhedgeError


class ImageFolders:
    """Images by synset; a folder is preferred to the tar file beside it.

    Raises
    ------
    LabelhedgeError
        When there is no folder, or none of a synset in it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise LabelhedgeError(f"there is no folder {folder}")
        self._places: dict[str, list[Path]] = defaultdict(list)
        self._tars: dict[str, dict[str, tuple[int, int]]] = {}  # name of an image -> where it begins, its length
        tars: dict[str, Path] = {}
        for root in (place for name in ROOTS if (place := self.folder / name).is_dir()):
            for entry in os.scandir(root):
                if re.fullmatch(r"n\d{8}", entry.name) and entry.is_dir():
                    self._places[entry.name].append(Path(entry.path))
                elif re.fullmatch(r"n\d{8}\.tar", entry.name):
                    tars.setdefault(entry.name[:-4], Path(entry.path))
        self._packed = {wnid: path for wnid, path in tars.items() if wnid not in self._places}
        self.wnids = frozenset(self._places) | frozenset(self._packed)
        if not self.wnids:
            raise LabelhedgeError(
                f"{folder} holds no folder or tar file of a synset, such as n02084071, nor does its train folder: name "
                "the folder that does"
            )

    def files(self, wnid: str) -> list[str]:
        """The names of a synset's images, sorted."""
        if wnid in self._packed:
            return sorted(self._members(wnid))
        names = {entry.name for place in self._places.get(wnid, ()) for entry in os.scandir(place) if entry.is_file()}
        return sorted(filter(_is_image, names))

    def read(self, wnid: str, name: str) -> bytes:
        """The encoded image.

        Raises
        ------
        OSError
            When it cannot be read.
        """
        if wnid in self._packed:
            start, length = self._members(wnid)[name]
            with self._packed[wnid].open("rb") as file:
                file.seek(start)
                return file.read(length)
        places = self._places[wnid]
        return next((path for place in places if (path := place / name).exists()), places[0] / name).read_bytes()

    def _members(self, wnid: str) -> dict[str, tuple[int, int]]:
        if wnid not in self._tars:
            path = self._packed[wnid]
            found: dict[str, tuple[int, int]] = {}
            try:
                with tarfile.open(path, "r:") as tar:
                    for member in tar:
                        name = member.name.rsplit("/", 1)[-1]
                        if member.isreg() and _is_image(name):
                            found.setdefault(name, (member.offset_data, member.size))
            except tarfile.TarError as error:
                raise LabelhedgeError(
                    f"{path}: not a whole tar file without compression ({error}): fetch it again"
                ) from error
            self._tars[wnid] = found
        return self._tars[wnid]


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_ENDINGS
