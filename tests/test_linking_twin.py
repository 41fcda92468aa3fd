"""The linker, which works on arrays, held to slow, obvious twins: of its cues, of its scores, and of the whole."""

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelhedge.collect.linking import EmbeddedLinker, Entry, Form, Lexicon
from labelhedge.collect.linking.context import HIGHEST, NOT_CONTEXT, OWN, WORDS
from labelhedge.collect.linking.cues import EDGES, LEAST_SCALES, Beside, Languages, flags
from labelhedge.collect.linking.embedded import UNMEANT, _rounded
from labelhedge.collect.linking.lexicon import ADJECTIVE, ANYTHING, FAMILY_NAME, GIVEN_NAME, OTHERS, VERB
from labelhedge.collect.linking.matching import Matcher, read
from labelhedge.collect.linking.wordlists import (
    BEFORE_NOUNS,
    BEFORE_VERBS,
    ENGLISH,
    FOREIGN,
    GIVEN_NAMES,
    NAMED_AFTER,
    NAMED_WITH,
)


def is_foreign(words):
    return len(set(words) & FOREIGN) > len(set(words) & ENGLISH)


def capital_after(text, end):
    words = text[end : end + 40].split()
    return bool(words) and words[0][0].isupper()


def capital_before(text, start):
    words = text[max(0, start - 40) : start].split()
    return bool(words) and words[-1][0].isupper()


def in_sentence(text, start, end):
    left = text[max(0, start - 60) : start].split("\n")[-1]
    right = text[end : end + 60].split("\n")[0]
    return sum(word[0].islower() and len(word) > 3 for word in [*left.split(), *right.split()]) > 1


def nothing_scale(before, after, text, start, end, foreign):
    scale = 4.0 if foreign else 1.0
    if before in GIVEN_NAMES:
        return 6.0 * scale
    if after in NAMED_AFTER or before in NAMED_WITH:
        scale *= 4.0
    if after not in EDGES and text[start].isupper() and not text[start:end].isupper() and capital_after(text, end):
        scale *= 8.0 if in_sentence(text, start, end) else 2.0
    return scale


def other_scales(before, after, text, start, end):
    left, right = before not in EDGES, after not in EDGES
    capital = text[start].isupper()
    if before in BEFORE_NOUNS:
        return 0.1, 1.0 if right else 0.3, 0.1, 4.0 if before in GIVEN_NAMES else 0.05
    verb = 5.0 if before in BEFORE_VERBS else 1.0 if left or right else 0.3
    given = 1.0 if capital or not (left or right) else 0.1
    if capital and right and not text[start:end].isupper() and capital_after(text, end):
        given *= 2
    family = 0.05
    if before in GIVEN_NAMES:
        family = 4.0
    elif capital and left and capital_before(text, start):
        family = 3.0
    return verb, 1.0, given, family


BEFORE = st.sampled_from(["", "the", "to", "kelly", "x", "|", ".", "lake", "mark", "s"])
AFTER = st.sampled_from(["", "lake", "x", ".", "|"])
TEXT = st.lists(st.sampled_from(["duck", "Duck", "DUCK", "tours", "Tours", "of", "\n", "  ", "é"])).map(" ".join)


@given(st.lists(st.tuples(BEFORE, AFTER, TEXT, st.sampled_from(["duck", "Duck", "DUCK", "d"]), TEXT, st.booleans())))
def test_what_stands_beside_mentions(rows):
    texts = [f"{left}{mention}{right}" for _, _, left, mention, right, _ in rows]
    where = [(row, len(left), len(left) + len(mention)) for row, (_, _, left, mention, *_) in enumerate(rows)]
    foreign = np.array([row[-1] for row in rows], bool)
    beside = Beside(texts, where, flags([row[0] for row in rows]), flags([row[1] for row in rows]))
    nothing = beside.nothing_scales(foreign)
    others = beside.other_scales(np.ones(len(rows), bool))
    for (before, after, *_), text, (row, start, end) in zip(rows, texts, where, strict=True):
        assert nothing[row] == nothing_scale(before, after, text, start, end, foreign[row]) >= 1
        assert tuple(others[row]) == other_scales(before, after, text, start, end)
        assert (others[row] >= LEAST_SCALES).all()


@given(st.lists(st.lists(st.sampled_from([*sorted(FOREIGN)[:5], *sorted(ENGLISH)[:5], "dog"]), max_size=6)))
def test_foreign_texts(texts):
    words = {word for words in texts for word in words}
    vocabulary = {word: number for number, word in enumerate(sorted(words), 1)}
    numbers = np.array([vocabulary[word] for words in texts for word in words], np.int64)
    text = np.repeat(np.arange(len(texts)), [len(words) for words in texts])
    languages = Languages(lambda words: np.array([vocabulary.get(word, 0) for word in words]), len(words) + 1)
    foreign = languages.foreign(numbers, text, len(texts))
    assert foreign.tolist() == [is_foreign(words) for words in texts]


@given(st.lists(st.floats(0, 1) | st.integers(0, 10**6).map(lambda whole: (whole + 0.5) / 10**6)))
def test_scores_are_rounded_as_round_does(scores):
    assert _rounded(np.array(scores, np.float64)).tolist() == [round(score, 6) for score in scores]


def stem(word):
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "su" else word


