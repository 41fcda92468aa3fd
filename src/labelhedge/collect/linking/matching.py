"""Words of texts, and the names of a dictionary among them: whole words, the leftmost first, the longest wins.

    matcher = Matcher(["golden retriever", "dog"])
    matcher.find(["A Golden-Retriever, a dog"])      # [[(0, 2, 18), (1, 22, 25)]]

A text is folded letter by letter (lower case, no accents), so places in it stay places in the original. Spaces,
hyphens and apostrophes part words; commas, line breaks, brackets, quotation marks are words of their own, which no
name holds, and so no name crosses them. Full stops and `&` are words too, but a name may hold them ("St. Bernard").

Many texts are read at once, as arrays of characters, and no text or word of them becomes a Python object: words are
cut into pieces of eight bytes and become numbers by one trie, and runs of those become names by another. An automaton
over letters (ahocorasick_rs) took twice as long, most of it around its scan: see benchmarks/linking.py.
"""

from __future__ import annotations

import itertools
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelhedge.collect.linking.tries import Ints, Tokens, Trie

Codes = npt.NDArray[Any]
GONE, SPACE, APOSTROPHE, BREAK, STOP, AND = range(1, 7)
"""Codes of folded characters that are no letters; `GONE` are combining accents and invisible marks."""
MARKS = {" ": SPACE, "|": BREAK, ".": STOP, "&": AND}
"""How they are written in normal names."""
PIECE = 8
"""Bytes of a word that are looked up at once."""

_ADDRESS_MARK = re.compile(r"://|www\.|@|\.(?:com|org|net)")
_ADDRESS = re.compile(
    r"""(?:\w+://|www\.)[^\s,()<>"]+|[\w.+-]+@[\w-]+\.[\w.]+|[\w.-]+\.(?:com|org|net)\b(?:/[^\s,()<>"]*)?"""
)

_WHITE = re.compile(r"\s")


def _folded(letter: str) -> int:
    """One letter as it is compared: its code point, or one of the codes that are no letters."""
    kind = unicodedata.category(letter)
    if letter in "'\u2019\u02bc":
        return APOSTROPHE
    if letter in ".&":
        return MARKS[letter]
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

    Parameters
    ----------
    letters : iterable of str, optional
        Those that count: they are numbered, and all others become one and the same, so that a code is mostly one byte.
        Without, the code of a letter is its code point.
    """

    def __init__(self, letters: Iterable[str] | None = None) -> None:
        self.codes: dict[str, int] | None = None
        self._unknown = 0x110000
        if letters is not None:
            counted = sorted({*letters, *string.ascii_lowercase, *string.digits} - MARKS.keys())
            self.codes = MARKS | {letter: code for code, letter in enumerate(counted, AND + 1)}
            self._unknown = AND + 1 + len(counted)
        self._table = np.zeros(0x110000, np.min_scalar_type(self._unknown))  # 0 where it was not met yet

    def __call__(self, text: str) -> Codes:
        characters = _characters(text)
        folded = self._table.take(characters)
        if not folded.all():
            for character in np.unique(characters[folded == 0]).tolist():
                code = _folded(chr(character))
                if self.codes is not None and code > AND:
                    code = self.codes.get(chr(code), self._unknown)
                self._table[character] = code
            folded = self._table.take(characters)
        return folded

    def spell(self, words: Iterable[str]) -> Codes:
        """The codes of words that are folded already, one after the other."""
        assert self.codes is not None
        table = np.full(0x110000, self._unknown, self._table.dtype)
        table[list(map(ord, self.codes))] = list(self.codes.values())
        return table.take(_characters("".join(words)))


def _characters(text: str) -> npt.NDArray[np.intp]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.intp)


_ALL = _Folding()


def _read(texts: Sequence[str], folding: _Folding) -> tuple[Codes, Ints, Ints, Ints | None]:
    """Folded texts, joined by breaks, and their words; web and mail addresses hold none.

    Returns
    -------
    codes : (C,)
        Without those that are gone.
    firsts, lasts : ints (W,)
        Where each word begins in `codes`, and where its last letter is.
    kept : ints (C + 1,) or None
        Where in the texts each code stands, if any are gone; last, where the texts end.
    """
    text = "\n".join(texts)
    codes = folding(text)
    for start, end in _addresses(text):
        codes[start:end] = BREAK
    kept = None
    if (gone := codes == GONE).any():
        kept = np.append(np.flatnonzero(~gone), len(codes))
        codes = codes[kept[:-1]]
    letter = codes > AND
    # An apostrophe after a letter parts words ("dog's"), any other opens a quotation, which no name crosses.
    if (quotes := np.flatnonzero(codes == APOSTROPHE)).size:
        codes[quotes] = np.where((quotes > 0) & letter[quotes - 1], SPACE, BREAK)
    word = codes > APOSTROPHE
    within = letter[1:] & letter[:-1]
    begins, stops = word.copy(), word
    begins[1:] &= ~within
    stops[:-1] &= ~within
    return codes, np.flatnonzero(begins), np.flatnonzero(stops), kept


@dataclass(frozen=True)
class Words:
    """The words of some texts, read as one: texts are parted by a break.

    Attributes
    ----------
    words : list of str
        Folded; `|` (a break), full stops and `&` are words of their own.
    starts, ends : ints (W,)
        Where each word stands in the texts, joined by one character.
    bounds : list of int, N + 1
        The words of text `i` are those from `bounds[i]` up to, but without, ``bounds[i + 1]``; breaks part texts.
    """

    words: list[str]
    starts: Ints
    ends: Ints
    bounds: list[int]


def read(texts: Sequence[str]) -> Words:
    """Fold texts and part their words; web and mail addresses hold none.

    Examples
    --------
    >>> read(["St. Bernard's dog", "the 'Café-Bar'"]).words
    ['st', '.', 'bernard', 's', 'dog', '|', 'the', '|', 'cafe', 'bar']
    """
    codes, firsts, lasts, kept = _read(texts, _ALL)
    starts, ends = (firsts, lasts + 1) if kept is None else (kept[firsts], kept[lasts + 1])
    for mark, code in MARKS.items():
        codes[codes == code] = ord(mark)
    # A view as NumPy text is made a str many times faster than UTF-32 is decoded.
    text = str(codes.view(f"U{len(codes)}")[0]) if len(codes) else ""
    words = text.replace("|", " | ").replace(".", " . ").replace("&", " & ").split()
    return Words(words, starts, ends, [*np.searchsorted(starts, _begins(texts)).tolist(), len(words)])


def _begins(texts: Sequence[str]) -> Ints:
    """Where each text begins when they are joined by one character."""
    return np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where web and mail addresses stand; only the chunks around a mark are looked at, all others are cheap."""
    done = 0
    while mark := _ADDRESS_MARK.search(text, done):
        begin = max(done, *(text.rfind(space, done, mark.start()) + 1 for space in " \n,"))
        white = _WHITE.search(text, mark.end())
        done = white.start() if white else len(text)
        for found in _ADDRESS.finditer(text[begin:done]):
            yield begin + found.start(), begin + found.end()


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
        *firsts, last = words.bounds
        # The break that parts a text from the next is left out.
        found += [" ".join(words.words[a : b - 1]) for a, b in itertools.pairwise(firsts)]
        found.append(" ".join(words.words[firsts[-1] : last]))
    return found


