"""Images of an ImageNet-style folder in a corpus: what is taken, what is left out, and what becomes of the corpus."""

import csv
import functools
import io
import re
import shlex
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import columns_of, encoded, table_of
from labelhedge.cli import app
from labelhedge.collect.crosslinks import LinkSettings, add_images
from labelhedge.collect.crosslinks.selection import mirrored
from labelhedge.corpus.near_duplicates import look
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, WordNet

RODENT, MOUSE, BOX = "n00000002", "n00000003", "n00000004"  # of small_wordnet
LABELS = [{"id": name, "name": name} for name in ("rodent", "box", "unicorn")]

pytest.importorskip("imagehash", reason="pip install 'labelhedge[collect]'")


def scene(seed, size=96):
    """A photo-like image: coarse colours, so that a recompressed copy looks the same and others do not."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def jpeg(seed, size=96, quality=90):
    return encoded(scene(seed, size), "JPEG", quality=quality)


def put(folder, wnid, images):
    """Write images (name -> bytes) into a synset's folder."""
    (folder / wnid).mkdir(parents=True, exist_ok=True)
    for name, data in images.items():
        (folder / wnid / f"{wnid}_{name}.JPEG").write_bytes(data)


def photos(*seeds):
    return {str(seed): jpeg(seed) for seed in seeds}


@pytest.fixture
def imagenet(tmp_path):
    folder = tmp_path / "ImageNet" / "train"
    put(folder, RODENT, photos(100, 101, 102, 103))
    put(folder, MOUSE, photos(110, 111))
    put(folder, BOX, photos(120, 121, 122))
    return folder.parent


@pytest.fixture
def corpus(make_corpus, tmp_path):
    """Of 20 samples; photos of its own in the place of some."""
    return lambda **changes: make_corpus(
        tmp_path / "corpus", info={"labels": LABELS, **changes.pop("info", {})}, **changes
    )


@pytest.fixture
def settings(small_wordnet):
    return LinkSettings(wordnet=small_wordnet)


def image(data):
    return {"bytes": data, "path": None}


def new_rows(folder):
    rows = table_of(folder).to_pylist()
    return {row["id"]: row for row in rows if row["source"]}


def test_clean_images_are_added_and_the_rest_stays_as_it_was(corpus, imagenet, settings, tmp_path):
    before = columns_of(corpus(parts=2))
    done = add_images(tmp_path / "corpus", imagenet, settings, target=tmp_path / "out", per_label=3)
    after = columns_of(tmp_path / "out")
    source = after.pop("source")
    assert {name: values[:20] for name, values in after.items()} == before
    assert source[:20] == [None] * 20
    new = new_rows(tmp_path / "out")
    assert len(new) == done.images == 6
    assert done.selection.by_label == {0: 3, 1: 3}
    for id_, row in new.items():
        label = 0 if id_.startswith(RODENT) else 1
        assert row["source"] == f"imagenet:{id_}"
        assert (row["split"], row["trusted"], row["title"]) == ("train", True, None)
        assert row["observed"] == row["verified"] == [label]
        assert row["image"]["bytes"] == (imagenet / "train" / id_).read_bytes()
    assert columns_of(tmp_path / "corpus") == before
    assert (tmp_path / "out" / "graph.nt").read_bytes() == (tmp_path / "corpus" / "graph.nt").read_bytes()
    said = "\n".join(done.lines())
    assert "2 of 3 labels linked; 0 ambiguous, 1 no synset, 0 no images, 0 left out" in said
    assert "no synset: unicorn (WordNet has no noun 'unicorn')" in said
    assert "6 images added" in said
    assert "right-only" in said
    assert not (tmp_path / "out" / "cross-links-left-out.csv").exists()


