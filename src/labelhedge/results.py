"""`Results`: what a run measured; read from and written to `results.json`, summarised as a table."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from labelhedge.errors import LabelhedgeError, reading
from labelhedge.files import replacing

if TYPE_CHECKING:
    from rich.table import Table

    from labelhedge.corpus import Corpus

UNREVIEWED = b"labelhedge.unreviewed"
"""Where the metadata of a run's `labels.parquet` has `Corpus.unreviewed_hash`."""


class Result(BaseModel):
    """One method with one seed.

    mAPs are in [0, 1]. ``average_precision`` is on test, by label name, None where test has no positive;
    ``labels_scored`` counts the others. ``weight`` is λ, where it applies. ``seconds`` is the method's own training.
    Where labels exclude each other, ``accuracy`` is the top-1 accuracy on test, in [0, 1]. ``last_map`` and
    ``last_accuracy`` are of the last epoch, where `training.keep_last` asks for them: the others are of the epoch
    chosen on dev. ``taught_dev`` is the score on dev of the network that the pseudo labels taught, where the
    method returned another. ``remarks`` tell what the method found amiss, and where it
    does clearly worse than `noisy` on dev.
    """

    model_config = ConfigDict(extra="forbid")

    method: str
    seed: int
    test_map: float
    dev_map: float
    average_precision: dict[str, float | None]
    labels_scored: int
    weight: float | None = None
    seconds: float
    epochs: int
    best_epoch: int
    accuracy: float | None = None
    dev_accuracy: float | None = None
    last_map: float | None = None
    last_accuracy: float | None = None
    taught_dev: float | None = None
    remarks: list[str] = []

    @property
    def score(self) -> float:
        """What methods are compared by: accuracy where labels exclude each other, else mAP; on test, in [0, 1]."""
        return self.test_map if self.accuracy is None else self.accuracy

    @property
    def dev_score(self) -> float:
        """The same on dev."""
        return self.dev_map if self.dev_accuracy is None else self.dev_accuracy


class Summary(NamedTuple):
    """One method over all its seeds; mAPs in [0, 1], deviations are of the sample (n - 1), None for one seed.

    ``difference`` is of accuracies where labels exclude each other, else of mAPs, over the ``pairs`` of seeds that the
    method and the baseline share; ``dev`` is the same on dev.
    """

    method: str
    seeds: int
    mean: float
    std: float | None
    difference: float | None
    difference_std: float | None
    better: int | None
    dev: float
    weight: float | None
    seconds: float
    accuracy: float | None = None
    accuracy_std: float | None = None
    last_map: float | None = None
    last_accuracy: float | None = None
    pairs: int = 0

    @property
    def score(self) -> tuple[float, float | None]:
        """Mean and deviation of what methods are compared by: accuracy where labels exclude each other, else mAP."""
        return (self.mean, self.std) if self.accuracy is None else (self.accuracy, self.accuracy_std)


