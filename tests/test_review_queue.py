"""What the review page asks: orders, the queue against a slow twin of its rules, definitions, words and examples."""

import collections
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import labelhedge as lh
from labelhedge.errors import LabelhedgeError
from labelhedge.review import ORDERS, OrderSettings, Queue, Task, make_tasks
from labelhedge.review.definitions import read_definitions
from labelhedge.review.queue import LEASE
from labelhedge.review.shown import Words, examples
from labelhedge.verify import Vote
from review_help import make_review_corpus


@pytest.fixture(scope="module")
def corpus(make_corpus, tmp_path_factory):
    return make_review_corpus(make_corpus, tmp_path_factory.mktemp("review") / "corpus")


def test_the_random_order_asks_every_observed_label_of_untrusted_training_samples_once(corpus):
    tasks = make_tasks(corpus, "random", OrderSettings())
    samples = corpus.samples
    wanted = {
        (row, int(label))
        for row in range(60)
        if samples.split[row] == "train" and not samples.trusted[row]
        for label in samples.observed[[row]].indices
    }
    assert len(tasks) == len(wanted)
    assert set(tasks) == wanted


def test_the_order_follows_from_the_seed_and_stays_when_samples_go(corpus, make_corpus, tmp_path):
    tasks = make_tasks(corpus, "random", OrderSettings(seed=1))
    assert tasks == make_tasks(corpus, "random", OrderSettings(seed=1))
    assert tasks != make_tasks(corpus, "random", OrderSettings(seed=2))
    assert sorted(tasks) == sorted(make_tasks(corpus, "random", OrderSettings(seed=2)))
    smaller = lh.Corpus.open(make_corpus(tmp_path / "c", size=40))
    kept = [task.row for task in tasks if task.row < 40]
    again = [task.row for task in make_tasks(smaller, "random", OrderSettings(seed=1))]
    assert list(dict.fromkeys(kept)) == list(dict.fromkeys(again))


def test_any_first_part_of_the_order_is_a_fair_sample(corpus):
    firsts = collections.Counter(make_tasks(corpus, "random", OrderSettings(seed=seed))[0].row for seed in range(600))
    rows = {task.row for task in make_tasks(corpus, "random", OrderSettings())}
    counts = np.array([firsts[row] for row in rows])
    expected = 600 / len(rows)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < len(rows) + 4 * np.sqrt(2 * len(rows))


def test_labels_splits_and_limit(corpus):
    tasks = make_tasks(corpus, "random", OrderSettings(labels=("dog",), limit=3))
    assert len(tasks) == 3
    assert {task.label for task in tasks} == {1}
    held_out = make_tasks(corpus, "random", OrderSettings(splits=("dev", "test")))
    assert held_out
    for task in held_out:  # what somebody has checked already is not asked again
        assert corpus.samples.split[task.row] != "train"
        assert not corpus.samples.checked[task.row]


def test_an_order_of_ones_own_and_from_a_file(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(ORDERS, "mine", lambda corpus, settings: [Task(7, 0), Task(7, 0), Task(5, 2)])
    assert make_tasks(corpus, "mine", OrderSettings()) == [(7, 0), (5, 2)]
    file = tmp_path / "order.csv"
    file.write_text("score,id,label\n.3,s09,owl\n.1,s00,cat\n.1,s09,owl\n")
    assert make_tasks(corpus, str(file), OrderSettings()) == [(9, 2), (0, 0)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,name\ns01,cat\n", ["order.csv", "'label' is missing"]),
        ("id,label\ns01,cat\nnone,cat\n", ["order.csv, line 3", "no sample 'none'"]),
        ("id,label\ns01,lion\n", ["order.csv, line 2", "no label 'lion'", "cat"]),
        ("id,label\ns01\n", ["order.csv, line 2", "too short"]),
        ("", ["order.csv", "missing"]),
        ("id,label\n", ["nothing to ask"]),
        (b"id,label\n\xff\xfe,cat\n", ["UTF-8"]),
    ],
)
def test_malformed_orders_are_refused(corpus, tmp_path, content, words):
    file = tmp_path / "order.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LabelhedgeError) as refused:
        make_tasks(corpus, str(file), OrderSettings())
    for word in words:
        assert word in str(refused.value)


