"""`labelhedge verify crosslink`: clean images for a corpus's labels from an ImageNet-style folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.common import interactive, show
from labelhedge.cli.verify import app


@app.command(
    "crosslink",
    epilog="""Example: labelhedge verify crosslink my-corpus --images ImageNet --mapping wnid_wikipedia.csv --out more

labelhedge verify crosslink my-corpus --images ImageNet --links links.csv""",
)
def verify_crosslink(
    corpus: Annotated[str, typer.Argument(help="A corpus folder.")],
    images: Annotated[
        Path, typer.Option(help="A folder with n02084071/*.JPEG, with train/ of these, or n02084071.tar.")
    ],
    mapping: Annotated[
        list[Path] | None,
        typer.Option(
            help="From titles to synsets: a CSV wnid,title; Wikidata's CSV; BabelNet's lines. May be given several "
            "times, the surest first. Default, and for other labels: WordNet's words, where they are no guess."
        ),
    ] = None,
    choose: Annotated[
        Path | None, typer.Option(help="A CSV uri,wnid that decides what labels mean, as --links writes it.")
    ] = None,
    links: Annotated[
        Path | None, typer.Option(help="Only write there what each label is linked to or may mean; add nothing.")
    ] = None,
    below: Annotated[bool, typer.Option("--below", help="Take images of synsets below a label's own, too.")] = False,
    above: Annotated[
        bool, typer.Option(help="An image has all labels that lie above its synset: a dog is a mammal, too.")
    ] = True,
    per_label: Annotated[int, typer.Option(min=1, help="Images for each label.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other images.")] = 0,
    wordnet: Annotated[Path, typer.Option(help="The folder of WordNet 3.0's database files.")] = Path(
        "/usr/share/wordnet"
    ),
    wordnet31: Annotated[
        Path | None, typer.Option("--wordnet31", help="The folder of WordNet 3.1's, for mappings with its numbers.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a new corpus there. Default: the corpus itself is replaced, all at once.")
    ] = None,
) -> None:
    """Add clean images of an ImageNet-style folder, none a near-duplicate of dev or test."""
    from labelhedge.collect.crosslinks import LinkSettings, add_images, show_links

    settings = LinkSettings(
        mappings=mapping or (), choices=choose, wordnet=wordnet, wordnet31=wordnet31, below=below, above=above
    )
    if links is not None:
        show("\n".join(show_links(corpus, images, links, settings)))
        return
    done = add_images(corpus, images, settings, target=out, per_label=per_label, seed=seed, progress=interactive())
    show("\n".join(done.lines()))
