"""Words of texts, and the names of a dictionary among them: whole words, the leftmost first, the longest wins.

    matcher = Matcher(["golden retriever", "dog"])
    matcher.find(["A Golden-Retriever, a dog"])      # [[(0, 2, 18), (1, 22, 25)]]

A text is folded letter by letter (lower case, no accents), so places in it stay places in the original. Spaces,
hyphens and apostrophes part words; commas, line breaks, brackets, quotation marks are words of their own, which no
name holds, and so no name crosses them. Full stops and `&` are words too, but a name may hold them ("St. Bernard").

Every word then gets a space of its own on both sides, and so do the words of the names: `" new  york "`. Word
boundaries are then part of the name, and neighbours do not share one, so that one Aho-Corasick scan finds exactly
what a loop over the words would, longest name first. Many texts are folded and scanned at once, as arrays of
characters: most of the time is the scan's.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelhedge.collect.linking.pausing import no_collection
from labelhedge.collect.records import needs

Ints = npt.NDArray[np.int64]
SPACE, BREAK, STOP, AND, APOSTROPHE = (ord(letter) for letter in " |.&'")
GONE = 1
"""Stands for letters that are nothing of their own: combining accents, invisible marks."""
UNKNOWN = 127
"""Stands for letters that are in no name."""

_ADDRESS_MARKS = ("://", "www.", "@", ".com", ".org", ".net")
_ADDRESS = re.compile(
    r"""(?:\w+://|www\.)[^\s,()<>"]+|[\w.+-]+@[\w-]+\.[\w.]+|[\w.-]+\.(?:com|org|net)\b(?:/[^\s,()<>"]*)?"""
)

_WHITE = re.compile(r"\s")


def _folded(letter: str) -> int:
    """One letter as it is compared."""
    kind = unicodedata.category(letter)
    if letter in "'\u2019\u02bc":
        return APOSTROPHE
    if letter in ".&":
        return ord(letter)
    if kind in ("Zs", "Pd") or letter in "\t_":
        return SPACE
    if kind[0] == "M" or kind == "Cf":
        return GONE
    if kind[0] not in "LN":
        return BREAK
    base, *marks = list(unicodedata.normalize("NFKD", letter))
    if any(unicodedata.category(mark)[0] != "M" for mark in marks):
        base = letter
    lower = base.lower()
    return ord(lower) if len(lower) == 1 else ord(base)


class _Folding:
    """The folding of every character, worked out when it is first met.

    Letters beyond ASCII that no name holds become one and the same: texts are then nearly always ASCII, of which all
    that follows is several times faster.
    """

    def __init__(self, letters: Iterable[str] | None = None) -> None:
        self._letters = None if letters is None else frozenset(map(ord, letters))
        self._table = np.zeros(0x110000, np.uint32)  # 0 where it was not met yet

    def __call__(self, text: str) -> npt.NDArray[np.uint32]:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        folded = self._table[codes]
        if not folded.all():
            for code in np.unique(codes[folded == 0]).tolist():
                one = _folded(chr(code))
                known = one < 128 or self._letters is None or one in self._letters
                self._table[code] = one if known else UNKNOWN
            folded = self._table[codes]
        return folded


_ALL = _Folding()


@dataclass(frozen=True)
class Words:
    """The words of some texts, read as one: texts are parted by a break.

    Attributes
    ----------
    words : list of str
        Folded; `BREAK`, full stops and `&` are words of their own.
    spaced : str
        The words, each with a space of its own on both sides.
    places : ints (W + 1,)
        Where each word begins in `spaced`, its space included; last, where all end.
    starts, ends : ints (W,)
        Where each word stands in the texts, joined by one character.
    texts : ints (N,)
        Where each text begins there.
    """

    words: list[str]
    spaced: str
    places: Ints
    starts: Ints
    ends: Ints
    texts: Ints

    def bounds(self) -> list[int]:
        """The words of text `i` are those from `bounds[i]` up to, but without, ``bounds[i + 1]``; breaks part texts."""
        return [*np.searchsorted(self.starts, self.texts).tolist(), len(self.words)]


def read(texts: Sequence[str], folding: _Folding = _ALL) -> Words:
    """Fold texts and part their words; web and mail addresses hold none.

    Examples
    --------
    >>> read(["St. Bernard's dog", "the 'Café-Bar'"]).words
    ['st', '.', 'bernard', 's', 'dog', '|', 'the', '|', 'cafe', 'bar']
    """
    starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])
    joined = "\n".join(texts)
    joined = _without_addresses(joined)
    return Words(*_parted(folding(joined)), starts)


def _without_addresses(text: str) -> str:
    """The text with breaks in place of addresses; only the chunks around a mark are looked at, all others are cheap."""
    marks = []
    for mark in _ADDRESS_MARKS:
        place = text.find(mark)
        while place >= 0:
            marks.append((place, place + len(mark)))
            place = text.find(mark, place + 1)
    parts, done = [], 0
    for start, after in sorted(marks):
        if start < done:
            continue
        begin = max(text.rfind(space, done, start) + 1 for space in " \n,")
        begin = max(begin, done)
        end = _WHITE.search(text, after)
        chunk = text[begin : end.start() if end else len(text)]
        parts += [text[done:begin], _ADDRESS.sub(lambda found: "|" * len(found[0]), chunk)]
        done = begin + len(chunk)
    return "".join([*parts, text[done:]])


