"""`collect link` on several inputs: folders of images, tables, ids that stand twice."""

import bz2
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import link_help
from collect_help import linked_table, rejects_of, state
from labelhedge.collect.duplicates import repeated_ids
from link_help import lines, link

metadata = link_help.metadata


# --- repeated ids


def test_an_id_counts_once_in_all_the_input(tmp_path):
    first, second = tmp_path / "a.tsv", tmp_path / "b.tsv.bz2"
    first.write_text("\n".join([*lines(40), *lines(5, first=3)]))  # twice in one file, two parts apart
    second.write_bytes(bz2.compress("\n".join([*lines(35, first=31), *lines(2, first=50)]).encode()))
    out = tmp_path / "linked"
    summary = link([first, second], out, part_size=20)
    ids = linked_table(out)["id"].to_pylist()
    assert sorted(map(int, ids)) == list(range(1, 66))
    assert summary.read == 45 + 37 == summary.linked + summary.rejected
    assert summary.reasons == {"the id stands before in the input": 5 + 10 + 2}
    rejected = rejects_of(out)
    assert [reject["line"] for reject in rejected if reject["file"].endswith("a.tsv")] == [41, 42, 43, 44, 45]
    assert rejected[0]["content"] == lines(1, first=3)[0]
    before = state(out)
    (out / "photos" / "part-00001-000000.parquet").unlink()  # which is made again with its repeated ids, then without
    link([first, second], out, part_size=20)
    assert state(out) == before


def test_repeated_ids_are_found_in_any_number_of_buckets(tmp_path):
    ids = [[str(number) for number in range(0, 60)], [str(number) for number in range(50, 90)], ["3", "89", "x"]]
    for number, part in enumerate(ids):
        pq.write_table(pa.table({"id": part}), tmp_path / f"part-00000-{number:06d}.parquet")
    for bucket in (7, 50, 10_000):
        found = repeated_ids(tmp_path, bucket)
        assert {key: sorted(value) for key, value in found.items()} == {
            (0, 1): [str(number) for number in range(50, 60)],
            (0, 2): ["3", "89"],
        }


# --- several inputs


def test_inputs_of_several_forms_give_one_table(metadata, tmp_path):
    (tmp_path / "more.csv").write_text("id,title,votes\n900,A fox,3\n901\n")
    out = tmp_path / "linked"
    summary = link([metadata, tmp_path / "more.csv"], out)
    assert (summary.files, summary.read, summary.rejected) == (2, 102, 3)
    table = linked_table(out)
    assert {"hash", "votes"} <= set(table.schema.names)
    assert table.to_pylist()[-1]["votes"] == "3"
    pq.write_table(pa.table({"id": ["a"], "title": ["x"], "votes": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="the column 'votes' has type int64, and string in an input before"):
        link([tmp_path / "more.csv", tmp_path / "other.parquet"], tmp_path / "x")


def test_a_folder_of_images_is_linked_by_its_listing(tmp_path):
    from PIL import Image

    pictures = tmp_path / "pictures"
    (pictures / "sub").mkdir(parents=True)
    for number in range(7):
        Image.new("RGB", (4, 4)).save(pictures / "sub" / f"{number}.png")
        (pictures / "sub" / f"{number}.txt").write_text("a fox in snow")
    (pictures / "notes.md").touch()
    out = tmp_path / "linked"
    summary = link(pictures, out, part_size=3)
    assert (summary.read, summary.linked, summary.entities) == (8, 7, 14)
    assert linked_table(out)["id"].to_pylist() == [f"sub/{number}.png" for number in range(7)]
    before = state(out)
    (out / "photos" / "part-00000-000001.parquet").unlink()
    link(pictures, out, part_size=3)
    assert state(out) == before


@pytest.mark.parametrize("change", ["an image more", "a sidecar edited", "a sidecar more", "an image less"])
def test_a_changed_folder_of_images_is_noticed(tmp_path, change):
    from PIL import Image

    pictures = tmp_path / "pictures"
    (pictures / "sub").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (4, 4)).save(pictures / "sub" / f"{number}.png")
    sidecar = pictures / "sub" / "0.txt"
    sidecar.write_text("a fox")
    link(pictures, tmp_path / "linked")
    if change == "an image more":
        Image.new("RGB", (4, 4)).save(pictures / "new.png")
    elif change == "an image less":
        (pictures / "sub" / "2.png").unlink()
    elif change == "a sidecar edited":
        known = sidecar.stat()
        sidecar.write_text("a cat")
        os.utime(sidecar, ns=(known.st_atime_ns, known.st_mtime_ns + 1))
    else:
        (pictures / "sub" / "1.TXT").write_text("a hare")
    with pytest.raises(ValueError, match=r"pictures has changed\. Begin again with --fresh"):
        link(pictures, tmp_path / "linked")
    assert link(pictures, tmp_path / "linked", fresh=True).read == {"an image more": 4, "an image less": 2}.get(
        change, 3
    )


def test_several_folders_of_images_are_linked_whole(tmp_path):
    from PIL import Image

    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for number in range(3):
            Image.new("RGB", (4, 4)).save(tmp_path / place / f"IMG_{number}.JPG", "JPEG")
    summary = link([tmp_path / "a", tmp_path / "b"], tmp_path / "linked")
    assert (summary.linked, summary.rejected) == (6, 0)


def test_lines_of_records_quoted_over_lines_are_counted(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text('id,title\n1,"a\nfox\n"\n2,b\n3\n')
    summary = link(path, tmp_path / "linked")
    assert (summary.read, summary.linked, summary.rejected, summary.further_lines) == (3, 2, 1, 2)
    assert summary.read + summary.further_lines == path.read_bytes().count(b"\n") - 1
    printed = " ".join(str(cell) for column in summary.table().columns for cell in column.cells)
    assert "further lines of records" in printed
