"""`corpus import photos`: what is refused, what is printed, what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import assemble_help
import labelhedge as lh
from assemble_help import (
    NAMES,
    entity,
    photo,
    tagged,
    vocabulary,
    write_csv,
    write_linked,
)
from corpus_help import picture, table_of
from labelhedge.cli import app
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.labels import CorpusLabels
from labelhedge.errors import LabelhedgeError

labels, pictures = assemble_help.labels, assemble_help.pictures


# what is refused


def test_what_cannot_be_assembled_is_refused(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, unrelated=5))

    def refused(match, folder=linked, target="corpus", **options):
        with pytest.raises(LabelhedgeError, match=match):
            assemble_corpus(folder, tmp_path / target, labels, **options)
        assert not (tmp_path / "corpus").exists()

    refused("is no complete folder of linked photos: run labelhedge collect link first", folder=tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "summary.json").write_text("{}")
    refused("holds no part", folder=tmp_path / "empty")
    refused("exists already", target="linked")
    refused("share below 1 or a whole number", background=1.5)
    refused("share below 1 or a whole number", background=-1)
    refused("between 0 and 1", min_score=2)
    refused(r"no label has 1000 images: 65 photos read", min_images=1000)
    (tmp_path / "bad.nt").write_text("no triples")
    refused(r"bad\.nt, line 1", graph=tmp_path / "bad.nt")
    twice = write_linked(tmp_path / "twice", [*tagged(pictures), photo("p00", ["cat"], pictures / "140.png")])
    refused("'p00' stands twice", folder=twice)
    again = write_linked(tmp_path / "again", [*tagged(pictures), photo("p00", [], pictures / "140.png")])
    refused("'p00' stands twice", folder=again)
    (tmp_path / "lacking" / "photos").mkdir(parents=True)
    (tmp_path / "lacking" / "summary.json").write_text("{}")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "lacking" / "photos" / "part-0.parquet")
    refused("lacks the column 'entities'", folder=tmp_path / "lacking")


def test_what_a_killed_linker_left_is_not_assembled(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures), parts=2)
    (linked / "summary.json").unlink()
    (linked / "photos" / "part-00001.parquet").unlink()
    with pytest.raises(LabelhedgeError, match="is no complete folder of linked photos: run labelhedge collect link"):
        assemble_corpus(linked, tmp_path / "corpus", labels)
    assert not (tmp_path / "corpus").exists()


def test_an_image_that_changes_meanwhile_stops_the_job(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, unrelated=0))
    calls = Counter()

    def prepare(data):
        calls[data] += 1
        return picture(calls[data]) if data == (pictures / "3.png").read_bytes() else data

    with pytest.raises(LabelhedgeError, match=r"3\.png has changed"):
        assemble_corpus(linked, tmp_path / "corpus", labels, prepare=prepare)
    assert not (tmp_path / "corpus").exists()


# the command


def test_the_command_prints_what_was_kept_and_dropped(pictures, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures))
    checks = write_csv(tmp_path / "checks.csv", ["id", "labels"], [[f"p{i:02}", NAMES[i % 3]] for i in range(50)])
    options = ["--vocabulary", vocabulary(tmp_path / "v.csv"), "--checked", checks, "--background", "0.25"]
    options += ["--fractions", "6:2:2", "--min-images-per-label", "5", "--image-size", "16", "--workers", "2"]
    result = CliRunner().invoke(app, ["corpus", "import", "photos", *map(str, [linked, tmp_path / "corpus", *options])])
    assert result.exit_code == 0, result.output
    for words in ("120", "80 in 80 groups", "40 without an entity", "categories", " checked, 4 background)"):
        assert words in result.output
    assert lh.Corpus.open(tmp_path / "corpus").check().split(", ")[2].startswith("nothing wrong")


def test_a_finished_corpus_is_replaced_only_if_that_is_asked_for(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures))
    first = assemble_corpus(linked, tmp_path / "corpus", labels)
    with pytest.raises(LabelhedgeError, match=r"exists already: .* --overwrite"):
        assemble_corpus(linked, tmp_path / "corpus", labels)
    again = assemble_corpus(linked, tmp_path / "corpus", labels, background=0, overwrite=True)
    assert first.corpus.describe().background["train"] > 0
    assert again.corpus.describe().background["train"] == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(LabelhedgeError, match=r"choose another folder$"):
        assemble_corpus(linked, tmp_path / "other", labels, overwrite=True)


@pytest.mark.parametrize(("licence", "said"), [("CC0", "see the column licence"), (None, "unknown")])
def test_the_licence_is_looked_for_where_the_photos_have_one(pictures, labels, tmp_path, licence, said):
    photos = [{**one, "licence": licence} for one in tagged(pictures)]
    made = assemble_corpus(write_linked(tmp_path / "linked", photos), tmp_path / "corpus", labels)
    assert made.corpus.info.licence == said


KILLED = """
import sys, time
from labelhedge.collect.assemble import assemble_corpus
from labelhedge.collect.assembly.labels import CorpusLabels

