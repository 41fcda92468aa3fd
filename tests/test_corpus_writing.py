"""Writing a corpus, atomically, and decoding its images."""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelhedge as lh
from corpus_help import (
    FIXED,
    IMAGE,
    INFO,
    PART,
    encoded,
    like_polars,
    picture,
    raw,
    table_of,
)
from labelhedge.corpus.images import decode
from labelhedge.errors import LabelhedgeError

# --- Writing ---


def same_content(one, other):
    assert one.select(other.column_names).to_pydict() == other.to_pydict()


def test_a_written_corpus_opens_with_the_same_content(make_corpus, tmp_path):
    table = table_of(make_corpus(tmp_path / "source"))
    graph = (tmp_path / "source/graph.nt").read_text()
    target = lh.write_corpus(tmp_path / "new" / "written", INFO, table, graph=graph)
    assert target == tmp_path / "new" / "written"
    corpus = lh.Corpus.open(target)
    assert corpus.info == INFO
    same_content(table_of(target), table)
    assert corpus.graph_path.read_text() == graph
    assert sorted(p.name for p in target.iterdir()) == ["corpus.json", "graph.nt", "samples"]
    assert sorted(p.name for p in target.parent.iterdir()) == ["written"]


def test_several_tables_become_several_parts_of_the_types_of_the_format(make_corpus, tmp_path):
    table = table_of(make_corpus(tmp_path / "source", edit=like_polars))
    target = lh.write_corpus(str(tmp_path / "written"), INFO, (table.slice(row, 8) for row in (0, 8, 16)))
    parts = sorted((target / "samples").iterdir())
    assert [pq.read_metadata(part).num_rows for part in parts] == [8, 8, 4]
    kinds = [pa.string(), pa.string(), IMAGE, pa.list_(pa.int32()), pa.list_(pa.int32()), pa.bool_()]
    for part in parts:
        schema = pq.read_schema(part)
        assert [schema.field(name).type for name in FIXED] == kinds
    same_content(table_of(target), table)
    assert lh.Corpus.open(target).graph_path is None


def test_writing_refuses_to_replace_unless_told_to(make_corpus, tmp_path):
    target = make_corpus(tmp_path / "corpus")
    before = lh.Corpus.open(target).hash
    table = table_of(target).slice(0, 8)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        lh.write_corpus(target, INFO, table)
    assert lh.Corpus.open(target).hash == before
    lh.write_corpus(target, INFO, table, overwrite=True)
    corpus = lh.Corpus.open(target)
    assert (corpus.name, len(corpus.samples.ids), corpus.graph_path) == ("written", 8, None)
    assert [p.name for p in tmp_path.iterdir()] == ["corpus"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", None),
        ("image", None),
        ("trusted", None),
        ("observed", ["cat"] * 20),
        ("observed", [[2**40]] * 20),
        ("verified", [[0.5]] * 20),
        ("image", ["x.png"] * 20),
        ("trusted", ["maybe"] * 20),
    ],
)
def test_writing_refuses_columns_that_the_format_does_not_know(make_corpus, tmp_path, name, values):
    table = table_of(make_corpus(tmp_path / "source")).drop_columns([name])
    table = table.append_column(name, pa.array(values)) if values else table
    with pytest.raises(ValueError, match=f"column '{name}'"):
        lh.write_corpus(tmp_path / "target", INFO, table)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_a_corpus_without_samples_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        lh.write_corpus(tmp_path / "target", INFO, iter([]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("split", 3, "val", r"part-00000\.parquet, row 3 \(id 's03'\): the split is 'val'"),
        ("id", 5, "s04", "row 5 .*: the id stands already in part-00000.parquet, row 4"),
        ("observed", 2, [7], r"row 2 .*: observed is \[7\], but the labels of corpus.json are numbered 0 to 2"),
        ("trusted", 7, True, "row 7 .*: the row is trusted but its split is 'test'"),
    ],
)
def test_what_could_not_be_opened_is_not_written_over_what_can(make_corpus, tmp_path, column, row, value, message):
    folder = make_corpus(tmp_path / "corpus")
    table, before = table_of(folder), content(folder)
    values = table[column].to_pylist()
    values[row] = value
    wrong = table.set_column(
        table.column_names.index(column), column, pa.array(values, table.schema.field(column).type)
    )
    with pytest.raises(lh.CorpusError, match=message) as caught:
        lh.write_corpus(folder, INFO, wrong, overwrite=True)
    assert caught.value.file == folder.resolve() / "samples" / "part-00000.parquet"
    assert content(folder) == before
    with pytest.raises(lh.CorpusError, match=message):
        lh.write_corpus(tmp_path / "new", INFO, wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus"]


@pytest.mark.parametrize("existing", [False, True])
def test_a_writer_that_fails_half_way_leaves_things_as_they_were(make_corpus, tmp_path, existing):
    table = table_of(make_corpus(tmp_path / "source"))
    target = tmp_path / "target"
    before = lh.Corpus.open(make_corpus(target)).hash if existing else None

    def tables():
        yield table.slice(0, 10)
        yield table.slice(10)
        assert lone_corpus_files(tmp_path) == []
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError):
        lh.write_corpus(target, INFO, tables(), overwrite=existing)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "target"] if existing else ["source"]
    if existing:
        assert lh.Corpus.open(target).hash == before


