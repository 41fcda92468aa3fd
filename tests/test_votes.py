"""The store of votes: durable, idempotent, undo with history, clear errors; held to a slow twin."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from corpus_help import picture
from labelhedge.cli import app
from labelhedge.verify import ANSWERS, Vote, VoteError, VoteStore
from labelhedge.verify.votes import SCHEMA_VERSION


@pytest.fixture
def store(tmp_path):
    with VoteStore(tmp_path / "votes.sqlite") as store:
        yield store


def vote(number, answer="yes", sample="s01", label="cat", reviewer="ana", **more):
    return Vote(str(number), sample, label, reviewer, answer, **more)


def test_a_vote_comes_back_as_it_was(store):
    given_vote = vote(1, "no", seconds=1.5, session="tab", time="2026-01-02T03:04:05Z")
    assert store.add([given_vote]) == 1
    assert store.votes() == [given_vote]
    assert store.current("s01", "cat") == {"ana": "no"}


def test_the_time_of_arrival_is_utc(store):
    store.add([vote(1)])
    assert store.votes()[0].time.endswith("Z")
    assert len(store.votes()[0].time) == len("2026-01-01T10:00:00.000Z")


def test_adding_twice_adds_once(store):
    assert store.add([vote(1)]) == 1
    assert store.add([vote(1), vote(2, sample="s02")]) == 1
    assert [item.id for item in store.votes()] == ["1", "2"]


def test_an_id_with_another_content_is_refused_and_nothing_added(store):
    store.add([vote(1)])
    with pytest.raises(VoteError, match="'1' is there already"):
        store.add([vote(7, sample="s07"), vote(1, "no")])
    assert [item.id for item in store.votes()] == ["1"]


def test_undo_keeps_the_history_and_brings_back_the_vote_before(store):
    store.add([vote(1, "yes"), vote(2, "no")])
    assert [item.answer for item in store.votes()] == ["no"]
    assert [item.id for item in store.undo(["2"], reviewer="ana")] == ["2"]
    assert store.undo(["2"], reviewer="ana") == []
    assert [item.answer for item in store.votes()] == ["yes"]
    assert [(item.id, undone is None) for item, undone in store.history()] == [("1", True), ("2", False)]
    assert store.add([vote(2, "no")]) == 0  # sent again after it was taken back: it stays so
    assert [item.answer for item in store.votes()] == ["yes"]


def test_only_ones_own_known_votes_are_taken_back(store):
    store.add([vote(1), vote(2, sample="s02", reviewer="ben")])
    with pytest.raises(VoteError, match="is of 'ben'"):
        store.undo(["1", "2"], reviewer="ana")
    with pytest.raises(VoteError, match="no vote '9'"):
        store.undo(["1", "9"], reviewer="ana")
    assert len(store.votes()) == 2


@pytest.mark.parametrize("changes", [{"answer": "maybe"}, {"sample": ""}, {"label": ""}, {"reviewer": ""}])
def test_a_malformed_vote_cannot_be_made(changes):
    with pytest.raises(VoteError):
        vote(1, **changes)


def test_counts_and_table(store):
    store.add([vote(1), vote(2, "no", label="dog", seconds=2.0), vote(3, "skip", reviewer="ben"), vote(4, "unsure")])
    assert store.counts() == {
        "ana": {"yes": 0, "no": 1, "unsure": 1, "skip": 0},
        "ben": {"yes": 0, "no": 0, "unsure": 0, "skip": 1},
    }
    table = store.to_table()
    assert table.schema.names == ["task", "label", "worker", "answer", "time", "seconds"]
    assert table.drop_columns("time").to_pylist()[0] == {
        "task": "s01", "label": "dog", "worker": "ana", "answer": "no", "seconds": 2.0,
    }  # fmt: skip


def test_an_empty_store_has_a_typed_table(store):
    assert store.counts() == {}
    assert store.to_table().schema.field("task").type == pa.string()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 11), st.sampled_from(ANSWERS), st.sampled_from("ab"), st.booleans()),
        st.tuples(st.just("undo"), st.integers(0, 11)),
    ),
    max_size=16,
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_current_votes_as_a_slow_twin_finds_them(tmp_path_factory, steps):
    log = []  # [vote, undone], in order of arrival
    with VoteStore(tmp_path_factory.mktemp("twin") / "votes.sqlite") as store:
        for step in steps:
            known = [entry for entry in log if entry[0].id == str(step[1])]
            if step[0] == "undo":
                if known:
                    store.undo([str(step[1])], reviewer=known[0][0].reviewer)
                    known[0][1] = True
                continue
            _, number, answer, reviewer, same = step
            made = vote(number, answer, sample="x" if same else "y", reviewer=reviewer, time="t")
            if not known:
                log.append([made, False])
                assert store.add([made]) == 1
            elif known[0][0] != made:
                with pytest.raises(VoteError):
                    store.add([made])
        last = {}
        for made, undone in log:
            if not undone:
                last[made.sample, made.label, made.reviewer] = made
        assert store.votes() == sorted(last.values(), key=[entry[0] for entry in log].index)


def test_a_store_opened_again_is_the_same(tmp_path):
    with VoteStore(tmp_path / "v.sqlite") as store:
        store.add([vote(1)])
        identity = store.identity
    with VoteStore(tmp_path / "v.sqlite", create=False) as again:
        assert again.identity == identity
        assert len(again.votes()) == 1
    with VoteStore(tmp_path / "other.sqlite") as other:
        assert other.identity != identity


def test_what_is_added_is_synced_to_the_disk(store):
    assert store._one("PRAGMA journal_mode") == "wal"
    assert store._one("PRAGMA synchronous") == 2


def test_files_that_are_no_store_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("id,label\n" * 200)
    with pytest.raises(VoteError, match=r"text\.sqlite: this is no store of votes"):
        VoteStore(text)
    assert text.read_text() == "id,label\n" * 200

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = other.read_bytes()
    with pytest.raises(VoteError, match="no store of votes"):
        VoteStore(other)
    assert other.read_bytes() == before

    newer = tmp_path / "newer.sqlite"
    VoteStore(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(VoteError, match=f"schema version {SCHEMA_VERSION + 1}"):
        VoteStore(newer)


def test_a_damaged_file_is_told_with_the_mend(tmp_path):
    with VoteStore(tmp_path / "v.sqlite") as store:
        store.add([vote(number, sample=f"s{number}") for number in range(500)])
    data = (tmp_path / "v.sqlite").read_bytes()
    (tmp_path / "v.sqlite").write_bytes(data[: 4096 * 3] + bytes(len(data) - 4096 * 3))  # the header is sound
    for read in (VoteStore.votes, VoteStore.counts, VoteStore.first_asked, VoteStore.history):
        with (
            pytest.raises(VoteError, match=r"v\.sqlite: the file is damaged \(.*malformed.*sqlite3 v.sqlite .recover"),
            VoteStore(tmp_path / "v.sqlite") as store,
        ):
            read(store)


def test_the_sitting_and_order_in_which_samples_were_first_asked_about(tmp_path):
    with VoteStore(tmp_path / "v.sqlite") as store:
        assert store.sitting is None
        store.add([vote(0, sample="before")])
        assert [store.begin(order) for order in ("useful", "random")] == [0, 1]
        store.add([vote(1, sample="a"), vote(2, sample="b"), vote(3, "skip", sample="c")])
        assert store.begin("useful") == store.sitting == 2
        store.add([vote(4, "no", sample="a"), vote(5, sample="c")])
        found = {"before": (-1, ""), "a": (1, "random"), "b": (1, "random"), "c": (2, "useful")}  # a skip is no answer
        assert store.first_asked() == found
        store.undo(["2"], reviewer="ana")
        store.add([vote(6, "no", sample="b")])
    with VoteStore(tmp_path / "v.sqlite") as store:
        assert store.first_asked() == {**found, "b": (2, "useful")}
        store.begin("suspicious")
        store.add([vote(7, sample="d"), vote(8, sample="c")])
        assert store.first_asked() == {**found, "b": (2, "useful"), "d": (3, "suspicious")}


def test_a_vote_that_comes_late_is_of_the_sitting_in_which_it_was_asked(store):
    for order in ("random", "useful"):
        store.begin(order)
    store.add([vote(1, sample="now"), vote(2, sample="late", sitting=0), vote(3, sample="both")])
    store.add([vote(4, sample="both", sitting=0, reviewer="ben")])
    assert store.first_asked() == {"now": (1, "useful"), "late": (0, "random"), "both": (0, "random")}
    assert [item.sitting for item in store.votes()] == [1, 0, 1, 0]
    with pytest.raises(VoteError, match="'6' is said to be of sitting 2, and 0 to 1 have begun"):
        store.add([vote(5, sample="good"), vote(6, sample="bad", sitting=2)])
    assert "good" not in store.first_asked()


def test_a_file_of_version_1_is_read_and_gone_on_with(tmp_path):
    """There a sitting was known by the number of the last vote before it."""
    with VoteStore(tmp_path / "v.sqlite") as store:
        store.add([vote(number, sample=f"s{number}") for number in range(6)])
    with sqlite3.connect(tmp_path / "v.sqlite") as connection:
        connection.execute("ALTER TABLE vote DROP COLUMN sitting")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO about VALUES ('sittings', '[[1, \"random\"], [4, \"useful\"]]')")
    connection.close()
    sittings = [(-1, "")] + [(0, "random")] * 3 + [(1, "useful")] * 2
    for _ in range(2):
        with VoteStore(tmp_path / "v.sqlite", create=False) as store:
            assert list(store.first_asked().values()) == sittings
            assert len(store.votes()) == 6
    with VoteStore(tmp_path / "v.sqlite") as store:
        assert store.begin("random") == 2
        store.add([vote(6, sample="s6")])
        assert list(store.first_asked().values()) == [*sittings, (2, "random")]


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(VoteError, match=r"none\.sqlite: there is no such file"):
        VoteStore(tmp_path / "none.sqlite", create=False)
    assert not (tmp_path / "none.sqlite").exists()
    with pytest.raises(VoteError, match="--votes FILE"):
        VoteStore(tmp_path / "no" / "votes.sqlite")


def test_threads_may_share_it(store):
    def work(name):
        for number in range(20):
            store.add([vote(f"{name}{number}", sample=f"s{number}", reviewer=name)])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.votes()) == 80


def test_a_killed_process_loses_no_vote_that_it_had_added(tmp_path):
    code = (
        "import sys\nfrom labelhedge.verify import Vote, VoteStore\nstore = VoteStore(sys.argv[1])\n"
        "for n in range(10**6):\n store.add([Vote(str(n), f's{n}', 'cat', 'ana', 'yes')])\n print(n, flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "v.sqlite")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline() for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    with VoteStore(tmp_path / "v.sqlite", create=False) as store:
        ids = [item.id for item in store.votes()]
    assert ids[: len(told)] == [str(number) for number in range(len(told))]
    assert len(ids) <= len(told) + 1


def test_votes_on_images_that_a_new_corpus_has_not_are_moved_away(tmp_path):
    def pictures(folder, *seeds):
        (folder / "cat").mkdir(parents=True)
        for number, seed in enumerate(seeds):
            (folder / "cat" / f"{number}.png").write_bytes(picture(seed))

    def bring(folder):
        done = CliRunner().invoke(app, ["corpus", "import", "folder", str(folder), str(target), "--overwrite"])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    target = tmp_path / "c"
    pictures(tmp_path / "a", 0, 1, 2)
    pictures(tmp_path / "b", 0, 1, 2, 3)
    pictures(tmp_path / "other", 0, 7, 8)
    assert "votes" not in bring(tmp_path / "a")
    with VoteStore(target / "votes.sqlite") as store:
        store.add([vote(f"v{n}", sample=f"cat/{n}.png") for n in range(2)])
    assert "votes" not in bring(tmp_path / "b")  # the same images, and one more
    assert (target / "votes.sqlite").exists()
    said = bring(tmp_path / "other")
    assert "1 of 2 images that were voted on have another image under their id now: the votes are in " in said
    assert not (target / "votes.sqlite").exists()
    with VoteStore(target / "votes-before-1.sqlite", create=False) as store:
        assert len(store.votes()) == 2
    with VoteStore(target / "votes.sqlite") as store:
        store.add([vote("v", sample="cat/1.png")])
    (target / "corpus.json").write_text("{}")
    assert "could not be read: the votes are in votes-before-2.sqlite" in bring(tmp_path / "other")
