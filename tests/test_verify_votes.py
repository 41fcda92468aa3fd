"""From votes to verified labels: combining, deciding, and what the corpus looks like afterwards."""

import hashlib
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import at, columns_of, picture, table_of
from labelhedge.cli import app
from labelhedge.errors import LabelhedgeError
from labelhedge.verify.aggregate import agreement, combine, reviewers
from labelhedge.verify.apply import settle
from labelhedge.verify.ballots import resolve
from labelhedge.verify.formats import read_golden, read_votes
from labelhedge.verify.said import Reading, VoteFileError
from labelhedge.verify.votes import Vote, VoteStore
from outside_data import outside

CAT, DOG, OWL = 0, 1, 2


@pytest.fixture
def corpus(make_corpus, tmp_path):
    """A multi-label corpus of 12 samples that nobody checked: s00 observed as cat, s01 as dog, s02 as cat and owl."""
    observed = [[CAT], [DOG], [CAT, OWL], *([[DOG]] * 6), *([[]] * 3)]
    return lh.Corpus.open(
        make_corpus(
            tmp_path / "plain",
            size=12,
            columns={"observed": observed, "verified": [None] * 12, "trusted": [False] * 12},
        )
    )


@pytest.fixture
def one_label(make_corpus, tmp_path):
    """The same with labels that exclude each other."""
    columns = {
        "observed": [[row % 3] for row in range(12)],
        "verified": [[OWL] if row == 9 else None for row in range(12)],
        "trusted": [False] * 12,
    }
    return lh.Corpus.open(make_corpus(tmp_path / "one", size=12, columns=columns, info={"exclusive": True}))


@pytest.fixture
def say(tmp_path):
    """Write votes as CSV: `say("s00 ana cat", "s00 ben -")` are choices, four words are answers."""

    def say(*lines, name="votes.csv"):
        words = [["" if word == "-" else word for word in line.split()] for line in lines]
        header = ["task", "worker", "label", "answer"][: len(words[0])]
        path = tmp_path / name
        path.write_text("".join(",".join(row) + "\n" for row in [header, *words]))
        return path

    return say


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- combining


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40),
    st.dictionaries(st.integers(0, 7), st.integers(0, 2), max_size=2),
)
def test_majority_is_what_counting_says(votes, golden):
    votes = list({(unit, worker): (unit, worker, label) for unit, worker, label in votes}.values())
    combined = combine(*np.array(votes).T, method="majority", golden=golden)
    assert combined.units.tolist() == sorted({unit for unit, *_ in votes} | set(golden))
    for place, unit in enumerate(combined.units.tolist()):
        counts = Counter(label for task, _, label in votes if task == unit)
        assert combined.votes[place] == counts.total()
        if unit in golden:
            assert (combined.winners[place], combined.confidence[place], combined.tied[place]) == (golden[unit], 1, 0)
            continue
        best = max(counts.values())
        assert combined.winners[place] == min(label for label, count in counts.items() if count == best)
        assert combined.tied[place] == (list(counts.values()).count(best) > 1)
        assert combined.confidence[place] == pytest.approx(best / counts.total())


def simulated(seed=0, units=400, right=(0.95, 0.9, 0.9, 0.55, 0.55, 0.55, 0.55)):
    """Truth, and the votes of workers who are right so often."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, units)
    votes = np.array([np.where(rng.random(units) < share, truth, 1 - truth) for share in right]).T  # (U, W)
    unit, worker = np.indices(votes.shape).reshape(2, -1)
    return truth, unit, worker, votes.reshape(-1)


@pytest.mark.parametrize("method", ["dawid-skene", "one-coin"])
def test_models_of_the_workers_beat_the_majority_where_some_are_poor(method):
    truth, *votes = simulated()
    right = {name: (combine(*votes, method=name).winners == truth).mean() for name in ("majority", method)}
    assert right[method] > right["majority"] + 0.05


def test_golden_answers_teach_dawid_skene_who_is_right():
    """Two workers who are wrong together win any vote; known answers show it, also on units that have none."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    votes = np.stack([truth, 1 - truth, 1 - truth], axis=1)
    unit, worker = np.indices(votes.shape).reshape(2, -1)
    alone = combine(unit, worker, votes.reshape(-1), method="dawid-skene")
    assert (alone.winners == truth).mean() < 0.1
    taught = combine(
        unit, worker, votes.reshape(-1), method="dawid-skene", golden=dict(enumerate(truth[:120].tolist()))
    )
    assert (taught.winners[120:] == truth[120:]).all()


