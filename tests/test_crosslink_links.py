"""Which synsets labels mean: mapping files of three kinds, two versions of WordNet, words where they are no guess."""

import csv
import gzip
from types import SimpleNamespace

import pytest

from labelhedge.collect.crosslinks import ImageFolders, LinkSettings, find_links
from labelhedge.collect.crosslinks.linking import Linker, read_choices, write_links
from labelhedge.collect.crosslinks.versions import Versions
from labelhedge.collect.importing.yfcc_images import dbpedia_uri
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, WordNet, uri
from outside_data import outside

RODENT, MOUSE, BOX, DEVICE_MOUSE = "00000002", "00000003", "00000004", "00000005"  # of small_wordnet
real_wordnet = pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's wordnet-base is not installed")
DOG = Label(id="dog", name="dog", uri="http://dbpedia.org/resource/Dog")
CAFE = Label(id="cafe", name="Café racer", uri="http://dbpedia.org/resource/Caf%C3%A9_racer")


def named(*titles):
    return [Label(id=title, name=title.replace("_", " ")) for title in titles]


def links(labels, *numbers, **settings):
    """Links where these synsets have images."""
    folders = SimpleNamespace(wnids=frozenset(f"n{number}" for number in numbers))
    found = find_links(labels, folders, LinkSettings(**settings))
    return [(link.state, sorted(link.synsets)) for link in found.links], found


def mapped(path, labels, text, **settings):
    """The states and synsets that a mapping file gives, without WordNet."""
    path.write_text(text, encoding="utf-8")
    return links(labels, "02084071", "03790512", mappings=[path], above=False, **settings)


def refusal(path, text, **settings):
    with pytest.raises(LabelhedgeError) as caught:
        mapped(path, [DOG], text, **settings)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_plain_tables_by_title_uri_or_name(tmp_path):
    rows = "wnid,title\nn02084071,Dog\nn03790512,Café_racer\nn00000001,Else\n"
    expected = [("linked", ["02084071"]), ("linked", ["03790512"])]
    assert mapped(tmp_path / "a.csv", [DOG, CAFE], rows)[0] == expected
    tabs = "URI\tSynset 3.0\nhttps://en.wikipedia.org/wiki/Dog\t02084071-n\n"
    assert mapped(tmp_path / "b.tsv", [DOG, CAFE], tabs)[0] == [expected[0], ("no synset", [])]
    assert mapped(tmp_path / "c.csv", named("dog"), "wnid,name\nn02084071,dog\n")[0] == expected[:1]
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(rows.encode()))
    assert links([DOG], "02084071", mappings=[tmp_path / "d.csv.gz"], above=False)[0] == expected[:1]


def test_what_an_earlier_file_says_holds_and_a_title_may_have_several_synsets(tmp_path):
    (tmp_path / "first.csv").write_text("wnid,title\nn02084071,Dog\nn03790512,Dog\n")
    (tmp_path / "second.csv").write_text("wnid,title\nn00000007,Dog\n")
    files = [tmp_path / "first.csv", tmp_path / "second.csv"]
    assert links([DOG], "02084071", mappings=files, above=False)[0] == [("linked", ["02084071", "03790512"])]
    assert links([DOG], "00000007", mappings=files, above=False)[0] == [("no images", ["02084071", "03790512"])]


def test_a_title_with_brackets_is_not_the_title_without(tmp_path):
    crane = Label(id="7", name="Crane", uri="http://dbpedia.org/resource/Crane_(bird)")
    assert mapped(tmp_path / "a.csv", [crane], "wnid,title\nn02084071,Crane\n")[0] == [("no synset", [])]


WIKIDATA = """\
item,itemLabel,article,{}
http://www.wikidata.org/entity/Q144,dog,https://en.wikipedia.org/wiki/Dog,{}
http://www.wikidata.org/entity/Q1,universe,,09489202-n
http://www.wikidata.org/entity/Q2,to run,https://en.wikipedia.org/wiki/Running,01930264-v
"""


