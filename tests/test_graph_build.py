"""From labels and sources to relations: matching, redirects, what relations tell, large groups."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import labelhedge as lh
from labelhedge.graph import LabelGraph, choose_relations, measure_relations
from labelhedge.graph.build import GraphLabel, build_graph, follow_redirects, read_labels
from labelhedge.graph.information import told
from labelhedge.graph.triples import Triple

CASES = settings(deadline=None, max_examples=60, derandomize=True)
DBPEDIA = "http://dbpedia.org/resource/"


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
