"""A picture of labels and their siblings, as SVG: a row a label, a column a relation, a block a group of siblings.

    draw_graph(graph, names, entity_names={}).save("graph.svg")

Labels are ordered so that siblings lie next to each other, by the relation of most labels first. A group that another
relation cuts apart is drawn as several blocks of one name and one colour. Hovering over a block lists its labels.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle, groupby
from urllib.parse import unquote

from labelhedge.files import replacing
from labelhedge.graph.label_graph import LabelGraph, local_name

MOST_LABELS = 400
MOST_COLUMNS = 6
MOST_LANES = 3
"""What one picture holds; more is left out, and the picture says so."""

ROW, WIDTH, GAP, MARGIN, HEAD = 22, 168, 10, 24, 118
COLOURS = ["#3b76af", "#d98032", "#4f9a5b", "#b6504f", "#8467ad", "#8a6a5c", "#c973a8", "#5d9fb0", "#a8992f", "#6b7480"]
INK, FAINT, GREY = "#1f2933", "#7b8794", "#9aa5b1"


@dataclass(frozen=True)
class Picture:
    """A drawing, and what was left out of it.

    Attributes
    ----------
    svg : str
    omitted : list of str
        In words; empty where everything is drawn.
    """

    svg: str
    omitted: list[str]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the SVG, atomically."""
        with replacing(path) as new:
            new.write_text(self.svg, encoding="utf-8")


@dataclass(frozen=True)
class _Column:
    """A relation, or a further lane of one: the entity of each label, if any."""

    title: str
    entities: Mapping[int, int]
    groups: Mapping[int, Sequence[int]]
    """Labels of each entity that two or more share."""


def draw_graph(
    graph: LabelGraph,
    names: Sequence[str],
    *,
    title: str = "",
    entity_names: Mapping[str, str] | None = None,
    omitted: Iterable[str] = (),
) -> Picture:
    """Draw labels and their siblings.

    Parameters
    ----------
    graph : LabelGraph
        Of L labels; all of its relations are drawn, those with most related labels first where there are too many.
    names : L strings
    title : str
    entity_names : mapping from IRI to name, optional
        What entities are called; default: the end of their IRIs.
    omitted : strings
        What was left out of the graph before, for the picture to say.

    Examples
    --------
    >>> triples = [("urn:Felidae", "cat", "urn:family"), ("urn:Felidae", "lion", "urn:family")]
    >>> picture = draw_graph(LabelGraph.from_triples(triples, ["cat", "lion", "owl"]), ["cat", "lion", "owl"])
    >>> "Felidae" in picture.svg, "without siblings" in picture.svg, picture.omitted
    (True, True, [])
    """
    columns, more = _columns(graph)
    omitted = [*omitted, *more]
    related = {label for column in columns for labels in column.groups.values() for label in labels}
    rows = _order(sorted(related), columns, names)
    if len(rows) > MOST_LABELS:
        omitted.append(f"{len(rows) - MOST_LABELS:,} of {len(rows):,} labels with siblings are not drawn")
        rows = rows[:MOST_LABELS]
    alone = [names[label] for label in range(graph.count) if label not in related]
    shown = {iri: (entity_names or {}).get(iri) or _readable(iri) for iri in graph.entities}
    counts = _counts(rows, columns)
    colours = _colours(rows, columns)
    left = MARGIN + max([60, *(_width(names[label]) for label in rows)]) + 44
    width = max(left + len(columns) * (WIDTH + GAP) + MARGIN, 620)
    parts = _names(rows, names, counts, left) if rows else []
    for number, column in enumerate(columns):
        x = left + number * (WIDTH + GAP)
        parts += _head(column, x)
        parts += _blocks(column, rows, x, number, colours, shown, graph, names)
    bottom = HEAD + len(rows) * ROW + 14
    foot, height = _foot(alone, omitted, bottom, width)
    total = f"{len(related):,} of {graph.count:,} labels have siblings"
    heading = f'<text x="{MARGIN}" y="40" class="title">{escape(title or "Labels and their siblings")}</text>'
    heading += f'<text x="{MARGIN}" y="62" class="faint">{total}; the number after a name counts them</text>'
    return Picture(_page(width, height, heading + "".join(parts + foot)), omitted)


