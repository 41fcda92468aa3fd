"""What the tests of collecting share: a small linker, lines of metadata, and the state of a folder."""

import hashlib
import os
import re
import time

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.records import Entity


class Words:
    """Links whole words that it knows, in any case; slowly where LINK_DELAY (seconds a call) says so."""

    def __init__(self, *words, uri="urn:word:{}".format):
        self.uri = uri
        self.words = frozenset(words)

    @property
    def fingerprint(self):
        return " ".join(sorted(self.words))

    def link(self, texts):
        time.sleep(float(os.environ.get("LINK_DELAY", 0)))
        return [
            [
                Entity(self.uri(match[0].lower()), match[0].lower(), match[0], match.start(), 0.5)
                for match in re.finditer(r"\w+", text)
                if match[0].lower() in self.words
            ]
            for text in texts
        ]


def yfcc_line(identity, *, title="", description="", tags="", marker="0", line="0", short=False, hash="", **other):
    """A line of metadata, without its end; made up, in the real form."""
    fields = [line, str(identity), hash, "1@N00", "nick+name", "2012-02-16 09:56:37.0", "1331840483", "Canon+EOS",
              title, description, tags, other.get("machine_tags", ""), other.get("longitude", ""),
              other.get("latitude", ""), "", f"http://www.flickr.com/photos/1@N00/{identity}/",
              other.get("url", f"http://farm1.staticflickr.com/1/{identity}_a.jpg"), "Attribution License",
              "http://creativecommons.org/licenses/by/2.0/", "1", "1", "a", "b", "jpg", marker]  # fmt: skip
    if short:
        del fields[2], fields[0]
    return "\t".join(fields)


def linked_table(folder):
    """All linked photos of a folder."""
    return pa.concat_tables([pq.read_table(path) for path in sorted((folder / "photos").glob("*.parquet"))])


def rejects_of(folder):
    """Rows of the rejects of a folder."""
    parts = [pq.read_table(path) for path in sorted((folder / "rejects").glob("*.parquet"))]
    return pa.concat_tables(parts).to_pylist()


def state(folder):
    """Every file of a folder and its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
