"""What the tests of `corpus import photos` share: photos that are linked, their images, a vocabulary."""

from __future__ import annotations

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelhedge as lh
from corpus_help import picture, table_of
from labelhedge.collect.assembly.labels import CorpusLabels
from labelhedge.collect.records import ENTITIES, PHOTO

NAMES = ("cat", "dog", "owl")
LINKED = PHOTO.append(pa.field("entities", ENTITIES)).append(pa.field("taken", pa.int64()))
GRAPH = "<urn:dog> <urn:kind-of> <urn:mammal> .\n<urn:cat> <urn:kind-of> <urn:mammal> .\n"


def entity(name, score=0.9, text=None, offset=0):
    return {"uri": f"urn:{name}", "name": name, "text": text or name, "offset": offset, "score": score}


def photo(id_, entities=(), image=None, **columns):
    return {
        **dict.fromkeys(LINKED.names),
        "id": id_,
        "title": f"title of {id_}",
        "tags": ["a tag", id_],
        "licence": "CC0",
        "entities": [entity(one) if isinstance(one, str) else one for one in entities],
        "image": None if image is None else str(image),
        **columns,
    }


def write_linked(folder, photos, parts=1):
    (folder / "photos").mkdir(parents=True)
    for number in range(parts):
        table = pa.Table.from_pylist(photos[number::parts], LINKED)
        pq.write_table(table, folder / "photos" / f"part-{number:05}.parquet")
    (folder / "summary.json").write_text("{}")  # written last
    return folder


def write_csv(path, columns, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def vocabulary(path, names=NAMES):
    return write_csv(path, ["uri", "name", "photos"], [[f"urn:{name}", name, 99] for name in names])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 150 images that are no near-duplicates."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(150):
        (folder / f"{number}.png").write_bytes(picture(number, (24, 18)))
    return folder


@pytest.fixture
def labels(tmp_path):
    return CorpusLabels.read(vocabulary(tmp_path / "vocabulary.csv"))


def tagged(pictures, count=60, unrelated=60):
    """Photos of the three labels by turns, every tenth of two; and some of none."""
    photos = [
        photo(
            f"p{i:02}", [NAMES[i % 3], *([NAMES[(i + 1) % 3]] if i % 10 == 0 else [])], pictures / f"{i}.png", taken=i
        )
        for i in range(count)
    ]
    return photos + [photo(f"u{i:02}", ["house"] * (i % 2), pictures / f"{count + i}.png") for i in range(unrelated)]


def rows_of(folder):
    """The rows of a corpus by id; labels by name."""
    names = [label.name for label in lh.Corpus.open(folder).labels]
    rows = {row["id"]: row for row in table_of(folder).to_pylist()}
    for row in rows.values():
        for column in ("observed", "verified"):
            row[column] = None if row[column] is None else {names[number] for number in row[column]}
    return rows


def balanced(made):
    return made.photos == made.kept + sum(made.dropped.values())
