"""From a vocabulary to the labels of a corpus: which entities count for which label, and what checkers said.

labels = CorpusLabels.read("vocabulary.csv", above=wordnet_above(WordNet.open()))
labels.of("http://wordnet-rdf.princeton.edu/wn30/02113335-n")       # poodle: the number of "dog"
checks = read_checks("checks.csv", labels)
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from labelhedge.collect.photos.columns import semicolons
from labelhedge.collect.records import VOCABULARY
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError, reading
from labelhedge.graph import read_triples, wordnet

_SYNSET = re.compile(re.escape(wordnet.uri("#")).replace(r"\#", r"(\d{8})"))
Above = Callable[[str], Collection[str]]
"""From an entity's URI to the URIs of everything it is a kind of."""


@dataclass(frozen=True)
class CorpusLabels:
    """The ordered labels, and the entities that stand for them.

    Attributes
    ----------
    labels : tuple of Label
    entities : mapping of entity URI to label numbers
        An entity may stand for several labels, and several for one.
    above : function, optional
        What an entity is a kind of: it then also counts for the labels of that.
    kinds : function, optional
        What an entity is a kind of, without counting for it: a photo of a kind of a label is no background.
    """

    labels: tuple[Label, ...]
    entities: Mapping[str, tuple[int, ...]]
    above: Above | None = None
    kinds: Above | None = None
    _found: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    _kinds_found: dict[str, bool] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, above: Above | None = None) -> CorpusLabels:
        """Read a vocabulary CSV with the columns `uri`, `name` and `photos`, a label a row, in the order of the file.

        A column `label`, if there is one, names the label in place of `name`, and rows that share it are one label,
        whose URI is that of its first row. Labels of one name but different URIs are told apart by a number.

        Raises
        ------
        LabelhedgeError
            When the file is missing, lacks a column, has an empty cell, or a URI twice.
        """
        path = Path(path)
        rows = [(line, *_entry(row, line, path)) for line, row in _rows(path, VOCABULARY)]
        if not rows:
            raise LabelhedgeError(f"{path}: there is no label in it: put some back, one a row")
        numbers: dict[str, int] = {}
        names: list[tuple[str, str]] = []  # name, URI
        entities: dict[str, tuple[int, ...]] = {}
        for line, uri, name, label in rows:
            number = numbers.setdefault(label or uri, len(names))
            if number == len(names):
                names.append((label or name, uri))
            if number in entities.get(uri, ()) or (uri in entities and not label):
                raise LabelhedgeError(f"{path}, line {line}: the URI {uri} stands twice: remove one of its rows")
            entities[uri] = (*entities.get(uri, ()), number)
        return cls(_labels(names), entities, above)

    def of(self, uri: str) -> tuple[int, ...]:
        """The numbers of the labels that an entity counts for, sorted."""
        if uri not in self._found:
            wider = {uri, *(self.above(uri) if self.above else ())}
            self._found[uri] = tuple(sorted({number for one in wider for number in self.entities.get(one, ())}))
        return self._found[uri]

    def is_kind(self, uri: str) -> bool:
        """Whether an entity counts for a label or is, by `kinds`, a kind of one."""
        if uri not in self._kinds_found:
            wider = self.kinds(uri) if self.kinds else ()
            self._kinds_found[uri] = bool(self.of(uri)) or any(one in self.entities for one in wider)
        return self._kinds_found[uri]

    def number(self, name: str) -> int | None:
        """The label of a name, id or URI; None where there is none, or more than one."""
        found = {
            *(number for number, label in enumerate(self.labels) if name in (label.name, label.id, label.uri)),
            *(numbers[0] for numbers in [self.entities.get(name, ())] if len(numbers) == 1),
        }
        return found.pop() if len(found) == 1 else None


def above_of(below: str | None, folder: str | os.PathLike[str] = wordnet.DEBIAN) -> Above | None:
    """What `--below` names: nothing, ``wordnet`` (in a folder), or a file of N-Triples."""
    if below is None:
        return None
    return wordnet_above(_wordnet(str(folder))) if below == "wordnet" else graph_above(below)


def with_kinds(
    labels: CorpusLabels, folder: str | os.PathLike[str] = wordnet.DEBIAN
) -> tuple[CorpusLabels, str | None]:
    """Labels that know what is a kind of them, where they are nouns of WordNet; or a remark that its files lack."""
    if labels.kinds is not None or not any(_synset(uri) for uri in labels.entities):
        return labels, None
    try:
        nouns = _wordnet(str(folder))
    except LabelhedgeError as error:
        return labels, f"photos of kinds of a label (of a poodle, say, for the label dog) may be background: {error}"
    return replace(labels, kinds=wordnet_above(nouns), _kinds_found={}), None


