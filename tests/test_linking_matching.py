"""Names in texts: whole words, the longest, held to a slow obvious twin; offsets into the text as it was written."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelhedge.collect.linking.matching import Matcher, normal, normal_all, read
from labelhedge.collect.linking.morphology import glued, plurals
from labelhedge.collect.linking.tries import Trie


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
# Words of up to three pieces, of which some begin alike.
LONG = st.sampled_from(["abbabbab", "abbabbaba", "abbabbab" * 2, "abbabbab" * 2 + "b", "bbbbbbbb" * 2 + "bb"])
TEXTS = (
    st.text(st.sampled_from(LETTERS), max_size=30)
    | st.text(max_size=20)
    | st.lists(LONG | st.sampled_from([" ", ", ", "a", "é"]), max_size=8).map("".join)
    | st.lists(st.sampled_from("ab"), max_size=8).map(" ".join)
)
NAMES = st.lists(
    st.text(st.sampled_from("ab -.&é"), min_size=1, max_size=6)
    | st.lists(LONG, min_size=1, max_size=2).map(" ".join)
    | st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(" ".join),
    min_size=1,
    max_size=8,
)


@given(NAMES, st.lists(TEXTS, max_size=5))
def test_the_scan_finds_what_a_loop_over_words_finds(written, texts):
    names = sorted({name for name in map(normal, written) if name})
    if names:
        assert Matcher(names).find(texts) == [twin(names, text) for text in texts]


@pytest.mark.parametrize(("last", "more_than"), [(0x5000, 256), (0x32000, 2**16)])
def test_names_of_more_letters_than_fit_a_byte_or_two(last, more_than):
    every = list(map(chr, range(0x4DC0, last)))
    every = [letter for letter, same in zip(every, normal_all(every), strict=True) if letter == same]
    assert len(every) > more_than
    names = ["".join(every[begin : begin + 7]) for begin in range(0, len(every), 7)]
    text = f"{names[3]} {names[-1]} {names[5][:-1]} {names[5]}{names[6]} dog, {names[0]}"
    assert Matcher([*names, "dog"]).find([text]) == [twin([*names, "dog"], text)]


@given(NAMES, st.lists(LONG | st.sampled_from(["|", ".", "a", "ä", "狗"]), max_size=5), TEXTS)
def test_words_have_numbers_of_their_own(written, more, text):
    names = sorted({name for name in map(normal, written) if name})
    if not names:
        return
    matcher = Matcher(names, more)
    letters = {*"".join(names), *string.ascii_letters, *"|.&"}
    told = {word for name in names for word in name.split()} | {word for word in more if letters.issuperset(word)}
    words = read([text]).words
    numbers = matcher.numbers([*told, *words, *more]).tolist()
    of = dict(zip([*told, *words, *more], numbers, strict=True))
    assert matcher.scan([text]).words.tolist() == [of[word] for word in words]
    assert all(of[word] > 0 for word in told)
    assert not any(of[word] for word in more if word not in told)
    assert len({of[word] for word in told}) == len(told)
    assert max(numbers) < matcher.size
    assert told.isdisjoint(word for word in words if of[word] == 0)


@given(st.lists(st.lists(st.integers(1, 4) | st.integers(2**63, 2**63 + 2), max_size=4)))
def test_a_trie_steps_as_dicts_do(sequences):
    trie = Trie(
        np.array([token for tokens in sequences for token in tokens], np.uint64),
        np.cumsum([0, *map(len, sequences)]),
    )
    known = {tuple(tokens[:length]) for tokens in sequences for length in range(len(tokens) + 1)}
    node_of = {(): 0}
    for tokens in sorted(known, key=len)[1:]:
        before = node_of[tokens[:-1]]
        (node,) = trie.step(np.array([before]), np.array(tokens[-1:], np.uint64)).tolist()
        assert node > 0
        assert trie.parents[node] == before
        node_of[tokens] = node
    assert len(set(node_of.values())) == len(node_of) <= trie.nodes
    assert trie.ends.tolist() == [node_of[tuple(tokens)] for tokens in sequences]
    for tokens, node in node_of.items():
        for token in (0, 1, 3, 5, 2**63):
            (after,) = trie.step(np.array([node]), np.array([token], np.uint64)).tolist()
            assert after == node_of.get((*tokens, token), 0)


@given(TEXTS)
def test_words_stand_where_they_are_said_to(text):
    words = read([text])
    assert len(words.words) == len(words.starts) == len(words.ends)
    for word, start, end in zip(words.words, words.starts.tolist(), words.ends.tolist(), strict=True):
        if word not in "|.&":  # the same letters, whatever their accents
            assert normal(text[start:end]) == word


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
    assert find(["new york", "york city", "city"], "new york city") == ["new york", "city"]
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
