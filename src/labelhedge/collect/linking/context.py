"""How well the words of a text fit the description of an entity.

Descriptions are vectors of words, each word weighted by how few descriptions hold it (TF-IDF, scaled to length one).
The fit of a text is the cosine of its words with the description, over the words that any description knows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from labelhedge.collect.linking.lexicon import FUNCTION_WORDS
from labelhedge.collect.linking.matching import normal_all

NOT_CONTEXT = FUNCTION_WORDS | frozenset("| . & s t especially usually having used also other any some one two".split())


class Descriptions:
    """The descriptions of a lexicon, ready to be compared with texts.

    Parameters
    ----------
    texts : sequence of str
        One for each entity.
    needed : iterable of int
        The entities that will be asked for; vectors are made of these only, weights of words are of all.
    """

    def __init__(self, texts: Sequence[str], needed: Iterable[int]) -> None:
        needed = sorted(set(needed))
        normals = normal_all(texts)
        frequency: Counter[str] = Counter()
        kept: dict[int, set[str]] = {}
        wanted = np.zeros(len(texts), bool)
        wanted[needed] = True
        for number, text in enumerate(normals):
            words = set(map(_stem, text.split(" "))) - NOT_CONTEXT
            frequency.update(words)
            if wanted[number]:
                kept[number] = words
        total = len(texts) + 1
        self._weight = {word: math.log(total / count) for word, count in frequency.items() if word}
        self._vectors: dict[int, dict[str, float]] = {}
        for number, words in kept.items():
            weights = {word: self._weight[word] for word in sorted(words) if word}
            length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
            self._vectors[number] = {word: weight / length for word, weight in weights.items()}

    def known(self, words: Iterable[str]) -> dict[str, float]:
        """The words of a text that descriptions know, each once, with their weights."""
        weight, stems = self._weight, map(_stem, words)
        return {stem: weight[stem] for stem in stems if stem in weight}

    def index(self, entities: Sequence[int]) -> dict[str, list[tuple[int, float]]]:
        """For each word in descriptions of the entities, which of them (by place) and its share in their vectors."""
        found: dict[str, list[tuple[int, float]]] = {}
        for place, entity in enumerate(entities):
            for word, share in self._vectors[entity].items():
                found.setdefault(word, []).append((place, share))
        return found


def fits(
    known: dict[str, float], own: Sequence[str], index: dict[str, list[tuple[int, float]]], count: int
) -> list[float] | None:
    """Cosines of a text's words, without a mention's own, with `count` descriptions; None where none shares a word.

    Examples
    --------
    >>> fits({"bird": 3.0, "day": 4.0}, ["turkeys"], {"bird": [(0, 0.5)], "state": [(1, 0.2)]}, 2)
    [0.3, 0.0]
    """
    shared = index.keys() & known.keys()
    if not shared:
        return None
    mine = set(map(_stem, own))
    if not (shared := shared - mine):
        return None
    found = [0.0] * count
    # In a fixed order: sums of floats depend on it.
    for word in sorted(shared):
        for place, share in index[word]:
            found[place] += share * known[word]
    length = math.sqrt(sum(weight * weight for word, weight in known.items() if word not in mine))
    return [value / length for value in found]


def _stem(word: str) -> str:
    """Without a plural's ending, so that "birds" meets "bird"."""
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
        return word[:-1]
    return word
