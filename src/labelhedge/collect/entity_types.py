"""Which domains an entity belongs to: from RDF types, from a table, or from its place in WordNet.

    domains = Domains.parse(["species=animal.1,plant.2", "people=dbo:Person"])
    found = domains_of(uris, ["instance_types_en.ttl.bz2", "ontology.nt"], domains)

Only the given entities are kept in memory; the files are streamed.
"""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyoxigraph

from labelhedge.collect.photos.lines import inner_suffix, open_bytes
from labelhedge.errors import LabelhedgeError

PREFIXES = {
    "dbo": "http://dbpedia.org/ontology/",
    "dbr": "http://dbpedia.org/resource/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "schema": "http://schema.org/",
    "wd": "http://www.wikidata.org/entity/",
    "yago": "http://dbpedia.org/class/yago/",
    "foaf": "http://xmlns.com/foaf/0.1/",
}
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
SUBCLASS = "http://www.w3.org/2000/01/rdf-schema#subClassOf"
_RDF = {
    ".nt": pyoxigraph.RdfFormat.N_TRIPLES,
    ".ttl": pyoxigraph.RdfFormat.TURTLE,
    ".nq": pyoxigraph.RdfFormat.N_QUADS,
    ".tql": pyoxigraph.RdfFormat.N_QUADS,
    ".rdf": pyoxigraph.RdfFormat.RDF_XML,
    ".owl": pyoxigraph.RdfFormat.RDF_XML,
}
_SENSE = re.compile(r"[^:/]+\.\d+")


@dataclass(frozen=True)
class Domains:
    """Named sets of types.

    Attributes
    ----------
    types : dict of domain to IRIs of types
    senses : dict of domain to WordNet senses such as ``animal.1``; an entity below one of them belongs to it
    """

    types: dict[str, frozenset[str]] = field(default_factory=dict)
    senses: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: Sequence[str] | Mapping[str, Sequence[str]]) -> Domains:
        """Read ``name=member,member``: members are IRIs, short IRIs (``dbo:Species``) or senses (``animal.1``).

        Raises
        ------
        ValueError
            When one has no name or no members, or a prefix is not known.

        Examples
        --------
        >>> Domains.parse(["species=dbo:Species,animal.1"]).senses
        {'species': ('animal.1',)}
        """
        if not isinstance(given, Mapping):
            given = dict(_named(text) for text in given)
        types = {}
        senses = {}
        for name, members in given.items():
            below = tuple(member for member in members if _SENSE.fullmatch(member))
            others = frozenset(full_iri(member) for member in members if member not in below)
            if below:
                senses[name] = below
            if others:
                types[name] = others
        return cls(types, senses)

    @property
    def names(self) -> list[str]:
        """The domains, by name."""
        return sorted({*self.types, *self.senses})


def _named(text: str) -> tuple[str, list[str]]:
    name, _, members = text.partition("=")
    found = [member.strip() for member in members.split(",") if member.strip()]
    if not name.strip() or not found:
        raise LabelhedgeError(
            f"--domain {text!r}: write it as name=type,type, such as species=dbo:Species or pets=dog.1"
        )
    return name.strip(), found


def full_iri(name: str) -> str:
    """A short IRI in full; a full one as it is.

    Examples
    --------
    >>> full_iri("dbo:Species")
    'http://dbpedia.org/ontology/Species'
    """
    prefix, colon, rest = name.partition(":")
    if rest.startswith("//") or prefix in ("urn", "tag"):
        return name
    if not colon or prefix not in PREFIXES:
        raise LabelhedgeError(
            f"{name!r} is neither an IRI, nor short with a prefix that is known ({', '.join(PREFIXES)}), nor a WordNet "
            "sense such as animal.1"
        )
    return PREFIXES[prefix] + rest


def short_iri(iri: str) -> str:
    """An IRI as it is shown: short where its prefix is known."""
    for prefix, start in PREFIXES.items():
        if iri.startswith(start):
            return f"{prefix}:{iri.removeprefix(start)}"
    return iri


