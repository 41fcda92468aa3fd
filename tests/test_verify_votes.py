"""From votes to verified labels: what is decided of a sample."""

from collections import Counter

import pytest
from typer.testing import CliRunner

import labelhedge as lh
import votes_help
from corpus_help import columns_of
from labelhedge.cli import app
from labelhedge.verify.apply import settle
from labelhedge.verify.ballots import resolve
from labelhedge.verify.formats import read_golden
from labelhedge.verify.said import VoteFileError
from votes_help import CAT, DOG, OWL

corpus = votes_help.corpus
one_label = votes_help.one_label
say = votes_help.say
know = votes_help.know


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
