"""What a user may give by mistake: each command says in a line which file is at fault and what to do."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tarfile

import pytest

from corpus_help import picture
from labelhedge.cli import main
from labelhedge.graph.columns import read_columns

NAMES = ("cat", "dog", "owl")
LATIN = "uri,name,photos,domain\nurn:cat,caf\xe9,3,pets\n".encode("latin-1")


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """A function that gives arguments to the command line in a folder of the test's own: the line it leaves with."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["labelhedge", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """A folder of 30 linked photos of three labels."""
    folder = tmp_path_factory.mktemp("linked")
    lines = ["id,title,image"]
    for number in range(30):
        (folder / f"{number}.png").write_bytes(picture(number))
        lines.append(f"p{number},a {NAMES[number % 3]},{folder / f'{number}.png'}")
    (folder / "photos.csv").write_text("\n".join(lines))
    (folder / "names.csv").write_text("uri,name\n" + "".join(f"urn:{name},{name}\n" for name in NAMES))
    arguments = [folder / "photos.csv", "--linker", folder / "names.csv", "--out", folder / "out", "--workers", 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["labelhedge", "collect", "link", *map(str, arguments)])
        main()
    return folder / "out"


def printed(capsys, *arguments):
    """What a command prints that does its work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["labelhedge", *map(str, arguments)])
        main()
    return " ".join(capsys.readouterr().out.split())


def vocabulary(path, form="urn:{}"):
    path.write_text("uri,name,photos\n" + "".join(f"{form.format(name)},{name},10\n" for name in NAMES))
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        "corpus import photos {linked} made --vocabulary {latin}",
        "corpus import photos {linked} made --vocabulary {good} --checked {latin}",
        "corpus import photos {linked} made --vocabulary {good} --graph {latin}",
        "corpus split {corpus} made --no-near-duplicates",
        "corpus import webdataset {shard} made --names {latin}",
        "graph build --labels {latin} --from {good} --out made",
        "collect domains {linked} --types {latin} --choose pets --out made",
        "collect domains {linked} --types {types} --choose pets --min-photos 1 --visual {latin} --out made",
    ],
)
def test_a_file_in_another_encoding_is_named(refused, linked, make_corpus, tmp_path, arguments):
    (tmp_path / "latin.csv").write_bytes(LATIN)
    (tmp_path / "types.csv").write_text("uri,domain\nurn:cat,pets\n")
    with tarfile.open(tmp_path / "shard.tar", "w"):
        pass
    places = {
        "linked": linked,
        "good": vocabulary(tmp_path / "good.csv"),
        "latin": tmp_path / "latin.csv",
        "types": tmp_path / "types.csv",
        "shard": tmp_path / "shard.tar",
        "corpus": make_corpus(tmp_path / "corpus", files={"graph.nt": LATIN}),
    }
    line = refused(*arguments.format(**places).split())
    assert ("corpus/graph.nt" if "{corpus}" in arguments else "latin.csv") in line
    assert "UTF-8" in line
    assert not (tmp_path / "made").exists()


def test_a_packed_table_is_to_be_unpacked(refused, linked, tmp_path):
    (tmp_path / "vocabulary.csv.gz").write_bytes(b"\x1f\x8b\x08\x00rest")
    line = refused("corpus", "import", "photos", linked, "made", "--vocabulary", "vocabulary.csv.gz")
    assert "vocabulary.csv.gz is no text in UTF-8" in line
    assert "unpack it" in line


def test_a_vocabulary_that_names_no_entity_of_the_photos(refused, linked, tmp_path):
    given = vocabulary(tmp_path / "vocabulary.csv", "http://dbpedia.org/resource/{}")
    line = refused("corpus", "import", "photos", linked, "made", "--vocabulary", given)
    assert "none of 30 photos has an entity of the vocabulary" in line
    assert "http://dbpedia.org/resource/cat" in line
    assert "urn:cat" in line


def test_semicolons_between_columns_are_told(refused, tmp_path):
    (tmp_path / "photos.csv").write_text("id;title;url\n1;a cat;http://a.example/1\n")
    (tmp_path / "names.csv").write_text("name\ncat\n")
    for line in (
        refused("collect", "link", "photos.csv", "--linker", "names.csv", "--out", "linked"),
        refused("collect", "download", "photos.csv", "--out", "images"),
    ):
        assert "photos.csv" in line
        assert "semicolons" in line
        assert "commas" in line


def test_a_table_in_utf_16_is_to_be_saved_in_utf_8(refused, tmp_path):
    (tmp_path / "photos.csv").write_bytes("id,title\n1,a cat\n".encode("utf-16"))
    assert "save it as UTF-8" in refused("collect", "link", "photos.csv", "--out", "linked")


def test_a_folder_where_a_table_is_to_be_written(refused, linked, tmp_path):
    (tmp_path / "types.csv").write_text("uri,domain\nurn:cat,pets\n")
    (tmp_path / "there").mkdir()
    chosen = ["--choose", "pets", "--min-photos", 1]
    for more in ([], chosen):
        line = refused("collect", "domains", linked, "--types", "types.csv", *more, "--out", "there")
        assert "there is a folder: name a file" in line
    assert {path.name for path in tmp_path.iterdir()} == {"types.csv", "there"}


def test_a_file_where_images_are_to_be_written(refused, tmp_path):
    (tmp_path / "photos.csv").write_text("id,url\n1,http://a.example/1\n")
    assert "photos.csv is a file: name a folder" in refused("collect", "download", "photos.csv", "--out", "photos.csv")


@pytest.mark.parametrize("option", ["--types", "--visual"])
def test_an_empty_list_has_no_columns(refused, linked, tmp_path, option):
    (tmp_path / "types.csv").write_text("uri,domain\nurn:cat,pets\n")
    (tmp_path / "empty.csv").write_text("")
    given = ["--types", "types.csv", "--choose", "pets", "--min-photos", 1, option, "empty.csv"]
    line = refused("collect", "domains", linked, *given)
    assert "empty.csv" in line
    assert "column" in line
    assert "found nothing" in line


def test_members_of_a_shard_that_do_not_stand_together(refused, tmp_path):
    """As `tar` packs a folder in the order of the disk: images and labels were apart, and 14 of 15 samples lost."""
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        for end, content in (("png", picture()), ("cls", b"0")):
            for key in ("a", "b"):
                member = tarfile.TarInfo(f"{key}.{end}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    line = refused("corpus", "import", "webdataset", "shard.tar", "made")
    assert "shard.tar: the members of 'a' do not stand together" in line
    assert "--sort=name" in line
    (tmp_path / "names.txt").write_text("")
    assert "names.txt names no label" in refused(
        "corpus", "import", "webdataset", "shard.tar", "made", "--names", "names.txt"
    )


def test_an_image_called_graph_leaves_no_traceback(refused, make_corpus, tmp_path, monkeypatch):
    noise = []
    monkeypatch.setattr(sys, "unraisablehook", noise.append)
    make_corpus(tmp_path / "corpus", files={"graph.nt": bytes(range(255, 0, -1)) * 9})
    assert read_columns(tmp_path / "corpus" / "graph.nt") is None
    assert "graph.nt, line 1: not N-Triples" in refused("graph", "show", "corpus")
    assert noise == []


def test_a_damaged_part_of_linked_photos_is_named(refused, linked, tmp_path):
    shutil.copytree(linked, tmp_path / "copied")
    (part,) = (tmp_path / "copied" / "photos").iterdir()
    part.write_bytes(part.read_bytes()[:900])
    given = vocabulary(tmp_path / "vocabulary.csv")
    for line in (
        refused("corpus", "import", "photos", "copied", "made", "--vocabulary", given),
        refused("collect", "domains", "copied"),
    ):
        assert f"{part} is damaged" in line
        assert "remove it and link the photos again" in line
    part.unlink()
    assert "holds no part-*.parquet" in refused("collect", "domains", "copied")


def test_a_list_of_addresses_that_ends_early_is_told(capsys, tmp_path):
    rows = "".join(f"{number},ftp://a.example/{number * 7919 % 10_000}\n" for number in range(2000))
    packed = gzip.compress(f"id,url\n{rows}".encode())
    (tmp_path / "photos.csv.gz").write_bytes(packed[: len(packed) // 2])
    said = printed(capsys, "collect", "download", tmp_path / "photos.csv.gz", "--out", tmp_path / "images")
    assert "1 damaged list" in said
    assert "the list is cut off or damaged, and its rest was not read" in said


def test_fewer_background_images_than_were_wanted_are_told(capsys, linked, tmp_path):
    given = vocabulary(tmp_path / "vocabulary.csv")
    arguments = ["corpus", "import", "photos", linked]
    said = printed(capsys, *arguments, tmp_path / "some", "--vocabulary", given, "--background", 5)
    assert "5 background images were wanted, but only 0 are there" in said
    said = printed(capsys, *arguments, tmp_path / "none", "--vocabulary", given, "--background", 0)
    assert "were wanted" not in said


def test_a_clean_share_that_is_missed_is_told_on_import_too(capsys, linked, tmp_path):
    given = vocabulary(tmp_path / "vocabulary.csv")
    rows = "".join(f"p{number},{NAMES[number % 3]}\n" for number in range(30))
    (tmp_path / "checks.csv").write_text("id,labels\n" + rows)
    arguments = ["corpus", "import", "photos", linked, tmp_path / "made", "--vocabulary", given, "--background", 0]
    said = printed(capsys, *arguments, "--checked", tmp_path / "checks.csv", "--clean-share", 0.06)
    assert "a clean share of 0.06 asks for 1 of 18 training samples, but 0 were drawn" in said
