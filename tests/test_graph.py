"""N-Triples in and out, siblings, and the relation matrix of Eq. 16, against plain loops."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import labelhedge as lh
from labelhedge.graph import LabelGraph, Triple
from labelhedge.graph.columns import read_columns

CASES = settings(deadline=None, max_examples=50, derandomize=True)

ENTITIES = ["http://db/Mammal", "urn:pet"]
ANIMALS = [f"http://db/{name}" for name in ("Rabbit", "Dog", "Owl")]
RELATIONS = ["http://db/onto/class", "http://other#class", "urn:relation:kind", "http://db/onto/class/order"]

triples = st.lists(
    st.builds(Triple, st.sampled_from(ENTITIES), st.sampled_from(ANIMALS), st.sampled_from(RELATIONS)),
    max_size=15,
)
label_lists = st.lists(st.sampled_from([*ANIMALS, None]), max_size=7).map(
    lambda uris: [lh.Label(id=str(i), name=f"label {i}", uri=uri) for i, uri in enumerate(uris)]
)


def siblings_loop(triples, labels, wanted):
    """N(n) by looking at every pair of labels, entity and relation."""
    found = []
    for n, label in enumerate(labels):
        group = []
        for m, other in enumerate(labels):
            shared = any(
                (u, label.uri, r) in triples and (u, other.uri, r) in triples and wanted(r)
                for u in ENTITIES
                for r in RELATIONS
            )
            if m != n and shared:
                group.append(m)
        found.append(group)
    return found


def local_name(relation):
    return re.split("[/#:]", relation)[-1]


# N-Triples


def test_reading_turns_a_statement_round(tmp_path):
    file = tmp_path / "graph.nt"
    file.write_text("# a comment\n<http://db/Rabbit> <http://db/class> <http://db/Mammal> .\n\n")
    assert lh.graph.read_triples(file) == [("http://db/Mammal", "http://db/Rabbit", "http://db/class")]
    [triple] = lh.graph.read_triples(str(file))
    assert (triple.u, triple.v, triple.r) == ("http://db/Mammal", "http://db/Rabbit", "http://db/class")


def test_statements_on_literals_are_passed_over(tmp_path):
    file = tmp_path / "graph.nt"
    file.write_text(
        '<urn:rabbit> <urn:name> "rabbit" .\n'
        '<urn:rabbit> <urn:name> "lapin"@fr .\n'
        "<urn:rabbit> <urn:class> <urn:mammal> .\n"
        '<urn:rabbit> <urn:legs> "4"^^<http://www.w3.org/2001/XMLSchema#integer> .\n'
        "<urn:rabbit> <urn:kin> _:someone .\n"
    )
    assert lh.graph.read_triples(file) == [
        ("urn:mammal", "urn:rabbit", "urn:class"),
        ("_:someone", "urn:rabbit", "urn:kin"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"<urn:dog> <urn:class> mammal .",
        b'<urn:dog> "class" <urn:mammal> .',
        b'<urn:dog> <urn:class> "\xff" .',
    ],
    ids=["bare name", "literal as relation", "not UTF-8"],
)
def test_a_malformed_line_is_named(tmp_path, line):
    file = tmp_path / "broken.nt"
    file.write_bytes(b"<urn:cat> <urn:class> <urn:mammal> .\n# note\n" + line + b"\n")
    with pytest.raises(ValueError, match=r"broken\.nt, line 3: not N-Triples"):
        lh.graph.read_triples(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.nt"):
        lh.graph.read_triples(tmp_path / "nowhere.nt")


iris = st.builds(
    "{}{}".format,
    st.sampled_from(["http://example.org/", "http://example.org/page?q=", "https://example.org/a#", "urn:x:"]),
    st.lists(st.sampled_from(["a", "Z9", "-._~", "%20", "é", "日本", "😀"]), min_size=1, max_size=4).map("".join),
)


@CASES
@given(st.lists(st.builds(Triple, iris, iris, iris), max_size=6))
def test_what_is_written_is_read_again(tmp_path_factory, triples):
    file = tmp_path_factory.mktemp("graph") / "graph.nt"
    lh.graph.write_triples(file, iter(triples))
    assert lh.graph.read_triples(file) == triples
    assert [path.name for path in file.parent.iterdir()] == ["graph.nt"]


def test_a_statement_is_written_subject_first(tmp_path):
    file = tmp_path / "graph.nt"
    lh.graph.write_triples(file, [Triple(u="urn:mammal", v="urn:rabbit", r="urn:class")])
    assert file.read_text() == "<urn:rabbit> <urn:class> <urn:mammal> .\n"
    lh.graph.write_triples(file, [])
    assert file.read_bytes() == b""


def test_a_name_that_is_no_iri_is_refused_and_the_old_file_stays(tmp_path):
    file = tmp_path / "graph.nt"
    old = [Triple("urn:mammal", "urn:rabbit", "urn:class")]
    lh.graph.write_triples(file, old)
    with pytest.raises(ValueError, match="Mammal"):
        lh.graph.write_triples(file, [Triple("urn:bird", "urn:owl", "urn:class"), Triple("Mammal", "urn:x", "urn:y")])
    assert lh.graph.read_triples(file) == old
    assert [path.name for path in tmp_path.iterdir()] == ["graph.nt"]


LINES = [
    "<urn:a> <urn:r> <urn:u> .",
    "<urn:b> <urn:r> <urn:u> .",
    "<urn:b> <urn:s> <urn:\\u0075> .",  # an escape: the same as urn:u
    "<urn:c>  <urn:r>\t<urn:u> . # a remark",
    '<urn:a> <urn:name> "two words"@en .',
    '<urn:a> <urn:name> "one" .',
    "<urn:a> <urn:r> _:b .",
    "_:b <urn:r> <urn:u> .",
    "# a comment",
    "# of four words",
    "",
]


@CASES
@given(st.lists(st.sampled_from(LINES), max_size=6), st.booleans())
def test_a_file_read_in_columns_is_the_same_graph(tmp_path_factory, lines, ends):
    file = tmp_path_factory.mktemp("graph") / "graph.nt"
    file.write_text("\n".join(lines) + ("\n" if ends else ""))
    labels = ["urn:b", "urn:a", "urn:a", "urn:z"]
    fast, slow = LabelGraph.from_file(file, labels), LabelGraph.from_triples(lh.graph.read_triples(file), labels)
    assert fast.relations == slow.relations
    assert fast.entities == slow.entities
    for name in ("label", "relation", "entity"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))


def test_plain_lines_and_literals_are_read_in_columns(tmp_path):
    file = tmp_path / "graph.nt"
    file.write_text("\n".join(LINES[:3] + LINES[4:6]) + "\n")
    subject, relation, entity = read_columns(file)
    assert (subject.names, relation.names[:2], entity.names) == (["urn:a", "urn:b"], ["urn:r", "urn:s"], ["urn:u"])
    file.write_text("\n".join(LINES))
    assert read_columns(file) is None


def test_a_malformed_line_is_named_where_columns_are_read_too(tmp_path):
    file = tmp_path / "broken.nt"
    for line in ("<urn:dog> <urn:class> mammal .", "<urn:dog> <urn:class> <mam mal> .", "<urn:d> <urn:c> <mammal> ."):
        file.write_text(f"<urn:cat> <urn:class> <urn:mammal> .\n{line}\n")
        with pytest.raises(ValueError, match=r"broken\.nt, line 2: not N-Triples"):
            LabelGraph.from_file(file, ["urn:cat"])
    with pytest.raises(FileNotFoundError):
        LabelGraph.from_file(tmp_path / "none.nt", [])


# siblings


@CASES
@given(triples, label_lists)
def test_siblings_equal_a_loop_over_all_pairs(triples, labels):
    assert lh.graph.siblings(iter(triples), labels) == siblings_loop(triples, labels, lambda r: True)


@CASES
@given(triples, label_lists, st.data())
def test_relations_are_chosen_by_full_iri_or_by_local_name(triples, labels, data):
    present = sorted({t.r for t in triples})
    names = sorted(set(present) | {local_name(r) for r in present})
    chosen = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    assert lh.graph.siblings(triples, labels, relations=chosen) == siblings_loop(
        triples, labels, lambda r: r in chosen or local_name(r) in chosen
    )


def test_two_relations_of_one_local_name_stay_two_relations():
    triples = [
        ("urn:mammal", "urn:dog", "http://a/class"),
        ("urn:mammal", "urn:cat", "http://b#class"),
        ("urn:mammal", "urn:fox", "http://b#class"),
    ]
    labels = ["urn:dog", "urn:cat", "urn:fox"]
    assert lh.graph.siblings(triples, labels, ["class"]) == [[], [2], [1]]
    assert lh.graph.siblings(triples, labels, ["http://a/class"]) == [[], [], []]
    assert lh.graph.siblings(triples, labels, ["http://b#class"]) == [[], [2], [1]]


def test_siblings_share_the_entity_and_the_relation():
    triples = [
        ("urn:pet", "urn:dog", "urn:use"),
        ("urn:pet", "urn:owl", "urn:class"),  # same entity, other relation
        ("urn:guard", "urn:cat", "urn:use"),  # same relation, other entity
        ("urn:pet", "urn:parrot", "urn:use"),
        ("urn:parrot", "urn:macaw", "urn:use"),  # a parent is no sibling
    ]
    labels = ["urn:dog", "urn:owl", "urn:cat", "urn:parrot", "urn:macaw", "urn:pet"]
    assert lh.graph.siblings(triples, labels) == [[3], [], [], [0], [], []]


def test_labels_without_uri_or_without_triples_have_no_siblings():
    labels = [lh.Label(id="a", name="a"), lh.Label(id="b", name="b"), lh.Label(id="c", name="c", uri="urn:c")]
    assert lh.graph.siblings([("urn:u", "urn:x", "urn:r")], labels) == [[], [], []]
    assert lh.graph.siblings([], labels) == [[], [], []]


def test_an_unknown_relation_is_refused_with_those_there_are():
    triples = [("urn:mammal", "urn:dog", "http://db/class"), ("urn:pet", "urn:dog", "http://db/use")]
    with pytest.raises(ValueError, match=r"no triple has the relation 'order'; the graph has: class, use"):
        lh.graph.siblings(triples, ["urn:dog"], relations=["class", "order"])


# relation matrix


@st.composite
def sibling_lists(draw):
    """N(n) of every label; not symmetric, so that rows and columns cannot be confused."""
    count = draw(st.integers(1, 8))
    return [
        sorted(draw(st.sets(st.sampled_from([m for m in range(count) if m != n])))) if count > 1 else []
        for n in range(count)
    ]


@CASES
@given(sibling_lists(), st.floats(0, 10))
def test_the_relation_matrix_is_eq_16(siblings, beta):
    count = len(siblings)
    expected = np.zeros((count, count))
    for m in range(count):
        for n in range(count):
            if m == n:
                expected[m, n] = 1
            elif m in siblings[n]:
                expected[m, n] = beta / len(siblings[n])
        expected[m] /= sum(expected[m])
    matrix = lh.graph.relation_matrix(siblings, beta)
    assert isinstance(matrix, scipy.sparse.csr_array)
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix.toarray(), expected, atol=1e-14)
    np.testing.assert_allclose(matrix.sum(axis=1), np.ones(count))


def test_beta_is_0_4_as_in_the_paper():
    np.testing.assert_allclose(
        lh.graph.relation_matrix([{1}, {0}]).toarray(), [[1 / 1.4, 0.4 / 1.4], [0.4 / 1.4, 1 / 1.4]]
    )


@CASES
@given(sibling_lists())
def test_beta_0_is_the_identity(siblings):
    matrix = lh.graph.relation_matrix(siblings, beta=0)
    np.testing.assert_array_equal(matrix.toarray(), np.eye(len(siblings)))
    assert matrix.nnz == len(siblings)


def test_the_relation_matrix_of_many_labels_stays_sparse():
    count = 50_000  # dense: 20 GB
    matrix = lh.graph.relation_matrix([[n ^ 1] for n in range(count)])
    assert matrix.shape == (count, count)
    assert matrix.nnz == 2 * count
    np.testing.assert_allclose(matrix.sum(axis=1), np.ones(count))


@pytest.mark.parametrize("beta", [-0.1, math.nan, math.inf])
def test_a_beta_that_is_no_amount_is_refused(beta):
    with pytest.raises(ValueError, match=f"beta must .*found {beta}"):
        lh.graph.relation_matrix([[1], [0]], beta)


@pytest.mark.parametrize(
    ("siblings", "cause"),
    [
        ([[1], [2]], "outside the 2 labels"),
        ([[-1], []], "outside the 2 labels"),
        ([[1], [0, 1]], "label 1 is listed as its own sibling"),
    ],
)
def test_siblings_that_are_no_other_labels_are_refused(siblings, cause):
    with pytest.raises(ValueError, match=cause):
        lh.graph.relation_matrix(siblings)


def test_from_triples_to_guided_soft_labels(tmp_path):
    file = tmp_path / "graph.nt"
    file.write_text("<urn:cat> <urn:class> <urn:mammal> .\n<urn:dog> <urn:class> <urn:mammal> .\n")
    labels = [lh.Label(id=name, name=name, uri=f"urn:{name}") for name in ("cat", "owl", "dog")]
    matrix = lh.graph.relation_matrix(lh.graph.siblings(lh.graph.read_triples(file), labels), beta=0.25)
    guided = lh.labels.propagate(np.array([[1.0, 0.5, 0.0]]), matrix)
    np.testing.assert_allclose(guided, [[0.8, 0.5, 0.2]])
