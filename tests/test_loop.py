"""The loop of docs/loop.md, as commands: train, check what helps, settle, ask whether it is enough, train again."""

import pytest
import yaml
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app
from labelhedge.review import OrderSettings, make_tasks
from labelhedge.verify import Vote, VoteStore

RECIPE = {
    "methods": {"noisy": None, "distill": {"check": False}},
    "network": {"kind": "alexnet-bn", "image_size": 32, "width": 0.05},
    "training": {"epochs": 2, "batch_size": 12},
}


def command(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def review(folder, run, count):
    """What `labelhedge review --order useful --run RUN` asks, answered by the truth."""
    corpus = lh.Corpus.open(folder)
    tasks = make_tasks(corpus, "useful", OrderSettings(run=run, limit=count))
    truth = corpus.samples.verified
    with VoteStore(folder / "votes.sqlite") as store:
        store.begin("useful")
        for number, (row, label) in enumerate(tasks):
            answer = "yes" if label in truth[[row]].indices else "no"
            names = (corpus.samples.ids[row], corpus.labels[label].id)
            store.add([Vote(f"{count}-{number}", *names, "ana", answer)])
    return tasks


@pytest.fixture
def folder(make_corpus, tmp_path):
    return make_corpus(tmp_path / "corpus", size=80)


def test_train_review_settle_ask_and_train_again(folder, tmp_path):
    run = tmp_path / "run"
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "corpus": str(folder), "out": str(run)}))
    before = lh.Corpus.open(folder).samples.trusted.sum()
    first = command("run", tmp_path / "recipe.yaml")
    assert "more images were checked" not in first
    tasks = review(folder, run, 12)
    assert "newly trusted (train)" in command("verify", "votes", folder)
    checked = lh.Corpus.open(folder).samples.trusted.sum() - before
    assert checked >= len({task.row for task in tasks}) - 1  # of the last sample not all may have been asked
    asked = command("verify", "enough", folder, "--run", run)
    assert "checked labels were asked about because they looked doubtful" in asked
    assert "order useful" in asked
    again = command("run", tmp_path / "recipe.yaml")
    assert f"since the run before {checked} more images were checked" in again
    assert "What checking has brought" in (run / "report.html").read_text()
    assert f"since the run before {checked} more images" in command("verify", "enough", folder, "--run", run)


def test_after_the_review_the_same_questions_are_not_asked_again(folder, tmp_path):
    run = tmp_path / "run"
    lh.run(lh.Recipe(**RECIPE, corpus=str(folder), out=str(run)))
    rows = {task.row for task in review(folder, run, 12)}
    command("verify", "votes", folder)
    settled = lh.Corpus.open(folder).samples.trusted
    assert not [
        task for task in make_tasks(lh.Corpus.open(folder), "useful", OrderSettings(run=run)) if settled[task.row]
    ]
    assert sum(settled[row] for row in rows) >= len(rows) - 1
