"""What `labelhedge graph build` and `labelhedge graph show` do, from files to files, with what they print."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from labelhedge.errors import LabelhedgeError
from labelhedge.files import new_file
from labelhedge.graph.build import Match, build_graph, figures_table, useless_lines
from labelhedge.graph.files import NAME, TableFormat
from labelhedge.graph.information import fitting_siblings, measure_relations
from labelhedge.graph.label_graph import LabelGraph
from labelhedge.graph.picture import draw_graph
from labelhedge.graph.relations import describe_siblings
from labelhedge.graph.sources import open_sources
from labelhedge.graph.triple_store import discard
from labelhedge.graph.triples import read_names


def build_file(
    labels: Sequence[Any],
    out: str | os.PathLike[str],
    *,
    sources: Sequence[str],
    redirects: Sequence[str | os.PathLike[str]] = (),
    relations: str = "auto",
    match: str = "uri",
    prefix: str | None = None,
    relation_prefix: str | None = None,
    columns: str | None = None,
    below: str | None = None,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Iterator[Any]:
    """Build the graph of labels into a file, and say what was found; the parameters are those of the command.

    What is loaded stays in a folder beside `out` until the file is written, so that a build that was killed, or found
    nothing of use, goes on; it is loaded afresh where the sources or how they are read differ. A `store` that is named
    stays for other builds.

    Yields
    ------
    str or rich.table.Table
        To be printed.

    Raises
    ------
    FileExistsError
        When `out` is there and `overwrite` is false.
    ValueError
        When an option is wrong, a source cannot be read, or no graph results.
    """
    out = new_file(out, overwrite=overwrite)
    if match not in ("uri", "name", "id"):
        raise LabelhedgeError(f"--match is uri, name or id, found {match!r}")
    parts = tuple(part.strip() for part in columns.split(",")) if columns else None
    if parts is not None and len(parts) != 3:
        raise LabelhedgeError(f"--columns names head, tail and relation, found {columns!r}")
    table = TableFormat(parts, prefix or NAME, relation_prefix)
    folder = Path(store) if store else out.with_name(f".{out.name}.store")
    with open_sources(
        sources,
        store=folder,
        redirects=redirects,
        replace=store is None,
        table=table,
        by_name=match == "name",
        below=below.split(",") if below else (),
        progress=progress,
    ) as opened:
        built = build_graph(
            labels,
            opened.sources,
            match=cast(Match, match),
            prefix=prefix or NAME,
            relations=cast(Literal["auto", "all"], relations) if relations in ("auto", "all") else relations.split(","),
        )
        yield from opened.lines()
    yield from built.lines()
    yield figures_table(built.figures, built.chosen)
    yield from useless_lines(built.figures)
    count = built.write(out)
    if store is None:
        discard(folder)
    yield f"{count:,} triples: {out}"


def show_file(
    path: str | os.PathLike[str],
    labels: Sequence[Any],
    out: str | os.PathLike[str],
    *,
    title: str = "",
    relations: Collection[str] | None = None,
    overwrite: bool = False,
) -> Iterator[Any]:
    """Print the figures of a graph's relations and draw labels and their siblings.

    Yields
    ------
    str or rich.table.Table
        To be printed.

    Raises
    ------
    ValueError
        When there is no graph, or a relation is unknown.
    FileExistsError
        When `out` is there and `overwrite` is false.
    """
    path, out = Path(path), new_file(out, overwrite=overwrite)
    if not path.exists():
        raise LabelhedgeError(f"{path} is not there: make it with `labelhedge graph build {path.parent} --from …`")
    if out.suffix.lower() != ".svg":
        raise LabelhedgeError(f"{out}: the picture is an SVG file; give it the ending .svg")
    graph = LabelGraph.from_file(path, labels)
    chosen = [graph.relations[number] for number in graph.numbers(relations)]
    figures = measure_relations(graph)
    yield figures_table(figures, chosen)
    yield from useless_lines(figures)
    matrix, omitted = fitting_siblings(graph, [row.relation for row in figures if row.relation in set(chosen)])
    yield describe_siblings(matrix)
    drawn = graph.limited_to(set(chosen) - omitted.keys())
    picture = draw_graph(
        drawn, [label.name for label in labels], title=title, entity_names=read_names(path), omitted=omitted.values()
    )
    picture.save(out)
    yield from (f"note: {text}" for text in picture.omitted)
    yield f"picture: {out}"
