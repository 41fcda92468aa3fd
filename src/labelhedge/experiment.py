"""From a recipe to a run's folder: which fits are needed, train or reuse them, measure, write.

    results = run(Recipe(corpus="clipart"))

Fits are kept in `fits/` of the run's folder under a key of all they depend on, so a run that was stopped goes on where
it was, what several methods need is trained once, and a change in the recipe trains only what depends on it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np
import scipy.sparse
import torch

from labelhedge.corpus import Corpus
from labelhedge.evaluation import accuracy, average_precision, mean_average_precision
from labelhedge.evaluation.bootstrap import paired_error
from labelhedge.history import History
from labelhedge.methods import METHODS, Method
from labelhedge.models import save_classifier
from labelhedge.recipe import Recipe, RecipeError, order_methods
from labelhedge.report import write_labels, write_report
from labelhedge.results import Result, Results
from labelhedge.training import (
    EvaluationSet,
    Fit,
    InputStore,
    Task,
    TrainingSet,
    cache_folder,
    derive_seed,
    evaluation_set,
    prepare_inputs,
    training_set,
)

if TYPE_CHECKING:
    from labelhedge.progress import RunProgress

_PACKAGES = ("labelhedge", "torch", "numpy", "scipy", "accelerate", "pyarrow", "pillow", "onnxruntime")

TELLING = 30
"""With fewer dev images no method is said to be worse than another."""


def run(recipe: Recipe, *, progress: bool = False, fresh: bool = False) -> Results:
    """Run a recipe and write its folder.

    Parameters
    ----------
    recipe : Recipe
    progress : bool
        Show progress bars on the terminal.
    fresh : bool
        Train everything anew instead of reusing the fits of an earlier run in the same folder.

    Returns
    -------
    Results
        What `results.json` of the run's folder holds.

    Raises
    ------
    CorpusError, RecipeError
        When the corpus or the recipe is at fault, or another run is writing to the folder.
    """
    from labelhedge.progress import RunProgress

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError("a run uses one process: start it without torchrun or accelerate launch")

    corpus = Corpus.open(recipe.corpus, progress=progress)
    asked, recipe = recipe.methods, resolve(recipe, corpus)
    assert recipe.out is not None
    assert isinstance(recipe.methods, dict)
    if progress and (left_out := _left_out(asked, recipe.methods)):
        print(f"left out, as the corpus does not allow them: {', '.join(left_out)}", file=sys.stderr)
    folder = Path(recipe.out)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            history = History.load(folder)  # one that cannot be read is an error before anything is trained
            if fresh:
                _forget(folder, {method.name for method in recipe.methods.values()})
            store = prepare_inputs(
                corpus.images, corpus.samples.digests, recipe.network, cache_folder(), progress=progress
            )
            fits = len(recipe.methods) * len(recipe.seeds)
            with RunProgress(fits, enabled=progress) as bars:
                experiment = Experiment(recipe, corpus, store, folder, bars, history)
                return experiment.run()
    except filelock.Timeout as error:
        raise RecipeError(f"another run is writing to {folder}: wait for it, or choose another 'out'") from error


def resolve(recipe: Recipe, corpus: Corpus) -> Recipe:
    """Fill in what a recipe leaves open, and check that the corpus allows it.

    Raises
    ------
    RecipeError
        When a method needs a graph or a clean set that the corpus lacks, there is no method to compare, or dev or test
        has no positive.
    CorpusError
        When dev or test has no verified labels, or `upper-bound` is asked for and hidden labels are not known.
    """
    for split in ("dev", "test"):
        if not corpus.evaluation_view(split).truth.nnz:
            raise RecipeError(
                f"no label has a positive among the checked samples of {split}: there is nothing to measure"
            )
    trusted = int(corpus.samples.trusted.sum())
    untrusted = len(corpus.rows("train")) - trusted
    every_label_known = bool(corpus.samples.checked[corpus.rows("train")].all())
    if not isinstance(recipe.methods, dict):
        everything = recipe.methods == "all"
        possible = {
            name: method()
            for name, method in METHODS.items()
            if (not method.auxiliary and not method.missing_packages() if everything else method.by_default)
            and (corpus.graph_path or not method.needs_graph)
            and (every_label_known or not method.sees_truth)
            and (untrusted > 1 or not method.needs_untrusted)
            and (trusted > 1 or not any(METHODS[need].needs_clean_set for need in (name, *method().needs)))
        }
        recipe = recipe.model_copy(update={"methods": order_methods(possible)})
    assert isinstance(recipe.methods, dict)
    if all(method.auxiliary for method in recipe.methods.values()):
        raise RecipeError(f"methods: {', '.join(recipe.methods)} only serve others: name one to compare, such as noisy")
    dev = corpus.evaluation_view("dev")
    for name, method in recipe.methods.items():
        if missing := method.missing_packages():
            raise RecipeError(
                f"methods.{name} needs the package {', '.join(missing)}: run pip install 'labelhedge[{method.name}]'"
            )
        if objection := method.objection(dev):
            raise RecipeError(f"methods.{name}: {objection}")
        if method.needs_graph and corpus.graph_path is None:
            raise RecipeError(f"methods.{name} needs label relations, but the corpus has no graph.nt: leave it out")
        if method.sees_truth:
            corpus.oracle_view()
        if method.needs_untrusted and untrusted < 2:
            raise RecipeError(
                f"methods.{name} corrects noisy labels, but every training sample is trusted: leave it out"
            )
        if method.needs_clean_set and trusted < 2:
            askers = [other for other, asking in recipe.methods.items() if name in asking.needs]
            raise RecipeError(
                f"methods.{name}{f' (for {askers[0]})' if askers else ''} needs a clean set, and {trusted} training "
                "samples are trusted: check some with `labelhedge review`, or fill in 'verified' and set 'trusted', or "
                "run only methods that need none (noisy, gce, elr)"
            )
    out = recipe.out or str(Path("runs") / corpus.name)
    return recipe.model_copy(update={"out": out, "corpus": str(recipe.corpus)})


@dataclass
class Experiment:
    """A recipe at work on an opened corpus."""

    recipe: Recipe
    corpus: Corpus
    store: InputStore
    folder: Path
    bars: RunProgress
    history: History

    @cached_property
    def _train(self) -> TrainingSet:
        return training_set(self.corpus.training_view(), self.store)

    @cached_property
    def _oracle(self) -> TrainingSet:
        return training_set(self.corpus.oracle_view(), self.store)

    @cached_property
    def _dev(self) -> EvaluationSet:
        return evaluation_set(self.corpus.evaluation_view("dev"), self.store)

    def run(self) -> Results:
        """Train what is missing, measure, and write the run's folder."""
        assert isinstance(self.recipe.methods, dict)
        results = Results(
            corpus={"name": self.corpus.name, "hash": self.corpus.hash},
            recipe=self.recipe.model_dump(mode="json"),
            caveats=self.corpus.caveats(),
        )
        test = evaluation_set(self.corpus.evaluation_view("test"), self.store)
        fits: dict[tuple[str, int], Fit] = {}
        for seed in self.recipe.seeds:
            fitted: dict[str, Fit] = {}
            for name, method in self.recipe.methods.items():
                fitted[name] = self.fit(name, method, seed, fitted)
                if not method.auxiliary:
                    fits[name, seed] = fitted[name]
                    results.results.append(self.measure(name, seed, fitted[name], test))
        self.compare(results, fits)
        self._write(results, fits)
        return results

    def compare(self, results: Results, fits: Mapping[tuple[str, int], Fit]) -> None:
        """Remark on methods that do clearly worse on dev than Baseline-Noisy: by more than two standard errors.

        Of the mean over seeds; the error is that over dev images, see `paired_error`. Fewer than `TELLING` images have
        no say.
        """
        assert isinstance(self.recipe.methods, dict)
        if len(self._dev.truth) < TELLING:
            return
        single = self.corpus.info.exclusive
        noisy = {result.seed: result for result in results.of("noisy")}
        for name, method in self.recipe.methods.items():
            rows = [row for row in results.of(name) if row.seed in noisy]
            below = sum(noisy[row.seed].dev_score - row.dev_score for row in rows) / max(len(rows), 1)
            if method.baseline or below <= 0:
                continue
            pairs = [
                (fits["noisy", row.seed].scores(self._dev), fits[name, row.seed].scores(self._dev)) for row in rows
            ]
            measure = accuracy if single else mean_average_precision
            error = paired_error(measure, self._dev.truth, pairs, derive_seed(0, "against noisy"))
            if below > 2 * error:
                remark = (
                    f"on dev {100 * below:.1f} points of {'accuracy' if single else 'mAP'} below `noisy` "
                    f"(± {100 * error:.1f}, the standard error over images): better not used here"
                )
                for row in rows:
                    row.remarks = [*row.remarks, remark]

    def fit(self, name: str, method: Method, seed: int, fitted: Mapping[str, Fit]) -> Fit:
        """The fit of a method with a seed: from an earlier sitting where nothing it depends on has changed."""
        train = (self._oracle if method.sees_truth else self._train).seen_as(method.sight)
        about = {
            "version": importlib.metadata.version("labelhedge"),
            "method": method.name,
            "settings": method.model_dump(mode="json"),
            "network": self.recipe.network.model_dump(mode="json"),
            "training": self.recipe.training.model_dump(mode="json", exclude={"checkpoint_seconds"}),
            "seed": seed,
            "train": train.view.fingerprint(),
            "dev": self._dev.view.fingerprint(),
            "labels": [label.model_dump() for label in self.corpus.labels],
            "exclusive": self.corpus.info.exclusive,
            "inputs": self.store.name,
            "graph": _file_hash(self.corpus.graph_path) if method.needs_graph or method.uses_graph else None,
            "needs": {need: fitted[need].folder.name for need in method.needs},
        }
        key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=6).hexdigest()
        folder = self.folder / "fits" / f"{method.name}-{seed}-{key}"
        serves = self._served(name) if method.auxiliary else ""
        with self.bars.fitting(name, seed, self.recipe.training.epochs, serves=serves) as shown:
            fit = Fit.load(folder)
            if fit is None:
                task = Task(
                    train=train,
                    dev=self._dev,
                    labels=self.corpus.labels,
                    graph=self.corpus.graph_path,
                    network=self.recipe.network,
                    training=self.recipe.training,
                    seed=seed,
                    folder=folder,
                    on_epoch=shown.on_epoch,
                    exclusive=self.corpus.info.exclusive,
                )
                fit = method.fit(task, {need: fitted[need] for need in method.needs})
                fit.save(about)
            shown.dev = fit.dev_map if fit.dev_accuracy is None else fit.dev_accuracy
        return fit

    def _served(self, name: str) -> str:
        """The methods that need an auxiliary one, in words."""
        assert isinstance(self.recipe.methods, dict)
        return ", ".join(other for other, method in self.recipe.methods.items() if name in method.needs)

    def measure(self, name: str, seed: int, fit: Fit, test: EvaluationSet) -> Result:
        """Average precisions of a fit on test."""
        values = average_precision(test.truth, fit.scores(test))
        scored = values[~np.isnan(values)]
        exclusive = self.corpus.info.exclusive
        last: dict[str, float] = {}
        if fit.last is not None:
            scores = fit.scores(test, last=True)
            last["last_map"] = float(mean_average_precision(test.truth, scores))
            if exclusive:
                last["last_accuracy"] = float(accuracy(test.truth, scores))
        names = [label.name for label in self.corpus.labels]
        return Result(
            method=name,
            seed=seed,
            test_map=float(scored.mean()),
            dev_map=fit.dev_map,
            average_precision={
                label: None if np.isnan(value) else float(value) for label, value in zip(names, values, strict=True)
            },
            labels_scored=len(scored),
            weight=fit.weight,
            seconds=fit.seconds,
            epochs=fit.epochs,
            best_epoch=fit.best_epoch,
            accuracy=float(accuracy(test.truth, fit.scores(test))) if exclusive else None,
            dev_accuracy=fit.dev_accuracy,
            taught_dev=fit.taught_dev,
            remarks=fit.remarks,
            **last,
        )

    def _write(self, results: Results, fits: dict[tuple[str, int], Fit]) -> None:
        for name in results.methods:
            best = results.best(name)
            about = {"method": name, "seed": best.seed, "dev_map": best.dev_map, "corpus": results.corpus}
            save_classifier(fits[name, best.seed].classifier, self.folder / "models" / name, about)
        pseudo = {
            name: [labels for seed in self.recipe.seeds if (labels := fits[name, seed].pseudo_labels()) is not None]
            for name in results.methods
        }
        (self.folder / "results.json").unlink(missing_ok=True)  # never old results beside new labels
        write_labels(self.folder / "labels.parquet", self.corpus, {k: v for k, v in pseudo.items() if v})
        for path in (self.folder / "models").iterdir():
            if path.name not in results.methods and _is_of_a_run(path):
                shutil.rmtree(path)
        (self.folder / "recipe.yaml").write_text(self.recipe.dump(), encoding="utf-8")
        (self.folder / "environment.json").write_text(json.dumps(environment(), indent=1), encoding="utf-8")
        results.save(self.folder)
        self._remember(results)
        self.bars.note("drawing the report")
        write_report(self.folder, self.corpus)

    def _remember(self, results: Results) -> None:
        """Add what was measured to the history, with all that must be the same for stages to be compared."""
        test, train = self.corpus.evaluation_view("test"), self._train.view
        nobody = scipy.sparse.csr_array(train.verified.shape, dtype=bool)
        like = [
            importlib.metadata.version("labelhedge"),
            self.recipe.network.model_dump(mode="json"),
            self.recipe.training.model_dump(mode="json", exclude={"checkpoint_seconds"}),
            self._dev.view.fingerprint(),
            test.fingerprint(),
            replace(train, trusted=np.zeros(len(train), bool), verified=nobody).fingerprint(),
            [label.model_dump() for label in self.corpus.labels],
            _file_hash(self.corpus.graph_path),
        ]
        self.history.add(results, checked=int(train.trusted.sum()), like=like)
        self.history.save(self.folder)


