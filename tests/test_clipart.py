"""The embedded corpus `clipart`, and the rules of scripts/clipart by which its noisy labels were made."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelhedge as lh
from labelhedge.corpus.images import decode

SCRIPTS = Path(__file__).parents[1] / "scripts" / "clipart"


def load(name):
    """A module of scripts/clipart, which is no package."""
    spec = importlib.util.spec_from_file_location(f"clipart_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


text = load("text")


@pytest.fixture(scope="module")
def corpus():
    return lh.Corpus.open("clipart")


@pytest.fixture(scope="module")
def rows(corpus):
    """The extra columns, with id, split and names of the labels, as one dict a row."""
    samples, names = corpus.samples, [label.name for label in corpus.labels]
    found = samples.extra.to_pylist()
    for i, row in enumerate(found):
        row["id"], row["split"], row["trusted"] = (
            samples.ids[i],
            str(samples.split[i]),
            bool(samples.trusted[i]),
        )
        for kind in ("observed", "verified"):
            sets = getattr(samples, kind)
            row[kind] = {names[n] for n in sets.indices[sets.indptr[i] : sets.indptr[i + 1]]}
    return found


# --- The corpus ---


def test_it_has_34_labels_and_about_2000_drawings_in_splits_of_6_3_1(corpus, rows):
    assert corpus.name == "clipart"
    assert corpus.info.licence.startswith("Public domain")
    assert len(corpus.labels) == 34
    assert 1900 <= len(rows) <= 2100
    counts = Counter(row["split"] for row in rows)
    for split, share in {"train": 0.6, "dev": 0.1, "test": 0.3}.items():
        assert counts[split] / len(rows) == pytest.approx(share, abs=0.01)


def test_labels_are_those_of_the_vocabulary_in_its_order(corpus):
    vocabulary = json.loads((SCRIPTS / "vocabulary.json").read_text())["labels"]
    assert [label.name for label in corpus.labels] == list(vocabulary)
    assert len({label.uri for label in corpus.labels}) == 34


def test_a_fifth_of_the_training_set_is_clean(corpus):
    found = corpus.describe()
    assert found.clean / found.train == pytest.approx(0.2, abs=0.01)
    assert found.clean + found.noisy == found.train
    assert corpus.samples.checked.all()


def test_observed_labels_are_as_noisy_as_stated(corpus):
    found = corpus.describe()
    assert 0.40 <= found.precision <= 0.52
    assert 0.60 <= found.recall <= 0.72
    assert 0.4 <= found.background_mislabelled <= 0.7
    for split in ("train", "dev", "test"):
        assert found.background[split] / getattr(found, split) == pytest.approx(0.15, abs=0.02)


def test_every_label_can_be_learned_and_measured_in_every_split(rows):
    for split, least in {"train": 12, "dev": 1, "test": 5}.items():
        counts = Counter(label for row in rows if row["split"] == split for label in row["verified"])
        assert len(counts) == 34
        assert min(counts.values()) >= least, counts.most_common()[-3:]


def test_every_row_names_its_creator_title_and_source(rows):
    for row in rows:
        for name in ("title", "creator", "file_name", "source", "group"):
            assert isinstance(row[name], str), row
            assert row[name].strip(), row
        assert Path(row["source"]).stem == row["file_name"]
    assert len({row["source"] for row in rows}) == len(rows)


def test_verified_labels_are_those_judged_by_eye(rows):
    with (SCRIPTS / "labels.csv").open() as file:
        judged = {row["png"]: set(row["verified"].split("|")) - {""} for row in csv.DictReader(file)}
    with (SCRIPTS / "excluded.csv").open() as file:
        excluded = {row["png"] for row in csv.DictReader(file)}
    assert excluded
    assert [row["id"] for row in rows if row["verified"] != judged[row["source"]]] == []
    assert [row["id"] for row in rows if row["source"] in excluded] == []


def test_no_image_is_in_two_splits_and_none_twice(corpus):
    digests = corpus.samples.digests
    assert len(set(digests)) == len(digests)


def test_no_group_is_in_two_splits(rows):
    splits = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert [group for group, found in splits.items() if len(found) > 1] == []
    assert max(Counter(row["group"] for row in rows).values()) > 5  # there are series at all


def test_a_numbered_set_of_one_creator_is_one_group(rows):
    groups = {}
    for row in rows:
        key = text.series_key(row["file_name"], row["creator"])
        if key:
            groups.setdefault(key, set()).add(row["group"])
    assert [key for key, found in groups.items() if len(found) > 1] == []


def test_no_two_drawings_that_look_alike_are_in_two_splits(corpus):
    looks = []
    for _, data in corpus.images.read():
        ink = 255.0 - decode(data, 32).mean(axis=-1).ravel()
        ink -= ink.mean()
        looks.append(ink / max(np.linalg.norm(ink), 1e-6))
    alike = np.stack(looks) @ np.stack(looks).T  # (N, N) correlations
    samples = corpus.samples
    apart = samples.split[:, None] != samples.split[None, :]
    verified = samples.verified.astype(int)
    related = (verified @ verified.T).toarray() > 0
    twins = np.argwhere(np.triu((alike > 0.97) & apart & related, 1))
    assert [(samples.ids[one], samples.ids[other]) for one, other in twins] == []
    assert (np.triu(alike > 0.97, 1) & ~apart & related).any()  # the measure finds those of one split


def noise(rows):
    """Precision and recall of the observed labels of some rows."""
    hits = sum(len(row["observed"] & row["verified"]) for row in rows)
    return hits / sum(len(row["observed"]) for row in rows), hits / sum(len(row["verified"]) for row in rows)


def test_trusted_rows_keep_their_own_noisy_labels(corpus, rows):
    trusted = [row for row in rows if row["trusted"]]
    others = [row for row in rows if row["split"] == "train" and not row["trusted"]]
    names = [label.name for label in corpus.labels]
    for row in trusted:
        assert row["observed"] == {names[entry["label"]] for entry in row["evidence"]}, row["id"]
    assert noise(trusted) == pytest.approx(noise(others), abs=0.1)
    assert sum(row["observed"] != row["verified"] for row in trusted) > len(trusted) / 2


def test_every_observed_label_has_evidence_and_the_other_way_round(corpus, rows):
    names = [label.name for label in corpus.labels]
    for row in rows:
        assert row["observed"] == {names[entry["label"]] for entry in row["evidence"]}, row["id"]
    assert sum(len(row["observed"]) for row in rows) > 2000


def test_evidence_follows_from_the_words_by_the_rules_of_the_script(rows):
    for row in rows:
        texts = [
            text.title_words(row["title"]),
            text.file_words(row["file_name"], row["creator"]),
        ]
        texts += [text.words(keyword) for keyword in row["keywords"]]
        runs = {
            tuple(found[start : start + length])
            for found in texts
            for length in (1, 2, 3, 4)
            for start in range(len(found) - length + 1)
        }
        for entry in row["evidence"]:
            assert tuple(entry["text"].split()) in runs, (row["id"], entry)
            assert entry["text"] not in text.FUNCTION_WORDS, (row["id"], entry)
            assert re.fullmatch(r"http://wordnet-rdf\.princeton\.edu/wn30/\d{8}-n", entry["source"])


def test_keywords_do_not_tell_the_folder(rows):
    folders = {word for row in rows for part in row["source"].split("/")[:-1] for word in text.words(part)}
    assert {"animals", "vegetables", "tools"} <= folders
    for row in rows:
        kept = text.informative_keywords(row["keywords"], row["creator"], frozenset(folders))
        assert kept == row["keywords"], row["id"]


def test_a_tiger_is_also_a_fierce_person(rows):
    tigers = [row for row in rows if "tiger" in text.words(row["file_name"])]
    assert len(tigers) >= 3
    for row in tigers:
        assert {"mammal", "person"} <= row["observed"]
        assert row["verified"] == {"mammal"}


def test_siblings_share_a_parent(corpus):
    names = [label.name for label in corpus.labels]
    siblings = lh.graph.siblings(lh.graph.read_triples(corpus.graph_path), corpus.labels)
    found = {name: {names[n] for n in group} for name, group in zip(names, siblings)}
    assert found["mammal"] == {"bird", "bug", "sea animal", "reptile"}
    assert found["map"] == set()
    assert "dessert" in found["beverage"]
    assert "tool" not in found["beverage"]


def test_it_is_small_on_disk(corpus):
    size = sum(path.stat().st_size for path in corpus.folder.rglob("*") if path.is_file())
    assert 4e6 <= size <= 8e6


def test_drawings_are_webp_of_at_most_128_pixels(corpus):
    for row, data in corpus.images.read():
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, max(image.size) <= 128) == ("WEBP", True), corpus.samples.ids[row]


def test_a_folder_of_that_name_goes_before_the_embedded_corpus(make_corpus, tmp_path, monkeypatch):
    make_corpus(tmp_path / "clipart")
    monkeypatch.chdir(tmp_path)
    assert lh.Corpus.open("clipart").name == "small"
    with pytest.raises(lh.CorpusError, match="no such folder"):
        lh.Corpus.open("clip art")


# --- Words ---


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("Tiger_02", ["tiger"]),
        ("blueMan101bw", ["blue", "man", "bw"]),
        ("clock12", ["clock"]),
        ("jean-victor", ["jean", "victor"]),
        ("Rios de España", ["rios", "de", "espana"]),
        ("Tom &amp; J&eacute;r&ocirc;me", ["tom", "jerome"]),
        ("dog's house", ["dogs", "house"]),
        ("cat – dog", ["cat", "dog"]),
        ("cat–dog", ["cat", "dog"]),
        ("cat\u00a0dog", ["cat", "dog"]),
        ("07-2004", []),
        ("", []),
    ],
)
def test_words(given, found):
    assert text.words(given) == found


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Clipart by Jane Doe - clock12", ["clock"]),
        ("clip art by J. Doe-Smith - red apple", ["red", "apple"]),
        ("  CLIPART BY jd - A - B", ["a", "b"]),
        ("Tiger - by Jane Doe", ["tiger", "by", "jane", "doe"]),
        ("Some clipart by Jane - clock", ["some", "clipart", "by", "jane", "clock"]),
        ("Clipart by hand", ["clipart", "by", "hand"]),
    ],
)
def test_a_title_loses_the_prefix_of_the_uploading_tool(title, found):
    assert text.title_words(title) == found


@pytest.mark.parametrize(
    ("stem", "creator", "found"),
    [
        ("tiger_susan_park_01", "Susan Park", ["tiger"]),
        ("b_w_tiger_susan_park_01", "Susan Park", ["b", "w", "tiger"]),
        ("armadillo_architetto_fra_01", "Architetto Francesco Rollandin", ["armadillo"]),
        ("armadillo_a_01", "Architetto Francesco Rollandin", ["armadillo"]),
        ("big_clock_rollandin", "Architetto Francesco Rollandin", ["big", "clock"]),
        ("clock_jean_victor_balin_01", "Jean-Victor Balin", ["clock"]),
        ("clock_jean_01", "Jean-Victor Balin", ["clock"]),
        ("boy_jean_blue", "Jean-Victor Balin", ["boy", "blue"]),
        ("clock_jean_bal_01", "Jean-Victor Balin", ["clock"]),  # a part and a cut
        ("blue_jean_someone_01", "Some One", ["blue", "jean", "someone"]),
        ("cafe_jerome_01", "J&eacute;r&ocirc;me", ["cafe"]),
        ("park_susan_01", "Susan Park", ["park"]),  # the first word is the drawing's own
        ("susan_park", "Susan Park", ["susan"]),
        ("tiger_01", "", ["tiger"]),
        ("tiger_with_hat", "Nobody", ["tiger", "with", "hat"]),
        ("01", "Susan Park", []),
    ],
)
def test_a_file_name_loses_its_creator(stem, creator, found):
    assert text.file_words(stem, creator) == found


FOLDERS = frozenset({"animal", "animals", "food", "foods", "fruit", "fruits", "plants", "tools", "sea"})


@pytest.mark.parametrize(
    ("keyword", "kept"),
    [
        ("tiger", ["tiger"]),
        ("Animals", []),
        ("animal", []),
        ("food fruits", []),
        ("foodfruits", []),
        ("plantsvegetablesonion", []),
        ("Food/Fruit", []),
        ("fruit bat", ["fruit bat"]),
        ("sea tools", []),
        ("seafood", ["seafood"]),  # three letters are no sign of a folder
        ("artichoke", ["artichoke"]),
        ("foods", []),
        ("foodie", ["foodie"]),  # nor are fewer than four after it
        ("Susan", []),
        ("park", []),
        ("susan park", []),
        ("Park bench", ["park bench"]),
        ("2004", []),
    ],
)
def test_keywords_that_repeat_folder_or_creator_are_dropped(keyword, kept):
    assert text.informative_keywords([keyword], "Susan Park", FOLDERS) == kept


def test_kept_keywords_stay_in_order():
    keywords = ["Zebra", "animals", "stripes", "Susan", "bamboo Shoot"]
    assert text.informative_keywords(keywords, "Susan Park", FOLDERS) == ["zebra", "stripes", "bamboo shoot"]


def test_function_words_are_words_that_wordnet_would_take_for_nouns():
    assert {"a", "in", "as", "at", "i", "is", "it", "he", "who", "de", "la"} <= text.FUNCTION_WORDS
    for word in text.FUNCTION_WORDS:
        assert text.words(word) == [word]
    vocabulary = json.loads((SCRIPTS / "vocabulary.json").read_text())["labels"]
    named = {word for name in vocabulary for word in text.words(name)} - {"or"}
    assert not named & text.FUNCTION_WORDS


def test_a_series_has_one_key():
    def key(stem, creator="Nicu"):
        return text.series_key(stem, creator)

    assert key("blueman_101_01") == key("blueman_102_01")
    assert key("tractor_bw_nicu_01") == key("red_tractor_nicu_02") == key("tractor")
    assert key("tractor") == key("tractor", "NICU")
    assert len({key("tractor"), key("tractor", "Susan"), key("traktor"), key("steam_tractor")}) == 4
    assert key("red_blue_01") is None
    assert key("tractor", "") is None
