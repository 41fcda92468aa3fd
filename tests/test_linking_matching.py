"""Names in texts: whole words, the longest, held to a slow obvious twin; offsets into the text as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelhedge.collect.linking.matching import Matcher, normal, normal_all, read
from labelhedge.collect.linking.morphology import glued, plurals


def twin(names, text):
    """Words of the text one after the other; at each the longest name that begins there."""
    words = read([text])
    spans = list(zip(words.starts.tolist(), words.ends.tolist(), strict=True))
    known = {tuple(name.split(" ")): number for number, name in enumerate(names)}
    found, place = [], 0
    while place < len(words.words):
        for length in range(len(words.words) - place, 0, -1):
            number = known.get(tuple(words.words[place : place + length]))
            if number is not None:
                found.append((number, spans[place][0], spans[place + length - 1][1]))
                place += length
                break
        else:
            place += 1
    return found


def find(names, text):
    return [text[start:end] for _, start, end in Matcher(names).find([text])[0]]


LETTERS = "aab  -'_.&,\n|éÉe\u0301\u200dßİ狗ΑΣ\ud800\U0001f436\x00\x01"
TEXTS = st.text(st.sampled_from(LETTERS), max_size=30) | st.text(max_size=20)
NAMES = st.lists(st.text(st.sampled_from("ab -.&é"), min_size=1, max_size=6), min_size=1, max_size=8)


@given(NAMES, st.lists(TEXTS, max_size=5))
def test_the_scan_finds_what_a_loop_over_words_finds(written, texts):
    names = sorted({name for name in map(normal, written) if name})
    if names:
        assert Matcher(names).find(texts) == [twin(names, text) for text in texts]


@given(TEXTS)
def test_words_stand_where_they_are_said_to(text):
    words = read([text])
    assert len(words.words) == len(words.starts) == len(words.ends) == len(words.places) - 1
    for word, start, end in zip(words.words, words.starts.tolist(), words.ends.tolist(), strict=True):
        if word not in "|.&":  # the same letters, whatever their accents
            assert normal(text[start:end]) == word
    for place, word in zip(words.places.tolist(), words.words, strict=False):
        assert words.spaced[place : place + len(word) + 2] == f" {word} "


@given(st.lists(TEXTS))
def test_many_names_are_made_normal_as_each_is(names):
    assert normal_all(names) == [normal(name) for name in names]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hotdogs, hot-dog; HOT_DOG", ["hot-dog", "HOT_DOG"]),
        ("hot, dog", ["dog"]),
        ("hot\ndog. Hot (dog)", ["dog", "dog"]),
        ("the dog's bone, dogma", ["dog"]),
        ("a 'dog' and “dog”", ["dog", "dog"]),
        ("DÓG do\u0301g hot  dog", ["DÓG", "do\u0301g", "hot  dog"]),
        ("dog2 2dog dog", ["dog"]),
        ("www.dog.com dog@dog.org http://a.b/dog/hot-dog dog.jpg", ["dog"]),
        ("see:(https://dog.com/dog),dog", ["dog"]),
        ("狗 dog 狗", ["dog"]),
        ("", []),
    ],
)
def test_boundaries(text, found):
    assert find(["dog", "hot dog"], text) == found


def test_names_with_stops_and_ampersands():
    assert find([normal("St. Bernard"), normal("R&B")], "a St. Bernard, St Bernard and R & B") == [
        "St. Bernard",
        "R & B",
    ]


def test_the_longest_wins_and_takes_its_place():
    assert find(["new york", "york", "york city hall"], "new york city hall") == ["new york"]
    assert find(["new york", "new york city"], "New York City, New York") == ["New York City", "New York"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dog", ["dogs"]),
        ("box", ["boxes"]),
        ("butterfly", ["butterflies"]),
        ("donkey", ["donkeys"]),
        ("fireman", ["firemen"]),
        ("human", ["humans"]),
        ("wolf", ["wolves", "wolfs"]),
        ("field mouse", ["field mice", "field mouses"]),
        ("deer", []),
        ("u2", []),
    ],
)
def test_plurals(name, expected):
    assert plurals(name) == expected


def test_glued_forms_are_of_long_names_only():
    assert glued("golden retriever") == "goldenretriever"
    assert glued("red ant") is None
    assert glued("retriever") is None
