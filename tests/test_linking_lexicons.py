"""Lexicons of every source, and what is said when one cannot be made."""

import bz2
import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelhedge.collect.linking import Entry, Form, Lexicon, open_linker
from labelhedge.collect.linking.dbpedia import dbpedia_lexicon
from labelhedge.collect.linking.lists import list_lexicon

RESOURCE = "http://dbpedia.org/resource/"


def candidates(lexicon, form):
    number = lexicon.forms.index(form)
    return {
        lexicon.uris[lexicon.entity[i]]: lexicon.weight[i]
        for i in range(lexicon.offsets[number], lexicon.offsets[number + 1])
    }


def linked(linker, text):
    return [entity.uri for entity in linker.link([text])[0]]


def test_saved_and_loaded(tmp_path):
    lexicon = Lexicon.build(
        [
            Entry("urn:a", "Zebra", ["zebra horse"], "striped", support=3),
            Entry("urn:b", "ant", wanted=False, forms=[Form("ant", 1 / 3), Form("zebra", 2.5, inflect=False)]),
        ]
    )
    lexicon.save(tmp_path / "a.parquet")
    loaded = Lexicon.load(tmp_path / "a.parquet")
    assert loaded.fingerprint == lexicon.fingerprint
    assert loaded.forms == lexicon.forms == ["ant", "ants", "zebra", "zebra horse", "zebra horses", "zebrahorse",
                                             "zebrahorses", "zebras"]  # fmt: skip
    assert candidates(loaded, "zebra") == {"urn:a": 1, "urn:b": 2.5}
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
    lexicon.save(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_plural_that_is_a_name_of_its_own_weighs_less_as_a_plural():
    lexicon = Lexicon.build([Entry("urn:glass", "glass"), Entry("urn:glasses", "glasses")])
    weights = candidates(lexicon, "glasses")
    assert weights["urn:glass"] < weights["urn:glasses"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "the list of names is empty"),
        ([Entry("urn:a", "a cat"), Entry("urn:a", "dog")], "URI 'urn:a' stands twice"),
        ([Entry("urn:a", "cat"), Entry("urn:b", "the")], r"'the' \(urn:b\) has no name that could be found"),
        ([Entry("urn:a", "cat, dog")], "has no name that could be found"),
        ([Entry("urn:a", "7")], "has no name that could be found"),
    ],
)
def test_entries_that_are_refused(entries, message):
    with pytest.raises(ValueError, match=message):
        Lexicon.build(entries)


def test_files_that_are_no_lexicon(tmp_path):
    with pytest.raises(ValueError, match="is no lexicon that can be read"):
        Lexicon.load(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ValueError, match="is no lexicon that can be read"):
        Lexicon.load(tmp_path / "text.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="lexicon format None is found, 1 is needed"):
        Lexicon.load(tmp_path / "other.parquet")


def test_lists_of_labels(tmp_path):
    table = "uri,name,aliases,description\nurn:c,corgi,Welsh corgi|pembroke,a dog\n,goldie,,\n"
    (tmp_path / "a.csv").write_text(table)
    (tmp_path / "a.tsv").write_text("name\taliases\ncorgi\tWelsh corgi|pembroke\n")
    (tmp_path / "a.txt").write_text("# pets\ncorgi | Welsh corgi | pembroke\n\n")
    text = "Pembrokes, welsh corgi, corgi"
    assert linked(open_linker(str(tmp_path / "a.csv")), f"{text} & goldie") == ["urn:c"] * 3 + [
        "urn:labelhedge:label:goldie"
    ]
    for name in ("a.tsv", "a.txt"):
        assert linked(open_linker(str(tmp_path / name)), text) == ["urn:labelhedge:label:corgi"] * 3


def test_one_name_for_two_entities_needs_two_uris(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("uri,name,description\nurn:p,Mercury,planet orbit sun\nurn:m,mercury,metal liquid\n")
    linker = open_linker(str(path), confidence=0.5)
    assert linked(linker, "Mercury and its orbit") == ["urn:p"]
    assert linked(linker, "liquid metal: mercury") == ["urn:m"]


def test_the_list_in_the_documentation(tmp_path):
    page = (Path(__file__).parent.parent / "docs" / "linking.md").read_text()
    (tmp_path / "names.csv").write_text(page.partition("```csv\n")[2].partition("```")[0])
    linker = open_linker(str(tmp_path / "names.csv"))
    for text, uri in {
        "A Pembroke": "corgi",
        "quicksilver": "mercury",
        "mercury, a liquid metal": "mercury",
        "Mercury, nearest planet to the sun": "planet",
    }.items():
        assert linked(linker, text) == [f"http://example.org/{uri}"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "no column 'name', but none"),
        ("a.csv", "uri,label\nurn:a,cat\n", "no column 'name', but uri, label"),
        ("a.csv", "name\n", "the list of names is empty"),
        ("a.txt", "# nothing\n", "the list of names is empty"),
        ("a.csv", "name\ncat\nCAT\n", "line 3: the name 'CAT' stands in line 2 too"),
        ("a.csv", "uri,name\nurn:a,cat\nurn:a,dog\n", "line 3: the URI 'urn:a' stands in line 2 too"),
        ("a.csv", "uri,name\nurn:a,\n", "line 2: the label has no name"),
        ("a.txt", "cat\nthe\n", "'the' .* has no name that could be found"),
        ("a.csv", b"name\n\xff\n", "cannot be read as a list of labels in UTF-8"),
    ],
)
def test_lists_that_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message) as raised:
        list_lexicon(path)
    assert str(path) in str(raised.value)


