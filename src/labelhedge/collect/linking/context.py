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
        """The words of a text that descriptions know, with their weights."""
        weight = self._weight
        return {stem: weight[stem] for stem in map(_stem, words) if stem in weight}

    def fits(self, known: dict[str, float], own: Iterable[str], entities: Sequence[int]) -> list[float]:
        """Cosines of a text's words, without the mention's own, with the descriptions of entities."""
        mine = set(map(_stem, own))
        words = known.keys() - mine
        if not words:
            return [0.0] * len(entities)
        length = math.sqrt(sum(known[word] ** 2 for word in words))
        found = []
        for entity in entities:
            vector = self._vectors[entity]
            # In a fixed order: sums of floats depend on it.
            shared = sorted(vector.keys() & words)
            found.append(sum(vector[word] * known[word] for word in shared) / length if shared else 0.0)
        return found


def _stem(word: str) -> str:
    """Without a plural's ending, so that "birds" meets "bird"."""
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
        return word[:-1]
    return word
