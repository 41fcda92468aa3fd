"""Risks, the cross term and λ: against slow loops and simulated truth; `labelhedge risk` on a small run."""

import io
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation import Estimate, analyse_risk, bootstrap, cross_term, pseudo_label_risk
from labelhedge.labels import heuristic_weight, optimal_weight, pseudo_labels, risk, soften
from labelhedge.report.label_risk import LabelRiskTable
from labelhedge.report.risk import measure_risk
from labelhedge.results import Results
from labelhedge.training import Predictor

CASES = settings(deadline=None, max_examples=60, derandomize=True)
CHANCE = st.floats(0, 1, width=32)


@st.composite
def triples(draw):
    """Observed and soft labels and the truth, (N, L) each."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    zero_or_one = hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0]))
    return draw(zero_or_one), draw(hnp.arrays(np.float64, shape, elements=CHANCE)), draw(zero_or_one)


def simulate(samples, seed, labels=5):
    """Labels with noise of both sides, tied together where a label is hard."""
    rng = np.random.default_rng(seed)
    truth = rng.random((samples, labels)) < 0.3
    hard = rng.random((samples, labels)) < 0.3
    observed = truth ^ (rng.random((samples, labels)) < np.where(hard, 0.5, 0.05))
    soft = np.clip(np.where(hard, 0.5, truth) + rng.normal(0, 0.1, (samples, labels)), 0, 1)
    return observed, soft, truth


def cross_loop(observed, soft, truth):
    total = 0.0
    for sample in range(len(truth)):
        for label in range(len(truth[0])):
            total += (observed[sample][label] - truth[sample][label]) * (soft[sample][label] - truth[sample][label])
    return total / len(truth)


@CASES
@given(triples())
def test_the_cross_term_is_that_of_the_loop(case):
    found = cross_term(*case)
    assert found == pytest.approx(cross_loop(*(array.tolist() for array in case)), abs=1e-12)
    tensors = [torch.from_numpy(array) for array in case]
    assert isinstance(cross_term(*tensors), torch.Tensor)
    assert float(cross_term(*tensors)) == pytest.approx(found, abs=1e-12)
    assert abs(found) <= math.sqrt(risk(case[0], case[2]) * risk(case[1], case[2])) + 1e-12


def independent_loop(observed, soft, truth):
    """C_0: for each label and each truth, the mean errors multiplied."""
    total = 0.0
    for label in range(truth.shape[1]):
        for value in (0, 1):
            rows = [sample for sample in range(len(truth)) if truth[sample, label] == value]
            if rows:
                errors = [sum(side[row, label] - value for row in rows) / len(rows) for side in (observed, soft)]
                total += len(rows) / len(truth) * errors[0] * errors[1]
    return total


@CASES
@given(triples())
def test_what_independent_errors_would_give_is_that_of_the_loop(case):
    found = analyse_risk(*case, resamples=3)
    assert found.cross.value >= 0  # labels of 0 and 1: where y is wrong, s can only err to the same side
    assert found.cross_independent.value == pytest.approx(independent_loop(*case), abs=1e-12)
    assert found.cross_shared.value == pytest.approx(cross_loop(*case) - independent_loop(*case), abs=1e-12)
    for name in ("cross_independent", "cross_shared"):
        assert getattr(found.labels, name).value.sum() == pytest.approx(getattr(found, name).value, abs=1e-12)


def test_shared_errors_are_told_from_those_of_independent_sides():
    rng = np.random.default_rng(0)
    truth = rng.random((4000, 3)) < 0.4
    observed = truth ^ (rng.random(truth.shape) < 0.2)
    soft = np.where(truth, 0.7, 0.2) + rng.uniform(-0.2, 0.2, truth.shape)
    apart = analyse_risk(observed, soft, truth, resamples=200)
    assert apart.cross.low > 0.1
    assert apart.cross_shared.low < 0 < apart.cross_shared.high
    together = analyse_risk(observed, np.where(observed != truth, 0.5, soft), truth, resamples=200)
    assert together.cross_shared.low > 0


@CASES
@given(triples(), CHANCE)
def test_the_risk_of_pseudo_labels_is_a_parabola_in_the_weight(case, weight):
    observed, soft, truth = case
    found = pseudo_label_risk(weight, risk(observed, truth), risk(soft, truth), cross_term(observed, soft, truth))
    assert found == pytest.approx(risk(pseudo_labels(observed, soft, weight), truth), abs=1e-12)


@CASES
@given(triples())
def test_no_weight_of_a_grid_beats_the_exact_one(case):
    observed, soft, truth = case
    rules = analyse_risk(observed, soft, truth, resamples=2).rules
    grid = [risk(pseudo_labels(observed, soft, weight), truth) for weight in np.linspace(0, 1, 101)]
    assert rules["exact"].risk.value <= min(grid) + 1e-9
    assert min(grid) - rules["exact"].risk.value <= 1e-4 * risk(observed - soft, 0 * truth) + 1e-9


@CASES
@given(triples(), CHANCE)
def test_an_analysis_agrees_with_the_equations_and_labels_add_up(case, weight):
    observed, soft, truth = case
    found = analyse_risk(observed > 0, soft, truth > 0, {"given": weight}, resamples=5)
    sides = risk(soft, truth), risk(observed, truth)
    cross = cross_term(observed, soft, truth)
    assert (found.soft.value, found.observed.value) == pytest.approx(sides)
    assert found.cross.value == pytest.approx(cross, abs=1e-12)
    assert found.rules["exact"].weight.value == pytest.approx(optimal_weight(*sides, cross))
    assert found.rules["risk"].weight.value == pytest.approx(optimal_weight(*sides))
    for rule in found.rules.values():
        assert rule.risk.value == pytest.approx(risk(pseudo_labels(observed, soft, rule.weight.value), truth), abs=1e-9)
        assert rule.excess.value == pytest.approx(rule.risk.value - found.rules["exact"].risk.value, abs=1e-9)
        assert rule.excess.value >= -1e-9
    assert list(found.rules) == ["observed", "soft", "given", "risk", "exact"]
    assert found.labels.positives.tolist() == truth.sum(axis=0).tolist()
    for name in ("observed", "soft", "cross"):
        assert getattr(found.labels, name).value.sum() == pytest.approx(getattr(found, name).value, abs=1e-9)
    for label in range(truth.shape[1]):
        alone = analyse_risk(observed[:, [label]], soft[:, [label]], truth[:, [label]], resamples=5)
        for ours, theirs in (
            (found.labels.cross, alone.cross),
            (found.labels.correlation, alone.correlation),
            (found.labels.weight_exact, alone.rules["exact"].weight),
            (found.labels.weight_risk, alone.rules["risk"].weight),
        ):
            for name in ("value", "low", "high"):  # the same draws of samples, so the same intervals
                expected = pytest.approx(getattr(theirs, name), abs=1e-9, nan_ok=True)
                assert getattr(ours, name)[label] == expected


def test_the_bootstrap_is_that_of_the_loop():
    observed, soft, truth = simulate(40, seed=3)
    found = analyse_risk(observed, soft, truth, {"half": 0.5}, resamples=50, seed=7)
    generator = np.random.default_rng(7)
    drawn = {"cross": [], "weight": [], "excess": [], "shared": []}
    best = found.rules["exact"].weight.value
    for _ in range(50):
        rows = generator.integers(40, size=40)
        y, s, t = observed[rows].astype(float), soft[rows], truth[rows].astype(float)
        drawn["cross"].append(cross_loop(y, s, t))
        drawn["weight"].append(optimal_weight(risk(s, t), risk(y, t), cross_loop(y, s, t)))
        drawn["excess"].append(risk(pseudo_labels(y, s, 0.5), t) - risk(pseudo_labels(y, s, best), t))
        drawn["shared"].append(cross_loop(y, s, t) - independent_loop(y, s, t))
    for values, estimate in (
        (drawn["cross"], found.cross),
        (drawn["shared"], found.cross_shared),
        (drawn["weight"], found.rules["exact"].weight),
        (drawn["excess"], found.rules["half"].excess),
    ):
        assert (estimate.low, estimate.high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-9)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    whole = analyse_risk(*simulate(400_000, seed=0), resamples=1)
    covered = {"observed": 0, "soft": 0, "cross": 0, "correlation": 0, "weight": 0}
    trials = 200
    for seed in range(1, trials + 1):
        found = analyse_risk(*simulate(150, seed), resamples=300, seed=seed)
        for name in ("observed", "soft", "cross", "correlation"):
            estimate = getattr(found, name)
            covered[name] += estimate.low <= getattr(whole, name).value <= estimate.high
        estimate = found.rules["exact"].weight
        covered["weight"] += estimate.low <= whole.rules["exact"].weight.value <= estimate.high
    assert {name for name, count in covered.items() if not 0.89 <= count / trials <= 0.99} == set(), covered


def test_independent_errors_are_said_to_be_so_about_as_often_as_they_should():
    said = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth = rng.random((200, 4)) < 0.5
        observed = truth ^ (rng.random(truth.shape) < 0.2)
        sign = rng.choice([-1, 1], truth.shape)  # of the soft labels' error, whatever the truth
        said += analyse_risk(observed, truth + 0.2 * sign, truth, resamples=200).independent
        assert not analyse_risk(observed, 0.8 * observed, truth, resamples=200).independent
    assert 88 <= said <= 100


def test_verdicts_by_label_are_those_of_the_loop():
    """Of draws of samples, sorted, the 2.5% ends: does 0 lie between them?"""
    observed, soft, truth = simulate(30, seed=5, labels=12)
    observed[:, 0] = truth[:, 0]  # a label that is never wrong
    soft[:, 1] = np.where(truth[:, 1], 0.75, 0.25)  # C is C_0, up to rounding
    found = analyse_risk(observed, soft, truth, resamples=40, seed=2)
    generator = np.random.default_rng(2)
    draws = [generator.integers(30, size=30) for _ in range(40)]

    def may_be_zero(values):
        low, high = np.quantile(values, [0.025, 0.975])
        return low < 1e-12 and high > -1e-12

    for label in range(12):
        crosses, shares = [], []
        for rows in draws:
            y, s, t = (side[rows][:, [label]].astype(float) for side in (observed, soft, truth))
            crosses.append(cross_loop(y, s, t))
            shares.append(cross_loop(y, s, t) - independent_loop(y, s, t))
        assert found.labels.independent[label] == may_be_zero(crosses)
        assert found.labels.independent_given_truth[label] == may_be_zero(shares)
        assert found.labels.noise_shown[label] == any(observed[:, label] != truth[:, label])
    assert not found.labels.noise_shown[0]
    assert found.labels.independent_given_truth[1]
    assert set(found.labels.independent[1:]) == set(found.labels.independent_given_truth) == {True, False}
    alone = analyse_risk(observed[:, [2]], soft[:, [2]], truth[:, [2]], resamples=40, seed=2)
    assert alone.independent == found.labels.independent[2]
    assert alone.independent_given_truth == found.labels.independent_given_truth[2]


def test_labels_whose_sides_err_independently_are_rarely_told_apart():
    """Rare labels, half of them missed, on few samples: the table says 1 in 20; measured, 1 in 13."""
    told = shown = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth = rng.random((200, 60)) < rng.uniform(0.01, 0.06, 60)
        observed = np.where(truth, rng.random(truth.shape) < 0.5, rng.random(truth.shape) < 0.01)
        soft = np.where(truth, rng.beta(0.4, 0.4, truth.shape), rng.beta(0.05, 2, truth.shape))
        labels = analyse_risk(observed, soft, truth, resamples=200).labels
        shown += np.count_nonzero(labels.noise_shown)
        told += np.count_nonzero(labels.noise_shown & ~labels.independent_given_truth)
    assert shown > 200
    assert told / shown < 0.12


def test_many_labels_and_draws_go_in_blocks(monkeypatch):
    observed, soft, truth = simulate(30, seed=1, labels=40)
    whole = analyse_risk(observed, soft, truth, resamples=20)
    monkeypatch.setattr(bootstrap, "_ENTRIES", 100)  # sixteen labels and one draw at once
    parts = analyse_risk(observed, soft, truth, resamples=20)
    assert parts.cross == pytest.approx(whole.cross)
    for name in ("observed", "soft", "cross", "weight_exact"):
        for ours, theirs in zip(getattr(parts.labels, name), getattr(whole.labels, name), strict=True):
            assert ours.shape == (40,)
            assert np.allclose(ours, theirs)


def test_without_errors_nothing_is_divided_by_zero():
    truth = np.array([[1, 0], [0, 1]])
    right = analyse_risk(truth, truth.astype(float), truth, resamples=10)
    assert right.rules["exact"].weight.value == 0.5
    assert math.isnan(right.correlation.value)
    assert math.isnan(right.correlation.low)
    shown = analyse_risk(truth, np.full((2, 2), 0.5), truth, resamples=10)
    assert not shown.noise_shown
    assert shown.rules["exact"].weight.value == shown.rules["risk"].weight.value == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"soft": np.zeros((2, 3))}, "of one shape"),
        ({"soft": np.array([[0.5, np.nan], [0, 0]])}, "NaN"),
        ({"observed": np.zeros((0, 2)), "soft": np.zeros((0, 2)), "truth": np.zeros((0, 2))}, "no samples"),
        ({"weights": {"bold": 1.5}}, "'bold' must lie in"),
        ({"weights": {"exact": 0.5}}, "'exact' is measured anyway"),
        ({"resamples": 0}, "one bootstrap draw"),
    ],
)
def test_what_cannot_be_analysed_is_refused(change, message):
    case = {name: np.zeros((2, 2)) for name in ("observed", "soft", "truth")}
    with pytest.raises(ValueError, match=message):
        analyse_risk(**{**case, **change})


NETWORK = {"kind": "alexnet-bn", "image_size": 32, "width": 0.05}


def small_run(corpus, out, **changes):
    settings = {"methods": ["clean", "noisy"], "seeds": 2, "network": NETWORK, "training": {"epochs": 2}}
    return lh.run(lh.Recipe(corpus=str(corpus), out=str(out), **{**settings, **changes}))


@pytest.fixture(scope="module")
def finished(make_corpus, tmp_path_factory):
    """A run of `clean` and `noisy` with two seeds."""
    folder = tmp_path_factory.mktemp("risk")
    corpus = make_corpus(folder / "tiny", size=80, info={"name": "tiny [1]"})
    return small_run(corpus, folder / "run"), folder / "run", lh.Corpus.open(corpus)


@pytest.mark.parametrize(("on", "count"), [("dev", 8), ("test", 24), ("hidden", 32)])
def test_a_run_is_measured_on_samples_that_its_teacher_did_not_see(finished, on, count):
    results, run, corpus = finished
    samples = corpus.samples
    rows = np.flatnonzero((samples.split == "train") & ~samples.trusted) if on == "hidden" else corpus.rows(on)
    assert len(rows) == count
    probabilities = Predictor.load(run / "models" / "clean").predict([data for _, data in corpus.images.read(rows)])
    logits = np.log(probabilities) - np.log1p(-probabilities)
    truth, observed = (sets[rows].toarray().astype(float) for sets in (samples.verified, samples.observed))
    found = measure_risk(run, corpus, on=on, temperature=2.0, resamples=20)
    assert found.analysis.samples == count
    assert found.analysis.soft.value == pytest.approx(risk(soften(logits, 2.0), truth), abs=1e-4)
    assert found.analysis.observed.value == pytest.approx(risk(observed, truth))
    assert found.analysis.cross.value == pytest.approx(cross_term(observed, soften(logits, 2.0), truth), abs=1e-4)
    assert found.teacher_seed == results.best("clean").seed
    clean, noisy = (results.of(name)[found.teacher_seed].dev_map for name in ("clean", "noisy"))
    assert found.analysis.rules["paper"].weight.value == heuristic_weight(clean, noisy)
    assert found.analysis.rules["mirrored"].weight.value == heuristic_weight(noisy, clean)
    again = measure_risk(run, corpus, on=on, temperature=2.0, resamples=20)
    assert again.as_dict() == found.as_dict()
    assert measure_risk(run, corpus, on=on, resamples=20, seed=1).as_dict() != found.as_dict()


def command(*arguments, **options):
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", "labelhedge", *arguments], capture_output=True, text=True, env=environment, **options
    )


def test_the_command_prints_tables_and_writes_everything(finished, tmp_path):
    _, run, corpus = finished
    done = command(
        "risk", str(run), "--on", "hidden", "--per-label", "--resamples", "50", "--json", "all.json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for word in (
        "tiny [1], hidden",
        "R_y",
        "R_s",
        "C",
        "paper",
        "mirrored",
        "exact",
        "y alone",
        "Proposition 1",
        "owl",
        "λ `risk`",
        "λ `exact`",
    ):
        assert word in done.stdout
    found = measure_risk(run, corpus, on="hidden", resamples=50)
    assert json.loads((tmp_path / "all.json").read_text()) == json.loads(json.dumps(found.as_dict()))
    assert f"{found.analysis.observed.value:.3f} [{found.analysis.observed.low:.3f}" in done.stdout


def rendered(what, width):
    console = Console(width=width, file=io.StringIO())
    console.print(what, highlight=False)
    return console.file.getvalue().splitlines()


def test_the_table_of_labels_holds_every_number_at_any_width():
    """Against strings made one by one; nothing may be cut off."""
    observed, soft, truth = simulate(60, seed=4, labels=4)
    observed[:, 0] = truth[:, 0]
    names = ["a label", "big [cat]", "an unusually long name", "d"]
    analysis = analyse_risk(observed, soft, truth, resamples=50)
    labels = analysis.labels

    def brief(estimate, label, scale):
        texts = []
        for part in estimate:
            number = part[label] * scale
            if scale == 1:
                texts.append({"0.00": "0", "1.00": "1"}.get(f"{number:.2f}", f"{number:.2f}"[1:]))
            else:
                texts.append(f"{number:.1f}" if 1e-9 <= number < 9.95 else f"{number:.0f}")
        return f"{texts[0]} [{texts[1]}–{texts[2]}]"

    wide, narrow = (rendered(LabelRiskTable(names, analysis), width) for width in (106, 80))
    assert sum(" label " in line and "true" in line for line in wide) == 1
    assert sum(" label " in line and "true" in line for line in narrow) == 2
    assert max(map(len, wide)) <= 106
    assert max(map(len, narrow)) <= 80
    assert "…" not in "".join(wide + narrow)
    for lines in (wide, narrow):
        for label, start in enumerate([" a label ", " big [cat] ", " an unusually", " d "]):
            row = " ".join(line for line in lines if line.startswith(start))
            for estimate, scale in (
                (labels.observed, 1000),
                (labels.soft, 1000),
                (labels.cross, 1000),
                (labels.weight_risk, 1),
                (labels.weight_exact, 1),
            ):
                assert brief(estimate, label, scale) in row
            assert f" {labels.positives[label]} " in row
    firsts = [line.split()[0] for line in wide if "–" in line]
    order = sorted(range(4), key=lambda label: -labels.pseudo["exact"].value[label])
    assert firsts == [names[label].split()[0] for label in order]
    assert "- Of 3 labels with wrong ones" in " ".join(wide)


def test_verdicts_are_printed_and_written(finished):
    _, run, corpus = finished
    found = measure_risk(run, corpus, on="hidden", resamples=50)
    sign = np.zeros(2)
    cross, shared = (np.array(side) for side in ([0.2, 0.2], [0.1, -0.1]))
    labels = replace(
        found.analysis.labels,
        observed=Estimate(np.array([0.3, 0.3]), sign, sign + 1),
        cross=Estimate(cross, cross - 0.1, cross + 0.1),
        cross_shared=Estimate(shared, shared - 0.05, shared + 0.05),
    )
    cells = [LabelRiskTable("ab", replace(found.analysis, labels=labels))._cells(label) for label in (0, 1)]
    assert [(cell["= 0"], cell["= C_0"]) for cell in cells] == [("no", "above"), ("no", "below")]
    unsure = replace(labels, cross=Estimate(cross, sign, cross), cross_shared=Estimate(sign, -cross, cross))
    (cell, _) = (LabelRiskTable("ab", replace(found.analysis, labels=unsure))._cells(label) for label in (0, 1))
    assert (cell["= 0"], cell["= C_0"]) == ("?", "?")
    right = replace(labels, observed=Estimate(sign, sign, sign))
    cell = LabelRiskTable("ab", replace(found.analysis, labels=right))._cells(0)
    assert (cell["= 0"], cell["= C_0"]) == ("-", "-")

    written = json.loads(json.dumps(replace(found, analysis=replace(found.analysis, labels=unsure)).as_dict()))
    assert written["analysis"]["independent"] is found.analysis.independent
    assert written["analysis"]["independent_given_truth"] is found.analysis.independent_given_truth
    assert written["analysis"]["labels"]["independent"] == [True, True]
    written = replace(found, analysis=replace(found.analysis, labels=right)).as_dict()
    assert written["analysis"]["labels"]["independent_given_truth"] == [None, None]


def test_the_weights_of_the_run_itself_are_rows(finished, tmp_path):
    _, run, corpus = finished
    shutil.copytree(run, tmp_path / "run")
    results = Results.load(run)
    seed = results.best("clean").seed
    used = {  # name, method, T, λ for the teacher's seed and for the other one
        "distill": ("distill", 1.0, 0.25, 0.5),
        "exact": ("distill", 2.0, 0.75, 0.5),
        "guided": ("guided", 1.0, 0.5, 0.25),
        "smooth": ("smooth", None, 0.9, 0.9),
        "hedge": ("hedge", None, None, None),
        "later": ("of-a-newer-version", 1.0, 0.5, 0.5),
        "unweighted": ("distill", 1.0, None, None),
    }
    like = results.best("clean")
    for name, (method, temperature, weight, other) in used.items():
        settings = {"method": method} | ({} if temperature is None else {"temperature": temperature})
        results.recipe["methods"][name] = settings
        for number, value in ((seed, weight), (1 - seed, other)):
            remarks = ["λ was moved"] if name == "guided" else []
            update = {"method": name, "seed": number, "weight": value, "remarks": remarks}
            results.results.append(like.model_copy(update=update))
    results.save(tmp_path / "run")
    found = measure_risk(tmp_path / "run", corpus, resamples=20)
    rules = found.analysis.rules
    ours = ["run: distill", "run: exact", "run: guided"]
    assert list(rules) == ["observed", "soft", "paper", "mirrored", *ours, "risk", "exact"]
    assert [rules[name].weight for name in ours] == [(0.25,) * 3, (0.75,) * 3, (0.5,) * 3]
    plain = measure_risk(run, corpus, resamples=20).analysis
    assert rules["exact"] == plain.rules["exact"]  # a row more changes nothing else
    expected = pseudo_label_risk(0.25, plain.observed.value, plain.soft.value, plain.cross.value)
    assert rules["run: distill"].risk.value == pytest.approx(expected)
    about = [remark for remark in found.remarks if "`run: " in remark]
    assert len(about) == 3
    assert "`run: exact` has its λ from the run, where T was 2; s here has T = 1." in about
    assert "`run: guided`: λ was moved." in about
    assert any("`run: guided`" in remark and "G s" in remark for remark in about)
    assert any("run: distill" in line and "0.25" in line for line in rendered(found, 100))


def test_where_dev_does_not_show_the_noise_it_says_so(make_corpus, tmp_path):
    corpus = make_corpus(tmp_path / "tiny", size=80)
    samples = lh.Corpus.open(corpus).samples
    shutil.rmtree(corpus)
    right = {(row, "observed"): samples.verified[[row]].indices.tolist() for row in range(80) if row % 10 == 6}
    corpus = make_corpus(corpus, size=80, cells=right)
    small_run(corpus, tmp_path / "run", methods=["clean"], seeds=1)
    found = measure_risk(tmp_path / "run", lh.Corpus.open(corpus), resamples=20)
    assert not found.analysis.noise_shown
    assert "R_y is 0" in found.remarks[0]
    assert "--on hidden" in found.remarks[0]
    assert "need the dev mAP of `noisy`" in found.remarks[1]
    assert list(found.analysis.rules) == ["observed", "soft", "risk", "exact"]
    written = found.as_dict()["analysis"]
    assert written["independent"] is None
    assert set(written["labels"]["independent"]) == {None}
    table = " ".join(rendered(replace(found, per_label=True), 110))
    assert "by label" in table
    assert "labels with wrong ones" not in table
    printed = CliRunner().invoke(app, ["risk", str(tmp_path / "run")])
    assert "R_y is 0" in printed.output


def test_what_the_user_can_mend_is_said(finished, make_corpus, tmp_path):
    _, run, corpus = finished
    for options, message in (
        ({"on": "train"}, "choose one of dev, test, hidden"),
        ({"temperature": 0.0}, "--temperature 0: a number above 0"),
        ({"temperature": float("nan")}, "a number above 0"),
        ({"resamples": 0}, "1 or more"),
    ):
        with pytest.raises(LabelhedgeError, match=message):
            measure_risk(run, corpus, **options)
    other = make_corpus(tmp_path / "other", size=81)
    with pytest.raises(LabelhedgeError, match="another state of the corpus"):
        measure_risk(run, lh.Corpus.open(other))
    secret = {(row, "verified"): None for row in range(80) if row % 10 in (1, 2, 4, 5)}
    bare = make_corpus(tmp_path / "bare", size=80, cells=secret)
    small_run(bare, tmp_path / "noisy", methods=["noisy"], seeds=1)
    with pytest.raises(LabelhedgeError, match=r"no method 'clean'.* it has: noisy"):
        measure_risk(tmp_path / "noisy", lh.Corpus.open(bare))
    small_run(bare, tmp_path / "clean", methods=["clean"], seeds=1)
    with pytest.raises(LabelhedgeError, match="--on hidden: no untrusted training sample"):
        measure_risk(tmp_path / "clean", lh.Corpus.open(bare), on="hidden")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "results.json is missing"), (["run", "--on", "clean"], "--on clean: choose one of")],
)
def test_the_command_says_it_in_one_line(finished, arguments, message):
    _, run, _ = finished
    done = command("risk", *arguments, cwd=run.parent)
    assert done.returncode == 2
    assert done.stderr.startswith("labelhedge: ")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
