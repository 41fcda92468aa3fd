"""Domains are counted over linked photos as in the paper's Table 2, and a domain's vocabulary is chosen."""

import bz2
import csv
import gzip
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from collect_help import Words, linked_table
from labelhedge.cli import app
from labelhedge.collect import choose_vocabulary, count_domains, link_photos
from labelhedge.collect.domains import Domain, DomainCounts, EntityCount
from labelhedge.collect.entity_types import RDF_TYPE, SUBCLASS, Domains, domains_of
from labelhedge.graph.wordnet import uri

DBR, DBO = "http://dbpedia.org/resource/", "http://dbpedia.org/ontology/"
TITLES = ["fox", "fox fox hare", "fox and bench", "bench", "nothing", "hare", "spoon fox", "clay"]


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """Eight photos with fox (4), hare (2), bench (2), spoon and clay."""
    folder = tmp_path_factory.mktemp("domains")
    rows = "".join(f"{number},{title}\n" for number, title in enumerate(TITLES))
    (folder / "photos.csv").write_text("id,title\n" + rows)
    linker = Words("fox", "hare", "bench", "spoon", "clay", uri=(DBR + "{}").format)
    link_photos(folder / "photos.csv", folder / "linked", linker=linker, workers=1, part_size=3)
    return folder / "linked"


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    """Types as DBpedia ships them, the ontology apart, and a table."""
    folder = tmp_path_factory.mktemp("types")
    statements = [
        "# started 2020-06-01",
        f"<{DBR}fox> <{RDF_TYPE}> <{DBO}Mammal> .",
        f"<{DBR}hare> <{RDF_TYPE}> <{DBO}Mammal> .",
        f"<{DBR}bench> <{RDF_TYPE}> <{DBO}Furniture> .",
        f"<{DBR}spoon> <{RDF_TYPE}> <{DBO}Tool> .",
        f"<{DBR}spoon> <{RDF_TYPE}> <{DBO}Furniture> .",
        f"<{DBR}moon> <{RDF_TYPE}> <{DBO}Mammal> .",
        f'<{DBR}fox> <http://www.w3.org/2000/01/rdf-schema#label> "fox"@en .',
    ]
    (folder / "types.ttl.bz2").write_bytes(bz2.compress("\n".join(statements).encode()))
    above = [("Mammal", "Animal"), ("Animal", "Species"), ("Species", "Animal")]  # a circle, to be survived
    (folder / "ontology.nt.gz").write_bytes(
        gzip.compress("".join(f"<{DBO}{low}> <{SUBCLASS}> <{DBO}{high}> .\n" for low, high in above).encode())
    )
    (folder / "types.nq").write_text("".join(f"{line[:-1]} <urn:graph> .\n" for line in statements[1:]))
    (folder / "types.csv").write_text(f"uri,domain\n{DBR}fox,animals\n{DBR}hare,animals\n{DBR}bench,things\n")
    return folder


def test_without_types_there_is_one_domain_of_everything(linked, types):
    counts = count_domains(linked)
    assert [domain.name for domain in counts.domains] == ["all"]
    assert len(counts["all"].entities) == counts.entities
    assert not counts.without


def test_every_type_is_a_domain_by_default(linked, types):
    counts = count_domains(linked, [types / "types.ttl.bz2"])
    assert [(domain.name, domain.photos, len(domain.entities)) for domain in counts.domains] == [
        ("dbo:Mammal", 5, 2), ("dbo:Furniture", 3, 2), ("dbo:Tool", 1, 1),
    ]  # fmt: skip
    assert [(entity.name, entity.photos) for entity in counts["dbo:Mammal"].entities] == [("fox", 4), ("hare", 2)]
    assert (counts.photos, counts.entities) == (8, 5)
    assert [entity.name for entity in counts.without] == ["clay"]
    table = counts.table()
    assert [next(iter(column.cells)) for column in table.columns] == ["dbo:Mammal", "2", "5", "fox (4), hare (2)"]
    assert counts.table(2).row_count == 2
    assert counts.summary(2) == "8 photos with 5 entities; 1 of them in no domain; 1 more domains"
    assert count_domains(linked, [types / "types.nq"]) == counts


def test_domains_are_sets_of_types_and_of_what_is_below_them(linked, types):
    files = [types / "types.ttl.bz2", types / "ontology.nt.gz"]
    counts = count_domains(linked, files, domains=["species=dbo:Species,dbo:Plant", f"things={DBO}Furniture,dbo:Tool"])
    assert [(domain.name, domain.photos) for domain in counts.domains] == [("species", 5), ("things", 3)]
    assert not count_domains(linked, files[:1], domains={"species": ["dbo:Species"]}).domains


