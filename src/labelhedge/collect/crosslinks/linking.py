"""Which synsets a label means: as chosen, as its URI or a mapping says, or by WordNet's words where that is no guess.

Of a word with several senses one is taken by itself only where no other has images *and* it is the most frequent one,
tagged more often in WordNet's texts than all others together. Otherwise the label is ambiguous: its senses are told,
with their glosses, and a file of choices decides.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labelhedge.collect.crosslinks.names import key, label_keys, own_synset, parse_synset, words
from labelhedge.collect.crosslinks.versions import Versions
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.graph.wordnet import WordNet

State = Literal["linked", "ambiguous", "no synset", "no images", "left out"]
_COLUMNS = ("uri", "wnid", "state", "images", "lemmas", "gloss", "how")


@dataclass(frozen=True)
class Sense:
    """A synset that a label means, or may mean; `images`: the folder has some of it, or below it if these count."""

    number: str
    lemmas: tuple[str, ...]
    gloss: str
    images: bool

    @property
    def wnid(self) -> str:
        """As ImageNet's folders are called."""
        return f"n{self.number}"

    def __str__(self) -> str:
        return f"{self.wnid} {', '.join(self.lemmas)}: {self.gloss}"


@dataclass(frozen=True)
class Link:
    """What a label is linked to.

    Attributes
    ----------
    label : Label
    state : str
        ``linked``; ``ambiguous``; ``no synset``; ``no images``, of none of its synsets; ``left out``, chosen so.
    how : str
        How the synsets were found, or why not.
    senses : tuple of Sense
        Of an ambiguous label those that it may mean.
    """

    label: Label
    state: State
    how: str
    senses: tuple[Sense, ...] = ()

    @property
    def synsets(self) -> frozenset[str]:
        """Numbers of all senses."""
        return frozenset(sense.number for sense in self.senses)


class Linker:
    """Links labels to synsets.

    Parameters
    ----------
    nouns : WordNet, optional
        Without it there are only choices, URIs and mappings.
    imaged : set of str
        Numbers of the synsets with images.
    mapped : mapping of key to synsets
    chosen : mapping of a label's id to synsets
    versions : Versions
    """

    def __init__(
        self,
        nouns: WordNet | None,
        imaged: Collection[str],
        mapped: Mapping[str, Sequence[str]],
        chosen: Mapping[str, Sequence[str]],
        versions: Versions,
    ) -> None:
        self._nouns, self._imaged, self._mapped, self._chosen, self._versions = nouns, imaged, mapped, chosen, versions

    def link(self, label: Label) -> Link:
        """What a label is linked to."""
        if label.id in self._chosen:
            synsets = self._chosen[label.id]
            return self._sure(label, synsets, "chosen") if synsets else Link(label, "left out", "chosen")
        own = own_synset(label)
        if own is not None:
            number = self._versions.from_31(own.number) if own.version == "31" else own.number
            if number and own.noun:
                return self._sure(label, [number], "its own URI or id")
            return Link(label, "no synset", "its URI is no noun of WordNet 3.0")
        for name in label_keys(label):
            if name in self._mapped:
                return self._sure(label, self._mapped[name], "mapping")
        if self._nouns is None:
            return Link(label, "no synset", "not in the mapping")
        return self._by_words(label, self._nouns)

    def _by_words(self, label: Label, nouns: WordNet) -> Link:
        form, bracket = words(label)
        lemma = nouns.lemma(form)
        if lemma is None:
            return Link(label, "no synset", f"WordNet has no noun {form!r}")
        senses = nouns.senses[lemma]
        surely = bracket is None
        if bracket is not None and (above := nouns.lemma(bracket)) is not None:
            senses = _below(nouns, senses, nouns.senses[above])
            surely = True
            if not senses:
                return Link(label, "no synset", f"WordNet knows no {lemma!r} that is a {above!r}")
        found = [self._sense(number) for number in senses]
        if not any(sense.images for sense in found):
            return Link(label, "no images", f"WordNet's noun {lemma!r}", tuple(found))
        imaged = [sense for sense in found if sense.images]
        if surely and (len(found) == 1 or (imaged == found[:1] and _prevails(nouns, lemma, senses))):
            return Link(label, "linked", f"WordNet's noun {lemma!r}", tuple(imaged))
        return Link(label, "ambiguous", f"WordNet's noun {lemma!r}", tuple(found))

    def _sure(self, label: Label, synsets: Sequence[str], how: str) -> Link:
        senses = tuple(map(self._sense, synsets))
        return Link(label, "linked" if any(sense.images for sense in senses) else "no images", how, senses)

    def _sense(self, number: str) -> Sense:
        names = tuple(self._nouns.names.get(number, ())) if self._nouns else ()
        gloss = self._nouns.glosses.get(number, "") if self._nouns else ""
        return Sense(number, names, gloss, number in self._imaged)


