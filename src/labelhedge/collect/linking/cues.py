"""What the words beside a mention say: that it names nothing, is a verb, is part of a person's name.

The weights of the `OTHERS` of a lexicon are scaled by these before they compete with entities. All are cheap, and
looked at only where a mention is about to be given out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from labelhedge.collect.linking.wordlists import (
    BEFORE_NOUNS,
    BEFORE_VERBS,
    ENGLISH,
    FOREIGN,
    GIVEN_NAMES,
    NAMED_AFTER,
    NAMED_WITH,
)

Bools = npt.NDArray[np.bool_]
Flags = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EDGES = frozenset(("", "|", "."))
LEAST_SCALES = (0.1, 0.3, 0.1, 0.05)
"""The least that `other_scales` gives; `nothing_scales` gives 1 or more."""

_LISTS = (EDGES, GIVEN_NAMES, NAMED_AFTER, NAMED_WITH, BEFORE_NOUNS, BEFORE_VERBS)
_EDGE, _GIVEN, _NAMED_AFTER, _NAMED_WITH, _NOUN, _VERB = (1 << number for number in range(len(_LISTS)))
WORDS = sorted(frozenset().union(*_LISTS, ENGLISH, FOREIGN) - {""})
"""All words that say something."""


def flags(words: Iterable[str]) -> Flags:
    """What folded words say where they stand beside a mention; "" is the edge of a text."""
    return np.array([sum((word in words) << bit for bit, words in enumerate(_LISTS)) for word in words], np.uint8)


class Languages:
    """Tells texts that are probably not English, by their function words.

    Parameters
    ----------
    number : callable
        Gives words their numbers, 0 to those that have none.
    size : int
        All numbers are smaller.
    """

    def __init__(self, number: Callable[[Sequence[str]], Ints], size: int) -> None:
        words = [*sorted(FOREIGN), *sorted(ENGLISH)]
        self._columns: Ints = np.full(size, -1)
        self._columns[number(words)] = np.arange(len(words))
        self._columns[0] = -1

    def foreign(self, words: Ints, text: Ints, count: int) -> Bools:
        """Whether each of `count` texts is, given the numbers of all words, and of their texts."""
        column = self._columns.take(words)
        known = np.flatnonzero(column >= 0)
        held = np.zeros((count, len(FOREIGN) + len(ENGLISH)), bool)
        held[text[known], column[known]] = True
        text, column = np.divmod(np.flatnonzero(held), held.shape[1])
        more: Bools = np.bincount(text, np.where(column < len(FOREIGN), 1, -1), count) > 0
        return more


class Beside:
    """M mentions, the words beside them, and capitals.

    Parameters
    ----------
    texts : sequence of str
    mentions : sequence of (number, start, end)
        A mention is ``texts[number][start:end]``.
    before, after : (M,)
        The `flags` of the words on its two sides.
    """

    def __init__(
        self, texts: Sequence[str], mentions: Sequence[tuple[int, int, int]], before: Flags, after: Flags
    ) -> None:
        self._texts, self._mentions, self._before, self._after = texts, mentions, before, after
        self._left, self._right = before & _EDGE == 0, after & _EDGE == 0
        self._given = before & _GIVEN > 0
        self._capital: Bools = np.array([texts[number][start].isupper() for number, start, _ in mentions], bool)
        self._amid = self._ask(_amid_capitals, self._capital & self._right)

    def _ask(self, question: Callable[[str, int, int], bool], where: Bools) -> Bools:
        """The answers for some of the mentions; false for the others."""
        answers = np.zeros(len(where), bool)
        for mention in np.flatnonzero(where).tolist():
            number, start, end = self._mentions[mention]
            answers[mention] = question(self._texts[number], start, end)
        return answers

    def nothing_scales(self, foreign: Bools) -> Floats:
        """How much likelier it is that a mention means nothing that its words mean elsewhere.

        Parameters
        ----------
        foreign : bools (M,)
            Whether its text is not in the language of the lexicon.
        """
        named = (self._after & _NAMED_AFTER) | (self._before & _NAMED_WITH) > 0
        in_sentence = self._ask(_in_sentence, self._amid & ~self._given)
        amid = np.where(in_sentence, 8.0, np.where(self._amid, 2.0, 1.0))  # of a name: "the Duck Tours bus"
        scale = np.where(self._given, 6.0, np.where(named, 4.0, 1.0) * amid)
        return np.where(foreign, 4.0 * scale, scale)

    def other_scales(self, asked: Bools) -> Floats:
        """How much likelier a mention is a verb, an adjective, a given name, a family name than its form elsewhere.

        Parameters
        ----------
        asked : bools (M,)
            Which mentions are asked for; what is said of others means nothing.

        Returns
        -------
        floats (M, 4)

        Examples
        --------
        >>> beside = Beside(["to fish", "the fish"], [(0, 3, 7), (1, 4, 8)], flags(["to", "the"]), flags(["", ""]))
        >>> beside.other_scales(np.array([True, True]))[:, 0].tolist()
        [5.0, 0.1]
        """
        noun, verb = self._before & _NOUN > 0, self._before & _VERB > 0
        alone = ~(self._left | self._right)
        named = self._ask(_capital_before, asked & self._capital & self._left & ~self._given & ~noun)
        scales = np.empty((len(noun), 4))
        scales[:, 0] = np.where(noun, 0.1, np.where(verb, 5.0, np.where(alone, 0.3, 1.0)))
        scales[:, 1] = np.where(noun & ~self._right, 0.3, 1.0)
        given = np.where(self._amid, 2.0, np.where(self._capital | alone, 1.0, 0.1))
        scales[:, 2] = np.where(noun, 0.1, given)
        scales[:, 3] = np.where(self._given, 4.0, np.where(named, 3.0, 0.05))
        return scales


def _in_sentence(text: str, start: int, end: int) -> bool:
    """Whether lower-case words stand near on the same line, so that a capital says something."""
    left = text.rfind("\n", max(0, start - 60), start) + 1 or max(0, start - 60)
    right = text.find("\n", end, end + 60)
    words = [*text[left:start].split(), *text[end : right if right >= 0 else end + 60].split()]
    return sum(word[0].islower() and len(word) > 3 for word in words) > 1


def _capital_before(text: str, start: int, _end: int) -> bool:
    words = text[max(0, start - 40) : start].rsplit(None, 1)
    return bool(words) and words[-1][:1].isupper()


def _amid_capitals(text: str, start: int, end: int) -> bool:
    """Whether a capital follows the mention, which is not all in capitals."""
    return text[end : end + 40].lstrip()[:1].isupper() and not text[start:end].isupper()
