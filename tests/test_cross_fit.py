"""Methods that lean on other fits: cross-fitting, cleanlab, fine-tuning, and the check of the teacher."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

import labelhedge as lh
from labelhedge.corpus import EvaluationView
from labelhedge.evaluation import accuracy, mean_average_precision
from labelhedge.evaluation.bootstrap import paired_error
from labelhedge.graph import relation_matrix
from labelhedge.labels import propagate, risk, soften
from labelhedge.methods import METHODS
from labelhedge.methods.cleanlab import find_issues
from labelhedge.methods.guided import BETAS
from labelhedge.methods.teacher import GRID, check_teacher, dev_error
from labelhedge.training import Task
from task_help import asked, make_task, predicting

FOLDS = 3


def cross_fitted(name, task, monkeypatch):
    """The fit, and the rows that each fold's network was trained on."""
    trained = []
    original = Task.train_model

    def spy(self, targets, **options):
        trained.append(options["rows"])
        return original(self, targets, **options)

    monkeypatch.setattr(Task, "train_model", spy)
    return METHODS[name](folds=FOLDS).fit(task, {}), trained


@pytest.mark.parametrize("name", ["cross-noisy"])
def test_held_out_logits_come_from_networks_that_never_saw_the_image(name, tmp_path, monkeypatch):
    digests = [f"{number}".encode() for number in range(42)]
    digests[1], digests[7] = digests[0], digests[5]  # copies of trusted images: of trusted row 0, untrusted row 7
    task = make_task(tmp_path, digests=digests, epochs=1)
    task.train.inputs.array[[1, 7]] = task.train.inputs.array[[0, 5]]
    fit, trained = cross_fitted(name, task, monkeypatch)
    allowed = np.flatnonzero(task.train.trusted) if name == "cross-clean" else np.arange(42)
    assert len(trained) == FOLDS
    assert all(0 < len(set(allowed) - set(rows)) < len(allowed) and set(rows) <= set(allowed) for rows in trained)
    assert sorted(row for rows in trained for row in set(allowed) - set(rows)) == allowed.tolist()  # each left out once
    batch = fit.classifier.prepare(task.train.inputs.gather(np.arange(42)))
    with torch.no_grad():
        logits = [network.eval()(batch).numpy() for network in fit.classifier.networks]
    held_out = fit.held_out()
    for row in range(42):
        seen = [any(digests[other] == digests[row] for other in rows) for rows in trained]
        unseen = [array[row] for array, known in zip(logits, seen, strict=True) if not known]
        assert unseen
        assert np.allclose(held_out[row], np.mean(unseen, axis=0), atol=5e-3), row


def test_too_few_images_for_the_folds_are_said(tmp_path):
    digests = [b"one image"] * 38 + [b"a", b"b", b"c", b"d"]
    with pytest.raises(ValueError, match=r"3 folds need at least 6 .*found 5"):
        METHODS["cross-noisy"](folds=FOLDS).fit(make_task(tmp_path, digests=digests), {})


def planted(exclusive):
    """Labels (60, L) with two wrong ones each at samples 5 and 9 of sure and right logits."""
    draw = np.random.default_rng(0)
    if exclusive:
        truth = np.eye(4, dtype=bool)[draw.integers(0, 3, 60)]  # no sample has the last label
        given = truth.copy()
        given[[5, 9]] = np.roll(truth[[5, 9], :3], 1, axis=1) @ np.eye(3, 4, dtype=bool)
        given[20] = False
    else:
        truth = draw.random((60, 4)) < 0.5
        truth[:, 2], truth[:, 3] = False, True
        given = truth.copy()
        given[5, 0] ^= True
        given[9, 1] ^= True
    logits = np.where(truth, 4.0, -4.0) + draw.normal(size=truth.shape)
    return given, logits.astype(np.float32)


@pytest.mark.parametrize("exclusive", [False, True])
def test_cleanlab_finds_planted_issues_also_beside_labels_that_all_or_none_have(exclusive, tmp_path):
    pytest.importorskip("cleanlab", reason="the extra `cleanlab` is not installed")
    given, logits = planted(exclusive)
    task = make_task(tmp_path, count=60, labels=4, observed=given, trusted=np.zeros(60, bool), exclusive=exclusive)
    assert np.flatnonzero(find_issues(task, logits)).tolist() == [5, 9]


