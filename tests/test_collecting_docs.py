"""docs/collecting.md runs as it stands, from a folder of tagged photos to a trained model."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import labelhedge as lh
from labelhedge.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "collecting.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
FILES = iter(re.findall(r"`(\w+\.csv)`:\n\n```csv", PAGE.read_text()))


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each command of the page printed."""
    outputs, names, files = {}, {}, list(FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tour"))
        for language, block in BLOCKS:
            if language == "csv":
                Path(files.pop(0)).write_text(block)
            elif language == "python":
                exec(compile(block, PAGE.name, "exec"), names)
            else:
                for line in block.strip().splitlines():
                    done = CliRunner().invoke(app, shlex.split(line)[1:], catch_exceptions=False)
                    assert done.exit_code == 0, f"{line}\n{done.output}"
                    outputs[" ".join(line.split()[1:3])] = done.output
        yield outputs


def test_no_photo_is_lost(printed):
    assert "2,025 read = 2,025 linked + 0 rejected" in printed["collect link"]


def test_labels_are_chosen_and_related(printed):
    assert "all: 5 labels" in printed["collect domains"]
    assert "4 triples" in printed["graph build"]
    assert "nothing wrong" in printed["corpus check"]
    assert "4 of 5 labels have siblings" in printed["corpus check"]


def test_the_corpus_holds_what_was_checked(printed):
    description = lh.Corpus.open("my-corpus").describe()
    assert (description.clean, description.noisy) == (157, 138)
    assert 0.6 < description.precision < 1


def test_the_model_is_of_use(printed):
    results = lh.Results.load("runs/mine")
    assert results.methods == ["noisy", "clean", "distill", "hedge"]
    assert results.of("hedge")[0].test_map > 0.6
    assert re.search(r": mammal (0\.9\d|1\.00), ", printed["predict runs/mine/models/hedge"])
    assert Path("runs/mine/report.html").exists()
    assert "doubted by hedge" in printed["rank runs/mine"]
    assert "baseball_bat" in printed["rank runs/mine"]
    assert "does not show the noise" not in printed["run --corpus"]
