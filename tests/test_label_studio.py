"""Label Studio, both ways: the tasks it gets, the export it gives, and a round through its real server where it is.

LABELHEDGE_LABEL_STUDIO names the executable of Label Studio for the last test; without it that test is skipped.
"""

import base64
import json
import os
import signal
import socket
import subprocess
import time
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import at, columns_of, picture
from labelhedge.cli import app
from labelhedge.cli.verify import studio
from labelhedge.verify.apply import settle
from labelhedge.verify.formats import read_votes
from labelhedge.verify.said import Reading, VoteFileError
from labelhedge.verify.tasks import export_tasks
from run_help import write_results, write_run


@pytest.fixture
def small(make_corpus, tmp_path):
    return lh.Corpus.open(make_corpus(tmp_path / "small"))


def export(corpus, tmp_path, **options):
    export_tasks(corpus, tmp_path / "tasks.json", config=tmp_path / "config.xml", **options)
    return json.loads((tmp_path / "tasks.json").read_text()), ElementTree.parse(tmp_path / "config.xml").getroot()


def annotated(task, number, *annotations):
    return task | {"id": number, "annotations": list(annotations), "predictions": []}


def annotation(*choices, by=1, **changes):
    result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": list(choices)}}
    return {"completed_by": by, "was_cancelled": False, "result": [result] if choices else []} | changes


def test_tasks_hold_image_words_and_what_is_observed(small, tmp_path):
    tasks, config = export(small, tmp_path)
    assert len(tasks) == 20
    task = tasks[5]
    assert task["data"]["id"] == task["meta"]["sample"] == "s05"
    assert task["data"]["title"] == "drawing 5"
    kind, _, data = task["data"]["image"].partition(";base64,")
    assert kind == "data:image/png"
    assert base64.b64decode(data) == next(image for row, image in small.images.read() if row == 5)
    (prediction,) = task["predictions"]
    names = [small.labels[label].name for label in columns_of(small.folder)["observed"][5]]
    assert prediction["result"][0]["value"]["choices"] == names
    assert prediction["model_version"] == "observed"
    assert tasks[7]["predictions"] == []  # background
    choices = config.find("Choices")
    assert [choice.get("value") for choice in choices] == ["cat", "dog", "owl"]
    assert (choices.get("choice"), choices.get("toName")) == ("multiple", config.find("Image").get("name"))


def test_a_corpus_without_words_has_tasks_too(make_corpus, tmp_path):
    tasks, config = export(lh.Corpus.open(make_corpus(tmp_path / "c", columns={"title": None})), tmp_path)
    assert [task["data"]["id"] for task in tasks] == [f"s{row:02}" for row in range(20)]
    assert all(set(task["data"]) == {"id", "image"} for task in tasks)
    assert config.find("Text") is None


def test_exclusive_labels_are_a_single_choice(make_corpus, tmp_path):
    one = [[row % 3] for row in range(20)]
    folder = make_corpus(tmp_path / "c", columns={"observed": one, "verified": one}, info={"exclusive": True})
    _, config = export(lh.Corpus.open(folder), tmp_path)
    assert config.find("Choices").get("choice") == "single"


def test_order_limit_and_splits(small, tmp_path):
    (tmp_path / "order.csv").write_text("id,label\ns09,cat\ns02,owl\ns09,dog\ns05,\ns16,cat\n")
    tasks, config = export(small, tmp_path, order=tmp_path / "order.csv", limit=2, splits=["train", "test"])
    assert [(task["data"]["id"], task["data"]["asked"]) for task in tasks] == [("s09", "cat, dog"), ("s02", "owl")]
    assert config.find("Text[@value='$asked']") is not None
    images = dict(small.images.read())
    assert [base64.b64decode(task["data"]["image"].partition(",")[2]) for task in tasks] == [images[9], images[2]]


def test_images_by_address(small, make_corpus, tmp_path):
    tasks, _ = export(small, tmp_path, images="/data/local-files/?d=p/", files=tmp_path / "p", limit=3)
    assert [task["data"]["image"] for task in tasks][:2] == [
        f"/data/local-files/?d=p/000000{row}.png" for row in (0, 1)
    ]
    with Image.open(tmp_path / "p" / "0000002.png") as image:
        assert image.size == (24, 16)
    folder = make_corpus(
        tmp_path / "paths",
        columns={"image": [at(f"images/a {row}.png") for row in range(20)]},
        files={f"images/a {row}.png": picture(row) for row in range(20)},
    )
    done = export_tasks(
        lh.Corpus.open(folder), tmp_path / "t2.json", config=tmp_path / "c2.xml", images="https://host/", limit=1
    )
    assert done.tasks == 1
    assert json.loads((tmp_path / "t2.json").read_text())[0]["data"]["image"] == "https://host/images/a%200.png"