def lone_corpus_files(folder):
    """Every corpus.json under a folder whose corpus cannot be opened."""
    found = []
    for path in folder.rglob("corpus.json"):
        try:
            lh.Corpus.open(path.parent)
        except lh.CorpusError:
            found.append(path)
    return found


WRITER = """
import os, signal, sys
import pyarrow.parquet as pq
from labelhedge import CorpusInfo, Label, write_corpus

source, target, moment = sys.argv[1:]
table = pq.read_table(source)
seen = []

def watch(event, arguments):
    seen.append(event)
    now = f"{event} {seen.count(event)}"
    if event == "open" and str(arguments[0]).endswith("corpus.json"):
        now = "open corpus.json"
    if now == moment:
        os.kill(os.getpid(), signal.SIGKILL)

def tables():
    yield table
    yield table.slice(0, 0)
    if moment == "second part":
        print("ready", flush=True)
        signal.pause()
    sys.addaudithook(watch)

info = CorpusInfo(name="new", licence="CC0", labels=[Label(id=n, name=n) for n in ("cat", "dog", "owl")])
write_corpus(target, info, tables(), graph="", extras={"LICENSE": b"new", "left-out.csv": b"new"}, overwrite=True)
print("written", flush=True)
"""


@pytest.mark.parametrize(
    ("moment", "existing"),
    [
        ("second part", False),
        ("second part", True),
        ("open corpus.json", True),
        ("os.rename 1", False),
        ("os.rename 1", True),
        *((f"os.rename {number}", True) for number in (2, 5, 7, 9)),
        ("shutil.rmtree 1", True),
    ],
)
def test_a_killed_writer_leaves_no_half_corpus(make_corpus, tmp_path, moment, existing):
    source, target = make_corpus(tmp_path / "source"), tmp_path / "target"
    other = shutil.copytree(make_corpus(target, size=10), tmp_path / "other") if existing else None
    if existing:
        (target / "LICENSE").write_text("old")
        (target / "photos").mkdir()
    before = content(target)
    command = [sys.executable, "-c", WRITER, str(source / PART), str(target), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        line = writer.stdout.readline()
        if moment == "second part":
            assert line == "ready\n"
            assert target.exists() == existing
            writer.kill()
    assert [path for path in lone_corpus_files(tmp_path) if path.parent.parent.name != ".target.partial"] == []
    assert line != "written\n"
    assert writer.returncode == -signal.SIGKILL
    assert any(path.name == ".target.partial" for path in tmp_path.iterdir())
    again = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-again"))
    if moment == "shutil.rmtree 1":  # all is in place but for the cleaning
        assert lh.Corpus.open(target).name == "new"
        assert (target / "LICENSE").read_text() == "new"
    elif not existing:
        assert not target.exists()
    else:  # while pieces are exchanged the folder is no corpus: opening it brings the old one back
        assert lh.Corpus.open(target).hash == lh.Corpus.open(other).hash
        assert content(target) == before
    with pytest.raises(FileExistsError) if existing else contextlib.nullcontext():
        lh.write_corpus(again / "target", INFO, table_of(source))
    if existing and moment != "shutil.rmtree 1":  # and so does a writer that may not replace it
        assert content(again / "target") == before
    assert sorted(path.name for path in again.iterdir() if path.name.startswith(".")) == []
    lh.write_corpus(target, INFO, table_of(source), overwrite=True)
    assert lh.Corpus.open(target).name == "written"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    shutil.rmtree(again)


def content(folder):
    """What is in a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_what_cannot_be_put_back_is_said(make_corpus, tmp_path, monkeypatch):
    source, target = make_corpus(tmp_path / "source"), make_corpus(tmp_path / "target", size=10)
    old, calls, rename = lh.Corpus.open(target).hash, [], Path.rename

    def fail(self, goal):
        calls.append(goal)
        if len(calls) >= 3:
            raise OSError("read-only")
        return rename(self, goal)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="read-only"):
        lh.write_corpus(target, INFO, table_of(source), overwrite=True)
    with pytest.raises(
        lh.CorpusError, match=r"\.target\.partial: a writer was stopped here.*make both folders writable"
    ):
        lh.Corpus.open(target)
    monkeypatch.undo()
    assert lh.Corpus.open(target).hash == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_two_writers_of_one_folder_do_not_meet(make_corpus, tmp_path):
    table = table_of(make_corpus(tmp_path / "source"))

    def tables():
        with pytest.raises(LabelhedgeError, match="another process is writing"):
            lh.write_corpus(tmp_path / "target", INFO, table)
        yield table

    lh.write_corpus(tmp_path / "target", INFO, tables())
    assert len(lh.Corpus.open(tmp_path / "target").samples.ids) == 20


def test_other_files_come_with_the_corpus(make_corpus, tmp_path):
    table = table_of(make_corpus(tmp_path / "source"))
    (tmp_path / "LICENSE.pdf").write_bytes(b"%PDF")
    extras = {"LICENSE.pdf": tmp_path / "LICENSE.pdf", "left-out.csv": b"place,reason\n"}
    (tmp_path / "target").mkdir()  # an empty folder is one that is not there
    target = lh.write_corpus(tmp_path / "target", INFO, table, extras=extras)
    (target / "notes").write_text("mine")
    assert (target / "LICENSE.pdf").read_bytes() == b"%PDF"
    lh.write_corpus(target, INFO, table, extras={"left-out.csv": b"new"}, overwrite=True)
    assert {path.name for path in target.iterdir()} == {
        "corpus.json",
        "samples",
        "LICENSE.pdf",
        "left-out.csv",
        "notes",
    }
    assert (target / "left-out.csv").read_bytes() == b"new"
    for name in ("samples", "a/b", ".."):
        with pytest.raises(ValueError, match="cannot be an extra file"):
            lh.write_corpus(target, INFO, table, extras={name: b""}, overwrite=True)


def test_writing_leaves_images_in_the_folder_alone(make_corpus, tmp_path):
    source, target = make_corpus(tmp_path / "source"), tmp_path / "target"
    table = table_of(source)
    images = [{"bytes": None, "path": f"photos/{number}.png"} for number in range(len(table))]
    (target / "photos").mkdir(parents=True)
    for image, (_, data) in zip(images, lh.Corpus.open(source).images.read(), strict=True):
        (target / image["path"]).write_bytes(data)
    column = pa.array(images, table["image"].type)
    table = table.set_column(table.column_names.index("image"), "image", column)
    for overwrite in (False, True):
        lh.write_corpus(target, INFO, table, overwrite=overwrite)
        assert lh.Corpus.open(target).samples.digests == lh.Corpus.open(source).samples.digests
    assert {path.name for path in target.iterdir()} == {"photos", "samples", "corpus.json"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("failing", [1, 2, 3, 4, 5, 6])
def test_a_failed_exchange_brings_the_old_corpus_back(make_corpus, tmp_path, monkeypatch, failing):
    source, target = make_corpus(tmp_path / "source"), make_corpus(tmp_path / "target", size=10)
    old, calls, rename = lh.Corpus.open(target).hash, [], Path.rename

    def fail_once(self, goal):
        calls.append(goal)
        if len(calls) == failing:
            raise OSError("no space left")
        return rename(self, goal)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(OSError, match="no space left"):
        lh.write_corpus(target, INFO, table_of(source), graph="", overwrite=True)
    assert lh.Corpus.open(target).hash == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


# --- Decoding ---


def test_decoding_keeps_the_aspect_ratio_and_fills_with_the_colour_of_the_border():
    for size, ink in [((80, 40), (20, 10)), ((40, 80), (10, 20)), ((64, 64), (20, 20)), ((8, 4), (20, 10))]:
        for ground in ((255, 255, 255), (10, 200, 90)):
            image = Image.new("RGB", size, ground)
            image.paste((0, 0, 0), (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
            pixels = decode(encoded(image), 40)
            assert pixels.shape == (40, 40, 3)
            assert pixels.dtype == np.uint8
            assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == ground).all()
            rows, columns = np.nonzero(pixels[..., 1] < ground[1] // 2)
            assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == pytest.approx(ink, abs=1)
            assert (columns.mean(), rows.mean()) == pytest.approx((19.5, 19.5), abs=0.6)


def test_the_border_colour_is_a_median():
    image = Image.new("RGB", (30, 10), (250, 250, 250))
    image.paste((0, 0, 0), (0, 0, 3, 10))  # a dark edge does not make the filling grey
    assert (decode(encoded(image), 30)[0] == 250).all()


def palette_image(transparent):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 60] + [0] * 750)
    return encoded(image, transparency=1) if transparent else encoded(image)


def grey16(value, kind="PNG"):
    return encoded(Image.fromarray(np.full((8, 8), value, np.uint16)), kind)


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        pytest.param(encoded(Image.new("RGB", (8, 8), (200, 30, 60))), (200, 30, 60), id="RGB"),
        pytest.param(encoded(Image.new("L", (8, 8), 77)), (77, 77, 77), id="L"),
        pytest.param(encoded(Image.new("1", (8, 8), 1)), (255, 255, 255), id="1"),
        pytest.param(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"), (0, 0, 0), id="CMYK"),
        pytest.param(palette_image(False), (200, 30, 60), id="P"),
        pytest.param(palette_image(True), (255, 255, 255), id="P transparent"),
        pytest.param(encoded(Image.new("RGBA", (8, 8))), (255, 255, 255), id="RGBA transparent"),
        pytest.param(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128))), (127, 127, 127), id="RGBA half"),
        pytest.param(encoded(Image.new("RGBA", (8, 8), (9, 8, 7, 255))), (9, 8, 7), id="RGBA opaque"),
        pytest.param(encoded(Image.new("LA", (8, 8), (9, 0))), (255, 255, 255), id="LA transparent"),
        pytest.param(
            encoded(Image.new("RGB", (8, 8), (9, 8, 7)), transparency=(9, 8, 7)),
            (255, 255, 255),
            id="RGB tRNS",
        ),
        pytest.param(encoded(Image.new("L", (8, 8), 9), transparency=9), (255, 255, 255), id="L tRNS"),
        pytest.param(grey16(0), (0, 0, 0), id="16 bit black"),
        pytest.param(grey16(128 * 257), (128, 128, 128), id="16 bit grey"),
        pytest.param(grey16(40 * 257, "TIFF"), (40, 40, 40), id="16 bit TIFF"),
        pytest.param(grey16(65535), (255, 255, 255), id="16 bit white"),
    ],
)
def test_every_mode_becomes_rgb_on_white(data, colour):
    pixels = decode(data, 8)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= 1


def test_extreme_shapes_decode():
    for size in [(1, 1), (1000, 1), (1, 1000), (3, 700)]:
        assert decode(encoded(Image.new("RGB", size, (1, 2, 3))), 16).tolist() == [[[1, 2, 3]] * 16] * 16


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_a_truncated_image_is_a_value_error(kind, share):
    with Image.open(io.BytesIO(picture(size=(50, 40)))) as image:
        data = encoded(image, kind)
    assert decode(data, 8).shape == (8, 8, 3)
    with pytest.raises(ValueError, match="unreadable"):
        decode(data[: int(len(data) * share)], 8)


def test_bytes_that_are_no_image_are_a_value_error():
    noise = np.random.default_rng(0).bytes(500)
    for data in (noise, b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(ValueError, match="unreadable"):
            decode(data, 8)


def test_a_truncated_image_behind_a_good_header_is_found_by_check(make_corpus, tmp_path):
    cells = {(13, "image"): raw(picture(size=(50, 40))[:-500])}
    folder = make_corpus(tmp_path / "corpus", parts=2, cells=cells)
    corpus = lh.Corpus.open(folder)  # looks at headers only
    with pytest.raises(lh.CorpusError, match=r"truncated.*To mend it: ") as caught:
        corpus.check()
    assert (caught.value.file, caught.value.row) == (folder / "samples/part-00001.parquet", 3)
    assert "20 images" in lh.Corpus.open(make_corpus(tmp_path / "good")).check()
