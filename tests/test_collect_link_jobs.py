"""`collect link` as a job: killed, waited for, on Ray, with a service, within its memory."""

import bz2
import fcntl
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest
from typer.testing import CliRunner

import link_help
from collect_help import Words, state, yfcc_line
from labelhedge.cli import app
from labelhedge.collect import count_domains
from link_help import HERE, WORDS, lines, link
from outside_data import outside

metadata = link_help.metadata


def test_the_lock_stays_so_that_two_jobs_never_hold_it(metadata, tmp_path):
    out = tmp_path / "linked"
    link(metadata, out)
    with (out / ".lock").open() as waiting:  # a job that has opened the file, and does not hold it yet
        link(metadata, out)
        assert os.fstat(waiting.fileno()).st_nlink == 1
        fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(ValueError, match="another job writes to"):
            link(metadata, out)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("job.json", '{"version"'),
        ("job.json", "[]"),
        ("job.json", '{"linker": {}}'),
        ("summary.json", ""),
        ("summary.json", '{"files": 1}'),
    ],
)
def test_a_damaged_file_of_a_job_is_named(metadata, tmp_path, name, content):
    out = tmp_path / "linked"
    link(metadata, out)
    (out / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} is damaged .*: begin again with --fresh"):
        link(metadata, out)
    assert link(metadata, out, fresh=True).linked > 0


