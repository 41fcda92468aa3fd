"""From linked photos to a corpus: what becomes of each photo, and that neither order nor workers nor a kill matter."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import encoded, picture, table_of
from labelhedge.cli import app
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.images import at_most
from labelhedge.collect.assembly.labels import CorpusLabels, graph_above, read_checks, wordnet_above
from labelhedge.collect.records import ENTITIES, IMAGES, PHOTO
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, WordNet, uri

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


def test_photos_become_a_corpus(pictures, labels, tmp_path):
    photos = tagged(pictures)
    (tmp_path / "graph.nt").write_text(GRAPH)
    linked = write_linked(tmp_path / "linked", photos, parts=3)
    made = assemble_corpus(linked, tmp_path / "corpus", labels, graph=tmp_path / "graph.nt", seed=1)
    corpus = made.corpus
    assert (corpus.name, [label.uri for label in corpus.labels]) == ("corpus", [f"urn:{name}" for name in NAMES])
    assert corpus.info.text == ("title", "tags", "description")
    assert corpus.graph_path.read_text() == GRAPH
    assert (made.photos, made.kept, balanced(made)) == (120, 86, True)  # 26 of 86 are 30 %
    rows = rows_of(tmp_path / "corpus")
    given = {one["id"]: one for one in photos}
    for id_, row in rows.items():
        assert row["observed"] == {one["name"] for one in given[id_]["entities"]} - {"house"}
        assert row["image"]["bytes"] == Path(given[id_]["image"]).read_bytes()
        assert (row["verified"], row["trusted"], row["group"]) == (None, False, id_)
        for column in ("title", "tags", "licence", "taken", "url"):
            assert row[column] == given[id_][column]
        found = [(NAMES[one["label"]], one["text"], one["source"]) for one in row["evidence"]]
        assert found == [(name, name, f"urn:{name}") for name in NAMES if name in row["observed"]]
        assert all(one["score"] == pytest.approx(0.9) for one in row["evidence"])
    assert "entities" not in next(iter(rows.values()))
    count = Counter(row["split"] for row in rows.values())
    assert [count[name] for name in ("train", "test", "dev")] == pytest.approx([51.6, 25.8, 8.6], abs=2.5)
    background = Counter(row["split"] for row in rows.values() if not row["observed"])
    assert [background[name] for name in ("train", "test", "dev")] == pytest.approx([15.6, 7.8, 2.6], abs=1.1)
    assert "--checked" in made.remarks[0]
    assert corpus.describe().background == dict(background)


@settings(deadline=None, max_examples=4, derandomize=True)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 3))
def test_neither_order_nor_parts_nor_workers_matter(pictures, tmp_path_factory, random, parts, workers):
    folder = tmp_path_factory.mktemp("order")
    labels = CorpusLabels.read(vocabulary(folder / "vocabulary.csv"))
    photos = tagged(pictures)
    photos += [photo("zz", ["dog"], pictures / "0.png"), photo("a0", ["owl"], pictures / "2.png")]  # identical images
    checks = {"p03": (0,), "p07": (), "u01": (), "p11": (1, 2), "p12": (0,), "zz": (1,)}
    results = []
    for name, number, threads in (("one", 1, 1), ("two", parts, workers)):
        linked = write_linked(folder / f"linked-{name}", photos, number)
        results.append(
            assemble_corpus(linked, folder / name / "corpus", labels, checks=checks, seed=3, workers=threads)
        )
        random.shuffle(photos)
    first, second = (rows_of(folder / name / "corpus") for name in ("one", "two"))
    assert first == second
    assert str(results[0]) == str(results[1])
    assert "p00" not in first  # the same image as "zz", which was checked
    assert "p02" not in first  # the same image as "a0", which comes first


def test_what_is_dropped_is_counted_by_reason(pictures, labels, tmp_path):
    (tmp_path / "broken.png").write_bytes(picture(3)[:60])
    (tmp_path / "folder").mkdir()
    photos = [
        *tagged(pictures, count=30, unrelated=20),
        photo("weak", [entity("dog", 0.3)], pictures / "100.png"),
        photo("none", ["dog"]),
        photo("gone", ["dog"], tmp_path / "gone.png"),
        photo("dir", ["dog"], tmp_path / "folder"),
        photo("broken", ["dog"], tmp_path / "broken.png"),
        photo("zz twin", ["dog"], pictures / "4.png"),
        photo("rare", ["owl", "rare"], pictures / "101.png"),
        photo("only rare", ["rare"], pictures / "102.png"),
    ]
    labels = CorpusLabels.read(vocabulary(tmp_path / "more.csv", ("rare", *NAMES)))
    linked = write_linked(tmp_path / "linked", photos)
    made = assemble_corpus(linked, tmp_path / "corpus", labels, background=8, min_score=0.5)
    assert made.dropped == {
        "linked by entities that score below 0.5 only": 1,
        "without an entity of the vocabulary, and not drawn as background": 12,
        "without an image": 1,
        "image file missing": 2,
        "image unreadable": 1,
        "with the same image as another photo": 1,
        "with labels of too few images only": 1,
    }
    assert (made.photos, made.kept, balanced(made)) == (58, 39, True)
    assert made.rare == [("rare", 2)]
    assert [label.name for label in made.corpus.labels] == list(NAMES)
    row = rows_of(tmp_path / "corpus")["rare"]
    assert row["observed"] == {"owl"}
    assert [one["source"] for one in row["evidence"]] == ["urn:owl"]
    for words in ("58", "39", "dropped", "12 without an entity", "rare 2"):
        assert words in str(made)


def test_checked_photos_are_verified_and_trusted_in_train(pictures, labels, tmp_path):
    photos = tagged(pictures)
    said = {f"p{i:02}": NAMES[i % 3] for i in range(0, 60, 2)}
    said |= {"p01": "cat|dog", "p03": "", "u00": "", "u01": "urn:owl"}
    path = write_csv(tmp_path / "checks.csv", ["id", "labels"], [*said.items(), ("nobody", "cat")])
    checks = read_checks(path, labels)
    linked = write_linked(tmp_path / "linked", photos)
    made = assemble_corpus(linked, tmp_path / "corpus", labels, checks=checks, background=0)
    rows = rows_of(tmp_path / "corpus")
    assert {id_ for id_, row in rows.items() if row["verified"] is not None} == set(said)
    assert rows["p01"]["verified"] == {"cat", "dog"}
    assert rows["p01"]["observed"] == {"dog"}
    assert rows["p03"]["verified"] == rows["u00"]["verified"] == rows["u01"]["observed"] == set()
    assert rows["u01"]["verified"] == {"owl"}  # its label was missed, and it is kept
    assert set(rows) == {f"p{i:02}" for i in range(60)} | {"u00", "u01"}
    for id_, row in rows.items():
        assert row["trusted"] == (id_ in said and row["split"] == "train")
    assert {row["split"] for id_, row in rows.items() if id_ in said} == {"train", "dev", "test"}
    assert made.remarks == ["1 of 35 checked ids are not among the photos: nobody"]
    assert balanced(made)


def test_background_has_no_entity_of_the_vocabulary_and_follows_from_ids_and_seed(pictures, labels, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"GIF89a")
    photos = tagged(pictures, count=30, unrelated=40)
    photos += [photo(f"v{i}", ["house"], tmp_path / "broken.png") for i in range(40)]
    photos += [photo(f"w{i}", [entity("dog", 0.1)], pictures / f"{100 + i}.png") for i in range(20)]
    photos += [photo(f"x{i}", []) for i in range(20)]
    linked = write_linked(tmp_path / "linked", photos)
    chosen = {}
    for name, seed, background in (("a", 0, 30), ("b", 1, 30), ("c", 0, 15), ("d", 0, 500), ("e", 0, 0)):
        made = assemble_corpus(linked, tmp_path / name, labels, background=background, seed=seed, min_score=0.5)
        assert balanced(made)
        chosen[name] = {id_ for id_, row in rows_of(tmp_path / name).items() if not row["observed"]}
    everything = {f"u{i:02}" for i in range(40)}
    assert {name: len(found) for name, found in chosen.items()} == {"a": 30, "b": 30, "c": 15, "d": 40, "e": 0}
    assert chosen["a"] != chosen["b"]
    assert chosen["c"] < chosen["a"] < chosen["d"] == everything


def test_downloads_go_before_the_photos_own_files(pictures, labels, tmp_path):
    photos = tagged(pictures, count=36, unrelated=0)
    for one in photos[:33]:
        one["image"] = None
    (tmp_path / "images" / "files").mkdir(parents=True)
    for number in range(30):
        (tmp_path / "images" / "files" / f"{number}.png").write_bytes(picture(1000 + number, (24, 18)))
    fetched = [{"id": f"p{i:02}", "path": f"files/{i}.png"} for i in range(30)]
    fetched += [{"id": "p30", "path": None, "reason": "404"}, {"id": "nobody", "path": "files/none.png"}]
    pq.write_table(pa.Table.from_pylist(fetched, IMAGES), tmp_path / "images" / "images.parquet")
    linked = write_linked(tmp_path / "linked", photos)
    made = assemble_corpus(linked, tmp_path / "corpus", labels, images=tmp_path / "images")
    assert made.dropped == {"download failed": 1, "without an image": 2}
    rows = rows_of(tmp_path / "corpus")
    assert len(rows) == 33
    assert rows["p05"]["image"]["bytes"] == picture(1005, (24, 18))
    with pytest.raises(LabelhedgeError, match=r"images\.parquet is missing"):
        assemble_corpus(linked, tmp_path / "other", labels, images=tmp_path)


def test_near_duplicates_and_groups_are_on_one_side(pictures, labels, tmp_path):
    photos = tagged(pictures, count=45, unrelated=0)
    for number in range(15):
        with Image.open(pictures / f"{number}.png") as image:
            (tmp_path / f"{number}.jpg").write_bytes(encoded(image.convert("RGB").resize((48, 36)), "JPEG", quality=90))
        photos.append(photo(f"q{number:02}", [NAMES[number % 3]], tmp_path / f"{number}.jpg"))
    for number, one in enumerate(photos):
        one["creator"] = f"c{number // 3}" if 15 <= number < 45 else None
    linked = write_linked(tmp_path / "linked", photos)
    made = assemble_corpus(linked, tmp_path / "corpus", labels, groups="creator")
    rows = rows_of(tmp_path / "corpus")
    assert (made.kept, made.groups, made.grouped) == (60, 25, 60)
    for number in range(15):
        assert rows[f"q{number:02}"]["split"] == rows[f"p{number:02}"]["split"]
        assert rows[f"q{number:02}"]["group"] == rows[f"p{number:02}"]["group"] == f"p{number:02}"
    for number in range(15, 45):
        assert rows[f"p{number}"]["split"] == rows[f"p{number // 3 * 3}"]["split"]
    own = {f"p{number:02}": f"series {number % 4}" for number in range(45)}
    made = assemble_corpus(linked, tmp_path / "own", labels, groups=own, near_duplicates=False)
    assert {row["group"] for row in rows_of(tmp_path / "own").values()} == {*own.values()} | {
        f"q{number:02}" for number in range(15)
    }
    with pytest.raises(LabelhedgeError, match=r"no column 'owner'.*creator"):
        assemble_corpus(linked, tmp_path / "other", labels, groups="owner")


def test_images_are_prepared(pictures, labels, tmp_path):
    photos = tagged(pictures, count=30, unrelated=0)
    Image.open(pictures / "3.png").resize((10, 8)).save(tmp_path / "small.png")
    photos[3]["image"] = str(tmp_path / "small.png")
    linked = write_linked(tmp_path / "linked", photos)
    assemble_corpus(linked, tmp_path / "corpus", labels, prepare=at_most(16))
    rows = rows_of(tmp_path / "corpus")
    assert rows["p03"]["image"]["bytes"] == (tmp_path / "small.png").read_bytes()
    assert rows["p04"]["image"]["bytes"][8:12] == b"WEBP"


def test_columns_whose_names_the_format_uses_get_another(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, unrelated=0))
    path = linked / "photos" / "part-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("split", pa.array(["mine"] * len(table))), path)
    assemble_corpus(linked, tmp_path / "corpus", labels)
    assert {row["photo_split"] for row in rows_of(tmp_path / "corpus").values()} == {"mine"}


def test_parts_may_differ_in_their_columns_and_have_null_lists(pictures, labels, tmp_path):
    photos = tagged(pictures, unrelated=10)
    photos[-1]["entities"] = None
    linked = write_linked(tmp_path / "linked", photos, parts=2)
    path = linked / "photos" / "part-00001.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["taken"]), path)
    made = assemble_corpus(linked, tmp_path / "corpus", labels, background=10)
    assert made.kept == 70
    assert Counter(row["taken"] is None for row in rows_of(tmp_path / "corpus").values()) == {False: 30, True: 40}


# labels


def test_entities_below_a_label_count_for_it(pictures, tmp_path):
    (tmp_path / "graph.nt").write_text(
        GRAPH + "<urn:mammal> <urn:kind-of> <urn:animal> .\n<urn:animal> <urn:x> <urn:dog> .\n"
    )
    path = vocabulary(tmp_path / "vocabulary.csv", ("mammal", "cat", "owl"))
    labels = CorpusLabels.read(path, above=graph_above(tmp_path / "graph.nt"))
    found = {name: [labels.labels[n].name for n in labels.of(f"urn:{name}")] for name in ("dog", "cat", "owl", "house")}
    assert found == {"dog": ["mammal"], "cat": ["mammal", "cat"], "owl": ["owl"], "house": []}
    linked = write_linked(tmp_path / "linked", tagged(pictures))
    assemble_corpus(linked, tmp_path / "corpus", labels)
    row = rows_of(tmp_path / "corpus")["p01"]
    assert row["observed"] == {"mammal"}
    assert row["evidence"] == [{"label": 0, "text": "dog", "source": "urn:dog", "score": pytest.approx(0.9)}]


def test_wordnet_says_what_is_below(tmp_path):
    if not (DEBIAN / "data.noun").exists():
        pytest.skip("WordNet is not installed (Debian: apt-get install wordnet-base)")
    nouns = WordNet.open()
    rows = [[uri(nouns.synset(name)), name, 1] for name in ("dog.1", "bird.1")]
    path = write_csv(tmp_path / "vocabulary.csv", ["uri", "name", "photos"], rows)
    labels = CorpusLabels.read(path, above=wordnet_above(nouns))
    given = ("poodle.1", "dog.1", "owl.1", "cat.1")
    assert [labels.of(uri(nouns.synset(name))) for name in given] == [(0,), (0,), (1,), ()]
    assert labels.of("http://dbpedia.org/resource/Poodle") == labels.of(uri("99999999")) == ()


def test_kinds_of_a_label_are_no_background(pictures, tmp_path):
    """Of a vocabulary of WordNet without any option; what they are kinds of by a graph, only where it is named."""
    if not (DEBIAN / "data.noun").exists():
        pytest.skip("WordNet is not installed (Debian: apt-get install wordnet-base)")
    nouns = WordNet.open()

    def noun(name, score=0.9):
        return {"uri": uri(nouns.synset(name)), "name": name, "text": name, "offset": 0, "score": score}

    photos = [photo(f"d{n:02}", [noun("dog.1")], pictures / f"{n}.png") for n in range(20)]
    photos += [photo(f"p{n:02}", [noun("poodle.1", 0.1)], pictures / f"{20 + n}.png") for n in range(20)]
    photos += [photo(f"h{n:02}", [noun("house.1")], pictures / f"{40 + n}.png") for n in range(10)]
    photos += [photo("x", ["cat"], pictures / "60.png")]
    linked = write_linked(tmp_path / "linked", photos)
    rows = [[uri(nouns.synset("dog.1")), "dog", 1]]
    labels = CorpusLabels.read(write_csv(tmp_path / "v.csv", ["uri", "name", "photos"], rows))

    def background(target, labels=labels, **options):
        made = assemble_corpus(linked, tmp_path / target, labels, background=50, min_score=0.2, **options)
        assert balanced(made)
        found = Counter(id_[0] for id_, row in rows_of(tmp_path / target).items() if not row["observed"])
        return found, made

    found, made = background("a")
    assert found == {"h": 10, "x": 1}
    assert made.dropped["with an entity that is a kind of a label only, which counts for it by --below alone"] == 20
    found, made = background("b", wordnet=tmp_path)
    assert found == {"p": 20, "h": 10, "x": 1}
    assert "may be background" in made.remarks[0]
    assert "apt-get install wordnet-base" in made.remarks[0]
    (tmp_path / "graph.nt").write_text(f"<urn:cat> <urn:x> <{uri(nouns.synset('dog.1'))}> .\n")
    below = CorpusLabels.read(tmp_path / "v.csv", above=graph_above(tmp_path / "graph.nt"))
    assert background("c", below)[0] == {"h": 10}
    assert rows_of(tmp_path / "c")["x"]["observed"] == {"dog"}


def test_labels_have_unique_names_and_ids_and_rows_may_share_one(tmp_path):
    rows = [["urn:a", "crane", 1, ""], ["urn:b", "Crane", 1, ""], ["urn:c", "crane", 1, ""]]
    rows += [["urn:d", "insect", 1, "bug"], ["urn:e", "arachnid", 1, "bug"], ["urn:f", "Été à 2", 1, ""]]
    labels = CorpusLabels.read(write_csv(tmp_path / "v.csv", ["uri", "name", "photos", "label"], rows))
    assert labels.labels == (
        Label(id="crane", name="crane", uri="urn:a"),
        Label(id="crane-2", name="Crane", uri="urn:b"),
        Label(id="crane-3", name="crane (2)", uri="urn:c"),
        Label(id="bug", name="bug", uri="urn:d"),
        Label(id="ete-a-2", name="Été à 2", uri="urn:f"),
    )
    assert [labels.of(f"urn:{name}") for name in "abcdef"] == [(0,), (1,), (2,), (3,), (3,), (4,)]
    assert [labels.number(name) for name in ("bug", "urn:e", "crane (2)", "ete-a-2", "insect")] == [3, 3, 2, 4, None]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([["uri", "name"], ["urn:a", "a"]], "lacks the column 'photos'"),
        ([["uri", "name", "photos"]], "no label in it"),
        ([["uri", "name", "photos"], ["urn:a", "", "1"]], "line 2: the name is empty"),
        ([["uri", "name", "photos"], ["", "a", "1"]], "line 2: the uri is empty"),
        ([["uri", "name", "photos"], ["urn:a", "a", "1"], ["urn:a", "b", "1"]], "line 3: the URI urn:a stands twice"),
    ],
)
def test_a_malformed_vocabulary_is_refused(tmp_path, rows, problem):
    path = write_csv(tmp_path / "v.csv", rows[0], rows[1:])
    with pytest.raises(LabelhedgeError, match=re.escape(f"{path}")) as caught:
        CorpusLabels.read(path)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([["id"], ["a"]], "lacks the column 'labels'"),
        ([["id", "labels"], ["a", "cat"], ["a", ""]], "line 3: the id 'a' stands twice"),
        ([["id", "labels"], ["a", "cat|cow"]], "line 2: the vocabulary has no one label 'cow'"),
        ([["id", "labels"], ["", "cat"]], "line 2: the id is empty"),
    ],
)
def test_malformed_checks_are_refused(tmp_path, labels, rows, problem):
    path = write_csv(tmp_path / "checks.csv", rows[0], rows[1:])
    with pytest.raises(LabelhedgeError, match=re.escape(problem)):
        read_checks(path, labels)


# what is refused


def test_what_cannot_be_assembled_is_refused(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, unrelated=5))

    def refused(match, folder=linked, target="corpus", **options):
        with pytest.raises(LabelhedgeError, match=match):
            assemble_corpus(folder, tmp_path / target, labels, **options)
        assert not (tmp_path / "corpus").exists()

    refused("is no complete folder of linked photos: run labelhedge collect link first", folder=tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "summary.json").write_text("{}")
    refused("holds no part", folder=tmp_path / "empty")
    refused("exists already", target="linked")
    refused("share below 1 or a whole number", background=1.5)
    refused("share below 1 or a whole number", background=-1)
    refused("between 0 and 1", min_score=2)
    refused(r"no label has 1000 images: 65 photos read", min_images=1000)
    (tmp_path / "bad.nt").write_text("no triples")
    refused(r"bad\.nt, line 1", graph=tmp_path / "bad.nt")
    twice = write_linked(tmp_path / "twice", [*tagged(pictures), photo("p00", ["cat"], pictures / "140.png")])
    refused("'p00' stands twice", folder=twice)
    again = write_linked(tmp_path / "again", [*tagged(pictures), photo("p00", [], pictures / "140.png")])
    refused("'p00' stands twice", folder=again)
    (tmp_path / "lacking" / "photos").mkdir(parents=True)
    (tmp_path / "lacking" / "summary.json").write_text("{}")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "lacking" / "photos" / "part-0.parquet")
    refused("lacks the column 'entities'", folder=tmp_path / "lacking")


def test_what_a_killed_linker_left_is_not_assembled(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures), parts=2)
    (linked / "summary.json").unlink()
    (linked / "photos" / "part-00001.parquet").unlink()
    with pytest.raises(LabelhedgeError, match="is no complete folder of linked photos: run labelhedge collect link"):
        assemble_corpus(linked, tmp_path / "corpus", labels)
    assert not (tmp_path / "corpus").exists()


def test_an_image_that_changes_meanwhile_stops_the_job(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, unrelated=0))
    calls = Counter()

    def prepare(data):
        calls[data] += 1
        return picture(calls[data]) if data == (pictures / "3.png").read_bytes() else data

    with pytest.raises(LabelhedgeError, match=r"3\.png has changed"):
        assemble_corpus(linked, tmp_path / "corpus", labels, prepare=prepare)
    assert not (tmp_path / "corpus").exists()


# the command


def test_the_command_prints_what_was_kept_and_dropped(pictures, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures))
    checks = write_csv(tmp_path / "checks.csv", ["id", "labels"], [[f"p{i:02}", NAMES[i % 3]] for i in range(50)])
    options = ["--vocabulary", vocabulary(tmp_path / "v.csv"), "--checked", checks, "--background", "0.25"]
    options += ["--fractions", "6:2:2", "--min-images-per-label", "5", "--image-size", "16", "--workers", "2"]
    result = CliRunner().invoke(app, ["corpus", "import", "photos", *map(str, [linked, tmp_path / "corpus", *options])])
    assert result.exit_code == 0, result.output
    for words in ("120", "80 in 80 groups", "40 without an entity", "categories", " checked, 4 background)"):
        assert words in result.output
    assert lh.Corpus.open(tmp_path / "corpus").check().endswith("nothing wrong")


def test_a_finished_corpus_is_replaced_only_if_that_is_asked_for(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures))
    first = assemble_corpus(linked, tmp_path / "corpus", labels)
    with pytest.raises(LabelhedgeError, match=r"exists already: .* --overwrite"):
        assemble_corpus(linked, tmp_path / "corpus", labels)
    again = assemble_corpus(linked, tmp_path / "corpus", labels, background=0, overwrite=True)
    assert first.corpus.describe().background["train"] > 0
    assert again.corpus.describe().background["train"] == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(LabelhedgeError, match=r"choose another folder$"):
        assemble_corpus(linked, tmp_path / "other", labels, overwrite=True)


@pytest.mark.parametrize(("licence", "said"), [("CC0", "see the column licence"), (None, "unknown")])
def test_the_licence_is_looked_for_where_the_photos_have_one(pictures, labels, tmp_path, licence, said):
    photos = [{**one, "licence": licence} for one in tagged(pictures)]
    made = assemble_corpus(write_linked(tmp_path / "linked", photos), tmp_path / "corpus", labels)
    assert made.corpus.info.licence == said


KILLED = """
import sys, time
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.labels import CorpusLabels

