"""Files of votes of every format: what is read, and the error with file, row and mend where they are malformed."""

import json
import re

import pytest

from labelhedge.verify.formats import read_golden, read_votes, tell_format
from labelhedge.verify.said import Reading, Said, VoteFileError
from labelhedge.verify.votes import Vote, VoteStore

CROWDFLOWER = (
    "_unit_id,_created_at,_golden,_id,_tainted,_channel,_trust,_worker_id,_country,animal,orig__golden,animal_gold,"
    "animal_gold_reason,image_url,photo\n"
)


def crowdflower(*rows):
    """Rows of (golden, tainted, worker, answer, gold, photo) as a full report."""
    lines = [
        f"{number},6/1/2015 10:02:51,{golden},{900 + number},{tainted},clixsense,0.9,{worker},DEU,"
        f'"{answer}",,"{gold}",,"http://host/{photo}.jpg",{photo}\n'
        for number, (golden, tainted, worker, answer, gold, photo) in enumerate(rows, 1)
    ]
    return CROWDFLOWER + "".join(lines)


def annotation(*choices, by=1, **changes):
    result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": list(choices)}}
    usual = {"completed_by": by, "was_cancelled": False, "ground_truth": False, "lead_time": 10.7}
    return usual | {"result": [result] if choices else []} | changes


def studio(*tasks):
    return json.dumps(
        [{"id": 70 + n, "data": {"id": sample}, "annotations": list(given)} for n, (sample, *given) in enumerate(tasks)]
    )


