"""Entities and photos of each domain, as in the paper's Table 2: counted with daft over a folder of linked photos.

counts = count_domains("linked", types=["instance_types_en.ttl.bz2"], domains=["species=dbo:Species"])
counts.table()            # per domain: entities, photos, the most frequent entities
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from labelhedge.collect.entity_types import Domains, domains_of
from labelhedge.collect.records import linked_parts
from labelhedge.collect.running import import_daft, set_runner
from labelhedge.errors import LabelhedgeError
from labelhedge.files import no_folder, replacing

if TYPE_CHECKING:
    from rich.table import Table


EVERYTHING = "all"
"""The one domain where nothing says which entity is of which."""


class EntityCount(NamedTuple):
    """An entity, and in how many photos it was found."""

    uri: str
    name: str
    photos: int


@dataclass(frozen=True)
class Domain:
    """One row of the table: a domain's entities, the most frequent first, and the photos that have any of them."""

    name: str
    photos: int
    entities: tuple[EntityCount, ...]


@dataclass(frozen=True)
class DomainCounts:
    """Domains by falling number of photos, and what belongs to none.

    Attributes
    ----------
    domains : tuple of Domain
    photos, entities : int
        Linked photos, and entities found in them.
    without : tuple of EntityCount
        Entities that belong to no domain.
    """

    domains: tuple[Domain, ...]
    photos: int
    entities: int
    without: tuple[EntityCount, ...]

    def __getitem__(self, name: str) -> Domain:
        for domain in self.domains:
            if domain.name == name:
                return domain
        known = ", ".join(domain.name for domain in self.domains[:10]) or "none was found"
        raise LabelhedgeError(f"no photo has an entity of the domain {name!r}; there are: {known}")

    def table(self, top: int = 20, examples: int = 5) -> Table:
        """The `top` domains, to print, with the most frequent entities of each."""
        from rich.table import Table

        table = Table("domain", "entities", "photos", "most frequent entities")
        table.columns[1].justify = table.columns[2].justify = "right"
        for domain in self.domains[:top]:
            table.add_row(domain.name, f"{len(domain.entities):,}", f"{domain.photos:,}", frequent(domain, examples))
        return table

    def summary(self, top: int = 20) -> str:
        """What the table leaves out, in a line; and why it may be empty."""
        parts = [
            f"{self.photos:,} photos with {self.entities:,} entities",
            f"{len(self.without):,} of them in no domain",
        ]
        if len(self.domains) > top:
            parts.append(f"{len(self.domains) - top:,} more domains")
        if self.without and not self.domains:
            parts.append(f"do the types call them by URIs such as {self.without[0].uri}?")
        return "; ".join(parts)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all domains as CSV: domain, entities, photos, frequent."""
        rows = [(domain.name, len(domain.entities), domain.photos, frequent(domain, 10)) for domain in self.domains]
        write_csv(Path(path), ("domain", "entities", "photos", "frequent"), rows)


def frequent(domain: Domain, count: int) -> str:
    """The names of a domain's most frequent entities, with their photos."""
    return ", ".join(f"{entity.name} ({entity.photos:,})" for entity in domain.entities[:count])


