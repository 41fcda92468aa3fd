"""WordNet as a source of triples: hypernyms, and the taxonomic ranks of living things.

    source = WordNetSource(WordNet.open())
    list(source.statements(["http://wordnet-rdf.princeton.edu/wn30/02129604-n"]))     # tiger: its genus, family, …

Relations are `hypernym`, `hypernym-2` and `hypernym-3` (what is one, two or three steps up), and `genus`, `family`,
`order`, `class`, `phylum`, `division` and `kingdom`. Ranks stand in the first word of a taxon's lemma ("genus
Panthera"); a species is a member of its genus, the genus of its family, and so on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import unquote

from labelhedge.graph.label_graph import local_name
from labelhedge.graph.triples import Triple
from labelhedge.graph.wordnet import MEMBER_OF, WordNet, uri

RELATION = "urn:labelhedge:wordnet:"
RANKS = ("genus", "family", "order", "class", "phylum", "division", "kingdom")
STEPS = 3
TAXON = "taxonomic_group.1"
"""The sense above all genera, families, and so on: "family" and "order" are other things too."""

_OFFSET = re.compile(r"(?:^|[/#:])(?:n(\d{8})|(\d{8})-n)$")


class WordNetSource:
    """A :class:`labelhedge.graph.sparql.Source` of WordNet's nouns.

    Parameters
    ----------
    nouns : WordNet
    by_name : bool
        Look up names that end in no synset (``…/02129604-n`` or ``…/n02129604``) as words: ``…/Siamese_cat``. The most
        frequent sense is taken.
    below : sense names
        Of a word's senses only those below one of these: ``["organism.1"]`` finds the animal for *tiger*, whose first
        sense is a fierce person.

    Attributes
    ----------
    ambiguous : set of str
        Names looked up as words, of which several senses would do.

    Raises
    ------
    ValueError
        When `below` names no sense.
    """

    def __init__(self, nouns: WordNet, *, by_name: bool = False, below: Sequence[str] = ()) -> None:
        self._nouns, self._by_name = nouns, by_name
        self._below = frozenset(nouns.synset(name) for name in below)
        self._taxon = nouns.synset(TAXON) if "taxonomic_group" in nouns.senses else None
        self.ambiguous: set[str] = set()

    def synset(self, name: str) -> str | None:
        """The synset of an IRI or a name, if WordNet has it."""
        found = _OFFSET.search(name)
        if found:
            offset = found[1] or found[2]
            return offset if offset in self._nouns.names else None
        if not self._by_name:
            return None
        lemma = self._nouns.lemma(unquote(local_name(name)).replace(" ", "_").lower())
        senses = self._nouns.senses[lemma] if lemma else []
        if self._below:
            senses = [sense for sense in senses if self._below & self._nouns.ancestors(sense)]
        if len(senses) > 1:
            self.ambiguous.add(name)
        return senses[0] if senses else None

    def statements(self, names: Sequence[str], relations: Collection[str] | None = None) -> Iterator[Triple]:
        """The triples whose v is one of the names."""
        for name in names:
            synset = self.synset(name)
            if synset is None:
                continue
            for relation, entity in self._related(synset):
                iri = RELATION + relation
                if relations is None or relation in relations or iri in relations:
                    yield Triple(uri(entity), name, iri)

    def redirects(self, names: Sequence[str]) -> dict[str, str]:
        """None: a synset has one name."""
        return {}

    def called(self, entities: Sequence[str]) -> dict[str, str]:
        """The first lemma of each synset."""
        synsets = {iri: _OFFSET.search(iri) for iri in entities if iri.startswith(uri("")[:-2])}
        return {iri: self._nouns.names[found[2]][0] for iri, found in synsets.items() if found and found[2]}

    def ranks(self, synset: str) -> dict[str, str]:
        """The taxon of each rank that a synset belongs to, by way of what it is a kind of and a member of.

        The nearest where several can be reached: a breed has the genus of its species.
        """
        found: dict[str, str] = {}
        level, seen = [synset], {synset}
        while level:
            for name in level:
                rank = self._rank(name)
                if rank and name != synset:
                    found.setdefault(rank, name)
            above = [
                parent
                for name in level
                for parent in self._nouns.related(name, MEMBER_OF)
                + ([] if self._rank(name) else self._nouns.related(name))
            ]
            level = sorted(set(above) - seen)
            seen.update(level)
        return found

    def _related(self, synset: str) -> Iterator[tuple[str, str]]:
        level = [synset]
        for step in range(1, STEPS + 1):
            level = sorted({parent for name in level for parent in self._nouns.related(name)})
            for entity in level:
                yield "hypernym" if step == 1 else f"hypernym-{step}", entity
        for rank, entity in self.ranks(synset).items():
            yield rank, entity

    def _rank(self, synset: str) -> str | None:
        for lemma in self._nouns.names[synset]:
            rank, _, rest = lemma.partition(" ")
            if rest and rank in RANKS and self._taxon in self._nouns.ancestors(synset):
                return rank
        return None
