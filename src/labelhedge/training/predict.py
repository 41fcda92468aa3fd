"""`Predictor`: a saved model applied to image files.

predictor = Predictor.load("runs/demo/models/distill")
predictor.predict(["cat.jpg"])                   # (1, L) probabilities
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL.Image import Image

from labelhedge.corpus.images import decode, upright_on_white
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.models import Classifier, FrozenSettings, load_backbone, load_classifier
from labelhedge.training.cache import cache_folder

Encoded = str | os.PathLike[str] | bytes | Image
"""An image: a path, encoded bytes, or an image of Pillow's."""
_BATCH = 16
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Predictor:
    """A classifier and, where its backbone is frozen, the backbone."""

    classifier: Classifier

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Predictor:
        """Load a model folder of a run, such as ``runs/demo/models/distill``.

        Raises
        ------
        FileNotFoundError
            When the folder holds no model.
        """
        return cls(load_classifier(folder))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names, in the order of the probabilities."""
        return self.classifier.labels

    def predict(self, images: Sequence[Encoded], *, progress: bool = False) -> npt.NDArray[np.float32]:
        """Probabilities (N, L) of images, given as paths, as encoded bytes, or as images of Pillow's.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When an image is unreadable; the message names it.
        TypeError
            When it is one image instead of a list, or something else.
        """
        if isinstance(images, str | bytes | os.PathLike | Image):
            raise TypeError("a list of images is needed: write predict([image])")
        rows = [row for _, row in self.stream(images, progress=progress)]
        return np.stack(rows) if rows else np.empty((0, len(self.labels)), np.float32)

    @torch.inference_mode()
    def stream(
        self, images: Sequence[Encoded], *, unreadable: list[str] | None = None, progress: bool = False
    ) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """The probabilities (L,) of one image after the other, each with its number; little is held in memory.

        Parameters
        ----------
        images : list of paths or bytes
        unreadable : list of str, optional
            Takes the images that cannot be read, each with the reason, and they are passed over. Without it the first
            of them raises what `predict` raises.
        progress : bool
            Show a bar.
        """
        from rich.progress import track

        settings = self.classifier.settings
        backbone = None
        if isinstance(settings, FrozenSettings):
            backbone = load_backbone(settings.backbone, settings.image_size, cache_folder() / "backbones")
        for start in track(range(0, len(images), _BATCH), "predicting", disable=not progress, transient=True):
            decoded = {}
            for number, image in enumerate(images[start : start + _BATCH], start):
                try:
                    decoded[number] = _decode(image, settings.image_size)
                except (OSError, ValueError) as error:
                    if unreadable is None:
                        raise
                    unreadable.append(_reason(image, error))
            if not decoded:
                continue
            raw = np.stack([*decoded.values()])
            inputs = backbone(raw).astype(np.float16) if backbone else raw
            yield from zip(
                decoded, self.classifier(self.classifier.prepare(torch.from_numpy(inputs))).numpy(), strict=True
            )


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files among paths, each once; folders are searched through, in order, without what is hidden in them.

    Raises
    ------
    FileNotFoundError
        When a path does not exist, or there is no image at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if _is_image(file.relative_to(path)))
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"there is no image or folder {path}")
    if not found:
        raise FileNotFoundError(f"no image file in {', '.join(map(str, paths))} ({', '.join(IMAGE_SUFFIXES)})")
    return list({file.resolve(): file for file in reversed(found)}.values())[::-1]


def _is_image(place: Path) -> bool:
    """Whether a file in a folder is an image by its name, not hidden, as what a Mac puts beside images is."""
    junk = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return place.suffix.lower() in IMAGE_SUFFIXES and not junk


def write_predictions(
    path: Path, images: Sequence[Path], labels: Sequence[str], rows: Iterable[tuple[int, npt.NDArray[np.float32]]]
) -> int:
    """Write the probabilities of `Predictor.stream` as CSV: a row an image, a column a label. Returns how many."""
    count = 0
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *labels])
        for number, row in rows:
            writer.writerow([images[number], *(f"{value:.9g}" for value in row)])
            count += 1
    return count


def _decode(image: Encoded, size: int) -> npt.NDArray[np.uint8]:
    if isinstance(image, bytes):
        return decode(image, size)
    if isinstance(image, Image):
        buffer = io.BytesIO()
        upright_on_white(image).save(buffer, "PNG")
        return decode(buffer.getvalue(), size)
    if not isinstance(image, str | os.PathLike):
        raise TypeError(f"an image is {type(image).__name__}: give a path, encoded bytes, or an image of Pillow's")
    try:
        return decode(Path(image).read_bytes(), size)
    except ValueError as error:
        raise LabelhedgeError(f"{os.fspath(image)}: {error}") from error


def _reason(image: Encoded, error: Exception) -> str:
    """The place of an image and what is the matter with it."""
    if isinstance(error, OSError) and error.strerror and isinstance(image, str | os.PathLike):
        return f"{os.fspath(image)}: {error.strerror.lower()}"
    return str(error)
