"""`labelhedge corpus import photos`: the last step of collecting, from linked photos and their images to a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.common import interactive, show
from labelhedge.cli.importing import Overwrite, app, voted_before


@app.command(
    "photos",
    epilog="""Example: labelhedge corpus import photos linked my-corpus --vocabulary vocabulary.csv --images images

labelhedge corpus import photos linked my-corpus --vocabulary vocabulary.csv --checked checks.csv --below wordnet""",
)
def import_photos(
    linked: Annotated[Path, typer.Argument(help="A folder of linked photos, of `labelhedge collect link`.")],
    target: Annotated[Path, typer.Argument(help="The folder to write.")],
    vocabulary: Annotated[
        Path, typer.Option(help="A CSV with the columns uri, name, photos: a label a row. A column label joins rows.")
    ],
    images: Annotated[
        Path | None, typer.Option(help="A folder of `labelhedge collect download`. Default: the photos' own files.")
    ] = None,
    checked: Annotated[
        Path | None,
        typer.Option(help="A CSV with the columns id, labels: true labels, separated by |; none is background."),
    ] = None,
    background: Annotated[
        float, typer.Option(min=0, help="Background images: a share of all below 1, otherwise a number.")
    ] = 0.3,
    fractions: Annotated[str, typer.Option(help="Shares of train, test and dev.")] = "6:3:1",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split and other background images.")] = 0,
    clean_share: Annotated[
        float | None, typer.Option(help="Trust this share of the training samples. Default: all checked ones.")
    ] = None,
    min_score: Annotated[float, typer.Option(help="Entities that score less give no label.")] = 0.0,
    min_images_per_label: Annotated[int, typer.Option(min=1, help="Labels with fewer images are left out.")] = 10,
    below: Annotated[
        str | None,
        typer.Option(metavar="wordnet|FILE", help="Entities below a label count for it: by WordNet, or by a graph.nt."),
    ] = None,
    wordnet: Annotated[
        Path, typer.Option(help="Where WordNet's files are: what is a kind of a label is no background.")
    ] = Path("/usr/share/wordnet"),
    graph: Annotated[Path | None, typer.Option(help="The label graph in N-Triples, copied into the corpus.")] = None,
    near_duplicates: Annotated[bool, typer.Option(help="Keep near-duplicate images on one side of the splits.")] = True,
    group_column: Annotated[
        str | None, typer.Option(help="Keep photos with one value of this column on one side, such as creator.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=16, help="Scale images down to so many pixels a side. Default: as they are.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The corpus's name. Default: that of the folder.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="What corpus.json says. Default: see the column licence, or unknown without one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Threads that read images. Default: one a core.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make a corpus of linked photos: labels, background, near-duplicates, splits."""
    import os

    from labelhedge.collect.assemble import assemble_corpus
    from labelhedge.collect.assembly.images import at_most
    from labelhedge.collect.assembly.labels import CorpusLabels, above_of, read_checks
    from labelhedge.corpus.splits import parse_fractions

    labels = CorpusLabels.read(vocabulary, above=above_of(below, wordnet))
    voted = voted_before(target, overwrite=overwrite)
    made = assemble_corpus(
        linked,
        target,
        labels,
        images=images,
        checks=read_checks(checked, labels) if checked else None,
        background=background,
        fractions=parse_fractions(fractions),
        seed=seed,
        clean_share=clean_share,
        min_score=min_score,
        min_images=min_images_per_label,
        near_duplicates=near_duplicates,
        groups=group_column,
        prepare=at_most(image_size) if image_size else None,
        graph=graph,
        wordnet=wordnet,
        name=name,
        licence=licence,
        workers=workers or os.cpu_count() or 1,
        overwrite=overwrite,
        progress=interactive(),
    )
    moved = voted.set_aside(made.corpus) if voted else None
    show(made)
    show(made.corpus.describe())
    if moved:
        show(f"- {moved}")
