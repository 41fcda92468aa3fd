"""The labels of a corpus of linked photos: the vocabulary, kinds of labels, checks."""

from __future__ import annotations

import re
from collections import Counter

import pytest

import assemble_help
from assemble_help import (
    GRAPH,
    balanced,
    photo,
    rows_of,
    tagged,
    vocabulary,
    write_csv,
    write_linked,
)
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.labels import CorpusLabels, graph_above, read_checks, wordnet_above
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, WordNet, uri

labels, pictures = assemble_help.labels, assemble_help.pictures


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
