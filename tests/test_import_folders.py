"""Class folders: splits, the checked tree, background, doubles, files that are no image."""

import csv
import io
import os
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import columns_of, encoded, picture
from labelhedge.cli import app
from labelhedge.collect.importing import Options, building, import_class_folders
from labelhedge.collect.importing.settling import Entry, settle
from labelhedge.errors import LabelhedgeError

ROOT = Path(__file__).parents[1]


def tree(folder, files):
    """Write files; a number is a picture drawn from that seed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(content) if isinstance(content, int) else content)
    return folder


def imported(*arguments):
    done = CliRunner().invoke(app, ["corpus", "import", "folder", *map(str, arguments)], catch_exceptions=False)
    rows = columns_of(Path(arguments[1]))
    names = [label.name for label in lh.Corpus.open(arguments[1]).labels]
    named = [
        [None if found is None else [names[label] for label in found] for found in rows[column]]
        for column in ("observed", "verified")
    ]
    return dict(zip(rows["id"], zip(rows["split"], *named, rows["trusted"], strict=True), strict=True)), done.output


def test_class_folders_are_noisy_training_labels(tmp_path):
    tree(tmp_path / "a", {"dog/1.png": 1, "dog/deep/2.PNG": 2, "cat/3.png": 3, "background/4.png": 4})
    rows, output = imported(tmp_path / "a", tmp_path / "c", "--licence", "CC0", "--name", "pets")
    assert rows == {
        "dog/1.png": ("train", ["dog"], None, False),
        "dog/deep/2.PNG": ("train", ["dog"], None, False),
        "cat/3.png": ("train", ["cat"], None, False),
        "background/4.png": ("train", [], None, False),
    }
    corpus = lh.Corpus.open(tmp_path / "c")
    assert (corpus.name, corpus.info.licence, [label.id for label in corpus.labels]) == ("pets", "CC0", ["cat", "dog"])
    for line in ("clean : noisy", "0 : 4", "the split dev is empty", "no training sample is trusted"):
        assert line in output


def test_split_folders_by_any_of_their_names(tmp_path):
    tree(tmp_path / "a", {"Training/cat/1.png": 1, "valid/cat/2.png": 2, "test/dog/3.png": 3})
    rows, output = imported(tmp_path / "a", tmp_path / "c")
    assert [rows[f"{name}.png"][0] for name in ("Training/cat/1", "valid/cat/2", "test/dog/3")] == [
        "train",
        "dev",
        "test",
    ]
    assert all(row[2] is None for row in rows.values())
    assert "no label of dev is verified" in output
    rows, output = imported(tmp_path / "a", tmp_path / "d", "--verified")
    assert rows["valid/cat/2.png"] == ("dev", ["cat"], ["cat"], False)
    assert rows["Training/cat/1.png"] == ("train", ["cat"], None, False)
    assert "no label of dev" not in output


def test_checked_images_are_trusted_and_meet_their_noisy_selves(tmp_path):
    tree(tmp_path / "a", {"cat/1.png": 1, "cat/2.png": 2, "dog/3.png": 3, "dog/1.png": 1, "cat/8.png": 8})
    tree(tmp_path / "b", {"train/dog/x.png": 2, "train/background/y.png": 3, "train/cat/z.png": 9, "dev/cat/v.png": 8})
    rows, output = imported(tmp_path / "a", tmp_path / "c", "--clean", tmp_path / "b")
    assert rows == {
        "cat/1.png": ("train", ["cat"], None, False),
        "dog/1.png": ("train", ["dog"], None, False),
        "cat/2.png": ("train", ["cat"], ["dog"], True),
        "dog/3.png": ("train", ["dog"], [], True),
        "clean/train/cat/z.png": ("train", ["cat"], ["cat"], True),
        "clean/dev/cat/v.png": ("dev", ["cat"], ["cat"], False),  # cat/8.png is this image, and left out
    }
    assert "2 samples share their image with one of other labels" in output
    assert "--multi makes one sample" in output
    with (tmp_path / "c" / "left-out.csv").open() as file:
        reasons = {Path(row["place"]).name: row["reason"] for row in csv.DictReader(file)}
    assert reasons.keys() == {"8.png", "x.png", "y.png"}
    assert reasons["8.png"] == f"the same image stands in dev ({tmp_path / 'b' / 'dev/cat/v.png'})"


def test_labels_that_may_be_another_one_misspelt_are_named(tmp_path):
    noisy = tree(tmp_path / "a", {"circle/1.png": 1, "Caf\u00e9/2.png": 2, "square/3.png": 3})
    clean = tree(tmp_path / "b", {"Circle/1.png": 1, "Cafe\u0301/4.png": 4})
    rows, output = imported(noisy, tmp_path / "c", "--clean", clean, "--exclusive")
    assert rows["circle/1.png"][1:] == (["circle"], ["Circle"], True)
    assert rows["clean/Cafe\u0301/4.png"][2] == ["Caf\u00e9"]  # as a Mac writes it
    words = " ".join(output.split())
    assert f"2 labels stand in {noisy} alone: circle, square; is one of them another one misspelt?" in words
    assert f"1 labels stand in {clean} alone: Circle" in words
    assert "the labels Circle, circle differ in capitals alone" in words


def test_clean_images_that_show_no_noise_are_counted(tmp_path):
    noisy = tree(tmp_path / "a", {"dog/1.png": 1, "cat/2.png": 2})
    clean = tree(tmp_path / "b", {"cat/1.png": 1, "dog/3.png": 3, "dog/4.png": 4})
    rows, output = imported(noisy, tmp_path / "c", "--clean", clean)
    assert rows["dog/1.png"][1:3] == (["dog"], ["cat"])
    words = " ".join(output.split())
    assert "2 of 3 trusted images have no noisy label of their own" in words
    assert "every image has exactly one label: if that is so by nature, pass --exclusive" in words
    _, output = imported(noisy, tmp_path / "d", "--exclusive")
    assert "trusted images have" not in output
    assert "pass --exclusive" not in output


def test_multi_makes_one_sample_of_equal_images(tmp_path):
    tree(tmp_path / "a", {"cat/1.png": 1, "dog/1.png": 1, "owl/2.png": 2, "background/2.png": 2})
    rows, _ = imported(tmp_path / "a", tmp_path / "c", "--multi")
    assert [row[1] for row in rows.values()] == [["owl"], ["cat", "dog"]]


def test_exclusive_gives_background_a_label(tmp_path):
    tree(tmp_path / "a", {"cat/1.png": 1, "background/2.png": 2, "dog/3.png": 3, "cat/3.png": 3})
    rows, _ = imported(tmp_path / "a", tmp_path / "c", "--exclusive", "--clean", tree(tmp_path / "b", {"dog/3.png": 3}))
    assert lh.Corpus.open(tmp_path / "c").info.exclusive
    assert rows["background/2.png"][1] == ["background"]
    assert rows["cat/3.png"] == ("train", [], ["dog"], True)  # of two noisy labels neither
    tree(tmp_path / "b", {"cat/3.png": 3})
    options = Options(exclusive=True)
    with pytest.raises(LabelhedgeError, match=r"cat/3\.png: its verified labels are cat, dog, but --exclusive"):
        import_class_folders(tmp_path / "a", tmp_path / "d", clean=tmp_path / "b", options=options)
    with pytest.raises(LabelhedgeError, match="leave one of them out"):
        import_class_folders(tmp_path / "a", tmp_path / "d", options=Options(exclusive=True, multi=True))


def test_what_is_no_image_is_counted_and_listed(tmp_path):
    jpeg = encoded(Image.effect_noise((64, 64), 90), "JPEG")
    files = {
        "cat/1.png": 1, "cat/2.jpg": jpeg[: len(jpeg) // 2], "cat/3.png": b"", "cat/4.gif": b"GIF89a",
        "cat/notes.txt": b"x", "cat/.5.png": 5, "6.png": 6,
    }  # fmt: skip
    tree(tmp_path / "a", files)
    (tmp_path / "a" / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    rows, output = imported(tmp_path / "a", tmp_path / "c")
    assert list(rows) == ["cat/1.png"]
    found = " ".join(output.split())
    assert "7 of 8 left out, see left-out.csv: 3 × the image is unreadable; " in found
    for reason in ("no image by its ending", "a hidden file", "in no class folder", "the file cannot be read"):
        assert f"1 × {reason}" in found
    with (tmp_path / "c" / "left-out.csv").open() as file:
        listed = {Path(row["place"]).name: row["reason"] for row in csv.DictReader(file)}
    assert listed.keys() == {"2.jpg", "3.png", "4.gif", "notes.txt", ".5.png", "6.png", "gone.png"}
    assert "truncated" in listed["2.jpg"]
    assert lh.Corpus.open(tmp_path / "c").check().startswith("c: 1 images decoded")


def test_links_to_folders_are_followed_but_not_round_and_round(tmp_path):
    tree(tmp_path / "real", {"1.png": 1})
    (tmp_path / "a" / "dog").mkdir(parents=True)
    (tmp_path / "a" / "cat").symlink_to(tmp_path / "real")
    (tmp_path / "a" / "dog" / "round").symlink_to(tmp_path / "a")
    rows, _ = imported(tmp_path / "a", tmp_path / "c")
    assert list(rows) == ["cat/1.png"]


def test_split_is_made_of_what_was_checked_and_equal_images_stay_together(tmp_path):
    files = {f"{label}/{n}.png": 50 * i + n for i, label in enumerate(("cat", "dog")) for n in range(50)}
    files |= {f"cat/again{n}.png": n for n in range(10)}
    tree(tmp_path / "a", files)
    rows, output = imported(tmp_path / "a", tmp_path / "c", "--split", "6:3:1", "--checked")
    assert Counter(row[0] for row in rows.values()) == pytest.approx({"train": 66, "test": 33, "dev": 11}, abs=3)
    for n in range(10):
        assert rows[f"cat/{n}.png"][0] == rows[f"cat/again{n}.png"][0]
    assert all((row[2] is None) == (row[0] == "train") for row in rows.values())
    assert "110 training images were shared out to train, test, dev, seed 0" in output
    again, _ = imported(tmp_path / "a", tmp_path / "d", "--split", "6:3:1", "--checked", "--seed", "1")
    assert again != rows

    tree(tmp_path / "b", {f"{label}/{n}.png": 50 * i + n for i, label in enumerate(("cat", "dog")) for n in range(20)})
    rows, output = imported(tmp_path / "a", tmp_path / "e", "--split", "6:3:1", "--clean", tmp_path / "b")
    assert "40 checked training images were shared out" in output
    assert Counter(row[0] for row in rows.values() if row[2]) == pytest.approx(
        {"train": 24, "test": 12, "dev": 4}, abs=2
    )
    assert all(row[0] == "train" for row in rows.values() if row[2] is None)
    assert all(row[3] == (row[0] == "train" and row[2] is not None) for row in rows.values())


def test_split_makes_only_what_is_missing(tmp_path):
    files = {f"train/cat/{n}.png": n for n in range(14)} | {"test/cat/t.png": 99}
    rows, output = imported(tree(tmp_path / "a", files), tmp_path / "c", "--split", "6:3:1", "--checked")
    assert Counter(row[0] for row in rows.values()) == {"train": 12, "dev": 2, "test": 1}
    assert "shared out to train, dev" in output
    tree(tmp_path / "a", {"val/cat/v.png": 98})
    _, output = imported(tmp_path / "a", tmp_path / "d", "--split", "6:3:1")
    assert "--split had nothing to do" in output


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({}, {}, "there is no folder"),
        ({"1.png": 1}, {}, "holds no class folder with a file in it"),
        ({"train/cat/1.png": 1, "extra/cat/2.png": 2}, {}, "holds train, a split, and extra, none"),
        ({"train/1.png": 1}, {}, "train holds no class folders"),
        ({"cat/1.png": b"x"}, {}, "no usable image with a label among 1: 1 × the image is unreadable"),
        ({"cat/1.png": 1}, {"options": Options(split="6:4")}, "give three shares, train:test:dev"),
        ({"cat/1.png": 1}, {"options": Options(split="6:0:1")}, "every share must be above 0"),
        ({"cat/1.png": 1}, {"clean": "nowhere"}, "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_imported_is_said(tmp_path, files, options, message):
    tree(tmp_path / "a", files)
    with pytest.raises(LabelhedgeError, match=message):
        import_class_folders(tmp_path / "a", tmp_path / "c", **options)
    assert not (tmp_path / "c").exists()


def test_hidden_and_junk_folders_are_neither_labels_nor_samples(tmp_path):
    files = {
        "cat/1.png": 1, "dog/2.png": 2, ".ipynb_checkpoints/x-checkpoint.png": 3, "cat/.ipynb_checkpoints/1.png": 4,
        "__MACOSX/cat/._1.png": b"x", "__MACOSX/owl/1.png": 5, "notes/readme.txt": b"x", "owl/broken.png": b"x",
        "eel/.1.png": 6,
    }  # fmt: skip
    tree(tmp_path / "a", files)
    rows, output = imported(tmp_path / "a", tmp_path / "c")
    assert list(rows) == ["cat/1.png", "dog/2.png"]
    assert [label.name for label in lh.Corpus.open(tmp_path / "c").labels] == ["cat", "dog"]
    assert "3 labels have no usable image, and are none of the corpus: eel, notes, owl" in " ".join(output.split())
    tree(tmp_path / "b", {"train/cat/1.png": 1, "__MACOSX/train/cat/1.png": 1, ".git/cat/1.png": 1})
    assert list(imported(tmp_path / "b", tmp_path / "d")[0]) == ["train/cat/1.png"]


def larger(data):
    """A near-duplicate: the picture with twice the pixels."""
    with Image.open(io.BytesIO(data)) as image:
        return encoded(image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST))


def test_split_keeps_near_duplicates_on_one_side(tmp_path):
    files = {f"{('cat', 'dog')[n % 2]}/{n:02}.png": picture(n, (24, 18)) for n in range(40)}
    files |= {f"{('cat', 'dog')[n % 2]}/{n:02} larger.png": larger(picture(n, (24, 18))) for n in range(40)}
    tree(tmp_path / "a", files)

    def torn(target, *options):
        rows, _ = imported(tmp_path / "a", tmp_path / target, "--split", "6:3:1", "--checked", *options)
        assert Counter(row[0] for row in rows.values()) == pytest.approx({"train": 48, "test": 24, "dev": 8}, abs=4)
        return sum(rows[name][0] != rows[name.replace(".png", " larger.png")][0] for name in rows if "l" not in name)

    assert torn("c") == 0
    assert torn("d", "--no-near-duplicates") > 5


def test_unchecked_near_duplicates_go_where_the_checked_one_goes(tmp_path):
    tree(tmp_path / "a", {f"cat/{n:02}.png": larger(picture(n, (24, 18))) for n in range(20)} | {"dog/x.png": 99})
    tree(tmp_path / "b", {f"cat/{n:02}.png": picture(n, (24, 18)) for n in range(20)})
    rows, output = imported(tmp_path / "a", tmp_path / "c", "--clean", tmp_path / "b", "--split", "6:3:1", "--checked")
    assert Counter(row[0] for row in rows.values()) == {"train": 25, "test": 12, "dev": 4}
    for n in range(20):
        split, observed, verified, trusted = rows[f"cat/{n:02}.png"]
        assert (split, observed) == (rows[f"clean/cat/{n:02}.png"][0], ["cat"])
        assert (verified, trusted) == (None, False)  # nobody checked it
    assert "20 checked training images were shared out to train, test, dev and 8 of the same look with them" in output


def test_the_split_hangs_on_images_and_not_on_the_names_of_their_files(tmp_path):
    """Equally many images of each label, read in another order."""
    found = []
    for name, order in (("a", range(40)), ("b", range(39, -1, -1))):
        shown = {f"{('cat', 'dog', 'eel', 'owl')[n % 4]}/{place:02}.png": n for place, n in enumerate(order)}
        tree(tmp_path / name, shown)
        rows, _ = imported(tmp_path / name, tmp_path / f"corpus-{name}", "--split", "6:3:1")
        found.append({shown[id_]: row[0] for id_, row in rows.items()})
    assert found[0] == found[1]


KILLED = """
import os, signal, sys
from labelhedge.collect.importing import import_class_folders

