"""`collect download` against a local server that stalls, truncates, redirects, lies and sends bombs."""

from __future__ import annotations

import asyncio
import csv
import gzip
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import download_help
import hostile_server
from download_help import FAST, NOISE, encode, tree
from hostile_server import HostileServer, answer, endless, picture, png_bomb, raw, redirect, stall, trickle
from labelhedge.cli import app
from labelhedge.collect.download import Settings, download
from labelhedge.collect.records import IMAGES
from labelhedge.errors import LabelhedgeError

fetch, server = download_help.fetch, hostile_server.server


def stored(tmp_path, row, out="images"):
    return Image.open(tmp_path / out / row["path"])


# --- What is stored ---


def test_images_are_stored_with_a_row_each_in_the_lists_order(server, fetch, tmp_path):
    for number in range(20):
        server.on(f"/{number}", answer(picture(number), after=0.02 * (number % 3)))
    rows, summary = fetch([server.url(f"/{number}") for number in range(20)])
    assert pq.read_schema(tmp_path / "images" / "images.parquet") == IMAGES
    assert [row["id"] for row in rows] == [str(number) for number in range(20)]
    assert (summary.asked, summary.stored, summary.failed, summary.fetched) == (20, 20, 0, 20)
    for number, row in enumerate(rows):
        with stored(tmp_path, row) as image:
            assert image.format == "JPEG"
            assert image.size == (row["width"], row["height"]) == (40, 30)
            wanted = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
            assert np.abs(np.array(image).astype(int) - wanted).max() < 6
        assert (tmp_path / "images" / row["path"]).stat().st_size == row["bytes"]
        assert row["reason"] is None
    headers = server.seen[0][1]
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"].startswith("labelhedge")


def test_no_id_and_no_address_leads_out_of_the_folder(server, fetch, tmp_path):
    server.otherwise(answer(picture()))
    ids = {
        "../../escape": server.url("/../../etc/x.jpg"),
        "/tmp/absolute": server.url("/%2e%2e%2f1"),
        "a\0b": server.url("/2"),
    }
    rows, _ = fetch(ids)
    assert [row["id"] for row in rows] == list(ids)
    for row in rows:
        path = tmp_path / "images" / row["path"]
        assert path.resolve().is_relative_to(tmp_path / "images" / "files")


def test_equal_addresses_are_fetched_once(server, fetch):
    url = server.on("/a", answer(picture(), after=0.05))
    rows, summary = fetch([url] * 30 + [url + "#part"])
    assert server.asked["/a"] <= 2  # the fragment makes another address, and is not sent
    assert summary.stored == 31
    assert len({row["path"] for row in rows[:30]}) == 1


