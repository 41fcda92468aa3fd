"""The commands of docs/import.md run as they stand, on folders as the page shows them."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import picture
from import_help import link, write_images, write_lists
from labelhedge.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "import.md"
COMMANDS = re.findall(r"^labelhedge (.*)$", PAGE.read_text(), flags=re.M)


def shown(start):
    (line,) = [line for line in COMMANDS if line.startswith(start)]
    return line


def run(line):
    done = CliRunner().invoke(app, shlex.split(line), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(autouse=True)
def at_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_class_folders():
    for start, label in enumerate(("cat", "dog", "background")):
        for n in range(20):
            for folder in ("photos", "checked") if n < 10 else ("photos",):
                path = Path(folder, label, f"{n}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(100 * start + n))
    assert "30 checked training images were shared out" in run(shown("corpus import folder"))
    assert "nothing wrong" in run(shown("corpus check"))
    description = lh.Corpus.open("my-corpus").describe()
    assert (description.clean, description.noisy, description.licence) == (18, 30, "CC BY 4.0")


def test_tables():
    Path("photos").mkdir()
    for n in range(1, 4):
        Path(f"photos/{n}.jpg").write_bytes(picture(n))
    (table,) = re.findall(r"^```\n(file,.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    Path("images.csv").write_text(table)
    assert "2 (0 background)" in run(shown("corpus import table"))
    corpus = lh.Corpus.open("table-corpus")
    assert [label.name for label in corpus.labels] == ["cat", "dog"]
    assert corpus.samples.trusted.tolist() == [True, False, False]
    assert corpus.samples.verified.toarray().tolist() == [[False, True], [False, False], [False, False]]


def test_hugging_face():
    datasets = pytest.importorskip("datasets", reason="pip install 'labelhedge[datasets]'")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    parts = {}
    for start, name in enumerate(("train", "validation", "test")):
        images = [{"bytes": picture(10 * start + n), "path": None} for n in range(4)]
        parts[name] = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 0, 1]}, features=features)
    datasets.DatasetDict(parts).save_to_disk("my-dataset")
    assert "4 (0 background)" in run(shown("corpus import hf"))
    assert lh.Corpus.open("hf-corpus").evaluation_view("dev").truth.nnz == 4


def test_webdataset():
    webdataset = pytest.importorskip("webdataset", reason="pip install 'labelhedge[datasets]'")
    Path("classes.txt").write_text("cat\ndog\n")
    for part in range(2):
        with webdataset.TarWriter(f"shards-{part:03d}.tar") as writer:
            for n in range(10):
                writer.write({"__key__": str(n), "png": picture(10 * part + n), "cls": n % 2})
    assert "20 training images were shared out" in run(shown("corpus import webdataset"))
    assert len(lh.Corpus.open("web-corpus").evaluation_view("test")) == 6


def test_the_papers_data():
    """All but the download itself: its folder is written here as it would be."""
    rows = {
        "clean": [("n1001", 0), ("n1002", 1)],
        "full": [("n1001", 0), ("n1002", 1), ("aa1", 0), ("aa2", 1)],
        "dev": [("n1003", 0), ("bb1", -1)],
        "test": [("n1004", 1), ("bb2", -1)],
    }
    folder = write_lists(Path("yfcc100m_entity/Species-I"), **rows)
    (folder.parent / "LICENSE.pdf").write_bytes(b"terms")
    assert "4 addresses in urls.csv" in run(shown("corpus import yfcc-urls"))
    assert shown("collect download") == "collect download urls.csv --out images"
    urls = [line.split(",")[1] for line in Path("urls.csv").read_text().split()[1:]]
    write_images(Path("images"), {url: picture(n) for n, url in enumerate(urls)})
    for n in range(1, 5):
        file = Path("ImageNet") / link(f"n100{n}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(50 + n))
    output = run(shown("corpus import yfcc-entity"))
    assert "left out" not in output
    corpus = lh.Corpus.open("corpora/species-i")
    assert str(corpus.describe()).count("2 (1 background)") == 2
    assert (corpus.folder / "LICENSE.pdf").read_bytes() == b"terms"
    recipe = PAGE.parents[1] / shown("run").removeprefix("run ")
    assert lh.Recipe.load(recipe).corpus == "corpora/species-i"
