"""Builds of a graph that were killed or failed: what the next one makes of the store that they left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from labelhedge.cli import app
from labelhedge.graph import triple_store
from labelhedge.graph.build import read_labels
from labelhedge.graph.job import build_file

FOX = "urn:labelhedge:name:fox"


def build(folder, *arguments):
    """The output of `graph build` in a folder; its error is raised."""
    command = ["graph", "build", "--labels", str(folder / "l.csv"), "--out", str(folder / "g.nt"), *map(str, arguments)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


BUILD = """
import sys
from labelhedge.graph import files
from labelhedge.cli import main
files.CHUNK = 2000
main()
"""


def kill_build(folder, source, out):
    """Kill a build when it has loaded two pieces; returns the ledger of its store."""
    command = ["graph", "build", "--labels", "l.csv", "--from", source, "--out", out, "--relations", "all"]
    process = subprocess.Popen([sys.executable, "-c", BUILD, *command], cwd=folder)
    ledger = folder / f".{out}.store" / "ledger.json"
    deadline = time.monotonic() + 60
    while not (ledger.exists() and _offset(ledger) > 4000):
        assert process.poll() is None, "the build was over before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return ledger


def test_a_build_that_is_killed_goes_on_and_ends_with_the_same_bytes(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\n" + "".join(f"urn:l{n},label {n}\n" for n in range(50)))
    facts = "".join(f"<urn:l{n % 60}> <urn:r{n % 3}> <urn:u{n % 11}> .\n" for n in range(2000))
    (tmp_path / "facts.nt").write_text(facts)
    labels, options = read_labels(tmp_path / "l.csv"), {"sources": [str(tmp_path / "facts.nt")], "relations": "all"}
    said = [what for what in build_file(labels, tmp_path / "whole.nt", **options) if isinstance(what, str)]
    ledger = kill_build(tmp_path, "facts.nt", "killed.nt")
    assert 4000 < _offset(ledger) < len(facts)
    assert not (tmp_path / "killed.nt").exists()
    again = [what for what in build_file(labels, tmp_path / "killed.nt", **options) if isinstance(what, str)]
    assert (tmp_path / "killed.nt").read_bytes() == (tmp_path / "whole.nt").read_bytes()
    assert again[:-1] == said[:-1]  # all counts; the last line names the file
    assert not ledger.parent.exists()


def _offset(ledger):
    return max((entry["offset"] for entry in json.loads(ledger.read_text())["files"].values()), default=0)


# killed, then something else


def test_a_build_that_was_killed_adds_nothing_to_one_of_other_files(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\n" + "".join(f"urn:l{n},label {n}\n" for n in range(50)))
    (tmp_path / "a.nt").write_text("".join(f"<urn:l{n % 50}> <urn:old> <urn:u{n}> .\n" for n in range(3000)))
    statements = "".join(f"<urn:l{n}> <urn:new> <urn:u{n // 5}> .\n" for n in range(50))
    (tmp_path / "b.nt").write_text(statements)
    ledger = kill_build(tmp_path, "a.nt", "g.nt")
    named = tmp_path / "named"
    ledger.parent.rename(named)
    with pytest.raises(
        ValueError, match=r"named holds .*a\.nt too, which is not among the sources.*delete that folder"
    ):
        build(tmp_path, "--from", tmp_path / "b.nt", "--relations", "all", "--store", named)
    named.rename(ledger.parent)
    out = build(tmp_path, "--from", tmp_path / "b.nt", "--relations", "all")
    assert "relations: new\n" in out
    assert sorted((tmp_path / "g.nt").read_text().splitlines()) == sorted(statements.splitlines())
    assert hidden(tmp_path) == []


def test_turtle_with_an_error_leaves_nothing_behind_when_it_is_corrected(tmp_path, monkeypatch):
    monkeypatch.setattr(triple_store, "BATCH", 1)  # what stands before the error is in the store
    (tmp_path / "l.csv").write_text("uri,name\nurn:a,a\nurn:b,b\n")
    (tmp_path / "a.ttl").write_text("@prefix : <urn:> .\n:a :r :wrong .\n:a :r .\n")
    with pytest.raises(ValueError, match=r"a\.ttl, line 3"):
        build(tmp_path, "--from", tmp_path / "a.ttl", "--relations", "all")
    (tmp_path / "a.ttl").write_text("@prefix : <urn:> .\n:a :r :right .\n")
    build(tmp_path, "--from", tmp_path / "a.ttl", "--relations", "all")
    assert (tmp_path / "g.nt").read_text() == "<urn:a> <urn:r> <urn:right> .\n"


def test_answers_of_endpoints_outlast_other_files(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\nurn:a,a\n")
    (tmp_path / "a.nt").write_text("<urn:b> <urn:r> <urn:u> .\n")
    (tmp_path / "b.nt").write_text("<urn:c> <urn:r> <urn:u> .\n")
    with pytest.raises(ValueError, match="no label was found"):
        build(tmp_path, "--from", tmp_path / "a.nt")
    answers = tmp_path / ".g.nt.store" / "answers"
    answers.mkdir()
    (answers / "one.srj").write_text("{}")
    with pytest.raises(ValueError, match="no label was found"):
        build(tmp_path, "--from", tmp_path / "b.nt")
    assert (answers / "one.srj").read_text() == "{}"
    assert hidden(tmp_path) == [".g.nt.store"]


# failed, then tried in another way


def test_what_an_error_advises_can_be_done(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\nhttp://own/1,fox\nhttp://own/2,wolf\n")
    (tmp_path / "b.csv").write_text("fox,Canidae,family\nwolf,Canidae,family\n")
    source = ["--from", tmp_path / "b.csv", "--relations", "family"]
    with pytest.raises(ValueError, match="no label has the relation"):
        build(tmp_path, *source)
    with pytest.raises(ValueError, match=r"no label was found in the sources.*--match name and --prefix"):
        build(tmp_path, *source[:2])
    build(tmp_path, *source, "--match", "name", "--prefix", "http://dbpedia.org/resource/")
    assert (tmp_path / "g.nt").read_text() == "".join(
        f"<http://own/{n}> <http://dbpedia.org/ontology/family> <http://dbpedia.org/resource/Canidae> .\n"
        for n in (1, 2)
    )
    assert hidden(tmp_path) == []


def test_columns_that_held_nothing_are_forgotten_by_a_store_that_stays(tmp_path):
    (tmp_path / "l.csv").write_text(f"uri,name\n{FOX},fox\n")
    (tmp_path / "b.csv").write_text("fox,Canidae,family,\n")
    common = ["--from", tmp_path / "b.csv", "--relations", "all", "--store", tmp_path / "store"]
    for columns, cause in [("animal,tail,relation", "no column 'animal'"), ("1,2,4", "holds no triple")]:
        with pytest.raises(ValueError, match=cause):
            build(tmp_path, *common, "--columns", columns)
    build(tmp_path, *common)
    assert "Canidae" in (tmp_path / "g.nt").read_text()


def test_a_file_that_changed_is_loaded_afresh(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\nurn:a,a\n")
    for text in ("<urn:b> <urn:r> <urn:u> .\n", "<urn:c> <urn:r> <urn:old> .\n<urn:b> <urn:r> <urn:old> .\n"):
        (tmp_path / "a.nt").write_text(text)
        with pytest.raises(ValueError, match="no label was found"):
            build(tmp_path, "--from", tmp_path / "a.nt")
    (tmp_path / "a.nt").write_text("<urn:a> <urn:r> <urn:u> .\n")
    build(tmp_path, "--from", tmp_path / "a.nt", "--relations", "all")
    assert (tmp_path / "g.nt").read_text() == "<urn:a> <urn:r> <urn:u> .\n"


# killed while the store is removed

HALF = """
import os, pathlib, shutil, signal
def half(folder, *arguments, **options):
    (pathlib.Path(folder) / "ledger.json").unlink()
    os.kill(os.getpid(), signal.SIGKILL)
