"""From labels and sources to `graph.nt`: which entities the labels are, what they are related to, by which relations.

    with open_sources(["dbpedia50.tsv.gz"], store="graph.store", table=TableFormat(prefix=DBPEDIA)) as opened:
        built = build_graph(corpus.labels, opened.sources)
    built.write("my-corpus/graph.nt")

Only what the labels themselves are related to, one hop away, is looked at. Redirects are followed on both sides: from
a label's name to the entity that has the statements, and from the entities found to what they are called today.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import unquote

import numpy as np
import pyoxigraph

from labelhedge.errors import LabelhedgeError, reading
from labelhedge.graph.files import NAME, bare
from labelhedge.graph.information import Figures, choose_relations, measure_relations
from labelhedge.graph.label_graph import LabelGraph, label_iri, local_name
from labelhedge.graph.sparql import Source
from labelhedge.graph.triples import Triple, write_triples

if TYPE_CHECKING:
    from rich.table import Table

Match = Literal["uri", "name", "id"]


class GraphLabel(NamedTuple):
    """A label where there is no corpus: of a CSV file."""

    id: str
    name: str
    uri: str | None


@dataclass(frozen=True)
class Built:
    """A graph of labels, and what is known of its relations.

    Attributes
    ----------
    graph : LabelGraph
        Of all relations that the labels have.
    figures : list of Figures
    chosen : list of str
        IRIs of the relations that are written.
    subjects : list of L str or None
        The IRI of each label in `graph.nt`; None where it has no statement.
    unmatched : list of str
        Names of the labels without any statement.
    redirected : tuple of int
        How many labels, and how many entities, were redirects.
    names : dict of str to str
        What entities are called, where their IRIs do not tell.
    """

    graph: LabelGraph
    figures: list[Figures]
    chosen: list[str]
    subjects: list[str | None]
    unmatched: list[str]
    redirected: tuple[int, int]
    names: dict[str, str]

    def triples(self) -> Iterator[Triple]:
        """The triples of the chosen relations, by label, relation and entity."""
        graph = self.graph
        chosen = np.isin(graph.relation, [graph.relations.index(name) for name in self.chosen])
        order = np.flatnonzero(chosen)
        order = order[np.lexsort((graph.entity[order], graph.relation[order], graph.label[order]))]
        for row in order:
            subject = self.subjects[graph.label[row]]
            if subject is not None:
                yield Triple(graph.entities[graph.entity[row]], subject, graph.relations[graph.relation[row]])

    def lines(self) -> list[str]:
        """What became of the labels and the relations, in words."""
        count, lacking = self.graph.count, len(self.unmatched)
        told = [f"{count:,} labels = {count - lacking:,} found in the sources + {lacking:,} not found"]
        if lacking:
            more = ", …" if lacking > 8 else ""
            told.append("  not found: " + ", ".join(self.unmatched[:8]) + more)
        if any(self.redirected):
            told.append("redirects followed: {:,} of labels, {:,} of entities".format(*self.redirected))
        told.append("relations: " + (", ".join(map(local_name, self.chosen)) or "none"))
        return told

    def write(self, path: str | os.PathLike[str]) -> int:
        """Write the triples of the chosen relations, atomically; returns how many.

        Raises
        ------
        ValueError
            When there are none.
        """
        count = int(np.isin(self.graph.relation, [self.graph.relations.index(name) for name in self.chosen]).sum())
        if not count:
            if len(self.unmatched) == self.graph.count:
                raise LabelhedgeError(
                    "no label was found in the sources: are its URIs those of the sources? Labels can be looked up by "
                    "name with --match name and --prefix, such as http://dbpedia.org/resource/"
                )
            found = self.graph.count - len(self.unmatched)
            raise LabelhedgeError(
                f"no relation makes siblings of use among the {found:,} of {self.graph.count:,} labels that were found "
                "in the sources: name some with --relations, or add a source"
            )
        entities = {triple.u for triple in self.triples()} if self.names else set()
        write_triples(path, self.triples(), {iri: name for iri, name in self.names.items() if iri in entities})
        return count


def build_graph(
    labels: Sequence[Any],
    sources: Sequence[Source],
    *,
    match: Match = "uri",
    prefix: str = NAME,
    relations: Collection[str] | Literal["auto", "all"] = "auto",
) -> Built:
    """Find what labels are related to, and choose relations.

    Parameters
    ----------
    labels : L objects with `id`, `name` and `uri`
        In the graph a label is called by its `uri`, or by an IRI made of its `id` where it has none.
    sources : sequence of Source
        Their statements are put together.
    match : {"uri", "name", "id"}
        What of a label the sources call it by.
    prefix : str
        Before names and ids; names of Wikipedia begin with a capital letter, and both spellings are tried.
    relations : "auto", "all" or names
        See :func:`labelhedge.graph.information.choose_relations`; or relations in full or by their local names.

    Raises
    ------
    ValueError
        When a label's URI is no IRI, or no label has one of the relations named.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from labelhedge.graph.sparql import Sparql
    >>> from labelhedge.graph.triple_store import TripleStore
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> names = {"tiger": "Felidae", "lion": "Felidae", "wolf": "Canidae", "fox": "Canidae"}
    >>> _ = (folder / "a.tsv").write_text("".join(f"{name}\\t{family}\\tfamily\\n" for name, family in names.items()))
    >>> with TripleStore(folder / "store") as store:
    ...     _ = store.load(folder / "a.tsv")
    ...     labels = [GraphLabel(name, name, f"urn:{name}") for name in names]
    ...     built = build_graph(labels, [Sparql(store.ask)], match="name")
    >>> built.chosen, next(built.triples())
    (['urn:labelhedge:relation:family'], Triple(u='urn:labelhedge:name:Felidae', v='urn:tiger', r='urn:labelhedge:relation:family'))
    """  # noqa: E501
    candidates = [_candidates(label, match, prefix) for label in labels]
    names = sorted(set(chain.from_iterable(candidates)))
    today = follow_redirects(sources, names)
    subjects = sorted({*names, *today.values()})
    wanted = None if isinstance(relations, str) else relations
    rows = chain.from_iterable(source.statements(subjects, wanted) for source in sources)
    facts = LabelGraph.from_triples(rows, subjects)
    _check_relations(facts, wanted)
    renamed = follow_redirects(sources, list(facts.entities))
    found = _first_with_statements(facts, subjects, candidates, today)
    subject_iris = [label_iri(label) if name else None for label, name in zip(labels, found, strict=True)]
    graph = LabelGraph.from_triples(_of_labels(facts, subjects, found, renamed), [str(n) for n in range(len(labels))])
    figures = measure_relations(graph)
    if relations == "auto":
        chosen = choose_relations(graph, figures)
    else:
        chosen = [graph.relations[number] for number in graph.numbers(wanted)]
    return Built(
        graph=graph,
        figures=figures,
        chosen=chosen,
        subjects=subject_iris,
        unmatched=[label.name for label, name in zip(labels, found, strict=True) if not name],
        redirected=(
            sum(1 for own, name in zip(candidates, found, strict=True) if name and name not in own),
            sum(1 for name, target in renamed.items() if name != target),
        ),
        names={iri: name for source in sources for iri, name in source.called(graph.entities).items()},
    )


def follow_redirects(sources: Sequence[Source], names: Sequence[str]) -> dict[str, str]:
    """Where each name leads in the end; itself where it is no redirect.

    Chains are followed to their end. Names that lead round in a circle all become the first of the circle by name.

    Returns
    -------
    dict from each name to another or itself
    """
    steps: dict[str, str] = {}
    asked: set[str] = set()
    pending = sorted(set(names))
    while pending:
        asked.update(pending)
        for source in reversed(sources):  # of two that disagree, the first source wins
            steps.update(source.redirects(pending))
        pending = sorted(set(steps.values()) - asked)
    return {name: _end(name, steps) for name in names}


def read_labels(path: str | os.PathLike[str]) -> list[GraphLabel]:
    """Labels of a CSV file with a header; columns `uri` and `name`, and `id` if there is one.

    Raises
    ------
    ValueError
        When a column is missing, or two labels share a URI or an id.
    """
    with reading(path), Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"uri", "name"} - set(reader.fieldnames or ())
        if missing:
            raise LabelhedgeError(
                f"{path} lacks the column {sorted(missing)[0]!r}: labels have the columns uri and name"
            )
        labels = [GraphLabel(row.get("id") or row["name"], row["name"], row["uri"] or None) for row in reader]
    iris = [label_iri(label) for label in labels]
    if len(set(iris)) < len(iris):
        twice = next(iri for iri in iris if iris.count(iri) > 1)
        raise LabelhedgeError(f"{path}: two labels are {twice}: give each a URI of its own")
    if not labels:
        raise LabelhedgeError(f"{path} holds no label")
    return labels


def figures_table(figures: Iterable[Figures], chosen: Collection[str]) -> Table:
    """A table of relations for the terminal, those chosen marked ✓ and useless ones –; none that no label has."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "relation", box=None, pad_edge=False)
    for name in ("labels", "groups", "related", "siblings", "largest", "information", "worth"):
        table.add_column(name, justify="right", no_wrap=True)
    listed = _listed(figures)
    for name, row in listed.items():
        table.add_row(
            "✓" if row.relation in chosen else "–" if row.useless else "",
            escape(name),
            *(f"{number:,}" for number in (row.labels, row.groups, row.related)),
            f"{row.siblings:,.1f}", f"{row.largest:,}", f"{row.information:.3f}", f"{row.worth:.3f}",
        )  # fmt: skip
    return table