class _Vocabulary:
    """The numbers of words, for many at once.

    Parameters
    ----------
    words : sequence of str
        Each once.
    folding : _Folding
        That counts all their letters.

    Attributes
    ----------
    numbers : ints
        Of each word, from 1.
    size : int
        All numbers are smaller. Some are those of beginnings of words.
    """

    def __init__(self, words: Sequence[str], folding: _Folding) -> None:
        self._folding = folding
        codes, firsts, lasts = self._spelt(words)
        self._letters = PIECE // codes.itemsize
        kept = np.arange(self._letters + 1)[:, None] > np.arange(self._letters)
        self._kept: Tokens = np.where(kept, np.iinfo(codes.dtype).max, 0).astype(codes.dtype).view(np.uint64)[:, 0]
        lengths = lasts - firsts + 1
        counts = -(-lengths // self._letters)
        bounds = np.concatenate(([0], np.cumsum(counts)))
        begins = (np.arange(bounds[-1]) - np.repeat(bounds[:-1], counts)) * self._letters
        tokens = self._pieces(codes)(np.repeat(firsts, counts) + begins, np.repeat(lengths, counts) - begins)
        self._trie = Trie(tokens, bounds)
        self.numbers, self.size = self._trie.ends, self._trie.nodes

    def of(self, words: Sequence[str]) -> Ints:
        """The number of each word; 0 where it has none."""
        return self.read(*self._spelt(words))

    def _spelt(self, words: Sequence[str]) -> tuple[Codes, Ints, Ints]:
        ends = np.cumsum([0, *map(len, words)])
        return self._folding.spell(words), ends[:-1], ends[1:] - 1

    def _pieces(self, codes: Codes) -> Callable[[Ints, Ints], Tokens]:
        """Reads pieces of the codes, from somewhere, of so many letters or as many as go into one, the rest zeros."""
        padded = np.concatenate((codes, np.zeros(self._letters, codes.dtype)))
        windows: Tokens = np.ndarray((len(codes),), np.uint64, padded, strides=(codes.itemsize,))
        return lambda begins, lengths: windows.take(begins) & self._kept.take(np.minimum(lengths, self._letters))

    def read(self, codes: Codes, firsts: Ints, lasts: Ints) -> Ints:
        """The numbers of words, given by the places of their first and last letters; 0 where they have none."""
        pieces = self._pieces(codes)
        lengths = lasts - firsts + 1
        node = self._trie.step(np.zeros_like(firsts), pieces(firsts, lengths))
        longer = np.flatnonzero((lengths > self._letters) & (node > 0))
        begins = 0
        while longer.size:
            begins += self._letters
            after = self._trie.step(node[longer], pieces(firsts[longer] + begins, lengths[longer] - begins))
            node[longer] = after
            longer = longer[(after > 0) & (lengths[longer] > begins + self._letters)]
        return node


@dataclass(frozen=True)
class Found:
    """Names found in texts, from left to right; the arrays of names are of one length.

    Attributes
    ----------
    text : ints
        Number of the text.
    name : ints
        Number of the name.
    start, end : ints
        Where, in characters of the text.
    first, last : ints
        The words that were found: from `first` up to, but without, `last`.
    words : ints (W,)
        The matcher's `numbers` of all words of the texts, breaks between them too.
    bounds : ints (N + 1,)
        The words of text `i` are those from `bounds[i]` up to, but without, ``bounds[i + 1]``.
    """

    text: Ints
    name: Ints
    start: Ints
    end: Ints
    first: Ints
    last: Ints
    words: Ints
    bounds: Ints


class Matcher:
    """Finds the names of a dictionary.

    Parameters
    ----------
    names : sequence of str
        As `normal` gives them.
    words : iterable of str
        Further words that have numbers.

    Attributes
    ----------
    size : int
        Numbers of words are smaller.
    """

    def __init__(self, names: Sequence[str], words: Iterable[str] = ()) -> None:
        self._folding = _Folding(set().union(*names))
        letters = frozenset(self._folding.codes or ())
        parts = " ".join(names).split(" ")
        more = (word for word in words if letters.issuperset(word))
        told = [word for word in dict.fromkeys(itertools.chain(parts, more)) if word]
        self._words = _Vocabulary(told, self._folding)
        self.size = self._words.size
        number_of = {"": 0, **dict(zip(told, self._words.numbers.tolist(), strict=True))}
        tokens = np.fromiter(map(number_of.__getitem__, parts), np.uint64, len(parts))
        self._trie = Trie(tokens, np.cumsum([0, *(name.count(" ") + 1 for name in names)]))
        # By node: the name that ends there, or -1, and whether longer ones go on.
        self._name: Ints = np.full(self._trie.nodes, -1)
        self._name[self._trie.ends] = np.arange(len(names))
        self._name[0] = -1
        self._goes_on = np.zeros(self._trie.nodes, bool)
        self._goes_on[self._trie.parents] = True
        # The first step needs no search.
        self._begin: Ints = np.zeros(self.size, np.int64)
        self._begin[1:] = self._trie.step(np.zeros(self.size - 1, np.int64), np.arange(1, self.size, dtype=np.uint64))

    def numbers(self, words: Sequence[str]) -> Ints:
        """The number that `scan` gives each word: 0 to one that is neither in a name nor was asked for.

        A word that is the beginning of such a word, cut after eight bytes, may have a number too.
        """
        return self._words.of(words)

    def scan(self, texts: Sequence[str]) -> Found:
        """All names in the texts, none overlapping another; a few hundred texts at once are fastest."""
        codes, firsts, lasts, kept = _read(texts, self._folding)
        words = self._words.read(codes, firsts, lasts)
        name, count = self._longest(words)
        first = np.flatnonzero(name >= 0)
        # From left to right: what begins within a name is not found.
        hidden: list[int] = []
        done = 0
        longer = first[count[first] > 1]
        for begin, length in zip(longer.tolist(), count[longer].tolist(), strict=True):
            if begin >= done:
                done = begin + length
                hidden += range(begin + 1, done)
        if hidden:
            name[hidden] = -1
            first = np.flatnonzero(name >= 0)
        last = first + count[first]
        begins = _begins(texts)
        starts = firsts if kept is None else kept[firsts]
        bounds = np.append(np.searchsorted(starts, begins), len(words))
        text = np.searchsorted(bounds[1:], first, side="right")
        start, end = starts[first], lasts[last - 1] + 1 if kept is None else kept[lasts[last - 1] + 1]
        return Found(text, name[first], start - begins[text], end - begins[text], first, last, words, bounds)

    def _longest(self, words: Ints) -> tuple[Ints, Ints]:
        """The longest name that begins with each word, -1 if none, and of how many words it is."""
        node = self._begin.take(words)
        name, count = self._name.take(node), np.ones(len(words), np.int64)
        padded = np.append(words, 0).view(np.uint64)
        at = np.flatnonzero(self._goes_on.take(node) & (node > 0))
        node = node[at]
        for length in itertools.count(2):
            node = self._trie.step(node, padded.take(at + (length - 1)))
            on = np.flatnonzero(node)
            if not on.size:
                return name, count
            at, node = at[on], node[on]
            ending = self._name.take(node)
            ended = np.flatnonzero(ending >= 0)
            name[at[ended]], count[at[ended]] = ending[ended], length
            on = np.flatnonzero(self._goes_on.take(node))
            at, node = at[on], node[on]
        raise AssertionError("a name without end")

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
