"""The paper's release: the real lists by their counts, made-up lists with every trap, images of both sources."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

import labelhedge as lh
from corpus_help import columns_of, picture
from import_help import link, write_images, write_lists
from labelhedge.cli import app
from labelhedge.collect.importing import import_yfcc_entity, list_urls, read_entity_lists
from labelhedge.errors import LabelhedgeError
from outside_data import outside

RECIPES = sorted((Path(__file__).parents[1] / "recipes" / "yfcc-entity").glob("*.yaml"))


def run(*arguments):
    return CliRunner().invoke(app, ["corpus", "import", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("domain", "labels", "rows", "background", "left", "downloads"),
    [
        ("Species-Y", 219, [7000, 8819, 26456], [0, 2840, 8520], 42275, 42275),
        ("Species-I", 219, [13000, 13140, 39420], [0, 2190, 6570], 65560, 2190 + 6570),
        ("Sports", 238, [14000, 16821], [0, 5330], 14000 + 16821 - 10 - 4, 30807),
        ("Artifacts", 323, [18500, 15568, 46703], [0, 0, 0], 80771, 0),
    ],
)
def test_the_real_lists_have_exactly_these_counts(domain, labels, rows, background, left, downloads, tmp_path):
    lists = read_entity_lists(outside("yfcc100m_entity") / domain)
    report = lists.report()
    names = ["clean", "dev", "test"][: len(rows)]
    assert report.labels == labels
    assert report.rows == dict(zip(names, rows, strict=True))
    assert report.background == dict(zip(names, background, strict=True))
    assert report.missing == (("full", "test") if domain == "Sports" else ("full",))
    assert len(report.unused) == (11 if domain == "Artifacts" else 0)
    sports = domain == "Sports"
    assert {name: len(links) for name, links in report.contradicted.items()} == ({"dev": 10} if sports else {})
    assert {pair: len(links) for pair, links in report.background_elsewhere.items()} == (
        {("dev", "clean"): 4} if sports else {}
    )
    assert not report.repeated
    assert not report.several
    assert not report.shared
    assert sum(report.samples.values()) == len(lists.samples()) == left
    assert len({sample.link for sample in lists.samples()}) == left
    assert list_urls(lists, tmp_path / "urls.csv") == downloads
    with (tmp_path / "urls.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert len({row["id"] for row in listed}) == len({row["url"] for row in listed}) == downloads
    assert all(row["url"].startswith("https://") for row in listed)
    assert f"clean: {rows[0]:,} rows" in "\n".join(report.lines())


@pytest.mark.parametrize("domain", ["Sports", "Species-I"])
def test_a_part_of_the_real_links_with_drawn_images_becomes_a_corpus(domain, tmp_path):
    lists = read_entity_lists(outside("yfcc100m_entity") / domain)
    report = lists.report()
    chosen = random.Random(0).sample(lists.samples(), 100)
    trapped = {*report.contradicted.get("dev", []), *report.background_elsewhere.get(("dev", "clean"), [])}
    chosen = {sample.link: sample for sample in chosen}
    chosen |= {sample.link: sample for sample in lists.samples() if sample.link in trapped}
    pictures = {name: picture(number) for number, name in enumerate(chosen)}
    write_images(tmp_path / "images", {name: data for name, data in pictures.items() if name.startswith("http")})
    (tmp_path / "imagenet" / "train" / "n00000001").mkdir(parents=True)
    for name, data in pictures.items():
        if not name.startswith("http"):
            file = tmp_path / "imagenet" / "train" / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
    done = import_yfcc_entity(lists, tmp_path / "corpus", images=tmp_path / "images", imagenet=tmp_path / "imagenet")
    assert done.corpus.check()
    rows = {row["link"]: row for row in pa.Table.from_pydict(columns_of(tmp_path / "corpus")).to_pylist()}
    assert rows.keys() == chosen.keys()
    for name, sample in chosen.items():
        row = rows[name]
        assert row["image"]["bytes"] == pictures[name]
        assert row["split"] == sample.entry.split
        assert row["trusted"] == (sample.entry.split == "train")
        assert [lists.vocab[label] for label in row["verified"]] == list(sample.entry.verified)
        assert row["observed"] == row["verified"]
    for name in report.contradicted.get("dev", []):  # the class stays
        assert rows[name]["split"] == "dev"
        assert rows[name]["verified"]
    for name in report.background_elsewhere.get(("dev", "clean"), []):
        assert rows[name]["split"] == "train"
        assert rows[name]["trusted"]
        assert rows[name]["verified"]
    assert (tmp_path / "corpus" / "LICENSE.pdf").exists()


@pytest.fixture
def trapped(tmp_path):
    """Made-up lists with every trap, all images there but two."""
    folder = write_lists(
        tmp_path / "Zoo",
        pack=True,
        clean=[("aa1", 0), ("aa2", 1), ("n1001", 2), ("aa9", 0)],
        full=[
            ("aa1", 0), ("aa2", 0), ("n1001", 2),  # clean is a part of it, but one label differs and aa9 is not there
            ("bb1", 0), ("bb1", 2),                # two labels
            ("bb2", 1), ("bb2", 1),                # word for word
            ("n1002", 1), ("dd1", 0),              # dd1 is in dev too
        ],
        dev=[("cc1", -1), ("cc1", 1), ("aa9", -1), ("dd1", -1), ("dd2", 1)],
        test=[("dd2", 1), ("ee1", 0), ("ee1", 2), ("ee2", -1), ("n1003", 1)],
    )  # fmt: skip
    here = {link(name): picture(n) for n, name in enumerate("aa1 aa2 aa9 bb1 bb2 cc1 dd1 ee1 ee2".split())}
    write_images(tmp_path / "images", here, {link("dd2"): "HTTP 404"})
    for number, name in enumerate(("n1001", "n1002")):
        file = tmp_path / "imagenet" / link(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix((".jpg", ".JPEG")[number]).write_bytes(picture(100 + number))
    return folder


def test_every_trap_is_settled_and_said(trapped, tmp_path):
    done = run(
        "yfcc-entity", trapped, tmp_path / "zoo", "--images", tmp_path / "images", "--imagenet", tmp_path / "imagenet"
    )
    rows = columns_of(tmp_path / "zoo")
    found = {
        id_: tuple(rows[name][number] for name in ("split", "observed", "verified", "trusted"))
        for number, id_ in enumerate(rows["id"])
    }
    assert found == {
        "aa1": ("train", [0], [0], True),
        "aa2": ("train", [0], [1], True),  # checked: the label of full was wrong
        "n00000001_001": ("train", [2], [2], True),
        "aa9": ("train", [0], [0], True),
        "bb1": ("train", [0, 2], None, False),
        "bb2": ("train", [1], None, False),
        "n00000001_002": ("train", [1], None, False),
        "cc1": ("dev", [1], [1], False),
        "dd1": ("dev", [], [], False),  # nobody checked the class of full: the background mark stands
        "ee1": ("test", [0, 2], [0, 2], False),
        "ee2": ("test", [], [], False),
    }
    for line in (
        "Zoo: 3 labels",
        "full: 9 rows (0 background; 2 imagenet, 7 yfcc100m)",
        "full: 1 rows stand there before, word for word: left out",
        "full: 1 links have several classes",
        "dev: 1 links are background and have a class: the class stays",
        "1 background links of dev are in clean with a class: only that stays",
        "1 links are in test and in dev: they stay in test",
        "1 links are in dev and in full: they stay in dev",
        "1 links of clean are not in full",
        "1 links of clean have other labels in full",
        "2 of 13 left out, see left-out.csv: 1 × not downloaded: HTTP 404; 1 × not in the ImageNet folder",
    ):
        assert line in done.output.replace("\n  ", " "), line
    info = lh.Corpus.open(tmp_path / "zoo").info
    assert [(label.id, label.name, label.uri) for label in info.labels][1:] == [
        ("Wild_dog", "Wild dog", "http://dbpedia.org/resource/Wild_dog"),
        ("Owl_(bird)", "Owl (bird)", "http://dbpedia.org/resource/Owl_(bird)"),
    ]
    assert "non-commercial" in info.licence
    with (tmp_path / "zoo" / "left-out.csv").open() as file:
        assert [row["place"] for row in csv.DictReader(file)] == [link("dd2"), link("n1003")]


def test_the_list_of_addresses_is_what_the_download_takes(trapped, tmp_path):
    done = run("yfcc-urls", trapped, tmp_path / "urls.csv")
    assert "10 addresses in" in done.output
    with (tmp_path / "urls.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"id": "aa1", "url": link("aa1")}
    assert [row["id"] for row in rows] == "aa1 aa2 aa9 bb1 bb2 cc1 dd1 dd2 ee1 ee2".split()


def test_files_of_the_same_name_get_the_whole_link_as_id(tmp_path):
    folder = write_lists(tmp_path / "a", clean=[("aa1", 0)])
    with (folder / "clean.txt").open("a") as file:
        file.write("https://elsewhere.org/aa1.jpg 1 yfcc100m\n")
    list_urls(read_entity_lists(folder), tmp_path / "urls.csv")
    lines = (tmp_path / "urls.csv").read_text().splitlines()
    assert lines == ["id,url", *(f"{url},{url}" for url in (link("aa1"), "https://elsewhere.org/aa1.jpg"))]


def test_equal_bytes_under_two_links_do_not_cross_splits(tmp_path):
    folder = write_lists(
        tmp_path / "a", clean=[("aa1", 0), ("aa2", 1)], dev=[("bb1", -1), ("bb2", 1)], test=[("cc1", 0)]
    )
    same = picture(1)
    write_images(
        tmp_path / "images",
        {
            link("aa1"): same,
            link("bb1"): same,
            link("aa2"): picture(2),
            link("bb2"): picture(3),
            link("cc1"): picture(2),
        },
    )
    done = import_yfcc_entity(read_entity_lists(folder), tmp_path / "zoo", images=tmp_path / "images")
    rows = columns_of(tmp_path / "zoo")
    # the background mark of bb1 is wrong, as aa1 shows; aa2 is measured on as cc1
    assert dict(zip(rows["id"], rows["split"], strict=True)) == {"aa1": "train", "bb2": "dev", "cc1": "test"}
    assert any("1 × the same image stands in train" in remark for remark in done.remarks)


def test_missing_lists_and_empty_splits_are_said(tmp_path):
    folder = write_lists(tmp_path / "a", clean=[("aa1", 0)], dev=[("bb1", 1)])
    write_images(tmp_path / "images", {link("aa1"): picture(1)}, {link("bb1"): "timed out"})
    done = run("yfcc-entity", folder, tmp_path / "zoo", "--images", tmp_path / "images")
    for line in (
        "full is missing: there are no noisy labels, only D_c",
        "test is missing: a run cannot be evaluated",
        "the split dev is empty, and a run needs it",
        "the split test is empty, and a run needs it",
        "1 × not downloaded: timed out",
    ):
        assert line in done.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab.txt": None}, "holds no vocab.txt or vocab.txt.gz"),
        ({"vocab.txt": "Cat\n\nOwl\n"}, "line 2: the name '' is empty"),
        ({"vocab.txt": "Cat\nOwl\nCat\n"}, "line 3: the name 'Cat' stands in line 1 already"),
        ({"clean.txt": None}, "holds none of clean.txt, full.txt, dev.txt, test.txt"),
        ({"clean.txt": f"{link('aa1')} 0\n"}, "clean.txt, line 1: 2 fields"),
        ({"clean.txt": f"{link('aa1')} 0 flickr\n"}, "the source 'flickr'"),
        ({"clean.txt": f"{link('aa1')} 0 imagenet\n"}, "where the source imagenet needs <wnid>/<wnid>_<number>.JPEG"),
        ({"clean.txt": "../../x.JPEG 0 imagenet\n"}, "the link '../../x.JPEG'"),
        (
            {"clean.txt": f"{link('aa1')} 0 yfcc100m\n{link('aa2')} 3 yfcc100m\n"},
            "line 2: the label '3', where -1 to 2",
        ),
        ({"clean.txt": f"{link('aa1')} -2 yfcc100m\n"}, "the label '-2'"),
        ({"clean.txt.gz": "not packed"}, "holds both clean.txt and clean.txt.gz"),
        ({"dev.txt.gz": "not packed"}, "dev.txt.gz is damaged"),
    ],
)
def test_malformed_lists_are_refused_with_file_and_line(tmp_path, change, message):
    folder = write_lists(tmp_path / "a", clean=[("aa1", 0)])
    for name, text in change.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    with pytest.raises(LabelhedgeError) as caught:
        read_entity_lists(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


def test_the_folder_of_all_domains_names_those_in_it(tmp_path):
    write_lists(tmp_path / "all" / "Sports", clean=[("aa1", 0)])
    with pytest.raises(LabelhedgeError, match="name one of the folders in it: Sports"):
        read_entity_lists(tmp_path / "all")


def test_folders_that_are_not_what_they_should_be_are_refused(tmp_path):
    lists = read_entity_lists(write_lists(tmp_path / "a", clean=[("aa1", 0), ("n1001", 1)]))
    (tmp_path / "empty").mkdir()
    for folders, message in (
        ({"images": tmp_path / "empty"}, "holds no images.parquet"),
        ({"imagenet": tmp_path / "nowhere"}, "there is no ImageNet folder"),
        ({"imagenet": tmp_path / "empty"}, "holds no folder of a synset"),
        ({}, "no usable image with a label among 2: 1 × no folder of downloaded images was named; 1 × no ImageNet"),
    ):
        with pytest.raises(LabelhedgeError, match=message):
            import_yfcc_entity(lists, tmp_path / "zoo", **folders)
        assert not (tmp_path / "zoo").exists()
    pq.write_table(pa.table({"url": ["x"]}), tmp_path / "empty" / "images.parquet")
    with pytest.raises(LabelhedgeError, match="has no column 'path'"):
        import_yfcc_entity(lists, tmp_path / "zoo", images=tmp_path / "empty")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_train_as_the_paper_does(path):
    recipe = lh.Recipe.load(path)
    assert recipe.network.kind == "alexnet-bn"
    training = recipe.training
    assert (training.epochs, training.learning_rate, training.decay, training.decay_every) == (250, 0.001, 0.9, 5)
    assert training.weight_decay == 0
    table_4 = "clean noisy ensemble bootstrap smooth finetune noise-layer reweight distill".split()
    assert set(table_4) <= set(recipe.methods)
    assert recipe.methods["distill"].weight.root == "paper"
    assert recipe.corpus == f"corpora/{path.stem}"
    assert yaml.safe_load(path.read_text())["out"] == f"runs/{path.stem}"


def test_there_is_a_recipe_for_each_domain():
    assert [path.stem for path in RECIPES] == ["artifacts", "species-i", "species-y", "sports"]


def test_a_recipe_runs_on_an_imported_corpus(tmp_path, monkeypatch):
    """From lists to results; the network is made small, all else is the recipe's."""
    monkeypatch.chdir(tmp_path)
    train = [(f"aa{n}", n % 3) for n in range(12)]
    folder = write_lists(
        tmp_path / "Sports",
        clean=train,
        full=train + [(f"bb{n}", n % 3) for n in range(12)],
        dev=[(f"cc{n}", n % 4 - 1) for n in range(8)],
        test=[(f"dd{n}", n % 4 - 1) for n in range(8)],
    )
    urls = [row.link for rows in read_entity_lists(folder).rows.values() for row in rows]
    write_images(tmp_path / "images", {url: picture(n, (40, 32)) for n, url in enumerate(dict.fromkeys(urls))})
    run("yfcc-entity", folder, "corpora/sports", "--images", "images")
    recipe = lh.Recipe.load(
        RECIPES[-1],
        seeds=1,
        methods=["noisy", "distill"],
        network={"image_size": 32, "width": 0.05},
        training={"epochs": 1, "batch_size": 8, "precision": "float32"},
    )
    results = lh.run(recipe)
    assert set(results.methods) >= {"clean", "noisy", "distill"}
    assert (tmp_path / "runs" / "sports" / "report.html").exists()


