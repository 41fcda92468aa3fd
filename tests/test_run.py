"""Whole runs on a small corpus: the folder, resume, fits trained once, the order of methods, and no leak."""

import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import labelhedge as lh
from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation import average_precision, mean_average_precision
from labelhedge.history import History
from labelhedge.labels import heuristic_weight, optimal_weight, propagate, pseudo_labels, risk, soften
from labelhedge.methods import METHODS
from labelhedge.report import write_report
from labelhedge.training import Fit, Predictor
from labelhedge.training import task as task_module

NETWORK = {"kind": "alexnet-bn", "image_size": 32, "width": 0.05}
TRAINING = {"epochs": 2, "batch_size": 12}
FOLDS = 2
EVERY = {
    name: {"folds": FOLDS} if "folds" in method.model_fields else None
    for name, method in METHODS.items()
    if not method.missing_packages()
}
COMPARED = [name for name in EVERY if not METHODS[name].auxiliary]


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory, make_corpus):
    return make_corpus(tmp_path_factory.mktemp("corpus") / "tiny", size=80)


def recipe(folder, out, **changes):
    settings = {"methods": EVERY, "seeds": 2, "network": NETWORK, "training": TRAINING}
    return lh.Recipe(**{"corpus": str(folder), "out": str(out)} | settings | changes)


@pytest.fixture(scope="module")
def watched(corpus_folder, tmp_path_factory):
    """A run of every method, and what each was handed of untrusted samples (n, L) beside their observed labels."""
    out, seen = tmp_path_factory.mktemp("runs") / "whole", {}
    view = lh.Corpus.open(corpus_folder).training_view()
    observed = view.observed.toarray()
    original = task_module.Task.train_model

    def spy(self, *arguments, **options):
        train = self.train
        handed = (train.verified + train.observed + train.labels).toarray() > observed
        seen[method_of(self.folder)] = (handed | train.verified.toarray())[~view.trusted]
        return original(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_module.Task, "train_model", spy)
        return lh.run(recipe(corpus_folder, out)), out, seen


@pytest.fixture(scope="module")
def finished(watched):
    results, out, _ = watched
    return results, out


def scores_of(out, method, seed):
    """What the fit of a method predicts for test and dev, as it lies on disk."""
    (folder,) = (out / "fits").glob(f"{method}-{seed}-*")
    return {path.name: np.load(path) for path in sorted(folder.glob("*.npy"))}


def test_models_of_an_earlier_recipe_go_and_copies_that_somebody_made_stay(corpus_folder, tmp_path):
    def run(*methods):
        network = {"kind": "alexnet-bn", "image_size": 32, "width": 0.05}
        training = {"epochs": 1, "batch_size": 16}
        lh.run(lh.Recipe(corpus=corpus_folder, methods=methods, seeds=1, network=network, training=training, out=out))

    out = tmp_path / "run"
    run("clean", "noisy")
    shutil.copytree(out / "models" / "clean", out / "models" / "in-use")
    (out / "models" / "notes").mkdir()
    run("noisy")
    assert sorted(path.name for path in (out / "models").iterdir()) == ["in-use", "noisy", "notes"]


def test_a_run_leaves_everything_that_the_design_names(finished, corpus_folder):
    results, out = finished
    corpus = lh.Corpus.open(corpus_folder)
    content = json.loads((out / "results.json").read_text())
    assert content["corpus"] == {"name": corpus.name, "hash": corpus.hash}
    assert set(content) == {"corpus", "recipe", "results", "caveats"}
    for result in content["results"]:
        assert {
            "method",
            "seed",
            "test_map",
            "dev_map",
            "average_precision",
            "weight",
            "seconds",
            "epochs",
        } <= set(result)
        assert list(result["average_precision"]) == [label.name for label in corpus.labels]
    assert [(r["method"], r["seed"]) for r in content["results"]] == [(m, s) for s in (0, 1) for m in COMPARED]
    assert lh.Recipe.load(out / "recipe.yaml").methods == lh.Recipe(**results.recipe).methods
    assert json.loads((out / "environment.json").read_text())["packages"]["torch"]
    assert (out / "report.html").stat().st_size > 10_000
    assert {path.name for path in (out / "models").iterdir()} == set(COMPARED)
    for name in COMPARED:
        assert {path.name for path in (out / "models" / name).iterdir()} == {"model.safetensors", "model.json"}
    assert lh.Results.load(out) == results