def test_a_list_of_names_by_another_path_is_the_same_linker(metadata, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("names.csv").write_text("name\nfox\nhare\n")
    Path("sub").mkdir()
    summary = link(metadata, "linked", linker="names.csv")
    for other in ("./names.csv", str(tmp_path / "names.csv"), "sub/../names.csv"):
        assert link(metadata, "linked", linker=other) == summary


class Spotlight(BaseHTTPRequestHandler):
    """A service that knows no entity, and refuses texts that speak of snow."""

    asked: ClassVar[list[str]] = []

    def do_POST(self):
        text = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["text"][0]
        self.asked.append(text)
        body = json.dumps({"@text": text}).encode()
        self.send_response(400 if "snow" in text else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.filterwarnings("ignore:.*texts were refused")
def test_spotlight_is_not_asked_again_and_what_it_refuses_is_counted(metadata, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Spotlight)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        settings = {"refused": "skip", "retries": 0, "rate": 10_000.0}
        linker, out = f"spotlight:http://127.0.0.1:{server.server_port}", tmp_path / "linked"
        Spotlight.asked.clear()
        summary = link(metadata, out, linker=linker, linker_options=settings)
        assert len(Spotlight.asked) == summary.linked == 98
        assert summary.refused == sum("snow" in text for text in Spotlight.asked) > 20
        printed = " ".join(str(cell) for column in summary.table().columns for cell in column.cells)
        assert "texts that the linker's service refused" in printed
        assert (out / "answers.sqlite").exists()
        for name in ("photos/part-00000-000001.parquet", "photos/part-00000-000002.parquet", "summary.json"):
            (out / name).unlink()
        Spotlight.asked.clear()
        assert link(metadata, out, linker=linker, linker_options=settings) == summary
        assert Spotlight.asked
        assert all("snow" in text for text in Spotlight.asked)  # refusals are not kept
        other = tmp_path / "mine.sqlite"
        link(metadata, tmp_path / "other", linker=linker, linker_options=settings | {"cache": str(other)})
        assert other.exists()
        assert not (tmp_path / "other" / "answers.sqlite").exists()
    finally:
        server.shutdown()
        server.server_close()


# --- kill, memory, the real lines, the command


SCRIPT = """
import resource, sys
from collect_help import Words
from labelhedge.collect import link_photos

if __name__ == "__main__":
    photos, out, workers, part_size = sys.argv[1:]
    link_photos(photos, out, linker=Words("fox"), workers=int(workers), part_size=int(part_size))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(script, *arguments, stderr=subprocess.PIPE, **variables):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")])} | variables
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=stderr, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_a_killed_job_goes_on_to_the_same_bytes(tmp_path, packed):
    script, data = tmp_path / "job.py", "\n".join(lines(400)).encode()
    script.write_text(SCRIPT)
    path = tmp_path / ("photos.tsv.bz2" if packed else "photos.tsv")
    path.write_bytes(bz2.compress(data) if packed else data)
    out = tmp_path / "killed"
    job = run(script, path, out, 1 if packed else 2, 10, LINK_DELAY="0.1")
    end = time.monotonic() + 60
    while len(list((out / "photos").glob("part-*"))) < 4 and time.monotonic() < end:
        assert job.poll() is None, job.stderr.read()
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    assert 4 <= len(list((out / "photos").glob("part-*"))) < 40
    assert not (out / "summary.json").exists()
    for folder in (out, tmp_path / "whole"):
        assert link(path, folder, linker=Words("fox"), part_size=10).read == 400
    assert state(out) == state(tmp_path / "whole")


def test_daft_says_nothing_on_a_terminal(metadata, tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT)
    terminal, end = pty.openpty()
    job = run(tmp_path / "job.py", metadata, tmp_path / "linked", 2, 50, stderr=end)
    job.communicate()
    assert job.returncode == 0
    os.write(end, b"done")
    assert os.read(terminal, 10_000) == b"done"


def test_memory_does_not_grow_with_the_input(tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT)
    description = "+".join(["words"] * 400)
    peaks = []
    for count in (1_500, 15_000):
        path = tmp_path / f"{count}.tsv.gz"
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.writelines(yfcc_line(number, description=description) + "\n" for number in range(count))
        job = run(tmp_path / "job.py", path, tmp_path / str(count), 1, 500)
        peaks.append(int(job.communicate()[0]))
    assert peaks[1] - peaks[0] < 15_000, peaks  # KiB, where there are 38,000 KiB of lines more


def test_the_real_lines_are_all_linked_or_rejected(tmp_path):
    summary = link(outside("yfcc100m_metadata.tsv"), tmp_path / "linked", linker=Words("beach", "dog"), part_size=100)
    assert (summary.read, summary.linked, summary.rejected) == (700, 700, 0)
    assert summary.with_entities > 10


def test_the_command(metadata, tmp_path, monkeypatch):
    seen = {}

    def opened(spec, options):
        seen.update(spec=spec, options=dict(options))
        return WORDS

    monkeypatch.setattr("labelhedge.collect.link.opened_linker", opened)
    monkeypatch.setattr("labelhedge.collect.parts.opened_linker", opened)
    arguments = ["collect", "link", str(metadata), "--linker", "names.csv", "--out", str(tmp_path / "linked")]
    arguments += ["--linker-option", "confidence=0.5", "--part-size", "30", "--workers", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "100 read = 98 linked + 2 rejected" in result.output
    assert "1 columns, not 25 or 23" in result.output
    assert seen == {"spec": "names.csv", "options": {"confidence": 0.5}}
    assert CliRunner().invoke(app, [*arguments, "--columns", "title"]).exit_code == 2


RAY = """
import os, sys
import ray
from collect_help import Words
from labelhedge.collect import count_domains, link_photos

start = ray.init

def init(**options):
    try:
        return start(**options)
    except Exception as error:  # which says something of this machine, and nothing of labelhedge
        print(f"ray.init: {error!r}", file=sys.stderr, flush=True)
        os._exit(77)

if __name__ == "__main__":
    ray.init = init
    photos, out, types = sys.argv[1:4]
    print(link_photos(photos, out, linker=Words("fox", "hare", "snow"), workers=1, part_size=30, runner="ray"))
    print(count_domains(out, [types], runner="ray"))
"""


def test_ray_gives_what_the_native_runner_gives(metadata, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "types.csv").write_text("uri,domain\nurn:word:fox,animals\nurn:word:hare,animals\n")
    (tmp_path / "job.py").write_text(RAY)
    arguments = (metadata, tmp_path / "ray", tmp_path / "types.csv")
    job = run(tmp_path / "job.py", *arguments)
    output, errors = job.communicate(timeout=240)
    if job.returncode == 77:
        pytest.skip(f"ray does not start here: {errors.splitlines()[-1:]}")
    assert job.returncode == 0, errors
    summary = link(metadata, tmp_path / "native")
    assert state(tmp_path / "ray") == state(tmp_path / "native")
    counts = count_domains(tmp_path / "native", [tmp_path / "types.csv"])
    assert output.splitlines()[-2:] == [str(summary), str(counts)]