def test_a_killed_import_leaves_no_corpus_and_the_next_one_is_the_same(tmp_path):
    write_lists(tmp_path / "a", clean=[(f"aa{n}", n % 3) for n in range(60)], dev=[("bb1", 1)])
    urls = [link(f"aa{n}") for n in range(60)] + [link("bb1")]
    write_images(tmp_path / "images", {url: picture(n) for n, url in enumerate(urls)})
    code = (
        "import os, signal, sys\n"
        "from labelhedge.collect.importing import Options, building, import_yfcc_entity, read_entity_lists\n"
        "building.PART_ROWS = 20\n"
        "if sys.argv[2] == 'kill':\n"
        "    table, parts = building._table, []\n"
        "    def kill(*arguments):\n"
        "        parts.append(table(*arguments))\n"
        "        return parts[-1] if len(parts) < 3 else os.kill(os.getpid(), signal.SIGKILL)\n"
        "    building._table = kill\n"
        "import_yfcc_entity(read_entity_lists('a'), sys.argv[1], images='images', options=Options(name='zoo'))\n"
    )

    def start(target, how):
        command = [sys.executable, "-c", code, target, how]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).returncode

    assert start("whole", "") == 0
    assert start("killed", "kill") == -9
    assert not (tmp_path / "killed").exists()
    assert start("killed", "") == 0
    files = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    assert len([file for file in files if file.suffix == ".parquet"]) == 4
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
