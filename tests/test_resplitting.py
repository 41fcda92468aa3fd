"""`corpus split`: an existing corpus with new splits."""

from __future__ import annotations

import io
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import encoded, picture, table_of
from labelhedge.cli import app
from labelhedge.corpus.resplitting import resplit
from labelhedge.errors import LabelhedgeError


def test_a_corpus_is_split_anew(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "old", size=60, parts=3)
    made = resplit(lh.Corpus.open(folder), tmp_path / "new", seed=1, near=False)
    old, new = table_of(folder), table_of(tmp_path / "new")
    for column in set(old.column_names) - {"split", "trusted"}:
        assert new[column].to_pylist() == old[column].to_pylist()
    assert new.column_names == old.column_names
    assert made.corpus.graph_path.read_text() == (folder / "graph.nt").read_text()
    sizes = Counter(new["split"].to_pylist())
    assert [sizes[name] for name in ("train", "test", "dev")] == pytest.approx([36, 18, 6], abs=2)
    assert sum(new["trusted"].to_pylist()) == pytest.approx(0.2 * 36, abs=3)
    assert "labelhedge corpus split small TARGET --fractions 6:3:1 --seed 1" in made.corpus.info.description
    rows = {name: cells for name, *cells in made.rows()}
    assert rows["all"][:3] == [str(sizes[name]) for name in ("train", "dev", "test")]
    assert list(rows) == ["cat", "dog", "owl", "background", "all"]
    assert made.sentence() == "60 samples in 60 groups; 0 samples are not alone in theirs"


def test_near_duplicates_and_a_column_keep_samples_on_one_side(make_corpus, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [picture(seed, (32, 24)) for seed in range(10)]
    copies = [encoded(Image.open(io.BytesIO(data)), "JPEG", quality=90) for data in pictures]
    data = [*pictures, *copies, *(picture(seed, (32, 24)) for seed in range(100, 120))]
    owners = [*map(str, range(20)), *("xy"[i % 2] for i in range(18)), None, None]
    order = rng.permutation(40).tolist()
    columns = {
        "image": [{"bytes": data[i], "path": None} for i in order],
        "owner": [owners[i] for i in order],
    }
    corpus = lh.Corpus.open(make_corpus(tmp_path / "old", size=40, columns=columns))
    made = resplit(corpus, tmp_path / "new", group_column="owner", workers=2)
    split = dict(zip(order, made.corpus.samples.split.tolist(), strict=True))
    assert all(split[i] == split[10 + i] for i in range(10))
    assert len({split[i] for i in range(20, 38, 2)}) == len({split[i] for i in range(21, 38, 2)}) == 1
    assert (made.groups, made.grouped) == (14, 38)
    again = resplit(corpus, tmp_path / "again", group_column="owner", workers=1)
    assert again.corpus.hash == made.corpus.hash


def test_identical_images_stay_together_even_without_near_duplicates(make_corpus, tmp_path):
    same = [{"bytes": picture(i // 4), "path": None} for i in range(40)]
    folder = make_corpus(tmp_path / "old", size=40, columns={"image": same, "split": ["train"] * 40})
    made = resplit(lh.Corpus.open(folder), tmp_path / "new", near=False)
    assert made.groups == 10
    assert len(set(made.corpus.samples.split)) == 3


def test_files_about_the_whole_corpus_go_with_it(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "old")
    files = {"LICENSE.pdf": b"%PDF", "definitions.csv": b"label,definition\n", "README.md": b"# Old"}
    for name, content in {**files, "photo.png": b"", "left-out.csv": b"", ".LICENSE": b""}.items():
        (folder / name).write_bytes(content)
    resplit(lh.Corpus.open(folder), tmp_path / "new", near=False)
    found = {path.name: path for path in (tmp_path / "new").iterdir()}
    assert found.keys() == {*files, "corpus.json", "samples", "graph.nt"}
    assert {name: found[name].read_bytes() for name in files} == files


def test_only_checked_samples_become_trusted(make_corpus, tmp_path):
    verified = [None if i % 3 else [i % 2] for i in range(60)]
    columns = {"verified": verified, "trusted": [False] * 60}
    folder = make_corpus(tmp_path / "old", size=60, columns=columns)
    corpus = lh.Corpus.open(folder)
    samples = resplit(corpus, tmp_path / "new", near=False).corpus.samples
    assert samples.trusted.tolist() == (samples.checked & (samples.split == "train")).tolist()
    assert {*samples.split[samples.checked]} == {"train", "dev", "test"}
    with pytest.raises(LabelhedgeError, match="take a smaller share"):
        resplit(corpus, tmp_path / "other", near=False, clean_share=0.9)


def test_what_cannot_be_split_is_refused(make_corpus, tmp_path):
    corpus = lh.Corpus.open(make_corpus(tmp_path / "old"))
    with pytest.raises(LabelhedgeError, match="exists already"):
        resplit(corpus, tmp_path / "old")
    with pytest.raises(LabelhedgeError, match=r"no column 'series'.*title"):
        resplit(corpus, tmp_path / "new", group_column="series")
    assert not (tmp_path / "new").exists()


def test_the_command_prints_samples_by_split_and_label(make_corpus, tmp_path):
    folder = make_corpus(tmp_path / "old", size=40)
    result = CliRunner().invoke(app, ["corpus", "split", str(folder), str(tmp_path / "new"), "--fractions", "8:1:1"])
    assert result.exit_code == 0, result.output
    assert re.search(r"all +32 +4 +4 ", result.output)
    assert "40 samples in" in result.output


def test_the_command_says_when_a_clean_share_is_missed(make_corpus, tmp_path):
    """40 labels of 5 training samples each: a share of 0.05 is a quarter of a sample of every label."""
    labels = [[number % 40] for number in range(320)]
    columns = {"observed": labels, "verified": labels, "split": ["train"] * 320, "trusted": [False] * 320}
    names = [{"id": f"label-{number}", "name": f"label {number}"} for number in range(40)]
    folder = make_corpus(tmp_path / "old", size=320, columns=columns, info={"labels": names})

    def split(name, share):
        arguments = [str(folder), str(tmp_path / name), "--no-near-duplicates", "--clean-share", share]
        result = CliRunner().invoke(app, ["corpus", "split", *arguments])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split()), int(lh.Corpus.open(tmp_path / name).samples.trusted.sum())

    output, drawn = split("few", "0.05")
    wanted, train = map(int, re.search(r"asks for (\d+) of (\d+) training samples, but", output).groups())
    assert wanted == round(0.05 * train)
    assert drawn < 0.9 * wanted
    assert f"but {drawn} were drawn: the draw rounds label by label. Ask for a larger share" in output
    output, drawn = split("half", "0.5")
    assert drawn == pytest.approx(0.5 * train, rel=0.1)
    assert "were drawn" not in output
