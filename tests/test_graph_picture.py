"""The picture of a graph."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from labelhedge.graph import LabelGraph
from labelhedge.graph.picture import draw_graph


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