def test_results_are_what_the_saved_models_predict(finished, corpus_folder):
    results, out = finished
    corpus = lh.Corpus.open(corpus_folder)
    rows = corpus.rows("test")
    images = [data for _, data in corpus.images.read(rows)]
    truth = corpus.evaluation_view("test").truth.toarray()
    for method in COMPARED:
        best = results.best(method)
        values = average_precision(truth, Predictor.load(out / "models" / method).predict(images))
        stored = [best.average_precision[label.name] for label in corpus.labels]
        expected = [np.nan if value is None else value for value in stored]
        assert np.allclose(values, expected, equal_nan=True, atol=1e-6)
        assert best.test_map == pytest.approx(np.nanmean(expected))
        assert best.dev_map == max(result.dev_map for result in results.of(method))


def test_what_is_clearly_below_noisy_on_dev_is_remarked_on(make_corpus, tmp_path):
    """The clean set is wrong here: `clean` is no better than `distill`, but claims nothing."""
    methods = {"clean": None, "noisy": None, "gce": None, "distill": {"weight": 0.0, "check": False}}
    for size in (320, 290):  # 32 dev images, and 29, which have no say
        wrong = {(row, "verified"): [(row + 1) % 3] for row in range(size) if row % 10 in (0, 3)}
        folder = make_corpus(tmp_path / f"{size}", size=size, cells=wrong)
        out = tmp_path / f"run-{size}"
        results = lh.run(recipe(folder, out, methods=methods, training={"epochs": 4, "batch_size": 16}))
        dev = {row.method: row.dev for row in results.summaries()}
        below = {name: 100 * (dev["noisy"] - score) for name, score in dev.items()}
        assert min(below["clean"], below["distill"]) > 5
        found = [
            re.fullmatch(
                r"distill \(seed 0, 1\): on dev (.+) points of mAP below `noisy` \(± (.+), the standard .*", remark
            )
            for remark in results.remarks()
        ]
        if size == 290:
            assert found == []
            continue
        (match,) = found
        assert float(match[1]) == pytest.approx(below["distill"], abs=0.06)
        assert 2 * float(match[2]) < below["distill"]
        assert match[0] in " ".join(str(results).split())
        assert match[0] in (out / "report.html").read_text()


def test_the_ensemble_is_the_geometric_mean_of_the_baselines(finished):
    _, out = finished
    parts = [scores_of(out, name, 0) for name in ("clean", "noisy", "ensemble")]
    shared = parts[0].keys() & parts[1].keys() & parts[2].keys()  # on test; only the ensemble needs scores on dev
    assert shared
    for name in shared:
        assert np.allclose(parts[2][name], np.sqrt(parts[0][name] * parts[1][name]), atol=1e-6)


def test_pseudo_labels_are_those_of_the_equations(finished, corpus_folder):
    results, out = finished
    corpus = lh.Corpus.open(corpus_folder)
    view = corpus.training_view()
    clean = Fit.load(next((out / "fits").glob("clean-0-*")))
    logits = next(array for array in _named(clean.folder, "logits-") if len(array) == len(view))
    soft = soften(logits.astype(np.float64))
    matrix = lh.graph.relation_matrix(lh.graph.siblings(lh.graph.read_triples(corpus.graph_path), corpus.labels), 0.4)
    for method, guidance in (("distill", soft), ("guided", propagate(soft, matrix))):
        result = results.of(method)[0]
        pseudo = np.load(next((out / "fits").glob(f"{method}-0-*")) / "pseudo-labels.npy")
        labels = np.where(view.trusted[:, None], view.verified.toarray(), view.observed.toarray())
        assert np.allclose(pseudo, pseudo_labels(labels, guidance, result.weight), atol=1e-3)