def _parted(folded: npt.NDArray[Any]) -> tuple[list[str], str, Ints, Ints, Ints]:
    """`words`, `spaced`, `places`, `starts` and `ends` of folded characters."""
    kept = None
    if (gone := folded == GONE).any():
        kept = np.append(np.flatnonzero(~gone), len(folded))
        folded = folded[kept[:-1]]
    if folded.max(initial=0) < 256:
        folded = folded.astype(np.uint8)  # most texts: a quarter of the memory to go through
    # Digits and letters; what comes before them are spaces, & and '.
    letter = (folded > APOSTROPHE) & (folded != BREAK) & (folded != STOP)
    before = np.concatenate(([False], letter[:-1]))
    # An apostrophe after a letter parts words ("dog's"), any other opens a quotation, which no name crosses.
    if (quote := folded == APOSTROPHE).any():
        folded = np.where(quote, np.where(before, folded.dtype.type(SPACE), folded.dtype.type(BREAK)), folded)
    single = ~letter & (folded != SPACE)
    starts = np.flatnonzero((letter & ~before) | single)
    ends = np.flatnonzero((letter & ~np.concatenate((letter[1:], [False]))) | single) + 1
    places = np.concatenate(([0], np.cumsum(ends - starts + 2)))
    # A view as NumPy text is made a str many times faster than UTF-32 is decoded.
    small = folded.dtype == np.uint8
    text = folded.tobytes().decode("latin-1") if small else str(folded.view(f"U{len(folded)}")[0])
    words = text.replace("|", " | ").replace(".", " . ").replace("&", " & ").split()
    if kept is not None:
        # Accents that follow a word's last letter are its own.
        starts, ends = kept[starts], kept[ends - 1] + 1
        marks = np.concatenate((np.flatnonzero(np.concatenate((~gone, [True]))), [len(gone)]))
        ends = marks[np.searchsorted(marks, ends)]
    return words, f" {'  '.join(words)} " if words else "", places, starts, ends


def normal(name: str) -> str:
    """A name as it is compared: its folded words, a space between.

    Examples
    --------
    >>> normal("Lady's-Slipper")
    'lady s slipper'
    """
    return " ".join(read([name]).words)


def normal_all(names: Sequence[str]) -> list[str]:
    """Many names as they are compared; `normal` of each."""
    found = []
    for begin in range(0, len(names), 10_000):
        words = read(names[begin : begin + 10_000])
        *firsts, last = words.bounds()
        # The break that parts a text from the next is left out.
        found += [" ".join(words.words[a : b - 1]) for a, b in itertools.pairwise(firsts)]
        found.append(" ".join(words.words[firsts[-1] : last]))
    return found


@dataclass(frozen=True)
class Found:
    """Names found in texts, from left to right; all arrays are of one length.

    Attributes
    ----------
    text : ints
        Number of the text.
    name : ints
        Number of the name.
    start, end : ints
        Where, in characters of the text.
    first, last : ints
        The words of `words` that were found: from `first` up to, but without, `last`.
    """

    words: Words
    text: Ints
    name: Ints
    start: Ints
    end: Ints
    first: Ints
    last: Ints


class Matcher:
    """Finds the names of a dictionary.

    Parameters
    ----------
    names : sequence of str
        As `normal` gives them.

    Raises
    ------
    ValueError
        When `ahocorasick_rs` is not installed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        try:
            from ahocorasick_rs import AhoCorasick, Implementation, MatchKind
        except ImportError as error:
            raise needs("ahocorasick_rs", "collect") from error
        self._folding = _Folding(set().union(*names))
        self._automaton = AhoCorasick(
            [f" {name.replace(' ', '  ')} " for name in names],
            matchkind=MatchKind.LeftmostLongest,
            implementation=Implementation.ContiguousNFA,
            store_patterns=False,
        )

    def scan(self, texts: Sequence[str]) -> Found:
        """All names in the texts, none overlapping another; a few hundred texts at once are fastest."""
        words = read(texts, self._folding)
        with no_collection():
            found = self._automaton.find_matches_as_indexes(words.spaced)
            flat = np.fromiter(itertools.chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)
            del found
        first = np.searchsorted(words.places, flat[:, 1])
        last = np.searchsorted(words.places, flat[:, 2])
        start, end = words.starts[first], words.ends[last - 1]
        text = np.searchsorted(words.texts, start, side="right") - 1
        return Found(words, text, flat[:, 0], start - words.texts[text], end - words.texts[text], first, last)

    def find(self, texts: Sequence[str]) -> list[list[tuple[int, int, int]]]:
        """For each text the numbers of the names in it, and where each starts and ends.

        Examples
        --------
        >>> Matcher(["hot dog", "dog"]).find(["dog, hot dog", "a dogma"])
        [[(1, 0, 3), (0, 5, 12)], []]
        """
        found = self.scan(texts)
        results: list[list[tuple[int, int, int]]] = [[] for _ in texts]
        columns = (found.text, found.name, found.start, found.end)
        for text, name, start, end in zip(*(column.tolist() for column in columns), strict=True):
            results[text].append((name, start, end))
        return results