calls = []

def prepare(data):
    calls.append(1)
    if len(calls) > 40 + 25:  # all 40 were looked at; now they are written
        print("writing", flush=True)
        time.sleep(600)
    return data

linked, target, vocabulary = sys.argv[1:]
assemble_corpus(linked, target, CorpusLabels.read(vocabulary), background=10, seed=4, prepare=prepare)
"""


def test_a_killed_import_leaves_nothing_and_ends_with_the_same_bytes(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, 30, 10), parts=2)
    killed, whole = tmp_path / "killed" / "corpus", tmp_path / "whole" / "corpus"
    killed.parent.mkdir()
    arguments = [sys.executable, "-c", KILLED, str(linked), str(killed), str(tmp_path / "vocabulary.csv")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not killed.exists()
    assert {path.name for path in killed.parent.iterdir()} == {".corpus.partial", ".corpus.lock"}
    for target in (killed, whole):
        assert assemble_corpus(linked, target, labels, background=10, seed=4).kept == 40
    assert [path.name for path in killed.parent.iterdir()] == ["corpus"]
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (killed, whole)
    )
    assert first == second
    assert len(first) == 2


def test_photos_are_read_and_written_in_portions(pictures, labels, tmp_path, monkeypatch):
    monkeypatch.setattr("labelhedge.collect.assembly.linked._BATCH", 7)
    monkeypatch.setattr("labelhedge.collect.assembly.job._ROWS", 20)
    linked = write_linked(tmp_path / "linked", tagged(pictures), parts=2)
    made = assemble_corpus(linked, tmp_path / "portions", labels, name="x")
    monkeypatch.undo()
    whole = assemble_corpus(linked, tmp_path / "whole", labels, name="x")
    assert made.corpus.hash == whole.corpus.hash
    sizes = [count for _, count in made.corpus.images.parts]
    assert len(sizes) == 4
    assert max(sizes) <= 26
    assert np.sum(sizes) == whole.kept


def test_the_embedded_corpus_comes_out_as_it_is(tmp_path):
    """Its drawings as linked photos: the same labels, splits and trusted samples, in the same order."""
    corpus = lh.Corpus.open("clipart")
    rows = table_of(corpus.folder).to_pylist()
    photos = []
    for number, row in enumerate(rows):
        path = tmp_path / f"{number}.webp"
        path.write_bytes(row["image"]["bytes"])
        entities = [entity(corpus.labels[one["label"]].id, 1.0, one["text"]) for one in row["evidence"]]
        photos.append(photo(row["id"], entities, path, creator=row["creator"]))
    labels = CorpusLabels(corpus.labels, {f"urn:{label.id}": (n,) for n, label in enumerate(corpus.labels)})
    made = assemble_corpus(
        write_linked(tmp_path / "linked", photos),
        tmp_path / "corpus",
        labels,
        checks={row["id"]: tuple(row["verified"]) for row in rows},
        groups={row["id"]: row["group"] for row in rows},
        near_duplicates=False,
        clean_share=0.2,
        background=0,
        seed=2017,
        workers=2,
    )
    assert (made.kept, made.dropped, made.rare) == (len(rows), {}, [])
    again = table_of(tmp_path / "corpus").to_pylist()
    for column in ("id", "image", "observed", "verified", "trusted", "split", "group", "creator"):
        assert [row[column] for row in again] == [row[column] for row in rows], column
    words = [[(one["label"], one["text"]) for one in row["evidence"]] for row in again]
    # Here a label is one entity: what led to it by two meanings of one word stands once.
    assert words == [list(dict.fromkeys((one["label"], one["text"]) for one in row["evidence"])) for row in rows]