@cache
def _wordnet(folder: str) -> wordnet.WordNet:
    return wordnet.WordNet.open(folder)


def _synset(uri: str) -> str | None:
    found = _SYNSET.fullmatch(uri)
    return found[1] if found else None


def wordnet_above(nouns: wordnet.WordNet) -> Above:
    """What a WordNet noun is a kind of: its hypernyms, direct or not, by their IRIs (:func:`graph.wordnet.uri`)."""

    def above(uri: str) -> Collection[str]:
        synset = _synset(uri)
        if synset is None or synset not in nouns.names:
            return ()
        return [wordnet.uri(one) for one in nouns.ancestors(synset)]

    return above


def graph_above(path: str | os.PathLike[str]) -> Above:
    """What an entity is a kind of by an N-Triples file: whatever its statements lead to, in any number of steps."""
    parents: dict[str, set[str]] = defaultdict(set)
    for u, v, _ in read_triples(path):
        parents[v].add(u)

    def above(uri: str) -> Collection[str]:
        found: set[str] = set()
        waiting = [uri]
        while waiting:
            fresh = parents.get(waiting.pop(), set()) - found
            found |= fresh
            waiting += fresh
        return found

    return above


def read_checks(path: str | os.PathLike[str], labels: CorpusLabels) -> dict[str, tuple[int, ...]]:
    """Read what checkers said: a CSV with the columns `id` and `labels`.

    Labels are names, ids or URIs, separated by ``|``; none at all is background.

    Returns
    -------
    dict of photo id to sorted label numbers

    Raises
    ------
    LabelhedgeError
        When the file is missing, lacks a column, has an id twice, or a label that the vocabulary lacks.
    """
    path = Path(path)
    by_name = {name: number for name in _names(labels) if (number := labels.number(name)) is not None}
    checks: dict[str, tuple[int, ...]] = {}
    for line, row in _rows(path, ("id", "labels")):
        if not row["id"]:
            raise LabelhedgeError(f"{path}, line {line}: the id is empty: fill it in")
        if row["id"] in checks:
            raise LabelhedgeError(f"{path}, line {line}: the id {row['id']!r} stands twice: keep one of its rows")
        names = [name.strip() for name in row["labels"].split("|") if name.strip()]
        for name in names:
            if name not in by_name:
                raise LabelhedgeError(
                    f"{path}, line {line}: the vocabulary has no one label {name!r}: correct it, or add the label to "
                    "the vocabulary"
                )
        checks[row["id"]] = tuple(sorted({by_name[name] for name in names}))
    return checks


def _names(labels: CorpusLabels) -> Iterator[str]:
    for label in labels.labels:
        yield from (label.name, label.id)
        if label.uri:
            yield label.uri
    yield from labels.entities


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV with the numbers of their lines."""
    with reading(path), path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise LabelhedgeError(
                f"{path} lacks the column {missing[0]!r}: its first line must name {', '.join(columns)}; "
                + (semicolons(reader.fieldnames or ()) or f"found {', '.join(reader.fieldnames or ()) or 'nothing'}")
            )
        for row in reader:
            yield reader.line_num, {name: (row[name] or "").strip() for name in reader.fieldnames or ()}


def _entry(row: dict[str, str], line: int, path: Path) -> tuple[str, str, str]:
    if not row["uri"] or not row["name"]:
        raise LabelhedgeError(f"{path}, line {line}: the {'name' if row['uri'] else 'uri'} is empty: fill it in")
    return row["uri"], row["name"], row.get("label", "")


def _labels(names: Sequence[tuple[str, str]]) -> tuple[Label, ...]:
    """Labels with unique ids and names."""
    taken_names, taken_ids = Counter[str](), Counter[str]()
    taken_uris: set[str] = set()
    labels = []
    for name, uri in names:
        name, id_ = _unique(name, taken_names, " ({})"), _unique(_slug(name), taken_ids, "-{}")
        labels.append(Label(id=id_, name=name, uri=None if uri in taken_uris else uri))
        taken_uris.add(uri)
    return tuple(labels)


def _unique(name: str, taken: Counter[str], form: str) -> str:
    wanted = name
    while taken[wanted]:
        taken[name] += 1
        wanted = name + form.format(taken[name])
    taken[wanted] += 1
    return wanted


def _slug(name: str) -> str:
    """A name as an id: letters without accents and digits, in lower case, joined by hyphens."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return "-".join(re.findall(r"[^\W_]+", plain.lower())) or "label"
