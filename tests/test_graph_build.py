"""From labels and sources to graph.nt: matching, redirects, the choice of relations, WordNet, the commands, a kill."""

from __future__ import annotations

import csv
import gzip
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.graph import LabelGraph, choose_relations, measure_relations
from labelhedge.graph.build import GraphLabel, build_graph, follow_redirects, read_labels
from labelhedge.graph.information import told
from labelhedge.graph.job import build_file
from labelhedge.graph.picture import draw_graph
from labelhedge.graph.taxonomy import WordNetSource
from labelhedge.graph.triples import Triple
from labelhedge.graph.wordnet import DEBIAN, WordNet, uri
from outside_data import outside

CASES = settings(deadline=None, max_examples=60, derandomize=True)
DBPEDIA = "http://dbpedia.org/resource/"
REDIRECT = "<http://dbpedia.org/ontology/wikiPageRedirects>"


class Facts:
    """A source of triples in memory."""

    def __init__(self, triples=(), redirects=None):
        self.triples, self.steps = list(triples), redirects or {}

    def statements(self, names, relations=None):
        return (triple for triple in self.triples if triple.v in set(names))

    def redirects(self, names):
        return {name: self.steps[name] for name in names if name in self.steps}

    def called(self, entities):
        return {}


def labels_of(*names):
    return [GraphLabel(name, name, f"urn:{name}") for name in names]


def of(names, relation="family", **families):
    return [Triple(f"urn:{u}", f"urn:{v}", f"urn:r:{relation}") for u, vs in families.items() for v in vs.split()]


# redirects


def end_loop(name, steps):
    """Where a redirect leads, step by step, with everything seen on the way."""
    seen = []
    while name in steps and name not in seen:
        seen.append(name)
        name = steps[name]
    return min(seen[seen.index(name) :]) if name in seen else name


@CASES
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefghxyz"), max_size=8))
def test_redirects_are_followed_to_their_end_and_round_in_circles(steps):
    names = list("abcdefghxyz")
    assert follow_redirects([Facts(redirects=steps)], names) == {name: end_loop(name, steps) for name in names}


def test_redirects_of_labels_and_of_entities():
    facts = [*of("", cats="tiger lion"), *of("", felids="lynx"), *of("", dogs="wolf fox")]
    steps = {"urn:tigris": "urn:big_cat", "urn:big_cat": "urn:tiger", "urn:cats": "urn:felids"}
    built = build_graph(labels_of("tigris", "lion", "lynx", "wolf", "fox"), [Facts(facts, steps)])
    assert [tuple(triple)[:2] for triple in built.triples()] == [
        ("urn:felids", "urn:tigris"),  # the label keeps its own name
        ("urn:felids", "urn:lion"),
        ("urn:felids", "urn:lynx"),
        ("urn:dogs", "urn:wolf"),
        ("urn:dogs", "urn:fox"),
    ]
    assert built.redirected == (1, 1)
    assert "redirects followed: 1 of labels, 1 of entities" in built.lines()


# matching


def test_labels_are_matched_by_uri_name_or_id():
    label = GraphLabel("n01", "red fox", "http://own/fox%28animal%29")
    for facts, options in [
        (Triple("urn:u", "http://own/fox%28animal%29", "urn:r"), {}),
        (Triple("urn:u", "http://own/fox(animal)", "urn:r"), {}),  # percent-encoded or not
        (Triple("urn:u", DBPEDIA + "Red_fox", "urn:r"), {"match": "name", "prefix": DBPEDIA}),
        (Triple("urn:u", DBPEDIA + "red_fox", "urn:r"), {"match": "name", "prefix": DBPEDIA}),
        (Triple("urn:u", "urn:wn:n01", "urn:r"), {"match": "id", "prefix": "urn:wn:"}),
    ]:
        built = build_graph([label], [Facts([facts])], relations="all", **options)
        assert list(built.triples()) == [("urn:u", "http://own/fox%28animal%29", "urn:r")]
        assert built.unmatched == []


