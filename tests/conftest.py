"""Fixtures for all tests: a small corpus that can be malformed at will, and a cache folder of the tests' own.

def test_something(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus")                              # valid: 20 samples, 3 labels
    make_corpus(tmp_path / "a", cells={(3, "split"): "validation"})        # one cell
    make_corpus(tmp_path / "b", columns={"trusted": None, "votes": [1] * 20})  # drop one column, add another
    make_corpus(tmp_path / "c", info={"name": ""}, files={"graph.nt": None})   # corpus.json; remove a file

hypothesis takes the same examples every time; `pytest --hypothesis-profile search` looks for new ones.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from PIL import Image

settings.register_profile("steady", derandomize=True)  # the same examples in every run
settings.register_profile("search", max_examples=2000, deadline=None)  # new ones: --hypothesis-profile search
settings.load_profile("steady")

os.environ.pop("PYTHONUNBUFFERED", None)  # the programs that tests start print as a user's do

LABELS = pa.list_(pa.int32())
TYPES = {
    "id": pa.string(),
    "split": pa.string(),
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    "observed": LABELS,
    "verified": LABELS,
    "trusted": pa.bool_(),
    "title": pa.string(),
}
INFO = {
    "format_version": 1,
    "name": "small",
    "licence": "CC0",
    "labels": [{"id": name, "name": name, "uri": f"urn:test:{name}"} for name in ("cat", "dog", "owl")],
}
GRAPH = """\
<urn:test:cat> <urn:test:class> <urn:test:mammal> .
<urn:test:dog> <urn:test:class> <urn:test:mammal> .
<urn:test:owl> <urn:test:class> <urn:test:bird> .
"""


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Keep features and decoded images of the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("LABELHEDGE_CACHE"):
            patch.setenv("LABELHEDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def make_corpus():
    """The function `write_small_corpus`, see there."""
    return write_small_corpus


def write_small_corpus(
    path, *, size=20, seed=0, parts=1, columns=None, cells=None, edit=None, info=None, files=None, **parquet
):
    """Write a small corpus, with changes, and return its folder.

    Rows follow a pattern in their number i: `id` is "s00", "s01", …; of ten in a row six are train, one dev,
    three test; rows 0 and 3 of ten are trusted; every fourth row (3, 7, …) is background; all are verified;
    where i is a multiple of three (so also in some trusted rows) the observed labels are wrong. The colour of
    an image shows its true labels, so that a network can learn them.

    Parameters
    ----------
    size, seed, parts : number of samples, seed of the images, number of Parquet files (of about equal length)
    columns : {name: values}: a list (stored in the format's type), a pyarrow array (as is), None (left out)
    cells : {(row, column name): value}, after `columns`
    edit : function (table, number of the part) -> table, applied to each part before it is written
    info : dict, merged into corpus.json
    files : {relative path: bytes, str, or None to remove}, written at the end
    parquet : passed on to pyarrow.parquet.write_table
    """
    table = dict(_columns(size, seed))
    table.update(columns or {})
    for (row, name), value in (cells or {}).items():
        values = list(table[name])
        values[row] = value
        table[name] = values
    whole = pa.table(
        {
            name: values if isinstance(values, pa.Array) else pa.array(values, TYPES.get(name))
            for name, values in table.items()
            if values is not None
        }
    )
    folder = Path(path)
    (folder / "samples").mkdir(parents=True)
    bounds = [len(whole) * number // parts for number in range(parts + 1)]
    for number in range(parts):
        part = whole.slice(bounds[number], bounds[number + 1] - bounds[number])
        part = edit(part, number) if edit else part
        pq.write_table(part, folder / "samples" / f"part-{number:05d}.parquet", **parquet)
    (folder / "graph.nt").write_text(GRAPH)
    (folder / "corpus.json").write_text(json.dumps({**INFO, **(info or {})}))
    for name, content in (files or {}).items():
        file = folder / name
        if content is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def _columns(size, seed):
    rng = np.random.default_rng(seed)
    verified, observed, images = [], [], []
    for row in range(size):
        true = [] if row % 4 == 3 else sorted({row % 3, (row + row // 5 % 2) % 3})
        verified.append(true)
        observed.append(true if row % 3 else [(len(true) + row) % 3])
        pixels = rng.integers(0, 120, (16, 24, 3), dtype=np.uint8)  # width differs from height on purpose
        pixels[..., true] += 120
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        images.append({"bytes": buffer.getvalue(), "path": None})
    return {
        "id": [f"s{row:02d}" for row in range(size)],
        "split": [("dev" if row % 10 == 6 else "train" if row % 10 < 6 else "test") for row in range(size)],
        "image": images,
        "observed": observed,
        "verified": verified,
        "trusted": [row % 10 in (0, 3) for row in range(size)],
        "title": [f"drawing {row}" for row in range(size)],
    }


@pytest.fixture
def make(tmp_path):
    """Tasks in a folder of the test, for the formulas of methods."""
    from task_help import make_task

    return lambda **changes: make_task(tmp_path, **changes)


@pytest.fixture(scope="session")
def small_wordnet(tmp_path_factory):
    """The folder of a WordNet of five synsets, in the format of its database files."""
    folder = tmp_path_factory.mktemp("wordnet")
    (folder / "index.noun").write_text(
        "  1 This line belongs to the licence.\n"
        "animal n 1 1 ~ 1 1 00000001\n"
        "mouse n 2 2 @ ~ 2 1 00000003 00000005\n"
        "rodent n 1 1 @ 1 1 00000002\n"
        "box n 1 1 @ 1 1 00000004\n"
        "city n 1 1 @ 1 1 00000004\n"
        "device n 1 1 @ 1 1 00000004\n"
    )
    (folder / "data.noun").write_text(
        "  1 This line belongs to the licence.\n"
        "00000001 03 n 01 animal 0 001 ~ 00000002 n 0000 | a living thing\n"
        "00000002 05 n 01 rodent 0 001 @ 00000001 n 0000 | it gnaws\n"
        "00000003 05 n 01 mouse 0 002 @ 00000002 n 0000 + 00000009 v 0101 | small\n"
        "00000004 06 n 03 box 0 city 0 device 0 000 | all in one here\n"
        "00000005 06 n 01 mouse 1 001 @i 00000004 n 0000 | on a desk\n"
    )
    (folder / "noun.exc").write_text("mice mouse\naboideaux aboideau\n")
    (folder / "cntlist.rev").write_text("mouse%1:05:00:: 1 14\nmouse%2:05:00:: 1 3\nbox%1:06:00:: 1 7\n")
    return folder


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, through Playwright; without one the test is skipped."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=chromium, args=options)
        yield started
        started.close()