def hostile(server):
    """Path, answers, and the reason they lead to."""
    big = encode(NOISE, "PNG")
    zipped = gzip.compress(b"\0" * 50_000_000)
    return {
        "/404": ([answer(b"gone", status=404)], "http 404"),
        "/410": ([answer(b"", status=410)], "http 410"),
        "/503": ([answer(b"", status=503)], "http 503"),
        "/304": ([answer(b"", status=304)], "http 304"),
        "/long-wait": ([answer(b"", status=429, Retry_After="3600")], "host asks to wait: 127.0.0.9"),
        "/stall": ([stall(server)], "timeout"),
        "/stall-body": ([stall(server, after_headers=True)], "timeout"),
        "/slow-loris": ([trickle(server, big, 0.1)], "timeout"),
        "/hang-up": ([raw(b"")], "connection failed: no answer in HTTP"),
        "/not-http": ([raw(b"SSH-2.0-OpenSSH_9.2\r\n")], "connection failed: no answer in HTTP"),
        "/cut": ([answer(big[:500], length=len(big))], "truncated: the connection ended before the image"),
        "/too-short": ([answer(big, length=len(big) // 2)], "truncated"),
        "/half": ([answer(big[: len(big) // 2])], "truncated"),
        "/html": ([answer(b"<html>sorry</html>")], "not an image: it starts with b'<html>sorry</htm'"),
        "/empty": ([answer(b"")], "not an image: it is empty"),
        "/stated": ([answer(b"x", length=10**12)], "too many bytes: more than 60000"),
        "/endless": ([endless(server)], "too many bytes: more than 60000"),
        "/gzip-bomb": ([answer(zipped, Content_Encoding="gzip")], "too many bytes: more than 60000"),
        "/gzip-not": ([answer(big, Content_Encoding="gzip")], "unknown encoding: no gzip"),
        "/brotli": ([answer(big, Content_Encoding="br")], "unknown encoding: br"),
        "/pixels": ([answer(png_bomb(12_000, 12_000))], "too many pixels: 12000 x 12000"),
        "/loop": ([redirect("/loop2")], f"redirect loop: {server.url('/loop')}"),
        "/loop2": ([redirect("/loop")], f"redirect loop: {server.url('/loop2')}"),
        "/file": ([redirect("file:///etc/passwd")], "redirect refused: to file:"),
        "/data": ([redirect("data:image/png;base64,AAAA")], "redirect refused: to no address"),
        "/nowhere": ([redirect("http://a.example:99999999/")], "redirect refused: to no address"),
        "/removed": ([redirect("/images/en-us/photo_unavailable.png")], "no longer available"),
    }


def test_every_failure_is_a_row_with_its_reason(server, fetch, tmp_path):
    wanted = hostile(server)
    for path, (answers, _) in wanted.items():
        server.on(path, *answers)
    hosts = {"/long-wait": "127.0.0.9"}
    urls = {path: server.url(path, hosts.get(path, "127.0.0.1")) for path in wanted}
    for step in range(8):
        server.on(f"/far{step}", redirect(f"/far{step + 1}"))
    urls |= {"far": server.url("/far0"), "none": None, "blank": "  ", "ftp": "ftp://a.example/x", "words": "not a url"}
    urls |= {
        "label": f"http://{'a' * 70}.example/",
        "port": "http://127.0.0.1:70000/",
        "good": server.on("/good", answer(picture())),
    }
    rows, summary = fetch(urls, per_host=32, max_bytes=60_000)
    reasons = {row["id"]: row["reason"] for row in rows}
    wanted = {path: reason for path, (_, reason) in wanted.items()}
    wanted |= {"far": "too many redirects: more than 5", "none": "no url", "blank": "no url", "good": None}
    wanted |= dict.fromkeys(["ftp", "words", "port"], "not a web address") | {"label": "host not found"}
    for name, reason in wanted.items():
        assert reasons[name] == reason or reasons[name].startswith(reason + ": "), name
    assert {row["id"] for row in rows if row["path"]} == {"good"}
    assert summary.failed == len(rows) - 1 == summary.reasons.total()
    assert summary.reasons["timeout"] == 3
    assert list((tmp_path / "images" / ".download" / "partial").iterdir()) == []
    assert server.asked["/404"] == server.asked["/html"] == server.asked["/endless"] == 1
    assert server.asked["/503"] == server.asked["/cut"] == server.asked["/stall"] == FAST["attempts"]


def test_a_host_that_cannot_be_reached_and_a_name_that_is_none(fetch):
    with HostileServer() as gone:
        url = gone.url("/a")
    rows, _ = fetch([url, "http://no-such-host.invalid/a"])
    assert [row["reason"] for row in rows] == ["connection failed", "host not found"]


def test_https_that_is_none(server, fetch):
    server.otherwise(answer(picture()))
    [row], _ = fetch([server.url("/a").replace("http:", "https:")])
    assert row["reason"].startswith("tls error")


@pytest.mark.parametrize(
    "fault",
    [answer(b"", status=503), answer(b"", status=500), raw(b""), answer(picture()[:50], length=len(picture()))],
)
def test_a_fault_that_passes_is_got_over(server, fetch, fault):
    [row], _ = fetch([server.on("/a", fault, fault, answer(picture()))])
    assert row["reason"] is None
    assert server.asked["/a"] == 3


def test_sound_gzip_is_unpacked_and_redirects_are_followed(server, fetch):
    server.on("/zipped", answer(gzip.compress(picture()), Content_Encoding="gzip"))
    rows, _ = fetch(
        [server.on("/a", redirect("/b", status=308)), server.on("/b", redirect(server.url("/zipped", "127.0.0.2")))]
    )
    assert [row["reason"] for row in rows] == [None, None]


# --- Going on ---


def test_finished_photos_are_not_asked_for_again_and_retry_asks_for_the_failed(server, fetch, tmp_path):
    urls = [server.on(f"/{number}", answer(picture(number))) for number in range(5)]
    bad = [
        server.on("/bad", answer(b"", status=404)),
        server.on("/mended", answer(b"", status=404), answer(picture(9))),
    ]
    rows, _ = fetch(urls + bad)
    before = tree(tmp_path / "images")
    again, summary = fetch(urls + bad)
    assert (again, summary.fetched) == (rows, 0)
    assert tree(tmp_path / "images") == before
    retried, summary = fetch(urls + bad, retry_failed=True)
    assert [row["reason"] for row in retried] == [None] * 5 + ["http 404", None]
    assert summary.fetched == 2
    assert server.asked.total() == 7 + 2
    longer, summary = fetch([*urls, *bad, server.on("/new", answer(picture(11)))])
    assert summary.fetched == 1
    assert longer[:7] == retried


def test_a_file_that_was_deleted_or_emptied_is_fetched_again(server, fetch, tmp_path):
    urls = [server.on(f"/{number}", answer(picture(number))) for number in range(3)]
    rows, _ = fetch(urls)
    before = tree(tmp_path / "images")
    (tmp_path / "images" / rows[0]["path"]).unlink()
    (tmp_path / "images" / rows[1]["path"]).write_bytes(b"")
    assert fetch(urls)[1].fetched == 2
    assert tree(tmp_path / "images") == before


def test_a_folder_holds_images_of_one_size(server, fetch):
    url = server.on("/a", answer(picture()))
    fetch([url])
    with pytest.raises(LabelhedgeError, match="made with size 256, version 2, not size 128"):
        fetch([url], size=128)
    fetch([url], max_bytes=1000)  # other limits are no other images


KILL = ["--allow-private", "--delay", "0", "--workers", "4", "--per-host", "4", "--attempts", "1"]


def test_a_killed_download_goes_on_and_ends_with_the_same_bytes(server, tmp_path):
    count = 120
    for number in range(count):
        good = answer(picture(number, size=(300, 200)), after=0.02)
        server.on(f"/{number}", good if number % 7 else answer(b"", status=404, after=0.02))
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "url"), *((f"p{n}", server.url(f"/{n}")) for n in range(count))])
    command = [sys.executable, "-m", "labelhedge", "collect", "download", str(tmp_path / "photos.csv"), *KILL, "--out"]
    process = subprocess.Popen([*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL)
    while server.asked.total() < 40 and process.poll() is None:
        time.sleep(0.003)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "images.parquet").exists()
    there = list((tmp_path / "killed" / "files").rglob("*.jpg"))
    assert 20 <= len(there) <= 100
    for path in there:
        with Image.open(path) as image:
            image.load()  # no half file stands under a final name
    (tmp_path / "killed" / ".download" / "partial" / "left.jpg").write_bytes(b"half")
    done = subprocess.run([*command, str(tmp_path / "killed")], capture_output=True, text=True, check=True)
    assert "120 photos asked for = 102 stored + 18 failed" in done.stdout
    assert "18  http 404" in done.stdout
    assert "--retry-failed" in done.stdout
    assert list((tmp_path / "killed" / ".download" / "partial").iterdir()) == []
    assert len(server.asked) == count
    assert server.asked.total() <= count + 4  # only what was under way was asked for again
    whole = CliRunner().invoke(app, [*command[3:], str(tmp_path / "whole")])
    assert whole.exit_code == 0, whole.output
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_a_retry_that_was_stopped_goes_on_and_does_not_start_anew(server, fetch, tmp_path):
    paths = [server.on(f"/{number}", answer(b"", status=404)) for number in range(10)]
    fetch(paths)
    settings = Settings(**{**FAST, "workers": 1})
    server.on("/5", stall(server))

    class Stopped(Exception):
        pass

    from labelhedge.collect.download.ledger import Ledger

    kept = Ledger.add

    def add(self, key, result):
        if server.asked.total() >= 15:
            raise Stopped
        kept(self, key, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "add", add)
        with pytest.raises(Stopped):
            download(tmp_path / "photos.parquet", tmp_path / "images", settings=settings, retry_failed=True)
    server.on("/5", answer(b"", status=404))
    asked = Counter(server.asked)
    download(tmp_path / "photos.parquet", tmp_path / "images", settings=settings, retry_failed=True)
    again = server.asked - asked
    assert again.total() == 6  # the fifth was asked for but not written down; five were never asked for again
    download(tmp_path / "photos.parquet", tmp_path / "images", settings=settings, retry_failed=True)
    assert (server.asked - asked - again).total() == 10


def test_a_notebook_downloads_too(server, tmp_path):
    (tmp_path / "a.txt").write_text(f"{server.on('/a', answer(picture()))}\n{server.url('/b')}\n")

    async def notebook(**options):
        return download(tmp_path / "a.txt", tmp_path / "images", settings=Settings(**FAST), **options)

    summary = asyncio.run(notebook())
    assert (summary.stored, summary.reasons) == (1, {"http 404": 1})
    assert asyncio.run(notebook(retry_failed=True)).fetched == 1


def test_two_processes_do_not_work_in_one_folder(server, fetch, tmp_path):
    import filelock

    (tmp_path / "images" / ".download").mkdir(parents=True)
    lock = filelock.FileLock(tmp_path / "images" / ".download" / "lock")
    with lock, pytest.raises(LabelhedgeError, match="another process downloads into"):
        fetch([server.url("/a")])
    assert not server.asked


def test_the_lock_stays_so_that_nobody_holds_one_that_is_gone(server, fetch, tmp_path):
    url = server.on("/a", answer(picture()))
    fetch([url])
    lock = tmp_path / "images" / ".download" / "lock"
    before = lock.stat().st_ino
    fetch([url])
    assert lock.stat().st_ino == before


# --- The command ---


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--formats", "jpeg,svg"], "must be some of jpeg"),
        (["--max-bytes", "lots"], "'lots' is no amount"),
        (["--max-pixels", "1G"], "Pillow's own limit"),
        (["--timeout", "0"], "timeout = 0.0: must be more than 0"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(tmp_path, option, message):
    (tmp_path / "a.txt").write_text("http://a.example/x\n")
    result = CliRunner().invoke(
        app, ["collect", "download", str(tmp_path / "a.txt"), "--out", str(tmp_path / "o"), *option]
    )
    assert isinstance(result.exception, LabelhedgeError)
    assert message in str(result.exception)
    assert not (tmp_path / "o").exists()


def test_the_command_prints_what_became_of_the_photos(server, tmp_path):
    (tmp_path / "a.txt").write_text(f"a {server.on('/a', answer(picture()))}\nb {server.url('/b')}\n")
    arguments = ["collect", "download", str(tmp_path / "a.txt"), "--out", str(tmp_path / "o"), "--size", "20"]
    arguments.append("--allow-private")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "2 photos asked for = 1 stored + 1 failed" in result.output
    assert "1  http 404" in result.output
    server.on("/b", answer(picture(1)))
    result = CliRunner().invoke(app, [*arguments, "--retry-failed"])
    assert "2 photos asked for = 2 stored + 0 failed" in result.output
    assert "--retry-failed" not in result.output
    [row, _] = pq.read_table(tmp_path / "o" / "images.parquet").to_pylist()
    assert (row["width"], row["height"]) == (20, 15)
    shutil.rmtree(tmp_path / "o")
