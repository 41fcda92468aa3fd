"""How well the words of texts fit the descriptions of entities.

Descriptions are vectors of words, each word weighted by how few descriptions hold it (TF-IDF, scaled to length one).
The fit of a text is the cosine of its words, those that any description knows and that are not the mention's own, with
the description. All pairs of mentions and entities in a batch of texts are compared at once.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    """The words in N texts that descriptions know.

    Attributes
    ----------
    held : bools (N, K + 1)
        By text and by place of the word among the K that the texts hold, from 1; none holds 0.
    places : ints (V,)
        Place of each known word, 0 where no text holds it.
    squares : floats (N,)
        Sums of the squares of their weights, each word once.
    """

    held: npt.NDArray[np.bool_]
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
        self._lengths = np.diff(self._starts)
        self._words = np.array([numbers[word] for words in kept for word in words], np.int64)
        shares = self.weights[self._words]
        row = np.repeat(np.arange(len(kept)), self._lengths)
        length = np.sqrt(np.bincount(row, shares * shares, len(kept)))
        # What each word of a description adds to the cosine with a text that holds it.
        self._products: Floats = shares / np.where(length > 0, length, 1.0)[row] * shares
        self._numbers = numbers | {word + "s": number for word, number in numbers.items() if _stem(word + "s") == word}

    @property
    def numbers(self) -> Mapping[str, int]:
        """The number of each word that a description knows, in the plural too."""
        return self._numbers

    def own(self, form: str) -> list[int]:
        """Numbers of the words of a form, each once, filled up with -1 to `OWN`."""
        known = [self._numbers[word] for word in form.split(" ") if word in self._numbers]
        found = list(dict.fromkeys(known))[:OWN]
        return found + [-1] * (OWN - len(found))

    def own_squares(self, own: Ints) -> Floats:
        """Sums of the squares of the weights of rows of words that `own` gave."""
        squares: Floats = (np.where(own >= 0, self.weights[own], 0.0) ** 2).sum(1)
        return squares

    def read(self, number: Ints, text: Ints, count: int) -> TextWords:
        """The words of texts.

        Parameters
        ----------
        number, text : ints (W,)
            Of each word its number, -1 where it is not known, and the number of its text.
        count : int
            How many texts there are.
        """
        known = np.flatnonzero(number >= 0)
        number, text = number[known], text[known]
        present = np.unique(number)
        places: npt.NDArray[np.int32] = np.zeros(len(self.weights), np.int32)
        places[present] = np.arange(1, len(present) + 1)
        held = np.zeros((count, len(present) + 1), bool)
        held[text, places[number]] = True
        text, place = np.divmod(np.flatnonzero(held), len(present) + 1)
        squares = np.bincount(text, self.weights[present[place - 1]] ** 2, count).astype(np.float64)
        return TextWords(held, places, squares)

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
        begin, lengths = self._starts.take(entity), self._lengths.take(entity)
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1]) + np.repeat(begin - ends + lengths, lengths)
        # Most words of a description are in none of the texts, and most others not in this one.
        place = texts.places.take(self._words.take(at))
        met = np.flatnonzero(place > 0)
        pair = np.repeat(np.arange(len(entity)), lengths).take(met)
        shared = np.flatnonzero(texts.held.take(text.take(pair) * texts.held.shape[1] + place.take(met)))
        pair, at = pair.take(shared), at.take(met.take(shared))
        of_mention = np.zeros(len(pair), bool)
        for column in (own.take(pair, 0) == self._words.take(at)[:, None]).T:
            of_mention |= column
        shares = np.where(of_mention, 0.0, self._products.take(at))
        length = np.sqrt(np.maximum(texts.squares[text] - own_squares, 1e-9))
        cosine: Floats = np.bincount(pair, shares, len(entity)) / length
        return np.minimum(cosine, HIGHEST)


def _stem(word: str) -> str:
    """Without a plural's ending, so that "birds" meets "bird"."""
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
        return word[:-1]
    return word
