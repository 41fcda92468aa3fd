"""How well the words of texts fit the descriptions of entities.

Descriptions are vectors of words, each word weighted by how few descriptions hold it (TF-IDF, scaled to length one).
The fit of a text is the cosine of its words, those that any description knows and that are not the mention's own, with
the description. All pairs of mentions and entities in a batch of texts are compared at once.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelhedge.collect.linking.matching import normal_all
from labelhedge.collect.linking.wordlists import FUNCTION_WORDS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NOT_CONTEXT = FUNCTION_WORDS | frozenset("| . & s t especially usually having used also other any some one two".split())
WORDS = 20
"""Words of a description that are compared: the rarest."""
HIGHEST = 0.4
"""No fit counts more: so much says enough, and forms that could never be given out are known beforehand."""
OWN = 4
"""Words of a mention that are left out of its context; no more are looked at."""


@dataclass(frozen=True)
class TextWords:
    """Weights of the words in some texts.

    Attributes
    ----------
    weights : floats (N, K + 1)
        By text and by place of the word among the K that the texts hold; the last column is zero.
    places : ints (V,)
        Place of each known word; -1, and so the last column, where no text holds it.
    squares : floats (N,)
        Sums of the squares of the weights.
    """

    weights: Floats
    places: npt.NDArray[np.int32]
    squares: Floats


class Descriptions:
    """The descriptions of a lexicon, ready to be compared with texts.

    Parameters
    ----------
    texts : sequence of str
        One for each entity.
    needed : iterable of int
        The entities that will be asked for: the others are not read.
    """

    def __init__(self, texts: Sequence[str], needed: Iterable[int]) -> None:
        chosen = sorted(set(needed))
        frequency: Counter[str] = Counter()
        kept: list[list[str]] = [[] for _ in texts]
        for number, text in zip(chosen, normal_all([texts[number] for number in chosen]), strict=True):
            words = set(map(_stem, text.split(" "))) - NOT_CONTEXT
            words.discard("")
            frequency.update(words)
            kept[number] = list(words)
        # The commonest words tell least, and are the most of what there is to compare.
        kept = [sorted(heapq.nsmallest(WORDS, words, key=lambda word: (frequency[word], word))) for words in kept]
        vocabulary = sorted(frequency)
        numbers = {word: number for number, word in enumerate(vocabulary)}
        counts = np.array([frequency[word] for word in vocabulary], np.float64)
        self.weights: Floats = np.log((len(chosen) + 1) / counts)
        self._starts = np.concatenate(([0], np.cumsum([len(words) for words in kept])))
        self._words = np.array([numbers[word] for words in kept for word in words], np.int32)
        shares = self.weights[self._words]
        row = np.repeat(np.arange(len(kept)), np.diff(self._starts))
        length = np.sqrt(np.bincount(row, shares * shares, len(kept)))
        self._shares: Floats = shares / np.where(length > 0, length, 1.0)[row]
        self._numbers = numbers | {word + "s": number for word, number in numbers.items() if _stem(word + "s") == word}

    def numbers(self, words: Iterable[str]) -> list[int]:
        """The number of each word, -1 where no description knows it."""
        get = self._numbers.get
        return [get(word, -1) for word in words]

    def own(self, form: str) -> list[int]:
        """Numbers of the words of a form, each once, filled up with -1 to `OWN`."""
        found = [number for number in dict.fromkeys(self.numbers(form.split(" "))) if number >= 0][:OWN]
        return found + [-1] * (OWN - len(found))

    def own_squares(self, own: Ints) -> Floats:
        """Sums of the squares of the weights of rows of words that `own` gave."""
        squares: Floats = (np.where(own >= 0, self.weights[own], 0.0) ** 2).sum(1)
        return squares

    def read(self, words: Sequence[str], bounds: Sequence[int]) -> TextWords:
        """The words of texts: those of text `i` are from `bounds[i]` up to, but without, ``bounds[i + 1]``."""
        size, count = len(self.weights), len(bounds) - 1
        number = np.array(self.numbers(words), np.int64)
        text = np.repeat(np.arange(count), np.diff(bounds))
        text, number = np.divmod(np.unique((text * size + number)[number >= 0]), size)
        places: npt.NDArray[np.int32] = np.full(size, -1, np.int32)
        held = np.zeros(size, bool)
        held[number] = True
        present = np.flatnonzero(held)
        places[present] = np.arange(len(present))
        weights: Floats = np.zeros((count, len(present) + 1))
        weights[text, places[number]] = self.weights[number]
        return TextWords(weights, places, np.bincount(text, self.weights[number] ** 2, count).astype(np.float64))

    def fits(self, texts: TextWords, text: Ints, entity: Ints, own: Ints, own_squares: Floats) -> Floats:
        """Cosines, for each of P pairs of a mention and an entity.

        Parameters
        ----------
        texts : TextWords
        text, entity : ints (P,)
            Number of the text, and of the entity.
        own : ints (P, OWN)
            The words of the mention.
        own_squares : floats (P,)
            Sums of the squares of their weights.
        """
        begin, end = self._starts.take(entity), self._starts.take(entity + 1)
        lengths = end - begin
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1]) + np.repeat(begin - ends + lengths, lengths)
        word = self._words.take(at)
        # Most words of a description are in none of the texts.
        met = np.flatnonzero(texts.places.take(word) >= 0)
        pair = np.searchsorted(ends, met, side="right")
        at, word = at.take(met), word.take(met)
        shared = self._shares.take(at) * texts.weights[text.take(pair), texts.places.take(word)]
        shared[(own.take(pair, 0) == word[:, None]).any(1)] = 0.0
        length = np.sqrt(np.maximum(texts.squares[text] - own_squares, 1e-9))
        cosine: Floats = np.bincount(pair, shared, len(entity)) / length
        return np.minimum(cosine, HIGHEST)


def _stem(word: str) -> str:
    """Without a plural's ending, so that "birds" meets "bird"."""
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
        return word[:-1]
    return word