def test_a_label_without_uri_is_named_by_its_id_and_has_siblings():
    labels = [lh.Label(id="red fox", name="fox"), lh.Label(id="w", name="wolf"), lh.Label(id="x", name="newt")]
    facts = [Triple("urn:Canidae", f"urn:x:{name}", "urn:family") for name in ("fox", "wolf")]
    built = build_graph(labels, [Facts(facts)], match="name", prefix="urn:x:", relations="all")
    assert {triple.v for triple in built.triples()} == {"urn:labelhedge:label:red%20fox", "urn:labelhedge:label:w"}
    assert lh.graph.siblings(built.triples(), labels) == [[1], [0], []]
    assert built.unmatched == ["newt"]
    assert build_graph(labels, [Facts(facts)]).unmatched == ["fox", "wolf", "newt"]


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the label 'fox' cannot be looked up: 'red fox' is no IRI"):
        build_graph([GraphLabel("1", "fox", "red fox")], [Facts()])
    with pytest.raises(ValueError, match="no label has the relation 'order'"):
        build_graph(labels_of("fox"), [Facts(of("", Canidae="fox"))], relations=["order"])
    with pytest.raises(ValueError, match=r"no label was found in the sources.*--match name"):
        build_graph(labels_of("fox"), [Facts()]).write(tmp_path / "graph.nt")
    with pytest.raises(ValueError, match="no relation makes siblings of use among the 1 of 2 labels that were found"):
        build_graph(labels_of("fox", "cat"), [Facts(of("", Canidae="fox"))]).write(tmp_path / "graph.nt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "cause"),
    [("name\nfox\n", "lacks the column 'uri'"), ("uri,name\nurn:a,x\nurn:a,y\n", "two labels are urn:a"),
     ("uri,name\n", "holds no label")],
)  # fmt: skip
def test_labels_of_a_csv_are_checked(tmp_path, text, cause):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=cause):
        read_labels(tmp_path / "labels.csv")


# information

graphs = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdefg"), st.sampled_from(["r", "s", "t"])), max_size=25
)


@CASES
@given(graphs)
def test_figures_equal_counting(triples):
    labels = list("abcdefgh")
    for row in measure_relations(LabelGraph.from_triples(triples, labels)):
        mine = {(u, v) for u, v, r in triples if r == row.relation}
        groups = {u: {v for w, v in mine if w == u} for u, _ in mine}
        siblings = [set().union(*(group for group in groups.values() if v in group)) - {v} for v in labels]
        some = [len(group) for group in siblings if group]
        bits = [np.log2(8) - np.log2(1 + size) for size in some]
        assert (row.labels, row.related) == (len({v for _, v in mine}), len(some))
        assert row.groups == sum(len(group) > 1 for group in groups.values())
        assert row.largest == max((len(group) for group in groups.values()), default=0)
        assert row.siblings == pytest.approx(np.mean(some) if some else 0)
        assert row.information == pytest.approx(sum(bits) / 8 / 3)
        assert row.worth == pytest.approx(sum((bit / 3) ** 2 for bit in bits) / 8)


def test_information_of_a_partition_is_mutual_information():
    sizes = np.array([3, 2, 4])
    shares = sizes / 9  # the group follows from the label, so what it tells of the label is the entropy of the group
    siblings = np.repeat(sizes, sizes) - 1
    assert told(siblings).mean() == pytest.approx(-(shares * np.log(shares)).sum() / np.log(9))


