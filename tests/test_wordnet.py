"""WordNet's nouns, from a small copy of its database files; the real ones where they are installed."""

import pytest

from labelhedge.graph.wordnet import DEBIAN, MEMBER_OF, WordNet


@pytest.fixture(scope="module")
def nouns(small_wordnet):
    return WordNet.open(small_wordnet)


def test_senses_and_hypernyms(nouns):
    assert nouns.senses["mouse"] == ["00000003", "00000005"]
    assert nouns.synset("mouse.2") == "00000005"
    assert nouns.ancestors("00000003") == {"00000003", "00000002", "00000001"}
    assert nouns.ancestors("00000005") == {"00000005", "00000004"}
    assert nouns.ancestors("00000001") == {"00000001"}


@pytest.mark.parametrize(
    ("form", "lemma"),
    [
        ("mouse", "mouse"),
        ("mice", "mouse"),
        ("rodents", "rodent"),
        ("boxes", "box"),
        ("cities", "city"),
        ("devices", "device"),
        ("mouses", "mouse"),
        ("gnaws", None),
        ("s", None),
        ("aboideaux", None),  # irregular, but its base form is missing, as in the real files
    ],
)
def test_base_forms(nouns, form, lemma):
    assert nouns.lemma(form) == lemma


def test_names_glosses_and_counts(nouns):
    assert nouns.names["00000004"] == ["box", "city", "device"]
    assert nouns.glosses["00000003"] == "small"
    assert nouns.counts == {("mouse", 1): 14, ("box", 1): 7}  # of nouns only
    assert nouns.descendants("00000001") == {"00000001", "00000002", "00000003"}


def test_a_missing_file_or_sense_is_named(nouns, tmp_path):
    with pytest.raises(ValueError, match=r"index\.noun is missing: install WordNet"):
        WordNet.open(tmp_path)
    with pytest.raises(ValueError, match="'mouse' has 2 of them"):
        nouns.synset("mouse.3")
    with pytest.raises(ValueError, match=r"no noun sense 'unicorn\.1'"):
        nouns.synset("unicorn.1")


@pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's wordnet-base is not installed")
def test_the_real_files():
    nouns = WordNet.open()
    tiger = nouns.synset("tiger.2")
    assert nouns.names[tiger] == ["tiger", "Panthera tigris"]
    assert nouns.synset("animal.1") in nouns.ancestors(tiger)
    assert ["genus Panthera" in nouns.names[genus] for genus in nouns.related(tiger, MEMBER_OF)] == [True]
    assert nouns.counts["dog", 1] == 42
