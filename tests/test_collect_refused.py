"""What a user gets wrong from photos to a corpus: it is said in words that tell what to do, and nothing is lost."""

import gzip
import io
import sys
from contextlib import redirect_stderr

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from corpus_help import picture
from labelhedge import cli
from labelhedge.collect import link_photos
from labelhedge.errors import LabelhedgeError

ROWS = "id,title,image\n" + "".join(f"{n},a {('fox', 'hare')[n % 2]},{n}.png\n" for n in range(24))
NAMES = "uri,name,photos\nurn:fox,fox,12\nurn:hare,hare,12\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder: a table of photos, a list of names, a file that is none, a folder of text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.csv").write_text(ROWS)
    (tmp_path / "names.csv").write_text(NAMES)
    (tmp_path / "file").write_text("text")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.doc").write_text("text")
    return tmp_path


@pytest.fixture
def linked(here):
    for number in range(24):
        (here / f"{number}.png").write_bytes(picture(number))
    link_photos("photos.csv", "linked", linker="names.csv", workers=1)
    return here


def run(line):
    """What a command prints; its error is raised."""
    result = CliRunner().invoke(cli.app, line.split())
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


LINK = "collect link {} --linker names.csv --workers 1 --out out"
IMPORT = "corpus import photos linked corpus --vocabulary {} --min-images-per-label 2 --background 0"


# --- photos


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", ROWS.encode("utf-16"), r"cannot be read \(not UTF-8\): save it as UTF-8"),
        ("a.csv", b"id;title\n1;a fox\n", "parted by semicolons: save it with commas"),
        ("a.csv.gz", ROWS.encode(), "the file is damaged here.*: fetch or write it again"),
        ("a.xlsx", b"PK\x03\x04\xff\xfe", "a.xlsx begins with no text in UTF-8: name a table"),
        ("a.tsv", b"", "a.tsv is empty: its first line must name the columns"),
        ("a.bz2", b"", "a.bz2 begins with no text"),
    ],
)
def test_tables_that_are_none_say_how_to_mend_them(here, name, content, message):
    (here / name).write_bytes(content)
    with pytest.raises(LabelhedgeError, match=message):
        run(LINK.format(name))


def test_a_gzip_that_ends_early_is_pointed_at(here):
    rows = "id,title\n" + "".join(f"{n},a fox of {n * n}\n" for n in range(20_000))
    (here / "cut.csv.gz").write_bytes(gzip.compress(rows.encode())[:60_000])
    output = run(LINK.format("cut.csv.gz"))
    assert "what was rejected, with the reasons: out/rejects" in output
    assert "note: an input is damaged, and not read to its end" in output
    assert "damaged" not in run("collect link photos.csv --linker names.csv --workers 1 --out whole")


def test_an_input_without_a_photo_is_pointed_at(here):
    (here / "a.csv").write_text("id,title\n")
    assert "note: there is no photo in the input" in run(LINK.format("a.csv"))


def test_another_format_of_one_file_is_no_change_of_it(here):
    run(LINK.format("photos.csv"))
    with pytest.raises(LabelhedgeError, match=r"photos.csv was read as csv, and now as tsv\. Begin again"):
        run(LINK.format("photos.csv") + " --format tsv")


# --- domains


def test_types_of_other_entities_are_pointed_at(linked):
    (linked / "types.csv").write_text("uri,domain\nurn:zebra,animal\n")
    output = run("collect domains linked --types types.csv")
    assert "2 of them in no domain; do the types call them by URIs such as urn:fox?" in output


