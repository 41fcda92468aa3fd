"""hedge: what its networks are trained on, and what it does with each kind of clean set."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import labelhedge as lh
from labelhedge.evaluation import mean_average_precision
from labelhedge.methods import hedge
from labelhedge.methods.hedge_estimated import _average as average_view
from labelhedge.methods.hedge_networks import CrossFitted
from labelhedge.methods.hedge_noise import ThroughNoise
from labelhedge.models import AlexNetSettings, FrozenSettings
from labelhedge.training import Fit, Task

NETWORK = {"kind": "alexnet-bn", "image_size": 32, "width": 0.05}
TRAINING = {"epochs": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory, make_corpus):
    return make_corpus(tmp_path_factory.mktemp("corpus") / "tiny", size=80, info={"text": ["title"]})


def run(folder, out, **changes):
    settings = {"seeds": 1, "network": NETWORK, "training": TRAINING, "methods": {"hedge": {"folds": 2}}} | changes
    return lh.run(lh.Recipe(corpus=str(folder), out=str(out), **settings))


def fit_of(out, method="hedge"):
    return Fit.load(next((out / "fits").glob(f"{method}-0-*")))


def rewrite(folder, change):
    (part,) = (folder / "samples").glob("*.parquet")
    table = pq.read_table(part)
    rows = [change(row) for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), part)


@pytest.fixture
def kept(monkeypatch):
    """The arrays that hedge keeps at work, by name: its targets."""
    arrays = {}
    original = Task.keep

    def keep(self, name, values):
        arrays[name] = original(self, name, values)(np.arange(len(self.train)))
        return original(self, name, values)

    monkeypatch.setattr(Task, "keep", keep)
    return arrays


def test_pseudo_labels_are_verified_where_trusted_and_probabilities_elsewhere(corpus_folder, tmp_path, kept):
    results = run(corpus_folder, tmp_path / "run")
    view = lh.Corpus.open(corpus_folder).training_view()
    pseudo = kept["posterior"]
    assert np.array_equal(pseudo[view.trusted], view.verified.toarray()[view.trusted])
    others = pseudo[~view.trusted]
    assert ((others > 0) & (others < 1)).all()
    assert results.of("hedge")[0].weight is None
    assert results.of("hedge")[0].dev_map >= results.of("noisy")[0].dev_map  # or Baseline-Noisy would be returned


def test_a_teacher_never_sees_the_verified_labels_of_its_fold_nor_are_they_targets_of_the_second(
    corpus_folder, tmp_path, make_corpus, kept
):
    run(corpus_folder, tmp_path / "run")
    view = lh.Corpus.open(corpus_folder).training_view()
    verified = view.verified.toarray()
    first = teacher_logits(tmp_path / "run", 0)
    without = kept["posterior-without-0"]
    is_target = (without == verified).all(1) & view.trusted
    fold = view.trusted & ~is_target
    assert 0 < fold.sum() < view.trusted.sum()
    assert ((without[fold] > 0) & (without[fold] < 1)).all()
    ids = [sample for sample, split in zip(*_ids(corpus_folder)) if split == "train"]
    changed = {ids[row] for row in np.flatnonzero(fold)}
    other = make_corpus(tmp_path / "other", size=80, info={"text": ["title"]})
    rewrite(other, lambda row: {**row, "verified": [0, 2]} if row["id"] in changed else row)
    run(other, tmp_path / "again")
    assert np.array_equal(first, teacher_logits(tmp_path / "again", 0))
    assert not np.array_equal(teacher_logits(tmp_path / "run", 1), teacher_logits(tmp_path / "again", 1))


def teacher_logits(out, number):
    return np.load(next((fit_of(out).folder / f"teacher-{number}").glob("logits-*.npy")))


def _ids(folder):
    samples = lh.Corpus.open(folder).samples
    return samples.ids, samples.split.tolist()


def test_a_clean_set_of_two_is_too_small_and_noisy_is_returned(tmp_path, make_corpus):
    folder = make_corpus(tmp_path / "few", size=80)
    kept = iter(range(100))
    rewrite(folder, lambda row: {**row, "trusted": row["trusted"] and next(kept) < 3})
    results = run(folder, tmp_path / "run")
    hedge, noisy = results.of("hedge")[0], results.of("noisy")[0]
    assert hedge.test_map == noisy.test_map
    assert "3 checked images are too few" in hedge.remarks[0]


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_clean_set_without_the_rejects_is_noticed_and_said(exclusive, tmp_path, make_corpus, kept, monkeypatch):
    halves = []
    original = hedge.estimated

    def estimated(networks, rounds):
        lessons = original(networks, rounds)
        halves.extend(lesson.targets(np.arange(len(networks.task.train))) for lesson in lessons)
        return lessons

    monkeypatch.setattr(hedge, "estimated", estimated)
    folder = exclusive_corpus(make_corpus, tmp_path) if exclusive else make_corpus(tmp_path / "right", size=80)
    rewrite(folder, lambda row: {**row, "trusted": row["split"] == "train" and row["observed"] == row["verified"]})
    results = run(folder, tmp_path / "run")
    assert "does not show the noise" in results.of("hedge")[0].remarks[0]
    view = lh.Corpus.open(folder).training_view()
    pseudo = kept["posterior-2"]
    labelled = ~view.trusted & view.observed.toarray().any(1)
    assert np.array_equal(pseudo[view.trusted], view.verified.toarray()[view.trusted])
    assert ((pseudo[~view.trusted] > 0) & (pseudo[~view.trusted] < 1)).all()
    assert not exclusive or np.allclose(pseudo[~view.trusted].sum(1), 1, atol=1e-4)
    whole, half = halves
    assert np.array_equal(whole, pseudo)
    assert np.allclose(half[labelled], (0.5 * pseudo + 0.5 * view.observed.toarray())[labelled], atol=1e-6)
    unlabelled = ~view.trusted & ~view.observed.toarray().any(1)
    assert np.allclose(half[unlabelled], (1 if exclusive else 0.5) * pseudo[unlabelled], atol=1e-6)


@pytest.mark.parametrize("right_only", [False, True])
def test_networks_from_scratch_start_where_the_round_before_ended_and_never_see_their_fold(
    right_only, make_corpus, tmp_path, monkeypatch
):
    folder = make_corpus(tmp_path / "tiny", size=80)
    if right_only:
        rewrite(folder, lambda row: {**row, "trusted": row["split"] == "train" and row["observed"] == row["verified"]})
    calls = record_training(monkeypatch)
    run(folder, tmp_path / "warm")
    fit = fit_of(tmp_path / "warm")
    warm = ["student-0", "student-1"] if right_only else ["student-0"]
    students = [*warm, "student-anew"]
    assert list(calls) == ["teacher-0", "teacher-1", "second-0", "second-1", *students]
    parts = {name: Fit.load(fit.folder / name) for name in calls if name != fit.folder.name}
    second = [parts["second-0"], parts["second-1"]]
    for number in (0, 1):
        assert calls[f"teacher-{number}"].initial is None
        assert same(calls[f"second-{number}"].initial, weights(parts[f"teacher-{number}"]))
    assert all(same(calls[name].initial, weights(max(second, key=lambda part: part.dev_map))) for name in warm)
    assert calls["student-anew"].initial is None

    trusted = set(np.flatnonzero(lh.Corpus.open(folder).training_view().trusted).tolist())
    rows = {name: set(call.rows.tolist()) for name, call in calls.items() if call.rows is not None}
    assert rows["teacher-0"] | rows["teacher-1"] == trusted
    assert not rows["teacher-0"] & rows["teacher-1"]  # each sees the other's fold of two
    assert not rows["second-0"] & rows["second-1"]
    assert all(rows[f"second-{n}"] & trusted == rows[f"teacher-{n}"] for n in (0, 1))
    assert all(calls[name].rows is None for name in students)
    dev = [parts[name].dev_map for name in students]
    noisy = Fit.load(next((tmp_path / "warm" / "fits").glob("noisy-0-*")))
    assert fit.dev_map == max(*dev, noisy.dev_map)

    calls.clear()
    run(folder, tmp_path / "always", methods={"hedge": {"folds": 2, "warm_start": True}})
    assert "student-anew" not in calls
    calls.clear()
    run(folder, tmp_path / "cold", methods={"hedge": {"folds": 2, "warm_start": False}})
    assert len(calls) >= 5
    assert not any(call.initial for call in calls.values())


def test_heads_on_frozen_features_start_anew():
    assert not FrozenSettings.from_scratch
    assert AlexNetSettings.from_scratch


def test_the_student_that_does_best_on_dev_leaves_its_pseudo_labels(make_corpus, tmp_path, monkeypatch):
    """Also where a run is stopped between the two students, or after the last."""
    folder = make_corpus(tmp_path / "right", size=80)
    rewrite(folder, lambda row: {**row, "trusted": row["split"] == "train" and row["observed"] == row["verified"]})
    monkeypatch.setattr(hedge, "on_dev", lambda fit: (0.0, 0.0))  # never to return Baseline-Noisy
    whole = []
    original = Fit.save

    def save(self, about):
        if self.folder.name == f"student-{len(whole)}":
            original(self, about)
            whole.append(np.array(self.pseudo_labels()))
            raise KeyboardInterrupt
        original(self, about)

    monkeypatch.setattr(Fit, "save", save)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(folder, tmp_path / "run")
    run(folder, tmp_path / "run")
    fit = fit_of(tmp_path / "run")
    dev = [Fit.load(fit.folder / f"student-{number}").dev_map for number in (0, 1)]
    assert np.array_equal(fit.pseudo_labels(), whole[int(np.argmax(dev))])
    assert not np.array_equal(*whole)
    assert len(list(fit.folder.rglob("pseudo-labels.npy"))) == 1
    assert fit.dev_map == max(dev)


def test_an_untrusted_copy_of_a_trusted_image_is_predicted_by_the_teacher_that_has_not_seen_it(
    make_corpus, tmp_path, monkeypatch
):
    folder = make_corpus(tmp_path / "twin", size=80)
    (part,) = (folder / "samples").glob("*.parquet")
    rows = pq.read_table(part).to_pylist()
    train = [number for number, row in enumerate(rows) if row["split"] == "train"]
    one = next(number for number in train if rows[number]["trusted"])
    other = next(number for number in train if not rows[number]["trusted"])
    copied = {rows[other]["id"]: rows[one]["image"]}
    rewrite(folder, lambda row: {**row, "image": copied.get(row["id"], row["image"])})
    made = []
    original = CrossFitted.__init__

    def remember(self, *arguments, **options):
        original(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(CrossFitted, "__init__", remember)
    run(folder, tmp_path / "run")
    places = np.array([train.index(one), train.index(other)])
    average = average_view(made[0])
    assert made[0].seen[places].all()
    assert np.array_equal(average(places)[0], average(places)[1])
    unseen = made[0].teachers[made[0].fold[places[0]]](places)
    assert np.array_equal(average(places), unseen)
    rest = np.flatnonzero(~made[0].seen)
    mean = np.mean([teacher(rest) for teacher in made[0].teachers], axis=0)
    assert np.allclose(average(rest), mean)


def record_training(monkeypatch):
    """What `Task.train_model` was asked for, by the name of the folder; of Baseline-Noisy nothing."""
    calls = {}
    original = Task.train_model

    def train_model(self, targets, *, rows=None, initial=None, **options):
        if not self.folder.name.startswith("noisy-"):
            calls[self.folder.name] = SimpleNamespace(rows=rows, initial=initial)
        return original(self, targets, rows=rows, initial=initial, **options)

    monkeypatch.setattr(Task, "train_model", train_model)
    return calls


def weights(fit):
    return fit.classifier.networks[0].state_dict()


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def exclusive_corpus(make_corpus, tmp_path):
    """One label an image, a third of them wrong, some samples unlabelled."""
    true = [[row % 3] for row in range(80)]
    observed = [[] if row % 11 == 5 else [(row + (row % 3 == 0)) % 3] for row in range(80)]
    return make_corpus(
        tmp_path / "one", size=80, columns={"verified": true, "observed": observed}, info={"exclusive": True}
    )


def test_exclusive_posteriors_sum_to_one_also_of_unlabelled_samples(tmp_path, make_corpus, kept):
    folder = exclusive_corpus(make_corpus, tmp_path)
    run(folder, tmp_path / "run")
    assert np.allclose(kept["posterior"].sum(1), 1, atol=1e-4)


def test_exclusive_labels_are_learned_from_the_posterior_and_through_the_noise_that_it_tells(
    tmp_path, make_corpus, kept, monkeypatch
):
    folder = exclusive_corpus(make_corpus, tmp_path)
    trained, original = {}, Task.train_model

    def train_model(self, targets, **options):
        if isinstance(targets, ThroughNoise):
            trained[self.folder.name] = targets
        return original(self, targets, **options)

    monkeypatch.setattr(Task, "train_model", train_model)
    run(folder, tmp_path / "run")
    fit = fit_of(tmp_path / "run")
    assert list(trained) == ["second-0", "second-1", "student-0", "student-anew"]
    assert np.array_equal(fit.pseudo_labels(), kept["posterior"])
    view = lh.Corpus.open(folder).training_view()
    observed, verified, posterior = view.observed.toarray(), view.verified.toarray(), kept["posterior"].astype(float)
    samples = np.arange(len(view.trusted))
    assert (~view.trusted & ~observed.any(1)).any()
    logits = np.random.default_rng(0).normal(size=posterior.shape)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    rates = np.zeros((3, 3))  # P(y = j | y* = i): expected counts, and 20 of the pooled rates
    counts = sum(np.outer(posterior[n], observed[n]) for n in samples)
    right = counts.trace() / counts.sum()
    for i in range(3):
        for j in range(3):
            pooled = right if i == j else (1 - right) / 2
            rates[i, j] = (counts[i, j] + 20 * pooled) / (counts[i].sum() + 20)
    cost = 0.0
    for n in samples:
        if view.trusted[n]:
            cost -= (verified[n] * np.log(p[n])).sum()
        elif observed[n].any():
            seen = sum(p[n, i] * rates[i, observed[n].argmax()] for i in range(3))
            cost -= 0.5 * np.log(seen) + 0.5 * (posterior[n] * np.log(p[n])).sum()
        else:
            cost -= (posterior[n] * np.log(p[n])).sum()
    measured = trained["student-0"].loss(torch.from_numpy(logits).float(), samples)
    assert float(measured) == pytest.approx(cost / len(samples), rel=1e-5)
    assert [trained[name].share for name in ("second-0", "second-1")] == [0, 0]


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_noisy_view_is_of_observed_labels_alone_and_of_other_folds(make_corpus, tmp_path, monkeypatch, exclusive):
    folder = exclusive_corpus(make_corpus, tmp_path) if exclusive else make_corpus(tmp_path / "many", size=80)
    view = lh.Corpus.open(folder).training_view()
    trained, made = {}, []
    original, begin = CrossFitted._train, CrossFitted.__init__

    def record(self, name, objective, rows, start=None):
        if "observer" in name:
            trained[name] = (rows, np.array(objective.targets(rows)))
        return original(self, name, objective, rows, start)

    def remember(self, *arguments, **options):
        begin(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(CrossFitted, "_train", record)
    monkeypatch.setattr(CrossFitted, "__init__", remember)
    run(folder, tmp_path / "plain")
    assert not trained
    results = run(folder, tmp_path / "run", methods={"hedge": {"folds": 2, "noisy_view": True}})
    assert results.of("hedge")[0].test_map > 0
    fold = made[-1].fold
    for number in (0, 1):
        rows, targets = trained[f"observer-{number}"]
        assert rows.tolist() == np.flatnonzero(fold != number).tolist()
        assert np.array_equal(targets, view.observed[rows].toarray())


def test_the_noisy_view_hands_no_verified_label_of_a_fold_to_its_second_network(corpus_folder, tmp_path, monkeypatch):
    """Turn the verified labels of a fold: what its observer has learned from, and predicts, stays as it was."""
    turned = tmp_path / "turned"
    shutil.copytree(corpus_folder, turned)
    rewrite(
        turned, lambda row: {**row, "verified": [2 - m for m in row["verified"]] if row["trusted"] else row["verified"]}
    )
    views = []
    original = CrossFitted.observers

    def observers(self):
        found = original(self)
        views.append([network(np.arange(len(self.task.train))) for network in found])
        return found

    monkeypatch.setattr(CrossFitted, "observers", observers)
    dev = {"methods": {"hedge": {"folds": 2, "noisy_view": True}}}
    run(corpus_folder, tmp_path / "first", **dev)
    run(turned, tmp_path / "second", **dev)
    assert all(np.array_equal(one, other) for one, other in zip(*views, strict=True))


def test_copies_of_one_checked_image_do_not_make_a_clean_set(tmp_path, make_corpus):
    folder = make_corpus(tmp_path / "copies", size=80)
    images = {}

    def copy(row):
        if row["trusted"]:
            row["image"] = images.setdefault("first", row["image"])
        return row

    rewrite(folder, copy)
    assert "1 checked images are too few" in run(folder, tmp_path / "run").of("hedge")[0].remarks[0]


def test_a_student_that_does_not_beat_noisy_on_dev_is_not_returned(corpus_folder, tmp_path, monkeypatch):
    from labelhedge.methods import hedge as module

    original = module.Task.train_model

    def spoiled(self, targets, **options):
        fit = original(self, targets, **options)
        if self.folder.name.startswith("student"):
            fit.dev_map = 0.0
        return fit

    monkeypatch.setattr(module.Task, "train_model", spoiled)
    results = run(corpus_folder, tmp_path / "run")
    assert results.of("hedge")[0].test_map == results.of("noisy")[0].test_map
    assert "the model of `noisy` is returned" in results.of("hedge")[0].remarks[-1]
    doubted = fit_of(tmp_path / "run").pseudo_labels()  # dev has rejected the student; which labels to check they tell
    assert doubted.shape == (len(lh.Corpus.open(corpus_folder).training_view()), 3)
    assert results.of("hedge")[0].best_epoch == results.of("noisy")[0].best_epoch
    rejected = results.of("hedge")[0].taught_dev
    assert rejected == 0.0
    again = run(corpus_folder, tmp_path / "run")  # from the fit on disk
    assert again.of("hedge")[0].taught_dev == rejected


def test_words_change_the_posterior_and_can_be_left_out(corpus_folder, tmp_path, kept):
    run(corpus_folder, tmp_path / "run", methods={"hedge": {"folds": 2, "rounds": 1}})
    told = kept["posterior"]
    run(corpus_folder, tmp_path / "mute", methods={"hedge": {"folds": 2, "rounds": 1, "text": False}})
    assert not np.array_equal(told, kept["posterior"])


def test_a_changed_graph_trains_hedge_anew(tmp_path, make_corpus):
    folder = make_corpus(tmp_path / "corpus", size=80)
    run(folder, tmp_path / "run")
    (folder / "graph.nt").write_text("")
    run(folder, tmp_path / "run")
    assert len(list((tmp_path / "run" / "fits").glob("hedge-0-*"))) == 2


def test_a_column_of_words_that_is_not_there_is_said(tmp_path, make_corpus):
    folder = make_corpus(tmp_path / "corpus", info={"text": ["tags"]})
    with pytest.raises(lh.CorpusError, match="'text' names the column 'tags', which the samples do not have"):
        lh.Corpus.open(folder)
    content = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps({**content, "text": ["verified"]}))
    with pytest.raises(lh.CorpusError, match="'verified'"):
        lh.Corpus.open(folder)


def test_words_of_the_training_samples_reach_the_view(corpus_folder):
    corpus = lh.Corpus.open(corpus_folder)
    view = corpus.training_view()
    ids = [sample for sample, split in zip(*_ids(corpus_folder)) if split == "train"]
    assert view.texts == [f"drawing {int(sample[1:])}" for sample in ids]


def test_with_few_checked_images_the_student_has_to_lead_by_more_than_chance(make_corpus, tmp_path, monkeypatch):
    folder = make_corpus(tmp_path / "few", size=80)
    monkeypatch.setattr(hedge, "on_dev", lambda fit: (0.0, 0.0))  # the student is never behind
    result = run(folder, tmp_path / "run").of("hedge")[0]
    fit, noisy = fit_of(tmp_path / "run"), fit_of(tmp_path / "run", "noisy")
    predicted = {path.name: np.load(path) for path in (fit.folder / "student").glob("scores-*.npy")}
    ((name, student),) = predicted.items()
    truth = lh.Corpus.open(folder).evaluation_view("dev").truth.toarray()
    lead = mean_average_precision(truth, student) - mean_average_precision(truth, np.load(noisy.folder / name))
    assert lead <= 0.01
    checked = lh.Corpus.open(folder).training_view().trusted.sum()
    assert result.remarks[-1].startswith(f"with {checked} checked images the student did not beat `noisy` on dev by a")
    assert result.test_map == run(folder, tmp_path / "run", methods=["noisy"]).of("noisy")[0].test_map
    assert same(weights(fit), weights(noisy))

    monkeypatch.setattr(hedge, "FEW", checked)
    again = run(folder, tmp_path / "many").of("hedge")[0]
    assert not again.remarks
    assert not same(weights(fit_of(tmp_path / "many")), weights(noisy))
