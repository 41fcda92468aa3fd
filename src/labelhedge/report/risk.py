"""`labelhedge risk`: how far a run's labels are from the truth, and what each rule for λ makes of them.

found = measure_risk("runs/demo", corpus)        # on dev
found.analysis.cross                             # C with its interval
found.save(Path("risk.json"))
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.markup import escape

from labelhedge.corpus import Corpus, EvaluationView
from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation import Estimate, RiskAnalysis, analyse_risk
from labelhedge.files import replacing
from labelhedge.labels import heuristic_weight, soften
from labelhedge.methods import METHODS
from labelhedge.methods.distill import Distillation
from labelhedge.methods.guided import GuidedDistillation
from labelhedge.models import Classifier, load_classifier
from labelhedge.report.label_risk import LabelRiskTable
from labelhedge.results import Results
from labelhedge.training import cache_folder, evaluation_set, prepare_inputs
from labelhedge.training.loop import predict_logits

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

PLACES = {
    "dev": "images the teacher was chosen on, but not trained on",
    "test": "images; look, but choose λ on dev",
    "hidden": "untrusted training images; truth known for analysis only",
}
"""Where risks can be measured. Not on the clean set D_c: the teacher was trained on it and is over-confident there."""

_RULES = {"observed": "y alone", "soft": "s alone"}


@dataclass(frozen=True)
class RunRisk:
    """What :func:`measure_risk` found; rich prints it as tables, one of labels too if ``per_label``.

    Attributes
    ----------
    run, corpus : str
        The run's folder and the corpus's name.
    on : str
        ``dev``, ``test`` or ``hidden``.
    teacher_seed : int
        Of the model `models/clean`, the seed that did best on dev.
    temperature : float
        T of the soft labels.
    labels : sequence of L label names
    analysis : RiskAnalysis
    remarks : sequence of str
        What a reader must know, a sentence each.
    per_label : bool
    """

    run: str
    corpus: str
    on: str
    teacher_seed: int
    temperature: float
    labels: Sequence[str]
    analysis: RiskAnalysis
    remarks: Sequence[str]
    per_label: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: estimates as {value, low, high}, NaN as None, arrays as lists by label.

        `independent` and `independent_given_truth`, for all and by label, are None where no observed label is wrong.
        """
        content = _plain({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})
        del content["per_label"]
        for part, found, seen in (
            (content["analysis"], self.analysis, self.analysis.noise_shown),
            (content["analysis"]["labels"], self.analysis.labels, self.analysis.labels.noise_shown),
        ):
            for name in ("independent", "independent_given_truth"):
                verdict: npt.NDArray[Any] = np.where(seen, np.asarray(getattr(found, name)), np.asarray(None))
                part[name] = verdict.tolist()
        return dict(content)

    def save(self, path: Path) -> None:
        """Write :meth:`as_dict` as JSON, atomically."""
        with replacing(path) as new:
            new.write_text(json.dumps(self.as_dict(), indent=1, allow_nan=False), encoding="utf-8")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as tables with a sentence on what they say."""
        from rich.text import Text

        analysis = self.analysis
        yield Text(f"{self.corpus}, {self.on}: {analysis.samples:,} {PLACES[self.on]}", "bold")
        yield Text(f"teacher: clean, seed {self.teacher_seed}, T = {self.temperature:g}; 95% intervals in brackets\n")
        yield self._risks()
        yield self._rules()
        for remark in self.remarks:
            yield Text(f"- {remark}")
        if self.per_label:
            yield LabelRiskTable(self.labels, self.analysis)

    def _risks(self) -> Table:
        analysis = self.analysis
        table = _table("", "", "measured")
        table.add_row("R_y", "risk of the observed labels y", _shown(analysis.observed))
        table.add_row("R_s", "risk of the soft labels s", _shown(analysis.soft))
        table.add_row("C", escape("cross term, E[(y - y*)·(s - y*)]"), _shown(analysis.cross, sign=True))
        table.add_row("", "correlation, C / sqrt(R_y R_s)", _shown(analysis.correlation, 2, sign=True))
        table.add_row("C_0", "C of errors independent given y*", _shown(analysis.cross_independent, sign=True))
        table.add_row("", "the rest, C - C_0", _shown(analysis.cross_shared, sign=True))
        return table

    def _rules(self) -> Table:
        table = _table("labels", "λ", "risk", "above `exact`")
        for name, rule in self.analysis.rules.items():
            given = rule.weight.low == rule.weight.high == rule.weight.value
            table.add_row(
                _RULES.get(name, name),
                f"{rule.weight.value:.2f}" if given else _shown(rule.weight, 2),
                _shown(rule.risk),
                "" if name == "exact" else _shown(rule.excess, sign=True),
            )
        return table


def measure_risk(
    run: str | os.PathLike[str],
    corpus: Corpus,
    *,
    on: str = "dev",
    temperature: float = 1.0,
    resamples: int = 1000,
    seed: int = 0,
    per_label: bool = False,
    progress: bool = False,
) -> RunRisk:
    """Measure the risks of observed labels, of the teacher's soft labels and of their mixtures.

    Parameters
    ----------
    run : the folder of a finished run that holds the method ``clean``
    corpus : Corpus
        The one the run was made with.
    on : {"dev", "test", "hidden"}
        Which samples; ``hidden`` are the untrusted training samples whose true labels are known.
    temperature : float > 0
        T of the soft labels.
    resamples, seed : int
        Bootstrap draws, and what they follow from.
    per_label, progress : bool
        Print a table of labels; show a progress bar while images are decoded.

    Raises
    ------
    FileNotFoundError
        When the run is not finished.
    LabelhedgeError
        When the run has no ``clean``, the corpus is not the run's, no such sample is checked, or a setting is wrong.
    """
    if on not in PLACES:
        raise LabelhedgeError(f"--on {on}: choose one of {', '.join(PLACES)}")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise LabelhedgeError(f"--temperature {temperature:g}: a number above 0 is needed")
    if resamples < 1:
        raise LabelhedgeError(f"--resamples {resamples}: 1 or more are needed")
    results = Results.load(run)
    if results.corpus["hash"] != corpus.hash:
        raise LabelhedgeError(f"{run} was made with another state of the corpus {corpus.name}: run it again")
    if "clean" not in results.methods:
        raise LabelhedgeError(
            f"{run} has no method 'clean', whose predictions are the soft labels; it has: {', '.join(results.methods)}"
        )
    view = _samples(corpus, on)
    soft = soft_labels(load_classifier(Path(run) / "models" / "clean"), corpus, view, temperature, progress=progress)
    teacher = results.best("clean")
    weights, remarks = _heuristics(results, teacher.seed)
    used, remarks_of_run = _used(results, teacher.seed, temperature)
    analysis = analyse_risk(
        view.observed.toarray(), soft, view.truth.toarray(), weights | used, resamples=resamples, seed=seed
    )
    return RunRisk(
        run=str(run),
        corpus=corpus.name,
        on=on,
        teacher_seed=teacher.seed,
        temperature=temperature,
        labels=[label.name for label in corpus.labels],
        analysis=analysis,
        remarks=[*_verdict(analysis, on, corpus), *remarks, *remarks_of_run],
        per_label=per_label,
    )


def soft_labels(
    classifier: Classifier, corpus: Corpus, view: EvaluationView, temperature: float, *, progress: bool = False
) -> npt.NDArray[np.float32]:
    """The teacher's soft labels s (N, L): the one place that says how its outputs become probabilities."""
    store = prepare_inputs(
        corpus.images, corpus.samples.digests, classifier.settings, cache_folder(), progress=progress
    )
    (network,) = classifier.networks
    soft: npt.NDArray[np.float32] = soften(
        predict_logits(network, evaluation_set(view, store).inputs), temperature, exclusive=classifier.exclusive
    )
    return soft


