"""WordNet nouns from the database files: lemmas, senses in order of frequency, glosses, hypernyms and members.

    nouns = WordNet.open()                  # Debian's `wordnet-base`, or the folder of any WordNet 3.0 to 3.1
    nouns.senses["tiger"]                   # synsets, the most frequent first
    nouns.ancestors(nouns.synset("tiger.2"))

A reader of our own, because NLTK's needs two files that Debian's package lacks (`lexnames`, `index.sense`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from labelhedge.errors import LabelhedgeError

DEBIAN = Path("/usr/share/wordnet")
"""Where Debian's `wordnet-base` puts the files."""

# Endings of inflected nouns and what they are replaced by, tried in this order (WordNet's own rules of detachment).
DETACHMENTS = [
    ("ches", "ch"), ("shes", "sh"), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("men", "man"), ("ies", "y"), ("s", ""),
]  # fmt: skip
HYPERNYM = ("@", "@i")
MEMBER_OF = ("#m",)
"""Pointer symbols: a kind of; a member of (a species of its genus, a genus of its family)."""


@dataclass(frozen=True)
class WordNet:
    """Nouns of WordNet; a synset is named by its byte offset in `data.noun`, as in the files.

    Attributes
    ----------
    senses : dict of lemma to synsets
        Lemmas in lower case with ``_`` for spaces; synsets by falling frequency.
    names : dict of synset to lemmas as written, with spaces
        The first is the one to show.
    glosses : dict of synset to its definition and examples
    counts : dict of (lemma, sense number from 1) to how often the sense was tagged; absent where never
    """

    senses: dict[str, list[str]]
    names: dict[str, list[str]]
    glosses: dict[str, str]
    counts: dict[tuple[str, int], int]
    _pointers: dict[str, list[tuple[str, str]]]
    _irregular: dict[str, str]
    _ancestors: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | os.PathLike[str] = DEBIAN) -> WordNet:
        """Read `index.noun`, `data.noun`, `noun.exc` and, where there, `cntlist.rev` of a folder (a second or two).

        Raises
        ------
        ValueError
            When a file is missing.
        """
        folder = Path(folder)
        for name in ("index.noun", "data.noun", "noun.exc"):
            if not (folder / name).exists():
                raise LabelhedgeError(
                    f"{folder / name} is missing: install WordNet (Debian: apt-get install wordnet-base), or name the "
                    "folder of its database files"
                )
        senses: dict[str, list[str]] = {}
        for line in _lines(folder / "index.noun"):
            fields = line.split()
            senses[fields[0]] = fields[-int(fields[2]) :]
        names, glosses, pointers = {}, {}, {}
        for line in _lines(folder / "data.noun"):
            data, _, gloss = line.partition(" | ")
            fields = data.split()
            words = int(fields[3], 16)
            synset = fields[0]
            names[synset] = [word.replace("_", " ") for word in fields[4 : 4 + 2 * words : 2]]
            glosses[synset] = gloss.strip()
            rest = fields[5 + 2 * words :]
            pointers[synset] = [
                (symbol, offset)
                for symbol, offset, part in zip(rest[::4], rest[1::4], rest[2::4], strict=False)
                if part == "n"
            ]
        irregular = {
            inflected: base for inflected, base, *_ in map(str.split, (folder / "noun.exc").read_text().splitlines())
        }
        return cls(senses, names, glosses, _counts(folder / "cntlist.rev"), pointers, irregular)

    @property
    def irregular(self) -> dict[str, str]:
        """Irregular plurals and their lemmas: ``mice`` to ``mouse``."""
        return self._irregular

    def synset(self, name: str) -> str:
        """The synset of a sense name such as ``tiger.2``.

        Raises
        ------
        ValueError
            When WordNet has no such noun or sense.
        """
        lemma, _, number = name.rpartition(".")
        synsets = self.senses.get(lemma.lower().replace(" ", "_"), [])
        if not number.isdigit() or not 0 < int(number) <= len(synsets):
            raise LabelhedgeError(
                f"WordNet has no noun sense {name!r}: a sense is named like 'tiger.2'"
                + (f", and {lemma!r} has {len(synsets)} of them" if synsets else "")
            )
        return synsets[int(number) - 1]

    def lemma(self, form: str) -> str | None:
        """The base form of a noun in lower case (``_`` for spaces), or None where WordNet has no such noun."""
        if form in self.senses:
            return form
        if self._irregular.get(form) in self.senses:
            return self._irregular[form]
        for ending, replacement in DETACHMENTS:
            base = form.removesuffix(ending) + replacement
            if form.endswith(ending) and base in self.senses:
                return base
        return None

    def related(self, synset: str, symbols: tuple[str, ...] = HYPERNYM) -> list[str]:
        """The synsets that a synset points to: its hypernyms, or with `MEMBER_OF` what it is a member of."""
        return [offset for symbol, offset in self._pointers[synset] if symbol in symbols]

    def ancestors(self, synset: str) -> frozenset[str]:
        """The synset and all its hypernyms, direct or not."""
        if synset not in self._ancestors:
            found = {synset}
            for parent in self.related(synset):
                found |= self.ancestors(parent)
            self._ancestors[synset] = frozenset(found)
        return self._ancestors[synset]

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = defaultdict(list)
        for child in self._pointers:
            for parent in self.related(child):
                children[parent].append(child)
        return children

    def descendants(self, synset: str) -> frozenset[str]:
        """The synset and everything below it, direct or not."""
        found, waiting = {synset}, [synset]
        while waiting:
            fresh = [child for child in self._children.get(waiting.pop(), ()) if child not in found]
            found.update(fresh)
            waiting += fresh
        return frozenset(found)


def uri(synset: str) -> str:
    """The IRI of a noun synset of WordNet 3.0.

    Examples
    --------
    >>> uri("02129604")
    'http://wordnet-rdf.princeton.edu/wn30/02129604-n'
    """
    return f"http://wordnet-rdf.princeton.edu/wn30/{synset}-n"


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="latin-1").splitlines() if not line.startswith("  ")]


def _counts(path: Path) -> dict[tuple[str, int], int]:
    """Of `cntlist.rev`: ``lemma%1:…  sense number  count``; part of speech 1 is nouns."""
    counts = {}
    for line in path.read_text(encoding="latin-1").splitlines() if path.exists() else ():
        key, number, count = line.split()
        lemma, _, place = key.partition("%")
        if place.startswith("1:"):
            counts[lemma, int(number)] = int(count)
    return counts