def _left_out(asked: Any, methods: Mapping[str, Method]) -> list[str]:
    """Methods that would be run if the corpus had what they need."""
    if isinstance(asked, dict):
        return []
    usual = [m for m in METHODS.values() if (not m.auxiliary if asked == "all" else m.by_default)]
    return [method.name for method in usual if method.name not in methods and not method.missing_packages()]


def _forget(folder: Path, methods: set[str]) -> None:
    """Remove the results of an earlier run and the fits of these methods, and nothing else."""
    (folder / "results.json").unlink(missing_ok=True)
    for path in (folder / "fits").glob("*"):
        found = re.fullmatch(r"(.+)-\d+-[0-9a-f]{12}", path.name)
        if found and found[1] in methods:
            shutil.rmtree(path)


def environment() -> dict[str, Any]:
    """What a run depends on besides its recipe: versions and machine."""
    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _file_hash(path: Path | None) -> str | None:
    return None if path is None else hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _is_of_a_run(model: Path) -> bool:
    """Whether a folder of models is of a method of an earlier recipe, not a copy that somebody put beside them."""
    try:
        about = json.loads((model / "model.json").read_text(encoding="utf-8"))["about"]
    except (OSError, ValueError, KeyError):
        return False
    return bool(about.get("method") == model.name)