class Results(BaseModel):
    """All results of a run.

    ``corpus`` holds its name and hash, ``recipe`` the recipe as it was resolved, ``caveats`` what makes the scores say
    little, if anything does.
    """

    model_config = ConfigDict(extra="forbid")

    corpus: dict[str, str]
    recipe: dict[str, Any]
    results: list[Result] = []
    caveats: list[str] = []

    @classmethod
    def load(cls, run: str | os.PathLike[str], corpus: Corpus | None = None) -> Results:
        """Read the results of a run's folder.

        Parameters
        ----------
        run : folder
        corpus : Corpus, optional
            The run must be of this one. What it knows of its samples may have changed since by a review: verified
            labels, and which samples are trusted.

        Raises
        ------
        FileNotFoundError
            When the folder holds no `results.json`.
        LabelhedgeError
            When that was written by something else, or the run is of another corpus.
        """
        path = Path(run) / "results.json"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: name the folder of a finished run, such as runs/demo")
        try:
            with reading(path):
                results = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise LabelhedgeError(
                f"{path}: not the results of a run ({error.error_count()} faults, first at "
                f"{'.'.join(map(str, error.errors()[0]['loc'])) or 'its top'}). To mend it: name the folder of a run"
            ) from error
        if (
            corpus is not None
            and results.corpus.get("hash") != corpus.hash
            and _unreviewed(Path(run) / "labels.parquet") != corpus.unreviewed_hash
        ):
            raise LabelhedgeError(
                f"{run} is a run on another corpus than {corpus.folder}: samples, images, splits, observed labels or "
                "the label list differ. To mend it: name a run on this corpus, or run again"
            )
        return results

    def corpus_folder(self, run: str | os.PathLike[str]) -> str:
        """Where the corpus is: as the recipe says; a relative path from here, or from a folder above the run's."""
        name: str = self.recipe["corpus"]
        places = [Path(name), *(above / name for above in Path(run).resolve().parents)]
        return next((str(place) for place in places if (place / "corpus.json").exists()), name)

    def save(self, run: Path) -> None:
        """Write `results.json` into a run's folder, atomically."""
        with replacing(run / "results.json") as new:
            new.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the order they ran."""
        return list(dict.fromkeys(result.method for result in self.results))

    def of(self, method: str) -> list[Result]:
        """The results of one method, by seed."""
        return sorted((result for result in self.results if result.method == method), key=lambda result: result.seed)

    def remarks(self) -> list[str]:
        """What makes the scores say little, and what the methods found amiss, each with its method and seeds."""
        seeds: dict[tuple[str, str], list[int]] = {}
        for result in self.results:
            for remark in result.remarks:
                seeds.setdefault((result.method, remark), []).append(result.seed)
        found = (f"{method} (seed {', '.join(map(str, of))}): {remark}" for (method, remark), of in seeds.items())
        return [*self.caveats, *found]

    def best(self, method: str) -> Result:
        """The seed of a method that did best on dev."""
        return max(self.of(method), key=lambda result: result.dev_score)

    def best_labels(self, methods: Collection[str]) -> str | None:
        """Of methods that made pseudo labels the one whose labels taught the best network on dev, over their seeds.

        Of equals it is the later, of none it is None. Where a method has returned another model than the network that
        its pseudo labels taught, that network's own score counts.
        """
        scores = {
            name: fmean(r.dev_score if r.taught_dev is None else r.taught_dev for r in self.of(name))
            for name in self.methods
            if name in methods
        }
        return max(reversed(scores), key=scores.__getitem__, default=None)

    def summaries(self, baseline: str = "noisy") -> Iterator[Summary]:
        """Each method's mean and deviation over seeds, and its difference to a baseline, paired by seed."""
        reference = {result.seed: result.score for result in self.of(baseline)}
        for method in self.methods:
            results = self.of(method)
            maps = [result.test_map for result in results]
            differences = [r.score - reference[r.seed] for r in results if r.seed in reference]
            paired = method != baseline and bool(differences)
            accuracies = [result.accuracy for result in results if result.accuracy is not None]
            weights = [result.weight for result in results if result.weight is not None]
            yield Summary(
                method=method,
                seeds=len(maps),
                mean=fmean(maps),
                std=stdev(maps) if len(maps) > 1 else None,
                difference=fmean(differences) if paired else None,
                difference_std=stdev(differences) if paired and len(differences) > 1 else None,
                better=sum(difference > 0 for difference in differences) if paired else None,
                dev=fmean(result.dev_score for result in results),
                weight=fmean(weights) if weights else None,
                seconds=fmean(result.seconds for result in results),
                accuracy=fmean(accuracies) if accuracies else None,
                accuracy_std=stdev(accuracies) if len(accuracies) > 1 else None,
                last_map=_mean_of(results, "last_map"),
                last_accuracy=_mean_of(results, "last_accuracy"),
                pairs=len(differences),
            )

    def __str__(self) -> str:
        """The summary as text."""
        from rich.console import Console

        console = Console(width=100)
        with console.capture() as capture:
            console.print(self.table())
        return capture.get().rstrip()

    def table(self) -> Table:
        """The summary as a table for the terminal: mAP in percent, and below it what the methods found amiss."""
        from rich.markup import escape
        from rich.table import Table

        seeds = max((len(self.of(method)) for method in self.methods), default=0)
        summaries = list(self.summaries())
        single = any(row.accuracy is not None for row in summaries)
        measures = "accuracy and mAP" if single else "mAP"
        table = Table(
            title=f"{self.corpus['name']}: test {measures} in %, mean ± std over {seeds} seed{'s' * (seeds != 1)}",
            title_justify="left",
            caption="\n".join(escape(f"note: {remark}") for remark in self.remarks()) or None,
            caption_justify="left",
        )
        table.add_column("method")
        headings = ("accuracy",) * single + ("test mAP", "against noisy", "better", "dev", "λ", "seconds")
        for heading in headings:
            table.add_column(heading, justify="right")
        for row in summaries:
            table.add_row(
                row.method,
                *([percent(row.accuracy, row.accuracy_std) if row.accuracy is not None else ""] * single),
                percent(row.mean, row.std),
                "" if row.difference is None else percent(row.difference, row.difference_std, sign=True),
                "" if row.better is None else f"{row.better} of {row.pairs}",
                percent(row.dev),
                "" if row.weight is None else f"{row.weight:.2f}",
                f"{row.seconds:.1f}" if row.seconds else "",
            )
        return table


def _unreviewed(labels: Path) -> str:
    """What `labels.parquet` of a run says of its corpus; empty where there is none or it says nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        known: dict[bytes, bytes] = (pq.read_schema(labels).metadata if labels.exists() else None) or {}
    except pa.ArrowInvalid as error:
        raise LabelhedgeError(f"{labels} is damaged ({error}). To mend it: run again") from error
    return known.get(UNREVIEWED, b"").decode()


def _mean_of(results: list[Result], name: str) -> float | None:
    values = [value for result in results if (value := getattr(result, name)) is not None]
    return fmean(values) if values else None


def percent(value: float, deviation: float | None = None, *, sign: bool = False) -> str:
    """A share in percent with one decimal, with its deviation where there is one.

    Examples
    --------
    >>> percent(0.4567, 0.0123), percent(0.03, sign=True)
    ('45.7 ± 1.2', '+3.0')
    """
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return text if deviation is None else f"{text} ± {100 * deviation:.1f}"