def test_domains_of_a_table(linked, types):
    counts = count_domains(linked, [types / "types.csv"])
    assert [(domain.name, domain.photos) for domain in counts.domains] == [("animals", 5), ("things", 2)]


def test_domains_by_senses_of_wordnet(tmp_path, small_wordnet):
    synsets = {"mouse": "00000003", "rodent": "00000002", "box": "00000004"}
    (tmp_path / "photos.csv").write_text("id,title\n1,a mouse in a box\n2,a rodent\n")
    linker = Words(*synsets, uri={word: uri(synset) for word, synset in synsets.items()}.__getitem__)
    link_photos(tmp_path / "photos.csv", tmp_path / "linked", linker=linker, workers=1)
    domains = ["animals=animal.1", "gnawers=rodent.1", "devices=device.1"]
    counts = count_domains(tmp_path / "linked", domains=domains, wordnet=small_wordnet)
    assert {domain.name: domain.photos for domain in counts.domains} == {"animals": 2, "gnawers": 2, "devices": 1}
    with pytest.raises(ValueError, match=r"no noun sense 'unicorn\.1'"):
        count_domains(tmp_path / "linked", domains=["x=unicorn.1"], wordnet=small_wordnet)


WORD = st.sampled_from(["fox", "hare", "bench", "spoon"])