def watch(event, arguments):  # all is written, and about to be moved into its place
    if event == "os.rename" and str(arguments[1]).endswith("corpus"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
import_class_folders(*sys.argv[1:])
"""


def test_a_killed_import_leaves_nothing_and_ends_with_the_same_bytes(tmp_path):
    tree(tmp_path / "a", {"cat/1.png": 1, "dog/2.png": 2, "cat/x.txt": b"x"})
    killed, whole = tmp_path / "killed" / "corpus", tmp_path / "whole" / "corpus"
    killed.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a"), str(killed)], check=False)
    assert done.returncode == -signal.SIGKILL
    (partial,) = killed.parent.glob(".*.partial/new")
    assert sorted(path.name for path in partial.iterdir()) == ["corpus.json", "left-out.csv", "samples"]
    assert not killed.exists()
    for target in (killed, whole):
        import_class_folders(tmp_path / "a", target)
    assert [path.name for path in killed.parent.iterdir()] == ["corpus"]
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (killed, whole)
    )
    assert first == second


def test_classes_may_be_called_train(tmp_path):
    tree(tmp_path / "a", {"train/1.png": 1, "car/2.png": 2})
    rows, _ = imported(tmp_path / "a", tmp_path / "c", "--flat")
    assert [row[1] for row in rows.values()] == [["car"], ["train"]]


def test_a_corpus_is_replaced_only_if_asked(tmp_path):
    tree(tmp_path / "a", {"cat/1.png": 1})
    import_class_folders(tmp_path / "a", tmp_path / "c")
    tree(tmp_path / "a", {"cat/2.png": 2})
    with pytest.raises(LabelhedgeError, match="holds a corpus already"):
        import_class_folders(tmp_path / "a", tmp_path / "c")
    rows, _ = imported(tmp_path / "a", tmp_path / "c", "--overwrite")
    assert len(rows) == 2


def test_an_image_that_changes_meanwhile_is_noticed(tmp_path, monkeypatch):
    tree(tmp_path / "a", {"cat/1.png": 1})
    write = building.write_corpus

    def late(*arguments, **options):
        tree(tmp_path / "a", {"cat/1.png": 2})
        return write(*arguments, **options)

    monkeypatch.setattr(building, "write_corpus", late)
    with pytest.raises(LabelhedgeError, match="changed while it was imported"):
        import_class_folders(tmp_path / "a", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_memory_holds_a_part_and_not_the_images(tmp_path, monkeypatch):
    """Of 20 MB of images a part of 2 MB and a few more are held, until the corpus is opened."""
    noise = os.urandom(200 * 170 * 3)
    for n in range(200):
        data = encoded(Image.frombytes("RGB", (200, 170), noise[n:] + noise[:n]), "BMP")
        tree(tmp_path / "a", {f"cat/{n}.bmp": data})
    peaks = []

    class Opened(lh.Corpus):
        @classmethod
        def open(cls, path, *, progress=False):
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            return lh.Corpus.open(path, progress=progress)

    monkeypatch.setattr(building, "Corpus", Opened)
    monkeypatch.setattr(building, "PART_BYTES", 2 * 2**20)
    tracemalloc.start()
    import_class_folders(tmp_path / "a", tmp_path / "c")
    assert sum(path.stat().st_size for path in (tmp_path / "a").rglob("*.bmp")) > 20e6
    assert peaks[0] < 12e6
    assert len(list((tmp_path / "c" / "samples").iterdir())) == 10


def entry(split, observed, verified):
    trusted = split == "train" and verified is not None
    return Entry(split, (observed,) if observed else (), None if verified is None else tuple(verified), trusted)


entries = st.builds(
    entry,
    st.sampled_from(["train", "dev", "test"]),
    st.sampled_from(["", "cat", "dog"]),
    st.none() | st.sets(st.sampled_from(["cat", "dog"])).map(sorted),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(entries, st.integers(0, 3)), max_size=12), st.booleans())
def test_settling_loses_nothing_and_leaves_no_image_in_two_splits(pairs, multi):
    numbered = dict(enumerate(entry for entry, _ in pairs))
    keys = dict(enumerate(key for _, key in pairs))
    settled = settle(numbered, keys, multi=multi)
    assert settled.kept.keys() | settled.dropped.keys() == numbered.keys()
    assert not settled.kept.keys() & settled.dropped.keys()
    for number, (stays, _) in settled.dropped.items():
        assert keys[stays] == keys[number]
        assert stays in settled.kept
    for key in set(keys.values()):
        members = [numbered[number] for number in keys if keys[number] == key]
        kept = [entry for number, entry in settled.kept.items() if keys[number] == key]
        (split,) = {entry.split for entry in kept}
        with_class = {entry.split for entry in members if entry.verified}
        rank = ["train", "dev", "test"]
        best = with_class or {entry.split for entry in members}
        assert split == max(best, key=rank.index)
        there = [entry for entry in members if entry.split == split]
        for name in ("observed", "verified"):  # labels of the split that stays are all there, and no others
            before = {label for entry in there for label in getattr(entry, name) or ()}
            assert {label for entry in kept for label in getattr(entry, name) or ()} == before
        if any(entry.verified is not None for entry in there):
            assert len({entry.verified for entry in kept}) == 1  # one truth an image
