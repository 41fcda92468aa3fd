"""Hugging Face datasets and WebDataset shards, as their own libraries write them."""

import io
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import columns_of, picture
from labelhedge.cli import app
from labelhedge.collect.importing import Options, import_hf, import_webdataset
from labelhedge.errors import LabelhedgeError

datasets = pytest.importorskip("datasets", reason="pip install 'labelhedge[datasets]'")
webdataset = pytest.importorskip("webdataset", reason="pip install 'labelhedge[datasets]'")
ANIMALS = datasets.ClassLabel(names=["cat", "dog", "owl"])


def run(*arguments):
    done = CliRunner().invoke(app, ["corpus", "import", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def names_of(folder):
    """Rows by id, labels by name."""
    rows = columns_of(folder)
    corpus = lh.Corpus.open(folder)
    assert corpus.check()
    names = [label.name for label in corpus.labels]
    labels = [
        [None if found is None else [names[label] for label in found] for found in rows[column]]
        for column in ("observed", "verified")
    ]
    return dict(zip(rows["id"], zip(rows["split"], *labels, rows["trusted"], strict=True), strict=True))


def dataset(label, feature, *, start=0, **columns):
    kinds = {"image": datasets.Image(), "label": feature}
    kinds |= {name: kind for name, (kind, _) in columns.items()}
    content = {"image": [{"bytes": picture(start + n), "path": None} for n in range(len(label))], "label": label}
    content |= {name: values for name, (_, values) in columns.items()}
    return datasets.Dataset.from_dict(content, features=datasets.Features(kinds))


def two_splits():
    return datasets.DatasetDict(
        train=dataset([0, 1, 2, 1], ANIMALS),
        validation=dataset([1, -1], ANIMALS, start=10),
        test=dataset([2], ANIMALS, start=20),
    )


def test_a_saved_dataset_with_class_labels(tmp_path):
    two_splits().save_to_disk(tmp_path / "d")
    output = run("hf", tmp_path / "d", tmp_path / "c", "--image", "image", "--label", "label", "--checked")
    assert names_of(tmp_path / "c") == {
        "train-0": ("train", ["cat"], None, False),
        "train-1": ("train", ["dog"], None, False),
        "train-2": ("train", ["owl"], None, False),
        "train-3": ("train", ["dog"], None, False),
        "validation-0": ("dev", ["dog"], ["dog"], False),
        "test-0": ("test", ["owl"], ["owl"], False),
    }
    assert columns_of(tmp_path / "c")["image"][0]["bytes"] == picture(0)  # as they are
    assert "1 of 7 left out, see left-out.csv: 1 × no label" in output


def test_two_splits_may_become_one(tmp_path):
    two_splits().save_to_disk(tmp_path / "d")
    import_hf(tmp_path / "d", tmp_path / "c", rename={"validation": "train"})
    assert [row[0] for row in names_of(tmp_path / "c").values()] == ["train"] * 5 + ["test"]


def test_a_folder_of_parquet_files_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "d" / "data").mkdir(parents=True)
    for name, part in two_splits().items():
        part.to_parquet(tmp_path / "d" / "data" / f"{name}-00000-of-00001.parquet")
    two_splits().save_to_disk(tmp_path / "saved")
    import_hf(tmp_path / "d", tmp_path / "c")
    import_hf(tmp_path / "saved", tmp_path / "e")
    assert names_of(tmp_path / "c") == names_of(tmp_path / "e")
    assert [label.name for label in lh.Corpus.open(tmp_path / "c").labels] == ["cat", "dog", "owl"]


def test_a_single_dataset_with_verified_and_trusted_columns_and_words(tmp_path):
    several = datasets.Sequence(datasets.Value("string"))
    part = dataset(
        [["dog"], [], ["owl", "cat"], ["dog"]],
        several,
        true=(several, [["cat"], ["dog"], None, []]),
        checked=(datasets.Value("bool"), [True, False, None, True]),
        title=(datasets.Value("string"), ["a", None, "c", "d"]),
    )
    part.save_to_disk(tmp_path / "d")
    run("hf", tmp_path / "d", tmp_path / "c", "--verified", "true", "--trusted", "checked", "--text", "title")
    assert list(names_of(tmp_path / "c").values()) == [
        ("train", ["dog"], ["cat"], True),
        ("train", [], ["dog"], False),
        ("train", ["cat", "owl"], None, False),
        ("train", ["dog"], [], True),
    ]
    assert lh.Corpus.open(tmp_path / "c").info.text == ("title",)
    assert columns_of(tmp_path / "c")["title"] == [["a"], None, ["c"], ["d"]]


@pytest.mark.parametrize(
    ("labels", "feature", "names"),
    [
        ([10, 9, 10], datasets.Value("int64"), ["9", "10"]),
        (["b", "a", "b"], datasets.Value("string"), ["a", "b"]),
        ([[0, 2], [], [1]], datasets.Sequence(ANIMALS), ["cat", "dog", "owl"]),
    ],
)
def test_kinds_of_label_columns(tmp_path, labels, feature, names):
    dataset(labels, feature).save_to_disk(tmp_path / "d")
    corpus = import_hf(tmp_path / "d", tmp_path / "c").corpus
    assert [label.name for label in corpus.labels] == names
    wanted = [value if isinstance(value, list) else [value] for value in labels]
    if not isinstance(labels[0], list):
        wanted = [[names.index(str(value)) for value in found] for found in wanted]
    assert columns_of(tmp_path / "c")["observed"] == wanted


def test_one_name_stands_for_none_of_the_labels(tmp_path):
    kinds = datasets.ClassLabel(names=["cat", "nothing", "dog"])
    dataset([0, 1, 2], kinds, true=(kinds, [1, -1, 0])).save_to_disk(tmp_path / "d")
    run("hf", tmp_path / "d", tmp_path / "c", "--verified", "true", "--background", "nothing")
    assert [label.name for label in lh.Corpus.open(tmp_path / "c").labels] == ["cat", "dog"]
    assert [row[1:3] for row in names_of(tmp_path / "c").values()] == [(["cat"], []), ([], None), (["dog"], ["cat"])]
    with pytest.raises(LabelhedgeError, match="nohting: no label is called so; there are cat, nothing, dog"):
        import_hf(tmp_path / "d", tmp_path / "e", background="nohting")
    run("hf", tmp_path / "d", tmp_path / "e", "--background", "nothing", "--exclusive")
    assert [label.name for label in lh.Corpus.open(tmp_path / "e").labels] == ["cat", "nothing", "dog"]

    dataset([["cat"], ["cat", "background"]], datasets.Sequence(datasets.Value("string"))).save_to_disk(tmp_path / "b")
    with pytest.raises(LabelhedgeError, match="train-1: label is cat, background: background stands for no label at"):
        import_hf(tmp_path / "b", tmp_path / "f")


def test_images_as_paths_and_a_split_of_another_name(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    paths = [str(tmp_path / "0.png"), str(tmp_path / "1.png"), str(tmp_path / "2.png")]
    part = datasets.Dataset.from_dict({"photo": paths, "y": ["cat", "dog", "dog"]})
    datasets.DatasetDict(web=part).save_to_disk(tmp_path / "d")
    with pytest.raises(LabelhedgeError, match="the split 'web' has a name of its own: say --rename web=train"):
        import_hf(tmp_path / "d", tmp_path / "c", image="photo", label="y")
    output = run("hf", tmp_path / "d", tmp_path / "c", "--image", "photo", "--label", "y", "--rename", "web=train")
    assert names_of(tmp_path / "c") == {
        "web-0": ("train", ["cat"], None, False),
        "web-1": ("train", ["dog"], None, False),
    }
    assert "1 × the file cannot be read" in output


def test_relative_paths_start_from_the_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "d" / "photos").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "d" / "photos" / f"{number}.png").write_bytes(picture(number))
    part = datasets.Dataset.from_dict({"image": ["photos/0.png", "photos/1.png"], "label": ["cat", "dog"]})
    part.to_parquet(tmp_path / "d" / "train.parquet")
    monkeypatch.chdir(tmp_path)
    import_hf(tmp_path / "d", tmp_path / "c")
    assert [row[1] for row in names_of(tmp_path / "c").values()] == [["cat"], ["dog"]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": "picture"}, "train: no column 'picture'; it has image, label"),
        ({"label": "image"}, "image is {'bytes"),
        ({"image": "label"}, "the column 'label' cannot be read as images"),
        ({"verified": "nix"}, "no column 'nix'"),
        ({"trusted": "label", "verified": None}, "trusted, but without verified labels"),
        ({"rename": {"extra": "train"}}, "has no split 'extra'; it has train, validation, test"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path, settings, message):
    two_splits().save_to_disk(tmp_path / "d")
    with pytest.raises(LabelhedgeError, match=message):
        import_hf(tmp_path / "d", tmp_path / "c", **settings)
    assert not (tmp_path / "c").exists()


def test_what_is_no_dataset_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "d").mkdir()
    with pytest.raises(LabelhedgeError, match="there is no folder"):
        import_hf(tmp_path / "nowhere", tmp_path / "c")
    with pytest.raises(LabelhedgeError, match="was not written by save_to_disk and holds no Parquet file"):
        import_hf(tmp_path / "d", tmp_path / "c")
    (tmp_path / "d" / "train.parquet").write_bytes(b"junk")
    with pytest.raises(LabelhedgeError, match="cannot be read as a dataset"):
        import_hf(tmp_path / "d", tmp_path / "c")


