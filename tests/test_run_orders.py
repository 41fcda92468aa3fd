"""Which images to check next, by the pseudo labels of a run: against loops, and on what a run writes."""

import json
import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.errors import LabelhedgeError
from labelhedge.report.suspicion import SCHEMA, rank_suspects
from labelhedge.review import OrderSettings, make_tasks
from labelhedge.review.run_orders import Questions, usefulness
from run_help import write_results, write_run


@pytest.fixture
def corpus(make_corpus, tmp_path):
    return lh.Corpus.open(make_corpus(tmp_path / "corpus", size=20))


def drawn(corpus, seed=0):
    return np.random.default_rng(seed).random((len(corpus.rows("train")), 3)).astype(np.float32)


@st.composite
def questions(draw):
    seed, count, labels = draw(st.integers(0, 10**6)), draw(st.integers(1, 20)), draw(st.integers(1, 4))
    random = np.random.default_rng(seed)
    pairs = sorted({(int(random.integers(8)), int(random.integers(labels))) for _ in range(count)})
    p, surprise = random.random((2, len(pairs))).astype(np.float32)
    rows, numbers = np.array(pairs).T
    return Questions(rows, numbers, p, surprise, random.integers(0, 5, labels))


@settings(max_examples=50)
@given(questions())
def test_useful_shares_checks_out_over_labels_and_takes_the_most_doubtful_first(asked):
    """A slow twin: labels by the root of their risk, and of each the largest p (1 - p) first."""
    doubt = [float(p * (1 - p)) for p in asked.pseudo]
    risks = {m: sum(d for d, k in zip(doubt, asked.labels) if k == m) for m in set(asked.labels.tolist())}
    whole = sum(math.sqrt(risk) for risk in risks.values())
    expected = {}
    for m, risk in risks.items():
        of_label = [i for i in range(len(doubt)) if asked.labels[i] == m]
        of_label.sort(key=lambda i: (-doubt[i], asked.rows[i]))
        for place, i in enumerate(of_label):
            expected[i] = (asked.checked[m] + place + 0.5) / (math.sqrt(risk) / whole)
    assert usefulness(asked) == pytest.approx([expected[i] for i in range(len(doubt))], rel=1e-5)


def test_no_label_waits_for_another_and_frequent_ones_get_more():
    """Of labels from 20 to 5,000 samples, equally doubtful, all are asked early on, none alone."""
    sizes = [5000, 1000, 200, 20]
    labels = np.repeat(np.arange(4), sizes)
    asked = Questions(np.arange(len(labels)), labels, np.full(len(labels), 0.5, np.float32), labels, np.zeros(4, int))

    def first_200(asked):
        return np.bincount(labels[np.argsort(usefulness(asked), kind="stable")[:200]], minlength=4)

    first = first_200(asked)
    assert first.tolist() == sorted(first, reverse=True)
    assert first == pytest.approx(200 * np.sqrt(sizes) / np.sqrt(sizes).sum(), abs=2)
    later = asked._replace(checked=first)  # the same are asked again: the shares are of all checks
    assert np.bincount(labels[np.argsort(usefulness(later), kind="stable")[:200]], minlength=4) == pytest.approx(
        first, abs=2
    )


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
    assert tasks == [task for row in dict.fromkeys(task.row for task in tasks) for task in tasks if task.row == row]


def test_the_most_suspicious_come_first(corpus, tmp_path):
    pseudo = drawn(corpus)
    tasks = make_tasks(
        corpus, "suspicious", OrderSettings(run=write_run(tmp_path / "run", corpus, hedge=(pseudo, 0.5)))
    )
    place_of = {row: place for place, row in enumerate(corpus.rows("train"))}
    y = corpus.samples.observed.toarray()
    scores = [max(abs(pseudo[place_of[task.row], m] - y[task.row, m]) for m in range(3)) for task in tasks]
    assert scores == sorted(scores, reverse=True)


def test_the_method_that_is_best_on_dev_is_asked_unless_one_is_named(corpus, tmp_path):
    good, bad = drawn(corpus, 1), drawn(corpus, 2)
    run = write_run(tmp_path / "run", corpus, distill=(bad, 0.3), hedge=(good, 0.6))
    alone = write_run(tmp_path / "alone", corpus, hedge=(good, 0.1))
    best = make_tasks(corpus, "useful", OrderSettings(run=run))
    assert best == make_tasks(corpus, "useful", OrderSettings(run=alone))
    assert best == make_tasks(corpus, "useful", OrderSettings(run=run, method="hedge"))
    assert best != make_tasks(corpus, "useful", OrderSettings(run=run, method="distill"))


def test_pseudo_labels_of_a_rejected_student_count_as_it_did_and_not_as_what_was_returned(corpus, tmp_path):
    labels = {"distill": drawn(corpus, 1), "hedge": drawn(corpus, 2)}
    for rejected, best in ((0.2, "distill"), (0.4, "hedge")):
        run = write_run(tmp_path / best, corpus, **{name: (pseudo, 0.3) for name, pseudo in labels.items()})
        write_results(run, corpus, distill={"dev_map": 0.3}, hedge={"dev_map": 0.5, "taught_dev": rejected})
        tasks = make_tasks(corpus, "useful", OrderSettings(run=run))
        assert tasks == make_tasks(corpus, "useful", OrderSettings(run=run, method=best))
        suspects = rank_suspects(run, ["cat", "dog", "owl"], method=None, label=None, count=1)
        assert suspects[0].method == best


