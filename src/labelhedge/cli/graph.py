"""`labelhedge graph`: make a graph of label relations, and look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelhedge.cli.common import CorpusArgument, group, interactive, show

if TYPE_CHECKING:
    from labelhedge.corpus import CorpusInfo

app = group("Make a graph of label relations, and look at it.")


@app.command(
    "build",
    epilog="""Example: labelhedge graph build my-corpus --from objects.ttl.bz2 --redirects redirects.ttl.bz2

labelhedge graph build my-corpus --from https://dbpedia.org/sparql --relations family,order

labelhedge graph build my-corpus --from wordnet --match name --below organism.1

labelhedge graph build --labels words.csv --from triples.tsv --prefix http://dbpedia.org/resource/ --out graph.nt""",
)
def graph_build(
    corpus: Annotated[str | None, typer.Argument(help="A corpus folder; graph.nt is written into it.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Instead of a corpus: labels in a CSV with the columns uri and name.")
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="RDF (.nt, .ttl, .nq, .tql, .rdf, .jsonld; .gz, .bz2, .xz, .zst), a TSV or CSV of triples, a folder "
            "of these, a store made before, the address of a SPARQL endpoint, wordnet or wordnet:FOLDER. Repeatable.",
        ),
    ] = None,
    redirects: Annotated[
        list[Path] | None, typer.Option(help="A file of dbo:wikiPageRedirects triples. Repeatable.")
    ] = None,
    relations: Annotated[
        str, typer.Option(help="auto: those that tell most; all; or names, separated by commas.")
    ] = "auto",
    match: Annotated[str, typer.Option(metavar="uri|name|id", help="What of a label the sources call it by.")] = "uri",
    prefix: Annotated[str | None, typer.Option(help="Before bare names, such as http://dbpedia.org/resource/.")] = None,
    relation_prefix: Annotated[str | None, typer.Option(help="Before bare names of relations in a table.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Head (the label), tail and relation of a table: 2,1,3 or names in its first line."),
    ] = None,
    below: Annotated[
        str | None, typer.Option(help="With --match name, WordNet senses below these: organism.1,artifact.1.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Keep what is loaded in this folder. Default: beside graph.nt, until it is done."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: graph.nt in the corpus.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a graph that is there.")] = False,
) -> None:
    """Find what the labels are related to, and write the relations that tell most. Stopped, it goes on."""
    from labelhedge.errors import LabelhedgeError
    from labelhedge.graph.build import read_labels
    from labelhedge.graph.job import build_file

    if (corpus is None) == (labels is None):
        raise LabelhedgeError("name a corpus folder, or a CSV with --labels, and not both")
    if corpus is None and out is None:
        raise LabelhedgeError("labels of a CSV have no corpus to write into: name a file with --out")
    folder, info = (None, None) if corpus is None else _corpus(corpus)
    for what in build_file(
        read_labels(labels) if labels else info.labels,  # type: ignore[union-attr]
        out or folder / "graph.nt",  # type: ignore[operator]
        sources=sources or [],
        redirects=redirects or [],
        relations=relations,
        match=match,
        prefix=prefix,
        relation_prefix=relation_prefix,
        columns=columns,
        below=below,
        store=store,
        overwrite=overwrite,
        progress=interactive(),
    ):
        show(what)


@app.command("show", epilog="Example: labelhedge graph show clipart --out clipart.svg")
def graph_show(
    corpus: CorpusArgument,
    relations: Annotated[
        str | None, typer.Option(help="Draw only these relations, separated by commas. Default: all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture, an SVG file.")] = Path("graph.svg"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that is there.")] = False,
) -> None:
    """Print what each relation tells about the labels, and draw labels and their siblings."""
    from labelhedge.graph.job import show_file

    folder, info = _corpus(corpus)
    for what in show_file(
        folder / "graph.nt",
        info.labels,
        out,
        title=info.name,
        relations=relations.split(",") if relations else None,
        overwrite=overwrite,
    ):
        show(what)


def _corpus(name: str) -> tuple[Path, CorpusInfo]:
    """Folder and labels of a corpus; its samples are not looked at."""
    from labelhedge.corpus.corpus import EMBEDDED
    from labelhedge.corpus.schema import read_info

    folder = EMBEDDED / name if not Path(name).exists() and (EMBEDDED / name).is_dir() else Path(name)
    return folder, read_info(folder)