def _columns(graph: LabelGraph) -> tuple[list[_Column], list[str]]:
    """Relations that make siblings, those of most labels first; one of several values for a label takes more lanes."""
    found = []
    short = Counter(map(local_name, graph.relations))
    for number, relation in enumerate(graph.relations):
        rows = graph.relation == number
        members: dict[int, list[int]] = defaultdict(list)
        for label, entity in zip(graph.label[rows].tolist(), graph.entity[rows].tolist(), strict=True):
            members[entity].append(label)
        groups = {entity: labels for entity, labels in members.items() if len(labels) > 1}
        if groups:
            name = local_name(relation)
            found.append((name if short[name] == 1 else relation, groups))
    found.sort(key=lambda one: (-len({label for group in one[1].values() for label in group}), len(one[1]), one[0]))
    omitted = [f"the relation {name} is not drawn" for name, _ in found[MOST_COLUMNS:]]
    found = found[:MOST_COLUMNS]
    columns = []
    for name, groups in found:
        lanes: list[dict[int, int]] = []
        left_out = 0
        for entity in sorted(groups, key=lambda entity: (-len(groups[entity]), graph.entities[entity])):
            lane = next((lane for lane in lanes if not lane.keys() & set(groups[entity])), None)
            if lane is None and len(lanes) < MOST_LANES:
                lane = {}
                lanes.append(lane)
            if lane is None:
                left_out += 1
            else:
                lane.update(dict.fromkeys(groups[entity], entity))
        if left_out:
            omitted.append(f"{left_out:,} of {len(groups):,} groups of {name} overlap others and are not drawn")
        for number, lane in enumerate(lanes):
            inside = {entity: groups[entity] for entity in dict.fromkeys(lane.values())}
            columns.append(_Column(name if not number else f"{name} ({number + 1})", lane, inside))
    return columns, omitted


def _counts(rows: Sequence[int], columns: Sequence[_Column]) -> dict[int, int]:
    """How many siblings each label that is drawn has; of all labels, the sets would not fit into memory."""
    siblings: dict[int, set[int]] = {label: set() for label in rows}
    for column in columns:
        for labels in column.groups.values():
            for label in siblings.keys() & set(labels):
                siblings[label].update(labels)
    return {label: len(group) - 1 for label, group in siblings.items()}


def _order(labels: Sequence[int], columns: Sequence[_Column], names: Sequence[str]) -> list[int]:
    """Labels with siblings next to each other: large groups first, labels without a group in a column behind them."""

    def key(label: int) -> tuple[object, ...]:
        places: list[object] = []
        for column in columns:
            entity = column.entities.get(label)
            places.append((1, 0, 0) if entity is None else (0, -len(column.groups[entity]), entity))
        return (*places, names[label].lower(), label)

    return sorted(labels, key=key)


def _colours(rows: Sequence[int], columns: Sequence[_Column]) -> list[dict[int, str]]:
    """For each column a colour of each entity.

    The column with most groups gives each of its groups a colour; a group elsewhere takes the colour that its labels
    have there, is grey where they have several, and gets one of its own where they have none.
    """
    if not columns:
        return []
    key = max(columns, key=lambda column: len(column.groups))
    fresh = cycle(COLOURS)
    colour: dict[int, str] = {}
    found: dict[int, dict[int, str]] = {}
    for column in [key, *(column for column in columns if column is not key)]:
        own = found[id(column)] = {}
        for entity in dict.fromkeys(column.entities[label] for label in rows if label in column.entities):
            labels = column.groups[entity]
            there = {colour[label] for label in labels if label in colour}
            own[entity] = GREY if len(there) > 1 else there.pop() if there else next(fresh)
            for label in labels:
                colour.setdefault(label, own[entity])
    return [found[id(column)] for column in columns]