def test_the_choice_hangs_on_seed_and_names_alone(corpus, imagenet, settings, tmp_path):
    folder = corpus()

    def chosen(name, **options):
        add_images(folder, imagenet, settings, target=tmp_path / name, **options)
        return set(new_rows(tmp_path / name))

    one = chosen("one", per_label=2)
    (imagenet / RODENT).mkdir()  # part of the synset moves to another place
    for path in sorted((imagenet / "train" / RODENT).iterdir())[:2]:
        path.rename(imagenet / RODENT / path.name)
    assert chosen("again", per_label=2) == one
    assert chosen("more", per_label=3) > one
    assert any(chosen(f"seed{seed}", per_label=2, seed=seed) != one for seed in range(1, 5))


def test_in_place_and_again_changes_nothing_more(corpus, imagenet, settings):
    folder = corpus()
    first = add_images(folder, imagenet, settings, per_label=2)
    written = {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}
    assert first.images == 4
    second = add_images(folder, imagenet, settings, per_label=2)
    assert {path.name: path.read_bytes() for path in (folder / "samples").iterdir()} == written
    assert (second.images, second.made_trusted) == (0, 0)
    assert "0 images added; 4 were in the clean set already" in "\n".join(second.lines())
    third = add_images(folder, imagenet, settings, per_label=3)
    assert third.images == 2
    assert third.corpus.info.description.count("Clean images added by") == 2


def test_copies_of_dev_and_test_images_are_left_out(corpus, imagenet, settings, tmp_path):
    smaller, bytes_of = jpeg(101, 64, 40), {6: jpeg(100), 8: None}
    corpus(cells={(6, "image"): image(bytes_of[6]), (8, "image"): image(smaller), (9, "image"): image(jpeg(300))})
    done = add_images(tmp_path / "corpus", imagenet, settings)
    reasons = {one.name: reason for one, reason in done.selection.left_out.items()}
    assert reasons == {
        f"{RODENT}/{RODENT}_100.JPEG": "the same bytes as a dev image (s06)",
        f"{RODENT}/{RODENT}_101.JPEG": "a near-duplicate of a test image (s08)",
    }
    with (tmp_path / "corpus" / "cross-links-left-out.csv").open() as file:
        assert {row["place"]: row["reason"] for row in csv.DictReader(file)} == reasons
    said = "\n".join(done.lines())
    assert "2 images left out, see cross-links-left-out.csv: 1 × " in said
    assert "2 labels have fewer than 100: rodent (2), box (3)" in said


def test_a_mirrored_copy_of_a_test_image_is_left_out(corpus, imagenet, settings, tmp_path):
    turned = encoded(ImageOps.mirror(scene(101)).resize((70, 70)), "JPEG", quality=70)
    corpus(cells={(8, "image"): image(turned)})
    done = add_images(tmp_path / "corpus", imagenet, settings)
    (reason,) = done.selection.left_out.values()
    assert reason == "a mirrored near-duplicate of a test image (s08)"


def test_the_look_of_a_mirrored_image():
    for seed in range(40):
        turned = look(encoded(ImageOps.mirror(scene(seed))))
        expected = mirrored(look(encoded(scene(seed))))
        assert (turned.hash ^ expected.hash).bit_count() <= 10
        gap = np.frombuffer(turned.thumbnail, np.uint8).astype(int) - np.frombuffer(expected.thumbnail, np.uint8)
        assert abs(gap).max() <= 1


def test_a_licence_goes_with_the_corpus(corpus, imagenet, settings, tmp_path):
    (corpus() / "LICENSE.pdf").write_bytes(b"%PDF")
    for target in (tmp_path / "out", None):
        done = add_images(tmp_path / "corpus", imagenet, settings, target=target)
        assert (done.corpus.folder / "LICENSE.pdf").read_bytes() == b"%PDF"


def test_an_image_in_the_place_of_one_that_cannot_be_used(corpus, imagenet, settings, tmp_path):
    for path in sorted((imagenet / "train" / RODENT).iterdir())[:2]:
        path.write_bytes(path.read_bytes()[:-300])  # its header is sound
    (imagenet / "train" / BOX / "notes.txt").write_text("no image")
    (imagenet / "train" / BOX / "empty.jpg").write_bytes(b"")
    done = add_images(corpus(), imagenet, settings, per_label=2)
    assert done.selection.by_label == {0: 2, 1: 2}
    done = add_images(tmp_path / "corpus", imagenet, settings, target=tmp_path / "all", per_label=9)
    assert done.selection.by_label == {0: 2, 1: 3}
    assert [reason.split(" (")[0] for reason in done.selection.left_out.values()] == ["the image is unreadable"] * 3