def test_unknown_orders_labels_and_splits_are_refused(corpus):
    with pytest.raises(LabelhedgeError, match="no order and no file 'best'"):
        make_tasks(corpus, "best", OrderSettings())
    with pytest.raises(LabelhedgeError, match="no label 'lion'"):
        make_tasks(corpus, "random", OrderSettings(labels=("lion",)))
    with pytest.raises(LabelhedgeError, match="split is 'all'"):
        OrderSettings(splits=("all",))


# ---------------------------------------------------------------- the queue


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def vote(corpus, task, reviewer, answer="yes"):
    sample, label = corpus.samples.ids[task.row], corpus.labels[task.label].id
    return Vote(f"{task}{reviewer}", sample, label, reviewer, answer)


def test_two_reviewers_share_the_work_where_one_vote_is_enough(corpus):
    queue = Queue(corpus, make_tasks(corpus, "random", OrderSettings()), needed=1)
    ana, ben = queue.serve("ana", "a", count=5).tasks, queue.serve("ben", "b", count=5).tasks
    assert ana == queue.tasks[:5]
    assert ben == queue.tasks[5:10]
    assert queue.serve("ana", "a", count=5).tasks == ana  # a page that was loaded again


def test_where_two_votes_are_needed_both_are_asked_the_same_and_a_third_is_not(corpus):
    queue = Queue(corpus, [Task(1, 0), Task(2, 1)], needed=2)
    assert queue.serve("ana", "a", count=9).tasks == queue.serve("ben", "b", count=9).tasks == queue.tasks
    third = queue.serve("cat", "c", count=9)
    assert third.tasks == []
    assert third.waiting == 2


def test_a_lease_runs_out_and_is_renewed_by_its_holder(corpus):
    clock = Clock()
    queue = Queue(corpus, [Task(1, 0), Task(2, 1)], clock=clock)
    assert queue.serve("ana", "a", count=2).tasks == queue.tasks
    clock.now = LEASE - 1
    assert queue.serve("ana", "a", count=0, holding=[Task(2, 1)]).dropped == []
    clock.now = LEASE + 1
    assert queue.serve("ben", "b", count=2).tasks == [Task(1, 0)]
    back = queue.serve("ana", "a", count=2, holding=[Task(1, 0), Task(2, 1)])
    assert back.tasks == []
    assert back.dropped == [Task(1, 0)]


def test_after_a_restart_a_tab_keeps_what_it_holds(corpus):
    queue = Queue(corpus, [Task(1, 0), Task(2, 1), Task(4, 0)])
    served = queue.serve("ben", "b", count=1, holding=[Task(1, 0)])
    assert served.tasks == [Task(2, 1)]
    assert queue.serve("ana", "a", count=9).tasks == [Task(4, 0)]


def test_two_tabs_of_one_reviewer_get_different_tasks_and_a_closed_one_lets_go(corpus):
    queue = Queue(corpus, [Task(1, 0), Task(2, 1)])
    assert queue.serve("ana", "a", count=1).tasks == [Task(1, 0)]
    assert queue.serve("ana", "b", count=9).tasks == [Task(2, 1)]
    queue.release("ana", "a")
    assert queue.serve("ana", "b", count=9, holding=[Task(2, 1)]).tasks == [Task(1, 0)]


def test_a_grid_is_of_the_label_of_the_first_open_task(corpus):
    queue = Queue(corpus, make_tasks(corpus, "random", OrderSettings()))
    first = queue.serve("ana", "a", count=24, one_label=True).tasks
    assert {task.label for task in first} == {queue.tasks[0].label}
    assert first == [task for task in queue.tasks if task.label == first[0].label][:24]


def test_what_is_skipped_is_asked_of_others_and_again_only_on_demand(corpus):
    queue = Queue(corpus, [Task(1, 0)])
    queue.record([vote(corpus, Task(1, 0), "ana", "skip")])
    assert queue.serve("ana", "a", count=1).tasks == []
    assert queue.serve("ana", "a", count=1, again="1").tasks == [Task(1, 0)]
    queue.release("ana", "a")
    assert queue.serve("ben", "b", count=1).tasks == [Task(1, 0)]
    assert queue.progress("ana")._asdict() == {"done": 0, "total": 1, "mine": 0, "skipped": 1, "open_to_me": 0}