def test_wikidata_has_numbers_of_31_which_need_its_files(tmp_path, small_wordnet):
    """The small WordNet's 3.1 has the same nouns at other places, but for one that was split."""
    newer = tmp_path / "newer"
    newer.mkdir()
    data = (small_wordnet / "data.noun").read_text()
    data = data.replace("  1 This", "  1 WordNet 3.1 Copyright 2011 This").replace("00000003 05", "00000103 05")
    data = data.replace("00000004 06 n 03 box 0 city 0 device 0", "00000004 06 n 02 box 0 city 0")
    (newer / "data.noun").write_text(data + "00000109 06 n 02 box 3 gadget 0 000 | new\n")
    settings = {"wordnet": small_wordnet, "wordnet31": newer}
    text = WIKIDATA.format("synset", "00000103-n")
    found, told = mapped(tmp_path / "a.csv", [DOG], text, **settings)
    assert found == [("no images", [MOUSE])]
    assert told.passed == {"not a noun": 1}
    (newest, told) = mapped(tmp_path / "b.csv", [DOG], WIKIDATA.format("synset", "00000109-n"), **settings)
    assert newest == [("no synset", [])]
    assert told.passed["of WordNet 3.1, not one synset in 3.0"] == 1
    assert "line 2: a number of WordNet 3.1" in refusal(tmp_path / "c.csv", text, wordnet=small_wordnet)
    swapped = refusal(tmp_path / "d.csv", text, wordnet=newer, wordnet31=newer)
    assert "holds WordNet 3.1, and 3.0 is needed" in swapped


def test_wikidata_exact_match_has_numbers_of_30_and_other_things(tmp_path):
    text = WIKIDATA.format("exactMatch", "http://wordnet-rdf.princeton.edu/wn30/02084071-n").replace("09489202-n", "")
    text += "http://www.wikidata.org/entity/Q144,dog,https://en.wikipedia.org/wiki/Dog,https://schema.org/Dog\n"
    found, told = mapped(tmp_path / "a.csv", [DOG], text)
    assert found == [("linked", ["02084071"])]
    assert told.passed["matched with something other than WordNet"] == 1
    item = Label(id="d", name="d", uri="http://www.wikidata.org/entity/Q144")
    assert mapped(tmp_path / "a.csv", [item], text)[0] == [("linked", ["02084071"])]


BABELNET = """\
bn:00015267n\twn:02084071n\tWN:EN:dog\tWIKI:EN:Dog\tWIKIRED:EN:Canis_familiaris\tWIKI:DE:Haushund
bn:00000009n\twn:03790512n
bn:00000009n\tWIKI:EN:Café_racer
bn:00000010n\twn:00000001n\tWIKIRED:EN:Dog WIKI:EN:Havana,_ND
bn:00000011v\twn:01930264v\tWIKI:EN:Running
"""


def test_babelnet_lines(tmp_path):
    labels = [DOG, CAFE, *named("canis familiaris", "Haushund", "Havana,_ND", "Running")]
    found, _ = mapped(tmp_path / "a.tsv", labels, BABELNET)
    assert found == [
        ("linked", ["02084071"]),  # its own page, not the redirect of another
        ("linked", ["03790512"]),
        ("linked", ["02084071"]),  # a redirect that no page has the title of
        ("no synset", []),
        ("no images", ["00000001"]),
        ("no synset", []),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: no column title"),
        ("title,other\nDog,n02084071\n", "line 1: no column wnid or synset, found title, other"),
        ("itemLabel,synset\ndog,n02084071\n", "itemLabel is no Wikipedia title: add"),
        ("wnid,title\nn02084071,Dog,more\n", "line 2: 3 cells, and the header has 2"),
        ("wnid,title\nn02084071,Cat\ndog,Dog\n", "line 3: 'dog' is no synset: write it as n02084071"),
        ("synset,title\n02084071-n,Dog\n", "line 2: 02084071 may be a number of WordNet 3.0 or 3.1"),
        ("wn31,title\n02086723-n,Dog\n", "line 2: a number of WordNet 3.1"),
        ("bn:00015267n\twn:02084071n\nbn:00015267n\tbn:00000001n\n", "line 2: 2 ids of BabelNet"),
    ],
)
def test_malformed_mappings_name_file_line_and_mend(tmp_path, text, said):
    assert said in refusal(tmp_path / "a.csv", text)


