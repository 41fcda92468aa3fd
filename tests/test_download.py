"""`collect download` against a local server that stalls, truncates, redirects, lies and sends bombs."""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import io
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from hostile_server import HostileServer, answer, endless, picture, png_bomb, raw, redirect, stall, trickle
from labelhedge.cli import app
from labelhedge.collect import copy_url, photo_hash
from labelhedge.collect.download import Failure, Settings, download
from labelhedge.collect.download.fetch import is_private
from labelhedge.collect.download.photos import Photos
from labelhedge.collect.download.picture import prepare
from labelhedge.collect.records import IMAGES, PHOTO
from labelhedge.errors import LabelhedgeError
from outside_data import outside

FAST = {"delay": 0.0, "timeout": 0.5, "deadline": 1.0, "attempts": 3, "first_wait": 0.01, "longest_wait": 5.0}


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture
def fetch(tmp_path):
    """Download a list of URLs (with ids of their own, or 0, 1, …), and return the rows and the summary."""

    def run(urls, *, out="images", retry_failed=False, **settings):
        photos = urls if isinstance(urls, dict) else {str(number): url for number, url in enumerate(urls)}
        table = pa.table({"id": list(photos), "url": pa.array(photos.values(), pa.string())})
        pq.write_table(table, tmp_path / "photos.parquet")
        settings = Settings(**{**FAST, **settings})
        summary = download(tmp_path / "photos.parquet", tmp_path / out, settings=settings, retry_failed=retry_failed)
        return pq.read_table(tmp_path / out / "images.parquet").to_pylist(), summary

    return run


def stored(tmp_path, row, out="images"):
    return Image.open(tmp_path / out / row["path"])


