"""`report.html`: one self-contained page of a run, readable on a phone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import jinja2

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.history import History
from labelhedge.report.gallery import draw_gallery
from labelhedge.report.suspicion import methods_with_labels
from labelhedge.results import Results, Summary, percent


@dataclass(frozen=True)
class Bar:
    """Average precision of one label under several methods, in percent; None where test has no positive."""

    label: str
    values: dict[str, float | None]
    positives: int


def write_report(run: Path, corpus: Corpus) -> Path:
    """Draw the report of a run's folder.

    Parameters
    ----------
    run : Path
        With `results.json` and `labels.parquet`.
    corpus : Corpus
        The one the run was made with.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FileNotFoundError
        When the run is not finished.
    ValueError
        When the corpus is not the run's.
    """
    from labelhedge.methods import METHODS  # with PyTorch, which `rank` does without

    results = Results.load(run)
    if results.corpus["hash"] != corpus.hash:
        raise LabelhedgeError(f"{run} was made with another state of the corpus {corpus.name}: run it again")
    summaries = list(results.summaries())
    hedge = results.best_labels(methods_with_labels(run))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("labelhedge.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals.update(percent=percent)
    page = environment.get_template("report.html").render(
        corpus=corpus.describe(),
        measured=len(corpus.evaluation_view("test")),
        results=results,
        summaries=summaries,
        descriptions={name: METHODS[chosen["method"]].about for name, chosen in results.recipe["methods"].items()},
        remarks=results.remarks(),
        scale=_scale(summaries),
        single=all(summary.accuracy is not None for summary in summaries),
        seeds=max(summary.seeds for summary in summaries),
        labels_scored=results.results[0].labels_scored,
        bars=_bars(results, corpus, compared := _compared(results, hedge)),
        compared=compared,
        gallery=draw_gallery(run, corpus, hedge) if hedge else None,
        history=(history := History.load(run)),
        curves=_curves(history),
        curve_ends=_ends(history),
        machine=json.loads((run / "environment.json").read_text()),
    )
    with replacing(run / "report.html") as new:
        new.write_text(page, encoding="utf-8")
    return run / "report.html"


@dataclass(frozen=True)
class Curve:
    """Test scores against checked images: `points` are (x, y), both in [0, 100], y downwards."""

    method: str
    points: list[tuple[float, float]]


def _ends(history: History) -> tuple[float, float]:
    """The least and the largest test score of methods with a curve; zeros where there are none."""
    stages = history.comparable
    drawn = [name for name in history.methods if sum(name in stage.scores for stage in stages) > 1]
    values = [stage.scores[name].test for stage in stages for name in drawn if name in stage.scores]
    return min(values, default=0.0), max(values, default=0.0)


def _curves(history: History) -> list[Curve]:
    """Of each method of at least two comparable stages; none where no more images were checked."""
    stages = history.comparable
    checked = [stage.checked for stage in stages]
    if len(set(checked)) < 2:
        return []
    left, width = min(checked), max(checked) - min(checked)
    low, high = _ends(history)
    height = (high - low) or 1.0
    curves = []
    for method in history.methods:
        points = sorted(
            (100 * (stage.checked - left) / width, 100 - 100 * (stage.scores[method].test - low) / height)
            for stage in stages
            if method in stage.scores
        )
        if len(points) > 1:
            curves.append(Curve(method, points))
    return curves


def _scale(summaries: Sequence[Summary]) -> tuple[float, float]:
    """Ends of the axis of the table's dots, in percent: round numbers around all values."""
    low = min(100 * (mean - (std or 0)) for mean, std in (row.score for row in summaries))
    high = max(100 * (mean + (std or 0)) for mean, std in (row.score for row in summaries))
    high = min(100.0, 5 * (high // 5 + 1))
    return max(0.0, min(5 * (low // 5), high - 5)), high


def _compared(results: Results, hedge: str | None) -> list[str]:
    """The methods shown label by label: noisy, the best hedge on dev, the upper bound."""
    methods = [name for name in ("noisy", hedge, "upper-bound") if name in results.methods]
    return methods or results.methods[:3]


def _bars(results: Results, corpus: Corpus, methods: Sequence[str]) -> list[Bar]:
    positives = corpus.evaluation_view("test").truth.sum(axis=0)
    bars = []
    for number, label in enumerate(corpus.labels):
        values: dict[str, float | None] = {}
        for method in methods:
            found = [value for r in results.of(method) if (value := r.average_precision[label.name]) is not None]
            values[method] = 100 * fmean(found) if found else None
        bars.append(Bar(label.name, values, int(positives[number])))
    return sorted(bars, key=lambda bar: -(bar.values[methods[-1]] or 0))
