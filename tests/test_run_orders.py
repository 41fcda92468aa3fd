"""Which images to check next, by the pseudo labels of a run: against loops, and on what a run writes."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.report.suspicion import SCHEMA, write_labels
from labelhedge.review import OrderSettings, make_tasks, suspicion, usefulness


@pytest.fixture
def corpus(make_corpus, tmp_path):
    return lh.Corpus.open(make_corpus(tmp_path / "corpus", size=20))


def write_run(folder, corpus, **methods):
    folder.mkdir()
    write_labels(folder / "labels.parquet", corpus, {name: [pseudo] for name, (pseudo, _) in methods.items()})
    results = [{"method": name, "dev_map": dev} for name, (_, dev) in methods.items()]
    (folder / "results.json").write_text(json.dumps({"results": results}))
    return folder


def drawn(corpus, seed=0):
    return np.random.default_rng(seed).random((len(corpus.rows("train")), 3)).astype(np.float32)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4))
def test_scores_are_what_a_loop_over_pairs_finds(seed, rows, labels):
    draw = np.random.default_rng(seed)
    p = draw.random((rows, labels)).astype(np.float32)
    y, asked = draw.random((2, rows, labels)) < 0.5
    expected = 3 * draw.random(labels).astype(np.float32)
    useful, suspicious = [], []
    for i in range(rows):
        questions = [m for m in range(labels) if asked[i, m]]
        gains = [p[i, m] * (1 - p[i, m]) / max(expected[m], 1) for m in questions]
        useful.append(sum(gains) / len(questions) if questions else 0)
        suspicious.append(max(abs(p[i, m] - (1 if y[i, m] else 0)) for m in range(labels)))
    assert usefulness(p, y, asked, expected) == pytest.approx(useful, abs=1e-6)
    assert suspicion(p, y, asked, expected) == pytest.approx(suspicious, abs=1e-6)


@pytest.mark.parametrize("order", ["suspicious", "useful"])
def test_every_open_sample_is_asked_with_all_its_observed_and_likely_labels(corpus, tmp_path, order):
    pseudo = drawn(corpus)
    run = write_run(tmp_path / "run", corpus, hedge=(pseudo, 0.5))
    tasks = make_tasks(corpus, order, OrderSettings(run=run))
    for place, row in enumerate(corpus.rows("train")):
        observed = set(corpus.samples.observed[[row]].indices)
        wanted = observed | {m for m in range(3) if pseudo[place, m] >= 0.2}
        asked = {task.label for task in tasks if task.row == row}
        assert asked == (set() if corpus.samples.trusted[row] else wanted)
    rows = list(dict.fromkeys(task.row for task in tasks))
    place_of = {row: place for place, row in enumerate(corpus.rows("train"))}
    p = pseudo[[place_of[row] for row in rows]]
    y = corpus.samples.observed[rows].toarray().astype(bool)
    if order == "suspicious":
        scores = np.abs(p - y).max(axis=1)
    else:
        asked = y | (p >= 0.2)
        scores = np.where(asked, p * (1 - p) / np.maximum(pseudo.sum(0), 1), 0).sum(1) / asked.sum(1)
    assert (np.diff(scores) <= 1e-6).all()


def test_the_method_that_is_best_on_dev_is_asked_unless_one_is_named(corpus, tmp_path):
    good, bad = drawn(corpus, 1), drawn(corpus, 2)
    run = write_run(tmp_path / "run", corpus, distill=(bad, 0.3), hedge=(good, 0.6))
    alone = write_run(tmp_path / "alone", corpus, hedge=(good, 0.1))
    best = make_tasks(corpus, "useful", OrderSettings(run=run))
    assert best == make_tasks(corpus, "useful", OrderSettings(run=alone))
    assert best == make_tasks(corpus, "useful", OrderSettings(run=run, method="hedge"))
    assert best != make_tasks(corpus, "useful", OrderSettings(run=run, method="distill"))


def test_what_is_missing_is_named(corpus, make_corpus, tmp_path):
    with pytest.raises(ValueError, match="name its folder with --run"):
        make_tasks(corpus, "useful", OrderSettings())
    with pytest.raises(ValueError, match=r"labels\.parquet is missing: name the folder of a finished run"):
        make_tasks(corpus, "useful", OrderSettings(run=tmp_path))
    run = write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    with pytest.raises(ValueError, match="no pseudo labels of 'distil'; it has those of: hedge"):
        make_tasks(corpus, "useful", OrderSettings(run=run, method="distil"))
    other = lh.Corpus.open(make_corpus(tmp_path / "other", columns={"id": [f"x{i}" for i in range(20)]}))
    with pytest.raises(ValueError, match="is a run on another corpus"):
        make_tasks(other, "useful", OrderSettings(run=run))
    pq.write_table(pa.table({name: [] for name in SCHEMA.names}, schema=SCHEMA), run / "labels.parquet")
    with pytest.raises(ValueError, match="it has those of: none"):
        make_tasks(corpus, "useful", OrderSettings(run=run))


def test_the_command_takes_a_run(corpus):
    done = CliRunner().invoke(app, ["review", str(corpus.folder), "--order", "useful"])
    assert isinstance(done.exception, ValueError)
    assert "--run" in str(done.exception)