def test_a_vocabulary_that_was_edited_is_not_replaced(linked):
    command = "collect domains linked --choose all --min-photos 1 --out v.csv"
    run(command)
    chosen = (linked / "v.csv").read_text()
    (linked / "v.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"v.csv is there already: pass --overwrite, or name another file"):
        run(command)
    assert (linked / "v.csv").read_text() == "mine"
    run(command + " --overwrite")
    assert (linked / "v.csv").read_text() == chosen


@pytest.mark.parametrize(
    ("out", "message"), [("texts", "texts is a folder: name a file"), ("file/v.csv", "file is no folder: make it")]
)
def test_a_vocabulary_has_a_place_before_anything_is_counted(here, out, message):
    with pytest.raises(LabelhedgeError, match=message):
        run(f"collect domains nothing --out {out}")


# --- downloads


def test_a_folder_of_something_else_is_not_downloaded_into(here):
    (here / "urls.txt").write_text("http://a.example/1.jpg\n")
    with pytest.raises(LabelhedgeError, match=r"texts holds something else \(a.doc\): name a new folder"):
        run("collect download urls.txt --out texts")
    with pytest.raises(LabelhedgeError, match="file is a file: name a folder to write"):
        run("collect download urls.txt --out file")
    assert [path.name for path in (here / "texts").iterdir()] == ["a.doc"]


def test_a_damaged_list_is_named_before_anything_is_written(here):
    (here / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(LabelhedgeError, match=r"a.parquet cannot be read as Parquet"):
        run("collect download a.parquet --out images")


def test_what_asking_again_cannot_help_is_not_asked_again(here):
    pq.write_table(pa.table({"id": ["1"], "url": pa.array([None], pa.string())}), "photos.parquet")
    output = run("collect download photos.parquet --out images")
    assert "1 no url" in output
    assert "--retry-failed" not in output


# --- import


def test_a_vocabulary_parted_by_semicolons_is_said_to_be(linked):
    (linked / "v.csv").write_text(NAMES.replace(",", ";"))
    with pytest.raises(LabelhedgeError, match=r"lacks the column 'uri'.* parted by semicolons: save it with commas"):
        run(IMPORT.format("v.csv"))


def test_a_graph_of_other_labels_is_remarked(linked):
    (linked / "other.nt").write_text("<urn:x> <urn:is> <urn:y> .\n")
    (linked / "graph.nt").write_text("<urn:fox> <urn:is> <urn:y> .\n")
    output = run(IMPORT.format("names.csv --graph other.nt"))
    assert "other.nt says nothing of any label: its subjects are not the labels' URIs, such as urn:fox" in output
    assert "says nothing" not in run(IMPORT.format("names.csv --graph graph.nt --overwrite"))


def test_a_folder_of_checked_images_without_classes_is_refused(here):
    (here / "classes" / "fox").mkdir(parents=True)
    (here / "classes" / "fox" / "1.png").write_bytes(picture(1))
    with pytest.raises(LabelhedgeError, match="texts holds no class folder with a file in it"):
        run("corpus import folder classes corpus --clean texts")


# --- graph


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("build --labels latin.csv --from file --out g.nt", "latin.csv is no text in UTF-8"),
        ("build --labels names.csv --from file --out texts --overwrite", "texts is a folder: name a file"),
        ("show clipart --out no/g.svg", "no is no folder: make it"),
        ("show clipart --out file/g.svg", "file is no folder: make it"),
    ],
)
def test_what_cannot_be_drawn_or_built_is_said_first(here, arguments, message):
    (here / "latin.csv").write_bytes("uri,name\nurn:a,ü\n".encode("latin-1"))
    with pytest.raises(LabelhedgeError, match=message):
        run(f"graph {arguments}")


def test_a_graph_that_is_no_text_leaves_no_traceback(here, make_corpus, monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    for content in (picture(0), b"<urn:a> <urn:b> <urn:c> .\n" * 100_000 + b"\xff\xfe \n"):
        (make_corpus(here / str(len(content))) / "graph.nt").write_bytes(content)
        for command in ("corpus check", "graph show"):
            with pytest.raises(LabelhedgeError, match="not N-Triples"):
                run(f"{command} {len(content)}")
    assert printed == []


# --- errors of the system


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (IMPORT.format("nowhere.csv"), "nowhere.csv: no such file or directory; name one that is there"),
        ("collect link photos.csv --linker names.csv --out file/out", "file/out: not a directory; name another place"),
        ("graph build --labels names.csv --from names.csv --out g.nt --store file", "file: not a directory"),
    ],
)
def test_errors_of_the_system_name_the_file_and_what_to_do(here, monkeypatch, arguments, said):
    monkeypatch.setattr(sys, "argv", ["labelhedge", *arguments.split()])
    printed = io.StringIO()
    with redirect_stderr(printed), pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert printed.getvalue().startswith("labelhedge: ")
    assert said in printed.getvalue()
    assert "Errno" not in printed.getvalue()
