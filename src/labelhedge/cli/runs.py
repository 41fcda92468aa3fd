"""`labelhedge demo`, `run`, and what is done with a finished run: `report`, `rank`, `risk`, `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from labelhedge.cli.common import complain, fail, given, group, interactive, show

OutOption = Annotated[str | None, typer.Option(help="Folder for the results.", metavar="FOLDER")]
SeedsOption = Annotated[str | None, typer.Option(help="How many seeds, or a list such as 3,4,5.", metavar="SEEDS")]
RunCorpusOption = Annotated[
    str | None, typer.Option("--corpus", help="Where the run's corpus is now; default: where it was.")
]
RunArgument = Annotated[Path, typer.Argument(help="The folder of a finished run, such as runs/demo.")]

WIDE = 110  # columns of a table of results that is not for a terminal

app = group("Train and look at results.")


@app.command(epilog="Example: labelhedge demo --seeds 5")
def demo(
    out: Annotated[str, typer.Option(help="Folder for the results.", metavar="FOLDER")] = "runs/demo",
    seeds: SeedsOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Reuse what a finished demo has trained.")] = False,
) -> None:
    """Train seven methods on 2,000 drawings with real label noise, and draw the report."""
    finished = (Path(out) / "results.json").exists()  # one that was stopped goes on
    if finished and not resume:
        show(f"{out} holds a finished demo: it is trained anew (--resume takes over what is trained)")
    _run({"corpus": "clipart", "out": out, "seeds": _seeds(seeds)}, recipe=None, fresh=finished and not resume)


@app.command(epilog="Example: labelhedge run --corpus my-corpus --methods noisy,distill --seeds 5 --out runs/a")
def run(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe in YAML. Flags win over it.")] = None,
    corpus: Annotated[str | None, typer.Option(help="A corpus folder, or clipart.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names, separated by commas; or all.")] = None,
    seeds: SeedsOption = None,
    out: OutOption = None,
    network: Annotated[str | None, typer.Option(help="frozen or alexnet-bn.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels at the network's input.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs at most.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train anew what an earlier run has trained.")] = False,
) -> None:
    """Train methods on a corpus, compare them, and draw the report. A stopped run goes on where it was."""
    settings = {
        "corpus": corpus,
        "methods": methods,
        "seeds": _seeds(seeds),
        "out": out,
        "network": given(kind=network, image_size=image_size),
        "training": given(epochs=epochs),
    }
    _run(settings, recipe=recipe, fresh=fresh)


@app.command(epilog="Example: labelhedge report runs/demo")
def report(run: RunArgument, corpus: RunCorpusOption = None) -> None:
    """Print the table of a run and draw its report again."""
    from labelhedge.corpus import Corpus
    from labelhedge.report import write_report
    from labelhedge.results import Results

    results = Results.load(run)
    show(results.table(), width=WIDE)
    opened = Corpus.open(corpus or results.corpus_folder(run), progress=interactive())
    show(f"report: {write_report(run, opened)}")


@app.command(
    epilog="""Example: labelhedge rank runs/demo --label mammal