@settings(max_examples=20, deadline=None)
@given(
    titles=st.lists(st.lists(WORD, max_size=4), min_size=1, max_size=12),
    table=st.sets(st.tuples(WORD, st.sampled_from("ABC"))),
)
def test_counts_agree_with_a_plain_loop(tmp_path_factory, titles, table):
    folder = tmp_path_factory.mktemp("loop")
    rows = "".join(f"{number},x {' '.join(title)}\n" for number, title in enumerate(titles))
    (folder / "photos.csv").write_text("id,title\n" + rows)
    (folder / "types.csv").write_text("uri,domain\n" + "".join(f"urn:word:{word},{name}\n" for word, name in table))
    linker = Words("fox", "hare", "bench", "spoon")
    link_photos(folder / "photos.csv", folder / "linked", linker=linker, workers=1, part_size=5)
    photos, entities = Counter(), defaultdict(Counter)
    for row in linked_table(folder / "linked").to_pylist():
        found = {entity["name"] for entity in row["entities"]}
        photos.update({name for word, name in table if word in found})
        for word, name in table:
            entities[name][word] += word in found
    counts = count_domains(folder / "linked", [folder / "types.csv"])
    assert {domain.name: domain.photos for domain in counts.domains} == dict(photos)
    for domain in counts.domains:
        assert {entity.name: entity.photos for entity in domain.entities} == +entities[domain.name]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("types.nt", "<a> <b> .\n", "line 1: not RDF"),
        ("types.csv", "a,b\n", "must have the columns uri and domain"),
        ("types.csv", 'uri,domain\n"x\udcff",y\n', "not readable as CSV"),
        ("types.doc", "", "types are read from .nt, .ttl"),
    ],
)
def test_a_file_that_holds_no_types_is_named(linked, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        count_domains(linked, [tmp_path / name])


def test_what_is_missing_is_said(linked, types, tmp_path):
    with pytest.raises(ValueError, match="nothing says which entity is of the domain 'animals'"):
        count_domains(linked, domains=["animals=dbo:Animal"])
    with pytest.raises(ValueError, match="is no complete folder of linked photos"):
        count_domains(tmp_path, [types / "types.csv"])
    for text in ("species", "=a.1", "species="):
        with pytest.raises(ValueError, match="write it as name=type,type"):
            Domains.parse([text])
    with pytest.raises(ValueError, match="'dbx:Species' is neither an IRI"):
        Domains.parse(["species=dbx:Species"])
    (tmp_path / "cut.nt.bz2").write_bytes(bz2.compress(f"<{DBR}fox> <{RDF_TYPE}> <{DBO}A> .\n".encode() * 99)[:-20])
    with pytest.raises(ValueError, match="is cut off: fetch it again"):
        domains_of([f"{DBR}fox"], [tmp_path / "cut.nt.bz2"])


# --- vocabulary


@pytest.fixture(scope="module")
def counts(linked, types):
    return count_domains(linked, [types / "types.ttl.bz2"], domains=["all=dbo:Mammal,dbo:Furniture,dbo:Tool"])


def test_a_vocabulary(counts, tmp_path):
    (tmp_path / "visual.txt").write_text(f"# seen\nFox\n{DBR}hare\nbench\nunicorn\n")
    (tmp_path / "exclude.csv").write_text("name,why\nbench,dull\n")
    out = tmp_path / "made" / "vocabulary.csv"
    chosen = choose_vocabulary(
        counts, "all", min_photos=1, visual=tmp_path / "visual.txt", exclude=tmp_path / "exclude.csv", out=out
    )
    with out.open() as file:
        assert list(csv.reader(file)) == [
            ["uri", "name", "photos", "domain"], [f"{DBR}fox", "fox", "4", "all"], [f"{DBR}hare", "hare", "2", "all"],
        ]  # fmt: skip
    assert chosen.summary().splitlines() == [
        "all: 2 labels",
        "dropped, not in the visual list: 1",
        "dropped, in the exclude list: 1",
        "of the visual list, 1 name no entity found here, such as 'unicorn'",
    ]
    assert [label.name for label in choose_vocabulary(counts, "all", min_photos=3).labels] == ["fox"]


def test_labels_of_one_name_are_told_apart(tmp_path):
    (tmp_path / "photos.csv").write_text("id,title\n1,crane Crane\n2,crane\n")
    (tmp_path / "types.csv").write_text("uri,domain\nurn:x/bird,d\nurn:x/machine,d\n")

    class Cranes(Words):
        def link(self, texts):
            found = super().link(texts)
            return [
                [entity._replace(uri="urn:x/machine") if entity.text == "Crane" else entity for entity in entities]
                for entities in found
            ]

    linker = Cranes("crane", uri="urn:x/bird".format)
    link_photos(tmp_path / "photos.csv", tmp_path / "linked", linker=linker, workers=1)
    counts = count_domains(tmp_path / "linked", [tmp_path / "types.csv"])
    assert [label.name for label in choose_vocabulary(counts, "d", min_photos=1).labels] == ["crane", "crane (machine)"]


@settings(max_examples=100, deadline=None)
@given(names=st.lists(st.sampled_from(["crane", "crane (Crane)", "crane (Crane 2)", "crane (x)"]), max_size=8))
def test_names_of_labels_are_unique_whatever_they_are(names):
    entities = tuple(
        EntityCount(f"http://{number}/{'x' if number % 3 else 'Crane'}", name, 9) for number, name in enumerate(names)
    )
    if not names:
        return
    counts = DomainCounts((Domain("d", 9, entities),), 9, len(entities), ())
    labels = choose_vocabulary(counts, "d", min_photos=1).labels
    assert len({label.name for label in labels}) == len(labels) == len(names)
    assert [label.uri for label in labels] == [entity.uri for entity in entities]
    for name in set(names):  # the first of a name keeps it
        assert labels[names.index(name)].name == name


def test_a_vocabulary_of_nothing_is_an_error_that_says_why(counts, tmp_path):
    with pytest.raises(ValueError, match=r"4 in fewer than 9 photos; take a lower --min-photos .* is in 4\)"):
        choose_vocabulary(counts, "all", min_photos=9)
    with pytest.raises(ValueError, match="no photo has an entity of the domain 'sports'; there are: all"):
        choose_vocabulary(counts, "sports")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match=r"empty\.txt names nothing"):
        choose_vocabulary(counts, "all", exclude=tmp_path / "empty.txt")


def test_the_command(linked, types, tmp_path):
    arguments = ["collect", "domains", str(linked), "--types", str(types / "types.ttl.bz2")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "table.csv")])
    assert result.exit_code == 0, result.output
    assert "dbo:Mammal" in result.output
    assert CliRunner().invoke(app, [*arguments, "--workers", "1"]).exit_code == 2  # daft's threads are not counted
    assert (tmp_path / "table.csv").read_text().splitlines()[:2] == [
        "domain,entities,photos,frequent", 'dbo:Mammal,2,5,"fox (4), hare (2)"',
    ]  # fmt: skip
    out = tmp_path / "vocabulary.csv"
    arguments += ["--domain", "animals=dbo:Mammal", "--choose", "animals", "--min-photos", "3", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "animals: 1 labels" in result.output
    assert "dropped, in fewer than 3 photos: 1" in result.output
    assert out.read_text().splitlines()[1] == f"{DBR}fox,fox,4,animals"