@pytest.fixture
def write(tmp_path):
    def write(content, name="votes"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def whole(votes):
    """{(task, worker): labels chosen} of choices that are votes."""
    found = {}
    for said in votes.said:
        if said.whole and said.answer == "yes":
            found.setdefault((said.task, said.worker), set()).update({said.label} - {None})
    return found


# --- what is read


def test_the_format_is_told_from_the_content(write, tmp_path):
    VoteStore(tmp_path / "store").close()
    assert tell_format(tmp_path / "store") == "store"
    assert tell_format(write("task,worker,label\n", "votes.json")) == "csv"  # whatever the name says
    assert tell_format(write("\ufeff  [\n")) == "label-studio"
    assert tell_format(write(CROWDFLOWER)) == "crowdflower"


def test_rows_of_one_worker_are_one_choice_and_an_empty_label_is_background(write):
    votes = read_votes(write("task,worker,label\ns1,ana,cat\ns1,ben,\ns1,ana,dog\ns2,ana,cat\ns2,ana,cat\n"))
    assert whole(votes) == {("s1", "ana"): {"cat", "dog"}, ("s1", "ben"): set(), ("s2", "ana"): {"cat"}}
    assert votes.notes["said twice, counted once"] == 1


def test_answers_label_by_label(write):
    votes = read_votes(write("label;answer;task;worker\r\ncat;YES;s1;ana\r\n\r\ndog; skip ;s1;ana\r\n"))
    assert votes.said == [Said("s1", "ana", "cat", "yes", False, 2), Said("s1", "ana", "dog", "skip", False, 4)]


def test_options_that_mean_none_or_unsure(write):
    reading = Reading(none=("nothing",), unsure=("?",))
    votes = read_votes(write("task,worker,label\ns1,ana,nothing\ns2,ana,?\n"), reading)
    assert [(said.label, said.answer) for said in votes.said] == [(None, "yes"), (None, "unsure")]


def test_the_store_of_the_review_page(tmp_path):
    with VoteStore(tmp_path / "votes.sqlite") as store:
        store.add([Vote("1", "s1", "cat", "ana", "no"), Vote("2", "s1", "cat", "ana", "yes")])
        store.add([Vote("3", "s1", "dog", "ben", "unsure")])
    votes = read_votes(tmp_path / "votes.sqlite")
    assert [(said.worker, said.label, said.answer) for said in votes.said] == [
        ("ana", "cat", "yes"),
        ("ben", "dog", "unsure"),
    ]


def test_a_full_report_of_crowdflower(write):
    content = crowdflower(
        ("false", "false", "w1", "cat", "", "s1"),
        ("false", "true", "w2", "dog", "", "s1"),
        ("true", "false", "w1", "cat\ndog", "dog\ncat", "s2"),
        ("TRUE", "FALSE", "w3", "dog", "cat\ndog", "s2"),
        ("false", "false", "w3", "", "", "s3"),
    )
    votes = read_votes(write(content), Reading(task_column="photo"))
    assert whole(votes) == {("s1", "w1"): {"cat"}, ("s2", "w1"): {"cat", "dog"}, ("s2", "w3"): {"dog"}}
    assert votes.notes["tainted, left out"] == 1
    assert {(said.task, said.label) for said in votes.golden} == {("s2", "cat"), ("s2", "dog")}
    assert [said.task for said in votes.said if said.answer == "skip"] == ["s3"]  # an empty cell is no answer


def test_known_answers_of_each_format(write, tmp_path):
    pairs = read_golden(write("task,label\ns1,cat\ns2,\n"))
    assert [(said.task, said.label, said.whole) for said in pairs.golden] == [("s1", "cat", True), ("s2", None, True)]
    asked = read_golden(write("task,label,answer\ns1,cat,no\ns1,dog,unsure\n"))
    assert [(said.label, said.answer) for said in asked.golden] == [("cat", "no")]
    marked = read_golden(write(studio(("s1", annotation("cat", ground_truth=True), annotation("dog")))))
    assert ([said.label for said in marked.golden], marked.said) == (["cat"], [])
    with VoteStore(tmp_path / "expert.sqlite") as store:
        store.add([Vote("1", "s1", "cat", "expert", "yes")])
    assert read_golden(tmp_path / "expert.sqlite").golden == [Said("s1", "", "cat", "yes", False, 1)]
    with pytest.raises(VoteFileError, match="no known answer"):
        read_golden(write(studio(("s1", annotation("cat")))))


# --- what is refused

GOOD = "task,worker,label\n"
ASKED = "task,worker,label,answer\n"


@pytest.mark.parametrize(
    ("content", "row", "problem"),
    [
        ("", None, "the file is empty"),
        ("\ufeff\n \n", None, "the file is empty"),
        ("task,label\ns1,cat\n", None, "the column 'worker' is missing"),
        ("just,some,words\n", None, "the column 'task' is missing"),
        ("task,task,worker,label\n", "line 1", "the column 'task' stands twice"),
        (GOOD + "s1,ana,cat\ns1,ben\n", "line 3", "there are 2 fields, and the first line names 3"),
        (GOOD + "s1,ana,cat,dog\n", "line 2", "there are 4 fields"),
        (GOOD + '"s\n1",ana,cat\n,ana,cat\n', "line 4", "task is empty"),
        (GOOD + "s1, ,cat\n", "line 2", "worker is empty"),
        (GOOD + "s1,ana,cat\ns1,ana,\n", "line 2", "'cat', '', which exclude each other"),
        (GOOD + 's1,ana,"cat\n', "line 2", "not CSV"),
        (ASKED + "s1,ana,cat,yes\ns1,ana,dog,maybe\n", "line 3", "the answer is 'maybe'"),
        (ASKED + "s1,ana,,yes\n", "line 2", "label is empty"),
        (GOOD.encode() + b"s1,ana,caf\xe9\n", "line 2", "not UTF-8"),
        (GOOD.encode() + b"s1,ana,cat\r\n" * 9000 + b"s2,ana,caf\xe9\n", "line 9002", "not UTF-8"),
        (CROWDFLOWER.replace(",animal_gold,", ",gold,"), None, "no column has a twin that ends in _gold"),
        (CROWDFLOWER, None, "which column holds the sample's id"),
        (CROWDFLOWER.replace("photo", "plant,plant_gold"), None, "several questions: animal, plant"),
        (crowdflower(("f", "false", "", "cat", "", "s1")).replace("photo", "id"), "line 2", "_worker_id is empty"),
        (crowdflower(("f", "maybe", "w", "cat", "", "s1")).replace("photo", "id"), "line 2", "_tainted is 'maybe'"),
        (
            crowdflower(("t", "", "w", "a\nb", "cat", "s2"), ("t", "", "v", "a", "dog", "s2")).replace("photo", "id"),
            "line 4",
            "the known answer of 's2' is ['dog'], and in line 2 it is ['cat']",
        ),
        ("{}", None, "a list of tasks is needed, found an object"),
        ("[1]", "task 1", "a task is needed, found a number"),
        ("[{", None, "not JSON"),
        (b'["\xff"]', None, "not JSON"),
        ('[{"image": "a.png", "choice": "cat", "annotator": 1}]', "task 1", "no list of annotations"),  # JSON-MIN
        ('[{"annotations": []}]', "task 1", "this is no task with data"),
        ('[{"data": {"photo": "a"}, "annotations": []}]', "task 1", "data has no 'id' that names a sample"),
        (studio(("s0",), ("s1", annotation("cat", by=None))), "task 2", "completed_by is null"),
        (studio(("s1", annotation("cat", by={"name": "x"}))), "task 1", 'completed_by is {"name": "x"}'),
        (studio(("s1", annotation("cat", was_cancelled="no"))), "task 1", 'was_cancelled is "no"'),
        (studio(("s1", annotation(result=5))), "task 1", "result is a number"),
        (studio(("s1", annotation(result=[{"type": "choices"}]))), "task 1", "choices has no from_name"),
        (studio(("s1", annotation(result=[{"type": "choices", "from_name": "a"}]))), "task 1", "no list of choices"),
        (
            studio(("s1", annotation("cat", ground_truth=True), annotation("dog", ground_truth=True))),
            "task 1",
            "two ground truths contradict each other",
        ),
        (
            studio(("s1", annotation("cat"), annotation(result=[{"type": "choices", "from_name": "other"}]))),
            None,
            "several controls with choices: label, other",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_its_row_and_the_mend(write, content, row, problem):
    path = write(content)
    with pytest.raises(VoteFileError) as caught:
        read_votes(path)
    message = str(caught.value)
    assert (caught.value.file, caught.value.row) == (path, row)
    assert message.startswith(f"{path}, {row}: " if row else f"{path}: ")
    assert problem in message
    assert re.search(r"To mend it: \w.+\.$", message, re.S)


def test_a_file_that_is_not_there_or_not_of_the_format(write, tmp_path):
    for path, words in ((tmp_path / "none.csv", "there is no such file"), (tmp_path, "this is a folder")):
        with pytest.raises(VoteFileError, match=words):
            read_votes(path)
    with pytest.raises(VoteFileError, match=r"no choice is of the control 'labels'.*name one of label with"):
        read_votes(write(studio(("s1", annotation("cat")))), Reading(question="labels"))
    with pytest.raises(VoteFileError, match="is no format of votes"):
        read_votes(write(GOOD), Reading(format="xml"))
    with pytest.raises(VoteFileError, match="not of the format 'store'"):
        read_votes(write(GOOD), Reading(format="store"))
    with pytest.raises(ValueError, match="no store of votes"):
        read_votes(write(b"SQLite format 3\0" + bytes(4096)))