def test_useless_relations_have_their_reasons():
    labels = [f"l{n}" for n in range(200)]
    triples = [("all", v, "everything") for v in labels] + [(f"the {v}", v, "nothing") for v in labels]
    triples += [("half", v, "coarse") for v in labels[:150]] + [("two", v, "rare") for v in labels[:2]]
    triples += [("one", labels[2], "rare")] + [("same", v, "single") for v in labels[:8]]
    triples += [(f"{n // 9} of 10", v, "lopsided") for n, v in enumerate(labels[:10])]
    triples += [(f"g{n // 5}", v, "fine") for n, v in enumerate(labels)] + [("u", "other", "elsewhere")]
    graph = LabelGraph.from_triples(triples, labels)
    assert {row.relation: row.useless for row in measure_relations(graph)} == {
        "fine": "",
        "coarse": "too coarse: the 150 labels that have it are all siblings of each other",
        "single": "too coarse: the 8 labels that have it are all siblings of each other",
        "lopsided": "too coarse: a label has 8.0 of the 9 others that have it as siblings",
        "everything": "everything is everything's sibling",
        "nothing": "no two labels share an entity",
        "rare": "only 2 of 200 labels have siblings",
        "elsewhere": "no label has it",
    }
    assert choose_relations(graph) == ["fine"]


def test_relations_are_chosen_for_what_they_add():
    labels = [f"l{n}" for n in range(40)]
    fine = [(f"g{n // 4}", v, "fine") for n, v in enumerate(labels[:20])]
    twin = [(u, v, "twin") for u, v, _ in fine]
    rest = [(f"h{n // 4}", v, "rest") for n, v in enumerate(labels[20:])]
    coarse = [(f"c{n // 12}", v, "coarse") for n, v in enumerate(labels)]
    assert choose_relations(LabelGraph.from_triples(fine + twin + rest + coarse, labels)) == ["fine", "rest"]
    assert choose_relations(LabelGraph.from_triples([], labels)) == []


# large groups


def test_siblings_that_do_not_fit_into_memory_are_an_error_and_not_left_out():
    labels = [f"l{n}" for n in range(9000)]
    triples = [("thing", v, "type") for v in labels] + [(f"g{n // 3}", v, "family") for n, v in enumerate(labels)]
    graph = LabelGraph.from_triples(triples, labels)
    cause = r"type makes 81,000,000 pairs of siblings.* largest group has 9,000 of 9,000"
    with pytest.raises(ValueError, match=cause):
        lh.graph.siblings(triples, labels)
    with pytest.raises(ValueError, match=cause):
        graph.sibling_matrix()
    family, thing = measure_relations(graph)
    assert thing.useless == "too many siblings for memory: 8,999 of 8,999 others on average"
    assert family.useless == ""
    assert choose_relations(graph) == ["family"]
    assert graph.sibling_matrix(["family"]).nnz == 2 * 9000


def test_relations_that_together_are_too_many_are_an_error():
    labels = list("abcdefgh")
    triples = [(f"{n // 2}", v, "r") for n, v in enumerate(labels)] + [
        (f"{n % 4}", v, "s") for n, v in enumerate(labels)
    ]
    graph = LabelGraph.from_triples(triples, labels)
    assert graph.sibling_matrix(most=16).nnz == 16
    with pytest.raises(ValueError, match="siblings"):
        graph.sibling_matrix(most=15)


@CASES
@given(graphs, st.floats(0, 3))
def test_lists_and_matrices_of_siblings_give_the_same_relation_matrix(triples, beta):
    labels = list("abcdefg")
    matrix = LabelGraph.from_triples(triples, labels).sibling_matrix()
    lists = lh.graph.siblings(triples, labels)
    assert [row.nonzero()[0].tolist() for row in matrix.toarray()] == lists
    expected = lh.graph.relation_matrix(lists, beta)
    np.testing.assert_array_equal(lh.graph.relation_matrix(matrix, beta).toarray(), expected.toarray())
    assert lh.graph.describe_siblings(matrix) == lh.graph.describe_siblings(lists)


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"shape \(L, L\)"):
        lh.graph.relation_matrix(scipy.sparse.csr_array((2, 3), dtype=bool))


# WordNet


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


# pictures