def _below(nouns: WordNet, senses: Sequence[str], above: Sequence[str]) -> list[str]:
    """The senses below the most frequent sense of the word in brackets, else below any."""
    for tops in (above[:1], above):
        found = [sense for sense in senses if nouns.ancestors(sense) & set(tops)]
        if found:
            return found
    return []


def _prevails(nouns: WordNet, lemma: str, senses: Sequence[str]) -> bool:
    counts = [nouns.counts.get((lemma, nouns.senses[lemma].index(sense) + 1), 0) for sense in senses]
    return counts[0] > sum(counts[1:])


def write_links(links: Sequence[Link], path: str | os.PathLike[str]) -> None:
    """Write links as CSV, a row a sense; with the wrong rows taken out it is a file of choices."""
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for link in links:
            name = link.label.uri or link.label.id
            if not link.senses:
                writer.writerow([name, "", link.state, "", "", "", link.how])
            for sense in link.senses:
                images = "yes" if sense.images else "no"
                lemmas = ", ".join(sense.lemmas)
                writer.writerow([name, sense.wnid, link.state, images, lemmas, sense.gloss, link.how])


class _Known:
    """Labels by URI, else by id, else by name; else by what these come to as keys."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._tables: list[dict[str, list[str]]] = []
        for form in (str, key):
            for attribute in ("uri", "id", "name"):
                table: dict[str, list[str]] = {}
                for label in labels:
                    value = getattr(label, attribute)
                    if value is not None:
                        table.setdefault(form(value), []).append(label.id)
                self._tables.append(table)

    def label(self, name: str, place: str) -> str:
        """The id of the one label of that name."""
        forms = [name] * 3 + [key(name)] * 3
        found = next((table[form] for table, form in zip(self._tables, forms, strict=True) if form in table), [])
        if not found:
            raise LabelhedgeError(f"{place}: the corpus has no label {name!r}: correct the row or take it out")
        if len(found) > 1:
            raise LabelhedgeError(
                f"{place}: {name!r} may be any of the labels with the ids {', '.join(found)}: write the id of one"
            )
        return found[0]


def read_choices(path: str | os.PathLike[str], labels: Sequence[Label]) -> dict[str, list[str]]:
    """Read a CSV `uri,wnid`: of each label named (by URI, else id, else name) the synsets; none where wnid is empty.

    Of what :func:`write_links` wrote only rows that are linked, or of a label that was ambiguous and has one row left,
    are choices.

    Returns
    -------
    dict of a label's id to 8-digit numbers

    Raises
    ------
    LabelhedgeError
        When a row names no label or several, or no synset of WordNet 3.0, or a label is ambiguous still.
    """
    path = Path(path)
    if not path.is_file():
        raise LabelhedgeError(f"there is no file of choices {path}")
    known = _Known(labels)
    chosen: dict[str, list[str]] = {}
    unsettled: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"uri", "wnid"} <= set(reader.fieldnames or ()):
                raise LabelhedgeError(f"{path}, line 1: choices need the columns uri and wnid")
            for row in reader:
                place, name, wnid = f"{path}, line {reader.line_num}", row["uri"] or "", (row["wnid"] or "").strip()
                id_ = known.label(name, place)
                synset = parse_synset(wnid) if wnid else None
                if wnid and (synset is None or synset.version != "30" or not synset.noun):
                    raise LabelhedgeError(f"{place}: {wnid!r} is no synset of ImageNet: write it as n02084071")
                if row.get("state") == "ambiguous" and id_ in unsettled:
                    raise LabelhedgeError(
                        f"{place}: {name!r} is ambiguous still (also line {unsettled[id_]}): take out the rows that "
                        "are wrong, or empty the state of those that are right"
                    )
                if row.get("state") == "ambiguous":
                    unsettled[id_] = reader.line_num
                if row.get("state") == "no synset":
                    continue  # nothing was chosen
                numbers = chosen.setdefault(id_, [])
                if synset and synset.number not in numbers:
                    numbers.append(synset.number)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelhedgeError(f"{path}: not a CSV in UTF-8 ({error}): save it as one") from error
    return chosen