def tree(folder):
    """Every file of a folder that a user sees, with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".download" not in path.parts
    }


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


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ready(data, **changes):
    settings = {"size": 64, "max_pixels": 10**8, "formats": ("jpeg", "png", "webp", "gif"), **changes}
    made = prepare(data, **settings)
    with Image.open(io.BytesIO(made.data)) as image:
        image.load()
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (made.width, made.height))
    return image


@pytest.mark.parametrize(("size", "wanted"), [((400, 200), (64, 32)), ((30, 300), (6, 64)), ((50, 20), (50, 20))])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_longer_side_has_at_most_the_size_asked_for(size, wanted, kind):
    assert ready(encode(Image.new("RGB", size, "teal"), kind)).size == wanted


def test_transparent_parts_are_white_in_every_form():
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    palette = clear.convert("P")
    for data in (encode(clear, "PNG"), encode(clear, "WEBP", lossless=True), encode(palette, "GIF", transparency=0)):
        assert np.array(ready(data)).min() >= 250


def test_a_photo_is_turned_as_its_exif_data_say_and_keeps_no_metadata():
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    exif[0x010E] = "secret"
    made = ready(encode(image, "JPEG", exif=exif, comment=b"secret", icc_profile=b"secret" * 40))
    assert made.size == (20, 40)
    assert made.getpixel((10, 5))[2] > 200
    assert not {"exif", "comment", "icc_profile"} & made.info.keys()


def test_a_photo_with_damaged_exif_data_is_still_a_photo():
    assert ready(encode(Image.new("RGB", (40, 20)), "JPEG", exif=b"Exif\0\0no tiff at all")).size == (40, 20)


def test_of_an_animation_the_first_frame_is_kept():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("lime", "red", "blue")]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        red, green, blue = ready(data).getpixel((10, 10))
        assert green > 250 > 60 > max(red, blue)


def test_other_ways_of_storing_colours_are_brought_to_rgb():
    grey = Image.fromarray(np.full((8, 8), 32768, np.uint16))
    assert ready(encode(grey, "PNG")).getpixel((4, 4)) == (127, 127, 127)
    assert ready(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")).getpixel((4, 4))[0] > 200
    assert ready(encode(Image.new("1", (8, 8), 1), "PNG")).getpixel((4, 4)) == (255, 255, 255)


# --- What is refused, and why ---


def reason_of(data, **changes):
    with pytest.raises(Failure) as caught:
        ready(data, **changes)
    return caught.value.reason


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_truncated_images_are_refused(kind, share):
    data = encode(NOISE, kind)
    assert reason_of(data[: int(len(data) * share)]).startswith("truncated")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_whatever_is_damaged_is_a_failure_and_never_another_error(kind):
    data = bytearray(encode(NOISE, kind))
    draw = np.random.default_rng(1)
    for _ in range(150):
        damaged = bytearray(data)
        for place in draw.integers(0, min(len(data), 400), 6):
            damaged[place] = draw.integers(0, 256)
        damaged = damaged[: draw.integers(1, len(data) + 1)]
        with suppress(Failure):
            ready(bytes(damaged))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_by_the_header():
    bomb = png_bomb(60_000, 60_000)
    assert len(bomb) < 1_000_000
    started = time.monotonic()
    assert reason_of(bomb) == "too many pixels: more than Pillow opens"
    assert reason_of(png_bomb(12_000, 10_000)) == "too many pixels: 12000 x 10000"
    assert reason_of(picture(), max_pixels=1199) == "too many pixels: 40 x 30"
    assert time.monotonic() - started < 5


def test_only_allowed_formats_are_opened_whatever_the_server_calls_them():
    assert reason_of(picture(kind="BMP")) == "not an image: bmp is not among the formats allowed"
    assert ready(picture(kind="BMP"), formats=("bmp",)).size == (40, 30)
    assert reason_of(b"<!DOCTYPE html><p>") == "not an image: it starts with b'<!DOCTYPE html><'"
    assert reason_of(b"") == "not an image: it is empty"
    assert reason_of(b"%!PS-Adobe-3.0 EPSF-3.0\n").startswith("not an image")


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


# --- Politeness ---


def test_limits_for_each_host_and_for_all(server, fetch):
    server.otherwise(answer(picture(), after=0.03))
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    urls = [server.url(f"/{number}", host) for host in hosts for number in range(15)]  # by host, as lists often are
    _, summary = fetch(urls, workers=5, per_host=3)
    assert summary.stored == 45
    assert server.peak == 5  # a host at its limit did not hold up the others
    assert max(server.peak_at.values()) <= 3
    fetch(urls[:15], out="one", workers=5, per_host=3)
    assert server.peak_at[hosts[0]] == 3


def test_more_hosts_than_clients_are_kept_open(server, fetch):
    server.otherwise(answer(picture()))
    urls = [server.url(f"/{turn}", f"127.0.1.{number}") for turn in range(2) for number in range(1, 81)]
    _, summary = fetch(urls, workers=8)
    assert summary.stored == 160


def test_a_redirect_takes_its_turn_at_the_other_host(server, fetch):
    server.otherwise(answer(picture(), after=0.05))
    for number in range(12):
        server.on(f"/r{number}", redirect(server.url(f"/{number}", "127.0.0.9")))
    urls = [server.url(f"/r{number}", f"127.0.0.{number % 4 + 1}") for number in range(12)]
    _, summary = fetch(urls, workers=12, per_host=2)
    assert summary.stored == 12
    assert server.peak_at["127.0.0.9"] == 2


def test_requests_to_a_host_keep_their_distance(server, fetch):
    server.otherwise(answer(picture()))
    fetch([server.url(f"/{number}") for number in range(6)], delay=0.06)
    gaps = np.diff(sorted(server.times))
    assert server.times[-1] - server.times[0] >= 5 * 0.06 - 0.02
    assert np.median(gaps) >= 0.04


def test_a_host_that_asks_to_wait_gets_nothing_meanwhile(server, fetch):
    server.on("/0", answer(b"", status=429, Retry_After="1"), answer(picture()))
    server.otherwise(answer(picture()))
    urls = [server.url(f"/{number}") for number in range(4)] + [server.url("/other", "127.0.0.2")]
    rows, _ = fetch(urls, per_host=1, workers=2)
    assert [row["reason"] for row in rows] == [None] * 5
    when = dict(zip([path for path, _, _ in server.seen], server.times, strict=True))
    first = server.times[[path for path, _, _ in server.seen].index("/0")]
    assert min(when[f"/{number}"] for number in range(4)) - first >= 0.99
    assert when["/other"] - first < 0.9


def test_a_host_that_wants_to_be_left_alone_is_not_asked_again_in_this_run(server, fetch):
    server.otherwise(answer(b"", status=429, Retry_After="3600"))
    rows, _ = fetch([server.url(f"/{number}") for number in range(10)], per_host=1)
    assert {row["reason"] for row in rows} == {"host asks to wait: 127.0.0.1"}
    assert server.asked.total() == 1


def test_a_host_without_any_answer_gets_fewer_attempts(server, fetch):
    server.otherwise(raw(b""))
    fetch([server.url(f"/{number}") for number in range(20)], per_host=1)
    assert server.asked.total() == 5 * FAST["attempts"] + 15


# --- The open web and the network inside ---


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("169.254.169.254", True), ("::1", True), ("fe80::1%eth0", True),
        ("::ffff:10.0.0.1", True), ("0.0.0.0", True), ("224.0.0.1", True), ("localhost", True), ("2130706433", True),
        ("93.184.216.34", False), ("2606:2800:220:1:248:1893:25c8:1946", False),
    ],
)  # fmt: skip
def test_which_hosts_are_private(host, private):
    assert asyncio.run(is_private(host)) is private


def test_a_name_is_as_private_as_its_addresses(monkeypatch):
    known = {"inside.example": ["10.0.0.1"], "mixed.example": ["8.8.8.8", "10.0.0.1"], "open.example": ["8.8.8.8"]}

    def resolve(host, *_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert [asyncio.run(is_private(name)) for name in known] == [True, True, False]


@pytest.mark.parametrize(
    "target", ["http://10.0.0.7/admin", "http://localhost/x", "http://[::1]/", "http://169.254.169.254/"]
)
def test_no_redirect_leads_from_the_open_web_inside(server, fetch, monkeypatch, target):
    """Through a proxy, for there is no open web in a test; the proxy is the server itself."""
    monkeypatch.setenv("HTTP_PROXY", server.url())
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.on("http://photos.example/a", redirect(target))
    server.on("http://photos.example/b", redirect("http://other.example/c"))
    server.on("http://other.example/c", answer(picture()))
    rows, _ = fetch(["http://photos.example/a", "http://photos.example/b"])
    assert [row["reason"] for row in rows] == ["redirect refused: to a private address", None]
    assert not [path for path in server.asked if path == target]


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
    with pytest.raises(LabelhedgeError, match="made with size 256, version 1, not size 128"):
        fetch([url], size=128)
    fetch([url], max_bytes=1000)  # other limits are no other images


KILL = ["--delay", "0", "--workers", "4", "--per-host", "4", "--attempts", "1"]


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


def test_two_processes_do_not_work_in_one_folder(server, fetch, tmp_path):
    import filelock

    (tmp_path / "images" / ".download").mkdir(parents=True)
    lock = filelock.FileLock(tmp_path / "images" / ".download" / "lock")
    with lock, pytest.raises(LabelhedgeError, match="another process downloads into"):
        fetch([server.url("/a")])
    assert not server.asked


# --- Lists ---


def read(path, **options):
    return [tuple(ask) for batch in Photos(path, **options).batches() for ask in batch]


def test_kinds_of_lists(tmp_path):
    wanted = [("007", "http://a.example/1"), ("b,c", "http://a.example/2?x=1,2"), ("d", None)]
    (tmp_path / "a.csv").write_text(
        'title,id,url\n"two\nlines",007,http://a.example/1\n,"b,c","http://a.example/2?x=1,2"\n,d,\n'
    )
    assert read(tmp_path / "a.csv") == wanted
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    assert read(tmp_path / "a.csv.gz") == wanted
    (tmp_path / "a.tsv").write_text("key\tlink\n007\thttp://a.example/1\nb,c\thttp://a.example/2?x=1,2\nd\t\n")
    assert read(tmp_path / "a.tsv", id="key", url="link") == wanted
    (tmp_path / "a.txt").write_text("# two\nhttp://a.example/1\r\n\nx http://a.example/2")
    assert read(tmp_path / "a.txt") == [("http://a.example/1", "http://a.example/1"), ("x", "http://a.example/2")]
    table = pa.table({"id": pa.array([7, 8]), "url": pa.array(["http://a.example/1", None], pa.large_string())})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("7", "http://a.example/1"), ("8", None)]


def test_a_linked_folder_is_read_part_by_part(server, tmp_path):
    server.otherwise(answer(picture()))
    (tmp_path / "linked" / "photos").mkdir(parents=True)
    for part in range(3):
        rows = [{"id": f"{part}-{row}", "url": server.url(f"/{part}/{row}")} for row in range(4)]
        pq.write_table(pa.Table.from_pylist(rows, PHOTO), tmp_path / "linked" / "photos" / f"part-{part:05d}.parquet")
    summary = download(tmp_path / "linked", tmp_path / "images", settings=Settings(**FAST))
    ids = pq.read_table(tmp_path / "images" / "images.parquet")["id"].to_pylist()
    assert ids == [f"{part}-{row}" for part in range(3) for row in range(4)]
    assert summary.stored == 12


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv is not there"),
        ("a.csv", "id,link\n1,http://a.example\n", "no column 'url' but id, link"),
        ("a.csv", "id,url\n1,2,3\n", "cannot be read as a table"),
        ("a.csv", "", "cannot be read as a table"),
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.xlsx", "x", "of no known kind"),
        ("a.txt", "a line of words", "is no line of an address"),
    ],
)
def test_lists_that_cannot_be_read_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(LabelhedgeError, match=message):
        read(tmp_path / name)


def test_an_empty_folder_and_a_photo_without_an_id_are_refused(tmp_path):
    with pytest.raises(LabelhedgeError, match="holds no Parquet file"):
        Photos(tmp_path)
    pq.write_table(pa.table({"id": ["a", None], "url": ["http://a.example"] * 2}), tmp_path / "a.parquet")
    with pytest.raises(LabelhedgeError, match="row 1: the photo has no id"):
        read(tmp_path / "a.parquet")


def test_the_address_of_a_copy_follows_from_the_hash_or_the_address(tmp_path):
    url = "http://farm6.staticflickr.com/5465/10201275523_3e6ea67c7f.jpg"
    hash = "6ae91cc04fe06697c9404a5360b9b62"
    table = pa.table({"id": list("abcd"), "url": [url, url, None, None], "hash": [hash, None, hash, "../../x"]})
    pq.write_table(table, tmp_path / "a.parquet")
    copies = [ask[1] for ask in read(tmp_path / "a.parquet", copy=True)]
    assert copies == [copy_url(hash)] * 3 + [None]
    assert copy_url(hash).endswith(f"/data/images/6ae/91c/{hash}.jpg")
    assert [ask[1] for ask in read(tmp_path / "a.parquet")] == [url, url, None, None]


def test_the_hash_of_real_photos_is_that_of_their_addresses():
    lines = outside("yfcc100m_metadata.tsv").read_text().splitlines()
    photos = [line.split("\t") for line in lines]
    assert len(photos) == 700
    assert all(photo_hash(photo[16]) == photo[2] for photo in photos)


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
