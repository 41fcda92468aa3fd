"""What the labels of a corpus are linked to, which labels an image then has, and where a label's images come from.

settings = LinkSettings(mappings=["wnid_wikipedia.csv"])
found = find_links(corpus.labels, ImageFolders("ImageNet"), settings)
print(*link_lines(found.links, found.passed), sep="\n")
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelhedge.collect.crosslinks.folders import ImageFolders
from labelhedge.collect.crosslinks.linking import Link, Linker, read_choices
from labelhedge.collect.crosslinks.mappings import read_mappings
from labelhedge.collect.crosslinks.names import label_keys
from labelhedge.collect.crosslinks.versions import Versions, check_version
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, WordNet

_TOLD = 20

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class LinkSettings:
    """How labels are linked to synsets.

    Parameters
    ----------
    mappings : files from titles to synsets, the surest first; see :mod:`labelhedge.collect.crosslinks.mappings`
    choices : CSV `uri,wnid` that decides what labels mean
    wordnet, wordnet31 : folders of the database files of WordNet 3.0 and, where mappings need it, 3.1
    below : bool
        Take images of the synsets below a label's own, too.
    above : bool
        An image has all labels whose synsets lie above its own: a dog is a mammal. Otherwise only the nearest, as
        always where labels exclude each other.
    """

    mappings: Sequence[PathLike] = ()
    choices: PathLike | None = None
    wordnet: PathLike = DEBIAN
    wordnet31: PathLike | None = None
    below: bool = False
    above: bool = True


@dataclass(frozen=True)
class Found:
    """The links of all labels, WordNet where it was read, and rows of the mappings passed over, by reason."""

    links: list[Link]
    nouns: WordNet | None
    passed: Counter[str]


def find_links(labels: Sequence[Label], folders: ImageFolders, settings: LinkSettings) -> Found:
    """Link labels to synsets.

    WordNet is read unless mappings are given and neither `below` nor `above` asks for what lies around a synset.

    Raises
    ------
    LabelhedgeError
        When a file is malformed, or WordNet is missing.
    """
    versions = Versions(settings.wordnet, settings.wordnet31)
    nouns = _wordnet(settings)
    wanted = frozenset(name for label in labels for name in label_keys(label))
    mapped = read_mappings(settings.mappings, wanted, versions)
    chosen = read_choices(settings.choices, labels) if settings.choices is not None else {}
    imaged = {wnid[1:] for wnid in folders.wnids}
    if settings.below and nouns:
        imaged.update(*(nouns.ancestors(number) for number in sorted(imaged) if number in nouns.names))
    linker = Linker(nouns, imaged, mapped.synsets, chosen, versions)
    return Found([linker.link(label) for label in labels], nouns, mapped.passed)


def _wordnet(settings: LinkSettings) -> WordNet | None:
    if settings.mappings and not settings.below and not settings.above:
        return None
    folder = Path(settings.wordnet)
    try:
        if (folder / "data.noun").exists():
            check_version(folder, "3.0")
        return WordNet.open(folder)
    except LabelhedgeError as error:
        if not settings.mappings or settings.below:
            raise
        raise LabelhedgeError(f"{error}; or pass --no-above: mappings do without it then") from error


def link_lines(links: Sequence[Link], passed: Counter[str]) -> Iterator[str]:
    """How many labels are linked, and which are not."""
    by_state = Counter(link.state for link in links)
    states = ", ".join(f"{by_state[name]:,} {name}" for name in ("ambiguous", "no synset", "no images", "left out"))
    yield f"{by_state['linked']:,} of {len(links):,} labels linked; {states}"
    if passed:
        yield "rows of the mappings passed over: " + ", ".join(f"{count:,} {why}" for why, count in passed.items())
    unclear = [link for link in links if link.state == "ambiguous"]
    for link in unclear[:_TOLD]:
        yield f"ambiguous, left out: {link.label.name}"
        yield from (f"    {sense}{'' if sense.images else ' [no images]'}" for sense in link.senses)
    if unclear:
        more = f"{len(unclear) - _TOLD:,} more are ambiguous; " if len(unclear) > _TOLD else ""
        yield f"{more}to decide: write them with --links FILE, take out the wrong rows, and pass it as --choose FILE"
    for state in ("no synset", "no images"):
        without = [link for link in links if link.state == state]
        if without:
            told = ", ".join(f"{link.label.name} ({link.how})" for link in without[:_TOLD])
            yield f"{state}: {told}{' …' if len(without) > _TOLD else ''}"


class Around:
    """Which labels an image has, and which synsets a label's images come from."""

    def __init__(self, found: Found, folders: ImageFolders, settings: LinkSettings, *, exclusive: bool = False) -> None:
        self._nouns, self._folders, self._below, self._exclusive = found.nouns, folders, settings.below, exclusive
        self._above = settings.above and not exclusive
        linked = [(number, link) for number, link in enumerate(found.links) if link.state == "linked"]
        self._labels = {number: link.synsets for number, link in linked}
        self._unclear: frozenset[str] = frozenset().union(
            *(link.synsets for link in found.links if link.state == "ambiguous")
        )

    def pools(self) -> dict[int, list[str]]:
        """By label number the wnids of its images."""
        wnids = sorted(self._folders.wnids)
        return {
            number: [wnid for wnid in wnids if synsets & (self._up(wnid[1:]) if self._below else {wnid[1:]})]
            for number, synsets in self._labels.items()
        }

    def labels_of(self, wnid: str) -> tuple[int, ...] | str:
        """The labels of a synset's images, or why they are in doubt."""
        up = self._up(wnid[1:])
        doubtful = self._unclear & (up if self._above else {wnid[1:]})
        if doubtful:
            return "an ambiguous label may be one of its labels"
        by_label = {number: synsets & up for number, synsets in self._labels.items() if synsets & up}
        if not self._above:
            hidden = {high for synsets in by_label.values() for one in synsets for high in self._up(one) - {one}}
            by_label = {number: synsets for number, synsets in by_label.items() if synsets - hidden}
        if self._exclusive and len(by_label) > 1:
            return "of several labels, which exclude each other"
        return tuple(sorted(by_label))

    def _up(self, number: str) -> frozenset[str]:
        if self._nouns is None or number not in self._nouns.names:
            return frozenset([number])
        return self._nouns.ancestors(number)
