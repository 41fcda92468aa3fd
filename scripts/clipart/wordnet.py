"""WordNet nouns from the database files of Debian's `wordnet-base`: lemmas, senses in order of frequency, hypernyms.

A reader of our own, because NLTK's needs two files that the package lacks (`lexnames`, `index.sense`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

# Endings of inflected nouns and what they are replaced by, tried in this order.
DETACHMENTS = [
    ("ches", "ch"), ("shes", "sh"), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("men", "man"), ("ies", "y"), ("s", ""),
]  # fmt: skip


class Nouns:
    """Nouns of WordNet; a synset is named by its byte offset, as in the files."""

    def __init__(self, folder: Path) -> None:
        self.senses: dict[str, list[str]] = {}
        for line in self._lines(folder / "index.noun"):
            fields = line.split()
            count = int(fields[2])
            self.senses[fields[0]] = fields[-count:]
        self._hypernyms: dict[str, list[str]] = {}
        for line in self._lines(folder / "data.noun"):
            fields = line.split()
            pointers = fields[4 + 2 * int(fields[3], 16) :]
            self._hypernyms[fields[0]] = [
                offset
                for symbol, offset, part in zip(pointers[1:], pointers[2:], pointers[3:])
                if symbol in ("@", "@i") and part == "n"
            ]
        self._irregular = {
            inflected: base for inflected, base, *_ in map(str.split, (folder / "noun.exc").read_text().splitlines())
        }

    @staticmethod
    def _lines(path: Path) -> list[str]:
        return [line for line in path.read_text(encoding="latin-1").splitlines() if not line.startswith("  ")]

    def synset(self, name: str) -> str:
        """The synset of a sense name such as ``tiger.2``."""
        lemma, _, number = name.rpartition(".")
        return self.senses[lemma][int(number) - 1]

    def lemma(self, form: str) -> str | None:
        """The base form of a noun, or None where WordNet has no such noun."""
        if form in self.senses:
            return form
        if self._irregular.get(form) in self.senses:
            return self._irregular[form]
        for ending, replacement in DETACHMENTS:
            base = form.removesuffix(ending) + replacement
            if form.endswith(ending) and base in self.senses:
                return base
        return None

    @cache  # noqa: B019 (one object lives as long as the script)
    def ancestors(self, synset: str) -> frozenset[str]:
        """The synset and all its hypernyms, direct or not."""
        found = {synset}
        for parent in self._hypernyms[synset]:
            found |= self.ancestors(parent)
        return frozenset(found)
