"""`labelhedge review`: the page on which people check labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.common import CorpusArgument, group, interactive, show

app = group("Check labels.")


@app.command(epilog="Example: labelhedge review my-corpus --reviewer ana --votes-per-image 2 --open")
def review(
    corpus: CorpusArgument,
    order: Annotated[
        str,
        typer.Option(
            help="random: for unbiased rates, looked at one by one; suspicious, useful: by the pseudo labels of --run; "
            "or a CSV file with the columns id and label."
        ),
    ] = "random",
    run: Annotated[Path | None, typer.Option(help="A finished run on this corpus.", metavar="RUN")] = None,
    method: Annotated[str | None, typer.Option(help="Whose pseudo labels; default: the best on dev.")] = None,
    labels: Annotated[str | None, typer.Option(help="Only these: names or ids, separated by commas.")] = None,
    split: Annotated[str, typer.Option(help="train, dev, test; several separated by commas.")] = "train",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Open questions at most; those that have their votes do not count.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random order.")] = 0,
    votes_per_image: Annotated[int, typer.Option(min=1, max=99, help="Votes that each question needs.")] = 1,
    votes: Annotated[
        Path | None, typer.Option(help="Where the votes go; default: votes.sqlite in the corpus.", metavar="FILE")
    ] = None,
    definitions: Annotated[
        Path | None,
        typer.Option(help="What the labels mean: JSON, or CSV with the columns label and definition.", metavar="FILE"),
    ] = None,
    reviewer: Annotated[
        str, typer.Option(help="The name that the start screen proposes to who has given none in this browser.")
    ] = "",
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; all but loopback require a token, which the printed address holds."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="LABELHEDGE_REVIEW_TOKEN",
            help="Who opens the page must have it: 16 or more of A-Z, a-z, 0-9, - and _. Default: none on loopback, "
            "else a random one.",
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a local web page on which people check labels, until Ctrl-C."""
    from labelhedge.corpus import Corpus
    from labelhedge.review import OrderSettings, make_tasks
    from labelhedge.review.serving import serve

    opened = Corpus.open(corpus, progress=interactive())
    settings = OrderSettings(_names(split), _names(labels or ""), seed, None, run, method)
    serve(
        opened,
        make_tasks(opened, order, settings),
        order=order,
        limit=limit,
        votes=votes,
        needed=votes_per_image,
        definitions=definitions,
        reviewer=reviewer,
        host=host,
        port=port,
        token=token,
        open_page=open_page,
        say=show,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
