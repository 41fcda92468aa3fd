"""Choosing a domain's labels: entities that can be seen, in enough photos, without those that are not wanted.

vocabulary = choose_vocabulary(counts, "species", min_photos=100, exclude="exclude.txt", out="vocabulary.csv")
print(vocabulary.summary())
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from labelhedge.collect.domains import DomainCounts, EntityCount, write_csv
from labelhedge.collect.records import VOCABULARY
from labelhedge.errors import LabelhedgeError, reading


@dataclass(frozen=True)
class Vocabulary:
    """The labels chosen, and what was left out, by reason.

    Attributes
    ----------
    domain : str
    labels : tuple of EntityCount
        By falling number of photos; names are unique.
    dropped : dict of reason to number of entities
    unused : dict of list ('visual', 'exclude') to its lines that name no entity of the domain
    """

    domain: str
    labels: tuple[EntityCount, ...]
    dropped: dict[str, int]
    unused: dict[str, list[str]]

    def summary(self) -> str:
        """What was chosen and dropped, a line each."""
        lines = [f"{self.domain}: {len(self.labels):,} labels"]
        lines += [f"dropped, {reason}: {number:,}" for reason, number in self.dropped.items() if number]
        for name, unused in self.unused.items():
            if unused:
                lines.append(f"of the {name} list, {len(unused):,} name no entity found here, such as {unused[0]!r}")
        return "\n".join(lines)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the vocabulary CSV: uri, name, photos, domain."""
        write_csv(Path(path), (*VOCABULARY, "domain"), [(*label, self.domain) for label in self.labels])


def choose_vocabulary(
    counts: DomainCounts,
    domain: str,
    *,
    min_photos: int = 20,
    visual: str | os.PathLike[str] | None = None,
    exclude: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Vocabulary:
    """Choose the labels of a domain.

    Parameters
    ----------
    counts : DomainCounts
        From `count_domains`.
    domain : str
    min_photos : int
        An entity in fewer photos is left out.
    visual, exclude : paths, optional
        Lists of entities, by URI or name, one a line, or a CSV with a column uri or name: only those of `visual` are
        taken, and none of `exclude`. Names match in any case.
    out : path, optional
        The CSV to write.

    Returns
    -------
    Vocabulary

    Raises
    ------
    ValueError
        When there is no such domain, or nothing is left.
    """
    entities = counts[domain].entities
    lists = {"visual": read_list(visual), "exclude": read_list(exclude)}
    reasons = ("not in the visual list", "in the exclude list", f"in fewer than {min_photos} photos")
    dropped = Counter(dict.fromkeys(reasons, 0))
    chosen = []
    for entity in entities:
        if lists["visual"] is not None and not _among(entity, lists["visual"]):
            dropped[reasons[0]] += 1
        elif lists["exclude"] is not None and _among(entity, lists["exclude"]):
            dropped[reasons[1]] += 1
        elif entity.photos < min_photos:
            dropped[reasons[2]] += 1
        else:
            chosen.append(entity)
    if not chosen:
        told = ", ".join(f"{number} {reason}" for reason, number in dropped.items() if number)
        raise LabelhedgeError(
            f"no entity of {domain!r} is left: {told}; take a lower --min-photos (the most frequent entity is in "
            f"{entities[0].photos}) or other lists"
        )
    known = {key for entity in entities for key in (entity.uri, entity.name.casefold())}
    unused = {
        name: [line for key, line in (keys or {}).items() if key not in known and line not in known]
        for name, keys in lists.items()
    }
    vocabulary = Vocabulary(domain, tuple(_unique(chosen)), dict(dropped), unused)
    if out is not None:
        vocabulary.write(out)
    return vocabulary


def read_list(path: str | os.PathLike[str] | None) -> dict[str, str] | None:
    """Entities of a list: the line in lower case to the line; of a CSV its columns uri and name."""
    if path is None:
        return None
    path = Path(path)
    with reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            reader = csv.DictReader(file)
            columns = [name for name in ("uri", "name") if name in (reader.fieldnames or ())][:1]
            if not columns:
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise LabelhedgeError(f"{path} must have a column uri or a column name; found {found}")
            lines = [(row[columns[0]] or "").strip() for row in reader]
        else:
            lines = [line.strip() for line in file if not line.startswith("#")]
    named = {line.casefold(): line for line in lines if line}
    if not named:
        raise LabelhedgeError(f"{path} names nothing: write a URI or a name on each line")
    return named


def _among(entity: EntityCount, keys: dict[str, str]) -> bool:
    return entity.uri.casefold() in keys or entity.name.casefold() in keys


def _unique(entities: list[EntityCount]) -> list[EntityCount]:
    """Names made unique, as labels must be: the second ``crane`` gets the end of its URI, and a number if need be."""
    names = {entity.name for entity in entities}
    kept: set[str] = set()
    unique = []
    for entity in entities:
        name, end = entity.name, entity.uri.rstrip("/").rsplit("/", 1)[-1]
        if name in kept:
            name = f"{entity.name} ({end})"
            tries = count(2)
            while name in names:
                name = f"{entity.name} ({end} {next(tries)})"
        kept.add(name)
        names.add(name)
        unique.append(entity._replace(name=name))
    return unique