def texts(picture):
    return [text.text for text in ElementTree.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_shows_labels_groups_and_those_without():
    labels = ["cat & <dog>", "lion", "wolf", "fox", "newt"]
    triples = [("urn:Big_cats", "lion", "r"), ("urn:Big_cats", labels[0], "r")]
    triples += [("urn:Dogs.01234567", "wolf", "r"), ("urn:Dogs.01234567", "fox", "r"), ("urn:x", "newt", "r")]
    picture = draw_graph(LabelGraph.from_triples(triples, labels), labels, title="a & b")
    shown = texts(picture)
    assert {*labels, "a & b", "Big cats · 2", "Dogs · 2", "r", "2 groups of 2", "1 without siblings"} <= set(shown)
    assert "4 of 5 labels have siblings" in picture.svg
    assert picture.omitted == []


def test_a_picture_says_what_it_leaves_out():
    labels = [f"l{n}" for n in range(900)]
    triples = [(f"g{n // 3}", v, f"r{k}") for k in range(8) for n, v in enumerate(labels)]
    triples += [(f"own {n} {k}", labels[n + d], "r9") for k in range(5) for n in range(0, 890, 2) for d in (0, 1)]
    picture = draw_graph(LabelGraph.from_triples(triples, labels), labels)
    assert "500 of 900 labels with siblings are not drawn" in picture.omitted
    assert sum("is not drawn" in text for text in picture.omitted) == 3
    assert all(any(text in line for line in texts(picture)) for text in picture.omitted)


def test_a_picture_of_a_group_of_thousands_counts_siblings():
    labels = [f"l{n}" for n in range(5000)]
    picture = draw_graph(LabelGraph.from_triples([("all", v, "r") for v in labels], labels), labels, omitted=["a note"])
    assert picture.omitted == ["a note", "4,600 of 5,000 labels with siblings are not drawn"]
    assert texts(picture).count("4999") == 400
    assert "Left out: a note." in texts(picture)


def test_a_picture_of_nothing():
    assert "0 of 1 labels" in draw_graph(LabelGraph.from_triples([], ["a"]), ["a"]).svg


# commands


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_build_and_show_a_corpus(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus", files={"graph.nt": None})
    before = lh.Corpus.open(folder).hash
    (tmp_path / "facts.ttl").write_text(
        "# a dump\n<urn:test:cat> <urn:class> <urn:mammal> .\n<urn:test:hound> <urn:class> <urn:Mammals> .\nrubbish\n"
        '<urn:test:hound> <urn:name> "hound" .\n<urn:test:owl> <urn:class> <urn:bird> .\n'
    )
    (tmp_path / "redirects.nt").write_text(
        f"<urn:Mammals> {REDIRECT} <urn:mammal> .\n<urn:test:dog> {REDIRECT} <urn:test:hound> .\n"
    )
    out = run("graph", "build", folder, "--from", tmp_path / "facts.ttl", "--redirects", tmp_path / "redirects.nt")
    assert "facts.ttl: 6 lines = 3 triples + 1 statements" in out
    assert "bad line 4: rubbish" in out
    assert "3 labels = 3 found in the sources + 0 not found" in out
    assert (folder / "graph.nt").read_text() == (
        "<urn:test:cat> <urn:class> <urn:mammal> .\n<urn:test:dog> <urn:class> <urn:mammal> .\n"
        "<urn:test:owl> <urn:class> <urn:bird> .\n"
    )
    assert not (folder / ".graph.nt.store").exists()
    assert lh.Corpus.open(folder).hash != before
    shown = run("graph", "show", folder, "--out", tmp_path / "graph.svg")
    assert "graph: 2 of 3 labels have siblings" in shown
    picture = (tmp_path / "graph.svg").read_text()
    assert "mammal · 2" in picture
    again = CliRunner().invoke(app, ["graph", "show", str(folder), "--out", str(tmp_path / "graph.svg")])
    assert "is there already: pass --overwrite" in str(again.exception)
    (tmp_path / "graph.svg").write_text("mine")
    run("graph", "show", folder, "--out", tmp_path / "graph.svg", "--overwrite")
    assert (tmp_path / "graph.svg").read_text() == picture


def test_show_the_embedded_corpus(tmp_path):
    out = run("graph", "show", "clipart", "--out", tmp_path / "clipart.svg", "--relations", "parent")
    assert "graph: 28 of 34 labels have siblings, 3.4 on average" in out
    ElementTree.fromstring((tmp_path / "clipart.svg").read_text())


def test_show_draws_what_fits_into_memory_and_says_what_does_not(make_corpus, tmp_path):
    count = 7200  # 51,840,000 pairs of one type
    labels = [{"id": str(n), "name": f"label {n}", "uri": f"urn:l{n}"} for n in range(count)]
    graph = "".join(
        f"<urn:l{n}> <urn:type> <urn:thing> .\n<urn:l{n}> <urn:family> <urn:f{n // 3}> .\n" for n in range(count)
    )
    folder = make_corpus(tmp_path / "corpus", info={"labels": labels}, files={"graph.nt": graph.encode()})
    out = run("graph", "show", folder, "--out", tmp_path / "graph.svg")
    note = "the relation type makes 51,840,000 pairs of siblings and is not drawn"
    assert "graph: 7200 of 7200 labels have siblings, 2.0 on average" in out
    assert f"note: {note}" in " ".join(out.split())
    picture = (tmp_path / "graph.svg").read_text()
    assert note in picture
    assert "f0 · 3" in picture
    assert "thing" not in picture


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["build"], "name a corpus folder, or a CSV"),
        (["build", "--labels", "l.csv"], "name a file with --out"),
        (["build", "--labels", "l.csv", "--out", "g.nt"], "name a source of triples"),
        (["build", "--labels", "l.csv", "--out", "g.nt", "--from", "no.nt"], "no.nt does not exist"),
        (
            ["build", "--labels", "l.csv", "--out", "g.nt", "--from", "a.nt", "--match", "x"],
            "--match is uri, name or id",
        ),
        (["build", "--labels", "l.csv", "--out", "no/g.nt", "--from", "a.nt"], "no is no folder"),
        (["build", "--labels", "l.csv", "--out", "l.csv", "--from", "a.nt"], "pass --overwrite"),
        (
            ["build", "--labels", "l.csv", "--out", "g.nt", "--from", "a.nt", "--columns", "1,2"],
            "head, tail and relation",
        ),
        (["build", "--labels", "l.csv", "--out", "g.nt", "--from", "wordnet:."], "index.noun is missing"),
        (["build", "--labels", "l.csv", "--out", "g.nt", "--from", "empty"], "holds no file of triples"),
        (["show", "."], "corpus.json"),
    ],
)
def test_what_a_user_gets_wrong_is_said(tmp_path, monkeypatch, arguments, cause):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "l.csv").write_text("uri,name\nurn:a,a\n")
    (tmp_path / "a.nt").write_text("<urn:a> <urn:r> <urn:b> .\n")
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["graph", *arguments])
    assert cause in str(result.exception)
    assert not (tmp_path / "g.nt").exists()


