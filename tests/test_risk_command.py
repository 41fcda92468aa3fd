"""`labelhedge risk`: what it measures of a finished run, and how it says it."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation import Estimate, analyse_risk, cross_term, pseudo_label_risk
from labelhedge.labels import heuristic_weight, risk, soften
from labelhedge.report.label_risk import LabelRiskTable
from labelhedge.report.risk import measure_risk
from labelhedge.results import Results
from labelhedge.training import Predictor
from risk_help import simulate

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
    again = command("risk", str(run), "--json", "all.json", cwd=tmp_path)
    assert again.returncode == 2
    assert "all.json is there already: pass --overwrite, or name another file with --json" in again.stderr
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