def domains_of(
    uris: Collection[str],
    types: Sequence[str | os.PathLike[str]] = (),
    domains: Domains | None = None,
    wordnet: str | os.PathLike[str] | None = None,
) -> dict[str, frozenset[str]]:
    """The domains of each entity that has any.

    Parameters
    ----------
    uris : collection of str
        The entities in question.
    types : sequence of paths
        RDF (``.nt``, ``.ttl``, ``.nq``, ``.tql``, ``.rdf``, ``.owl``; compressed too) with `rdf:type`, and with
        `rdfs:subClassOf`, by which an entity has the types above its own; or CSV with the columns uri and domain.
    domains : Domains, optional
        By default every type is a domain of its own, and so is every domain of a CSV.
    wordnet : path, optional
        The folder of WordNet's files, for senses; by default where Debian installs it.

    Raises
    ------
    ValueError
        When a file is no such file, or a sense is none.
    """
    known = uris if isinstance(uris, set | frozenset | dict) else frozenset(uris)
    found: dict[str, set[str]] = defaultdict(set)
    direct: dict[str, set[str]] = defaultdict(set)
    above: dict[str, set[str]] = defaultdict(set)
    for path in map(Path, types):
        if inner_suffix(path) in (".csv", ".tsv"):
            for uri, domain in _table(path):
                if uri in known and (domains is None or domain in domains.names or not domains.names):
                    found[uri].add(domain)
        else:
            for subject, relation, kind in _statements(path):
                if relation == SUBCLASS:
                    above[subject].add(kind)
                elif subject in known:
                    direct[subject].add(kind)
    closed = {kind: _closure(kind, above) for kinds in direct.values() for kind in kinds}
    for uri, kinds in direct.items():
        mine = frozenset().union(*(closed[kind] for kind in kinds))
        if domains is None or not domains.names:
            found[uri].update(map(short_iri, mine))
        else:
            found[uri].update(name for name, members in domains.types.items() if members & mine)
    if domains is not None and domains.senses:
        for name, below in _below(domains.senses, wordnet).items():
            for uri in below & set(known):
                found[uri].add(name)
    return {uri: frozenset(names) for uri, names in found.items() if names}


def _closure(kind: str, above: Mapping[str, set[str]]) -> frozenset[str]:
    found, waiting = {kind}, [kind]
    while waiting:
        fresh = above.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def _below(senses: Mapping[str, Iterable[str]], folder: str | os.PathLike[str] | None) -> dict[str, set[str]]:
    """The IRIs of the synsets below the senses of each domain."""
    from labelhedge.graph.wordnet import DEBIAN, WordNet, uri

    nouns = WordNet.open(folder or DEBIAN)
    return {
        name: {uri(synset) for root in roots for synset in nouns.descendants(nouns.synset(root))}
        for name, roots in senses.items()
    }


def _table(path: Path) -> Iterator[tuple[str, str]]:
    """Rows ``(uri, domain)`` of a CSV or TSV."""
    with open_bytes(path) as raw:
        text = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(raw))
        reader = csv.DictReader(text, delimiter="\t" if inner_suffix(path) == ".tsv" else ",")
        try:
            if not {"uri", "domain"} <= set(reader.fieldnames or ()):
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise LabelhedgeError(f"{path} must have the columns uri and domain; found {found}")
            for row in reader:
                if row["uri"] and row["domain"]:
                    yield row["uri"].strip(), row["domain"].strip()
        except (csv.Error, UnicodeDecodeError) as error:
            raise LabelhedgeError(
                f"{path}, line {reader.line_num + 1}: not readable as CSV ({error}); save it as UTF-8, parted by commas"
            ) from error


def _statements(path: Path) -> Iterator[tuple[str, str, str]]:
    """``(subject, relation, object)`` of the statements on types and on what is above them."""
    format = _RDF.get(inner_suffix(path))
    if format is None:
        raise LabelhedgeError(f"{path}: types are read from {', '.join(_RDF)} or .csv with the columns uri, domain")
    with open_bytes(path) as file:
        try:
            # lenient: DBpedia's dumps hold IRIs that are none in the strict sense
            for quad in pyoxigraph.parse(file, format=format, lenient=True):
                relation = quad.predicate.value
                if relation in (RDF_TYPE, SUBCLASS) and isinstance(quad.object, pyoxigraph.NamedNode):
                    subject = quad.subject
                    yield (
                        subject.value if isinstance(subject, pyoxigraph.NamedNode) else "",
                        relation,
                        quad.object.value,
                    )
        except SyntaxError as error:
            raise LabelhedgeError(f"{path}, line {error.lineno}: not RDF ({error.msg}); correct it") from error
        except EOFError as error:
            raise LabelhedgeError(f"{path} is cut off: fetch it again") from error
