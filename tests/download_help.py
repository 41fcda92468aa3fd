"""What the tests of `collect download` share."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelhedge.collect.download import Settings, download

FAST = {
    "delay": 0.0,
    "timeout": 0.5,
    "deadline": 1.0,
    "attempts": 3,
    "first_wait": 0.01,
    "longest_wait": 5.0,
    "allow_private": True,  # the servers of the tests are on this machine
}
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))


@pytest.fixture
def fetch(tmp_path):
    """A function that downloads a list of URLs (with ids of their own, or 0, 1, …): the rows and the summary.

    A test file takes it with `fetch = download_help.fetch`.
    """

    def run(urls, *, out="images", retry_failed=False, **settings):
        photos = urls if isinstance(urls, dict) else {str(number): url for number, url in enumerate(urls)}
        table = pa.table({"id": list(photos), "url": pa.array(photos.values(), pa.string())})
        pq.write_table(table, tmp_path / "photos.parquet")
        settings = Settings(**{**FAST, **settings})
        summary = download(tmp_path / "photos.parquet", tmp_path / out, settings=settings, retry_failed=retry_failed)
        return pq.read_table(tmp_path / out / "images.parquet").to_pylist(), summary

    return run


def tree(folder):
    """Every file of a folder that a user sees, with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".download" not in path.parts
    }


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
