"""`labelhedge verify`: from votes to verified labels, and the exchange with Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelhedge.cli.common import CorpusArgument, group, interactive, show

app = group("From votes to verified labels, and the exchange with Label Studio.")
studio = group("Have labels checked in Label Studio.")
app.add_typer(studio, name="label-studio")

VotesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Files of votes. Default: the corpus's own votes.sqlite, where it is there.")
]
OutOption = Annotated[
    Path | None, typer.Option(help="Write a new corpus there. Default: the corpus itself is replaced, all at once.")
]
MethodOption = Annotated[
    str,
    typer.Option(
        help="dawid-skene, majority, one-coin, glad (slow), or auto: dawid-skene where votes are many, else majority."
    ),
]
ConfidenceOption = Annotated[
    float, typer.Option(min=0, max=1, help="What the method is less sure of stays unverified.")
]
MinVotesOption = Annotated[int, typer.Option(min=1, help="What has fewer votes stays as it is.")]
GoldenOption = Annotated[
    Path | None,
    typer.Option(
        help="A file of labels that are known: task,label, or any format of votes. It needs no votes beside it."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="store, csv, label-studio or crowdflower. Default: told from the content."),
]
QuestionOption = Annotated[
    str | None, typer.Option(help="The column, or Label Studio's control, that holds the answers.")
]
TaskOption = Annotated[str | None, typer.Option(help="The column, or the key of `data`, that holds the sample's id.")]
WorkerOption = Annotated[str | None, typer.Option(help="The column of a CSV file that says whose vote it is.")]
NoneOption = Annotated[list[str] | None, typer.Option("--none", help="An option that says: none of the labels.")]
UnsureOption = Annotated[list[str] | None, typer.Option("--unsure", help="An option that says: cannot be told.")]
IgnoreOption = Annotated[
    bool, typer.Option("--ignore-unknown", help="Leave out votes on unknown samples and labels, and count them.")
]


@app.command(
    "votes",
    epilog="""Example: labelhedge verify votes my-corpus

labelhedge verify votes my-corpus votes.csv --golden known.csv --min-votes 3 --out checked

labelhedge verify votes my-corpus --golden checked.csv --task-column file --question label""",
)
def verify_votes(
    corpus: CorpusArgument,
    votes: VotesArgument = None,
    out: OutOption = None,
    method: MethodOption = "auto",
    min_confidence: ConfidenceOption = 0.8,
    min_votes: MinVotesOption = 1,
    golden: GoldenOption = None,
    format_: FormatOption = None,
    question: QuestionOption = None,
    task_column: TaskOption = None,
    worker_column: WorkerOption = None,
    none: NoneOption = None,
    unsure: UnsureOption = None,
    ignore_unknown: IgnoreOption = False,
) -> None:
    """Turn votes, or labels that are known, into the verified labels of a corpus."""
    from labelhedge.corpus import Corpus
    from labelhedge.verify.apply import settle
    from labelhedge.verify.said import Reading

    outcome = settle(
        Corpus.open(corpus, progress=interactive()),
        votes or (),
        out=out,
        method=method,
        min_confidence=min_confidence,
        min_votes=min_votes,
        golden=golden,
        reading=Reading(
            format_, question, task_column, worker_column, none=tuple(none or ()), unsure=tuple(unsure or ())
        ),
        ignore_unknown=ignore_unknown,
    )
    show(outcome)


@app.command(
    "enough",
    epilog="""Example: labelhedge verify enough my-corpus --run runs/mine

labelhedge verify enough my-corpus votes.csv --more 300""",
)
def verify_enough(
    corpus: CorpusArgument,
    votes: VotesArgument = None,
    run: Annotated[
        Path | None, typer.Option(help="A finished run on this corpus: the risk of its pseudo labels too.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Whose pseudo labels; default: the best on dev.")] = None,
    more: Annotated[int, typer.Option(min=1, help="What so many more questions would bring.")] = 100,
) -> None:
    """Say what the checks so far tell of each label's noise and of the risk, and what more of them would bring."""
    from labelhedge.corpus import Corpus
    from labelhedge.history import History
    from labelhedge.review.enough import enough

    found = enough(Corpus.open(corpus, progress=interactive()), votes or (), run=run, method=method, more=more)
    show(found)
    for line in History.load(run).lines() if run else ():
        show(line)


@studio.command(
    "export",
    epilog="""Example: labelhedge verify label-studio export my-corpus --out tasks.json --config config.xml --limit 500

labelhedge verify label-studio export my-corpus --images "/data/local-files/?d=photos/" --files photos""",
)
def label_studio_export(
    corpus: CorpusArgument,
    out: Annotated[Path, typer.Option(help="The tasks to write.")] = Path("tasks.json"),
    config: Annotated[Path, typer.Option(help="The labelling configuration to write.")] = Path("config.xml"),
    order: Annotated[
        Path | None, typer.Option(help="A CSV file with id and, perhaps, label: only these samples, in this order.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many tasks. Default: all.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only samples of this split. Default: of all.")] = None,
    images: Annotated[
        str, typer.Option(help="embed, or the address that the paths of images follow, ending in / or =.")
    ] = "embed",
    files: Annotated[Path | None, typer.Option(help="With such an address: write the images to this folder.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Fill in the pseudo labels of this run. Default: the observed labels.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Whose pseudo labels; default: the best on dev.")] = None,
) -> None:
    """Write tasks and a labelling configuration for Label Studio."""
    from labelhedge.corpus import Corpus
    from labelhedge.verify.tasks import export_tasks

    opened = Corpus.open(corpus, progress=interactive())
    done = export_tasks(
        opened,
        out,
        config=config,
        order=order,
        limit=limit,
        splits=split or (),
        images=images,
        files=files,
        run=run,
        method=method,
    )
    show(str(done))


@studio.command("import", epilog="Example: labelhedge verify label-studio import my-corpus export.json --out checked")
def label_studio_import(
    corpus: CorpusArgument,
    export: Annotated[list[Path], typer.Argument(help="The JSON export of Label Studio; several count together.")],
    out: OutOption = None,
    method: MethodOption = "auto",
    min_confidence: ConfidenceOption = 0.8,
    min_votes: MinVotesOption = 1,
    golden: GoldenOption = None,
    question: QuestionOption = None,
    task_column: TaskOption = None,
    none: NoneOption = None,
    unsure: UnsureOption = None,
    ignore_unknown: IgnoreOption = False,
) -> None:
    """Turn the annotations of Label Studio into the verified labels of a corpus, as `verify votes` does."""
    verify_votes(
        corpus,
        export,
        out,
        method,
        min_confidence,
        min_votes,
        golden,
        None,
        question,
        task_column,
        None,
        none,
        unsure,
        ignore_unknown,
    )