def count_domains(
    linked: str | os.PathLike[str],
    types: Sequence[str | os.PathLike[str]] = (),
    *,
    domains: Domains | Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    wordnet: str | os.PathLike[str] | None = None,
    runner: str = "native",
) -> DomainCounts:
    """Count the entities and the photos of each domain.

    Parameters
    ----------
    linked : path
        What `link_photos` wrote.
    types, wordnet
        Where the types of entities come from, see `domains_of`.
    domains : Domains, or what `Domains.parse` takes, optional
        Named sets of types; by default every type is a domain of its own. Without types too there is one, ``all``.
    runner : {'native', 'ray'}
        This machine, all cores of it, or a cluster, as for `link_photos`.

    Returns
    -------
    DomainCounts

    Raises
    ------
    ValueError
        When the folder is not complete, or domains of types are named but no types given.
    """
    named = domains if isinstance(domains, Domains) or domains is None else Domains.parse(domains)
    if named is not None and named.types and not types:
        raise LabelhedgeError(
            f"nothing says which entity is of the domain {min(named.types)!r}: name a file of types (--types)"
        )
    folder = linked_parts(linked)[0].parent.parent
    set_runner(runner)
    photos, entities = count_entities(folder)
    uris = {entity.uri for entity in entities}
    if types or named is not None:
        found = domains_of(uris, types, named, wordnet)
    else:
        found = dict.fromkeys(uris, frozenset({EVERYTHING}))
    per_domain = _photos_per_domain(folder, found)
    members: dict[str, list[EntityCount]] = {}
    for entity in entities:  # which come by falling number of photos
        for name in found.get(entity.uri, ()):
            members.setdefault(name, []).append(entity)
    rows = [Domain(name, per_domain[name], tuple(inside)) for name, inside in members.items()]
    rows.sort(key=lambda domain: (-domain.photos, domain.name))
    without = tuple(entity for entity in entities if entity.uri not in found)
    return DomainCounts(tuple(rows), photos, len(entities), without)


def count_entities(folder: Path) -> tuple[int, list[EntityCount]]:
    """The number of photos, and the entities with the photos that each is in, the most frequent first."""
    daft = import_daft()
    frame = daft.read_parquet(str(folder / "photos" / "*.parquet"))
    photos = frame.count_rows()
    kind = daft.DataType.list(daft.DataType.struct({"uri": daft.DataType.string(), "name": daft.DataType.string()}))

    @daft.func.batch(return_dtype=kind, use_process=False)  # type: ignore[untyped-decorator]
    def once(entities: Any) -> Any:
        """Each entity of a photo once."""
        rows = [
            [{"uri": uri, "name": name} for uri, name in dict(pairs).items()] for pairs in _pairs(entities.to_arrow())
        ]
        return pa.array(rows, pa.list_(pa.struct([("uri", pa.string()), ("name", pa.string())])))

    one = frame.select(once(frame["entities"]).alias("entity")).explode("entity").where(daft.col("entity").not_null())
    pairs = one.select(daft.col("entity").get("uri").alias("uri"), daft.col("entity").get("name").alias("name"))
    counted = pairs.groupby("uri").agg(daft.col("name").min().alias("name"), daft.col("uri").count().alias("photos"))
    rows = counted.to_arrow().to_pylist()
    found = [EntityCount(row["uri"], row["name"], row["photos"]) for row in rows]
    return photos, sorted(found, key=lambda entity: (-entity.photos, entity.name, entity.uri))


def _photos_per_domain(folder: Path, found: Mapping[str, frozenset[str]]) -> Counter[str]:
    """In how many photos an entity of each domain was found."""
    daft = import_daft()
    domains = {uri: sorted(names) for uri, names in found.items()}
    texts = daft.DataType.list(daft.DataType.string())

    @daft.func.batch(return_dtype=texts, use_process=False)  # type: ignore[untyped-decorator]
    def of_photo(entities: Any) -> Any:
        rows = [
            sorted({domain for uri, _ in pairs for domain in domains.get(uri, ())})
            for pairs in _pairs(entities.to_arrow())
        ]
        return pa.array(rows, pa.list_(pa.string()))

    frame = daft.read_parquet(str(folder / "photos" / "*.parquet"))
    one = frame.select(of_photo(frame["entities"]).alias("domain")).explode("domain")
    one = one.where(daft.col("domain").not_null())
    counted = one.groupby("domain").agg(daft.col("domain").count().alias("photos")).to_arrow()
    return Counter({row["domain"]: row["photos"] for row in counted.to_pylist()})


def _pairs(entities: Any) -> list[list[tuple[str, str]]]:
    """``(uri, name)`` of each photo's entities."""
    flat = entities.flatten()
    pairs = list(zip(flat.field("uri").to_pylist(), flat.field("name").to_pylist(), strict=True))
    ends = [0]
    for length in entities.value_lengths().fill_null(0).to_pylist():
        ends.append(ends[-1] + length)
    return [pairs[start:end] for start, end in pairwise(ends)]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV atomically."""
    no_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