def _samples(corpus: Corpus, on: str) -> EvaluationView:
    if on != "hidden":
        return corpus.evaluation_view(on)
    rows, samples = _hidden(corpus), corpus.samples
    if not len(rows):
        raise LabelhedgeError(
            "--on hidden: no untrusted training sample has verified labels, so nothing is known there: use dev"
        )
    return EvaluationView([samples.digests[row] for row in rows], samples.verified[rows], samples.observed[rows])


def _hidden(corpus: Corpus) -> npt.NDArray[np.int64]:
    rows = corpus.rows("train")
    return rows[corpus.samples.checked[rows] & ~corpus.samples.trusted[rows]]


def _heuristics(results: Results, seed: int) -> tuple[dict[str, float], list[str]]:
    """λ by Eq. 14 as the run with this seed had it, and a remark where it cannot be had."""
    maps = {name: r.dev_map for name in ("clean", "noisy") for r in results.of(name) if r.seed == seed}
    if "noisy" not in maps:
        return {}, ["`paper` and `mirrored` are left out: they need the dev mAP of `noisy`, which this run lacks."]
    if maps["clean"] + maps["noisy"] == 0:
        return {}, ["`paper` and `mirrored` are left out: the dev mAP of `clean` and of `noisy` is 0."]
    return {
        "paper": heuristic_weight(maps["clean"], maps["noisy"]),
        "mirrored": heuristic_weight(maps["noisy"], maps["clean"]),
    }, []


