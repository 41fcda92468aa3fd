"""Tasks for Label Studio: `export_tasks(corpus, "tasks.json", config="config.xml")` writes what its import reads.

A task is a sample with its words; the labels it is thought to have are filled in, and people correct them. The
configuration has the label names as choices, several at once unless the labels exclude each other. What comes back is
read by `labelhedge.verify.label_studio`.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.results import Results

CONTROL, IMAGE = "label", "image"
EMBED = "embed"


@dataclass(frozen=True)
class Exported:
    """What was written: so many tasks, in these files; prints as a line."""

    tasks: int
    out: Path
    config: Path
    files: Path | None

    def __str__(self) -> str:
        images = f", the images to {self.files}" if self.files else ""
        return f"{self.tasks:,} tasks written to {self.out}, the labelling configuration to {self.config}{images}"


def export_tasks(
    corpus: Corpus,
    out: str | os.PathLike[str],
    *,
    config: str | os.PathLike[str],
    order: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    splits: Sequence[str] = (),
    images: str = EMBED,
    files: str | os.PathLike[str] | None = None,
    run: str | os.PathLike[str] | None = None,
    method: str | None = None,
    threshold: float = 0.5,
) -> Exported:
    """Write tasks and a labelling configuration for Label Studio.

    Parameters
    ----------
    corpus : Corpus
    out : JSON file to write
    config : XML file to write
    order : CSV file with the columns `id` and, perhaps, `label`
        Only these samples, in this order; the labels are shown as what to look at. Default: all, as they stand.
    limit : int, optional
        So many tasks.
    splits : names of splits
        Only samples of these. Default: of all.
    images : str
        ``embed`` writes the images into the JSON file. Anything else is what their addresses begin with; the path
        of the image follows, so ``/data/local-files/?d=`` or ``https://host/folder/``.
    files : folder, optional
        With such a beginning: write the images there, which a corpus with embedded images needs.
    run : folder of a run, optional
        Fill in the pseudo labels of its `labels.parquet` instead of the observed labels, where it has them.
    method : str, optional
        Whose pseudo labels; default: the best on dev.
    threshold : float
        Pseudo labels from here on are filled in; of exclusive labels the highest one.

    Raises
    ------
    LabelhedgeError
        When the order or the run does not fit the corpus, or an image has no address. Nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> done = export_tasks(Corpus.open("clipart"), folder / "t.json", config=folder / "c.xml", limit=2)
    >>> done.tasks, json.loads((folder / "t.json").read_text())[0]["data"]["id"] in Corpus.open("clipart").samples.ids
    (2, True)
    """
    for path in (Path(out), Path(config)):
        if path.exists():
            raise LabelhedgeError(f"{path} exists already: choose another name")
    if images == EMBED and files is not None:
        raise LabelhedgeError("the images are embedded, so no files are written: give --images the start of addresses")
    rows, asked = _order(corpus, Path(order)) if order is not None else (range(len(corpus.samples.ids)), {})
    chosen = [row for row in rows if not splits or corpus.samples.split[row] in splits][:limit]
    if not chosen:
        raise LabelhedgeError("there is no sample to export: name other splits, or another order")
    guesses = _Guesses(corpus, None if run is None else Path(run), method, threshold, chosen)
    addresses = _Addresses(corpus, images, None if files is None else Path(files))
    words = _words(corpus)
    text = ElementTree.tostring(_config(corpus, words, ask=bool(asked)), encoding="unicode")
    rendered = _tasks(corpus, chosen, asked, words, guesses, addresses)
    with replacing(out) as new, new.open("w", encoding="utf-8") as file:
        for number, task in enumerate(rendered):
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(task, ensure_ascii=False))
        file.write("\n]\n")
        Path(config).write_text(text + "\n", encoding="utf-8")
    return Exported(len(chosen), Path(out), Path(config), addresses.files)


def _tasks(
    corpus: Corpus,
    rows: Sequence[int],
    asked: dict[int, list[str]],
    words: Sequence[str],
    guesses: _Guesses,
    addresses: _Addresses,
) -> Iterator[dict[str, Any]]:
    texts_of = corpus.extra(np.array(rows, np.int64)).select(words).to_pylist() if words else [{}] * len(rows)
    for row, texts, address in zip(rows, texts_of, addresses.of(rows), strict=True):
        sample = corpus.samples.ids[row]
        data = {name: _text(value) for name, value in texts.items()} | {IMAGE: address, "id": sample}
        if asked:
            data["asked"] = ", ".join(asked.get(row, ()))
        yield {"data": data, "meta": {"sample": sample}, "predictions": guesses.of(row)}


def _config(corpus: Corpus, words: Sequence[str], *, ask: bool) -> ElementTree.Element:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name=IMAGE, value=f"${IMAGE}")
    for name in [*words, *(["asked"] if ask else [])]:
        ElementTree.SubElement(view, "Header", value=name)
        ElementTree.SubElement(view, "Text", name=f"text-{name}", value=f"${name}")
    kind = "single" if corpus.info.exclusive else "multiple"
    choices = ElementTree.SubElement(
        view, "Choices", name=CONTROL, toName=IMAGE, choice=kind, required="true" if corpus.info.exclusive else "false"
    )
    for label in corpus.labels:
        ElementTree.SubElement(choices, "Choice", value=label.name)
    ElementTree.indent(view)
    return view


def _words(corpus: Corpus) -> list[str]:
    """The columns of words to show; names that stand for something else are left out."""
    named = list(corpus.info.text) or [name for name in ("title", "tags") if name in corpus.samples.extra.schema.names]
    schema = corpus.samples.extra.schema
    return [name for name in named if name not in (IMAGE, "id", "asked") and not _is_struct(schema.field(name).type)]


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind) and not pa.types.is_list(kind) and not pa.types.is_large_list(kind))


def _text(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else "" if value is None else str(value)


def _order(corpus: Corpus, path: Path) -> tuple[list[int], dict[int, list[str]]]:
    """Rows in the order of a CSV file, each once, and the labels that it names for each."""
    from labelhedge.verify.formats import Table
    from labelhedge.verify.said import Votes

    votes = Votes(path, "line")
    if not path.exists():
        raise votes.error("there is no such file", "name a CSV file with the columns id and label")
    table = Table(votes)
    table.need("id")
    rows = {sample: row for row, sample in enumerate(corpus.samples.ids)}
    names = {label.id: label.name for label in corpus.labels} | {label.name: label.name for label in corpus.labels}
    asked: dict[int, list[str]] = {}
    for line, cells in table:
        if cells["id"] not in rows:
            raise votes.error(f"the corpus has no sample {cells['id']!r}", "correct or remove the line", line)
        labels = asked.setdefault(rows[cells["id"]], [])
        if label := cells.get("label", ""):
            if label not in names:
                raise votes.error(f"the corpus has no label {label!r}", "correct or remove the line", line)
            if names[label] not in labels:
                labels.append(names[label])
    return list(asked), asked


class _Addresses:
    """Where Label Studio finds an image: in the task itself, or under an address."""

    def __init__(self, corpus: Corpus, images: str, files: Path | None) -> None:
        self.corpus, self.images, self.files = corpus, images, files
        if files is not None:
            if files.exists() and any(files.iterdir()):
                raise LabelhedgeError(f"{files} is not empty: choose another folder for the images")
            files.mkdir(parents=True, exist_ok=True)

    def of(self, rows: Sequence[int]) -> Iterator[str]:
        """The addresses of samples' images, in their order; held in memory only if that is not the corpus's."""
        ordered = sorted(rows)
        found = self._ordered(ordered)
        if ordered == list(rows):
            yield from found
            return
        addresses = dict(zip(ordered, found, strict=True))
        yield from (addresses[row] for row in rows)

    def _ordered(self, rows: Sequence[int]) -> Iterator[str]:
        if self.images != EMBED and self.files is None:
            for row, path in zip(rows, self._paths(rows), strict=True):
                if path is None:
                    raise LabelhedgeError(
                        f"the image of {self.corpus.samples.ids[row]!r} lies in the Parquet file and has no address: "
                        "name a folder to write the images to with --files, or use --images embed"
                    )
                yield self.images + quote(path)
            return
        for row, data in self.corpus.images.read(np.array(rows, np.int64)):
            with Image.open(io.BytesIO(data)) as image:
                kind = Image.MIME.get(image.format or "", "image/png")
            if self.files is None:
                yield f"data:{kind};base64,{base64.b64encode(data).decode()}"
            else:
                name = f"{row:07d}.{kind.rpartition('/')[2]}"
                (self.files / name).write_bytes(data)
                yield self.images + name

    def _paths(self, rows: Sequence[int]) -> list[str | None]:
        paths: list[str | None] = []
        for path, _ in self.corpus.images.parts:
            with pq.ParquetFile(path) as file:
                images = file.read(columns=["image.path"])["image"].to_pylist()
                paths += [image["path"] for image in images]
        return [paths[row] for row in rows]


class _Guesses:
    """What is filled in before anybody looks: the observed labels, or a run's pseudo labels where it has them."""

    def __init__(
        self, corpus: Corpus, run: Path | None, method: str | None, threshold: float, rows: Sequence[int]
    ) -> None:
        self.corpus, self.threshold = corpus, threshold
        self.method = "observed"
        self.pseudo: dict[str, tuple[list[int], float]] = {}  # of samples to export: likely labels, the least of them
        if run is None:
            if method is not None:
                raise LabelhedgeError(f"the method {method!r} is named, but no run: name its folder with --run")
            return
        results = Results.load(run, corpus)
        path = run / "labels.parquet"
        if not path.exists():
            raise LabelhedgeError(f"{path} is missing: name the folder of a finished run, such as runs/demo")
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(columns=["method"])
            there = list(dict.fromkeys(name for batch in batches for name in batch.column("method").to_pylist()))
            if not there or (method is not None and method not in there):
                raise LabelhedgeError(f"{path} has no pseudo labels of {method!r}; it has those of: {', '.join(there)}")
            self.method = method or results.best_labels(there) or there[-1]
            self._read(file, {corpus.samples.ids[row] for row in rows})

    def _read(self, file: pq.ParquetFile, wanted: set[str]) -> None:
        for group in range(file.num_row_groups):
            names = file.read_row_group(group, columns=["id", "method"]).to_pydict()
            mine = [place for place, name in enumerate(names["method"]) if name == self.method]
            ids = {names["id"][place]: place for place in mine}
            if wanted.isdisjoint(ids):
                continue
            pseudo = file.read_row_group(group, columns=["pseudo"])["pseudo"]
            for id_ in wanted.intersection(ids):
                self.pseudo[id_] = self._likely(np.array(pseudo[ids[id_]].as_py(), np.float32))

    def _likely(self, values: npt.NDArray[np.float32]) -> tuple[list[int], float]:
        likely = [int(values.argmax())] if self.corpus.info.exclusive else np.flatnonzero(values >= self.threshold)
        labels = [int(label) for label in likely]
        return labels, round(float(min((values[label] for label in labels), default=0)), 4)

    def of(self, row: int) -> list[dict[str, Any]]:
        """The predictions of a task: one, or none where no label is likely."""
        corpus = self.corpus
        guess = self.pseudo.get(corpus.samples.ids[row])
        prediction: dict[str, Any] = {"model_version": self.method}
        if guess is None:
            sets = corpus.samples.observed
            labels = sorted(sets.indices[sets.indptr[row] : sets.indptr[row + 1]].tolist())
            prediction["model_version"] = "observed"
        else:
            labels, prediction["score"] = guess
        if not labels:
            return []
        names = [corpus.labels[label].name for label in labels]
        result = {"from_name": CONTROL, "to_name": IMAGE, "type": "choices", "value": {"choices": names}}
        return [prediction | {"result": [result]}]
