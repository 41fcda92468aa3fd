"""`labelhedge collect`: from photos and their words to labels and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.common import group, interactive, named, show, typed

app = group("From photos and their words to labels and images.")

Workers = Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")]
Runner = Annotated[str, typer.Option(help="native: this machine; ray: a cluster, which RAY_ADDRESS names.")]


@app.command(
    "link",
    epilog="""Example: labelhedge collect link yfcc100m_dataset-0.bz2 --linker wordnet --out linked

labelhedge collect link photos.csv --columns id=photo_id,title=caption --linker names.csv --out linked""",
)
def collect_link(
    photos: Annotated[
        list[Path],
        typer.Argument(help="YFCC100M metadata, tables (CSV, TSV, JSON lines, Parquet), or a folder of images."),
    ],
    linker: Annotated[
        str, typer.Option(help="wordnet, the path of a lexicon or list of labels, or spotlight[:URL].")
    ] = "wordnet",
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("linked"),
    linker_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A setting of the linker; may be repeated.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="PHOTO=COLUMN,…", help="Which column is what; the others are guessed.")
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="Own columns of a table to keep, separated by commas. Default: all.")
    ] = None,
    tag_separator: Annotated[str | None, typer.Option(help="Between tags. Default: the first of , ; | found.")] = None,
    format: Annotated[
        str | None, typer.Option(help="yfcc, csv, tsv, jsonl, parquet or folder. Default: by ending and content.")
    ] = None,
    part_size: Annotated[int, typer.Option(min=1, help="Lines of each part of the result.")] = 50_000,
    workers: Workers = None,
    runner: Runner = "native",
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin again, whatever is there.")] = False,
) -> None:
    """Find entities in the titles, tags and descriptions of photos; goes on where it was stopped."""
    from labelhedge.collect.link import link_photos

    summary = link_photos(
        list(photos),
        out,
        linker=linker,
        linker_options=typed(named(linker_option, "--linker-option")),
        format=format,
        columns=named(columns.split(","), "--columns") if columns else None,
        keep=keep.split(",") if keep else None,
        tag_separator=tag_separator,
        part_size=part_size,
        workers=workers,
        runner=runner,
        fresh=fresh,
        progress=interactive(),
    )
    show(summary.table())
    show("\n".join([summary.line(out), *summary.notes(out)]))


@app.command(
    "domains",
    epilog="""Example: labelhedge collect domains linked --types instance_types_en.ttl.bz2 --domain species=dbo:Species

labelhedge collect domains linked --domain species=animal.1,plant.2 --choose species --out vocabulary.csv""",
)
def collect_domains(
    linked: Annotated[Path, typer.Argument(help="What collect link wrote.")],
    types: Annotated[
        list[Path] | None, typer.Option(help="RDF with types, or CSV (uri,domain); may be repeated.")
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TYPE,…", help="Types (dbo:Species) or WordNet senses (animal.1) of a domain."),
    ] = None,
    wordnet: Annotated[Path | None, typer.Option(help="The folder of WordNet's files, where not Debian's.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Domains to print.")] = 20,
    choose: Annotated[str | None, typer.Option(help="Choose the vocabulary of this domain.")] = None,
    min_photos: Annotated[int, typer.Option(min=1, help="With --choose: photos of a label, at least.")] = 20,
    visual: Annotated[Path | None, typer.Option(help="With --choose: a list of the entities to choose from.")] = None,
    exclude: Annotated[Path | None, typer.Option(help="With --choose: a list of entities to leave out.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write: the vocabulary, or the table.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a CSV that is there.")] = False,
    runner: Runner = "native",
) -> None:
    """Print the entities and photos of each domain, and choose a domain's vocabulary."""
    from labelhedge.collect.domains import count_domains
    from labelhedge.collect.vocabulary import choose_vocabulary
    from labelhedge.files import new_file

    if out is not None:
        new_file(out, overwrite=overwrite)
    counts = count_domains(linked, types or (), domains=domain, wordnet=wordnet, runner=runner)
    show(counts.table(top))
    show(counts.summary(top))
    if choose:
        chosen = choose_vocabulary(counts, choose, min_photos=min_photos, visual=visual, exclude=exclude, out=out)
        show(chosen.summary())
    elif out:
        counts.write(out)
