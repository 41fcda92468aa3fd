"""Numbers of WordNet 3.1 as those of 3.0, which ImageNet's folders are named after: exact, through sense keys.

    Versions("/usr/share/wordnet", "wordnet-3.1/dict").from_31("02086723")       # '02084071', dog

A synset's number is its place in the file and changes with every version. A sense key (lemma, file, number in it) does
not; for nouns it follows from `data.noun` alone.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from labelhedge.errors import LabelhedgeError

_COPYRIGHT = re.compile(r"WordNet (\d\.\d) Copyright")


class Versions:
    """Two versions of WordNet's nouns.

    Parameters
    ----------
    wordnet, wordnet31 : folders of the database files; the second may be None
    """

    def __init__(self, wordnet: str | os.PathLike[str], wordnet31: str | os.PathLike[str] | None = None) -> None:
        self._wordnet = Path(wordnet)
        self._wordnet31 = None if wordnet31 is None else Path(wordnet31)

    def from_31(self, number: str) -> str | None:
        """The number in 3.0 of a noun synset of 3.1; None where it is not one synset there (new, split, or unknown).

        Raises
        ------
        LabelhedgeError
            When no folder of WordNet 3.1 was named, or a folder is of another version.
        """
        found = {self._new[key] for key in self._old.get(number, ()) if key in self._new}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _old(self) -> dict[str, list[str]]:
        if self._wordnet31 is None:
            raise LabelhedgeError(
                "a number of WordNet 3.1, and ImageNet's folders are named after 3.0, where numbers differ: name a "
                "folder of WordNet 3.1's database files with --wordnet31, or give numbers of 3.0 (of Wikidata the "
                "property 'exact match', P2888, which has …/wn30/02084071-n)"
            )
        keys: dict[str, list[str]] = {}
        for sense, number in _sense_keys(self._wordnet31, "3.1").items():
            keys.setdefault(number, []).append(sense)
        return keys

    @cached_property
    def _new(self) -> dict[str, str]:
        return _sense_keys(self._wordnet, "3.0")


def check_version(folder: Path, wanted: str) -> None:
    """Refuse the database files of another version, as far as their licence tells.

    Raises
    ------
    LabelhedgeError
    """
    path = folder / "data.noun"
    if not path.exists():
        raise LabelhedgeError(f"{path} is missing: name a folder of the database files of WordNet {wanted}")
    with path.open(encoding="latin-1") as file:
        found = _COPYRIGHT.search(file.read(2048))
    if found and found[1] != wanted:
        raise LabelhedgeError(
            f"{folder} holds WordNet {found[1]}, and {wanted} is needed: its synsets have other numbers"
        )


def _sense_keys(folder: Path, version: str) -> dict[str, str]:
    """Sense key -> number of its synset."""
    check_version(folder, version)
    keys = {}
    with (folder / "data.noun").open(encoding="latin-1") as file:
        for line in file:
            if line.startswith("  "):
                continue
            fields = line.split(" ", 4 + 2 * int(line[14:16], 16))
            for lemma, number in zip(fields[4:-1:2], fields[5:-1:2]):
                keys[f"{lemma.lower()}%1:{fields[1]}:{int(number, 16):02d}::"] = fields[0]
    return keys