@pytest.mark.parametrize("rule", ["paper", "mirrored", "risk", "dev", 0.25])
def test_every_rule_for_the_weight_gives_what_its_equation_says(rule, finished, corpus_folder, tmp_path):
    results, out = finished
    shutil.copytree(out / "fits", tmp_path / "run" / "fits")
    methods = {"noisy": None, "distill": {"weight": rule, "check": False}}
    other = lh.run(recipe(corpus_folder, tmp_path / "run", seeds=1, methods=methods))
    found = other.of("distill")[0].weight
    clean, noisy = results.of("clean")[0], results.of("noisy")[0]
    dev = lh.Corpus.open(corpus_folder).evaluation_view("dev")
    truth = dev.truth.toarray().astype(float)
    folders = {name: next((tmp_path / "run" / "fits").glob(f"{name}-0-*")) for name in ("clean", "noisy")}
    logits = next(array for array in _named(folders["clean"], "logits-") if len(array) == len(dev))
    soft = soften(logits.astype(float))
    if rule == "paper":
        assert found == pytest.approx(heuristic_weight(clean.dev_map, noisy.dev_map))
    elif rule == "mirrored":
        assert found == pytest.approx(heuristic_weight(noisy.dev_map, clean.dev_map))
    elif rule == "risk":
        expected = optimal_weight(risk(soft, truth), risk(dev.observed.toarray().astype(float), truth))
        assert found == pytest.approx(expected, abs=1e-4)
    elif rule == "dev":
        predicted = next(array for array in _named(folders["noisy"], "scores-") if len(array) == len(dev))
        maps = {k / 10: mean_average_precision(truth, (k * predicted + (10 - k) * soft) / 10) for k in range(11)}
        assert maps[found] == pytest.approx(max(maps.values()), abs=1e-6)
    else:
        assert found == 0.25


def test_guided_chooses_beta_and_relations_on_dev(finished, corpus_folder, tmp_path):
    _, out = finished
    shutil.copytree(out / "fits", tmp_path / "run" / "fits")
    settings = {"guided": {"beta": "dev", "weight": 0.4, "check": False}}
    chosen = lh.run(recipe(corpus_folder, tmp_path / "run", seeds=1, methods=settings)).of("guided")[0]
    corpus = lh.Corpus.open(corpus_folder)
    dev = corpus.evaluation_view("dev")
    clean, noisy = (Fit.load(next((out / "fits").glob(f"{name}-0-*"))) for name in ("clean", "noisy"))
    logits = next(array for array in _named(clean.folder, "logits-") if len(array) == len(dev))
    scores = next(array for array in _named(noisy.folder, "scores-") if len(array) == len(dev))
    groups = lh.graph.siblings(lh.graph.read_triples(corpus.graph_path), corpus.labels)
    truth, mixed = dev.truth.toarray(), {}
    for beta in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):  # the graph has one relation: all, or it alone, is the same
        soft = propagate(soften(logits.astype(np.float32)), lh.graph.relation_matrix(groups, beta))
        mixed[beta] = 0.4 * scores + 0.6 * soft
    found = {beta: mean_average_precision(truth, values) for beta, values in mixed.items()}
    best = max(found, key=lambda beta: (found[beta], -beta))
    rng = np.random.default_rng(0)
    draws = [drawn for drawn in rng.integers(len(dev), size=(500, len(dev))) if truth[drawn].any()]
    # One standard error of the difference; the method's own draws are others, and a tenth as many.
    error = {
        beta: np.std(
            [
                mean_average_precision(truth[d], mixed[best][d]) - mean_average_precision(truth[d], mixed[beta][d])
                for d in draws
            ]
        )
        for beta in mixed
    }
    (remark,) = chosen.remarks
    beta = float(remark.removeprefix("dev chose β = ").removesuffix(" over all relations"))
    assert beta <= best
    assert found[best] - found[beta] <= 1.3 * error[beta]
    assert all(found[best] - found[less] >= 0.7 * error[less] for less in mixed if less < beta)