def useless_lines(figures: Iterable[Figures]) -> list[str]:
    """Why relations are useless, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for name, row in _listed(figures).items():
        if row.useless:
            reasons.setdefault(row.useless, []).append(name)
    return [f"useless, {reason}: {', '.join(names)}" for reason, names in reasons.items()]


def _listed(figures: Iterable[Figures]) -> dict[str, Figures]:
    """The relations that labels have by their local names, or in full where two have the same."""
    rows = [row for row in figures if row.labels]
    short = [local_name(row.relation) for row in rows]
    return {row.relation if short.count(name) > 1 else name: row for name, row in zip(short, rows, strict=True)}


def _candidates(label: Any, match: Match, prefix: str) -> list[str]:
    """What the sources may call a label, the likeliest first."""
    if match == "uri":
        if label.uri is None:
            return []
        found = [label.uri, unquote(label.uri)]
    elif match == "id":
        found = [prefix + bare(label.id)]
    else:
        name = bare(label.name)
        found = [prefix + name, prefix + name[:1].upper() + name[1:]]
    valid = [name for name in dict.fromkeys(found) if _is_iri(name)]
    if not valid:
        raise LabelhedgeError(f"the label {label.name!r} cannot be looked up: {found[0]!r} is no IRI")
    return valid


def _is_iri(name: str) -> bool:
    try:
        pyoxigraph.NamedNode(name)
    except ValueError:
        return False
    return True


def _first_with_statements(
    facts: LabelGraph, subjects: Sequence[str], candidates: Sequence[Sequence[str]], today: dict[str, str]
) -> list[str | None]:
    """For each label the subject whose statements are its own: a candidate, or what one of them redirects to."""
    known = {subjects[number] for number in np.unique(facts.label)}
    return [next((name for own in names for name in (today[own], own) if name in known), None) for names in candidates]


def _of_labels(
    facts: LabelGraph, subjects: Sequence[str], found: Sequence[str | None], renamed: dict[str, str]
) -> Iterator[Triple]:
    """The statements of the labels, a label called by its number."""
    numbers = {name: number for number, name in enumerate(subjects)}
    order = np.argsort(facts.label, kind="stable")
    bounds = np.searchsorted(facts.label[order], np.arange(len(subjects) + 1))
    for label, name in enumerate(found):
        if name is not None:
            for row in order[bounds[numbers[name]] : bounds[numbers[name] + 1]]:
                entity = facts.entities[facts.entity[row]]
                yield Triple(renamed[entity], str(label), facts.relations[facts.relation[row]])


def _check_relations(facts: LabelGraph, wanted: Collection[str] | None) -> None:
    there = {*facts.relations, *map(local_name, facts.relations)}
    for name in wanted or ():
        if name not in there:
            raise LabelhedgeError(
                f"no label has the relation {name!r} in the sources: `--relations all` shows those that they have"
            )


def _end(name: str, steps: dict[str, str]) -> str:
    path = [name]
    while path[-1] in steps:
        after = steps[path[-1]]
        if after in path:
            return min(path[path.index(after) :])
        path.append(after)
    return path[-1]
