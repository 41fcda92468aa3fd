"""WordNet as a source of relations."""

from __future__ import annotations

import csv

import pytest

import labelhedge as lh
from labelhedge.graph.build import GraphLabel, build_graph
from labelhedge.graph.taxonomy import WordNetSource
from labelhedge.graph.wordnet import DEBIAN, WordNet, uri
from outside_data import outside


@pytest.fixture(scope="module")
def nouns():
    if not DEBIAN.exists():
        pytest.skip("Debian's wordnet-base is not installed")
    return WordNet.open()


class TestWordNet:
    def ranks(self, nouns, name):
        return {rank: nouns.names[taxon][0] for rank, taxon in WordNetSource(nouns).ranks(nouns.synset(name)).items()}

    def test_a_species_has_all_ranks(self, nouns):
        assert self.ranks(nouns, "tiger.2") == {
            "genus": "Panthera", "family": "Felidae", "order": "Carnivora", "class": "Mammalia",
            "phylum": "Chordata", "kingdom": "Animalia",
        }  # fmt: skip
        assert self.ranks(nouns, "Siamese_cat.1")["genus"] == "Felis"
        assert self.ranks(nouns, "hammer.2") == {}

    def test_words_are_looked_up_below_a_sense(self, nouns):
        names = ["urn:x:Tiger", "urn:x:Red_foxes", "urn:x:nothing-such"]
        source = WordNetSource(nouns, by_name=True, below=["organism.1"])
        assert source.synset(names[1]) == nouns.synset("red_fox.1")
        person = nouns.synset("tiger.1")  # a person is an organism too
        assert source.synset(names[0]) == person
        assert WordNetSource(nouns, by_name=True, below=["animal.1"]).synset(names[0]) == nouns.synset("tiger.2")
        assert source.synset(names[2]) is None
        assert source.ambiguous == {"urn:x:Tiger", "urn:x:Red_foxes"}
        assert WordNetSource(nouns).synset(names[1]) is None

    def test_a_graph_by_rank_says_what_synsets_are_called(self, nouns, tmp_path):
        names = ["tiger.2", "lion.1", "wolf.1", "jackal.1", "hammer.2"]
        labels = [GraphLabel(name, name, uri(nouns.synset(name))) for name in names]
        built = build_graph(labels, [WordNetSource(nouns)], relations=["family"])
        built.write(tmp_path / "graph.nt")
        triples = lh.graph.read_triples(tmp_path / "graph.nt")
        assert lh.graph.siblings(triples, labels) == [[1], [0], [3], [2], []]
        called = lh.graph.read_names(tmp_path / "graph.nt")
        assert [called[triple.u] for triple in triples] == ["Felidae", "Felidae", "Canidae", "Canidae"]

    def test_the_ranks_of_59_species_are_those_that_were_found_for_them(self, nouns):
        source = WordNetSource(nouns)
        with outside("tiny_species_classes.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["domain"] == "species"]
        assert len(rows) == 59
        for row in rows:
            expected = dict(part.split(":", 1) for part in row["taxa"].split("|"))
            found = source.ranks(row["wnid"][1:])
            assert {rank: taxon.rsplit(".", 1)[1] for rank, taxon in expected.items()}.items() <= found.items()
