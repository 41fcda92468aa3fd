"""Training images ranked by pseudo label, as in Figure 4 of the paper, with what caused their labels."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from labelhedge.corpus import Corpus
from labelhedge.corpus.images import upright_on_white
from labelhedge.evaluation import rank

SHOWN = 8  # images per row
DOUBTED = 0.5  # what is believed more than that is not shown as doubted
MISSING = 0.1  # what is believed less than that is not shown as perhaps missing
LABELS = 40  # at most, those with most doubtful labels
THUMBNAIL = 112  # pixels
STRIP = 400  # steps


@dataclass(frozen=True)
class Picture:
    """One image in a row of the gallery.

    ``right`` says whether it has the label in truth; None where nobody checked. ``words`` caused the label.
    """

    id: str
    source: str
    title: str
    words: str
    truth: str
    pseudo: float
    right: bool | None


@dataclass
class LabelRows:
    """One label: the images that carry it, ranked by pseudo label, and those that may lack it."""

    label: str
    observed: int
    wrong: int | None
    believed: list[Picture]
    doubted: list[Picture]
    missing: list[Picture]
    strip: list[tuple[int, bool | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Gallery:
    """What the pseudo labels of a method say about the labels of the untrusted training images.

    ``checked`` observed labels have a known truth, ``wrong`` of them are wrong; ``doubted_wrong`` and
    ``believed_wrong`` are the shares that are wrong in the fifth with the lowest and the highest pseudo labels.
    """

    method: str
    labels: list[LabelRows]
    checked: int
    wrong: int
    believed_wrong: float | None
    doubted_wrong: float | None


def draw_gallery(run: Path, corpus: Corpus, method: str) -> Gallery:
    """Rank the untrusted training images of a run by a method's pseudo labels, label by label."""
    table = pq.read_table(run / "labels.parquet", columns=["trusted", "pseudo"], filters=[("method", "==", method)])
    untrusted = ~table["trusted"].to_numpy()
    labels = len(corpus.labels)
    pseudo = np.asarray(table["pseudo"].combine_chunks().flatten()).reshape(-1, labels)[untrusted]  # (N, L)
    rows = corpus.rows("train")[untrusted]
    observed = corpus.samples.observed[rows].toarray().astype(bool)
    truth = corpus.samples.verified[rows].toarray().astype(bool)
    checked = corpus.samples.checked[rows]

    doubtful = np.where(observed, 1 - pseudo, 0).sum(axis=0)
    chosen = np.argsort(-doubtful, kind="stable")[:LABELS]
    order: dict[int, npt.NDArray[np.int64]] = {}
    picks: dict[int, tuple[list[int], list[int], list[int]]] = {}
    for label in chosen:
        ranked = order[int(label)] = rank(pseudo[:, [label]]).order[:, 0]
        carries, lacks = ranked[observed[ranked, label]], ranked[~observed[ranked, label]]
        believed = carries[:SHOWN]
        doubted = carries[max(SHOWN, len(carries) - SHOWN) :][::-1]
        doubted = doubted[pseudo[doubted, label] < DOUBTED]
        missing = lacks[:SHOWN][pseudo[lacks[:SHOWN], label] >= MISSING]
        picks[int(label)] = (believed.tolist(), doubted.tolist(), missing.tolist())
    wanted = np.unique([row for groups in picks.values() for group in groups for row in group]).astype(np.int64)
    draw = _Pictures(corpus, rows, wanted, pseudo, truth, checked)

    shown = []
    for label, (believed_rows, doubted_rows, missing_rows) in picks.items():
        ranked = order[label]
        carries = ranked[observed[ranked, label]]
        right = [bool(truth[row, label]) if checked[row] else None for row in carries]
        shown.append(
            LabelRows(
                label=corpus.labels[label].name,
                observed=len(carries),
                wrong=right.count(False) if None not in right else None,
                believed=draw(believed_rows, label),
                doubted=draw(doubted_rows, label),
                missing=draw(missing_rows, label),
                strip=_strip(right),
            )
        )
    known = observed & checked[:, None]
    values, correct = pseudo[known], truth[known]
    fifth = len(values) // 5
    ranked = np.argsort(-values, kind="stable")
    return Gallery(
        method=method,
        labels=shown,
        checked=len(values),
        wrong=int((~correct).sum()),
        believed_wrong=float((~correct[ranked[:fifth]]).mean()) if fifth else None,
        doubted_wrong=float((~correct[ranked[-fifth:]]).mean()) if fifth else None,
    )


def _strip(right: list[bool | None]) -> list[tuple[int, bool | None]]:
    """Right or wrong along the ranking, in at most `STRIP` steps of equal length, each by its majority."""
    step = -(-len(right) // STRIP)
    parts = [right[start : start + step] for start in range(0, len(right), max(step, 1))]
    return [(place, max(part, key=part.count)) for place, part in enumerate(parts)]


class _Pictures:
    """Makes the pictures of the gallery; each image is read and encoded once."""

    def __init__(
        self,
        corpus: Corpus,
        rows: npt.NDArray[np.int64],
        wanted: npt.NDArray[np.int64],
        pseudo: npt.NDArray[np.float32],
        truth: npt.NDArray[np.bool_],
        checked: npt.NDArray[np.bool_],
    ) -> None:
        self.names = [label.name for label in corpus.labels]
        self.ids = corpus.samples.ids
        self.rows, self.pseudo, self.truth, self.checked = rows, pseudo, truth, checked
        images = dict(corpus.images.read(rows[wanted]))
        self.sources = {int(row): _data_uri(images[int(rows[row])]) for row in wanted}
        table = corpus.extra(rows[wanted])
        extra = table.to_pylist() if table.num_columns else [{} for _ in wanted]
        self.extra: dict[int, dict[str, Any]] = {int(row): columns for row, columns in zip(wanted, extra, strict=True)}

    def __call__(self, rows: Iterable[int], label: int) -> list[Picture]:
        return [self._picture(row, label) for row in rows]

    def _picture(self, row: int, label: int) -> Picture:
        columns = self.extra[row]
        sample = self.ids[self.rows[row]]
        checked = bool(self.checked[row])
        true_names = [self.names[number] for number in np.flatnonzero(self.truth[row])] or ["background"]
        return Picture(
            id=sample,
            source=self.sources[row],
            title=str(columns.get("title") or sample),
            words=_words(columns.get("evidence"), label),
            truth=", ".join(true_names) if checked else "not checked",
            pseudo=float(self.pseudo[row, label]),
            right=bool(self.truth[row, label]) if checked else None,
        )


def _words(evidence: Any, label: int) -> str:
    """The words behind a label, from the optional column `evidence`: a list of label, text and source."""
    if not isinstance(evidence, list):
        return ""
    found = [entry for entry in evidence if isinstance(entry, dict) and entry.get("label") == label]
    return ", ".join(dict.fromkeys(str(entry.get("text", "")) for entry in found))


def _data_uri(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as opened:
        if max(opened.size) <= 128 and opened.format in ("WEBP", "JPEG", "PNG"):
            kind = str(opened.format).lower()
        else:
            image = upright_on_white(opened)
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=75)
            data, kind = buffer.getvalue(), "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
