"""`graph build` and `graph show`; what they make of DBpedia and WordNet."""

from __future__ import annotations

import csv
import gzip
import xml.etree.ElementTree as ElementTree

import pytest
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.graph import LabelGraph, choose_relations, measure_relations
from labelhedge.graph.build import GraphLabel
from labelhedge.graph.job import build_file
from labelhedge.graph.wordnet import DEBIAN
from outside_data import outside

DBPEDIA = "http://dbpedia.org/resource/"
REDIRECT = "<http://dbpedia.org/ontology/wikiPageRedirects>"


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
