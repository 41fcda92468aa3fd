"""From linked photos to a corpus: what becomes of each photo, whatever their order and the workers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import assemble_help
from assemble_help import (
    GRAPH,
    NAMES,
    balanced,
    entity,
    photo,
    rows_of,
    tagged,
    vocabulary,
    write_csv,
    write_linked,
)
from corpus_help import encoded, picture
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.images import at_most
from labelhedge.collect.assembly.labels import CorpusLabels, read_checks
from labelhedge.collect.records import IMAGES
from labelhedge.errors import LabelhedgeError

labels, pictures = assemble_help.labels, assemble_help.pictures


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