def test_hidden_labels_change_nothing_but_the_upper_bound(finished, corpus_folder, tmp_path):
    """Permute `verified` of untrusted training rows: every other method stays the same, bit for bit."""
    _, out = finished
    permuted = tmp_path / "permuted"
    shutil.copytree(corpus_folder, permuted)
    (part,) = (permuted / "samples").glob("*.parquet")
    table = pq.read_table(part)
    verified = table["verified"].to_pylist()
    hidden = [
        i
        for i, (s, t) in enumerate(zip(table["split"].to_pylist(), table["trusted"].to_pylist()))
        if s == "train" and not t
    ]
    for place, source in zip(hidden, hidden[1:] + hidden[:1], strict=True):
        verified[place] = table["verified"][source].as_py()
    assert verified != table["verified"].to_pylist()
    column = pa.array(verified, table["verified"].type)
    pq.write_table(table.set_column(table.column_names.index("verified"), "verified", column), part)
    again = tmp_path / "again"
    lh.run(recipe(permuted, again, seeds=1))
    for method in EVERY:
        first, second = scores_of(out, method, 0), scores_of(again, method, 0)
        assert first, method
        same = first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
        assert same == (method != "upper-bound"), method


def test_no_method_but_the_upper_bound_is_handed_a_hidden_label(watched):
    *_, seen = watched
    assert {name for name, hidden in seen.items() if hidden.any()} == {"upper-bound"}
    assert set(seen) == set(EVERY) - {"ensemble"}


def test_a_stopped_run_goes_on_to_the_same_results_and_trains_nothing_twice(
    finished, corpus_folder, tmp_path, monkeypatch
):
    results, _ = finished
    trained, stops = [], {"distill", "cross-noisy/fold-1"}
    original = task_module.train

    def watch(*arguments, checkpoint, **options):
        parts = re.findall(r"(?:fold|teacher|second|student)-\w+", str(checkpoint))
        place = "/".join([method_of(checkpoint.parent), *parts])
        if place in stops:
            stops.remove(place)
            raise KeyboardInterrupt
        trained.append(place)
        return original(*arguments, checkpoint=checkpoint, **options)

    monkeypatch.setattr(task_module, "train", watch)
    settings = recipe(corpus_folder, tmp_path / "run", seeds=1)
    for _ in range(len(stops)):
        with pytest.raises(KeyboardInterrupt):
            lh.run(settings)
        assert not (tmp_path / "run" / "results.json").exists()
    resumed = lh.run(settings)
    parts = ("cross-noisy/fold", "hedge/teacher", "hedge/second")
    folds = {f"{part}-{number}" for part in parts for number in range(FOLDS)}
    students = {"hedge/student-0", "hedge/student-anew"}
    expected = sorted(set(EVERY) - {"ensemble", "cross-noisy", "hedge"} | folds | students)
    assert sorted(trained) == expected  # each once: what others need too
    assert without_seconds(resumed) == [result for result in without_seconds(results) if result["seed"] == 0]
    lh.run(settings)
    assert sorted(trained) == expected
    lh.run(recipe(corpus_folder, tmp_path / "run", seeds=1, methods=["finetune"]), fresh=True)
    assert sorted(trained) == sorted([*expected, "clean", "finetune"])


def test_the_order_of_methods_and_the_company_of_others_change_nothing(finished, corpus_folder, tmp_path):
    results, _ = finished
    other = lh.run(recipe(corpus_folder, tmp_path / "run", seeds=[1, 0], methods=["upper-bound", "guided", "distill"]))
    for method in other.methods:
        assert [r.test_map for r in other.of(method)] == [r.test_map for r in results.of(method)]