def test_glad_and_auto():
    truth, *votes = simulated(units=12, right=(1, 1, 0.8))
    assert (combine(*votes, method="glad").winners == truth).all()
    assert combine(*votes).method == "majority"  # too few to tell the workers from each other
    assert combine(*simulated()[1:]).method == "dawid-skene"


@pytest.mark.parametrize("method", ["majority", "dawid-skene", "one-coin", "glad"])
def test_where_all_say_the_same_every_method_agrees(method):
    combined = combine(np.array([3, 3, 5]), np.array([0, 1, 0]), np.array([1, 1, 1]), method=method)
    assert (combined.units.tolist(), combined.winners.tolist()) == ([3, 5], [1, 1])
    assert combined.confidence.tolist() == [1, 1]


def test_an_unknown_method_and_no_votes_at_all():
    with pytest.raises(LabelhedgeError, match="name one of auto, dawid-skene, majority"):
        combine(np.array([1]), np.array([1]), np.array([1]), method="mace")
    nothing = np.zeros(0, np.int64)
    assert len(combine(nothing, nothing, nothing).units) == 0
    assert combine(nothing, nothing, nothing, golden={4: 1}).winners.tolist() == [1]
    assert agreement(nothing, nothing, nothing).share is None


def test_agreement_and_reviewers_against_a_slow_twin():
    truth, unit, worker, label = simulated(units=30, right=(0.9, 0.7, 0.6))
    keep = np.random.default_rng(2).random(len(unit)) < 0.8
    unit, worker, label = unit[keep], worker[keep], label[keep]
    votes = list(zip(unit.tolist(), worker.tolist(), label.tolist(), strict=True))
    pairs = [(a, b) for a in votes for b in votes if a[0] == b[0] and a[1] < b[1]]
    found = agreement(unit, worker, label)
    assert found.pairs == len(pairs)
    assert found.share == pytest.approx(np.mean([a[2] == b[2] for a, b in pairs]))
    assert found.units == len({a[0] for a, _ in pairs})
    golden = {number: int(truth[number]) for number in range(15)}
    people = reviewers(unit, worker, label, ["x", "y", "z"], golden=golden, unsure={1: 3}, skipped={2: 1})
    for number, person in enumerate(people):
        mine = [(a, b) for a in votes for b in votes if a[0] == b[0] and a[1] == number != b[1]]
        assert person.agreement == pytest.approx(np.mean([a[2] == b[2] for a, b in mine]))
        known = [task for task, who, _ in votes if who == number and task in golden]
        right = [golden[task] == said for task, who, said in votes if who == number and task in golden]
        assert (person.golden, person.accuracy) == (len(known), pytest.approx(np.mean(right)))
        exact = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
        assert person.interval == pytest.approx((exact.low, exact.high))
    assert [(person.unsure, person.skipped) for person in people] == [(0, 0), (3, 0), (0, 1)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40))
def test_alpha_is_that_of_crowd_kit(votes):
    import pandas as pd
    from crowdkit.metrics.data import alpha_krippendorff

    votes = list({(unit, worker): (unit, worker, label) for unit, worker, label in votes}.values())
    counts = Counter(unit for unit, *_ in votes)
    compared = [vote for vote in votes if counts[vote[0]] > 1]
    found = agreement(*np.array(votes).T).alpha
    if len({label for *_, label in compared}) < 2:
        assert found is None  # nothing to tell agreement from chance
    else:
        expected = alpha_krippendorff(pd.DataFrame(compared, columns=["task", "worker", "label"]))
        assert found == pytest.approx(expected)