def test_pseudo_labels_of_a_run_are_filled_in(small, tmp_path):
    pseudo = [[0.9, 0.1, 0.6], [0.2, 0.3, 0.1]]
    table = {"id": ["s01", "s02"], "method": ["distill"] * 2, "pseudo": pa.array(pseudo, pa.list_(pa.float32()))}
    write_results(tmp_path / "run", small, distill={"dev_map": 0.5})
    pq.write_table(pa.table(table), tmp_path / "run" / "labels.parquet")
    tasks, _ = export(small, tmp_path, run=tmp_path / "run", limit=4)
    (prediction,) = tasks[1]["predictions"]
    assert prediction["result"][0]["value"]["choices"] == ["cat", "owl"]
    assert (prediction["model_version"], prediction["score"]) == ("distill", 0.6)
    assert tasks[2]["predictions"] == []  # likely none
    assert tasks[0]["predictions"][0]["model_version"] == "observed"  # not of the run


def test_pseudo_labels_are_those_of_the_method_that_is_best_on_dev(small, tmp_path):
    count = len(small.rows("train"))
    pseudo = {name: np.full((count, 3), value, np.float32) for name, value in (("distill", 0.6), ("guided", 0.9))}
    run = write_run(tmp_path / "run", small, guided=(pseudo["guided"], 0.5), distill=(pseudo["distill"], 0.7))
    tasks, _ = export(small, tmp_path, run=run, limit=1)
    assert tasks[0]["predictions"][0]["model_version"] == "distill"