calls = []

def prepare(data):
    calls.append(1)
    if len(calls) > 40 + 25:  # all 40 were looked at; now they are written
        print("writing", flush=True)
        time.sleep(600)
    return data

linked, target, vocabulary = sys.argv[1:]
assemble_corpus(linked, target, CorpusLabels.read(vocabulary), background=10, seed=4, prepare=prepare)
"""


def test_a_killed_import_leaves_nothing_and_ends_with_the_same_bytes(pictures, labels, tmp_path):
    linked = write_linked(tmp_path / "linked", tagged(pictures, 30, 10), parts=2)
    killed, whole = tmp_path / "killed" / "corpus", tmp_path / "whole" / "corpus"
    killed.parent.mkdir()
    arguments = [sys.executable, "-c", KILLED, str(linked), str(killed), str(tmp_path / "vocabulary.csv")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not killed.exists()
    assert {path.name for path in killed.parent.iterdir()} == {".corpus.partial", ".corpus.lock"}
    for target in (killed, whole):
        assert assemble_corpus(linked, target, labels, background=10, seed=4).kept == 40
    assert [path.name for path in killed.parent.iterdir()] == ["corpus"]
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (killed, whole)
    )
    assert first == second
    assert len(first) == 2


def test_photos_are_read_and_written_in_portions(pictures, labels, tmp_path, monkeypatch):
    monkeypatch.setattr("labelhedge.collect.assembly.linked._BATCH", 7)
    monkeypatch.setattr("labelhedge.collect.assembly.job._ROWS", 20)
    linked = write_linked(tmp_path / "linked", tagged(pictures), parts=2)
    made = assemble_corpus(linked, tmp_path / "portions", labels, name="x")
    monkeypatch.undo()
    whole = assemble_corpus(linked, tmp_path / "whole", labels, name="x")
    assert made.corpus.hash == whole.corpus.hash
    sizes = [count for _, count in made.corpus.images.parts]
    assert len(sizes) == 4
    assert max(sizes) <= 26
    assert np.sum(sizes) == whole.kept


def test_the_embedded_corpus_comes_out_as_it_is(tmp_path):
    """Its drawings as linked photos: the same labels, splits and trusted samples, in the same order."""
    corpus = lh.Corpus.open("clipart")
    rows = table_of(corpus.folder).to_pylist()
    photos = []
    for number, row in enumerate(rows):
        path = tmp_path / f"{number}.webp"
        path.write_bytes(row["image"]["bytes"])
        entities = [entity(corpus.labels[one["label"]].id, 1.0, one["text"]) for one in row["evidence"]]
        photos.append(photo(row["id"], entities, path, creator=row["creator"]))
    labels = CorpusLabels(corpus.labels, {f"urn:{label.id}": (n,) for n, label in enumerate(corpus.labels)})
    made = assemble_corpus(
        write_linked(tmp_path / "linked", photos),
        tmp_path / "corpus",
        labels,
        checks={row["id"]: tuple(row["verified"]) for row in rows},
        groups={row["id"]: row["group"] for row in rows},
        near_duplicates=False,
        clean_share=0.2,
        background=0,
        seed=2017,
        workers=2,
    )
    assert (made.kept, made.dropped, made.rare) == (len(rows), {}, [])
    again = table_of(tmp_path / "corpus").to_pylist()
    for column in ("id", "image", "observed", "verified", "trusted", "split", "group", "creator"):
        assert [row[column] for row in again] == [row[column] for row in rows], column
    words = [[(one["label"], one["text"]) for one in row["evidence"]] for row in again]
    # Here a label is one entity: what led to it by two meanings of one word stands once.
    assert words == [list(dict.fromkeys((one["label"], one["text"]) for one in row["evidence"])) for row in rows]