def test_the_labels_of_a_corpus(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "corpus")
    for spec in (folder, folder / "corpus.json"):
        assert linked(open_linker(str(spec)), "two cats, an owl") == ["urn:test:cat", "urn:test:owl"]


def write_dumps(folder, ending=".ttl", opened=open):
    """Some of DBpedia about turkeys, as its dumps have it."""
    r, o = RESOURCE, "http://dbpedia.org/ontology/"
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    dumps = {
        "labels_lang=en": [
            f'<{r}Turkey> <{label}> "Turkey"@en .',
            f'<{r}Turkey> <{label}> "Türkei"@de .',
            f'<{r}Turkey_(bird)> <{label}> "Turkey (bird)"@en .',
            f'<{r}Turkey_(disambiguation)> <{label}> "Turkey (disambiguation)"@en .',
            f'<{r}Anatolia> <{label}> "Anatolia"@en .',
            f'<{r}T%C3%BCrkiye> <{label}> "T\\u00FCrkiye"@en .',
        ],
        "redirects_lang=en": [
            f"<{r}T%C3%BCrkiye> <{o}wikiPageRedirects> <{r}Republic_of_Turkey> .",
            f"<{r}Republic_of_Turkey> <{o}wikiPageRedirects> <{r}Turkey> .",
            f"<{r}A> <{o}wikiPageRedirects> <{r}B> .",
            f"<{r}B> <{o}wikiPageRedirects> <{r}A> .",
        ],
        "disambiguations_lang=en": [
            f"<{r}Turkey_(disambiguation)> <{o}wikiPageDisambiguates> <{r}Turkey> .",
            f"<{r}Turkey_(disambiguation)> <{o}wikiPageDisambiguates> <{r}Turkey_(bird)> .",
            f"<{r}Turkey_(disambiguation)> <{o}wikiPageDisambiguates> <{r}Anatolia> .",
        ],
        "short-abstracts_lang=en": [
            f'<{r}Turkey_(bird)> <{o}abstract> "The turkey is a large bird of farms in North America."@en .',
            f'<{r}Turkey> <{o}abstract> "Turkey is a country; its cities are Ankara and Istanbul."@en .',
        ],
    }
    folder.mkdir()
    for name, lines in dumps.items():
        path = folder / f"{name}{ending}"
        with opened(path, "wb") as file:
            file.write("\n".join(["# started 2016", *lines, "# completed", ""]).encode())
    return folder


@pytest.mark.parametrize(
    ("ending", "opened"),
    [(".ttl", open), (".nt.gz", gzip.open), (".ttl.bz2", bz2.open)],
)
def test_dbpedia(tmp_path, ending, opened):
    folder = write_dumps(tmp_path / "dumps", ending, opened)
    linker = open_linker(f"dbpedia:{folder}", confidence=0.4)
    country, bird = f"{RESOURCE}Turkey", f"{RESOURCE}Turkey_(bird)"
    assert linked(linker, "Türkiye, Republic of Turkey") == [country] * 2
    assert linked(linker, "a turkey, a farm bird") == [bird]
    assert linked(linker, "Turkey: Istanbul") == [country]
    assert linked(open_linker(f"dbpedia:{folder}", language="de"), "Türkei; Anatolia") == [country]


def test_forms_and_weights_of_dbpedia(tmp_path):
    folder = write_dumps(tmp_path / "dumps")
    lexicon = dbpedia_lexicon(folder)
    weights = candidates(lexicon, "turkey")
    assert len(lexicon) == 3  # redirects and disambiguations are no entities
    assert weights[f"{RESOURCE}Turkey"] > weights[f"{RESOURCE}Turkey_(bird)"] > weights[f"{RESOURCE}Anatolia"]
    assert (lexicon.support == -1).all()
    link = "<{0}X> <http://dbpedia.org/ontology/wikiPageWikiLink> <{0}{1}> .\n"
    links = [link.format(RESOURCE, name) for name in ["Turkey_(bird)"] * 9 + ["Republic_of_Turkey"]]
    (folder / "page_links_en.nt").write_text("".join(links))
    lexicon = dbpedia_lexicon(folder)
    weights = candidates(lexicon, "turkey")
    assert weights[f"{RESOURCE}Turkey_(bird)"] > weights[f"{RESOURCE}Turkey"]
    assert dict(zip(lexicon.names, lexicon.support.tolist(), strict=True)) == {
        "Turkey": 1, "Turkey (bird)": 9, "Anatolia": 0,
    }  # fmt: skip


