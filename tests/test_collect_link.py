"""Photos are linked in parts: nothing is lost, and how it was run does not show in its bytes."""

import bz2
import json
import os

import pyarrow.parquet as pq
import pytest

import link_help
from collect_help import Words, linked_table, rejects_of, state
from labelhedge.collect import link_photos
from labelhedge.collect.parts import LINKED
from labelhedge.collect.records import PHOTO, REJECTS
from link_help import HERE, lines, link

metadata = link_help.metadata


def test_a_job_with_other_options_of_its_linker_says_which(tmp_path):
    (tmp_path / "photos.txt").write_text("\n".join(lines(3)))
    (tmp_path / "names.txt").write_text("fox\nhare")

    def link(**options):
        return link_photos(
            tmp_path / "photos.txt",
            tmp_path / "out",
            linker=str(tmp_path / "names.txt"),
            linker_options=options,
            format="yfcc",
            workers=1,
        )

    link(confidence=0.5)
    with pytest.raises(
        ValueError, match=r"the linker's confidence was 0.5, now 0.6; the linker's plurals was its default, now False"
    ):
        link(confidence=0.6, plurals=False)
    with pytest.raises(ValueError, match=r"the linker's confidence was 0.5, now its default"):
        link()
    (tmp_path / "other.txt").write_text("fox")
    with pytest.raises(ValueError, match=r"the linker was .*names.txt, now .*other.txt"):
        link_photos(tmp_path / "photos.txt", tmp_path / "out", linker=str(tmp_path / "other.txt"), format="yfcc")
    link(confidence=0.5)


def test_a_folder_of_linked_photos(metadata, tmp_path):
    out = tmp_path / "linked"
    summary = link(metadata, out)
    assert (summary.files, summary.read, summary.linked, summary.rejected) == (1, 100, 98, 2)
    assert summary.reasons == {"1 columns, not 25 or 23": 2}
    assert summary.with_entities == 73
    names = [f"part-00000-{number:06d}.parquet" for number in range(4)]
    assert sorted(path.name for path in (out / "photos").iterdir()) == names
    assert sorted(path.name for path in (out / "rejects").iterdir()) == names
    table = linked_table(out)
    assert table.schema.names[: len(LINKED)] == LINKED.names == [*PHOTO.names, "entities"]
    assert table.schema.field("entities").type == LINKED.field("entities").type
    assert table.num_rows == 98
    first = table.to_pylist()[0]
    assert first["entities"] == [
        {"uri": "urn:word:hare", "name": "hare", "text": "hare", "offset": 2, "score": 0.5},
        {"uri": "urn:word:fox", "name": "fox", "text": "fox", "offset": 10, "score": 0.5},
    ]
    for row in table.to_pylist():
        for entity in row["entities"]:
            assert row["text"][entity["offset"] :].startswith(entity["text"])
    assert [(reject["line"], reject["content"]) for reject in rejects_of(out)] == [(5, "bad"), (61, "bad")]
    assert pq.read_schema(out / "rejects" / names[0]).equals(REJECTS)
    assert json.loads((out / "summary.json").read_text())["read"] == 100
    printed = " ".join(str(cell) for column in summary.table().columns for cell in column.cells)
    assert "1 columns, not 25 or 23" in printed
    assert summary.line("x") == "100 read = 98 linked + 2 rejected: x"


def test_how_it_runs_changes_nothing(metadata, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)
    link(metadata, tmp_path / "one")
    link(metadata, tmp_path / "two", workers=2)
    assert state(tmp_path / "one") == state(tmp_path / "two")


def test_a_finished_job_is_left_alone_and_a_missing_part_made_again(metadata, tmp_path):
    out = tmp_path / "linked"
    summary = link(metadata, out)
    before = state(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert link(metadata, out) == summary
    assert {path: path.stat().st_mtime_ns for path in times} == times
    (out / "photos" / "part-00000-000001.parquet").unlink()
    (out / "photos" / "part-00000-000002.parquet").write_bytes(b"cut off")
    (out / "photos" / ".part-00000-000001.parquet.7-ab.tmp").write_bytes(b"half")
    assert link(metadata, out) == summary
    assert state(out) == before


def test_a_compressed_file_gives_the_photos_of_the_plain_one_and_goes_on_too(metadata, tmp_path):
    packed = tmp_path / "photos.tsv.bz2"
    packed.write_bytes(bz2.compress(metadata.read_bytes()))
    out = tmp_path / "packed"
    assert link(packed, out).read == 100
    link(metadata, tmp_path / "plain")
    assert linked_table(out).equals(linked_table(tmp_path / "plain"))
    before = state(out)
    (out / "photos" / "part-00000-000002.parquet").unlink()
    (out / "summary.json").unlink()
    assert link(packed, out).read == 100
    assert state(out) == before


@pytest.mark.parametrize("count", [0, 29, 30, 31, 60])
@pytest.mark.parametrize("packed", [False, True])
def test_parts_at_the_edges(tmp_path, count, packed):
    path = tmp_path / ("photos.bz2" if packed else "photos")
    data = "".join(line + "\n" for line in lines(count)).encode()
    path.write_bytes(bz2.compress(data) if packed else data)
    summary = link(path, tmp_path / "linked", format="yfcc")
    assert (summary.read, summary.linked) == (count, count)
    assert len(list((tmp_path / "linked" / "photos").iterdir())) == max(1, -(-count // 30))


def test_another_job_in_the_folder_is_refused_with_what_differs(metadata, tmp_path):
    out = tmp_path / "linked"
    link(metadata, out)
    with pytest.raises(ValueError, match="part_size was 30, now 40"):
        link(metadata, out, part_size=40)
    with pytest.raises(ValueError, match=r"linker Words reads or does something else.*'fox hare snow', now 'fox'"):
        link(metadata, out, linker=Words("fox"))
    other = tmp_path / "other.tsv"
    other.write_text("\n".join(lines(3)))
    with pytest.raises(ValueError, match=r"photos.tsv was read, and now is not; .*other.tsv was not read"):
        link(other, out)
    with metadata.open("a") as file:
        file.write(lines(1, first=500)[0] + "\n")
    with pytest.raises(ValueError, match=r"photos.tsv has changed. Begin again with --fresh"):
        link(metadata, out)
    assert link(metadata, out, fresh=True).read == 101
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"mine holds something else \(thesis.tex\)"):
        link(metadata, tmp_path / "mine")


def test_wrong_settings_are_named(metadata, tmp_path):
    with pytest.raises(ValueError, match="the runner is 'spark'; it may be native or ray"):
        link(metadata, tmp_path / "a", runner="spark")
    with pytest.raises(ValueError, match="the part size is 0"):
        link(metadata, tmp_path / "b", part_size=0)
    with pytest.raises(ValueError, match="0 workers: one at least is needed"):
        link(metadata, tmp_path / "c", workers=0)
    with pytest.raises(ValueError, match="lies in the folder of images"):
        link(tmp_path, tmp_path / "d", format="folder")


class Failing(Words):
    """A linker that fails as one does that the user can mend."""

    def link(self, texts):
        from labelhedge.errors import LabelhedgeError

        raise LabelhedgeError("the service does not answer: start it")


def test_an_error_of_a_worker_comes_out_as_it_is(metadata, tmp_path):
    with pytest.raises(ValueError, match=r"^the service does not answer: start it"):
        link(metadata, tmp_path / "linked", linker=Failing("fox"))
