"""The command line: help for everything, a quick start, one line for what the user can mend."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import GROUPS, app, importing, review, runs, verify
from labelhedge.cli.common import typed
from labelhedge.review import OrderSettings, make_tasks

ALL = (runs.app, review.app, importing.app, verify.studio, *GROUPS.values())
COMMANDS = [command for group in ALL for command in group.registered_commands]
HEAVY = ("torch", "pyarrow", "scipy", "accelerate", "onnxruntime", "pydantic")


def command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "labelhedge", *arguments], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def finished(make_corpus, tmp_path_factory):
    """A run of two methods, through the command line."""
    folder = tmp_path_factory.mktemp("cli")
    make_corpus(folder / "tiny", size=80)
    (folder / "recipe.yaml").write_text(
        "corpus: tiny\nmethods: [distill]\nseeds: 3\nout: run\n"
        "network: {kind: alexnet-bn, image_size: 32, width: 0.05}\ntraining: {epochs: 2, batch_size: 16}\n"
    )
    done = command("run", "recipe.yaml", "--seeds", "1", "--epochs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_importing_the_command_line_loads_nothing_heavy():
    code = f"import sys, labelhedge.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("item", COMMANDS, ids=lambda item: item.callback.__name__)
def test_every_command_has_a_line_of_description_and_an_example(item):
    assert len(item.callback.__doc__.strip().splitlines()) == 1
    assert item.epilog.startswith("Example: labelhedge ")


def test_help_names_every_command():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in ("demo", "run", "report", "rank", "risk", "predict", "corpus"):
        assert name in result.output


def test_a_run_prints_the_table_and_where_the_report_is(finished):
    folder, output = finished
    for word in ("clean", "noisy", "distill", "test mAP", "against noisy", "report: run/report.html"):
        assert word in output
    results = lh.Results.load(folder / "run")
    assert [(result.seed, result.epochs) for result in results.results] == [(0, 1)] * 3  # flags won over the file


def test_the_library_does_what_the_command_does(finished, tmp_path, monkeypatch):
    folder, _ = finished
    monkeypatch.chdir(folder)
    recipe = lh.Recipe.load("recipe.yaml", seeds=1, training={"epochs": 1}, out=str(tmp_path / "library"))
    results = lh.run(recipe)
    assert [r.test_map for r in results.results] == [r.test_map for r in lh.Results.load("run").results]


def test_report_rank_predict_and_corpus(finished, monkeypatch):
    folder, _ = finished
    monkeypatch.chdir(folder)
    run = CliRunner().invoke
    (folder / "run" / "report.html").unlink()
    assert "distill" in run(app, ["report", "run"]).output
    assert (folder / "run" / "report.html").exists()
    ranked = run(app, ["rank", "run", "--label", "dog", "--count", "4"]).output
    assert ranked.count("dog") == 4
    assert "24" in run(app, ["corpus", "describe", "tiny"]).output
    assert "80 images decoded" in run(app, ["corpus", "check", "tiny"]).output
    picture = folder / "photos" / "one.png"
    picture.parent.mkdir()
    picture.write_bytes(next(data for _, data in lh.Corpus.open("tiny").images.read()))
    printed = run(app, ["predict", "run/models/distill", "photos", "--top", "2"])
    assert printed.exit_code == 0
    assert "one.png: " in printed.output.replace("\n", "")
    assert run(app, ["predict", "run/models/distill", "photos", "--out", "p.csv"]).exit_code == 0
    with (folder / "p.csv").open() as file:
        header, row = list(csv.reader(file))
    assert header == ["image", "cat", "dog", "owl"]
    assert all(0 <= float(value) <= 1 for value in row[1:])
    again = command("predict", "run/models/distill", "photos", "--out", "p.csv", cwd=folder)
    assert (again.returncode, "p.csv is there already: pass --overwrite" in again.stderr) == (2, True)
    assert run(app, ["predict", "run/models/distill", "photos", "--out", "p.csv", "--overwrite"]).exit_code == 0


def test_predict_passes_over_what_cannot_be_read_and_names_it(finished):
    folder, _ = finished
    photos = folder / "mixed"
    photos.mkdir()
    images = [data for _, data in lh.Corpus.open(folder / "tiny").images.read()][:20]
    for number, data in enumerate(images):
        (photos / f"{number:02}.png").write_bytes(data)
    (photos / "03.png").write_bytes(b"no image")
    (photos / "17.png").write_bytes(images[17][:60])
    done = command("predict", "run/models/noisy", "mixed", "--out", "mixed.csv", cwd=folder)
    assert done.returncode == 0
    assert done.stdout == "18 predictions: mixed.csv\n"
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        f"passed over {Path('mixed') / name}" for name in ("03.png", "17.png")
    ]
    with (folder / "mixed.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    left = [number for number in range(20) if number not in (3, 17)]
    assert [row[0] for row in rows] == [str(Path("mixed") / f"{number:02}.png") for number in left]
    expected = lh.Predictor.load(folder / "run" / "models" / "noisy").predict([images[number] for number in left])
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), expected, atol=1e-4)
    with pytest.raises(ValueError, match=r"03\.png"):
        lh.Predictor.load(folder / "run" / "models" / "noisy").predict([photos / "02.png", photos / "03.png"])


def test_predict_takes_each_image_once_and_nothing_hidden(finished):
    folder, _ = finished
    photos = folder / "twice" / "in it"
    (photos / ".cache").mkdir(parents=True)
    data = next(data for _, data in lh.Corpus.open(folder / "tiny").images.read())
    for name in ("one.png", "._one.png", ".cache/two.png"):
        (photos / name).write_bytes(data)
    done = command("predict", "run/models/noisy", "twice", "twice/in it", "twice/in it/one.png", cwd=folder)
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [str(Path("twice") / "in it" / "one.png")]


def test_the_predictor_takes_images_of_pillow_and_refuses_what_is_none(finished):
    folder, _ = finished
    predictor = lh.Predictor.load(folder / "run" / "models" / "noisy")
    data = next(data for _, data in lh.Corpus.open(folder / "tiny").images.read())
    opened = predictor.predict([Image.open(io.BytesIO(data))])
    np.testing.assert_array_equal(opened, predictor.predict([data]))
    for one in ("one.png", data, Path("one.png"), Image.open(io.BytesIO(data))):
        with pytest.raises(TypeError, match="a list of images is needed"):
            predictor.predict(one)
    with pytest.raises(TypeError, match="an image is ndarray: give a path, encoded bytes, or an image of Pillow's"):
        predictor.predict([np.zeros((8, 8, 3), np.uint8)])


def test_doubtful_labels_go_into_a_file_that_the_review_page_takes(finished):
    folder, _ = finished
    done = command("rank", "run", "--out", "doubtful.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    corpus = lh.Corpus.open(folder / "tiny")
    with (folder / "doubtful.csv").open() as file:
        rows = list(csv.DictReader(file))
    untrusted = {corpus.samples.ids[row] for row in corpus.rows("train") if not corpus.samples.trusted[row]}
    assert {row["id"] for row in rows} == untrusted
    suspicions = [float(row["suspicion"]) for row in rows]
    assert suspicions == sorted(suspicions, reverse=True)
    asked = make_tasks(corpus, str(folder / "doubtful.csv"), OrderSettings(limit=5))
    assert [corpus.samples.ids[task.row] for task in asked] == [row["id"] for row in rows[:5]]
    again = command("rank", "run", "--out", "doubtful.csv", cwd=folder)
    assert (again.returncode, "--overwrite" in again.stderr) == (2, True)


def test_a_run_is_found_with_its_corpus_from_any_folder(finished, tmp_path):
    folder, _ = finished
    (folder / "elsewhere").mkdir(exist_ok=True)
    for here in (folder / "elsewhere", tmp_path):
        done = command("report", str(folder / "run"), cwd=here)
        assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "run", tmp_path / "moved")
    lost = command("report", "moved", cwd=tmp_path)
    assert (lost.returncode, "tiny: there is no such folder" in lost.stderr) == (2, True)
    found = command("report", "moved", "--corpus", str(folder / "tiny"), cwd=tmp_path)
    assert found.returncode == 0, found.stderr


def test_predict_fails_where_no_image_can_be_read(finished):
    folder, _ = finished
    (folder / "broken.png").write_bytes(b"no image")
    done = command("predict", "run/models/noisy", "broken.png", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "labelhedge: none of the images can be read"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "there is no recipe nowhere.yaml"),
        (["run", "--corpus", "nowhere"], "there is no such folder"),
        (["run"], "corpus: this setting is needed"),
        (["run", "--corpus", "tiny", "--methods", "distil"], "did you mean 'distill'"),
        (["run", "--corpus", "tiny", "--seeds", "x"], "seeds:"),
        (["report", "nowhere"], "results.json is missing"),
        (["rank", "run", "--label", "cow"], "no label 'cow'; it has: cat, dog, owl"),
        (["rank", "run", "--method", "guided"], "no pseudo labels of 'guided'"),
        (["predict", "nowhere", "x.png"], "holds no model.json"),
        (["predict", "run/models/noisy", "x.png"], "there is no image or folder x.png"),
        (["corpus", "check", "recipe.yaml"], "there is no such folder"),
        (["rank", "run", "--count", "0"], "'--count': "),
        (["rank", "run", "--metod", "noisy"], "no such option: --metod"),
        (["rank"], "(see `python -m labelhedge rank --help`)"),
        (["corpus", "describ", "tiny"], "no such command 'describ'"),
        (["corpus", "corrupt", "tiny", "noisy", "--noise", "symetric:0.2"], "did you mean 'symmetric'"),
        (["corpus", "corrupt", "tiny", "run", "--noise", "pair:0.2"], "run exists already: choose another folder"),
    ],
)
def test_what_the_user_can_mend_is_said_in_one_line(finished, arguments, message):
    folder, _ = finished
    done = command(*arguments, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("labelhedge: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_group_alone_prints_its_help(tmp_path):
    done = command("corpus", cwd=tmp_path)
    assert "describe" in done.stdout
    assert done.stderr == ""


def test_settings_of_a_linker_come_as_what_they_are():
    given = {"confidence": "0.5", "support": "3", "plurals": "false", "glued": "True", "domains": "species"}
    wanted = {"confidence": 0.5, "support": 3, "plurals": False, "glued": True, "domains": "species"}
    assert typed(given) == wanted
    assert [type(value) for value in typed(given).values()] == [float, int, bool, bool, str]
