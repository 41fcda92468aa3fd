"""A lexicon: entities, and the surface forms under which they stand in texts, each with a weight.

    lexicon = Lexicon.build([Entry("urn:dog", "dog", description="barks"), Entry("urn:cat", "cat", aliases=("puss",))])
    lexicon.save("pets.parquet")
    Lexicon.load("pets.parquet")

P(entity | form) is an entity's weight for the form over the sum of all weights for it. Beside entities, a form may mean
one of the `OTHERS`: nothing that is known, a verb, an adjective, a given or a family name. Those compete as well.

On disk a lexicon is one Parquet file, one row an entity: `uri`, `name`, `description`, `support`, `wanted` and `forms`,
a list of {form, weight, kind}.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.linking.matching import normal_all
from labelhedge.collect.linking.morphology import IRREGULAR, glued, plurals
from labelhedge.collect.linking.wordlists import FUNCTION_WORDS
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

FORMAT = 1
ANYTHING, VERB, ADJECTIVE, GIVEN_NAME, FAMILY_NAME = OTHERS = (
    "urn:labelhedge:other:anything",
    "urn:labelhedge:other:verb",
    "urn:labelhedge:other:adjective",
    "urn:labelhedge:other:given-name",
    "urn:labelhedge:other:family-name",
)
"""What a form may mean that is no entity; in a lexicon these are entities that are never wanted."""
PLAIN, PROPER, INFLECTED, GLUED = range(4)
"""Kinds of forms: a name, a name written with a capital, a plural, a name without its spaces."""

_FORM = pa.struct([("form", pa.string()), ("weight", pa.float32()), ("kind", pa.int8())])
_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("name", pa.string()),
        ("description", pa.string()),
        ("support", pa.int64()),  # how often it is linked to, where known
        ("wanted", pa.bool_()),  # whether it is given out; others only compete
        ("forms", pa.list_(_FORM)),
    ]
)


class Form(NamedTuple):
    """A surface form of an entity, as it is written, and how often the form means it."""

    text: str
    weight: float = 1.0
    inflect: bool = True


@dataclass(frozen=True)
class Entry:
    """One entity to build a lexicon of; `forms` in place of name and aliases where weights are known."""

    uri: str
    name: str
    aliases: Sequence[str] = ()
    description: str = ""
    support: int = -1
    wanted: bool = True
    forms: Sequence[Form] | None = None


@dataclass(frozen=True)
class Lexicon:
    """Entities and their forms, as columns.

    Attributes
    ----------
    uris, names, descriptions : lists of str
        Of each entity.
    support : ints (E,)
        How often an entity is linked to in the source, -1 where that is not known.
    wanted : bools (E,)
        Which entities are given out; the others only compete for their forms.
    forms : list of str
        Normal forms, sorted.
    offsets : ints (F + 1,)
        The candidates of form `i` are `offsets[i]` to `offsets[i + 1]` of the next three.
    entity, weight, kind : (C,)
        Candidates: number of the entity, how often the form means it, and the kind of form.
    """

    uris: list[str]
    names: list[str]
    descriptions: list[str]
    support: npt.NDArray[np.int64]
    wanted: npt.NDArray[np.bool_]
    forms: list[str]
    offsets: npt.NDArray[np.int64]
    entity: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int8]
    _digest: list[str] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def build(
        cls,
        entries: Iterable[Entry],
        irregular: Mapping[str, Sequence[str]] = IRREGULAR,
        nameless: bool = False,
    ) -> Lexicon:
        """A lexicon of entries, with plurals and glued forms of their names.

        Parameters
        ----------
        entries : iterable of Entry
        irregular : dict of str to list of str
            Plurals of words that do not follow the rules.
        nameless : bool
            Whether entities may be there that no text can name ("10", "as"): they are kept, and never found.

        Raises
        ------
        ValueError
            When there is no entry, two have one URI, or one has no name that could be found in a text.

        Examples
        --------
        >>> Lexicon.build([Entry("urn:fox", "fox")]).forms
        ['fox', 'foxes']
        """
        entries = list(entries)
        if not entries:
            raise LabelhedgeError("the list of names is empty: a lexicon needs at least one")
        _refuse_twice([entry.uri for entry in entries], "URI")
        given = [
            (number, form)
            for number, entry in enumerate(entries)
            for form in (entry.forms if entry.forms is not None else map(Form, (entry.name, *entry.aliases)))
        ]
        normals = normal_all([form.text for _, form in given])
        made = {name: _Made.of(name, irregular) for name in dict.fromkeys(normals)}
        direct = {
            written
            for (number, _), name in zip(given, normals, strict=True)
            if entries[number].uri not in OTHERS
            for written in made[name].written
        }
        found: tuple[list[str], list[int], list[float], list[int]] = ([], [], [], [])
        named = np.zeros(len(entries), bool)
        for (number, form), name in zip(given, normals, strict=True):
            forms = made[name]
            named[number] |= bool(forms.written)
            _add(found, forms.written, number, form.weight, PROPER if form.text[:1].isupper() else PLAIN)
            if not form.inflect:
                continue
            for plural in forms.plurals:
                # A plural that is a name of its own ("glasses") is mostly meant as that.
                _add(found, [plural], number, form.weight * (0.3 if plural in direct else 1.0), INFLECTED)
            _add(found, [one for one in forms.glued if one not in direct], number, form.weight, GLUED)
        if not (named.all() or nameless):
            entry = entries[int(np.argmin(named))]
            raise LabelhedgeError(f"{entry.name!r} ({entry.uri}) has no name that could be found in a text")
        return cls(
            [entry.uri for entry in entries],
            [entry.name for entry in entries],
            [entry.description for entry in entries],
            np.array([entry.support for entry in entries], np.int64),
            np.array([entry.wanted and entry.uri not in OTHERS for entry in entries], bool),
            *_by_form(*found),
        )

    def __len__(self) -> int:
        return len(self.uris)

    def restricted(self, uris: Iterable[str]) -> Lexicon:
        """The same lexicon with only these entities wanted; the others compete for their forms.

        Raises
        ------
        ValueError
            When none of them is in the lexicon.
        """
        chosen = set(uris)
        wanted = np.array([uri in chosen for uri in self.uris], bool)
        if not wanted.any():
            raise LabelhedgeError(f"none of the {len(chosen)} URIs is in the lexicon, such as {sorted(chosen)[:1]}")
        return replace(self, wanted=wanted, _digest=[])

    @property
    def fingerprint(self) -> str:
        """A digest of all that is in the lexicon."""
        if not self._digest:
            digest = hashlib.sha256()
            for texts in (self.uris, self.names, self.descriptions, self.forms):
                digest.update(json.dumps(texts).encode())
            for numbers in (self.support, self.wanted, self.offsets, self.entity, self.weight, self.kind):
                digest.update(np.ascontiguousarray(numbers).tobytes())
            self._digest.append(digest.hexdigest())
        return self._digest[0]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the lexicon as one Parquet file, atomically."""
        path = Path(path)
        order = np.argsort(self.entity, kind="stable")
        form = np.repeat(np.arange(len(self.forms)), np.diff(self.offsets))[order]
        struct = pa.StructArray.from_arrays(
            [pa.array(self.forms).take(pa.array(form)), pa.array(self.weight[order], pa.float32()), self.kind[order]],
            fields=list(_FORM),
        )
        ends = np.searchsorted(self.entity[order], np.arange(len(self) + 1)).astype(np.int32)
        forms = pa.ListArray.from_arrays(pa.array(ends), struct)
        table = pa.table(
            [self.uris, self.names, self.descriptions, self.support, self.wanted, forms],
            schema=_SCHEMA.with_metadata({"labelhedge": json.dumps({"lexicon": FORMAT})}),
        )
        with replacing(path) as new:
            pq.write_table(table, new, compression="zstd")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Lexicon:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            When the file is missing, is none of those, or of a later format.
        """
        path = Path(path)
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise LabelhedgeError(f"{path} is no lexicon that can be read: {error}") from error
        stated = json.loads((table.schema.metadata or {}).get(b"labelhedge", b"{}")).get("lexicon")
        if stated != FORMAT:
            raise LabelhedgeError(f"{path}: lexicon format {stated} is found, {FORMAT} is needed: build it anew")
        table = table.cast(_SCHEMA)
        forms = table["forms"].combine_chunks()
        entity = np.repeat(np.arange(len(table)), np.diff(forms.offsets.to_numpy()))
        texts, weight, kind = (forms.flatten().field(name) for name in ("form", "weight", "kind"))
        return cls(
            table["uri"].to_pylist(),
            table["name"].to_pylist(),
            table["description"].to_pylist(),
            table["support"].to_numpy(),
            np.array(table["wanted"].to_pylist(), bool),
            *_by_form(texts.to_pylist(), entity, weight.to_numpy(), kind.to_numpy()),
        )


def _usable(name: str) -> list[str]:
    """The normal name, also without its full stops or with `&`, where it may be looked for in texts."""
    name = name.strip(". ")
    if "|" in name or sum(map(str.isalpha, name)) < 2 or FUNCTION_WORDS.issuperset(name.split(" ")):
        return []
    found = [name]
    if "." in name:
        found.append(name.replace(" .", ""))
    if " and " in name:
        found.append(name.replace(" and ", " & "))
    return found


@dataclass(frozen=True)
class _Made:
    """What is made of a normal name: itself in its spellings, its plurals, and all of them in one word."""

    written: list[str]
    plurals: list[str]
    glued: list[str]

    @classmethod
    def of(cls, name: str, irregular: Mapping[str, Sequence[str]]) -> _Made:
        written = _usable(name)
        more = [plural for one in written for plural in plurals(one, irregular)]
        return cls(written, more, [together for one in written + more if (together := glued(one))])


def _add(
    found: tuple[list[str], list[int], list[float], list[int]],
    forms: Sequence[str],
    entity: int,
    weight: float,
    kind: int,
) -> None:
    for form in forms:
        found[0].append(form)
        found[1].append(entity)
        found[2].append(weight)
        found[3].append(kind)


def _by_form(
    forms: Sequence[str], entity: npt.ArrayLike, weight: npt.ArrayLike, kind: npt.ArrayLike
) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Candidates sorted by form, then entity; of equal ones the heavier weight stays, and the plainer kind."""
    column = pa.array(forms, pa.string()).dictionary_encode()
    names = column.dictionary.to_pylist()
    rank = np.empty(len(names), np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    place, entities = rank[column.indices.to_numpy()], np.asarray(entity, np.int64)
    order = np.lexsort((entities, place))
    place, entities = place[order], entities[order]
    first = np.flatnonzero(np.diff(place, prepend=-1) | np.diff(entities, prepend=-1))
    weights, kinds = np.asarray(weight, np.float32).astype(np.float64)[order], np.asarray(kind, np.int8)[order]
    if len(first):
        weights, kinds = np.maximum.reduceat(weights, first), np.minimum.reduceat(kinds, first)
    offsets = np.searchsorted(place[first], np.arange(len(names) + 1))
    return sorted(names), offsets, entities[first], weights, kinds


def _refuse_twice(values: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise LabelhedgeError(f"the {what} {value!r} stands twice in the list: each entity needs its own")
        seen.add(value)
