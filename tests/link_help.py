"""What the tests of linking jobs share: metadata of a hundred photos, and a short call."""

from pathlib import Path

import pytest

from collect_help import Words, yfcc_line
from labelhedge.collect import link_photos

WORDS = Words("fox", "hare", "snow")
HERE = str(Path(__file__).parent)


def lines(count, *, first=1, bad=()):
    """Lines of metadata; those of `bad` are none."""
    titles = ["A+red+fox", "A+hare%2C+a+fox", "nothing", "snow+on+snow"]
    return [
        "bad" if number in bad else yfcc_line(number, title=f"{titles[number % 4]}+{number}")
        for number in range(first, first + count)
    ]


@pytest.fixture
def metadata(tmp_path):
    path = tmp_path / "photos.tsv"
    path.write_text("\n".join(lines(100, bad=(5, 61))) + "\n")
    return path


def link(photos, out, **options):
    return link_photos(photos, out, **({"linker": WORDS, "workers": 1, "part_size": 30} | options))