def test_an_equal_training_sample_becomes_trusted_where_nobody_found_other_labels(corpus, imagenet, settings):
    """What is verified of a sample that is not trusted is hidden truth: it decides nothing, and is replaced."""
    rows = {0: 103, 1: 100, 2: 101, 4: 102, 5: 120}  # training samples, of which the first is trusted
    cells = {(row, "image"): image(jpeg(seed)) for row, seed in rows.items()}
    cells |= {(1, "verified"): None, (1, "observed"): [1], (2, "verified"): [0, 1], (4, "verified"): [1]}
    cells |= {(0, "verified"): [1], (5, "verified"): None, (5, "observed"): []}
    done = add_images(corpus(cells=cells), imagenet, settings)
    after = table_of(done.corpus.folder).to_pylist()
    found = [(after[row]["verified"], after[row]["trusted"]) for row in (0, 1, 2, 4, 5)]
    assert found == [([1], True), ([0], True), ([0], True), ([0], True), ([1], True)]
    assert (after[1]["observed"], after[5]["observed"]) == ([1], [])
    assert (done.made_trusted, done.images) == (4, 2)
    assert after[1]["source"] == f"imagenet:{RODENT}/{RODENT}_100.JPEG"
    (reason,) = done.selection.left_out.values()
    assert reason == "somebody checked this training image and found other labels (s00)"


@pytest.mark.parametrize("out", [None, "new"])
def test_parts_without_rows_and_what_other_libraries_keep_in_the_schema(corpus, imagenet, settings, tmp_path, out):
    known = {b"huggingface": b'{"info": {}}'}
    folder = corpus(parts=3, edit=lambda table, part: table.slice(0, part * 99).replace_schema_metadata(known))
    before = columns_of(folder)["id"]
    done = add_images(folder, imagenet, settings, target=out and tmp_path / out)
    assert columns_of(done.corpus.folder)["id"][: len(before)] == before
    assert done.images == 7
    for part in (done.corpus.folder / "samples").iterdir():
        assert pq.read_schema(part).metadata == known


def test_equal_images_of_two_synsets_are_both_left_out(corpus, imagenet, settings):
    put(imagenet / "train", BOX, {"equal": jpeg(100)})
    put(imagenet / "train", RODENT, {"twin": jpeg(101)})
    done = add_images(corpus(), imagenet, settings)
    reasons = sorted(reason.split(" (")[0] for reason in done.selection.left_out.values())
    assert reasons == ["an equal image has other labels"] * 2 + ["an equal image was looked at before"]
    assert done.selection.by_label == {0: 3, 1: 3}


def test_what_lies_below_and_above(make_corpus, imagenet, small_wordnet, tmp_path):
    """A mouse is a rodent: with `below` its images serve for both, and they have both labels, or the nearest."""
    (imagenet / "train" / MOUSE).rename(imagenet / "train" / "aside")
    put(imagenet / "train", "n00000003", photos(110, 111))
    labels = [{"id": "rodent", "name": "rodent"}, {"id": "m", "name": "m", "uri": "urn:x:m"}]
    folder = make_corpus(
        tmp_path / "c", info={"labels": labels}, columns={"observed": [[0]] * 20, "verified": [[0]] * 20}
    )
    choices = tmp_path / "choices.csv"
    choices.write_text(f"uri,wnid\nurn:x:m,{MOUSE}\n")

    def labels_of_mice(name, **options):
        linking = LinkSettings(wordnet=small_wordnet, choices=choices, **options)
        done = add_images(folder, imagenet, linking, target=tmp_path / name)
        mice = [row["verified"] for id_, row in new_rows(tmp_path / name).items() if id_.startswith(MOUSE)]
        return mice, done.selection.by_label

    assert labels_of_mice("both", below=True) == ([[0, 1]] * 2, {0: 6, 1: 2})
    assert labels_of_mice("own") == ([[0, 1]] * 2, {0: 4, 1: 2})
    assert labels_of_mice("nearest", below=True, above=False) == ([[1]] * 2, {0: 6, 1: 2})


