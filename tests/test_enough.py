"""Are the checks enough: rates with their intervals, the risk of pseudo labels, and what more checks would bring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.report.suspicion import write_labels
from labelhedge.review import OrderSettings, make_tasks
from labelhedge.review.answers import Answers
from labelhedge.review.enough import enough
from labelhedge.review.rates import rates, wrong_share
from labelhedge.verify import Vote, VoteStore
from labelhedge.verify.apply import settle
from run_help import write_run

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


def test_what_was_asked_because_it_looked_doubtful_is_known_and_told(corpus):
    rows = untrusted(corpus)
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.begin("random")
        store.add(says(corpus, rows[:5]))
        store.begin("useful")
        store.add(says(corpus, rows[3:12], start=1))
    found = enough(corpus)
    observed = corpus.samples.observed
    assert found.left_out == int(observed[rows[5:12]].sum())
    trusted = int(observed[corpus.samples.trusted].sum())
    assert found.total.checked == trusted + int(observed[rows[:12]].sum())
    assert found.total.drawn == trusted + int(observed[rows[:5]].sum())


def test_where_more_questions_reach_all_there_is_nothing_left_to_tell(corpus):
    """Also where most were asked because they looked doubtful, and few at random."""
    rows = untrusted(corpus)
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.begin("useful")
        store.add(says(corpus, rows[:-3]))
    for more in (40, 1000):
        found = enough(corpus, more=more)
        assert found.total.checked + more >= found.total.observed
        assert [rate.later for rate in (found.total, *found.rates)] == [0] * (1 + len(found.rates))
    left = found.total.observed - found.total.checked
    assert 0 < enough(corpus, more=left - 1).total.later <= 1 / (2 * found.total.observed)  # one is unknown then


def test_answers_to_one_label_count_before_all_are_asked(corpus):
    """With a filter for one label its answers tell its rate, also of images that have other labels."""
    owl = 2
    votes = [vote for vote in says(corpus, untrusted(corpus)) if vote.label == "owl"]
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.begin("random")
        store.add(votes)
    (rate,) = [rate for rate in enough(corpus).rates if rate.label == "owl"]
    train = corpus.rows("train")
    has = corpus.samples.observed[train].toarray()[:, owl].astype(bool)
    wrong = has & ~corpus.samples.verified[train].toarray()[:, owl].astype(bool)
    assert (rate.checked, rate.wrong) == (has.sum(), wrong.sum())
    assert rate.share == pytest.approx([wrong.sum() / has.sum()] * 3)


def test_where_labels_exclude_each_other_a_no_counts_too(make_corpus, tmp_path):
    """Such a sample is not verified, as the right label is not known; but that the observed one is wrong is."""
    true = [[row % 3] for row in range(80)]
    observed = [[(row + (row % 3 == 0)) % 3] for row in range(80)]
    columns = {"verified": true, "observed": observed, "trusted": [False] * 80}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "one", size=80, columns=columns, info={"exclusive": True}))
    rows = untrusted(corpus)[:20]
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add(says(corpus, rows))
    total = enough(corpus).total
    assert (total.checked, total.wrong) == (20, sum(observed[row] != true[row] for row in rows))
    assert total.wrong > 0
    (tmp_path / "chosen.csv").write_text(  # and where everybody chose among all labels
        "task,worker,label\n" + "".join(f"s{row:02},ana,{corpus.labels[true[row][0]].id}\n" for row in rows)
    )
    assert enough(corpus, [tmp_path / "chosen.csv"]).total == total


def answered(wrong, order, sittings):
    """Answers about label 0 of samples in an order, in sittings of (name of the order, how many)."""
    names = [(number, name) for number, (name, count) in enumerate(sittings) for _ in range(count)]
    rows = order[: len(names)]
    return Answers(
        rows,
        np.zeros(len(rows), np.int64),
        wrong[rows],
        np.array([number for number, _ in names]),
        np.array([name == "random" for _, name in names]),
    )


@pytest.mark.parametrize(
    "sittings",
    [
        [("random", 80)],
        [("random", 40), ("useful", 80)],
        [("useful", 80), ("random", 40)],
        [("random", 40), ("useful", 60), ("random", 40)],
    ],
)
def test_no_sequence_of_orders_leads_the_rate_astray(make_corpus, tmp_path, sittings):
    """Of 400 labels 40% are wrong; useful finds the wrong ones first. The mean of many draws is right."""
    columns = {"observed": [[0]] * 400, "verified": [[0]] * 400, "split": ["train"] * 400}
    columns |= {"trusted": [False] * 400}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "wide", size=400, columns=columns))
    draw = np.random.default_rng(0)
    wrong = np.arange(400) % 5 < 2
    values, held = [], []
    for _ in range(200):
        left, order = draw.permutation(400), []
        for name, count in sittings:
            if name == "useful":  # three in four of what it asks about are wrong, as long as there are some
                likely = np.where(wrong[left], 3.0, 0.5)
                chosen = draw.choice(left, count, replace=False, p=likely / likely.sum())
            else:
                chosen = draw.choice(left, count, replace=False)
            order += chosen.tolist()
            left = np.setdiff1d(left, chosen)
        total, _ = rates(corpus, answered(wrong, np.array(order), sittings), 100)
        values.append(total.share.value)
        held.append(total.share.low <= 0.4 <= total.share.high)
    assert np.mean(values) == pytest.approx(0.4, abs=0.02)
    assert np.mean(held) > 0.9
    whole, _ = rates(corpus, answered(wrong, np.argsort(~wrong), [("random", 40), ("useful", 360)]), 100)
    assert whole.share == pytest.approx([0.4] * 3)


def test_labels_of_an_image_that_err_together_widen_the_interval(make_corpus, tmp_path):
    columns = {"observed": [[0, 1, 2]] * 300, "verified": [[]] * 300, "split": ["train"] * 300}
    columns |= {"trusted": [False] * 300}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "wide", size=300, columns=columns))
    rows, labels = np.repeat(np.arange(60), 3), np.tile(np.arange(3), 60)
    first, drawn = np.zeros(180, np.int64), np.ones(180, bool)
    together, _ = rates(corpus, Answers(rows, labels, rows % 3 == 0, first, drawn), 100)
    apart, _ = rates(corpus, Answers(rows, labels, (rows + labels) % 3 == 0, first, drawn), 100)
    assert together.share.value == apart.share.value == pytest.approx(1 / 3)
    assert together.margin == pytest.approx(apart.margin * np.sqrt(3), rel=0.1)


def test_the_risk_is_that_of_the_pseudo_labels(corpus, tmp_path):
    train = corpus.rows("train")
    pseudo = np.random.default_rng(1).random((len(train), 3)).astype(np.float32)
    known = corpus.samples.trusted[train]
    truth = corpus.samples.verified[train].toarray().astype(bool)
    pseudo[known] = truth[known]
    run = write_run(tmp_path / "run", corpus, hedge=(pseudo, 0.5))
    rows = untrusted(corpus)[:12]
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add(says(corpus, rows))
    found = enough(corpus, run=run, more=20).forecast
    observed = corpus.samples.observed[train].toarray().astype(bool)
    since = np.isin(train, rows) & observed.any(axis=1)  # of the others nothing was asked
    variance = pseudo * (1 - pseudo)
    assert found.method == "hedge"
    asked = observed & since[:, None]
    askable = (observed | (pseudo >= 0.2)) & ~known[:, None] & ~asked
    assert found.remaining == pytest.approx(variance[askable].sum() / len(train), rel=1e-5)
    assert found.measured.value == pytest.approx(((pseudo - truth) ** 2)[asked].mean(), rel=1e-5)
    assert found.measured.low < found.measured.value < found.measured.high
    assert found.expected == pytest.approx(variance[asked].mean(), rel=1e-5)
    assert found.observed == pytest.approx((~truth)[asked].mean())
    assert found.samples == since.sum()
    assert 0 < found.falls["random"] < found.remaining
    assert found.falls["useful"] > found.falls["random"]
    assert found.falls["suspicious"] > 0
    everything = enough(corpus, run=run, more=10_000).forecast
    assert everything.falls["useful"] == pytest.approx(found.remaining, rel=1e-5)
    half = enough(corpus, run=run, more=found.to_halve).forecast
    assert (
        half.falls["useful"]
        >= found.remaining / 2
        > enough(corpus, run=run, more=found.to_halve - 1).forecast.falls["useful"]
    )


def test_the_fall_that_is_forecast_is_that_of_the_next_answers(corpus, tmp_path):
    pseudo = np.random.default_rng(2).random((len(corpus.rows("train")), 3)).astype(np.float32)
    run = write_run(tmp_path / "run", corpus, hedge=(pseudo, 0.5))
    before = enough(corpus, run=run, more=8).forecast
    tasks = make_tasks(corpus, "useful", OrderSettings(run=run, limit=8))
    votes = [
        Vote(str(number), corpus.samples.ids[row], corpus.labels[label].id, "ana", "yes")
        for number, (row, label) in enumerate(tasks)
    ]
    asked = sum(task.label in corpus.samples.observed[[task.row]].indices for task in tasks)
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add(votes)
    after = enough(corpus, run=run).forecast
    fell = before.remaining - after.remaining
    assert 0 < fell <= before.falls["useful"] + 1e-6
    if asked == len(tasks):
        assert fell == pytest.approx(before.falls["useful"], rel=1e-4)


@pytest.mark.parametrize("pseudo", [None, "certain"])
def test_a_run_that_doubts_nothing_does_not_hide_the_rates(corpus, tmp_path, pseudo):
    certain = corpus.training_view().labels.toarray().astype(np.float32)
    run = write_run(tmp_path / "run", corpus, hedge=(certain, 0.5))
    if pseudo is None:
        write_labels(run / "labels.parquet", corpus, {})
    found = enough(corpus, run=run)
    assert found.total.checked > 0
    if pseudo is None:
        assert found.forecast is None
        assert "no method of" in found.remarks[0]
    else:
        assert found.forecast.remaining == 0


def test_as_a_command(corpus, tmp_path):
    pseudo = np.full((len(corpus.rows("train")), 3), 0.5, np.float32)
    run = write_run(tmp_path / "run", corpus, hedge=(pseudo, 0.5))
    done = CliRunner().invoke(app, ["verify", "enough", str(corpus.folder), "--run", str(run), "--more", "30"])
    assert done.exit_code == 0, done.output
    assert "± after 30 more" in done.output
    assert "risk of the pseudo labels of hedge" in done.output
    assert "30 more questions, order useful" in done.output
    assert "to halve it takes" in done.output


def test_a_clean_set_without_a_wrong_label_is_no_sign_of_clean_data(make_corpus, tmp_path):
    columns = {
        "split": ["train"] * 30 + ["dev", "test"] * 3,
        "observed": [[row % 3] for row in range(36)],
        "verified": [[row % 3] if row < 22 or row >= 30 else None for row in range(36)],
        "trusted": [row < 22 for row in range(36)],
    }
    copied = lh.Corpus.open(make_corpus(tmp_path / "copied", size=36, columns=columns))
    assert (
        "none of the 22 observed labels of the clean set is wrong. Where its images came from"
        in enough(copied).remarks[0]
    )
    columns["verified"] = [[2 - row % 3] if row == 3 else found for row, found in enumerate(columns["verified"])]
    noisy = lh.Corpus.open(make_corpus(tmp_path / "noisy", size=36, columns=columns))
    assert not any("is wrong. Where" in remark for remark in enough(noisy).remarks)


def test_where_nothing_is_checked_it_says_so(make_corpus, tmp_path):
    bare = lh.Corpus.open(make_corpus(tmp_path / "bare", columns={"trusted": [False] * 20}))
    with pytest.raises(ValueError, match=r"no observed label is checked .* `labelhedge review .*bare`"):
        enough(bare)
    with pytest.raises(ValueError, match="at least 1, found 0"):
        enough(bare, more=0)
