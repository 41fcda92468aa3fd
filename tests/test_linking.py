"""The embedded linker: which meaning, with what score, and that nothing but its input decides."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelhedge.collect.linking import EmbeddedLinker, Entry, Form, Lexicon, open_linker
from labelhedge.collect.linking.cues import Beside, flags
from labelhedge.collect.linking.wordnet import wordnet_lexicon
from labelhedge.graph.wordnet import DEBIAN

ENTRIES = [
    Entry("urn:bird", "turkey", description="bird farm feathers", support=5, forms=[Form("turkey", 2)]),
    Entry("urn:state", "Turkey", description="country ankara istanbul asia", wanted=False, forms=[Form("Turkey", 3)]),
    Entry("urn:corgi", "corgi", ["Welsh corgi"], "small dog", support=90),
    Entry("urn:hotdog", "hot dog", description="sausage", wanted=False),
    Entry("urn:dog", "dog", description="barks"),
]


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon.build(ENTRIES)


def names(linker, *texts):
    return [[entity.uri.removeprefix("urn:") for entity in found] for found in linker.link(list(texts))]


def test_the_context_decides_and_unwanted_meanings_compete(lexicon):
    linker = EmbeddedLinker(lexicon, confidence=0.5)
    texts = ["turkey", "a turkey on the farm", "Turkey: Ankara", "farm in Istanbul, Turkey, near Ankara"]
    assert names(linker, *texts) == [[], ["bird"], [], []]
    assert names(EmbeddedLinker(lexicon, confidence=0.5, context=False), "a turkey on the farm") == [[]]
    assert names(EmbeddedLinker(lexicon, confidence=0.3, context=False), "a turkey on the farm") == [
        []
    ]  # not the likeliest


def test_the_score_is_the_share_of_prior_times_fit(lexicon):
    (found,) = EmbeddedLinker(lexicon, confidence=0, fit_weight=0).link(["turkeys, corgi"])
    assert [entity.text for entity in found] == ["corgi"]  # the state is the likelier turkey, and is not wanted
    wanted = lexicon.restricted(["urn:state"])
    (found,) = EmbeddedLinker(wanted, confidence=0, fit_weight=0).link(["Turkey"])
    assert found[0].score == pytest.approx(3 / 5)


def test_an_unwanted_longer_name_takes_its_place(lexicon):
    assert names(EmbeddedLinker(lexicon), "a hot dog", "hotdogs", "a hot, dog") == [[], [], ["dog"]]


def test_plurals_glued_forms_and_support(lexicon):
    text = "corgis, welshcorgi, Welsh-Corgis"
    assert names(EmbeddedLinker(lexicon), text) == [["corgi"] * 3]
    assert names(EmbeddedLinker(lexicon, plurals=False), text) == [["corgi"]]
    assert names(EmbeddedLinker(lexicon, glued=False), text) == [["corgi"] * 2]
    assert names(EmbeddedLinker(lexicon, support=91), "corgi, dog") == [["dog"]]  # of unknown support


@given(st.lists(st.lists(st.sampled_from(["turkey", "Istanbul", "farm", "dogs", "hot", "corgi", ", ", "bárks", "s"]))))
def test_offsets_and_batches(texts):
    linker = EmbeddedLinker(Lexicon.build(ENTRIES), confidence=0.1)
    texts = [" ".join(words) for words in texts]
    together = linker.link(texts)
    assert together == [linker.link([text])[0] for text in texts]
    for text, found in zip(texts, together, strict=True):
        ends = [0]
        for entity in found:
            assert text[entity.offset : entity.offset + len(entity.text)] == entity.text
            assert entity.offset >= ends[-1]
            assert 0.1 <= entity.score <= 1
            ends.append(entity.offset + len(entity.text))


def test_more_texts_than_a_batch(lexicon):
    linker = EmbeddedLinker(lexicon)
    texts = [f"{'x ' * (number % 7)}dog" if number % 3 else "nothing" for number in range(1000)]
    assert [[e.offset for e in found] for found in linker.link(texts)] == [
        [2 * (number % 7)] if number % 3 else [] for number in range(1000)
    ]
    assert linker.link([]) == []


def test_what_stands_beside_a_mention():
    def of(before, after, text, mention):
        start = text.index(mention)
        return Beside([text], [(0, start, start + len(mention))], flags([before]), flags([after]))

    def nothing(*mention):
        return of(*mention).nothing_scales(np.array([False]))[0]

    def others(*mention):
        return of(*mention).other_scales(np.array([True]))[0]

    sentence = "that is the Duck Tours bus we went with"
    assert nothing("the", "tours", sentence, "Duck") > nothing("the", "", "the Duck", "Duck") == 1
    assert nothing("", "lake", "bear lake", "bear") > 1
    assert others("to", "", "to duck", "duck")[0] > others("a", "", "a duck", "duck")[0]
    assert others("kelly", "", "kelly slater", "slater")[3] > others("", "", "slater", "slater")[3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1.5}, "confidence is 1.5: it must be between 0 and 1"),
        ({"support": -1}, "neither may be negative"),
        ({"support": 1000}, None),
    ],
)
def test_settings_out_of_range(options, message):
    lexicon = Lexicon.build(ENTRIES[:1])
    with pytest.raises(ValueError, match=message or "no entity of the lexicon is wanted"):
        EmbeddedLinker(lexicon, **options)


def test_the_fingerprint_tells_lexicon_and_settings(lexicon):
    first = EmbeddedLinker(lexicon).fingerprint
    assert first == EmbeddedLinker(Lexicon.build(ENTRIES)).fingerprint
    others = [
        EmbeddedLinker(lexicon, confidence=0.6),
        EmbeddedLinker(lexicon, plurals=False),
        EmbeddedLinker(lexicon.restricted(["urn:dog"])),
        EmbeddedLinker(Lexicon.build([*ENTRIES[:-1], Entry("urn:dog", "dog", description="woofs")])),
    ]
    assert len({first, *(linker.fingerprint for linker in others)}) == 5


SCRIPT = """
from labelhedge.collect.linking import EmbeddedLinker, Lexicon
linker = EmbeddedLinker(Lexicon.load({path!r}), confidence=0.1)
print(linker.fingerprint, linker.link(["a turkey on the farm with feathers and birds, corgis near Istanbul"]))
"""


def test_another_process_links_the_same(lexicon, tmp_path):
    path = tmp_path / "lexicon.parquet"
    lexicon.save(path)
    code = SCRIPT.format(path=str(path))
    linker = EmbeddedLinker(lexicon, confidence=0.1)
    found = linker.link(["a turkey on the farm with feathers and birds, corgis near Istanbul"])
    assert [entity.name for entity in found[0]] == ["turkey", "corgi"]
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == f"{linker.fingerprint} {found}"


@pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's wordnet-base is not installed")
def test_wordnet_itself():
    linker = open_linker("wordnet", domains="species,artifacts")
    assert isinstance(linker, EmbeddedLinker)
    texts = {
        "two mice and a goldenretriever": ["mouse", "golden retriever"],
        "Panthera tigris": ["tiger"],
        "Our trip to Turkey: Istanbul and Ankara": [],
        "cars, chevy, dodge, mustang, impala": ["car"],
        "I saw it, can't watch": [],
        "downy woodpecker on a car": ["downy woodpecker", "car"],
        "heather, hannah, parties": [],
        "la maison de la mare": [],
    }
    found = linker.link(list(texts))
    assert {text: [e.name for e in entities] for text, entities in zip(texts, found, strict=True)} == texts


def test_wordnet_in_small(small_wordnet):
    lexicon = wordnet_lexicon(small_wordnet, domains="animal.1,-rodent.1")
    assert lexicon.wanted.sum() == 1
    linker = open_linker(f"wordnet:{small_wordnet}", domains=["animal.1"], confidence=0.5)
    assert [entity.uri[-10:] for entity in linker.link(["three mice"])[0]] == ["00000003-n"]
    with pytest.raises(ValueError, match=r"domain 'unicorn\.1': WordNet has no noun sense"):
        wordnet_lexicon(small_wordnet, domains="unicorn.1")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("confidence", "high", "a number is needed, such as 0.7"), ("plurals", 3, "true or false is needed")],
)
def test_a_setting_of_a_wrong_kind_is_named(tmp_path, name, value, message):
    (tmp_path / "names.txt").write_text("dog\n")
    with pytest.raises(ValueError, match=rf"the linker's {name} is {value!r}: {message}"):
        open_linker(str(tmp_path / "names.txt"), **{name: value})