def test_cleanlab_drops_the_issues_and_no_trusted_sample(tmp_path):
    pytest.importorskip("cleanlab", reason="the extra `cleanlab` is not installed")
    given, logits = planted(False)
    trusted = np.zeros(60, bool)
    trusted[5] = True
    task = make_task(tmp_path, count=60, labels=4, observed=given, trusted=trusted)
    checked = csr_array(given & trusted[:, None])  # wrong, and yet it stays
    task = replace(task, train=replace(task.train, view=replace(task.train.view, verified=checked)))
    found = asked(METHODS["cleanlab"](), task, {"cross-noisy": predicting(held_out=logits)})
    assert found.rows.tolist() == [row for row in range(60) if row != 9]
    assert found.remarks == ["1 of 60 training samples were dropped"]


def test_a_missing_package_is_said_with_the_command_that_installs_it(make_corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    recipe = lh.Recipe(corpus=str(make_corpus(tmp_path / "small")), methods=["cleanlab"], out=str(tmp_path / "run"))
    with pytest.raises(
        lh.RecipeError, match=r"methods.cleanlab needs the package cleanlab: .*'labelhedge\[cleanlab\]'"
    ):
        lh.run(recipe)
    assert not (tmp_path / "run").exists()


def test_fine_tuning_starts_from_the_weights_of_clean(tmp_path):
    task = make_task(tmp_path, learning_rate=1e-12, epochs=1)
    clean = METHODS["clean"]().fit(make_task(tmp_path / "clean"), {})
    tuned = METHODS["finetune"]().fit(task, {"clean": clean})
    plain = METHODS["noisy"]().fit(make_task(tmp_path / "noisy", learning_rate=1e-12, epochs=1), {})
    names = [name for name, _ in clean.classifier.named_parameters()]
    weights = [dict(fit.classifier.named_parameters()) for fit in (clean, tuned, plain)]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-7) for name in names)
    assert not all(torch.allclose(weights[0][name], weights[2][name], atol=1e-3) for name in names)
    options = asked(METHODS["finetune"](), task, {"clean": clean})
    assert options.targets is task.train.labels  # all samples, checked labels where there are any


def test_distillation_may_start_from_the_weights_of_clean(tmp_path):
    task = make_task(tmp_path)
    fitted = {"clean": METHODS["clean"]().fit(make_task(tmp_path / "clean"), {})}
    warm, cold = (
        asked(METHODS["distill"](weight=0.5, check=False, warm_start=start), task, fitted) for start in (True, False)
    )
    weights = fitted["clean"].classifier.networks[0].state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in warm.initial.items())
    assert cold.initial is None
    rows = np.arange(42)
    assert np.array_equal(warm.targets(rows), cold.targets(rows))


# --- the teacher -------------------------------------------------------------------------------------------------


def dev_predictions(task, quality, seed=0):
    """Predictions for dev: 1 ranks perfectly, 0 draws lots, -1 is wrong throughout."""
    truth, draw = task.dev.truth, np.random.default_rng(seed)
    share = np.where(truth, 0.5 + 0.45 * quality, 0.5 - 0.45 * quality)
    return np.clip(share + 0.1 * draw.normal(size=truth.shape), 0.01, 0.99).astype(np.float32)


def test_a_helpful_teacher_leaves_the_weight_as_it_is(tmp_path):
    task = make_task(tmp_path)
    assert check_teacher(task, dev_predictions(task, 0.9), dev_predictions(task, 0.1, 1), 0.4) == (0.4, [])