def test_what_is_missing_is_named(corpus, make_corpus, tmp_path):
    with pytest.raises(ValueError, match="name its folder with --run"):
        make_tasks(corpus, "useful", OrderSettings())
    with pytest.raises(OSError, match=r"results\.json is missing: name the folder of a finished run"):
        make_tasks(corpus, "useful", OrderSettings(run=tmp_path))
    run = write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    plain = write_results(tmp_path / "plain", corpus, noisy={"dev_map": 0.4}, hedge={"dev_map": 0.5})
    (run / "labels.parquet").rename(plain / "labels.parquet")
    with pytest.raises(ValueError, match="no pseudo labels of 'noisy'; it has those of: hedge"):
        make_tasks(corpus, "useful", OrderSettings(run=plain, method="noisy"))
    write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    certain = corpus.training_view().labels.toarray().astype(np.float32)
    sure = write_run(tmp_path / "sure", corpus, distill=(certain, 0.5))
    with pytest.raises(ValueError, match=r"of distill in .* are the observed labels.* --order random"):
        make_tasks(corpus, "useful", OrderSettings(run=sure))
    both = write_run(tmp_path / "both", corpus, distill=(certain, 0.9), hedge=(drawn(corpus), 0.5))
    with pytest.raises(ValueError, match=r"of distill in .* are the observed labels"):  # hedge's rows come last
        make_tasks(corpus, "useful", OrderSettings(run=both))
    assert make_tasks(corpus, "useful", OrderSettings(run=both, method="hedge"))
    with pytest.raises(ValueError, match="pseudo labels of train alone, and train, dev is asked for"):
        make_tasks(corpus, "useful", OrderSettings(run=run, splits=("train", "dev")))
    (run / "labels.parquet").unlink()
    with pytest.raises(ValueError, match=r"labels\.parquet is missing"):
        make_tasks(corpus, "useful", OrderSettings(run=run))
    pq.write_table(pa.table({name: [] for name in SCHEMA.names}, schema=SCHEMA), run / "labels.parquet")
    with pytest.raises(ValueError, match="made pseudo labels: run hedge or distill"):
        make_tasks(corpus, "useful", OrderSettings(run=run))


@pytest.mark.parametrize("order", ["random", "useful", "asked.csv"])
def test_a_run_on_another_corpus_is_refused_in_every_order(corpus, make_corpus, tmp_path, monkeypatch, order):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asked.csv").write_text("id,label\ns01,cat\n")
    run = write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    sets = corpus.samples.observed
    changes = {
        "ids": {"columns": {"id": [f"x{i}" for i in range(20)]}},
        "observed": {"columns": {"observed": [(2 - sets.indices[a:b]).tolist() for a, b in pairwise(sets.indptr)]}},
        "images": {"seed": 1},
        "split": {"cells": {(7, "split"): "dev"}},
        "labels": {"info": {"labels": [{"id": name, "name": name} for name in ("cat", "dog", "cow")]}},
    }
    for what, change in changes.items():
        other = lh.Corpus.open(make_corpus(tmp_path / what, **change))
        with pytest.raises(ValueError, match=f"is a run on another corpus than .*{what}.* name a run on this corpus"):
            make_tasks(other, order, OrderSettings(run=run))
    with pytest.raises(OSError, match=r"results\.json is missing: name the folder of a finished run"):
        make_tasks(corpus, order, OrderSettings(run=tmp_path))
    (tmp_path / "results.json").write_text('{"results": []}')
    with pytest.raises(ValueError, match=r"results\.json: not the results of a run \(2 faults, first at corpus"):
        make_tasks(corpus, order, OrderSettings(run=tmp_path))


@pytest.mark.parametrize("order", ["random", "useful"])
def test_a_method_that_the_run_lacks_is_refused_in_every_order(corpus, tmp_path, order):
    run = write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    with pytest.raises(ValueError, match="no method 'hegde': name one of hedge with --method"):
        make_tasks(corpus, order, OrderSettings(run=run, method="hegde"))
    with pytest.raises(ValueError, match="name the run with --run"):
        make_tasks(corpus, order, OrderSettings(method="hedge"))


@pytest.mark.parametrize("order", ["random", "useful"])
def test_a_run_is_of_the_corpus_after_a_review_too(corpus, make_corpus, tmp_path, order):
    run = write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    found = {(1, "verified"): [2], (1, "trusted"): True, (3, "trusted"): False, (16, "verified"): None}
    reviewed = lh.Corpus.open(make_corpus(tmp_path / "reviewed", cells=found))
    assert reviewed.hash != corpus.hash
    rows = {task.row for task in make_tasks(reviewed, order, OrderSettings(run=run))}
    assert 1 not in rows
    assert rows


def test_the_command_takes_a_run(corpus):
    done = CliRunner().invoke(app, ["review", str(corpus.folder), "--order", "useful"])
    assert isinstance(done.exception, ValueError)
    assert "--run" in str(done.exception)


def test_a_damaged_run_is_named(corpus, make_corpus, tmp_path):
    run = write_run(tmp_path / "run", corpus, hedge=(drawn(corpus), 0.5))
    written = (run / "results.json").read_text()
    reviewed = lh.Corpus.open(make_corpus(tmp_path / "reviewed", cells={(1, "trusted"): True, (1, "verified"): [2]}))

    def refused(message):
        with pytest.raises(LabelhedgeError, match=message):
            make_tasks(reviewed, "random", OrderSettings(run=run))

    (run / "labels.parquet").write_bytes(b"PAR1 and no more")
    refused(r"labels\.parquet is damaged .*run again")
    content = json.loads(written)
    content["corpus"].pop("hash")
    (run / "results.json").write_text(json.dumps(content))
    refused(r"labels\.parquet is damaged .*run again")
    (run / "results.json").write_bytes(b"\xff" + written.encode())
    refused(r"results\.json is no text in UTF-8")