shutil.rmtree = half
from labelhedge.cli import main
main()
"""


def test_a_build_that_is_killed_while_it_removes_its_store_is_in_nobodys_way(tmp_path):
    (tmp_path / "l.csv").write_text("uri,name\nurn:a,a\n")
    (tmp_path / "a.nt").write_text("<urn:a> <urn:r> <urn:u> .\n")
    command = ["graph", "build", "--labels", "l.csv", "--from", "a.nt", "--out", "g.nt", "--relations", "all"]
    killed = subprocess.run([sys.executable, "-c", HALF, *command], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    written = (tmp_path / "g.nt").read_bytes()
    assert hidden(tmp_path) != []
    build(tmp_path, "--from", tmp_path / "a.nt", "--relations", "all", "--overwrite")
    assert (tmp_path / "g.nt").read_bytes() == written
    assert hidden(tmp_path) == []


def test_a_store_whose_ledger_was_never_finished_is_begun_again(tmp_path):
    (tmp_path / "ledger.tmp").write_text('{"vers')
    (tmp_path / "a.nt").write_text("<urn:a> <urn:r> <urn:u> .\n")
    folder = tmp_path / "store"
    folder.mkdir()
    (tmp_path / "ledger.tmp").rename(folder / "ledger.tmp")
    with triple_store.TripleStore(folder) as store:
        assert store.load(tmp_path / "a.nt").triples == 1
