"""What the page shows of a corpus: images at a browser's size, the words about them, examples of a label."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from labelhedge.corpus import Corpus
from labelhedge.corpus.images import upright_on_white

SIZES = {"large": 1600, "small": 320}
"""Longest side in pixels that an image may have before it is scaled down."""

EXAMPLES = 4
_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_CACHE_BYTES = 96 * 2**20
_EXPECTED = 96  # images
_TEXT, _WORDS = 600, 60  # characters of a text, words of a list
_WORD_COLUMNS = ("title", "tags", "keywords", "description")


@dataclass(frozen=True)
class Picture:
    """An image ready for a browser."""

    data: bytes
    kind: str
    tag: str


class Pictures:
    """Images of a corpus by row, scaled and converted once, the last ones kept in memory.

    Images that browsers show and that are small enough are passed on as they are; a JPEG is turned by the browser.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._awaited: dict[int, Future[bytes]] = {}
        self._expected: OrderedDict[int, str] = OrderedDict()  # row -> size
        self._kept: OrderedDict[str, Picture] = OrderedDict()
        self._bytes = 0

    def tag(self, row: int, size: str) -> str:
        """Identity of what `get` returns: it changes with the image."""
        return f"{self._corpus.samples.digests[row].hex()}-{size}"

    def get(self, row: int, size: str) -> Picture:
        """The image in a row of the corpus.

        Raises
        ------
        ValueError
            When it cannot be decoded.
        CorpusError
            When its file is gone or outside the corpus.
        """
        found = self._find(row, size)
        if found is not None:
            return found
        with self._lock:
            mine = self._awaited.setdefault(row, Future())
        with self._reading:
            found = self._find(row, size)  # it may have been read along meanwhile
            if found is None and not mine.done():
                self._pass(row, mine)
        return found or self._keep(row, size, mine.result())

    def expect(self, rows: Iterable[int], size: str) -> None:
        """Say what will be asked for soon: whoever reads next reads it along."""
        with self._lock:
            for row in rows:
                if self.tag(row, size) not in self._kept:
                    self._expected[row] = size
            while len(self._expected) > _EXPECTED:
                self._expected.popitem(last=False)

    def _find(self, row: int, size: str) -> Picture | None:
        tag = self.tag(row, size)
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
            return self._kept.get(tag)

    def _keep(self, row: int, size: str, data: bytes) -> Picture:
        picture = Picture(*_for_browser(data, SIZES[size]), self.tag(row, size))
        with self._lock:
            if picture.tag not in self._kept:
                self._kept[picture.tag] = picture
                self._bytes += len(picture.data)
            while self._bytes > _CACHE_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1].data)
        return picture

    def _pass(self, row: int, mine: Future[bytes]) -> None:
        """One pass through the files, for all who wait; there is one at a time.

        A row group is decoded from its start, whatever is wanted of it: 24 tiles, each read by itself and all at
        once, would decode it 24 times and hold it 24 times in memory.
        """
        with self._lock:
            awaited = {**self._awaited, row: mine}
            expected = {other: size for other, size in self._expected.items() if other not in awaited}
            self._expected.clear()
        images = self._corpus.images
        try:
            for place, data in images.read(np.array([*awaited, *expected])):
                if place in awaited:
                    awaited[place].set_result(data)
                else:
                    with suppress(ValueError):  # whoever asks for it is told
                        self._keep(place, expected[place], data)
        except (ValueError, OSError):  # a CorpusError too; it may be of any of them
            for place, future in awaited.items():
                if future.done():
                    continue
                try:
                    future.set_result(images.read_one(place))
                except (ValueError, OSError) as error:
                    future.set_exception(error)
        with self._lock:
            for place in awaited:
                self._awaited.pop(place, None)


def _for_browser(data: bytes, limit: int) -> tuple[bytes, str]:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            kind = _AS_THEY_ARE.get(str(opened.format))
            if kind and max(opened.size) <= limit:
                return data, kind
            opened.draft("RGB", (limit, limit))
            image = upright_on_white(opened)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError(f"the image is unreadable ({error})") from error
    image.thumbnail((limit, limit), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue(), "image/webp"


class Words:
    """The words about a sample, and which of them caused a label.

    Shown are the columns title, tags, keywords, description and those that corpus.json names as `text`; none other,
    as a file name or a source may tell the answer. What caused a label is read from the column `evidence`, a list of
    structs with at least `label` (number) and `text`.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        names = corpus.samples.extra.column_names
        self._columns = [name for name in dict.fromkeys((*_WORD_COLUMNS, *corpus.info.text)) if name in names]
        self._evidence = ["evidence"] if "evidence" in names else []

    def of(self, row: int, label: int) -> dict[str, Any]:
        """``texts`` and ``lists`` of words, each with its column's name, and the texts of the ``evidence``."""
        if not self._columns and not self._evidence:
            return {"texts": [], "lists": [], "evidence": []}
        table = self._corpus.samples.extra.select(self._columns + self._evidence)
        (values,) = table.slice(row, 1).to_pylist()
        evidence = _evidence(values.pop("evidence", None), label)
        texts, lists = [], []
        for name, value in values.items():
            if isinstance(value, list):
                words = [str(word)[:_TEXT] for word in value if word not in (None, "")]
                words.sort(key=lambda word: not any(text.lower() in word.lower() for text in evidence))
                if words:
                    lists.append({"name": name, "words": words[:_WORDS], "more": max(0, len(words) - _WORDS)})
            elif value not in (None, ""):
                text = str(value)
                texts.append({"name": name, "text": text[:_TEXT] + ("…" if len(text) > _TEXT else "")})
        return {"texts": texts, "lists": lists, "evidence": evidence}


def _evidence(entries: Any, label: int) -> list[str]:
    if not isinstance(entries, list):
        return []
    found = [entry for entry in entries if isinstance(entry, dict) and entry.get("label") == label]
    return list(dict.fromkeys(str(entry["text"])[:_TEXT] for entry in found if entry.get("text")))


def examples(corpus: Corpus, label: int, count: int = EXAMPLES) -> list[int]:
    """Rows of samples checked in train or dev that have the label, fewest other labels first; at most `count`."""
    samples = corpus.samples
    sizes = np.diff(samples.verified.indptr)
    known = samples.trusted | (samples.checked & (samples.split == "dev"))
    rows = np.flatnonzero(known & (sizes > 0))
    has = samples.verified[rows][:, [label]].toarray()[:, 0].astype(bool)
    found: list[int] = rows[has].tolist()
    return sorted(found, key=lambda row: (sizes[row], hashlib.blake2b(samples.ids[row].encode()).digest()))[:count]