def test_what_is_said_of_one_sample_counts_as_one_where_it_stands_or_falls_together():
    """40 samples with five labels each, and somebody who errs in all of one or in none.

    The intervals hold the true share as often as Wilson's of 40 votes do; those of 200 votes would in six of ten.
    """
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        right = np.repeat(rng.random(40) < 0.8, 5).astype(np.int64)  # (V,): the true share is 0.8
        unit = np.arange(200)
        golden = dict.fromkeys(range(200), 1)
        (one,) = reviewers(unit, 0 * unit, right, ["a"], golden=golden, unsure={}, skipped={}, samples=unit // 5)
        assert (one.golden, one.samples, one.accuracy) == (200, 40, right.mean())
        held += one.interval[0] <= 0.8 <= one.interval[1]
    assert held >= 175
    few = slice(0, 45)  # nine samples are too few, whatever their labels
    (one,) = reviewers(
        unit[few], 0 * unit[few], right[few], ["a"], golden=golden, unsure={}, skipped={}, samples=unit[few] // 5
    )
    assert (one.accuracy, one.interval, one.golden) == (None, None, 45)


def test_golden_samples_are_counted_in_a_corpus_of_several_labels(corpus, say, know):
    """Two samples, three labels each, all known: six votes, which tell of two samples only."""
    lines = [
        f"s{row:02d} {who} {label}" for row in range(2) for who in ("ana", "ben") for label in ("cat", "dog", "owl")
    ]
    golden = know("task,label", *(f"s{row:02d},{label}" for row in range(2) for label in ("cat", "dog", "owl")))
    (ana, _) = settle(corpus, [say(*lines)], golden=golden).decisions.reviewers
    assert (ana.golden, ana.samples, ana.accuracy, ana.agreement) == (6, 2, None, None)


def test_many_people_cost_no_pass_over_all_votes_each():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(100_000), 3)
    worker, label = rng.integers(0, 10_000, 300_000), rng.integers(0, 10, 300_000)
    start = time.perf_counter()
    people = reviewers(unit, worker, label, [str(n) for n in range(10_000)], golden={}, unsure={}, skipped={})
    agreement(unit, worker, label)
    assert time.perf_counter() - start < 10  # a pass for each of them takes half a minute
    assert sum(person.votes for person in people) == 300_000


def test_nothing_is_claimed_of_few_votes():
    unit = np.repeat(np.arange(9), 2)
    worker, label = np.tile([0, 1], 9), np.zeros(18, np.int64)
    for person in reviewers(unit, worker, label, ["a", "b"], golden={0: 0}, unsure={}, skipped={}):
        assert (person.votes, person.accuracy, person.interval, person.agreement) == (9, None, None, None)


# --- deciding, in a corpus


def test_choices_of_several_labels(corpus, say):
    """A choice among all labels is a no to what others chose, and to what the sample was thought to have."""
    file = say(
        "s00 ana cat", "s00 ana dog", "s00 ben dog",  # dog: both; cat: one of two
        "s01 ana cat", "s01 ben cat",  # observed as dog, and nobody says so
        "s02 ana -", "s02 ben -",  # observed as cat and owl
        "s09 ana -",  # background, and said to be
    )  # fmt: skip
    done = settle(corpus, [file])
    after = columns_of(corpus.folder)
    assert after["verified"][:3] == [None, [CAT], []]
    assert after["verified"][9] == []
    assert after["trusted"] == [row in (1, 2) for row in range(12)]  # s09 is of test
    assert after["confidence"][:3] == [None, 1, 1]
    assert Counter(settled.state for settled in done.decisions.samples.values()) == {"decided": 3, "disputed": 1}
    assert done.changes == {
        "newly verified (train)": 2, "newly verified (test)": 1, "newly trusted (train)": 2
    }  # fmt: skip
    lh.Corpus.open(corpus.folder)  # it is a corpus still


def test_answers_label_by_label(corpus, say):
    file = say(
        "s00 ana cat no", "s00 ana dog yes",  # observed cat and the other that was asked: all is known
        "s01 ana cat yes",  # observed as dog, of which nobody was asked
        "s02 ana cat yes", "s02 ana owl unsure", "s02 ben owl skip",
        "s03 ana dog yes", "s03 ben dog no",
        "s09 ana owl no",
    )  # fmt: skip
    done = settle(corpus, [file])
    states = {corpus.samples.ids[row]: settled.state for row, settled in done.decisions.samples.items()}
    assert states == {"s00": "decided", "s01": "open", "s02": "few", "s03": "disputed", "s09": "decided"}
    after = columns_of(corpus.folder)
    assert after["verified"] == [[DOG], *[None] * 8, [], None, None]
    people = {person.name: person for person in done.decisions.reviewers}
    assert (people["ana"].unsure, people["ben"].skipped) == (1, 1)


