"""What is told of a corpus: its statistics, and what makes its scores say little."""

from __future__ import annotations

import io
from dataclasses import asdict

import pytest
from rich.console import Console

import labelhedge as lh
from corpus_help import (
    random_columns,
)


def slow_description(columns, count):
    """The statistics, sample by sample; observed labels are judged on what is checked of train."""
    found = {"categories": count, "train": 0, "dev": 0, "test": 0, "clean": 0, "noisy": 0}
    background = {"train": 0, "dev": 0, "test": 0}
    hits = given = true = empty = mislabelled = 0
    for i, split in enumerate(columns["split"]):
        observed, verified = columns["observed"][i], columns["verified"][i]
        found[split] += 1
        if split == "train":
            found["clean" if columns["trusted"][i] else "noisy"] += 1
        background[split] += not (observed if verified is None else verified)
        if verified is not None and split == "train":
            hits += len(set(observed) & set(verified))
            given += len(observed)
            true += len(verified)
            empty += not verified
            mislabelled += not verified and bool(observed)
    return {
        **found,
        "background": background,
        "precision": hits / given,
        "recall": hits / true,
        "background_mislabelled": mislabelled / empty,
    }


@pytest.mark.parametrize("seed", range(5))
def test_describe_agrees_with_its_slow_twin(make_corpus, tmp_path, seed):
    columns = random_columns(seed)
    found = asdict(lh.Corpus.open(make_corpus(tmp_path / "corpus", size=60, columns=columns)).describe())
    expected = slow_description(columns, 3)
    assert found["background"] == expected.pop("background")
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_describe_counts_a_tiny_corpus_as_by_hand(make_corpus, tmp_path):
    columns = {
        "split": ["train", "train", "train", "train", "dev", "test"],
        "observed": [[0, 1], [], [2], [1], [0], []],
        "verified": [[0], None, [], [1, 2], [], []],
        "trusted": [True, False, True, False, False, False],
    }
    found = lh.Corpus.open(make_corpus(tmp_path / "corpus", size=6, columns=columns)).describe()
    assert (found.name, found.licence, found.categories) == ("small", "CC0", 3)
    assert (found.train, found.dev, found.test) == (4, 1, 1)
    assert (found.clean, found.noisy) == (2, 2)
    assert found.background == {"train": 2, "dev": 1, "test": 1}  # rows 1 (nobody checked) and 2; 4; 5
    assert found.precision == pytest.approx(2 / 4)
    assert found.recall == pytest.approx(2 / 3)
    assert found.background_mislabelled == pytest.approx(1)
    assert (found.judged, found.judged_in, found.judged_background) == (3, "train", 1)
    unchecked = columns | {"verified": [None] * 4 + [[], []], "trusted": [False] * 6}
    found = lh.Corpus.open(make_corpus(tmp_path / "other", size=6, columns=unchecked)).describe()
    assert (found.precision, found.background_mislabelled) == (0, 0.5)
    assert (found.judged, found.judged_in, found.judged_background) == (2, "dev and test", 2)


def test_describe_prints_what_it_found(make_corpus, tmp_path):
    found = lh.Corpus.open(make_corpus(tmp_path / "corpus")).describe()
    console = Console(file=io.StringIO(), width=100)
    console.print(found)
    for text in (str(found), console.file.getvalue()):
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert "train 12 (3 background)" in lines
        assert "clean : noisy 4 : 8" in lines
        quality = f"precision {found.precision:.2f}, recall {found.recall:.2f}"
        assert f"observed labels {quality} (12 images of train)" in lines


def test_it_says_how_many_of_dev_and_test_are_checked_and_what_a_run_lacks(make_corpus, tmp_path):
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus"))
    dev, test = corpus.rows("dev").tolist(), corpus.rows("test").tolist()
    assert "checked" not in str(corpus.describe())
    cells = {(row, "verified"): None for row in test[:2]} | {(row, "verified"): [] for row in dev}
    found = lh.Corpus.open(make_corpus(tmp_path / "part", cells=cells))
    assert found.describe().checked == {"dev": len(dev), "test": len(test) - 2}
    assert f"{len(test)} ({len(test) - 2} checked, " in str(found.describe())
    assert "no checked sample of dev has a label, and a run needs some that do" in found.check()
    cells = {(row, "verified"): None for row in test}
    assert "test has no checked sample" in lh.Corpus.open(make_corpus(tmp_path / "none", cells=cells)).check()


def test_scores_that_would_say_little_are_spoken_of(make_corpus, tmp_path):
    few = lh.Corpus.open(make_corpus(tmp_path / "few"))
    assert few.caveats() == [
        "2 checked images of dev are few to measure on",
        "every checked image of dev has dog: its average precision is 100",
        "6 checked images of test are few to measure on",
    ]
    assert "nothing wrong; mind: 2 checked images of dev" in few.check()
    size = 75
    splits = (["train", "dev", "test"] * 25)[:size]
    verified = [[row % 2] if split != "dev" else [0] for row, split in enumerate(splits)]
    columns = {"split": splits, "verified": verified, "observed": verified, "trusted": [False] * size}
    one = {"labels": [{"id": "cat", "name": "cat"}, {"id": "dog", "name": "dog"}]}
    several = lh.Corpus.open(make_corpus(tmp_path / "several", size=size, columns=columns, info=one))
    assert several.caveats() == [
        "no checked image of dev has dog: 1 of 2 labels not scored",
        "every checked image of dev has cat: its average precision is 100",
    ]
    single = lh.Corpus.open(make_corpus(tmp_path / "one", size=size, columns=columns, info=one | {"exclusive": True}))
    assert single.caveats() == ["every checked image of dev is cat: scores there say nothing"]
    alone = columns | {"verified": [[0]] * size, "observed": [[0]] * size}
    alike = lh.Corpus.open(
        make_corpus(tmp_path / "alike", size=size, columns=alone, info={"labels": one["labels"][:1], "exclusive": True})
    )
    assert alike.caveats() == ["there is one label, which every image has: every score is 100"]


def test_where_nobody_checked_nothing_is_said_about_the_noise(make_corpus, tmp_path):
    columns = {"verified": [None] * 20, "trusted": [False] * 20}
    corpus = lh.Corpus.open(make_corpus(tmp_path / "corpus", columns=columns))
    found = corpus.describe()
    assert (found.precision, found.recall, found.background_mislabelled) == (None, None, None)
    assert found.background == {"train": 1, "dev": 0, "test": 2}  # by the observed labels: rows 11; 7 and 19
    assert "precision" not in str(found)
    for split in ("dev", "test", "no split"):
        with pytest.raises(lh.CorpusError, match=rf"{split}.*To mend it: "):
            corpus.evaluation_view(split)