def test_a_mapping_of_other_bytes(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"wnid,title\nn02084071,Caf\xe9\n")
    with pytest.raises(LabelhedgeError, match=r"a\.csv: not a whole text table in UTF-8"):
        links([DOG], "02084071", mappings=[tmp_path / "a.csv"], above=False)
    whole = gzip.compress(b"wnid,title\n" + b"n02084071,Dog\n" * 9000)
    for damaged in (whole[:-40], whole[:60] + bytes(40) + whole[100:]):
        (tmp_path / "a.csv.gz").write_bytes(damaged)
        with pytest.raises(LabelhedgeError, match=r"a\.csv\.gz: not a whole text table"):
            links([DOG], "02084071", mappings=[tmp_path / "a.csv.gz"], above=False)
    with pytest.raises(LabelhedgeError, match="there is no mapping file"):
        links([DOG], "02084071", mappings=[tmp_path / "b.csv"], above=False)


def test_words_with_one_sense_are_linked_others_only_where_the_prevailing_sense_alone_has_images(small_wordnet):
    labels = named("Rodents", "mice", "mouse_(rodent)", "mouse_(city)", "rodent_(film)", "rodent_(city)", "unicorn")
    found, _ = links(labels, RODENT, MOUSE, wordnet=small_wordnet)
    both = ("linked", [MOUSE])  # tagged 14 times as the animal, and the animal alone has images
    assert found == [
        ("linked", [RODENT]),
        both,
        both,
        ("no images", [DEVICE_MOUSE]),
        ("ambiguous", [RODENT]),  # the brackets say that it means something else, which WordNet does not know
        ("no synset", []),  # a rodent is no city
        ("no synset", []),
    ]
    assert links(named("mouse"), MOUSE, DEVICE_MOUSE, wordnet=small_wordnet)[0] == [
        ("ambiguous", [MOUSE, DEVICE_MOUSE])
    ]
    assert links(named("mouse"), DEVICE_MOUSE, wordnet=small_wordnet)[0][0][0] == "ambiguous"  # not the prevailing one
    assert links(named("mouse"), RODENT, wordnet=small_wordnet)[0][0][0] == "no images"


def test_a_label_may_be_a_synset_itself_and_below_counts_images_below(small_wordnet):
    labels = [Label(id="a", name="thing", uri=uri(RODENT)), Label(id=f"n{MOUSE}", name="unicorn")]
    assert links(labels, MOUSE, wordnet=small_wordnet)[0] == [("no images", [RODENT]), ("linked", [MOUSE])]
    assert links(labels, MOUSE, wordnet=small_wordnet, below=True)[0] == [("linked", [RODENT]), ("linked", [MOUSE])]


def test_choices_decide_and_the_file_of_links_is_one_once_it_is_settled(small_wordnet, tmp_path):
    labels, file = named("mouse", "rodent", "unicorn"), tmp_path / "links.csv"
    _, told = links(labels, RODENT, MOUSE, DEVICE_MOUSE, wordnet=small_wordnet)
    write_links(told.links, file)
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    assert [(row["uri"], row["state"], row["gloss"]) for row in rows[:2]] == [
        ("mouse", "ambiguous", "small"),
        ("mouse", "ambiguous", "on a desk"),
    ]
    with pytest.raises(LabelhedgeError, match=r"links\.csv, line 3: 'mouse' is ambiguous still \(also line 2\)"):
        read_choices(file, labels)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:1] + lines[2:]))
    found, _ = links(labels, RODENT, MOUSE, DEVICE_MOUSE, wordnet=small_wordnet, choices=file)
    assert found == [("linked", [DEVICE_MOUSE]), ("linked", [RODENT]), ("no synset", [])]
    file.write_text(f"uri,wnid\nmouse,\nunicorn,n{MOUSE}\nunicorn,n{RODENT}\n")
    found, _ = links(labels, RODENT, MOUSE, wordnet=small_wordnet, choices=file)
    assert found == [("left out", []), ("linked", [RODENT]), ("linked", [RODENT, MOUSE])]


