"""What the tests of the corpus format share."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelhedge as lh

FIXED = ["id", "split", "image", "observed", "verified", "trusted"]
PART = "samples/part-00000.parquet"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
INFO = lh.CorpusInfo(
    name="written",
    licence="CC0",
    labels=tuple(lh.Label(id=name, name=name) for name in ("cat", "dog", "owl")),
)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(seed=99, size=(8, 6)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def table_of(folder):
    return pa.concat_tables([pq.read_table(path) for path in sorted((folder / "samples").glob("*.parquet"))])


def columns_of(folder):
    return table_of(folder).to_pydict()


def with_type(name, kind):
    """An edit that stores a column of each part as another type."""

    def edit(table, part):
        values = pa.array(table[name].to_pylist(), kind)
        return table.set_column(table.column_names.index(name), name, values)

    return edit


def only_second(edit):
    return lambda table, part: edit(table, part) if part else table


def refusal(folder, file, row=None):
    """The message of the CorpusError that opening gives; it names the file, the row and the mend."""
    with pytest.raises(lh.CorpusError) as caught:
        lh.Corpus.open(folder)
    error, message = caught.value, str(caught.value)
    assert Path(error.file) == folder / file
    assert error.row == row
    assert str(folder / file) in message
    assert re.search(r"To mend it: \w.+\.$", message, re.S)
    if row is not None:
        assert f", row {row}" in message
    return message


def labels(*pairs):
    return [{"id": id_, "name": name} for id_, name in pairs]


def at(path):
    return {"bytes": None, "path": path}


def raw(data):
    return {"bytes": data, "path": None}


def like_polars(table, part):
    """The types that Polars 2.1 writes; a path that is never given has no type at all."""
    image = pa.struct([("bytes", pa.large_binary()), ("path", pa.null())])
    types = [
        ("id", pa.large_string()),
        ("split", pa.dictionary(pa.uint32(), pa.string())),
        ("image", image),
        ("observed", pa.large_list(pa.int64())),
        ("verified", pa.large_list(pa.int64())),
        ("title", pa.large_string()),
    ]
    for name, kind in types:
        table = with_type(name, kind)(table, part)
    return table


def random_columns(seed, size=60, checked=0.7):
    """Random splits and labels; untrusted rows are verified with the probability `checked`."""
    rng = np.random.default_rng(seed)

    def some():
        return rng.choice(3, rng.integers(0, 4), replace=False).tolist()

    split = rng.choice(["train", "dev", "test"], size, p=[0.6, 0.1, 0.3]).tolist()
    trusted = [bool(name == "train" and rng.random() < 0.3) for name in split]
    return {
        "split": split,
        "trusted": trusted,
        "observed": [some() for _ in range(size)],
        "verified": [some() if known or rng.random() < checked else None for known in trusted],
    }