def test_votes_needed_and_confidence_needed(corpus, say):
    file = say("s00 ana cat", "s00 ben cat", "s00 cy -", "s01 ana dog")
    assert {row: s.state for row, s in settle(corpus, [file], min_votes=2).decisions.samples.items()} == {
        0: "disputed",  # 2 of 3 are less than 0.8
        1: "few",
    }
    done = settle(corpus, [file], min_votes=2, min_confidence=0.6)
    assert columns_of(corpus.folder)["verified"][:2] == [[CAT], None]
    assert columns_of(corpus.folder)["confidence"][0] == pytest.approx(2 / 3)
    assert done.decisions.single == 0


def test_labels_that_exclude_each_other(one_label, say):
    file = say(
        "s00 ana cat", "s00 ben cat",
        "s01 ana cat", "s01 ben dog",
        "s02 ana -", "s02 ben -",
        "s09 ana -",  # was verified as owl
    )  # fmt: skip
    done = settle(one_label, [file])
    assert {row: s.state for row, s in done.decisions.samples.items()} == {
        0: "decided", 1: "disputed", 2: "none", 9: "none",
    }  # fmt: skip
    assert not done.decisions.per_label
    after = columns_of(one_label.folder)
    assert (after["verified"][:3], after["verified"][9]) == ([[CAT], None, None], None)
    assert done.changes["no longer verified (test)"] == 1


def test_exclusive_labels_asked_one_by_one(one_label, say):
    file = say(
        "s00 ana cat yes", "s00 ana dog unsure",  # yes to one says no to all others
        "s01 ana dog no",
        "s02 ana cat yes", "s02 ana owl yes",
        "s09 ana cat no",  # it stays the owl it was
    )  # fmt: skip
    done = settle(one_label, [file])
    assert {row: s.state for row, s in done.decisions.samples.items()} == {
        0: "decided", 1: "none", 2: "disputed", 9: "open",
    }  # fmt: skip
    after = columns_of(one_label.folder)
    assert (after["verified"][:3], after["verified"][9]) == ([[CAT], None, None], [OWL])


def test_where_only_the_wrong_label_is_known_of_a_sample_it_is_said_how_to_go_on(one_label, corpus, say, tmp_path):
    lines = (
        "s00 ana cat no",  # and nothing else: which is right is not known
        "s01 ana dog no", "s01 ana owl yes",
        "s02 ana owl no", "s02 ana cat yes", "s02 ben cat no",  # in dispute
        "s03 ana cat unsure",
        "s09 ana cat no",  # it stays the owl it was
    )  # fmt: skip
    file = say(*lines)
    done = settle(one_label, [file], out=tmp_path / "out", method="majority")
    assert done.right_unknown == 2
    command = ["verify", "votes", str(one_label.folder), str(file), "--method", "majority"]
    printed = " ".join(CliRunner().invoke(app, command).output.split())
    assert "of 2 samples the label is known to be wrong and the right one is not known" in printed
    assert "--order useful --run RUN" in printed
    answered = settle(lh.Corpus.open(one_label.folder), [say(*lines, "s00 ana owl yes", "s02 ben owl no")])
    assert answered.right_unknown == 1
    chosen = settle(lh.Corpus.open(tmp_path / "out"), [say("s00 ana -", "s02 ana dog")])
    assert chosen.right_unknown == 0  # who chose among all labels found none of them right
    assert settle(corpus, [say("s00 ana cat no")]).right_unknown == 0  # of several labels none may be left


def test_two_choices_of_one_person_for_exclusive_labels_are_refused(one_label, say):
    with pytest.raises(VoteFileError, match=r"line 2: ana chose 'cat', 'dog' for 's00', but .* exclusive"):
        settle(one_label, [say("s00 ana cat", "s00 ana dog")])


