"""Rows of one shape, on disk, addressed by content: what is computed once per image is kept here.

Used for decoded images (uint8) and for the features of a frozen backbone (float16).

    store = RowStore(folder, shape=(1280,), dtype="float16")
    missing = store.missing(digests)
    store.append([digests[i] for i in missing], rows)
    store.array[store.locate(digests)]          # memory-mapped

Two files grow: `rows.bin` first, then `digests.bin`, so whatever a killed writer leaves behind the last
complete digest is ignored and written over. A lock file keeps two writers apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import filelock
import numpy as np
import numpy.typing as npt

from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

DIGEST_BYTES = 16


class RowStore:
    """An append-only, memory-mapped table from content digest to a row of fixed shape.

    Parameters
    ----------
    folder : Path
        Where the files live; made if it does not exist.
    shape : tuple of int
        Shape of one row.
    dtype : str
        NumPy type of the numbers.

    Raises
    ------
    ValueError
        When the folder holds rows of another shape or type.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: str) -> None:
        self.folder, self.shape, self.dtype = folder, shape, np.dtype(dtype)
        self._row_bytes = int(np.prod(shape)) * self.dtype.itemsize
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / "lock")
        with self._lock:
            self._check_layout()
            self._load_index()

    @property
    def array(self) -> npt.NDArray[np.generic]:
        """All rows so far, ``(rows, *shape)``, memory-mapped and read-only."""
        if not self._index:
            return np.empty((0, *self.shape), self.dtype)
        return np.memmap(self.folder / "rows.bin", dtype=self.dtype, mode="r", shape=(len(self._index), *self.shape))

    def missing(self, digests: Sequence[bytes]) -> list[int]:
        """Positions in `digests` of the rows that are not stored yet, each content once."""
        seen: set[bytes] = set()
        found = []
        for position, digest in enumerate(digests):
            if digest not in self._index and digest not in seen:
                found.append(position)
                seen.add(digest)
        return found

    def locate(self, digests: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Row numbers of `digests` in `array`; a KeyError names a digest that is not stored."""
        return np.fromiter((self._index[digest] for digest in digests), np.int64, count=len(digests))

    def append(self, digests: Sequence[bytes], rows: npt.NDArray[np.generic]) -> None:
        """Store new rows; those that another process stored meanwhile are left out."""
        if rows.shape != (len(digests), *self.shape):
            raise ValueError(f"rows of shape {(len(digests), *self.shape)} are needed, found {rows.shape}")
        if not np.can_cast(rows.dtype, self.dtype, "same_kind"):
            raise ValueError(f"rows of type {rows.dtype} would lose their meaning as {self.dtype}")
        if any(len(digest) != DIGEST_BYTES for digest in digests):
            raise ValueError(f"every digest must have {DIGEST_BYTES} bytes")
        with self._lock:
            self._load_index()
            fresh = self.missing(digests)
            with self._open_at("rows.bin", self._row_bytes) as file:
                file.write(np.ascontiguousarray(rows[fresh], dtype=self.dtype).tobytes())
            with self._open_at("digests.bin", DIGEST_BYTES) as file:
                file.write(b"".join(digests[i] for i in fresh))
            self._load_index()

    def _open_at(self, name: str, width: int):  # type: ignore[no-untyped-def]
        path = self.folder / name
        path.touch()
        file = path.open("r+b")
        file.seek(len(self._index) * width)
        file.truncate()
        return file

    def _load_index(self) -> None:
        path = self.folder / "digests.bin"
        raw = path.read_bytes() if path.exists() else b""
        count = len(raw) // DIGEST_BYTES
        self._index = {raw[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES]: i for i in range(count)}

    def _check_layout(self) -> None:
        path = self.folder / "layout.json"
        layout = {"shape": list(self.shape), "dtype": self.dtype.str}
        if not path.exists():
            with replacing(path) as new:
                new.write_text(json.dumps(layout))
        elif json.loads(path.read_text()) != layout:
            raise LabelhedgeError(
                f"{path} describes {path.read_text()}, but rows {layout} are needed: delete the folder"
            )
