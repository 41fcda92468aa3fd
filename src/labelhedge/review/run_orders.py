"""Orders by the pseudo labels of a run: the most suspicious samples first, or the most useful.

    labelhedge run --corpus my-corpus --methods hedge --out runs/mine
    labelhedge review my-corpus --order useful --run runs/mine

Of a sample all its observed labels are asked, as it is verified only with all of them, and what else it may well show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.review.orders import ORDERS, OrderSettings, Task, open_rows

LIKELY = 0.2
"""A label that is not observed is asked for where its pseudo label is at least this."""
_BATCH = 4096

Floats = npt.NDArray[np.float32]
Score = Callable[[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_], Floats], npt.NDArray[np.floating]]
"""Of pseudo labels p (B, L), observed labels y and asked labels (B, L), and the labels' expected numbers (L,): (B,)."""


def suspicion(
    pseudo: Floats, observed: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_], expected: Floats
) -> npt.NDArray[np.floating]:
    """How far the pseudo labels are from the observed ones, where they are farthest: max_m |p_m - y_m|.

    Examples
    --------
    >>> p = np.array([[0.75, 0.25]], np.float32)
    >>> y = np.array([[True, True]])
    >>> suspicion(p, y, y, p.sum(0)).tolist()
    [0.75]
    """
    return np.asarray(np.abs(pseudo - observed).max(axis=1))


def usefulness(
    pseudo: Floats, observed: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_], expected: Floats
) -> npt.NDArray[np.floating]:
    """By how much a question about a sample is expected to lower the risk, each label's risk taken by its size.

    A pseudo label that is a probability p has the risk E(p - y*)² = p (1 - p) (Eq. 6), gone once it is checked.
    mAP weighs all labels alike, so a label's share counts as a part of the number of samples expected to have it. The
    sum over the labels asked, by question.

    Examples
    --------
    >>> p = np.array([[0.5, 0.0], [0.9, 0.0]], np.float32)
    >>> asked = np.array([[True, False], [True, False]])
    >>> usefulness(p, asked, asked, np.array([2, 1], np.float32)).round(3).tolist()
    [0.125, 0.045]
    """
    gain = np.where(asked, pseudo * (1 - pseudo) / np.maximum(expected, 1), 0)
    return np.asarray(gain.sum(axis=1) / np.maximum(asked.sum(axis=1), 1))


class Batch(NamedTuple):
    """Rows of the corpus (B,), their pseudo labels (B, L) as a run wrote them, and which were trusted then (B,)."""

    rows: npt.NDArray[np.int64]
    pseudo: Floats
    trusted: npt.NDArray[np.bool_]
    method: str


def pseudo_labels_of(run: Path, corpus: Corpus, method: str | None) -> Iterator[Batch]:
    """The pseudo labels of a run on the corpus, batch by batch; by default of the method that is best on dev.

    Raises
    ------
    LabelhedgeError
        When the run has none, none of that method, or is of another corpus.
    """
    path = run / "labels.parquet"
    if not path.exists():
        raise LabelhedgeError(f"{path} is missing: name the folder of a finished run with --run")
    made = pq.read_table(path, columns=["method"])["method"].unique().to_pylist()
    if not made or (method is not None and method not in made):
        raise LabelhedgeError(
            f"{path} has no pseudo labels of {method or 'any method'!r}; it has those of: {', '.join(made) or 'none'}"
        )
    chosen = method or _best(run, made)
    place = {id_: row for row, id_ in enumerate(corpus.samples.ids)}
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=["id", "method", "pseudo", "trusted"]):
            batch = batch.filter(np.asarray(batch.column("method")) == chosen)
            ids = batch.column("id").to_pylist()
            pseudo = np.asarray(batch.column("pseudo").flatten(), np.float32)
            if any(id_ not in place for id_ in ids) or len(pseudo) != len(ids) * len(corpus.labels):
                raise LabelhedgeError(f"{run} is a run on another corpus than {corpus.folder}: name one on this corpus")
            trusted = np.asarray(batch.column("trusted"), bool)
            rows = np.array([place[id_] for id_ in ids], np.int64)
            yield Batch(rows, pseudo.reshape(len(ids), len(corpus.labels)), trusted, chosen)


def _best(run: Path, made: list[str]) -> str:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))["results"]
    dev = {name: [r["dev_map"] for r in results if r["method"] == name] for name in made}
    return max(reversed(made), key=lambda name: float(np.mean(dev[name])) if dev[name] else -1.0)


def _ordered(score: Score) -> Callable[[Corpus, OrderSettings], Iterator[Task]]:
    def order(corpus: Corpus, settings: OrderSettings) -> Iterator[Task]:
        if settings.run is None:
            raise LabelhedgeError("this order goes by the pseudo labels of a run: name its folder with --run")
        is_open = np.zeros(len(corpus.samples.ids), bool)
        is_open[open_rows(corpus, settings.splits)] = True
        expected = np.zeros(len(corpus.labels), np.float32)
        for batch in pseudo_labels_of(settings.run, corpus, settings.method):
            expected += batch.pseudo.sum(axis=0)
        rows, scores, labels = [], [], []
        for batch in pseudo_labels_of(settings.run, corpus, settings.method):
            kept = is_open[batch.rows]
            found, pseudo = batch.rows[kept], batch.pseudo[kept]
            observed = corpus.samples.observed[found].toarray().astype(bool)
            asked = observed | (pseudo >= LIKELY)
            some = asked.any(axis=1)
            rows += found[some].tolist()
            scores += score(pseudo, observed, asked, expected)[some].tolist()
            labels += [np.flatnonzero(row).tolist() for row in asked[some]]
        ids = corpus.samples.ids
        for place in sorted(range(len(rows)), key=lambda place: (-scores[place], ids[rows[place]])):
            for label in labels[place]:
                yield Task(rows[place], label)

    return order


ORDERS["suspicious"] = _ordered(suspicion)
ORDERS["useful"] = _ordered(usefulness)