def test_dumps_that_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        dbpedia_lexicon(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no labels: a file such as"):
        dbpedia_lexicon(tmp_path)
    folder = write_dumps(tmp_path / "dumps")
    with pytest.raises(ValueError, match="no label in language 'fr'"):
        dbpedia_lexicon(folder, language="fr")
    (folder / "labels_en.nt").write_text("no triple\n")
    with pytest.raises(ValueError, match=r"labels_en\.nt cannot be read as RDF"):
        dbpedia_lexicon(folder)


def test_a_vocabulary_narrows_what_is_given_out(tmp_path):
    (tmp_path / "names.csv").write_text("uri,name\nurn:a,cat\nurn:b,dog\n")
    (tmp_path / "vocabulary.csv").write_text("uri,name,photos\nurn:b,dog,12\n")
    linker = open_linker(str(tmp_path / "names.csv"), vocabulary=tmp_path / "vocabulary.csv")
    assert linked(linker, "a cat and a dog") == ["urn:b"]
    (tmp_path / "other.csv").write_text("uri\nurn:z\n")
    with pytest.raises(ValueError, match="none of the 1 URIs is in the lexicon"):
        open_linker(str(tmp_path / "names.csv"), vocabulary=tmp_path / "other.csv")
    (tmp_path / "bad.csv").write_text("name\ndog\n")
    with pytest.raises(ValueError, match="no column 'uri', but name"):
        open_linker(str(tmp_path / "names.csv"), vocabulary=tmp_path / "bad.csv")
    with pytest.raises(ValueError, match="cannot be read"):
        open_linker(str(tmp_path / "names.csv"), vocabulary=tmp_path / "none.csv")


def test_saved_lexicons_open_by_path(tmp_path):
    Lexicon.build([Entry("urn:a", "cat")]).save(tmp_path / "cats.parquet")
    assert linked(open_linker(str(tmp_path / "cats.parquet"), confidence=0.9), "cats") == ["urn:a"]


def test_linkers_that_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no linker and no file 'wordent': choose of wordnet"):
        open_linker("wordent")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ValueError, match=r"ends with '\.json', from which no linker is made"):
        open_linker(str(tmp_path / "a.json"))
    (tmp_path / "a.txt").write_text("cat")
    with pytest.raises(ValueError, match="the linker has no setting 'confidenze': it has confidence, context"):
        open_linker(str(tmp_path / "a.txt"), confidenze=0.4)
    with pytest.raises(ValueError, match="no setting 'domains'"):
        open_linker(str(tmp_path / "a.txt"), domains="species")
    with pytest.raises(ValueError, match="install WordNet"):
        open_linker(f"wordnet:{tmp_path}")


def test_spotlight_opens_by_address():
    spotlight = pytest.importorskip("labelhedge.collect.spotlight")
    linker = open_linker("spotlight:http://localhost:2222/rest", confidence=0.4)
    assert isinstance(linker, spotlight.SpotlightLinker)
    assert "localhost:2222" in linker.fingerprint
    with pytest.raises(ValueError, match="no setting 'glued'"):
        open_linker("spotlight", glued=True)


def test_a_lexicon_that_takes_long_is_kept(small_wordnet, tmp_path, monkeypatch):
    monkeypatch.setenv("LABELHEDGE_CACHE", str(tmp_path))
    first = open_linker(f"wordnet:{small_wordnet}").fingerprint
    (kept,) = (tmp_path / "lexicons").iterdir()
    assert open_linker(f"wordnet:{small_wordnet}").fingerprint == first
    kept.write_text("broken")
    assert open_linker(f"wordnet:{small_wordnet}").fingerprint == first
    assert open_linker(f"wordnet:{small_wordnet}", domains="animal.1").fingerprint != first
    assert len(list((tmp_path / "lexicons").iterdir())) == 2


def test_a_large_lexicon_survives_the_file(tmp_path):
    draw = np.random.default_rng(0)
    words = ["".join(letters) for letters in draw.choice(list("abcdefghiklmnoprstu"), (5000, 7))]
    uris = [f"urn:{number}" for number in range(4000)]
    pairs = [Entry(uri, f"{words[i]} {words[-i]}") for i, uri in enumerate(uris)]
    lexicon = Lexicon.build(pairs)
    lexicon.save(tmp_path / "large.parquet")
    assert Lexicon.load(tmp_path / "large.parquet").fingerprint == lexicon.fingerprint
    stated = json.loads(pq.read_schema(tmp_path / "large.parquet").metadata[b"labelhedge"])
    assert stated == {"lexicon": 1}
