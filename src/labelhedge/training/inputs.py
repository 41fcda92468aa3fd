"""Network inputs, made once per image and memory-mapped: decoded images, or features of a frozen backbone.

store = prepare_inputs(corpus.images, corpus.samples.digests, settings, cache_folder())
inputs = store.select(view.digests)
raw = inputs.gather(positions)                   # a torch tensor
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelhedge.corpus.images import DECODING_VERSION, ImageReader, decode_all
from labelhedge.models import FrozenSettings, NetworkSettings, load_backbone
from labelhedge.models.backbones import FEATURE_SIZES, feature_key
from labelhedge.store import RowStore

_CHUNK = 256  # images between two writes: what a killed run loses at most
_BATCH = 16  # images at once through a backbone: larger ones are no faster on a CPU


@dataclass(frozen=True)
class Inputs:
    """The inputs of some samples: rows of a memory-mapped array."""

    array: npt.NDArray[np.generic]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, positions: npt.NDArray[np.int64]) -> Tensor:
        """Inputs at these positions, as a tensor on the CPU."""
        return torch.from_numpy(np.ascontiguousarray(self.array[self.rows[positions]]))


@dataclass(frozen=True)
class InputStore:
    """The inputs of a whole corpus, found by the identity of the image."""

    store: RowStore

    @property
    def name(self) -> str:
        """What the inputs are and how they were made."""
        return self.store.folder.name

    def select(self, digests: Sequence[bytes]) -> Inputs:
        """The inputs of the images with these identities, in that order."""
        return Inputs(self.store.array, self.store.locate(digests))


def prepare_inputs(
    images: ImageReader,
    digests: Sequence[bytes],
    settings: NetworkSettings,
    cache: Path,
    *,
    progress: bool = False,
) -> InputStore:
    """Decode every image that the cache lacks, and compute its features where the backbone is frozen.

    Parameters
    ----------
    images : ImageReader
        All images of the corpus.
    digests : their identities, in the same order
    settings : the network's
    cache : folder
    progress : bool
        Show a progress bar.

    Raises
    ------
    CorpusError
        When an image is unreadable; it names file and row.
    """
    size = settings.image_size
    if isinstance(settings, FrozenSettings):
        width = FEATURE_SIZES[settings.backbone]
        store = RowStore(
            cache / "features" / f"{feature_key(settings.backbone, size)}-v{DECODING_VERSION}", (width,), "float16"
        )
    else:
        store = RowStore(cache / "images" / f"square-{size}-v{DECODING_VERSION}", (size, size, 3), "uint8")
    missing = store.missing(digests)
    if not missing:
        return InputStore(store)

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress, transient=True) as bar:
        if isinstance(settings, FrozenSettings):
            waiting = bar.add_task(f"loading {settings.backbone}", total=None)
            backbone = load_backbone(settings.backbone, size, cache / "backbones")
            bar.remove_task(waiting)
        doing = bar.add_task("computing features" if isinstance(settings, FrozenSettings) else "decoding images")
        bar.update(doing, total=len(missing))
        decoded = decode_all(images.read(np.asarray(missing, np.int64)), size, images)
        for positions in _chunks(iter(missing), _CHUNK):
            rows = np.stack(list(islice(decoded, len(positions))))
            if isinstance(settings, FrozenSettings):
                parts = [backbone(rows[i : i + _BATCH]) for i in range(0, len(rows), _BATCH)]
                store.append([digests[i] for i in positions], np.concatenate(parts))
            else:
                store.append([digests[i] for i in positions], rows)
            bar.advance(doing, len(positions))
    return InputStore(store)


def _chunks(items: Iterator[int], size: int) -> Iterator[list[int]]:
    while chunk := list(islice(items, size)):
        yield chunk