def test_a_round_through_what_was_skipped_ends_however_much_is_skipped_again(corpus):
    tasks = make_tasks(corpus, "random", OrderSettings())
    queue = Queue(corpus, tasks)
    queue.record([vote(corpus, task, "ana", "skip") for task in tasks])
    for number in ("1", "2"):  # a second round asks all of it once more
        asked = []
        while served := queue.serve("ana", "a", count=2, again=number).tasks:
            queue.record([vote(corpus, task, "ana", "skip") for task in served])
            asked += served
        assert asked == tasks
    assert queue.serve("ben", "b", count=99).tasks == tasks  # and nothing of it is held back from others


def test_what_a_tab_does_not_name_any_more_is_free_for_others(corpus):
    queue = Queue(corpus, [Task(1, 0), Task(2, 1), Task(4, 0)])
    assert queue.serve("ana", "a", count=3).tasks == queue.tasks
    going = queue.serve("ana", "a", count=0, holding=[Task(2, 1)], answered=[Task(4, 0)])
    assert going.dropped == []
    assert queue.serve("ben", "b", count=9).tasks == [Task(1, 0)]
    queue.record([vote(corpus, Task(4, 0), "ana", "skip")])
    assert queue.serve("ana", "a", count=0, answered=[Task(4, 0)]).dropped == []
    assert Task(4, 0) in queue.serve("ben", "b2", count=9).tasks  # a vote that has arrived holds nothing


def test_a_skipped_task_that_is_looked_at_again_stays_with_its_tab(corpus):
    queue = Queue(corpus, [Task(1, 0)])
    queue.record([vote(corpus, Task(1, 0), "ana", "skip")])
    assert queue.serve("ana", "a", count=1, again="1").tasks == [Task(1, 0)]
    assert queue.serve("ana", "a", count=0, holding=[Task(1, 0)]).dropped == []
    assert queue.serve("ben", "b", count=1).waiting == 1
    queue.record([vote(corpus, Task(1, 0), "ana", "yes")])
    queue.forget("s01", "cat", "ana", answer="skip", session="a")
    assert queue.serve("ben", "b", count=1).waiting == 1
    assert queue.serve("ana", "a", count=0, holding=[Task(1, 0)]).dropped == []


def test_counts_are_those_of_the_answers_that_hold(corpus):
    queue = Queue(corpus, [Task(1, 0), Task(2, 1)])
    queue.record([vote(corpus, Task(1, 0), "ben", "no"), vote(corpus, Task(1, 0), "ana", "skip")])
    queue.record([vote(corpus, Task(1, 0), "ana"), vote(corpus, Task(2, 1), "cat")])
    queue.forget("s02", "dog", "cat", answer=None, session="c")
    nothing = {"yes": 0, "no": 0, "unsure": 0, "skip": 0}
    assert queue.counts() == {"ana": {**nothing, "yes": 1}, "ben": {**nothing, "no": 1}}
    assert list(queue.counts()) == ["ana", "ben"]


@pytest.mark.parametrize("label", [None, 0])
def test_after_an_undo_the_search_starts_where_the_undone_task_is(corpus, label, monkeypatch):
    """Among 100,000 tasks a search from the first one takes a third of a second."""
    tasks = [Task(row, 0) for row in range(60)]
    queue = Queue(corpus, tasks)
    queue.record([vote(corpus, task, "ana") for task in tasks[:50]])
    assert queue.serve("ana", "a", count=1, label=label).tasks == [tasks[50]]
    queue.forget(corpus.samples.ids[40], "cat", "ana", answer=None, session="a")
    looked_at = []
    whole = Queue._open
    monkeypatch.setattr(Queue, "_open", lambda self, at: looked_at.append(at) or whole(self, at))
    assert queue.serve("ana", "a", count=1, label=label).tasks == [tasks[40]]
    assert min(looked_at) == 40
    assert len(looked_at) < 15


def test_an_undone_task_comes_back_to_the_tab_that_undid_it(corpus):
    queue = Queue(corpus, [Task(1, 0), Task(2, 1)])
    queue.serve("ana", "a", count=1)
    queue.record([vote(corpus, Task(1, 0), "ana")])
    assert queue.progress("ana").done == 1
    queue.forget("s01", "cat", "ana", answer=None, session="a")
    assert queue.progress("ana").done == 0
    assert queue.serve("ben", "b", count=9).tasks == [Task(2, 1)]
    assert queue.serve("ana", "a", count=9).tasks == [Task(1, 0)]


ACTIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["yes", "skip", "undo", "wait", "leave"]), st.integers(1, 4)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(ACTIONS, st.integers(1, 3))
@example([("c", "skip", 1), ("a", "yes", 1), ("c", "undo", 1), ("a", "wait", 1)], 1)
def test_nobody_is_asked_twice_and_no_task_gets_more_votes_than_needed(corpus, actions, needed):
    tasks = [Task(row, label) for row in (1, 2, 4) for label in (0, 1, 2)]
    clock, votes, held = Clock(), {}, collections.defaultdict(list)
    queue = Queue(corpus, tasks, needed=needed, clock=clock)
    names = ["cat", "dog", "owl"]
    undone = any(action == "undo" for _, action, _ in actions)

    def serve(name, count):
        served = queue.serve(name, name, count=count, holding=held[name])
        assert undone or not served.dropped
        for task in served.dropped:  # only what others have finished, after an undo had given it to one more
            assert sum(votes.get((task, other)) == "yes" for other in "abc") >= needed
            held[name].remove(task)
        return served

    for reviewer, action, count in actions:
        if action == "wait":  # shorter than a lease, and everybody shows a sign of life
            clock.now += LEASE / 2
            for other in list(held):
                serve(other, 0)
            continue
        if action == "leave":
            queue.release(reviewer, reviewer)
            held[reviewer] = []
            continue
        if action == "undo":
            mine = [key for key in votes if key[1] == reviewer]
            if mine:
                task, _ = mine[-1]
                del votes[mine[-1]]
                queue.forget(f"s0{task.row}", names[task.label], reviewer, answer=None, session=reviewer)
                held[reviewer].append(task)
            continue
        served = serve(reviewer, count)
        assert not set(served.tasks) & set(held[reviewer])
        for task in served.tasks:
            assert (task, reviewer) not in votes
        held[reviewer] += served.tasks
        if held[reviewer]:
            task = held[reviewer].pop(0)
            queue.record([vote(corpus, task, reviewer, action)])
            votes[task, reviewer] = action
        counted = [sum(votes.get((task, other)) == "yes" for other in "abc") for task in tasks]
        holders = [sum(task in held[other] for other in "abc") for task in tasks]
        if not undone:  # who takes a vote back gets its task, although somebody else may have it by now
            assert max(a + b for a, b in zip(counted, holders, strict=True)) <= needed
        progress = queue.progress(reviewer)
        assert progress.done == sum(votes_of >= needed for votes_of in counted)
        assert progress.mine == sum(name == reviewer and kind == "yes" for (_, name), kind in votes.items())
        open_to_me = sum((task, reviewer) not in votes and counted[at] < needed for at, task in enumerate(tasks))
        assert progress.open_to_me == open_to_me


# ---------------------------------------------------------------- what is shown


def test_definitions_from_the_corpus_or_a_file(corpus, tmp_path):
    assert read_definitions(corpus) == {0: "It purrs."}
    (tmp_path / "d.csv").write_text('label,definition\nowl,"A bird, at night."\n')
    assert read_definitions(corpus, tmp_path / "d.csv") == {2: "A bird, at night."}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.json", "[1]", "write one object"),
        ("d.json", "{", "not JSON"),
        ("d.json", '{"lion": "x"}', "no label 'lion'"),
        ("d.csv", "label\nowl\n", "'definition' is missing"),
        ("gone.json", None, "no such file"),
    ],
)
def test_malformed_definitions_are_refused(corpus, tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LabelhedgeError, match=words):
        read_definitions(corpus, tmp_path / name)


def test_examples_are_checked_samples_of_train_or_dev_that_have_the_label(corpus):
    rows = examples(corpus, 0, 100)
    assert len(examples(corpus, 0)) == 4
    assert {str(corpus.samples.split[row]) for row in rows} == {"train", "dev"}
    for row in rows:
        assert corpus.samples.trusted[row] or corpus.samples.split[row] == "dev"  # and never hidden truth
        assert 0 in corpus.samples.verified[[row]].indices


def test_words_are_those_of_known_columns_with_the_evidence_of_the_label(corpus):
    found = Words(corpus).of(4, 1)
    assert found["texts"] == [{"name": "title", "text": "drawing 4"}]
    assert found["lists"] == [{"name": "keywords", "words": ["cat's", "ears"], "more": 0}]  # evidence first
    assert found["evidence"] == ["Cat"]
    assert "secret" not in json.dumps(found)
    assert Words(corpus).of(5, 1)["evidence"] == []