def test_a_harmful_teacher_moves_the_weight_to_the_noisy_labels_alone_and_says_so(tmp_path):
    task = make_task(tmp_path)
    soft, noisy = dev_predictions(task, -0.9), dev_predictions(task, 0.9, 1)
    weight, remarks = check_teacher(task, soft, noisy, 0.4)
    truth, observed = task.dev.truth.astype(float), task.dev.observed.astype(float)
    risks = {w / 1000: float(risk(w / 1000 * observed + (1 - w / 1000) * soft, truth)) for w in range(1001)}
    assert risks[0.4] > risks[1.0]
    assert weight == pytest.approx(min(risks, key=risks.get), abs=2e-3)  # Eq. 8 with the cross term, found by search
    assert "would raise the risk" in remarks[0]
    assert f"{risks[1.0]:.2f}" in remarks[0]
    assert mean_average_precision(task.dev.truth, weight * noisy + (1 - weight) * soft) >= mean_average_precision(
        task.dev.truth, noisy
    )


def test_a_teacher_that_lowers_the_risk_and_spoils_the_ranking_is_moved_to_the_best_of_the_grid(tmp_path):
    task = make_task(tmp_path)
    soft, noisy = dev_predictions(task, -0.2), dev_predictions(task, 0.3, 1)
    maps = {w: float(mean_average_precision(task.dev.truth, w * noisy + (1 - w) * soft)) for w in GRID}
    assert maps[0.3] < maps[1.0]
    view = replace(task.dev.view, observed=task.dev.view.truth)  # dev does not show the noise: risks cannot tell
    task = replace(task, dev=replace(task.dev, view=view))
    weight, remarks = check_teacher(task, soft, noisy, 0.3)
    assert maps[weight] == max(maps.values())
    assert len(remarks) == 1
    assert "do worse than the noisy labels' model alone" in remarks[0]


def kin_task(folder, count=600):
    """A task with labels 0 and 1 as siblings, which on dev are always seen together."""
    draw = np.random.default_rng(7)
    graph = folder / "graph.nt"
    graph.write_text("".join(f"<urn:{label}> <urn:is> <urn:kin> .\n" for label in (0, 1)))
    task = make_task(folder)
    truth = (draw.random((count, 3)) < 0.3)[:, [0, 0, 2]]
    view = EvaluationView([f"dev {n}".encode() for n in range(count)], csr_array(truth), csr_array(truth))
    labels = [label.model_copy(update={"uri": f"urn:{label.id}"}) for label in task.labels]
    return replace(task, labels=labels, graph=graph, dev=replace(task.dev, view=view))


@pytest.mark.parametrize("blind", [True, False])
def test_guidance_is_chosen_on_dev_only_where_dev_is_sure_of_it(tmp_path, blind):
    task = kin_task(tmp_path)
    draw = np.random.default_rng(1)
    logits = np.where(task.dev.truth, 2.0, -2.0) + draw.normal(size=task.dev.truth.shape)
    if blind:  # the teacher cannot see label 0, which its sibling tells
        logits[:, 0] = draw.normal(size=len(logits))
    else:  # and here guidance is of no use, and by chance of no harm either
        logits[:, 1] = logits[:, 0]
    noisy = np.full(logits.shape, 0.5, np.float32)
    fitted = {"clean": predicting(logits=logits), "noisy": predicting(scores=noisy)}
    method = METHODS["guided"](beta="dev", weight=0.5, check=False)
    (remark,) = asked(method, task, fitted).remarks
    scores = {}
    for beta in BETAS:
        soft = propagate(soften(logits.astype(np.float32)), relation_matrix([[1], [0], []], beta))
        scores[beta] = mean_average_precision(task.dev.truth, 0.5 * noisy + 0.5 * soft)
    if blind:
        assert scores[0.8] > scores[0.0] + 0.1
        assert remark == "dev chose β = 0.8 over all relations"
    else:
        assert remark == "dev chose β = 0.0 over all relations"


