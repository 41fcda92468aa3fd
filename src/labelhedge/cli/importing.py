"""`labelhedge corpus import`: make a corpus of what is there already."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelhedge.cli.common import group, interactive, show

if TYPE_CHECKING:
    from labelhedge.collect.importing import Imported, Options
    from labelhedge.verify.replaced import VotedImages

app = group("Make a corpus of photos, class folders, or a dataset in another format.")

Target = Annotated[Path, typer.Argument(help="The corpus folder to write.")]
Lists = Annotated[Path, typer.Argument(help="A folder with vocab, clean, full, dev and test, as .txt or .txt.gz.")]
Name = Annotated[str | None, typer.Option(help="The corpus's name. Default: that of its folder.")]
Licence = Annotated[str, typer.Option(help="Under which terms the images may be used.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the corpus that is there.")]
Checked = Annotated[bool, typer.Option("--checked", "--verified", help="The labels of dev and test were checked.")]
Background = Annotated[str, typer.Option(help="The name that stands for none of the labels.")]
Text = Annotated[list[str] | None, typer.Option(help="Words that methods may learn from. May be given several times.")]


@app.command("yfcc-urls", epilog="Example: labelhedge corpus import yfcc-urls yfcc100m_entity/Sports urls.csv")
def corpus_import_yfcc_urls(
    folder: Lists, urls: Annotated[Path, typer.Argument(help="The CSV to write, for labelhedge collect download.")]
) -> None:
    """List the images of the paper's release that are to be downloaded."""
    from labelhedge.collect.importing import list_urls, read_entity_lists

    lists = read_entity_lists(folder)
    show("\n".join(lists.report().lines()))
    show(f"{list_urls(lists, urls):,} addresses in {urls}")


