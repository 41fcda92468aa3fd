"""Ids that stand in two parts, so that an id is unique in the whole input.

Ids are hashed to 64 bits, and the hashes are sorted a bucket at a time. What collides there is compared in full.
Memory holds one bucket's hashes and the ids that repeat, so it grows with the repeated ids only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.running import import_daft

BUCKET = 20_000_000
"""Hashes that are sorted at a time, about 160 MB."""


def repeated_ids(photos: Path, bucket: int = BUCKET) -> dict[tuple[int, int], tuple[str, ...]]:
    """The ids in each part that stand in a part before it.

    Parameters
    ----------
    photos : Path
        The folder of parts, each without an id that stands twice in it.
    bucket : int
        Hashes to sort at a time.

    Returns
    -------
    dict of (input, part) to ids
    """
    parts = sorted(photos.glob("part-*.parquet"))
    if len(parts) < 2:
        return {}
    total = sum(pq.read_metadata(part).num_rows for part in parts)
    buckets = max(1, -(-total // bucket))
    found: dict[tuple[int, int], list[str]] = {}
    for number in range(buckets):
        suspects = _repeated(parts, number, buckets)
        seen: set[str] = set()
        for part in parts if len(suspects) else ():
            again: list[str] = []
            for ids, hashes in _hashed(part):
                for identity in ids.filter(pa.array(_among(hashes, suspects))).to_pylist():
                    (again.append if identity in seen else seen.add)(identity)
            if again:
                _, source, place = part.stem.split("-")
                found.setdefault((int(source), int(place)), []).extend(again)
    return {place: tuple(again) for place, again in sorted(found.items())}


def _repeated(parts: list[Path], number: int, buckets: int) -> npt.NDArray[np.uint64]:
    """The hashes of a bucket that occur twice."""
    mine = [hashes[hashes % buckets == number] for part in parts for _, hashes in _hashed(part)]
    ordered = np.sort(np.concatenate(mine)) if mine else np.empty(0, np.uint64)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _among(hashes: npt.NDArray[np.uint64], suspects: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    places = np.searchsorted(suspects, hashes).clip(max=len(suspects) - 1)
    return np.asarray(suspects[places] == hashes)


def _hashed(part: Path) -> Iterator[tuple[Any, npt.NDArray[np.uint64]]]:
    daft = import_daft()
    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(100_000, columns=["id"]):
            ids = batch.column("id")
            yield ids, daft.Series.from_arrow(ids).hash().to_arrow().to_numpy(zero_copy_only=False)