class Twin:
    """One text, one mention, one candidate after the other."""

    def __init__(self, lexicon, fit_weight=8.0):
        self.lexicon, self.fit_weight, self.meanings, self.others = lexicon, fit_weight, {}, {}
        for number, form in enumerate(lexicon.forms):
            for at in range(lexicon.offsets[number], lexicon.offsets[number + 1]):
                uri, weight = lexicon.uris[lexicon.entity[at]], float(lexicon.weight[at])
                if uri in OTHERS:
                    self.others.setdefault(form, [0.0] * len(OTHERS))[OTHERS.index(uri)] = weight
                else:
                    self.meanings.setdefault(form, []).append((int(lexicon.entity[at]), weight))
        self.forms = list(self.meanings)
        wanted = [them for them in self.meanings.values() if any(lexicon.wanted[entity] for entity, _ in them)]
        needed = {entity for them in wanted if len(them) > 1 for entity, _ in them}
        words = {entity: set(map(stem, read([lexicon.descriptions[entity]]).words)) - NOT_CONTEXT for entity in needed}
        counts = Counter(word for them in words.values() for word in them)
        self.weight = {word: math.log((len(needed) + 1) / count) for word, count in counts.items()}
        self.vectors = {}
        for entity, them in words.items():
            rarest = sorted(them, key=lambda word: (counts[word], word))[:WORDS]
            length = math.sqrt(sum(self.weight[word] ** 2 for word in rarest)) or 1.0
            self.vectors[entity] = {word: self.weight[word] / length for word in rarest}

    def known(self, words):
        return list(dict.fromkeys(stem(word) for word in words if stem(word) in self.weight))

    def link(self, text, confidence):
        words = read([text])
        starts, ends, results = words.starts.tolist(), words.ends.tolist(), []
        for name, start, end in Matcher(self.forms).find([text])[0]:
            form = self.forms[name]
            meanings = self.meanings[form]
            if not any(self.lexicon.wanted[entity] for entity, _ in meanings):
                continue
            own = self.known(form.split(" "))[:OWN]
            context = {word for word in self.known(words.words) if word not in own}
            length = math.sqrt(max(sum(self.weight[word] ** 2 for word in context), 1e-9))
            scores = []
            for entity, prior in meanings:
                fit = 0.0
                if len(meanings) > 1:
                    vector = self.vectors[entity]
                    fit = sum(vector[word] * self.weight[word] for word in sorted(context & vector.keys())) / length
                scores.append(prior * math.exp(self.fit_weight * min(fit, HIGHEST)))
            heavy = max(scores)
            best = meanings[scores.index(heavy)][0]
            before = words.words[starts.index(start) - 1] if starts.index(start) else ""
            after = (words.words[ends.index(end) + 1 :] or [""])[0]
            nothing, *others = self.others.get(form, [0.0] * len(OTHERS))
            if form in self.others:
                nothing += UNMEANT * sum(prior for _, prior in meanings)
            total = sum(scores) + nothing * nothing_scale(before, after, text, start, end, is_foreign(words.words))
            total += sum(a * b for a, b in zip(others, other_scales(before, after, text, start, end), strict=True))
            if self.lexicon.wanted[best] and heavy / total >= confidence:
                results.append((self.lexicon.uris[best], text[start:end], start, heavy / total))
        return results


def test_the_linker_links_as_its_twin_does():
    draw = random.Random(0)
    about = "birds feathers water swims farm country capital istanbul sport team stadium tool boat red wings".split()
    about += ["duck", "dogs", "swan"]
    names = "turkey,duck,hot dog,dog,turkey vulture,Lake Placid,swan,drake,New Zealand,zealand,grebe".split(",")
    entries = [
        Entry(
            f"urn:{number}",
            name,
            description=" ".join(draw.choices(about, k=draw.randrange(25))),
            wanted=draw.random() < 0.7,
            forms=[Form(name, draw.choice([1, 2, 2, 3]))],
        )
        for number, name in enumerate(names * 3)
    ]
    more = {
        ANYTHING: ["duck", "swan", "dog"],
        VERB: ["duck", "dog"],
        ADJECTIVE: ["turkey", "swan"],
        GIVEN_NAME: ["drake"],
        FAMILY_NAME: ["drake", "swan"],
    }
    entries += [
        Entry(uri, "other", wanted=False, forms=[Form(name, draw.uniform(0.1, 1)) for name in forms])
        for uri, forms in more.items()
    ]
    lexicon = Lexicon.build(entries)
    words = [*about, *names, "the", "to", "Kelly", "la", "del", ",", ".", "lake", "Lake", "ducks", "DUCK", "Swan"]
    words += ["Duck", "Turkey", "Tours", "dogs", "Drake", "\n"]
    texts = [" ".join(draw.choices(words, k=draw.randrange(14))) for _ in range(600)]
    found, twin = EmbeddedLinker(lexicon, confidence=0.31).link(texts), Twin(lexicon)
    assert sum(map(len, found)) > 400
    for text, entities in zip(texts, found, strict=True):
        expected = twin.link(text, 0.31)
        assert [entity[0:1] + entity[2:4] for entity in entities] == [row[:3] for row in expected]
        assert [entity.score for entity in entities] == pytest.approx([row[3] for row in expected], abs=1e-6)