def _used(results: Results, seed: int, temperature: float) -> tuple[dict[str, float], list[str]]:
    """λ that this seed of the run mixed y and s with, by method, and how its pseudo labels differ from those here.

    Others that have a λ mix y with something else: `bootstrap` with its own predictions, `smooth` with 1 / L.
    """
    weights, remarks = dict[str, float](), list[str]()
    for name, settings in results.recipe["methods"].items():
        method = METHODS.get(settings.get("method", name))
        if method is None or not issubclass(method, Distillation):
            continue
        row = f"run: {name}"  # a variant may be called `exact`
        for result in results.of(name):
            if result.seed != seed or result.weight is None:
                continue
            weights[row] = result.weight
            if (own := settings.get("temperature", 1.0)) != temperature:
                remarks.append(f"`{row}` has its λ from the run, where T was {own:g}; s here has T = {temperature:g}.")
            if issubclass(method, GuidedDistillation):
                remarks.append(f"`{row}` has its λ from the run, which mixed with ŝ = G s (Eq. 12); here it is s.")
            remarks += [f"`{row}`: {remark}." for remark in result.remarks]
    return weights, remarks


def _verdict(analysis: RiskAnalysis, on: str, corpus: Corpus) -> Iterator[str]:
    """Whether the noise is seen at all, and whether Proposition 1 holds."""
    if not analysis.noise_shown:
        mend = (
            "use --on hidden"
            if on != "hidden" and len(_hidden(corpus))
            else "keep the noisy labels of checked images in 'observed'"
        )
        yield (
            f"R_y is 0: on {on} every observed label is right, so these images do not show the noise, and neither the "
            f"cross term nor a λ measured here says anything about it: {mend}."
        )
        return
    if analysis.independent:
        yield (
            "Proposition 1 assumes C = 0. The interval of C contains 0: as far as "
            f"{analysis.samples:,} images tell it holds, and `risk` (Eq. 8) is as good as `exact`."
        )
        return
    yield (
        "Proposition 1 assumes C = 0, and it does not hold here: the interval of C excludes 0. `risk` (Eq. 8) leaves C "
        "out, `exact` counts it."
    )
    if analysis.independent_given_truth:
        yield (
            "As far as these images tell C is C_0: given the truth, both err independently. That is not enough for "
            "C = 0, as where y is wrong s can only err to the same side."
        )
    elif analysis.cross_shared.low > 0:
        yield "C is above C_0: images whose observed labels are wrong are harder for the teacher too."
    else:
        yield "C is below C_0: the teacher is better than elsewhere on images whose observed labels are wrong."


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number and heading else "left", no_wrap=number > 0)
    return table


def _shown(estimate: Estimate[float], digits: int = 3, *, sign: bool = False) -> str:
    if math.isnan(estimate.value):
        return "-"
    value, low, high = (f"{part:{'+' if sign else ''}.{digits}f}" for part in estimate)
    return escape(f"{value} [{low}, {high}]")


def _plain(value: Any) -> Any:
    """What json writes: no dataclass, no array, no NaN."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Estimate):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(part) for part in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and math.isnan(value) else value