def test_of_a_run_only_what_is_exported_is_read(small, tmp_path, monkeypatch):
    write_results(tmp_path / "run", small, distill={"dev_map": 0.5})
    ids = ["s00", "s01", "s02", "s03", "s04", "s05"]
    pseudo = pa.array([[0.9] * 3] * len(ids), pa.list_(pa.float32()))
    table = pa.table({"id": ids, "method": ["distill"] * len(ids), "pseudo": pseudo})
    pq.write_table(table, tmp_path / "run" / "labels.parquet", row_group_size=2)

    read, original = [], pq.ParquetFile.read_row_group

    def recorded(file, group, columns):
        read.append((group, columns))
        return original(file, group, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", recorded)
    tasks, _ = export(small, tmp_path, run=tmp_path / "run", limit=1)
    assert tasks[0]["predictions"][0]["score"] == 0.9
    assert [group for group, columns in read if "pseudo" in columns] == [0]


def test_a_run_on_another_corpus_is_refused(small, make_corpus, tmp_path):
    run = write_results(tmp_path / "run", small, distill={"dev_map": 0.5})
    other = lh.Corpus.open(make_corpus(tmp_path / "other", seed=1))
    with pytest.raises(lh.corpus.errors.LabelhedgeError, match="is a run on another corpus than"):
        export(other, tmp_path, run=run, limit=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "https://host/"}, "lies in the Parquet file and has no address"),
        ({"files": "p"}, "the images are embedded, so no files are written"),
        ({"splits": ["nowhere"]}, "there is no sample to export"),
        ({"method": "distill"}, "is named, but no run"),
        ({"run": "nowhere"}, r"results.json is missing"),
        ({"order": "order.csv"}, r"order.csv, line 3: the corpus has no sample 'x1'"),
        ({"order": "labels.csv"}, r"labels.csv, line 2: the corpus has no label 'cow'"),
        ({"order": "nowhere.csv"}, "there is no such file"),
    ],
)
def test_an_export_that_cannot_be_leaves_nothing(small, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.csv").write_text("id\ns01\nx1\n")
    (tmp_path / "labels.csv").write_text("id,label\ns01,cow\n")
    with pytest.raises((lh.corpus.errors.LabelhedgeError, FileNotFoundError), match=message):
        export_tasks(small, "tasks.json", config="config.xml", **options)
    assert not (tmp_path / "tasks.json").exists()
    assert not (tmp_path / "config.xml").exists()


def test_what_was_annotated_is_read(small, tmp_path):
    tasks, _ = export(small, tmp_path, limit=5)
    del tasks[3]["data"]["id"]  # `meta` still tells
    done = [
        annotated(tasks[0], 7, annotation("cat", by=4), annotation("cat", "owl", by={"id": 5, "email": "e@host"})),
        annotated(tasks[1], 8, annotation(by=4), annotation("dog", by=5, was_cancelled=True)),
        annotated(tasks[2], 9, annotation("owl", by=6, ground_truth=True), annotation("dog", by=4)),
        annotated(tasks[3], 10, annotation("cat", by=4), annotation("dog", by=4), annotation(by=4, was_cancelled=True)),
        annotated(tasks[4], 11),
    ]
    (tmp_path / "export.json").write_text(json.dumps(done))
    votes = read_votes(tmp_path / "export.json")
    assert [(said.task, said.worker, said.label, said.answer) for said in votes.said] == [
        ("s00", "4", "cat", "yes"),
        ("s00", "5", "cat", "yes"),
        ("s00", "5", "owl", "yes"),
        ("s01", "4", None, "yes"),  # nothing chosen: background
        ("s01", "5", None, "skip"),
        ("s02", "4", "dog", "yes"),
        ("s03", "4", "dog", "yes"),  # the later one, which a skip does not take back
    ]
    assert [(said.task, said.label) for said in votes.golden] == [("s02", "owl")]
    assert votes.notes["replaced by a later annotation of the same person"] == 2


def test_the_last_annotation_counts_by_time_else_by_id_in_all_tasks_of_a_sample(tmp_path):
    early, late = {"created_at": "2026-01-02T10:00:00.5Z"}, {"created_at": "2026-01-02T13:00:00+02:00"}
    changed = {"created_at": "2026-01-01T10:00:00Z", "updated_at": "2026-01-03T10:00:00"}

    def said(*tasks):
        (tmp_path / "e.json").write_text(json.dumps([{"id": n, **task} for n, task in enumerate(tasks)]))
        votes = read_votes(tmp_path / "e.json")
        return [(one.task, one.label, one.answer) for one in votes.said], votes.notes.total()

    def task(sample, *annotations):
        return {"data": {"id": sample}, "annotations": list(annotations)}

    assert said(task("s1", annotation("cat", **late), annotation("dog", **early))) == ([("s1", "cat", "yes")], 1)
    assert said(task("s1", annotation("cat", **changed), annotation("dog", **late)))[0] == [("s1", "cat", "yes")]
    assert said(task("s1", annotation("cat", id=9), annotation("dog", id=8)))[0] == [("s1", "cat", "yes")]
    assert said(task("s1", annotation("cat", id=9)), task("s1", annotation("dog", id=8))) == ([("s1", "cat", "yes")], 1)
    assert said(task("s1", annotation("cat")), task("s1", annotation("dog")))[0] == [("s1", "dog", "yes")]
    skip = annotation("dog", was_cancelled=True, **late)
    assert said(task("s1", annotation("cat", **early), skip))[0] == [("s1", "cat", "yes")]
    two = [task("s1", annotation(name, ground_truth=True)) for name in ("cat", "dog")]
    with pytest.raises(VoteFileError, match="task 2: two ground truths contradict"):
        said(*two)
    with pytest.raises(VoteFileError, match='task 1: created_at is "yesterday"'):
        said(task("s1", annotation("cat", created_at="yesterday")))


def region(kind, control="label", value=None):
    return {"from_name": control, "to_name": "image", "type": kind, "value": value or {}}


def test_only_an_empty_result_says_that_none_is_there(tmp_path):
    quality = region("choices", "quality", {"choices": ["sharp"]})
    task = {
        "data": {"id": "s1"},
        "annotations": [
            annotation("cat", by=1),
            annotation(by=2, result=[quality]),  # this one did not answer
            annotation(by=3),
            annotation(by=4, result=[region("textarea", "note")]),
            annotation(by=5, result=[quality], ground_truth=True),
        ],
    }
    (tmp_path / "e.json").write_text(json.dumps([task]))
    votes = read_votes(tmp_path / "e.json", Reading(question="label"))
    found = [(said.worker, said.label, said.answer) for said in votes.said]
    assert found == [("1", "cat", "yes"), ("2", None, "skip"), ("3", None, "yes"), ("4", None, "skip")]
    assert votes.golden == []


@pytest.mark.parametrize("question", [None, "label"])
def test_an_export_without_choices_changes_nothing(small, tmp_path, question):
    shapes = [region("rectanglelabels", value={"x": 1, "rectanglelabels": ["cat"]})] * 2 + [region("taxonomy")]
    before = columns_of(small.folder)
    tasks = [annotated({"data": {"id": "s01"}}, 1, annotation(result=shapes), annotation(by=2))]
    (tmp_path / "e.json").write_text(json.dumps(tasks))
    with pytest.raises(VoteFileError, match="no choice in it, but results 2 of type rectanglelabels, 1 of type tax"):
        settle(small, [tmp_path / "e.json"], reading=Reading(question=question))
    assert columns_of(small.folder) == before


def test_a_cancelled_annotation_is_a_skip_whatever_is_in_it_and_an_email_is_a_name(tmp_path):
    given = [
        annotation("none", "cat", by={"id": None, "email": "a@host"}, was_cancelled=True),
        annotation("dog", by={"id": None, "email": "b@host"}),
    ]
    (tmp_path / "e.json").write_text(json.dumps([{"data": {"id": "s1"}, "annotations": given}]))
    votes = read_votes(tmp_path / "e.json", Reading(none=("none",)))
    assert [(said.worker, said.answer) for said in votes.said] == [("a@host", "skip"), ("b@host", "yes")]


@pytest.mark.parametrize(
    ("content", "said"), [("[" * 100_000, "too many brackets"), ("[" + "9" * 5000 + "]", "not JSON.*digits")]
)
def test_json_that_python_does_not_read(tmp_path, content, said):
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(VoteFileError, match=said):
        read_votes(tmp_path / "e.json")


def test_the_commands_have_a_line_of_description_and_an_example():
    assert len(studio.registered_commands) == 2
    for item in studio.registered_commands:
        assert len(item.callback.__doc__.strip().splitlines()) == 1
        assert item.epilog.startswith("Example: labelhedge verify label-studio ")


def test_export_and_import_by_command(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    printed = run(app, ["verify", "label-studio", "export", "small", "--limit", "3", "--split", "train"])
    assert printed.exit_code == 0, printed.output
    assert printed.output.startswith("3 tasks written to tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    done = [annotated(task, number, annotation("owl")) for number, task in enumerate(tasks)]
    (tmp_path / "export.json").write_text(json.dumps(done))
    printed = run(app, ["verify", "label-studio", "import", "small", "export.json"])
    assert printed.exit_code == 0, printed.output
    assert columns_of(small.folder)["verified"][:3] == [[2], [2], [2]]


def test_another_key_names_the_sample(tmp_path):
    task = {"id": 1, "data": {"photo": 17}, "annotations": [annotation("cat")]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    assert read_votes(tmp_path / "export.json", Reading(task_column="photo")).said[0].task == "17"


# --- the real server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(address, session of an HTTP client that is logged in) of a Label Studio that the tests start."""
    program = os.environ.get("LABELHEDGE_LABEL_STUDIO")
    if not program:
        pytest.skip("LABELHEDGE_LABEL_STUDIO does not name the executable of Label Studio")
    httpx = pytest.importorskip("httpx")
    folder = tmp_path_factory.mktemp("label-studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = "0123456789abcdef" * 2 + "01234567"
    environment = os.environ | {
        "HOME": str(folder),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }
    options = ["start", "--no-browser", "--data-dir", folder / "data", "--port", str(port)]
    person = ["--username", "ana@host.example", "--password", "a-long-word-1", "--user-token", token]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *options, *person], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=address, headers={"Authorization": f"Token {token}"}, timeout=60) as client:
                _wait(client, httpx, process, folder / "log")
                yield client
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def _wait(client, httpx, process, log, seconds=600):
    for _ in range(seconds):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if client.get("/api/projects/").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    raise AssertionError(f"Label Studio does not answer after {seconds} s: {log.read_text()[-3000:]}")


def test_a_whole_round_through_label_studio(server, small, tmp_path):
    tasks, _ = export(small, tmp_path, limit=6)
    config = (tmp_path / "config.xml").read_text()
    project = server.post("/api/projects/", json={"title": "round", "label_config": config})
    assert project.status_code == 201, project.text
    number = project.json()["id"]
    done = server.post(f"/api/projects/{number}/import", json=tasks)
    assert done.status_code == 201, done.text
    guessed = sum(len(task["predictions"]) for task in tasks)
    assert (done.json()["task_count"], done.json()["prediction_count"]) == (6, guessed)
    listed = server.get("/api/tasks/", params={"project": number, "page_size": 50, "fields": "all"}).json()["tasks"]
    ids = {task["data"]["id"]: task["id"] for task in listed}

    def annotate(sample, *choices, **changes):
        body = {"result": annotation(*choices)["result"]} | changes
        answer = server.post(f"/api/tasks/{ids[sample]}/annotations/", json=body)
        assert answer.status_code == 201, answer.text

    annotate("s00", "dog")
    annotate("s01", "cat", "owl")
    annotate("s02")  # background
    annotate("s03", "cat", was_cancelled=True)
    annotate("s04", "owl", ground_truth=True)
    exported = server.get(f"/api/projects/{number}/export", params={"exportType": "JSON", "download_all_tasks": "true"})
    assert exported.status_code == 200, exported.text
    (tmp_path / "export.json").write_bytes(exported.content)
    arguments = ["verify", "label-studio", "import", str(small.folder), str(tmp_path / "export.json")]
    printed = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "checked")])
    assert printed.exit_code == 0, printed.output
    before, after = columns_of(small.folder), columns_of(tmp_path / "checked")
    assert after["verified"][:3] == [[1], [0, 2], []]
    assert after["verified"][4] == [2]  # the known answer
    assert after["verified"][3] == before["verified"][3]  # skipped
    assert after["trusted"][:6] == [True, True, True, before["trusted"][3], True, before["trusted"][5]]