def test_of_a_checked_sample_only_what_was_voted_on_changes(make_corpus, tmp_path, say):
    verified = [[CAT, DOG], [CAT], [DOG], [OWL], *[None] * 8]
    columns = {"observed": [[]] * 12, "verified": verified, "trusted": [row in (0, 2, 3) for row in range(12)]}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "c", size=12, columns=columns))
    file = say(
        "s00 ana dog no", "s00 ana owl yes", "s01 ana dog yes", "s02 ana dog yes", "s02 ben dog no", "s03 ana cat skip"
    )
    done = settle(corpus, [file])
    after = columns_of(corpus.folder)
    assert after["verified"][:4] == [
        [CAT, OWL],  # cat stays, dog goes, owl comes
        [DOG],  # a training sample that was not trusted: what its labels were is hidden, and not taken over
        None,  # disputed now
        [OWL],  # a skip says nothing
    ]
    assert after["trusted"][:4] == [True, True, False, True]
    assert done.changes == {
        "no longer trusted (train)": 1,
        "no longer verified (train)": 1,
        "newly trusted (train)": 1,
        "newly verified (train)": 1,
        "verified with other labels than before (train)": 1,
    }
    again = settle(lh.Corpus.open(corpus.folder), [file])
    assert columns_of(corpus.folder) == after  # the same votes say the same
    assert again.changes == {"verified as before (train)": 2}


def test_known_answers_win_and_are_not_a_vote(corpus, say):
    golden = say("s00 dog", "s05 -", name="golden.csv")
    golden.write_text(golden.read_text().replace("task,worker", "task,label"))
    done = settle(corpus, [say("s00 ana cat", "s00 ben cat", "s01 ana dog")], golden=golden)
    after = columns_of(corpus.folder)
    assert [after["verified"][row] for row in (0, 1, 5)] == [[DOG], [DOG], []]
    assert after["confidence"][0] == 1
    assert {person.name for person in done.decisions.reviewers} == {"ana", "ben"}


