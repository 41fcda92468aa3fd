"""Photos are linked in parts: nothing is lost, a killed job goes on, and how it was run does not show in its bytes."""

import bz2
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from collect_help import Words, linked_table, rejects_of, state, yfcc_line
from labelhedge.cli import app
from labelhedge.collect import count_domains, link_photos
from labelhedge.collect.duplicates import repeated_ids
from labelhedge.collect.parts import LINKED
from labelhedge.collect.records import PHOTO, REJECTS
from outside_data import outside

WORDS = Words("fox", "hare", "snow")
HERE = str(Path(__file__).parent)


def lines(count, *, first=1, bad=()):
    """Lines of metadata; those of `bad` are none."""
    titles = ["A+red+fox", "A+hare%2C+a+fox", "nothing", "snow+on+snow"]
    return [
        "bad" if number in bad else yfcc_line(number, title=f"{titles[number % 4]}+{number}")
        for number in range(first, first + count)
    ]


@pytest.fixture
def metadata(tmp_path):
    path = tmp_path / "photos.tsv"
    path.write_text("\n".join(lines(100, bad=(5, 61))) + "\n")
    return path


def link(photos, out, **options):
    return link_photos(photos, out, **({"linker": WORDS, "workers": 1, "part_size": 30} | options))


def test_a_job_with_other_options_of_its_linker_says_which(tmp_path):
    (tmp_path / "photos.txt").write_text("\n".join(lines(3)))
    (tmp_path / "names.txt").write_text("fox\nhare")

    def link(**options):
        return link_photos(
            tmp_path / "photos.txt",
            tmp_path / "out",
            linker=str(tmp_path / "names.txt"),
            linker_options=options,
            format="yfcc",
            workers=1,
        )

    link(confidence=0.5)
    with pytest.raises(
        ValueError, match=r"the linker's confidence was 0.5, now 0.6; the linker's plurals was its default, now False"
    ):
        link(confidence=0.6, plurals=False)
    with pytest.raises(ValueError, match=r"the linker's confidence was 0.5, now its default"):
        link()
    (tmp_path / "other.txt").write_text("fox")
    with pytest.raises(ValueError, match=r"the linker was .*names.txt, now .*other.txt"):
        link_photos(tmp_path / "photos.txt", tmp_path / "out", linker=str(tmp_path / "other.txt"), format="yfcc")
    link(confidence=0.5)


def test_a_folder_of_linked_photos(metadata, tmp_path):
    out = tmp_path / "linked"
    summary = link(metadata, out)
    assert (summary.files, summary.read, summary.linked, summary.rejected) == (1, 100, 98, 2)
    assert summary.reasons == {"1 columns, not 25 or 23": 2}
    assert summary.with_entities == 73
    names = [f"part-00000-{number:06d}.parquet" for number in range(4)]
    assert sorted(path.name for path in (out / "photos").iterdir()) == names
    assert sorted(path.name for path in (out / "rejects").iterdir()) == names
    table = linked_table(out)
    assert table.schema.names[: len(LINKED)] == LINKED.names == [*PHOTO.names, "entities"]
    assert table.schema.field("entities").type == LINKED.field("entities").type
    assert table.num_rows == 98
    first = table.to_pylist()[0]
    assert first["entities"] == [
        {"uri": "urn:word:hare", "name": "hare", "text": "hare", "offset": 2, "score": 0.5},
        {"uri": "urn:word:fox", "name": "fox", "text": "fox", "offset": 10, "score": 0.5},
    ]
    for row in table.to_pylist():
        for entity in row["entities"]:
            assert row["text"][entity["offset"] :].startswith(entity["text"])
    assert [(reject["line"], reject["content"]) for reject in rejects_of(out)] == [(5, "bad"), (61, "bad")]
    assert pq.read_schema(out / "rejects" / names[0]).equals(REJECTS)
    assert json.loads((out / "summary.json").read_text())["read"] == 100
    printed = " ".join(str(cell) for column in summary.table().columns for cell in column.cells)
    assert "1 columns, not 25 or 23" in printed
    assert summary.line("x") == "100 read = 98 linked + 2 rejected: x"


def test_how_it_runs_changes_nothing(metadata, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)
    link(metadata, tmp_path / "one")
    link(metadata, tmp_path / "two", workers=2)
    assert state(tmp_path / "one") == state(tmp_path / "two")


