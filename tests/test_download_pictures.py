"""What `collect download` makes of the bytes that were sent: one kind of image, or a failure with its reason."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import download_help
import hostile_server
from download_help import NOISE, encode
from hostile_server import picture, png_bomb
from labelhedge.collect.download import Failure
from labelhedge.collect.download.picture import Budget, prepare
from labelhedge.corpus.images import upright_on_white

fetch, server = download_help.fetch, hostile_server.server


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_truncated_images_are_refused(kind, share):
    data = encode(NOISE, kind)
    assert reason_of(data[: int(len(data) * share)]).startswith("truncated")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_whatever_is_damaged_is_a_failure_and_never_another_error(kind):
    data = bytearray(encode(NOISE, kind))
    draw = np.random.default_rng(1)
    reasons, stored = set(), 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in draw.integers(0, min(len(data), 400), 6):
            damaged[place] = draw.integers(0, 256)
        damaged = damaged[: draw.integers(1, len(data) + 1)]
        try:
            stored += ready(bytes(damaged)).format == "JPEG"
        except Failure as failure:
            reasons.add(failure.reason.partition(":")[0])
    assert reasons & {"truncated", "not an image", "format not allowed", "damaged"}, reasons
    assert stored < 150


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


# --- How much memory that takes ---


BOMB = """
import re, struct, zlib
from pathlib import Path
from labelhedge.collect.download.picture import Budget, prepare
from labelhedge.corpus.images import upright_on_white

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

side = 5000
packer = zlib.compressobj(9)
data = b"".join(packer.compress(bytes(1 + 4 * side)) for _ in range(side)) + packer.flush()
header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
bomb = b"\\x89PNG\\r\\n\\x1a\\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")
before = peak()
made = prepare(bomb, size=256, max_pixels=side * side, formats=("png",))
print(made.width, made.height, (peak() - before) / side**2)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read as Linux tells it")
def test_a_large_image_is_not_copied():
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, check=True)
    width, height, bytes_a_pixel = done.stdout.split()
    assert (width, height) == ("256", "256")
    assert 3 < float(bytes_a_pixel) < 6  # four are of the image itself


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16"])
@pytest.mark.parametrize("size", [(1000, 700), (333, 1001), (64, 1)])
def test_strips_make_the_image_that_the_whole_makes(mode, size, monkeypatch):
    draw = np.random.default_rng(2)
    pixels = draw.integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 4), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    image = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    data = encode(image, "PNG")
    wanted = np.asarray(ready(data), int)
    monkeypatch.setattr("labelhedge.collect.download.picture._STRIP", 1)
    assert np.array_equal(np.asarray(ready(data)), wanted)
    with Image.open(io.BytesIO(data)) as opened:
        whole = upright_on_white(opened)
    whole.thumbnail((64, 64), Image.Resampling.LANCZOS, reducing_gap=3.0)
    assert whole.size == wanted.shape[1::-1]
    with Image.open(io.BytesIO(encode(whole, "JPEG", quality=90))) as twin:
        assert np.array_equal(np.asarray(twin, int), wanted)


def test_all_threads_together_keep_to_the_pixels_allowed():
    budget = Budget(100)
    held, most, lock = [], [], threading.Lock()

    def work(pixels):
        with budget.of(pixels):
            with lock:
                held.append(min(pixels, 100))
                most.append(sum(held))
            time.sleep(0.002)
            with lock:
                held.remove(min(pixels, 100))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [30, 50, 60, 5, 100, 1000, 20, 20] * 6))
    assert 50 < max(most) <= 100


def test_an_image_that_fails_gives_its_room_back():
    budget = Budget(200_000)
    for _ in range(3):
        with pytest.raises(Failure, match="truncated"):
            ready(encode(NOISE, "PNG")[:5000], budget=budget)
    assert ready(encode(NOISE, "PNG"), budget=budget).size == (64, 48)