@pytest.fixture
def know(tmp_path):
    """Write known answers as CSV: `know("task,label", "s00,cat")`."""

    def know(*lines, name="golden.csv"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return know


def test_of_exclusive_labels_a_known_no_counts(one_label, say, know):
    """Everybody says cat, and it is known that it is no cat; of another sample it is known that it is one."""
    file = say("s00 ana cat", "s00 ben cat", "s01 ana dog", "s01 ben dog", "s02 ana owl", "s02 ben owl")
    golden = know("task,label,answer", "s00,cat,no", "s01,cat,yes", "s02,dog,no")
    done = settle(one_label, [file], golden=golden)
    assert {row: (s.state, s.labels) for row, s in done.decisions.samples.items()} == {
        0: ("none", ()), 1: ("decided", (CAT,)), 2: ("decided", (OWL,)),
    }  # fmt: skip
    assert done.decisions.per_label


def test_two_known_yeses_of_exclusive_labels_are_refused(one_label, corpus, say, know):
    file, golden = say("s00 ana cat"), know("task,label,answer", "s00,cat,yes", "s00,dog,yes")
    with pytest.raises(VoteFileError, match=r"golden.csv, line 3: the known answer of 's00' contradicts line 2"):
        settle(one_label, [file], golden=golden)
    settle(corpus, [file], golden=golden)
    assert columns_of(corpus.folder)["verified"][0] == [CAT, DOG]  # where they are not exclusive it has both


def test_what_several_people_know_must_agree(corpus, say, know):
    file = say("s00 ana cat")
    with pytest.raises(VoteFileError, match=r"golden.csv, line 3: the known answer of 's00' contradicts line 2"):
        settle(corpus, [file], golden=know("task,worker,label", "s00,eve,cat", "s00,fay,dog"))
    golden = know("task,worker,label", "s00,eve,cat", "s00,fay,dog", "s00,eve,dog", "s00,fay,cat")
    settle(corpus, [file], golden=golden)
    assert columns_of(corpus.folder)["verified"][0] == [CAT, DOG]


@pytest.mark.parametrize("answer", ["s00 ana cat no", "s00 ana dog yes"])
def test_a_choice_and_an_answer_may_not_contradict_each_other(corpus, say, answer):
    choice, asked = say("s00 ana cat", "s00 ben dog", name="a.csv"), say("s03 ana cat no", answer, name="b.csv")
    for files in ([choice, asked], [asked, choice]):
        with pytest.raises(VoteFileError, match=r"b.csv, line 3: what 'ana' says of 's00' contradicts .*a.csv, line 2"):
            settle(corpus, files)
    same = say("s00 ana cat yes", "s00 ana dog no", "s00 ana owl unsure", "s00 ben cat no", name="c.csv")
    settle(corpus, [choice, same], out=corpus.folder.parent / "new")


@pytest.mark.parametrize("lines", [["s00,cat,no"], ["s00,dog,yes"]])
def test_known_answers_may_not_contradict_known_choices(corpus, know, lines):
    votes = read_golden(know("task,label", "s00,cat")), read_golden(know("task,label,answer", *lines, name="b.csv"))
    with pytest.raises(VoteFileError, match=r"b.csv, line 2: the known answer of 's00' contradicts .*golden.csv, line"):
        resolve(votes, corpus.samples.ids, corpus.labels)


def test_people_are_measured_on_known_answers(one_label, say, tmp_path):
    lines = [f"s{row:02d} {who} {'cat' if who == 'ana' else 'dog'}" for row in range(12) for who in ("ana", "ben")]
    (tmp_path / "golden.csv").write_text("task,label\n" + "".join(f"s{row:02d},cat\n" for row in range(12)))
    done = settle(one_label, [say(*lines)], golden=tmp_path / "golden.csv", out=tmp_path / "out")
    assert [(person.accuracy, person.golden) for person in done.decisions.reviewers] == [(1, 12), (0, 12)]


# --- what is written


def test_the_store_is_the_default_and_stays(corpus):
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add([Vote("1", "s00", "cat", "ana", "yes")])
    graph = corpus.graph_path.read_bytes()
    settle(corpus)
    assert columns_of(corpus.folder)["verified"][0] == [CAT]
    assert lh.Corpus.open(corpus.folder).graph_path.read_bytes() == graph
    with VoteStore(corpus.folder / "votes.sqlite", create=False) as store:
        assert len(store.votes()) == 1


def test_parts_images_and_other_columns_stay(make_corpus, tmp_path, say):
    columns = {"image": [at(f"images/{row}.png") for row in range(20)], "confidence": pa.array([0.25] * 20)}
    files = {f"images/{row}.png": picture(row) for row in range(20)}
    folder = make_corpus(tmp_path / "c", parts=3, columns=columns, files=files)
    before = table_of(folder)
    file = say("s00 ana owl", "s19 ana cat")
    settle(lh.Corpus.open(folder), [file], out=tmp_path / "new")
    settle(lh.Corpus.open(folder), [file])
    assert len(list((folder / "samples").iterdir())) == 3
    after = table_of(folder)
    same = ["id", "split", "image", "observed", "title"]
    assert after.select(same).equals(before.select(same))
    assert after.schema.names == before.schema.names
    assert after["confidence"].to_pylist() == [1, *[0.25] * 18, 1]
    assert after.schema.field("confidence").type == pa.float32()
    new = lh.Corpus.open(tmp_path / "new")
    assert list(new.images.read()) == list(lh.Corpus.open(folder).images.read())  # embedded
    assert new.hash == lh.Corpus.open(folder).hash


def test_hidden_truth_is_left_alone_where_votes_dispute_a_sample(make_corpus, tmp_path, say):
    """Verified labels of an untrusted training sample are there for analysis and `upper-bound`."""
    columns = {"verified": [[CAT]] * 20, "trusted": [False] * 20}  # s06 is of dev
    corpus = lh.Corpus.open(make_corpus(tmp_path / "c", columns=columns))
    lines = [f"s{row:02d} {who} {label} yes" for row in (0, 6) for who, label in (("ana", "cat"), ("ana", "dog"))]
    lines += [line.replace("ana", "ben").replace("yes", "no") for line in lines]
    done = settle(corpus, [say(*lines, "s01 ana cat yes", "s01 ana dog yes", "s01 ana owl yes")])
    after = columns_of(corpus.folder)
    assert (after["verified"][0], after["verified"][6]) == ([CAT], None)
    assert (after["verified"][1], after["trusted"][1]) == ([CAT, DOG, OWL], True)
    assert done.changes == {
        "no longer verified (dev)": 1, "newly verified (train)": 1, "newly trusted (train)": 1
    }  # fmt: skip


def test_licences_and_definitions_go_with_a_new_corpus_and_votes_stay(make_corpus, tmp_path, say):
    kept = {"LICENSE.txt": "CC0", "definitions.csv": "id,text\n", "README.md": "# x", "CREDITS.csv": "who\n"}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "c", files={**kept, "notes.txt": "mine"}))
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add([Vote("1", "s00", "cat", "ana", "yes")])
    settle(corpus, out=tmp_path / "new")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {*kept, "corpus.json", "samples", "graph.nt"}
    assert {name: (tmp_path / "new" / name).read_text() for name in kept} == kept