def test_images_that_an_ambiguous_label_may_be_of_are_left_out(make_corpus, imagenet, small_wordnet, tmp_path):
    put(imagenet / "train", "n00000005", photos(130))
    labels = [
        {"id": "mouse", "name": "mouse"},
        {"id": "own", "name": "x", "uri": "urn:x"},
        {"id": "r", "name": "rodent"},
    ]
    choices = tmp_path / "choices.csv"
    choices.write_text(f"uri,wnid\nurn:x,{MOUSE}\n")
    folder = make_corpus(tmp_path / "c", info={"labels": labels})
    done = add_images(folder, imagenet, LinkSettings(wordnet=small_wordnet, choices=choices))
    assert done.selection.by_label == {1: 0, 2: 4}
    said = "\n".join(done.lines())
    assert "ambiguous, left out: mouse\n    n00000003 mouse: small\n    n00000005 mouse: on a desk" in said
    assert "2 × an ambiguous label may be one of its labels" in said


def test_exclusive_labels_get_one_each(make_corpus, imagenet, small_wordnet, tmp_path):
    info = {"labels": LABELS, "exclusive": True}
    folder = make_corpus(tmp_path / "c", info=info, columns={"observed": [[0]] * 20, "verified": [[1]] * 20})
    choices = tmp_path / "choices.csv"
    choices.write_text(f"uri,wnid\nunicorn,{RODENT}\n")
    done = add_images(folder, imagenet, LinkSettings(wordnet=small_wordnet, choices=choices), target=tmp_path / "o")
    assert done.selection.by_label == {0: 0, 1: 3, 2: 0}
    assert set(done.selection.left_out.values()) == {"of several labels, which exclude each other"}
    choices.write_text(f"uri,wnid\nunicorn,{MOUSE}\n")
    linking = LinkSettings(wordnet=small_wordnet, choices=choices, below=True)
    done = add_images(folder, imagenet, linking, target=tmp_path / "below")
    assert {row["verified"][0] for id_, row in new_rows(tmp_path / "below").items() if id_.startswith(MOUSE)} == {2}


def test_tar_files_and_images_beside_the_corpus(corpus, settings, tmp_path):
    folder = tmp_path / "tars"
    folder.mkdir()
    with tarfile.open(folder / f"{BOX}.tar", "w") as tar:
        for seed in (120, 121):
            member = tarfile.TarInfo(f"{BOX}_{seed}.JPEG")
            data = jpeg(seed)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    corpus(cells={(0, "image"): {"bytes": None, "path": "files/a.png"}}, files={"files/a.png": jpeg(7)})
    done = add_images(tmp_path / "corpus", folder, settings, target=tmp_path / "out")
    after = table_of(tmp_path / "out").to_pylist()
    assert after[0]["image"] == {"bytes": jpeg(7), "path": "files/a.png"}
    assert after[-1]["image"]["bytes"] == jpeg(121)
    add_images(tmp_path / "corpus", folder, settings)
    assert table_of(tmp_path / "corpus").to_pylist()[0]["image"] == {"bytes": None, "path": "files/a.png"}
    assert done.images == 2
    (folder / f"{RODENT}.tar").write_bytes(b"\0" * 100 + b"x" * 1000)
    with pytest.raises(LabelhedgeError, match=rf"{RODENT}\.tar: not a whole tar file"):
        add_images(tmp_path / "corpus", folder, settings)


