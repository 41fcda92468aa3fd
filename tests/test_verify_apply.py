"""What a corpus looks like after votes, and what is refused."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

import labelhedge as lh
import votes_help
from corpus_help import at, columns_of, picture, table_of
from labelhedge.cli import app
from labelhedge.errors import LabelhedgeError
from labelhedge.verify.apply import settle
from labelhedge.verify.ballots import resolve
from labelhedge.verify.formats import read_votes
from labelhedge.verify.said import Reading, VoteFileError
from labelhedge.verify.votes import Vote, VoteStore
from votes_help import CAT, DOG, OWL, digests

corpus = votes_help.corpus
one_label = votes_help.one_label
say = votes_help.say


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


def test_known_labels_alone_verify(corpus, tmp_path):
    checked = tmp_path / "checked.csv"
    checked.write_text("file,class\ns00,cat\ns01,cat\ns02,cat\ns02,owl\n")
    arguments = [str(corpus.folder), "--golden", str(checked), "--task-column", "file", "--question", "class"]
    done = CliRunner().invoke(app, ["verify", "votes", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    after = columns_of(corpus.folder)
    assert after["verified"][:4] == [[CAT], [CAT], [CAT, OWL], None]
    assert after["trusted"] == [row < 3 for row in range(12)]


def test_whose_vote_it_is_may_stand_in_any_column(corpus, tmp_path):
    (tmp_path / "v.csv").write_text("task,annotator,label\ns00,ana,cat\ns00,ben,cat\n")
    with pytest.raises(VoteFileError, match="the column 'worker' is missing; there are: task, annotator, label"):
        settle(corpus, [tmp_path / "v.csv"])
    done = CliRunner().invoke(
        app, ["verify", "votes", str(corpus.folder), str(tmp_path / "v.csv"), "--worker-column", "annotator"]
    )
    assert done.exit_code == 0, done.output
    assert "ana" in done.output
    assert columns_of(corpus.folder)["verified"][0] == [CAT]


def test_a_majority_that_is_not_sure_enough_is_spoken_of(one_label, say):
    file = say("s00 ana cat", "s00 ben cat", "s00 cem dog", "s01 ana dog", "s01 ben dog", "s02 ana cat", "s02 ben dog")
    done = settle(one_label, [file], method="majority")
    assert (done.decisions.samples[0].state, done.decisions.majorities) == ("disputed", 1)
    console = Console(file=io.StringIO(), width=200)
    console.print(done)
    assert "in 1 of what is disputed most say the same" in console.file.getvalue()
    assert "--min-confidence 0.5 takes them all" in console.file.getvalue()
    assert settle(one_label, [file], method="majority", min_confidence=0.5).decisions.samples[0].state == "decided"


def test_a_label_that_is_nearly_right_is_proposed(corpus, say):
    with pytest.raises(VoteFileError, match=r"no label 'Catt'\. To mend it: correct it to 'cat', or pass"):
        settle(corpus, [say("s00 ana Catt")])


def test_the_votes_on_an_embedded_corpus_are_where_the_review_page_puts_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embedded = lh.Corpus.open("clipart")
    with pytest.raises(LabelhedgeError, match=r"^clipart-votes\.sqlite is not there: .* with --golden"):
        settle(embedded, out=tmp_path / "checked")
    asked = (embedded.samples.split == "train") & ~embedded.samples.trusted
    row = int(np.flatnonzero(asked & (np.diff(embedded.samples.observed.indptr) == 1))[0])
    with VoteStore("clipart-votes.sqlite") as store:
        store.begin("random")
        label = int(embedded.samples.observed[[row]].indices[0])
        store.add([Vote("a", embedded.samples.ids[row], embedded.labels[label].id, "ana", "yes")])
    settle(embedded, out=tmp_path / "checked")
    assert lh.Corpus.open(tmp_path / "checked").samples.trusted.sum() == embedded.samples.trusted.sum() + 1