labelhedge rank runs/demo --out doubtful.csv --count 500"""
)
def rank(
    run: RunArgument,
    label: Annotated[str | None, typer.Option(help="Only this label.")] = None,
    method: Annotated[str | None, typer.Option(help="Whose pseudo labels; default: the best on dev.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many samples; default: 20, and with --out all.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write them to this CSV file, which review --order takes.", metavar="FILE")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a CSV file that is there.")] = False,
) -> None:
    """List the training samples whose labels look most wrong."""
    from rich.markup import escape
    from rich.table import Column, Table

    from labelhedge.files import new_file
    from labelhedge.report import rank_suspects
    from labelhedge.report.suspicion import write_suspects
    from labelhedge.results import Results

    if out is not None:
        new_file(out, overwrite=overwrite)
    names = list(Results.load(run).results[0].average_precision)
    suspects = rank_suspects(run, names, method=method, label=label, count=count or (20 if out is None else None))
    if out is not None:
        write_suspects(suspects, out)
        by = f", doubted by {suspects[0].method}" if suspects else ""
        show(f"{len(suspects):,} samples{by}: {out}")
        return
    table = Table(Column("sample", overflow="fold"), "label", "perhaps", "pseudo label", "suspicion")
    table.title = f"doubted by {suspects[0].method}" if suspects else None
    for suspect in suspects:
        table.add_row(
            escape(suspect.id),
            escape(suspect.label),
            suspect.fault,
            f"{suspect.pseudo:.2f}",
            f"{suspect.suspicion:.2f}",
        )
    show(table)


@app.command(epilog="Example: labelhedge risk runs/demo --on hidden --per-label")
def risk(
    run: RunArgument,
    on: Annotated[
        str,
        typer.Option(
            help="dev; hidden: untrusted training images whose true labels are known; or test. Never the clean set: "
            "the teacher was trained on it, and its risk there is not its risk elsewhere.",
            metavar="dev|hidden|test",
        ),
    ] = "dev",
    per_label: Annotated[bool, typer.Option("--per-label", help="A table of labels too, most risk first.")] = False,
    temperature: Annotated[float, typer.Option(help="T of the soft labels δ(f/T).")] = 1.0,
    resamples: Annotated[int, typer.Option(help="Bootstrap draws behind the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write everything to this JSON file.", metavar="FILE")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a JSON file that is there.")] = False,
    corpus: RunCorpusOption = None,
) -> None:
    """Measure how far the observed and the soft labels are from the truth, and what each rule for λ gives."""
    from labelhedge.corpus import Corpus
    from labelhedge.files import new_file
    from labelhedge.report.risk import measure_risk
    from labelhedge.results import Results

    if json is not None:
        new_file(json, overwrite=overwrite, option="--json")
    opened = Corpus.open(corpus or Results.load(run).corpus_folder(run), progress=interactive())
    found = measure_risk(
        run,
        opened,
        on=on,
        temperature=temperature,
        resamples=resamples,
        seed=seed,
        per_label=per_label,
        progress=interactive(),
    )
    if json is not None:
        found.save(json)
    show(found)


@app.command(epilog="Example: labelhedge predict runs/demo/models/distill cat.jpg photos/")
def predict(
    model: Annotated[Path, typer.Argument(help="A model folder of a run.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="Labels to print per image.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Write all probabilities to this CSV file.", metavar="FILE")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a CSV file that is there.")] = False,
) -> None:
    """Predict the labels of image files. Those that cannot be read are passed over, and named at the end."""
    from labelhedge.files import new_file
    from labelhedge.training.predict import Predictor, find_images, write_predictions

    if out is not None:
        new_file(out, overwrite=overwrite)
    predictor = Predictor.load(model)
    files = find_images(images)
    unreadable: list[str] = []
    rows = predictor.stream(files, unreadable=unreadable, progress=interactive())
    if out is not None:
        show(f"{write_predictions(out, files, predictor.labels, rows)} predictions: {out}")
    else:
        for number, row in rows:
            best = ", ".join(f"{predictor.labels[i]} {row[i]:.2f}" for i in row.argsort()[::-1][:top])
            show(f"{files[number]}: {best}")
    for reason in unreadable:
        complain(f"passed over {reason}")
    if len(unreadable) == len(files):
        fail("none of the images can be read", status=2)


def _run(settings: dict[str, Any], recipe: Path | None, *, fresh: bool) -> None:
    from labelhedge.experiment import run as run_recipe
    from labelhedge.history import History
    from labelhedge.recipe import Recipe

    chosen_settings = given(**settings) or {}
    chosen = Recipe.load(recipe, **chosen_settings) if recipe else Recipe(**chosen_settings)
    try:
        results = run_recipe(chosen, progress=True, fresh=fresh)
    except KeyboardInterrupt:
        fail("stopped; the same command goes on where this one was", status=130)
    show(results.table(), width=WIDE)
    for line in History.load(Path(results.recipe["out"])).lines():
        show(line)
    show(f"report: {Path(results.recipe['out']) / 'report.html'}")


def _seeds(text: str | None) -> Any:
    if text is None:
        return None
    numbers = [int(part) if part.strip().isdigit() else part for part in text.split(",")]
    return numbers[0] if len(numbers) == 1 else numbers