def shard(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path)) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def test_shards_with_cls_and_a_file_of_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in range(2):
        shard(
            tmp_path / f"train-{part:03d}.tar",
            [{"__key__": f"{n:04d}", "png": picture(10 * part + n), "cls": n % 2} for n in range(3)],
        )
    shard(tmp_path / "val-000.tar", [{"__key__": "0", "webp": picture(99), "cls": 1}])
    Path("classes.txt").write_text("cat\ndog\n")
    run(
        "webdataset", "train-{000..001}.tar", "c", "--dev", "val-*.tar", "--names", "classes.txt", "--checked"
    )  # fmt: skip
    rows = names_of(tmp_path / "c")
    assert list(rows) == [f"train/train-{part:03d}/{n:04d}" for part in range(2) for n in range(3)] + ["dev/val-000/0"]
    assert [row[1] for row in rows.values()] == [["cat"], ["dog"], ["cat"], ["cat"], ["dog"], ["cat"], ["dog"]]
    assert rows["dev/val-000/0"] == ("dev", ["dog"], ["dog"], False)


def test_shards_in_which_one_name_stands_for_none_of_the_labels(tmp_path):
    samples = [{"__key__": str(n), "png": picture(n), "cls": n, "json": {"true": 2 - n}} for n in range(3)]
    file = shard(tmp_path / "s.tar", samples)
    (tmp_path / "classes.txt").write_text("none\ncat\ndog\n")
    options = ["--names", tmp_path / "classes.txt", "--verified", "true", "--background", "none"]
    run("webdataset", file, tmp_path / "c", *options)
    assert [label.name for label in lh.Corpus.open(tmp_path / "c").labels] == ["cat", "dog"]
    with pytest.raises(LabelhedgeError, match=r"classes\.txt: --background nohting: no label is called so"):
        import_webdataset(str(file), tmp_path / "e", names=tmp_path / "classes.txt", background="nohting")
    wanted = [([], ["dog"]), (["cat"], ["cat"]), (["dog"], [])]
    assert [row[1:3] for row in names_of(tmp_path / "c").values()] == wanted


