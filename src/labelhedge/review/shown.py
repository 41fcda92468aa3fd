"""What the page shows of a corpus: images at a browser's size, the words about them, examples of a label."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from concurrent.futures import Future
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
        tag = self.tag(row, size)
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
                return self._kept[tag]
        picture = Picture(*_for_browser(self._read(row), SIZES[size]), tag)
        with self._lock:
            if tag not in self._kept:
                self._kept[tag] = picture
                self._bytes += len(picture.data)
            while self._bytes > _CACHE_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1].data)
        return picture

    def _read(self, row: int) -> bytes:
        """The image of a row as it is stored. One pass through the files at a time, for all who wait for it.

        A row group is decoded from its start, whatever is wanted of it: 24 tiles, each read by itself and all at
        once, would decode it 24 times and hold it 24 times in memory.
        """
        with self._lock:
            mine = self._awaited.setdefault(row, Future())
        with self._reading:
            if not mine.done():
                with self._lock:
                    awaited = dict(self._awaited)
                self._pass(awaited)
                with self._lock:
                    for other in awaited:
                        del self._awaited[other]
        return mine.result()

    def _pass(self, awaited: dict[int, Future[bytes]]) -> None:
        images = self._corpus.images
        try:
            for row, data in images.read(np.array(list(awaited))):
                awaited[row].set_result(data)
        except (ValueError, OSError):  # a CorpusError too; it may be of any of them
            for row, future in awaited.items():
                if future.done():
                    continue
                try:
                    future.set_result(images.read_one(row))
                except (ValueError, OSError) as error:
                    future.set_exception(error)


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
    """Rows of trusted samples that have the label, those with the fewest other labels first; at most `count`."""
    samples = corpus.samples
    sizes = np.diff(samples.verified.indptr)
    rows = np.flatnonzero(samples.trusted & (sizes > 0))
    has = samples.verified[rows][:, [label]].toarray()[:, 0].astype(bool)
    found: list[int] = rows[has].tolist()
    return sorted(found, key=lambda row: (sizes[row], hashlib.blake2b(samples.ids[row].encode()).digest()))[:count]