def test_a_finished_job_is_left_alone_and_a_missing_part_made_again(metadata, tmp_path):
    out = tmp_path / "linked"
    summary = link(metadata, out)
    before = state(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert link(metadata, out) == summary
    assert {path: path.stat().st_mtime_ns for path in times} == times
    (out / "photos" / "part-00000-000001.parquet").unlink()
    (out / "photos" / "part-00000-000002.parquet").write_bytes(b"cut off")
    (out / "photos" / ".part-00000-000001.parquet.7-ab.tmp").write_bytes(b"half")
    assert link(metadata, out) == summary
    assert state(out) == before


def test_a_compressed_file_gives_the_photos_of_the_plain_one_and_goes_on_too(metadata, tmp_path):
    packed = tmp_path / "photos.tsv.bz2"
    packed.write_bytes(bz2.compress(metadata.read_bytes()))
    out = tmp_path / "packed"
    assert link(packed, out).read == 100
    link(metadata, tmp_path / "plain")
    assert linked_table(out).equals(linked_table(tmp_path / "plain"))
    before = state(out)
    (out / "photos" / "part-00000-000002.parquet").unlink()
    (out / "summary.json").unlink()
    assert link(packed, out).read == 100
    assert state(out) == before


@pytest.mark.parametrize("count", [0, 29, 30, 31, 60])
@pytest.mark.parametrize("packed", [False, True])
def test_parts_at_the_edges(tmp_path, count, packed):
    path = tmp_path / ("photos.bz2" if packed else "photos")
    data = "".join(line + "\n" for line in lines(count)).encode()
    path.write_bytes(bz2.compress(data) if packed else data)
    summary = link(path, tmp_path / "linked", format="yfcc")
    assert (summary.read, summary.linked) == (count, count)
    assert len(list((tmp_path / "linked" / "photos").iterdir())) == max(1, -(-count // 30))


def test_another_job_in_the_folder_is_refused_with_what_differs(metadata, tmp_path):
    out = tmp_path / "linked"
    link(metadata, out)
    with pytest.raises(ValueError, match="part_size was 30, now 40"):
        link(metadata, out, part_size=40)
    with pytest.raises(ValueError, match=r"linker Words reads or does something else.*'fox hare snow', now 'fox'"):
        link(metadata, out, linker=Words("fox"))
    other = tmp_path / "other.tsv"
    other.write_text("\n".join(lines(3)))
    with pytest.raises(ValueError, match=r"photos.tsv was read, and now is not; .*other.tsv was not read"):
        link(other, out)
    with metadata.open("a") as file:
        file.write(lines(1, first=500)[0] + "\n")
    with pytest.raises(ValueError, match=r"photos.tsv has changed. Begin again with --fresh"):
        link(metadata, out)
    assert link(metadata, out, fresh=True).read == 101
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"mine holds something else \(thesis.tex\)"):
        link(metadata, tmp_path / "mine")


def test_wrong_settings_are_named(metadata, tmp_path):
    with pytest.raises(ValueError, match="the runner is 'spark'; it may be native or ray"):
        link(metadata, tmp_path / "a", runner="spark")
    with pytest.raises(ValueError, match="the part size is 0"):
        link(metadata, tmp_path / "b", part_size=0)
    with pytest.raises(ValueError, match="0 workers: one at least is needed"):
        link(metadata, tmp_path / "c", workers=0)
    with pytest.raises(ValueError, match="lies in the folder of images"):
        link(tmp_path, tmp_path / "d", format="folder")


class Failing(Words):
    """A linker that fails as one does that the user can mend."""

    def link(self, texts):
        from labelhedge.errors import LabelhedgeError

        raise LabelhedgeError("the service does not answer: start it")


def test_an_error_of_a_worker_comes_out_as_it_is(metadata, tmp_path):
    with pytest.raises(ValueError, match=r"^the service does not answer: start it"):
        link(metadata, tmp_path / "linked", linker=Failing("fox"))


# --- repeated ids


def test_an_id_counts_once_in_all_the_input(tmp_path):
    first, second = tmp_path / "a.tsv", tmp_path / "b.tsv.bz2"
    first.write_text("\n".join([*lines(40), *lines(5, first=3)]))  # twice in one file, two parts apart
    second.write_bytes(bz2.compress("\n".join([*lines(35, first=31), *lines(2, first=50)]).encode()))
    out = tmp_path / "linked"
    summary = link([first, second], out, part_size=20)
    ids = linked_table(out)["id"].to_pylist()
    assert sorted(map(int, ids)) == list(range(1, 66))
    assert summary.read == 45 + 37 == summary.linked + summary.rejected
    assert summary.reasons == {"the id stands before in the input": 5 + 10 + 2}
    rejected = rejects_of(out)
    assert [reject["line"] for reject in rejected if reject["file"].endswith("a.tsv")] == [41, 42, 43, 44, 45]
    assert rejected[0]["content"] == lines(1, first=3)[0]
    before = state(out)
    (out / "photos" / "part-00001-000000.parquet").unlink()  # which is made again with its repeated ids, then without
    link([first, second], out, part_size=20)
    assert state(out) == before


def test_repeated_ids_are_found_in_any_number_of_buckets(tmp_path):
    ids = [[str(number) for number in range(0, 60)], [str(number) for number in range(50, 90)], ["3", "89", "x"]]
    for number, part in enumerate(ids):
        pq.write_table(pa.table({"id": part}), tmp_path / f"part-00000-{number:06d}.parquet")
    for bucket in (7, 50, 10_000):
        found = repeated_ids(tmp_path, bucket)
        assert {key: sorted(value) for key, value in found.items()} == {
            (0, 1): [str(number) for number in range(50, 60)],
            (0, 2): ["3", "89"],
        }


# --- several inputs


def test_inputs_of_several_forms_give_one_table(metadata, tmp_path):
    (tmp_path / "more.csv").write_text("id,title,votes\n900,A fox,3\n901\n")
    out = tmp_path / "linked"
    summary = link([metadata, tmp_path / "more.csv"], out)
    assert (summary.files, summary.read, summary.rejected) == (2, 102, 3)
    table = linked_table(out)
    assert {"hash", "votes"} <= set(table.schema.names)
    assert table.to_pylist()[-1]["votes"] == "3"
    pq.write_table(pa.table({"id": ["a"], "title": ["x"], "votes": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="the column 'votes' has type int64, and string in an input before"):
        link([tmp_path / "more.csv", tmp_path / "other.parquet"], tmp_path / "x")


def test_a_folder_of_images_is_linked_by_its_listing(tmp_path):
    from PIL import Image

    pictures = tmp_path / "pictures"
    (pictures / "sub").mkdir(parents=True)
    for number in range(7):
        Image.new("RGB", (4, 4)).save(pictures / "sub" / f"{number}.png")
        (pictures / "sub" / f"{number}.txt").write_text("a fox in snow")
    (pictures / "notes.md").touch()
    out = tmp_path / "linked"
    summary = link(pictures, out, part_size=3)
    assert (summary.read, summary.linked, summary.entities) == (8, 7, 14)
    assert linked_table(out)["id"].to_pylist() == [f"sub/{number}.png" for number in range(7)]
    before = state(out)
    (out / "photos" / "part-00000-000001.parquet").unlink()
    link(pictures, out, part_size=3)
    assert state(out) == before


@pytest.mark.parametrize("change", ["an image more", "a sidecar edited", "a sidecar more", "an image less"])
def test_a_changed_folder_of_images_is_noticed(tmp_path, change):
    from PIL import Image

    pictures = tmp_path / "pictures"
    (pictures / "sub").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (4, 4)).save(pictures / "sub" / f"{number}.png")
    sidecar = pictures / "sub" / "0.txt"
    sidecar.write_text("a fox")
    link(pictures, tmp_path / "linked")
    if change == "an image more":
        Image.new("RGB", (4, 4)).save(pictures / "new.png")
    elif change == "an image less":
        (pictures / "sub" / "2.png").unlink()
    elif change == "a sidecar edited":
        known = sidecar.stat()
        sidecar.write_text("a cat")
        os.utime(sidecar, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    else:
        (pictures / "sub" / "1.TXT").write_text("a hare")
    with pytest.raises(ValueError, match=r"pictures has changed\. Begin again with --fresh"):
        link(pictures, tmp_path / "linked")
    assert link(pictures, tmp_path / "linked", fresh=True).read == {"an image more": 4, "an image less": 2}.get(
        change, 3
    )


def test_several_folders_of_images_are_linked_whole(tmp_path):
    from PIL import Image

    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for number in range(3):
            Image.new("RGB", (4, 4)).save(tmp_path / place / f"IMG_{number}.JPG", "JPEG")
    summary = link([tmp_path / "a", tmp_path / "b"], tmp_path / "linked")
    assert (summary.linked, summary.rejected) == (6, 0)


def test_lines_of_records_quoted_over_lines_are_counted(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text('id,title\n1,"a\nfox\n"\n2,b\n3\n')
    summary = link(path, tmp_path / "linked")
    assert (summary.read, summary.linked, summary.rejected, summary.further_lines) == (3, 2, 1, 2)
    assert summary.read + summary.further_lines == path.read_bytes().count(b"\n") - 1
    printed = " ".join(str(cell) for column in summary.table().columns for cell in column.cells)
    assert "further lines of records" in printed


def test_the_lock_stays_so_that_two_jobs_never_hold_it(metadata, tmp_path):
    out = tmp_path / "linked"
    link(metadata, out)
    with (out / ".lock").open() as waiting:  # a job that has opened the file, and does not hold it yet
        link(metadata, out)
        assert os.fstat(waiting.fileno()).st_nlink == 1
        fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(ValueError, match="another job writes to"):
            link(metadata, out)


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


def run(script, *arguments, **variables):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")])} | variables
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
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