def test_shards_with_json(tmp_path):
    samples = [
        {"noisy": "cat", "true": "dog", "ok": True, "caption": "one"},
        {"noisy": ["cat", "owl"], "caption": ["two", "words"]},
        {"noisy": [], "true": [], "ok": False},
        {"noisy": None},
    ]
    members = [{"__key__": str(n), "jpg": picture(n), "json": sample} for n, sample in enumerate(samples)]
    file = shard(tmp_path / "s.tar", [*members, {"__key__": "x", "txt": "no image", "json": {"noisy": "cat"}}])
    keys = ["--label", "noisy", "--verified", "true", "--trusted", "ok", "--text", "caption"]
    output = run("webdataset", file, tmp_path / "c", *keys)
    assert list(names_of(tmp_path / "c").values()) == [
        ("train", ["cat"], ["dog"], True),
        ("train", ["cat", "owl"], None, False),
        ("train", [], [], False),
    ]
    assert columns_of(tmp_path / "c")["caption"] == [["one"], ["two", "words"], None]
    assert "1 × no label; 1 × no member is an image" in " ".join(output.split())


def test_shards_with_txt_as_labels_and_a_split(tmp_path):
    samples = [{"__key__": f"{n}", "png": picture(n), "txt": "cat, dog" if n % 2 else "owl"} for n in range(40)]
    shard(tmp_path / "s.tar", samples)
    options = Options(split="6:3:1", checked=True)
    corpus = import_webdataset(str(tmp_path / "s.tar"), tmp_path / "c", options=options).corpus
    assert [label.name for label in corpus.labels] == ["cat", "dog", "owl"]
    assert [len(corpus.rows(split)) for split in ("train", "test", "dev")] == pytest.approx([24, 12, 4], abs=1)