@pytest.mark.parametrize("out", [None, "new"])
def test_a_part_without_rows(make_corpus, tmp_path, say, out):
    folder = make_corpus(tmp_path / "c", parts=2, edit=lambda table, part: table if part else table.slice(0, 0))
    before = columns_of(folder)
    settle(lh.Corpus.open(folder), [say("s10 ana owl", "s13 ana cat")], out=out and tmp_path / out)
    after = columns_of(tmp_path / out if out else folder)
    assert after["id"] == before["id"]
    assert (after["verified"][0], after["trusted"][0]) == ([OWL], True)


HUGGING_FACE = {b"huggingface": b'{"info": {"features": {"title": {"dtype": "string", "_type": "Value"}}}}'}


@pytest.mark.parametrize("out", [None, "new"])
def test_what_other_libraries_keep_in_the_schema_stays(make_corpus, tmp_path, say, out):
    folder = make_corpus(tmp_path / "c", parts=2, edit=lambda table, part: table.replace_schema_metadata(HUGGING_FACE))
    settle(lh.Corpus.open(folder), [say("s00 ana owl")], out=out and tmp_path / out)
    written = tmp_path / out if out else folder
    for part in sorted((written / "samples").iterdir()):
        assert pq.read_schema(part).metadata == HUGGING_FACE


