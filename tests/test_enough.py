"""Are the checks enough: rates with their intervals, the risk of pseudo labels, and what more checks would bring."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.report.suspicion import write_labels
from labelhedge.review.enough import enough, wrong_share
from labelhedge.verify import Vote, VoteStore
from labelhedge.verify.apply import settle

SIZE = 120


@pytest.fixture
def corpus(make_corpus, tmp_path):
    return lh.Corpus.open(make_corpus(tmp_path / "corpus", size=SIZE))


def untrusted(corpus):
    rows = corpus.rows("train")
    return [row for row in rows.tolist() if not corpus.samples.trusted[row]]


def says(corpus, rows, start=0):
    """What somebody who knows the truth says of all observed labels."""
    samples, votes = corpus.samples, []
    for row in rows:
        for label in samples.observed[[row]].indices.tolist():
            answer = "yes" if label in samples.verified[[row]].indices else "no"
            names = (samples.ids[row], corpus.labels[label].id)
            votes.append(Vote(f"{start}-{len(votes)}", *names, "ana", answer))
    return votes


def write_run(folder, corpus, pseudo):
    folder.mkdir()
    write_labels(folder / "labels.parquet", corpus, {"hedge": [pseudo]})
    (folder / "results.json").write_text(json.dumps({"results": [{"method": "hedge", "dev_map": 0.5}]}))
    return folder


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
def test_the_interval_holds_what_is_known_and_closes(observed, part, wrong_part):
    checked = round(part * observed)
    wrong = round(wrong_part * checked)
    value, low, high = wrong_share(observed, checked, wrong)
    assert wrong / observed - 1e-9 <= low <= high <= 1 - (checked - wrong) / observed + 1e-9
    if checked == observed:
        assert low == high == value


def test_the_interval_covers_the_truth():
    """Of labels with 30% wrong ones, 40 of 200 drawn again and again: 95% of the intervals hold the share."""
    draw = np.random.default_rng(0)
    truth = np.zeros(200, bool)
    truth[:60] = True
    held = []
    for _ in range(500):
        wrong = int(draw.choice(truth, 40, replace=False).sum())
        _, low, high = wrong_share(200, 40, wrong)
        held.append(low <= 0.3 <= high)
    assert 0.92 < np.mean(held) < 0.99


def test_rates_count_trusted_samples_and_votes(corpus):
    rows = untrusted(corpus)[:10]
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add(says(corpus, rows))
    found = enough(corpus)
    known = np.isin(np.arange(len(corpus.samples.ids)), rows) | corpus.samples.trusted
    observed, truth = (sets.toarray().astype(bool) for sets in (corpus.samples.observed, corpus.samples.verified))
    train = corpus.samples.split == "train"
    for rate in found.rates:
        label = [label.name for label in corpus.labels].index(rate.label)
        asked = observed[:, label] & known & train
        assert (rate.observed, rate.checked) == ((observed[:, label] & train).sum(), asked.sum())
        assert rate.wrong == (asked & ~truth[:, label]).sum()
        assert rate.share.low <= rate.share.value <= rate.share.high
        assert rate.later <= rate.margin
    assert found.total.checked == sum(rate.checked for rate in found.rates)
    assert found.left_out == 0
    settled = settle(corpus)  # once they are settled, the same is known
    again = enough(lh.Corpus.open(settled.folder))
    assert [(rate.checked, rate.wrong) for rate in again.rates] == [(rate.checked, rate.wrong) for rate in found.rates]


def test_what_was_asked_because_it_looked_doubtful_is_no_random_part(corpus):
    rows = untrusted(corpus)
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.begin("random")
        store.add(says(corpus, rows[:5]))
        store.begin("useful")
        store.add(says(corpus, rows[3:12], start=1))
        assert set(store.orders().values()) == {"random", "useful"}
    found = enough(corpus)
    assert found.left_out == 7
    with_all = enough(corpus, [corpus.folder / "votes.sqlite"])
    assert with_all == found
    trusted = int(corpus.samples.observed[corpus.samples.trusted].sum())
    assert found.total.checked == trusted + int(corpus.samples.observed[rows[:5]].sum())


def test_the_risk_is_that_of_the_pseudo_labels(corpus, tmp_path):
    train = corpus.rows("train")
    pseudo = np.random.default_rng(1).random((len(train), 3)).astype(np.float32)
    known = corpus.samples.trusted[train]
    truth = corpus.samples.verified[train].toarray().astype(bool)
    pseudo[known] = truth[known]
    run = write_run(tmp_path / "run", corpus, pseudo)
    rows = untrusted(corpus)[:12]
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add(says(corpus, rows))
    found = enough(corpus, run=run, more=20).forecast
    observed = corpus.samples.observed[train].toarray().astype(bool)
    since = np.isin(train, rows) & observed.any(axis=1)  # of the others nothing was asked
    variance = pseudo * (1 - pseudo)
    assert found.method == "hedge"
    assert found.remaining == pytest.approx(variance[~since].sum() / len(train), rel=1e-5)
    asked = observed & since[:, None]
    assert found.measured.value == pytest.approx(((pseudo - truth) ** 2)[asked].mean(), rel=1e-5)
    assert found.measured.low < found.measured.value < found.measured.high
    assert found.expected == pytest.approx(variance[asked].mean(), rel=1e-5)
    assert found.observed == pytest.approx((~truth)[asked].mean())
    assert found.samples == since.sum()
    assert 0 < found.falls["random"] < found.remaining
    assert found.falls["useful"] > found.falls["random"]
    assert found.falls["suspicious"] > 0
    assert enough(corpus, run=run, more=10_000).forecast.falls["useful"] <= found.remaining + 1e-6


def test_as_a_command(corpus, tmp_path):
    pseudo = np.full((len(corpus.rows("train")), 3), 0.5, np.float32)
    run = write_run(tmp_path / "run", corpus, pseudo)
    done = CliRunner().invoke(app, ["verify", "enough", str(corpus.folder), "--run", str(run), "--more", "30"])
    assert done.exit_code == 0, done.output
    assert "± after 30 more" in done.output
    assert "risk of the pseudo labels of hedge" in done.output
    assert "30 more questions, order useful" in done.output
    assert "to halve it takes" in done.output


def test_where_nothing_is_checked_it_says_so(make_corpus, tmp_path):
    bare = lh.Corpus.open(make_corpus(tmp_path / "bare", columns={"trusted": [False] * 20}))
    with pytest.raises(ValueError, match=r"nothing is checked .* `labelhedge review`"):
        enough(bare)
    with pytest.raises(ValueError, match="at least 1, found 0"):
        enough(bare, more=0)
