"""What the tests of votes share: corpora that nobody checked, and short ways to write votes and known answers."""

from __future__ import annotations

import hashlib

import pytest

import labelhedge as lh

CAT, DOG, OWL = 0, 1, 2


@pytest.fixture
def corpus(make_corpus, tmp_path):
    """A multi-label corpus of 12 samples that nobody checked: s00 observed as cat, s01 as dog, s02 as cat and owl."""
    observed = [[CAT], [DOG], [CAT, OWL], *([[DOG]] * 6), *([[]] * 3)]
    return lh.Corpus.open(
        make_corpus(
            tmp_path / "plain",
            size=12,
            columns={"observed": observed, "verified": [None] * 12, "trusted": [False] * 12},
        )
    )


@pytest.fixture
def one_label(make_corpus, tmp_path):
    """The same with labels that exclude each other."""
    columns = {
        "observed": [[row % 3] for row in range(12)],
        "verified": [[OWL] if row == 9 else None for row in range(12)],
        "trusted": [False] * 12,
    }
    return lh.Corpus.open(make_corpus(tmp_path / "one", size=12, columns=columns, info={"exclusive": True}))


@pytest.fixture
def say(tmp_path):
    """Write votes as CSV: `say("s00 ana cat", "s00 ben -")` are choices, four words are answers."""

    def say(*lines, name="votes.csv"):
        words = [["" if word == "-" else word for word in line.split()] for line in lines]
        header = ["task", "worker", "label", "answer"][: len(words[0])]
        path = tmp_path / name
        path.write_text("".join(",".join(row) + "\n" for row in [header, *words]))
        return path

    return say


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def know(tmp_path):
    """Write known answers as CSV: `know("task,label", "s00,cat")`."""

    def know(*lines, name="golden.csv"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return know
