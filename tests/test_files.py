"""Files are written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labelhedge.files import new_file, replacing

STOPPED = """
import os, signal, sys
from labelhedge.files import replacing

with replacing(sys.argv[1]) as new:
    new.write_text("half a fi")
    print(new.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_new_file_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["results.json"]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(TypeError), replacing(path) as new, new.open("w") as file:
        file.writelines(["half a fi", 1])  # type: ignore[list-item]
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    stopped = subprocess.run([sys.executable, "-c", STOPPED, path], capture_output=True, text=True, check=False)
    assert stopped.returncode == -signal.SIGKILL
    left = stopped.stdout.strip()
    assert sorted(os.listdir(tmp_path)) == [left, "results.json"]
    assert path.read_text() == "old"
    # One that still runs, one of another machine, and one that somebody else's program wrote, stay.
    running = left.replace(f"-{left.split('-')[-2]}-", f"-{os.getpid()}-")
    foreign = ".results.json.elsewhere-" + "-".join(left.split("-")[-2:])
    others = {running, foreign, ".results.json.tmp"}
    for name in others:
        (tmp_path / name).write_text("theirs")
    with replacing(path) as new:
        new.write_text("new")
    assert set(os.listdir(tmp_path)) == {"results.json", *others}


def test_a_name_with_the_marks_of_patterns_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "a[1]*?.json"
    with replacing(path) as new:
        new.write_text("new")
    assert path.read_text() == "new"


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert new_file(path, overwrite=False) == path
    path.touch()
    with pytest.raises(FileExistsError, match=r"out\.csv is there already: pass --overwrite"):
        new_file(path, overwrite=False)
    assert new_file(path, overwrite=True) == path
    with pytest.raises(ValueError, match="is a folder"):
        new_file(tmp_path, overwrite=True)
    with pytest.raises(ValueError, match="is no folder: make it, or name another file with --json"):
        new_file(tmp_path / "nowhere" / "out.csv", overwrite=True, option="--json")