def _blocks(
    column: _Column, rows: Sequence[int], x: float, place: int, colours: Sequence[Mapping[int, str]],
    shown: Mapping[str, str], graph: LabelGraph, names: Sequence[str],
) -> list[str]:  # fmt: skip
    parts = []
    row = 0
    for entity, run in groupby(rows, key=lambda label: column.entities.get(label)):
        count = len(list(run))
        if entity is not None:
            y, height = HEAD + row * ROW + 1.5, count * ROW - 3
            members = ", ".join(names[label] for label in column.groups[entity])
            name = shown[graph.entities[entity]]
            size = f" · {len(column.groups[entity])}"
            text = _cut(name, WIDTH - 24 - 7 * len(size)) + size
            tip = f"{name}: {members}"
            colour = colours[place][entity]
            parts.append(
                f'<g><title>{escape(tip)}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="5" '
                f'fill="{colour}" fill-opacity="0.16"/><rect x="{x}" y="{y}" width="5" height="{height}" rx="2.5" '
                f'fill="{colour}"/><text x="{x + 14}" y="{y + height / 2 + 4.5}" class="block">'
                f"{escape(text)}</text></g>"
            )
        row += count
    return parts


def _names(rows: Sequence[int], names: Sequence[str], counts: Mapping[int, int], left: float) -> list[str]:
    parts = []
    for row, label in enumerate(rows):
        y = HEAD + row * ROW
        parts.append(
            f'<line x1="{MARGIN}" x2="{left - GAP}" y1="{y}" y2="{y}" stroke="#e4e7eb"/>'
            f'<text x="{MARGIN}" y="{y + 15.5}" class="name">{escape(_cut(names[label], 320))}</text>'
            f'<text x="{left - GAP - 6}" y="{y + 15.5}" class="count">{counts[label]}</text>'
        )
    return parts


def _head(column: _Column, x: float) -> list[str]:
    sizes = [len(labels) for labels in column.groups.values()]
    plural = "group" if len(sizes) == 1 else "groups"
    figures = f"{len(sizes)} {plural} of {min(sizes)}" + (f" to {max(sizes)}" if max(sizes) > min(sizes) else "")
    return [
        f'<text x="{x}" y="{HEAD - 24}" class="head">{escape(_cut(column.title, WIDTH))}</text>'
        f'<text x="{x}" y="{HEAD - 9}" class="faint small">{figures}</text>'
    ]


def _foot(alone: Sequence[str], omitted: Sequence[str], y: float, width: float) -> tuple[list[str], float]:
    lines: list[tuple[str, str]] = []
    if alone:
        lines.append(("head", f"{len(alone):,} without siblings"))
        listed = list(alone[:MOST_LABELS]) + (
            [f"and {len(alone) - MOST_LABELS:,} more"] if len(alone) > MOST_LABELS else []
        )
        lines += [("faint", line) for line in _wrap(listed, width - 2 * MARGIN)]
    lines += [("faint", f"Left out: {text}.") for text in omitted]
    parts = []
    for kind, text in lines:
        y += 20
        parts.append(f'<text x="{MARGIN}" y="{y}" class="{kind}">{escape(text)}</text>')
    return parts, y + MARGIN


def _wrap(words: Sequence[str], width: float) -> list[str]:
    lines, line = [], ""
    for number, word in enumerate(words):
        text = word + (", " if number < len(words) - 1 else "")
        if line and _width(line + text) > width:
            lines.append(line)
            line = ""
        line += text
    return [*lines, line] if line else lines


def _width(text: str) -> float:
    return min(6.9 * len(text), 330.0) if len(text) < 60 else 6.9 * len(text)


def _cut(text: str, width: float) -> str:
    most = int(width / 6.7)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _readable(iri: str) -> str:
    return re.sub(r"\.\d{8}$", "", unquote(local_name(iri))).replace("_", " ")


def _page(width: float, height: float, content: str) -> str:
    style = (
        f"text{{font:13px system-ui,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif;fill:{INK}}}"
        ".title{font-size:19px;font-weight:600}.head{font-weight:600}.block{font-size:12.5px}"
        f".faint{{fill:{FAINT};font-size:12.5px}}.small{{font-size:11.5px}}"
        f".count{{fill:{FAINT};font-size:11.5px;text-anchor:end}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{content}</svg>\n'
    )
