"""Corpora of one label a sample, from the folder to the report: softmax, accuracy, unlabelled samples."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import labelhedge as lh
from labelhedge.evaluation import accuracy
from labelhedge.methods import METHODS
from labelhedge.models import AlexNetSettings, Classifier, load_classifier
from labelhedge.training import Fit, Predictor
from labelhedge.training import task as task_module
from labelhedge.training.loop import predict_logits
from task_help import make_task

SIZE = 80
LABELS = ("cat", "dog", "owl")
UNLABELLED = (4, 21)  # both train, neither trusted
METHODS_HERE = {
    name: {"folds": 2} if name.startswith("cross-") else None
    for name, method in METHODS.items()
    if not method.missing_packages()
}
COMPARED = [name for name in METHODS_HERE if not METHODS[name].auxiliary]


def columns():
    """Labels of one kind each: where the row is a multiple of four, the observed one is wrong; two are missing."""
    verified = [[row % 3] for row in range(SIZE)]
    observed = [[(row + (row % 4 == 0)) % 3] for row in range(SIZE)]
    for row in UNLABELLED:
        observed[row] = []
    return {"verified": verified, "observed": observed}


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory, make_corpus):
    folder = tmp_path_factory.mktemp("corpus") / "single"
    return make_corpus(folder, size=SIZE, columns=columns(), info={"exclusive": True})


@pytest.fixture(scope="module")
def finished(corpus_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "single"
    recipe = lh.Recipe(
        corpus=str(corpus_folder),
        out=str(out),
        methods=METHODS_HERE,
        seeds=1,
        network={"kind": "alexnet-bn", "image_size": 32, "width": 0.05},
        training={"epochs": 2, "batch_size": 16, "keep_last": True},
    )
    return lh.run(recipe), out


def test_every_method_runs_and_is_judged_by_accuracy(finished, corpus_folder):
    results, out = finished
    corpus = lh.Corpus.open(corpus_folder)
    assert results.methods == COMPARED
    images = [data for _, data in corpus.images.read(corpus.rows("test"))]
    truth = corpus.evaluation_view("test").truth.toarray()
    for name in COMPARED:
        (result,) = results.of(name)
        predicted = Predictor.load(out / "models" / name).predict(images)
        assert np.allclose(predicted.sum(1), 1, atol=1e-5), name
        hits = 0
        for row, wanted in zip(predicted.tolist(), truth.tolist(), strict=True):
            hits += row.index(max(row)) == wanted.index(1)
        assert result.accuracy == pytest.approx(hits / len(truth)), name
        assert result.score == result.accuracy
        assert result.dev_score == result.dev_accuracy


def test_the_last_network_is_measured_beside_the_chosen_one(finished, corpus_folder):
    results, out = finished
    truth = lh.Corpus.open(corpus_folder).evaluation_view("test").truth.toarray()
    for name in COMPARED:
        (result,) = results.of(name)
        if name == "ensemble":  # which trains nothing
            assert result.last_accuracy is None
            continue
        (folder,) = (out / "fits").glob(f"{name}-0-*")
        (scores,) = (np.load(path) for path in folder.glob("last-scores-*.npy"))
        assert result.last_accuracy == pytest.approx((scores.argmax(1) == truth.argmax(1)).mean())
        assert 0 < result.last_map <= 1
        fit = Fit.load(folder)
        assert fit.last.exclusive
        if result.best_epoch == result.epochs:
            assert result.last_accuracy == result.accuracy
            assert all(torch.equal(a, b) for a, b in zip(fit.last.parameters(), fit.classifier.parameters()))


def test_the_best_epoch_is_that_of_the_highest_accuracy_on_dev(tmp_path):
    task, seen = make_task(tmp_path, exclusive=True, epochs=6), []
    original = task_module.train

    def watch(network, *arguments, on_epoch, **options):
        def note(epoch, loss, dev_accuracy):
            logits = predict_logits(network, task.dev.inputs)
            assert dev_accuracy == sum(row.argmax() == t.argmax() for row, t in zip(logits, task.dev.truth)) / 20
            seen.append(dev_accuracy)

        return original(network, *arguments, on_epoch=note, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_module, "train", watch)
        fit = METHODS["noisy"]().fit(task, {})
    assert len(set(seen)) > 1
    best = max(range(len(seen)), key=lambda epoch: (seen[epoch], fit.history[epoch][1]))  # mAP decides between equals
    assert fit.best_epoch == best + 1
    assert (fit.dev_accuracy, fit.dev_map) == (seen[best], fit.history[best][1])


def test_saved_models_say_that_their_labels_exclude_each_other(finished):
    _, out = finished
    for name in COMPARED:
        assert json.loads((out / "models" / name / "model.json").read_text())["exclusive"] is True
        assert load_classifier(out / "models" / name).exclusive


def test_the_ensemble_is_the_normalised_geometric_mean(finished):
    _, out = finished
    parts = [scores_of(out, name) for name in ("clean", "noisy", "ensemble")]
    shared = parts[0].keys() & parts[1].keys() & parts[2].keys()
    assert shared
    for key in shared:
        for clean, noisy, both in zip(*(part[key].tolist() for part in parts), strict=True):
            means = [(c * n) ** 0.5 for c, n in zip(clean, noisy, strict=True)]
            assert both == pytest.approx([mean / sum(means) for mean in means], abs=1e-5)


def scores_of(out, name):
    (folder,) = (out / "fits").glob(f"{name}-0-*")
    return {path.name: np.load(path) for path in folder.glob("scores-*.npy")}


def test_the_table_and_the_report_show_accuracy(finished):
    results, out = finished
    assert "accuracy" in str(results)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "accuracy" in page.lower()
    for name in COMPARED:
        assert name in page


def test_pseudo_labels_of_a_sample_sum_to_the_trust_in_what_is_known(finished, corpus_folder):
    """A labelled sample's pseudo labels are a distribution; of an unlabelled one only the teacher's share is there."""
    results, out = finished
    (result,) = results.of("distill")
    pseudo = np.load(next((out / "fits").glob("distill-0-*")) / "pseudo-labels.npy")
    labelled = lh.Corpus.open(corpus_folder).training_view().labels.toarray().any(1)
    assert (~labelled).sum() == len(UNLABELLED)
    assert np.allclose(pseudo[labelled].sum(1), 1, atol=1e-5)
    assert np.allclose(pseudo[~labelled].sum(1), 1 - result.weight, atol=1e-5)


@pytest.mark.parametrize(
    ("row", "name", "value"),
    [(5, "observed", [0, 1]), (5, "verified", [0, 1]), (5, "verified", []), (0, "verified", [])],
)
def test_a_corpus_that_says_exclusive_and_is_not_is_refused(make_corpus, tmp_path, row, name, value):
    cells = {"columns": columns(), "cells": {(row, name): value}, "size": SIZE}
    with pytest.raises(lh.CorpusError, match=rf"{name} is .*exclusive") as caught:
        lh.Corpus.open(make_corpus(tmp_path / "bad", info={"exclusive": True}, **cells))
    assert f"row {row}" in str(caught.value)
    assert lh.Corpus.open(make_corpus(tmp_path / "fine", **cells)).samples  # labels that may go together


def test_whether_labels_exclude_each_other_is_part_of_what_a_fit_depends_on(finished, corpus_folder, tmp_path):
    results, out = finished
    shutil.copytree(out, tmp_path / "run")
    shutil.copytree(corpus_folder, tmp_path / "corpus")
    info = json.loads((corpus_folder / "corpus.json").read_text())
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps({**info, "exclusive": False}))
    recipe = lh.Recipe(**{**results.recipe, "methods": ["noisy"], "corpus": str(tmp_path / "corpus")})
    other = lh.run(recipe.model_copy(update={"out": str(tmp_path / "run")}))
    assert other.of("noisy")[0].accuracy is None
    assert not load_classifier(tmp_path / "run" / "models" / "noisy").exclusive


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([1.0, 50.0]))
def test_probabilities_of_any_number_of_networks_sum_to_one(seed, networks, scale):
    class Fixed(torch.nn.Module):
        def __init__(self, number):
            super().__init__()
            self.number = number

        def forward(self, batch):
            return scale * torch.randn(4, 3, generator=torch.Generator().manual_seed(seed + self.number))

    parts = [Fixed(number) for number in range(networks)]
    classifier = Classifier(AlexNetSettings(image_size=32), LABELS, parts, exclusive=True)
    rows = classifier(torch.empty(4))
    assert torch.allclose(rows.sum(1), torch.ones(4), atol=1e-5)
    assert bool((rows >= 0).all())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 5))
def test_accuracy_is_a_share_of_hits_and_of_equal_scores_the_first_counts(seed, count, labels):
    draw = np.random.default_rng(seed)
    truth, scores = np.eye(labels, dtype=bool)[draw.integers(0, labels, count)], draw.integers(0, 3, (count, labels))
    hits = 0
    for wanted, row in zip(truth.tolist(), scores.tolist(), strict=True):
        hits += row.index(max(row)) == wanted.index(True)
    assert float(accuracy(truth, scores)) == pytest.approx(hits / count)
    assert float(accuracy(torch.tensor(truth), torch.tensor(scores))) == pytest.approx(hits / count)


def test_accuracy_refuses_what_has_none():
    for truth in ([[1, 1]], [[0, 0]]):
        with pytest.raises(ValueError, match="exactly one true label"):
            accuracy(np.array(truth), np.array([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="one shape"):
        accuracy(np.zeros((0, 2)), np.zeros((0, 2)))
