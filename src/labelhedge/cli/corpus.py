"""`labelhedge corpus`: look at a corpus, check it, split it anew, or make its labels noisy on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.common import CorpusArgument, group, interactive, show

app = group("Look at a corpus, check it, split it anew, or make its labels noisy on purpose.")


@app.command("describe", epilog="Example: labelhedge corpus describe clipart")
def corpus_describe(corpus: CorpusArgument) -> None:
    """Print what a corpus holds and how right its labels are."""
    from labelhedge.corpus import Corpus

    show(Corpus.open(corpus, progress=interactive()).describe())


@app.command("check", epilog="Example: labelhedge corpus check my-corpus")
def corpus_check(corpus: CorpusArgument) -> None:
    """Validate a corpus, decode every image, read its graph."""
    from labelhedge.corpus import Corpus
    from labelhedge.graph import LabelGraph, describe_siblings

    opened = Corpus.open(corpus, progress=interactive())
    show(opened.check(progress=interactive()))
    if opened.graph_path:
        show(describe_siblings(LabelGraph.from_file(opened.graph_path, opened.labels).sibling_matrix()))


@app.command(
    "split",
    epilog="""Example: labelhedge corpus split my-corpus other-split --seed 1

labelhedge corpus split clipart by-series --group-column group --no-near-duplicates --clean-share 0.1""",
)
def corpus_split(
    source: CorpusArgument,
    target: Annotated[Path, typer.Argument(help="The folder to write.")],
    fractions: Annotated[str, typer.Option(help="Shares of train, test and dev.")] = "6:3:1",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split.")] = 0,
    clean_share: Annotated[
        float | None,
        typer.Option(
            help="Trust this share of the training samples. Default: 0.2 where all samples are checked, otherwise all "
            "that are."
        ),
    ] = None,
    near_duplicates: Annotated[bool, typer.Option(help="Keep near-duplicate images on one side.")] = True,
    group_column: Annotated[
        str | None, typer.Option(help="Keep samples with one value in this column on one side.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The new corpus's name. Default: the old one's.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Threads that read images. Default: one a core.")] = 0,
) -> None:
    """Write a corpus with new splits, stratified by label, near-duplicate images on one side."""
    import os

    from labelhedge.corpus import Corpus
    from labelhedge.corpus.resplitting import resplit
    from labelhedge.corpus.splits import parse_fractions

    show(
        resplit(
            Corpus.open(source, progress=interactive()),
            target,
            fractions=parse_fractions(fractions),
            seed=seed,
            clean_share=clean_share,
            near=near_duplicates,
            group_column=group_column,
            name=name,
            workers=workers or os.cpu_count() or 1,
            progress=interactive(),
        )
    )


@app.command(
    "corrupt",
    epilog="""Example: labelhedge corpus corrupt clipart noisy --noise symmetric:0.2 --noise missing:0.1

labelhedge corpus corrupt clipart related --noise siblings:0.3 --relations parent --clean-share 0.2

labelhedge corpus corrupt clipart mixed --noise shares:right=0.45,siblings=0.25,background=0.3""",
)
def corpus_corrupt(
    source: CorpusArgument,
    target: Annotated[Path, typer.Argument(help="The folder to write.")],
    noise: Annotated[
        list[str],
        typer.Option(
            metavar="KIND:RATE",
            help="symmetric, pair, siblings, modes, background or missing, and a rate from 0 to 1; or "
            "shares:right=…,siblings=…,modes=…,background=…. Several are applied in the order given.",
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other wrong labels.")] = 0,
    splits: Annotated[str, typer.Option(help="Where, separated by commas.")] = "train",
    trusted: Annotated[
        str,
        typer.Option(
            help="representative: trusted samples keep noisy labels beside the verified ones; right-only: they are "
            "samples whose noisy labels are right; keep: those trusted before stay untouched."
        ),
    ] = "representative",
    clean_share: Annotated[
        float | None, typer.Option(help="Draw the trusted samples anew: this share of the training samples.")
    ] = None,
    relations: Annotated[
        str | None, typer.Option(help="The relations that make siblings, separated by commas. Default: all.")
    ] = None,
    background_column: Annotated[
        str | None, typer.Option(help="The column that groups background images. Default: one group.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The new corpus's name.")] = None,
) -> None:
    """Write a corpus with observed labels made wrong on purpose, for controlled experiments."""
    from labelhedge.corpus import Corpus
    from labelhedge.noise import corrupt

    noisy = corrupt(
        Corpus.open(source, progress=interactive()),
        target,
        noise,
        seed=seed,
        splits=splits.split(","),
        trusted=trusted,  # type: ignore[arg-type]  # checked there, with a message
        clean_share=clean_share,
        relations=relations.split(",") if relations else None,
        background_column=background_column,
        name=name,
    )
    show(noisy.describe())
    show(noisy.info.description)
