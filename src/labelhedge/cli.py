"""The command `labelhedge`: one short function a command, no logic. Heavy imports happen inside the functions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    help="Train image classifiers from noisy labels, hedged by a small clean set and a graph of label relations.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with: labelhedge demo",
)
corpus_app = typer.Typer(help="Look at a corpus, check it, or make its labels noisy on purpose.", no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")

OutOption = Annotated[str | None, typer.Option(help="Folder for the results.", metavar="FOLDER")]
SeedsOption = Annotated[str | None, typer.Option(help="How many seeds, or a list such as 3,4,5.", metavar="SEEDS")]
CorpusArgument = Annotated[str, typer.Argument(help="A corpus folder, or the name of an embedded corpus: clipart.")]
RunArgument = Annotated[Path, typer.Argument(help="The folder of a finished run, such as runs/demo.")]


@app.command(epilog="Example: labelhedge demo --seeds 5")
def demo(
    out: Annotated[str, typer.Option(help="Folder for the results.", metavar="FOLDER")] = "runs/demo",
    seeds: SeedsOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Reuse what a finished demo has trained.")] = False,
) -> None:
    """Train every method on 2,000 drawings with real label noise, and draw the report."""
    finished = (Path(out) / "results.json").exists()  # one that was stopped goes on
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
        "network": _given(kind=network, image_size=image_size),
        "training": _given(epochs=epochs),
    }
    _run(settings, recipe=recipe, fresh=fresh)


@app.command(epilog="Example: labelhedge report runs/demo")
def report(run: RunArgument) -> None:
    """Print the table of a run and draw its report again."""
    from labelhedge.corpus import Corpus
    from labelhedge.report import write_report
    from labelhedge.results import Results

    results = Results.load(run)
    _print(results.table())
    _print(f"report: {write_report(run, Corpus.open(results.recipe['corpus'], progress=_interactive()))}")


@app.command(epilog="Example: labelhedge rank runs/demo --label mammal")
def rank(
    run: RunArgument,
    label: Annotated[str | None, typer.Option(help="Only this label.")] = None,
    method: Annotated[str | None, typer.Option(help="Whose pseudo labels; default: the best on dev.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many samples.")] = 20,
) -> None:
    """List the training samples whose labels look most wrong."""
    from rich.markup import escape
    from rich.table import Table

    from labelhedge.report import rank_suspects
    from labelhedge.results import Results

    names = list(Results.load(run).results[0].average_precision)
    suspects = rank_suspects(run, names, method=method, label=label, count=count)
    table = Table("sample", "label", "perhaps", "pseudo label", "suspicion")
    table.title = f"doubted by {suspects[0].method}" if suspects else None
    for suspect in suspects:
        table.add_row(
            escape(suspect.id),
            escape(suspect.label),
            suspect.fault,
            f"{suspect.pseudo:.2f}",
            f"{suspect.suspicion:.2f}",
        )
    _print(table)


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
) -> None:
    """Measure how far the observed and the soft labels are from the truth, and what each rule for λ gives."""
    from labelhedge.corpus import Corpus
    from labelhedge.report.risk import measure_risk
    from labelhedge.results import Results

    corpus = Corpus.open(Results.load(run).recipe["corpus"], progress=_interactive())
    found = measure_risk(
        run,
        corpus,
        on=on,
        temperature=temperature,
        resamples=resamples,
        seed=seed,
        per_label=per_label,
        progress=_interactive(),
    )
    if json is not None:
        found.save(json)
    _print(found)


@app.command(epilog="Example: labelhedge predict runs/demo/models/distill cat.jpg photos/")
def predict(
    model: Annotated[Path, typer.Argument(help="A model folder of a run.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="Labels to print per image.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Write all probabilities to this CSV file.")] = None,
) -> None:
    """Predict the labels of image files."""
    from labelhedge.training.predict import Predictor, find_images, write_predictions

    predictor = Predictor.load(model)
    files = find_images(images)
    probabilities = predictor.predict(files, progress=_interactive())
    if out is not None:
        write_predictions(out, files, predictor.labels, probabilities)
        _print(f"{len(files)} predictions: {out}")
        return
    for file, row in zip(files, probabilities, strict=True):
        best = ", ".join(f"{predictor.labels[i]} {row[i]:.2f}" for i in row.argsort()[::-1][:top])
        _print(f"{file}: {best}")


@corpus_app.command("describe", epilog="Example: labelhedge corpus describe clipart")
def corpus_describe(corpus: CorpusArgument) -> None:
    """Print what a corpus holds and how right its labels are."""
    from labelhedge.corpus import Corpus

    _print(Corpus.open(corpus, progress=_interactive()).describe())


@corpus_app.command("check", epilog="Example: labelhedge corpus check my-corpus")
def corpus_check(corpus: CorpusArgument) -> None:
    """Validate a corpus, decode every image, read its graph."""
    from labelhedge.corpus import Corpus
    from labelhedge.graph import describe_siblings, read_triples, siblings

    opened = Corpus.open(corpus, progress=_interactive())
    _print(opened.check(progress=_interactive()))
    if opened.graph_path:
        _print(describe_siblings(siblings(read_triples(opened.graph_path), opened.labels)))


@corpus_app.command(
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
        Corpus.open(source, progress=_interactive()),
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
    _print(noisy.describe())
    _print(noisy.info.description)


def main() -> None:
    """Run the command line; what the user can mend is said in a line and not as a traceback."""
    from labelhedge.errors import LabelhedgeError

    try:
        app()
    except (LabelhedgeError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        _fail(str(error), status=2)


def _run(settings: dict[str, Any], recipe: Path | None, *, fresh: bool) -> None:
    from labelhedge.experiment import run as run_recipe
    from labelhedge.recipe import Recipe

    given = _given(**settings) or {}
    chosen = Recipe.load(recipe, **given) if recipe else Recipe(**given)
    try:
        results = run_recipe(chosen, progress=True, fresh=fresh)
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on where this one was", status=130)
    _print(results.table())
    for remark in results.remarks():
        _print(f"note: {remark}")
    _print(f"report: {Path(results.recipe['out']) / 'report.html'}")


def _given(**settings: Any) -> dict[str, Any] | None:
    return {name: value for name, value in settings.items() if value is not None} or None


def _seeds(text: str | None) -> Any:
    if text is None:
        return None
    numbers = [int(part) if part.strip().isdigit() else part for part in text.split(",")]
    return numbers[0] if len(numbers) == 1 else numbers


def _interactive() -> bool:
    return sys.stderr.isatty() or sys.stdout.isatty()


def _print(what: Any) -> None:
    if isinstance(what, str):
        print(what)
        return
    from rich.console import Console

    Console().print(what, highlight=False)


def _fail(message: str, *, status: int) -> NoReturn:
    print(f"labelhedge: {message}", file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