@app.command(
    "yfcc-entity",
    epilog="Example: labelhedge corpus import yfcc-entity yfcc100m_entity/Sports corpora/sports --images images",
)
def corpus_import_yfcc_entity(
    folder: Lists,
    target: Target,
    images: Annotated[Path | None, typer.Option(help="The folder that labelhedge collect download wrote.")] = None,
    imagenet: Annotated[
        Path | None, typer.Option(help="A folder with n02084071/n02084071_1.JPEG and so on, or with train/ of these.")
    ] = None,
    name: Name = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a corpus of the lists released with the paper."""
    from labelhedge.collect.importing import Options, import_yfcc_entity, read_entity_lists

    options = Options(name=name, overwrite=overwrite, progress=interactive())
    _bring(import_yfcc_entity, read_entity_lists(folder), target, images=images, imagenet=imagenet, options=options)


def _shared_options(
    checked: Annotated[bool, typer.Option("--checked", help="The labels of dev and test were checked.")] = False,
    multi: Annotated[
        bool, typer.Option("--multi", help="Equal images become one sample with the labels of all.")
    ] = False,
    exclusive: Annotated[bool, typer.Option("--exclusive", help="Every image has exactly one label.")] = False,
    split: Annotated[
        str | None, typer.Option(help="Make the splits that are missing: shares train:test:dev, such as 6:3:1.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of these splits.")] = 0,
    near_duplicates: Annotated[
        bool, typer.Option(help="Keep near-duplicate images on one side of these splits.")
    ] = True,
    name: Name = None,
    licence: Licence = "unknown",
    overwrite: Overwrite = False,
) -> None:
    """What importers of every format can be told: parameters of `Options`."""


def _sharing(**changes: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the shared options to a command, which is given their values as `shared`; some may be of another type."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        shared = {
            name: option.replace(annotation=changes.get(name, option.annotation))
            for name, option in inspect.signature(_shared_options, eval_str=True).parameters.items()
        }
        parameters = {name: one for name, one in own.parameters.items() if name != "shared"} | shared

        @functools.wraps(command)
        def decorated(**values: Any) -> None:
            command(shared={name: values.pop(name) for name in shared}, **values)

        decorated.__signature__ = own.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
        decorated.__annotations__ = {name: one.annotation for name, one in parameters.items()}
        return decorated

    return decorate


@app.command("folder", epilog="Example: labelhedge corpus import folder photos my-corpus --clean checked --split 6:3:1")
@_sharing(checked=Checked)
def corpus_import_folder(
    folder: Annotated[Path, typer.Argument(help="Class folders: cat/x.jpg, or train/cat/x.jpg beside dev and test.")],
    target: Target,
    clean: Annotated[Path | None, typer.Option(help="A second such folder, whose images were checked.")] = None,
    background: Annotated[str, typer.Option(help="The class folder of images with none of the labels.")] = "background",
    flat: Annotated[
        bool, typer.Option("--flat", help="Folders at the top are classes, also one called train.")
    ] = False,
    *,
    shared: dict[str, Any],
) -> None:
    """Make a corpus of class folders, whose names are noisy labels."""
    from labelhedge.collect.importing import Options, import_class_folders

    options = Options(**shared, progress=interactive())
    _bring(import_class_folders, folder, target, clean=clean, background=background, flat=flat, options=options)


@app.command(
    "table",
    epilog="""Example: labelhedge corpus import table images.csv my-corpus --label tags --verified checked --split 6:3:1

labelhedge corpus import table images.parquet my-corpus --split-column part --images photos --checked""",
)
@_sharing()
def corpus_import_table(
    table: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or JSON lines: a row an image file.")],
    target: Target,
    image: Annotated[str, typer.Option(help="The column of paths of image files.")] = "image",
    label: Annotated[
        str, typer.Option(help="The column of noisy labels: one, several joined by |, or a list.")
    ] = "label",
    verified: Annotated[str | None, typer.Option(help="The column of checked labels, empty where unchecked.")] = None,
    trusted: Annotated[
        str | None,
        typer.Option(help="The column that is true for the clean set. Default: all of train that is checked."),
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="The column of train, dev or test. Default: all train.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Where the paths start. Default: the table's folder.")] = None,
    separator: Annotated[str, typer.Option(help="What joins several labels.")] = "|",
    background: Background = "background",
    text: Text = None,
    *,
    shared: dict[str, Any],
) -> None:
    """Make a corpus of a table of image files and their labels."""
    from labelhedge.collect.importing import Options, import_table

    options = Options(**shared, progress=interactive())
    _bring(
        import_table,
        table,
        target,
        image=image,
        label=label,
        verified=verified,
        trusted=trusted,
        split=split_column,
        images=images,
        separator=separator,
        background=background,
        text=text or (),
        options=options,
    )


@app.command("hf", epilog="Example: labelhedge corpus import hf my-dataset my-corpus --image image --label label")
@_sharing()
def corpus_import_hf(
    path: Annotated[Path, typer.Argument(help="A folder that save_to_disk wrote, or a folder of Parquet files.")],
    target: Target,
    image: Annotated[str, typer.Option(help="The column of images.")] = "image",
    label: Annotated[str, typer.Option(help="The column of noisy labels: one, or a list.")] = "label",
    verified: Annotated[str | None, typer.Option(help="The column of checked labels, null where unchecked.")] = None,
    trusted: Annotated[str | None, typer.Option(help="The column that is true for the clean set.")] = None,
    background: Background = "background",
    text: Text = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SPLIT", help="A split of another name: extra=train.")
    ] = None,
    *,
    shared: dict[str, Any],
) -> None:
    """Make a corpus of a local Hugging Face dataset with an image column."""
    from labelhedge.collect.importing import Options, import_hf
    from labelhedge.collect.importing.hf import parse_renames

    options = Options(**shared, progress=interactive())
    _bring(
        import_hf,
        path,
        target,
        image=image,
        label=label,
        verified=verified,
        trusted=trusted,
        background=background,
        text=text or (),
        rename=parse_renames(rename or ()),
        options=options,
    )


@app.command(
    "webdataset",
    epilog="Example: labelhedge corpus import webdataset 'shards-{000..009}.tar' my-corpus --names classes.txt",
)
@_sharing()
def corpus_import_webdataset(
    shards: Annotated[str, typer.Argument(help="Training shards: tar files, as {000..009} or * say.")],
    target: Target,
    dev: Annotated[str | None, typer.Option(metavar="SHARDS", help="Shards of the dev split.")] = None,
    test: Annotated[str | None, typer.Option(metavar="SHARDS", help="Shards of the test split.")] = None,
    label: Annotated[
        str | None, typer.Option(help="The key of noisy labels in the json. Default: the member cls, else txt.")
    ] = None,
    verified: Annotated[str | None, typer.Option(help="The key of checked labels in the json.")] = None,
    trusted: Annotated[str | None, typer.Option(help="The key that is true for the clean set.")] = None,
    background: Background = "background",
    text: Text = None,
    names: Annotated[Path | None, typer.Option(help="The names of the labels, one a line, in their order.")] = None,
    *,
    shared: dict[str, Any],
) -> None:
    """Make a corpus of WebDataset shards."""
    from labelhedge.collect.importing import Options, import_webdataset

    options = Options(**shared, progress=interactive())
    _bring(
        import_webdataset,
        shards,
        target,
        dev=dev,
        test=test,
        label=label,
        verified=verified,
        trusted=trusted,
        background=background,
        text=text or (),
        names=names,
        options=options,
    )


def _bring(importer: Callable[..., Imported], source: Any, target: Path, *, options: Options, **settings: Any) -> None:
    """Import, and show the corpus and what is to be said about it."""
    voted = voted_before(target, overwrite=options.overwrite)
    done = importer(source, target, options=options, **settings)
    moved = voted.set_aside(done.corpus) if voted else None
    show(done.corpus.describe())
    show("\n".join(f"- {remark}" for remark in [*([moved] if moved else []), *done.remarks]))


def voted_before(target: Path, *, overwrite: bool) -> VotedImages | None:
    """The votes in a folder, where an import is going to write a corpus there."""
    from labelhedge.verify.replaced import VotedImages

    refused = (target / "corpus.json").exists() and not overwrite
    return None if refused else VotedImages.of(target)