def test_a_changed_setting_trains_only_what_depends_on_it(finished, corpus_folder, tmp_path, monkeypatch):
    _, out = finished
    shutil.copytree(out, tmp_path / "run")
    trained = []
    original = task_module.Task.train_model

    def spy(self, *arguments, **options):
        trained.append(method_of(self.folder))
        return original(self, *arguments, **options)

    monkeypatch.setattr(task_module.Task, "train_model", spy)
    lh.run(recipe(corpus_folder, tmp_path / "run", methods={"noisy": None, "guided": {"beta": 0.1}}))
    assert trained == ["guided", "guided"]


def reviewed(folder, out, *, wrong):
    """The corpus after a review of three untrusted training samples that found labels `wrong`, or all right."""
    shutil.copytree(folder, out)
    (part,) = (out / "samples").glob("*.parquet")
    table = pq.read_table(part)
    rows = table.select(["split", "trusted", "observed", "verified"]).to_pylist()
    untrusted = [number for number, row in enumerate(rows) if row["split"] == "train" and not row["trusted"]]
    found = [number for number in untrusted if (rows[number]["observed"] != rows[number]["verified"]) == wrong][:3]
    assert len(found) == 3
    trusted = pa.array([row["trusted"] or number in found for number, row in enumerate(rows)])
    pq.write_table(table.set_column(table.column_names.index("trusted"), "trusted", trusted), part)
    return out


@pytest.mark.parametrize("wrong", [False, True])
def test_a_review_trains_only_what_depends_on_what_it_found(make_corpus, tmp_path, monkeypatch, wrong):
    before = make_corpus(tmp_path / "before", size=80)
    after = reviewed(before, tmp_path / "after", wrong=wrong)
    methods = ["clean", "noisy", "ensemble", "distill", "gce", "cross-noisy", "upper-bound"]
    lh.run(recipe(before, tmp_path / "run", seeds=1, methods=methods))
    trained = set()
    original = task_module.Task.train_model

    def spy(self, *arguments, **options):
        trained.add(method_of(self.folder))
        return original(self, *arguments, **options)

    monkeypatch.setattr(task_module.Task, "train_model", spy)
    results = lh.run(recipe(after, tmp_path / "run", seeds=1, methods=methods))
    assert trained == {"clean", "distill"} | ({"noisy", "gce", "cross-noisy"} if wrong else set())
    fresh = lh.run(recipe(after, tmp_path / "anew", seeds=1, methods=methods))
    assert [r.test_map for r in results.results] == [r.test_map for r in fresh.results]


def test_a_run_after_a_review_remembers_the_one_before(make_corpus, tmp_path):
    before = make_corpus(tmp_path / "before", size=80)
    after = reviewed(before, tmp_path / "after", wrong=True)
    first = lh.run(recipe(before, tmp_path / "run", methods=["noisy"]))
    second = lh.run(recipe(after, tmp_path / "run", methods=["clean", "noisy"]))
    lh.run(recipe(after, tmp_path / "run", methods=["clean", "noisy"]))  # nothing has changed: no stage of its own
    history = History.load(tmp_path / "run")
    checked = [int(lh.Corpus.open(folder).samples.trusted.sum()) for folder in (before, after)]
    assert [stage.checked for stage in history.comparable] == checked
    assert [list(stage.scores) for stage in history.comparable] == [["noisy"], ["clean", "noisy"]]
    for stage, results in zip(history.stages, (first, second), strict=True):
        for row in results.summaries():
            assert (stage.scores[row.method].test, stage.scores[row.method].deviation) == row.score
    page = (tmp_path / "run" / "report.html").read_text()
    lh.run(recipe(after, tmp_path / "run", methods=["noisy"], training={**TRAINING, "epochs": 1}))  # a trial
    lh.run(recipe(after, tmp_path / "run", methods=["noisy"]))
    history = History.load(tmp_path / "run")
    assert [stage.checked for stage in history.comparable] == checked
    assert len(history.stages) == 3
    (tmp_path / "run" / "history.json").unlink()
    assert "What checking" not in write_report(tmp_path / "run", lh.Corpus.open(after)).read_text()
    (tmp_path / "run" / "history.json").write_text("{")
    (tmp_path / "run" / "results.json").unlink()
    with pytest.raises(LabelhedgeError, match=r"history\.json: not a history of runs"):
        lh.run(recipe(after, tmp_path / "run", methods=["noisy"]))
    assert not (tmp_path / "run" / "results.json").exists()  # and nothing was trained for it
    assert "What checking has brought" in page
    assert "<polyline" in page