def test_a_write_that_fails_leaves_the_corpus(corpus, say, monkeypatch):
    before = digests(corpus.folder)

    def fail(*arguments, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr("labelhedge.corpus.writing.pq.write_table", fail)
    with pytest.raises(OSError, match="no space"):
        settle(corpus, [say("s00 ana cat")])
    assert digests(corpus.folder) == before
    assert [path.name for path in corpus.folder.parent.iterdir() if path.is_dir()] == ["plain"]


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["s00 ana cat", "x1 ana cat", "x2 ana cat"], {}, r"line 3: .* no sample 'x1' \(also unknown: 'x2'; 2"),
        (["s00 ana cat", "s01 ana cow"], {}, r"line 3: the corpus has no label 'cow'\. .* one of cat"),
        (["s00 ana cat yes", "s01 ana cat no", "s00 ana cat no"], {}, "line 4: what 'ana' says .* contradicts line 2"),
        (["s00 ana cat"], {"out": "plain"}, "plain exists already"),
        (["s00 ana cat"], {"method": "mace"}, "there is no method 'mace'"),
        (["s00 ana cat"], {"min_confidence": 1.5}, "between 0 and 1"),
        (["s00 ana cat"], {"min_votes": 0}, "at least 1 vote"),
        (["s00 ana cat"], {"golden": "nowhere.csv"}, "nowhere.csv: there is no such file"),
        (["s00 ana cat"], {"reading": Reading(task_column="photo")}, "the column 'photo' is missing"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(corpus, say, tmp_path, monkeypatch, lines, options, message):
    monkeypatch.chdir(tmp_path)
    before = digests(corpus.folder)
    with pytest.raises(LabelhedgeError, match=message):
        settle(corpus, [say(*lines)], **options)
    assert digests(corpus.folder) == before


def test_contradictions_are_found_across_files(corpus, say):
    first, second = say("s00 ana cat", name="a.csv"), say("s00 ana dog", name="b.csv")
    with pytest.raises(VoteFileError, match=r"b.csv, line 2: what 'ana' says .* contradicts .*a.csv, line 2"):
        settle(corpus, [first, second])
    done = settle(corpus, [first, first])
    assert done.notes == {"said twice, counted once": 1}


def test_unknown_names_can_be_left_out(corpus, say):
    file = say("s00 ana cat", "s01 ana cow", "x1 ana cat")
    done = settle(corpus, [file], ignore_unknown=True)
    assert done.notes == {"of unknown labels, left out": 1, "of unknown samples, left out": 1}
    assert columns_of(corpus.folder)["verified"][:2] == [[CAT], None]


def test_labels_go_by_id_or_name_and_never_by_both(make_corpus, tmp_path, say):
    names = [{"id": "a", "name": "cat"}, {"id": "b", "name": "dog"}, {"id": "dog", "name": "owl"}]
    corpus = lh.Corpus.open(make_corpus(tmp_path / "c", info={"labels": names}))
    done = settle(corpus, [say("s00 ana a", "s00 ben cat", "s01 ana owl")], out=tmp_path / "new")
    assert [done.decisions.samples[row].labels for row in (0, 1)] == [(0,), (2,)]
    with pytest.raises(VoteFileError, match="'dog' is the id of one label and the name of another"):
        settle(corpus, [say("s00 ana dog")])


def test_the_store_of_the_review_page_holds_ids_alone(make_corpus, tmp_path):
    names = [{"id": "a", "name": "cat"}, {"id": "b", "name": "dog"}, {"id": "dog", "name": "owl"}]
    corpus = lh.Corpus.open(make_corpus(tmp_path / "c", info={"labels": names}))
    with VoteStore(corpus.folder / "votes.sqlite") as store:
        store.add([Vote("1", "s00", "dog", "ana", "yes")])
        votes = read_votes(store.path)
        assert resolve([votes], corpus.samples.ids, corpus.labels).answers == {(0, 2, 0): 1}
        store.add([Vote("2", "s00", "cat", "ana", "yes")])  # a name, and no id
        with pytest.raises(VoteFileError, match="vote 2: the corpus has no label 'cat'"):
            settle(corpus)


def test_an_embedded_corpus_and_a_column_in_the_way(make_corpus, tmp_path, say):
    file = say("s00 ana cat")
    with pytest.raises(LabelhedgeError, match=r"embedded in the package and is not changed: .* --out"):
        settle(lh.Corpus.open("clipart"), [file])
    folder = make_corpus(tmp_path / "c", columns={"confidence": ["high"] * 20})
    with pytest.raises(lh.CorpusError, match="the column 'confidence' has type string"):
        settle(lh.Corpus.open(folder), [file])
    with pytest.raises(LabelhedgeError, match=r"votes.sqlite is not there: check some labels with `labelhedge review`"):
        settle(lh.Corpus.open(make_corpus(tmp_path / "d")))


# --- the command


def test_the_command_says_what_changed(corpus, say):
    file = say("s00 ana cat", "s00 ben cat", "s01 ana cat", "s01 ben dog", "s02 ana -")
    printed = CliRunner().invoke(app, ["verify", "votes", str(corpus.folder), str(file), "--method", "majority"])
    assert printed.exit_code == 0, printed.output
    output = " ".join(printed.output.split())
    for words in (
        "3 samples, by majority",
        "2 verified by the votes",
        "1 disputed: unverified",
        "2 newly trusted (train)",
        "Krippendorff's alpha",
        "were decided by a single vote",
    ):
        assert words in output


def test_votes_on_fifty_thousand_images_are_combined_as_measured():
    """CIFAR-10N's three votes an image: Dawid-Skene is nearer to the truth than the majority."""
    table = pq.read_table(outside("cifar10n.parquet"), columns=["split", "clean", "random1", "random2", "random3"])
    table = table.filter(pa.compute.equal(table["split"], "train"))
    truth = table["clean"].to_numpy()
    votes = np.stack([table[f"random{number}"].to_numpy() for number in (1, 2, 3)], axis=1).astype(np.int64)
    unit, worker = np.indices(votes.shape).reshape(2, -1)
    right = {
        m: (combine(unit, worker, votes.reshape(-1), method=m).winners == truth).mean() for m in ("majority", "auto")
    }
    assert right["majority"] == pytest.approx(0.910, abs=0.005)
    assert right["auto"] == pytest.approx(0.920, abs=0.003)