def test_choices_go_by_uri_else_id_else_name_and_never_by_chance(tmp_path):
    labels = [
        Label(id="a", name="mouse", uri="urn:x:device"),
        Label(id="mouse", name="rodent", uri="urn:x:rodent"),
        Label(id="c", name="urn:x:rodent"),
        Label(id="d", name="house mouse"),
        Label(id="e", name="house_mouse"),
    ]
    file = tmp_path / "c.csv"
    file.write_text(f"uri,wnid\nmouse,n{MOUSE}\nurn:x:rodent,n{RODENT}\nhouse mouse,n{BOX}\n")
    assert read_choices(file, labels) == {"mouse": [MOUSE, RODENT], "d": [BOX]}
    file.write_text(f"uri,wnid\nHouse mouse,n{BOX}\n")
    with pytest.raises(LabelhedgeError, match=r"c\.csv, line 2: 'House mouse' may be any of .* ids d, e: write the id"):
        read_choices(file, labels)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("uri\nmouse\n", "line 1: choices need the columns uri and wnid"),
        ("uri,wnid\nmoose,n00000003\n", "line 2: the corpus has no label 'moose'"),
        ("uri,wnid\nmouse,n3\n", "line 2: 'n3' is no synset of ImageNet"),
    ],
)
def test_malformed_choices(tmp_path, text, said):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(LabelhedgeError) as caught:
        read_choices(tmp_path / "c.csv", named("mouse"))
    assert said in str(caught.value)
    assert "c.csv" in str(caught.value)


def test_folders_without_a_synset(tmp_path):
    with pytest.raises(LabelhedgeError, match="there is no folder"):
        ImageFolders(tmp_path / "no")
    with pytest.raises(LabelhedgeError, match="holds no folder or tar file of a synset"):
        ImageFolders(tmp_path)


@pytest.fixture(scope="module")
def pairs():
    with outside("wnid_wikipedia.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def titles(names):
    return [Label(id=name, name=name.replace("_", " "), uri=dbpedia_uri(name)) for name in names]


def test_every_real_pair_resolves(pairs):
    numbers = {row["title"]: row["wnid"][1:] for row in pairs}
    file = outside("wnid_wikipedia.csv")
    found, told = links(titles(numbers), *numbers.values(), mappings=[file], above=False)
    assert len(found) == 531
    assert found == [("linked", [number]) for number in numbers.values()]
    assert not told.passed


@pytest.mark.parametrize(("domain", "all_", "linked"), [("Artifacts", 323, 312), ("Species-I", 219, 219)])
def test_the_papers_vocabularies(pairs, domain, all_, linked):
    with gzip.open(outside("yfcc100m_entity") / domain / "vocab.txt.gz", "rt", encoding="utf-8") as file:
        vocabulary = titles(line.strip() for line in file if line.strip())
    numbers = [row["wnid"][1:] for row in pairs]
    found, _ = links(vocabulary, *numbers, mappings=[outside("wnid_wikipedia.csv")], above=False)
    assert (len(found), sum(state == "linked" for state, _ in found)) == (all_, linked)


@real_wordnet
def test_real_words(pairs):
    """Of the real pairs no word is linked to a wrong sense where the folder holds these synsets."""
    nouns = WordNet.open()
    few = [nouns.synset(name) for name in ("crane.4", "crane.5", "tiger.1", "tiger.2", "dog.1")]
    labels = titles(["Crane_(bird)", "Crane_(machine)", "Crane", "Tiger", "Dog", "Cranes_(birds)"])

    def by_words(labels, numbers):
        linker = Linker(nouns, numbers, {}, {}, Versions(DEBIAN))
        return [(link.state, sorted(link.synsets)) for link in map(linker.link, labels)]

    found = by_words(labels, few)
    assert [state for state, _ in found] == ["linked", "no synset", "ambiguous", "ambiguous", "linked", "linked"]
    assert found[0][1] == found[5][1] == [few[1]]
    numbers = {row["title"]: row["wnid"][1:] for row in pairs}
    found = by_words(titles(numbers), set(numbers.values()))
    right = [state == "linked" and synsets == [number] for (state, synsets), number in zip(found, numbers.values())]
    linked = [state == "linked" for state, _ in found]
    assert (sum(linked), sum(right)) == (399, 399)
    unclear = [number in synsets for (state, synsets), number in zip(found, numbers.values()) if state == "ambiguous"]
    assert (len(unclear), sum(unclear)) == (99, 99)