def test_what_the_corpus_lacks_is_left_out_or_said_before_anything_is_trained(make_corpus, tmp_path):
    bare = make_corpus(tmp_path / "bare", size=80)
    (bare / "graph.nt").unlink()
    (part,) = (bare / "samples").glob("*.parquet")
    table = pq.read_table(part)
    keep = [
        v if t or s != "train" else None
        for v, t, s in zip(*(table[n].to_pylist() for n in ("verified", "trusted", "split")))
    ]
    column = pa.array(keep, table["verified"].type)
    pq.write_table(table.set_column(table.column_names.index("verified"), "verified", column), part)
    results = lh.run(recipe(bare, tmp_path / "run", seeds=1, methods=None))
    assert results.methods == ["clean", "noisy", "distill", "ensemble", "hedge"]
    with pytest.raises(lh.RecipeError, match=r"methods.guided .*graph.nt"):
        lh.run(recipe(bare, tmp_path / "other", methods=["guided"]))
    with pytest.raises(lh.RecipeError, match="silver, cross-noisy only serve others: name one"):
        lh.run(recipe(bare, tmp_path / "other", methods=["silver", "cross-noisy"]))
    with pytest.raises(lh.CorpusError, match="'upper-bound' needs"):
        lh.run(recipe(bare, tmp_path / "other", methods=["upper-bound"]))
    assert not (tmp_path / "other").exists()
    right = {"observed": table["verified"].to_pylist()}
    clean = make_corpus(tmp_path / "clean", size=80, columns=right)
    with pytest.raises(lh.RecipeError, match=r"methods\.distill: weight 'risk' measures the noise on dev, but"):
        lh.run(recipe(clean, tmp_path / "other", methods={"distill": {"weight": "risk"}}))
    assert not (tmp_path / "other").exists()


def test_labels_parquet_says_which_labels_look_wrong(finished, corpus_folder):
    _, out = finished
    table = pq.read_table(out / "labels.parquet").to_pylist()
    corpus = lh.Corpus.open(corpus_folder)
    view = corpus.training_view()
    methods = list(dict.fromkeys(row["method"] for row in table))
    assert methods == ["distill", "guided", "hedge"]
    assert [row["method"] for row in table] == [method for method in methods for _ in range(len(view))]
    known = np.where(view.trusted[:, None], view.verified.toarray(), view.observed.toarray())
    ids = [corpus.samples.ids[row] for row in corpus.rows("train")]
    for row, sample, labels in zip(table, ids * len(methods), np.tile(known, (len(methods), 1)), strict=True):
        distance = np.abs(np.array(row["pseudo"]) - labels)
        assert row["id"] == sample
        assert row["suspect"] == distance.argmax()
        assert row["suspicion"] == pytest.approx(distance.max(), abs=1e-6)
        assert row["fault"] == ("wrong" if labels[row["suspect"]] else "missing")


def method_of(folder):
    """The method that a folder in `fits/` belongs to, its own or that of a part."""
    return folder.parts[folder.parts.index("fits") + 1].rsplit("-", 2)[0]


def without_seconds(results):
    return [{**result.model_dump(), "seconds": None} for result in results.results]


def _named(folder, start):
    return [np.load(path) for path in folder.glob(f"{start}*.npy")]