def test_a_small_lead_on_dev_is_not_believed(tmp_path):
    task = kin_task(tmp_path)
    draw = np.random.default_rng(3)
    guided, leading = 0, 0
    for _ in range(12):  # nothing but chance between the choices
        logits = draw.normal(size=task.dev.truth.shape)
        noisy = draw.random(logits.shape).astype(np.float32)
        scores = []
        for beta in BETAS:
            soft = propagate(soften(logits.astype(np.float32)), relation_matrix([[1], [0], []], beta))
            scores.append(mean_average_precision(task.dev.truth, 0.5 * noisy + 0.5 * soft))
        leading += scores[0] < max(scores)
        fitted = {"clean": predicting(logits=logits), "noisy": predicting(scores=noisy)}
        (remark,) = asked(METHODS["guided"](beta="dev", weight=0.5, check=False), task, fitted).remarks
        guided += "β = 0.0" not in remark
    assert leading >= 6  # the best score alone would have guided in every other case
    assert guided <= leading / 2


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_error_of_a_difference_on_dev(exclusive, tmp_path):
    task = make_task(tmp_path, exclusive=exclusive)
    truth = task.dev.truth
    one, other = dev_predictions(task, 0.1), dev_predictions(task, 0.1, 1)
    if exclusive:  # accuracies: that of a mean
        right = [truth[np.arange(len(truth)), scores.argmax(1)] for scores in (one, other)]
        expected = np.std(np.subtract(*np.asarray(right, float))) / np.sqrt(len(truth))
    else:
        draws = np.random.default_rng(9).integers(len(truth), size=(2000, len(truth)))
        expected = np.std(
            [mean_average_precision(truth[d], one[d]) - mean_average_precision(truth[d], other[d]) for d in draws]
        )
    assert dev_error(task, one, other) == pytest.approx(expected, rel=0.3)
    assert dev_error(task, one, one) == 0


def test_the_error_of_many_dev_samples_is_drawn_from_fewer():
    draw = np.random.default_rng(0)
    truth = np.eye(2, dtype=bool)[draw.integers(2, size=20_000)]
    one, other = (truth + draw.normal(size=truth.shape) for _ in range(2))
    right = [truth[np.arange(len(truth)), scores.argmax(1)].astype(float) for scores in (one, other)]
    expected = np.std(np.subtract(*right)) / np.sqrt(len(truth))
    assert paired_error(accuracy, truth, [(one, other)], seed=0, resamples=200) == pytest.approx(expected, rel=0.2)
    with pytest.raises(ValueError, match="nothing to score"):
        paired_error(accuracy, np.zeros((9, 2), bool), [(one[:9], other[:9])], seed=0)


@pytest.mark.parametrize("check", [True, False])
def test_distillation_trains_with_the_weight_that_was_checked(tmp_path, check):
    task = make_task(tmp_path)
    wrong = np.where(task.dev.truth, -9.0, 9.0).astype(np.float16)
    train_logits = np.zeros((42, 3), np.float16)

    class Clean:
        dev_map = 0.5

        def logits(self, samples):
            return wrong if len(samples.inputs) == 20 else train_logits

    noisy = predicting(scores=dev_predictions(task, 0.9))
    found = asked(METHODS["distill"](weight=0.2, check=check), task, {"clean": Clean(), "noisy": noisy})
    assert (found.weight == 0.2) == (not check)
    assert bool(found.remarks) == check
    rows = np.arange(42)
    expected = found.weight * task.train.labels.toarray() + (1 - found.weight) * soften(train_logits.astype(float))
    assert np.allclose(found.targets(rows), expected, atol=1e-6)
    alone = asked(METHODS["distill"](weight=1.0, check=False), task, {"clean": Clean()})
    assert (alone.targets != task.train.labels).nnz == 0  # as they stand, and no pseudo labels are kept
    assert not callable(alone.targets)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize(
    "name", ["noisy", "bootstrap", "smooth", "noise-layer", "reweight", "elr", "gce", "cross-noisy"]
)
def test_methods_train_where_all_samples_are_trusted_or_none_and_where_there_is_one_label(
    name, trusted, exclusive, tmp_path
):
    task = make_task(tmp_path, labels=1, exclusive=exclusive, trusted=np.full(42, trusted), epochs=1, batch_size=42)
    scores = np.random.default_rng(0).random((42, 1)).astype(np.float32)
    options = {"folds": 2} if name == "cross-noisy" else {}
    fit = METHODS[name](**options).fit(task, {"noisy": predicting(scores=scores)})
    assert all(bool(value.isfinite().all()) for value in fit.classifier.state_dict().values())