def test_a_store_is_kept_and_used_again(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\nurn:a,a\nurn:b,b\n")
    folder = tmp_path / "facts"
    folder.mkdir()
    (folder / "a.nt").write_text("<urn:a> <urn:r> <urn:u> .\n")
    (folder / "b.tsv").write_text("urn:b\turn:u\turn:r\n")
    common = ["graph", "build", "--labels", tmp_path / "l.csv", "--relations", "all"]
    run(*common, "--out", tmp_path / "1.nt", "--from", folder, "--store", tmp_path / "store")
    run(*common, "--out", tmp_path / "2.nt", "--from", tmp_path / "store")
    assert (tmp_path / "1.nt").read_bytes() == (tmp_path / "2.nt").read_bytes()
    with pytest.raises(ValueError, match=r"holds .*b\.tsv too, which is not among the sources"):
        run(*common, "--out", tmp_path / "3.nt", "--from", folder / "a.nt", "--store", tmp_path / "store")


# real data


def species(domain="Species-Y"):
    with gzip.open(outside(f"yfcc100m_entity/{domain}/vocab.txt.gz"), "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def test_dbpedia_gives_sensible_siblings_for_species(tmp_path):
    names = species()
    labels = [GraphLabel(name, name.replace("_", " "), DBPEDIA + name) for name in names]
    triples = str(outside("dbpedia50.tsv.gz"))
    out = tmp_path / "graph.nt"
    said = list(build_file(labels, out, sources=[triples], prefix=DBPEDIA, relations="kingdom,division"))
    assert said[0].startswith("dbpedia50.tsv.gz: 43,756 lines = 43,756 triples")
    siblings = lh.graph.siblings(lh.graph.read_triples(out), labels)
    found = {names[n]: {names[m] for m in group} for n, group in enumerate(siblings) if group}
    plants = {"Camellia", "Coreopsis", "Dendrobium", "Epiphyllum", "Fir", "Goldenrod", "Magnolia", "Spruce"}
    assert found == {name: plants - {name} for name in plants}  # and no animal, though 12 labels are in this sample


def test_one_kingdom_of_eight_plants_is_not_chosen_for_219_species(tmp_path):
    labels = [GraphLabel(name, name, DBPEDIA + name) for name in species()]
    said = build_file(labels, tmp_path / "graph.nt", sources=[str(outside("dbpedia50.tsv.gz"))], prefix=DBPEDIA)
    told = []
    with pytest.raises(ValueError, match="no relation makes siblings of use among the 12 of 219 labels"):
        told.extend(map(str, said))
    assert "useless, too coarse: the 8 labels that have it are all siblings of each other: kingdom" in told
    assert "useless, too coarse: the 6 labels that have it are all siblings of each other: division" in told
    assert not (tmp_path / "graph.nt").exists()


@pytest.mark.parametrize(
    ("ranks", "chosen"),
    [("family", "family"), ("family order class division kingdom phylum", "family, order")],
)
def test_family_and_order_are_chosen_for_what_dbpedia_knows_ranks_of(tmp_path, ranks, chosen):
    path = outside("dbpedia50.tsv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    names = sorted({head for head, _, relation in rows if relation in ranks.split()})
    labels = [GraphLabel(name, name, DBPEDIA + name) for name in names]
    said = list(build_file(labels, tmp_path / "graph.nt", sources=[str(path)], prefix=DBPEDIA))
    assert f"relations: {chosen}" in said
    assert any("that have it are all siblings of each other" in what and "kingdom" in what for what in map(str, said))
    siblings = lh.graph.siblings(lh.graph.read_triples(tmp_path / "graph.nt"), labels)
    taxa = {name: set() for name in names}
    for head, tail, relation in rows:
        if head in taxa and relation in chosen.split(", "):
            taxa[head].add((relation, tail))
    for name, group in zip(names, siblings, strict=True):
        assert {names[m] for m in group} == {other for other in names if taxa[other] & taxa[name]} - {name}


def test_wordnet_gives_families_for_species_of_the_paper(tmp_path):
    if not DEBIAN.exists():
        pytest.skip("Debian's wordnet-base is not installed")
    with outside("wnid_wikipedia.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["domain"].startswith("Species")]
    labels = [GraphLabel(row["wnid"], row["title"], f"http://own/{row['wnid']}") for row in rows]
    list(build_file(labels, tmp_path / "graph.nt", sources=["wordnet"], relations="family"))
    siblings = lh.graph.siblings(lh.graph.read_triples(tmp_path / "graph.nt"), labels)
    number = {label.name: n for n, label in enumerate(labels)}
    named = {name: {labels[m].name for m in siblings[n]} for name, n in number.items()}
    assert len(labels) > 150
    assert "Camel" in named["Alpaca"]
    assert sum(bool(group) for group in named.values()) >= 80


def test_order_is_chosen_for_tiny_species_and_phylum_is_too_coarse():
    with outside("tiny_species_triples.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    labels = sorted({row["v"] for row in rows})
    graph = LabelGraph.from_triples([(row["u"], row["v"], row["r"]) for row in rows], labels)
    assert choose_relations(graph) == ["order"]
    assert [row.relation for row in measure_relations(graph) if row.useless] == ["phylum"]