def test_refused_before_long_work(corpus, imagenet, settings, tmp_path):
    folder = corpus()
    with pytest.raises(LabelhedgeError, match=r"embedded in labelhedge .* --out"):
        add_images("clipart", imagenet, settings)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(LabelhedgeError, match="taken exists already"):
        add_images(folder, imagenet, settings, target=tmp_path / "taken")
    with pytest.raises(LabelhedgeError, match=r"apt-get install wordnet-base.*--no-above"):
        add_images(folder, imagenet, LinkSettings(wordnet=tmp_path / "no", mappings=["m.csv"]))
    (tmp_path / "none.csv").write_text("wnid,title\nn00000009,rodent\n")
    with pytest.raises(LabelhedgeError, match=r"no label is linked to images: 0 of 3 labels linked.* 1 no images"):
        add_images(folder, imagenet, LinkSettings(mappings=[tmp_path / "none.csv"], above=False))


def test_a_column_source_of_another_kind(make_corpus, imagenet, settings, tmp_path):
    info = {"labels": LABELS}
    make_corpus(tmp_path / "numbers", info=info, columns={"source": list(range(20))})
    with pytest.raises(LabelhedgeError, match="column 'source' of type int64"):
        add_images(tmp_path / "numbers", imagenet, settings)
    make_corpus(tmp_path / "words", info={**info, "text": ["source"]}, columns={"source": ["x"] * 20})
    with pytest.raises(LabelhedgeError, match="take it out of 'text'"):
        add_images(tmp_path / "words", imagenet, settings)
    make_corpus(tmp_path / "kept", info=info, columns={"source": ["web"] * 20})
    add_images(tmp_path / "kept", imagenet, settings, per_label=1)
    assert columns_of(tmp_path / "kept")["source"][:20] == ["web"] * 20


def test_the_command(corpus, imagenet, small_wordnet, tmp_path):
    def run(*arguments):
        words = ["verify", "crosslink", str(corpus_folder), "--images", str(imagenet), *map(str, arguments)]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    corpus_folder = corpus()
    links = tmp_path / "links.csv"
    assert "nothing was added" in run("--wordnet", small_wordnet, "--links", links)
    assert f"rodent,{RODENT},linked,yes,rodent,it gnaws" in links.read_text()
    mapping = tmp_path / "m.csv"
    mapping.write_text(f"wnid,title\n{BOX},unicorn\n")
    output = run("--mapping", mapping, "--no-above", "--per-label", 2, "--out", tmp_path / "out")
    assert "1 of 3 labels linked" in output
    assert "2 images added" in output
    run("--choose", links, "--wordnet", small_wordnet, "--per-label", 1)
    assert lh.Corpus.open(corpus_folder).describe().clean == 4 + 2


@pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's wordnet-base is not installed")
def test_the_commands_of_the_page(make_corpus, tmp_path, monkeypatch):
    page = Path(__file__).parents[1] / "docs" / "crosslinks.md"
    first, second = re.findall(r"^labelhedge (.*)$", page.read_text(), flags=re.M)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(WordNet, "open", functools.cache(WordNet.open))
    labels = [{"id": name, "name": name} for name in ("dog", "crane", "Crane (bird)")]
    make_corpus("my-corpus", info={"labels": labels})
    for number, wnid in enumerate(("n02084071", "n02012849", "n03126707")):
        put(Path("ImageNet"), wnid, photos(number))
    run = functools.partial(CliRunner().invoke, app, catch_exceptions=False)
    output = run(shlex.split(first)).output
    assert "2 of 3 labels linked; 1 ambiguous" in output
    assert "n03126707 crane: lifts and moves heavy objects" in output
    lines = Path("links.csv").read_text().splitlines(keepends=True)
    Path("links.csv").write_text(
        "".join(line for line in lines if not line.startswith("crane,") or "n03126707" in line)
    )
    assert "3 of 3 labels linked" in run(shlex.split(second)).output
    found = {id_[:9]: row["verified"] for id_, row in new_rows(Path("my-corpus-clean")).items()}
    assert found == {"n02084071": [0], "n03126707": [1], "n02012849": [2]}