def test_the_split_does_not_hang_on_the_order_of_rows(tmp_path):
    """Equally many images of each of four labels: which is shared out first must not hang on which is met first."""
    names = ("cat", "dog", "eel", "owl")
    samples = [{"png": picture(n), "txt": f"{names[n % 4]}, {names[(n + 1) % 4]}"} for n in range(40)]
    found = []
    for name, rows in (("a", samples), ("b", samples[::-1]), ("c", samples[7:] + samples[:7])):
        shard(tmp_path / f"{name}.tar", [{"__key__": f"{n:02}", **row} for n, row in enumerate(rows)])
        options = Options(split="6:3:1")
        import_webdataset(str(tmp_path / f"{name}.tar"), tmp_path / name, options=options)
        columns = columns_of(tmp_path / name)
        found.append({image["bytes"]: split for image, split in zip(columns["image"], columns["split"], strict=True)})
    assert found[0] == found[1] == found[2]


def test_the_same_key_in_two_shards_of_the_same_name(tmp_path):
    for part in range(2):
        shard(tmp_path / str(part) / "s.tar", [{"__key__": "a", "png": picture(part), "cls": part}])
    import_webdataset(str(tmp_path / "{0,1}" / "s.tar"), tmp_path / "c")
    assert list(names_of(tmp_path / "c")) == ["train/s/a", "train/s/a~2"]


def packed(**members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (None, {}, "there is no shard"),
        (b"junk" * 300, {}, "s.tar is damaged"),
        (packed(a_png=picture(), a_cls=b"1")[:600], {}, "s.tar is damaged"),
        (packed(a_png=picture(), a_cls=b"7"), {"names": "cat\ndog\n"}, r"s.tar: a: cls is 7, but there are 2 labels"),
        (packed(a_png=picture(), a_cls=b""), {}, "the member cls is empty"),
        (packed(a_png=picture(), a_json=b"{"), {"label": "x"}, "the member json is none"),
        (packed(a_png=picture(), a_json=b"[1]"), {"label": "x"}, "the member json is a list"),
        (packed(a_png=picture(), a_json=b'{"x": {}}'), {"label": "x"}, "x is {}, where a name, a number"),
        (packed(a_png=picture(), a_json=b'{"x": 1}'), {"label": "y"}, "no sample has a member json with the key 'y'"),
        (packed(a_png=picture(), a_cls=b"1"), {"names": "cat\ncat\n"}, "line 2: 'cat' is empty or stands above"),
        (packed(a_png=picture()), {}, "no usable image with a label among 1: 1 × no label"),
    ],
)
def test_shards_that_do_not_fit_are_refused(tmp_path, content, settings, message):
    if content is not None:
        (tmp_path / "s.tar").write_bytes(content)
    if "names" in settings:
        (tmp_path / "names.txt").write_text(settings["names"])
        settings = {"names": tmp_path / "names.txt"}
    with pytest.raises(LabelhedgeError, match=message):
        import_webdataset(str(tmp_path / "s.tar"), tmp_path / "c", **settings)
    assert not (tmp_path / "c").exists()


def test_nothing_is_run_or_fetched_that_a_shard_may_be_called(tmp_path):
    for name in (f"pipe:touch {tmp_path}/ran", "https://example.org/s.tar", str(tmp_path / "s-{0..")):
        with pytest.raises(LabelhedgeError, match=r"there is no shard|braces"):
            import_webdataset(name, tmp_path / "c")
    assert not (tmp_path / "ran").exists()
