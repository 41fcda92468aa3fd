"""A linker that does not choose: every noun of WordNet in a text, with its most frequent senses.

    linker = SenseLinker(WordNet.open(), senses=3)
    linker.link(["A tiger"])          # the fierce person and the large cat, each with its share of the word's uses

It finds more than `EmbeddedLinker` and is wrong much more often: for data whose noise is to be like that of plain
keyword search, as in the embedded corpus `clipart`, and to see what choosing is worth.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelhedge.collect.linking.wordlists import FUNCTION_WORDS
from labelhedge.collect.records import Entity
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, WordNet, uri

VERSION = 1
LONGEST = 4
"""Words of a name, at most."""
# Letters with apostrophes among them; "steamTrain" is two words.
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BREAK = re.compile(r"[\n,]")


@dataclass(frozen=True)
class SenseLinker:
    """Links texts to the first senses of every noun, by longest match of up to four words; plurals count.

    Parameters
    ----------
    nouns : WordNet
    senses : int
        How many senses of a noun are given out.
    ignored : collection of str
        Words that are no names by themselves.

    Raises
    ------
    ValueError
        When `senses` is less than one.
    """

    nouns: WordNet
    senses: int = 3
    ignored: Collection[str] = FUNCTION_WORDS

    def __post_init__(self) -> None:
        if self.senses < 1:
            raise LabelhedgeError(f"senses is {self.senses}: one at least must be given out")

    @property
    def fingerprint(self) -> str:
        """A digest of WordNet's senses and of the settings."""
        state = hashlib.sha256(json.dumps([VERSION, self.senses, sorted(self.ignored)]).encode())
        state.update(json.dumps([sorted(self.nouns.senses.items()), sorted(self.nouns.irregular.items())]).encode())
        return f"senses-{state.hexdigest()[:32]}"

    def link(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The senses of each text's nouns, by offset; those of one noun by falling frequency."""
        return [self._link(text) for text in texts]

    def _link(self, text: str) -> list[Entity]:
        words = list(_words(text))
        found: list[Entity] = []
        place = 0
        while place < len(words):
            for count in range(min(LONGEST, len(words) - place), 0, -1):
                start, end = words[place][1], words[place + count - 1][2]
                lemma = self._lemma([word for word, _, _ in words[place : place + count]], text[start:end])
                if lemma:
                    found += self._senses(lemma, text[start:end], start)
                    place += count - 1
                    break
            place += 1
        return found

    def _lemma(self, words: Sequence[str], written: str) -> str | None:
        if len(words) == 1 and (len(words[0]) < 2 or words[0] in self.ignored):
            return None
        return None if len(words) > 1 and _BREAK.search(written) else self.nouns.lemma("_".join(words))

    def _senses(self, lemma: str, written: str, offset: int) -> list[Entity]:
        synsets = self.nouns.senses[lemma]
        uses = [self.nouns.counts.get((lemma, rank), 0) + 1 / rank for rank in range(1, len(synsets) + 1)]
        return [
            Entity(uri(synset), self.nouns.names[synset][0], written, offset, use / sum(uses))
            for synset, use in list(zip(synsets, uses, strict=True))[: self.senses]
        ]


def sense_linker(folder: str | os.PathLike[str] = DEBIAN, senses: int = 3) -> SenseLinker:
    """The linker over WordNet's database files in a folder."""
    return SenseLinker(WordNet.open(Path(folder)), senses)


def _words(text: str) -> list[tuple[str, int, int]]:
    """Words in lower case and without accents or apostrophes, with where each begins and ends."""
    found = []
    for match in _WORD.finditer(text):
        cuts = [match.start(), *(match.start() + hump.start() for hump in _HUMP.finditer(match[0])), match.end()]
        for start, end in itertools.pairwise(cuts):
            plain = "".join(c for c in unicodedata.normalize("NFKD", text[start:end]) if c.isascii() and c.isalpha())
            if plain:
                found.append((plain.lower(), start, end))
    return found
