"""Orders by the pseudo labels of a run: the most suspicious samples first, or the most useful.

    labelhedge run --corpus my-corpus --methods hedge --out runs/mine
    labelhedge review my-corpus --order useful --run runs/mine

Of a sample all its observed labels are asked, as it is verified only with all of them, and what else it may well show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.results import Results
from labelhedge.review.orders import ORDERS, OrderSettings, Task, open_rows

LIKELY = 0.2
"""A label that is not observed is asked for where its pseudo label is at least this."""
_BATCH = 4096

Floats = npt.NDArray[np.float32]


class Questions(NamedTuple):
    """What may be asked about open samples, Q (sample, label) pairs, and what each label has had.

    Attributes
    ----------
    rows, labels : (Q,) int
    pseudo : (Q,) float
        The pseudo labels p.
    surprise : (Q,) float
        Of the sample: how far its pseudo labels are from the observed ones where they are farthest, max_m |p_m - y_m|.
    checked : (L,) int
        Trusted samples that had or have the label.
    """

    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    pseudo: Floats
    surprise: Floats
    checked: npt.NDArray[np.int64]


Ranks = Callable[[Questions], npt.NDArray[np.floating]]
"""Of each question a number (Q,); a sample is asked about in the place of its least one."""


def suspicion(questions: Questions) -> npt.NDArray[np.floating]:
    """The samples first whose pseudo labels are farthest from the observed ones.

    Examples
    --------
    >>> one = np.array([0]), np.array([1]), np.array([0.3]), np.array([0.75]), np.array([0, 0])
    >>> suspicion(Questions(*one)).tolist()
    [-0.75]
    """
    return -questions.surprise


def usefulness(questions: Questions) -> npt.NDArray[np.floating]:
    """The checks first that are expected to lower the risk most, each label its share of them.

    A pseudo label that is a probability p has the risk E(p - y*)² = p (1 - p) (Eq. 6), gone once it is checked: of a
    label the most doubtful samples come first. How checks are shared out over labels is Neyman's allocation (1934):
    if what is left of the risk R_m of a label falls as 1 / n_m with its checks, the sum of R_m / n_m is least where n_m
    goes with the root of R_m. Checks that were made before count.

    Returns
    -------
    (Q,) float
        (checks of the label so far + place in the label + ½) / share of the label.

    Examples
    --------
    >>> p = np.array([0.5, 0.9, 0.8, 0.99], np.float32)
    >>> labels = np.array([0, 0, 0, 1])
    >>> ranks = usefulness(Questions(np.arange(4), labels, p, p, np.array([0, 0])))
    >>> ranks.argsort().tolist()
    [0, 2, 1, 3]
    """
    doubt = (questions.pseudo * (1 - questions.pseudo)).astype(np.float64)
    roots = np.sqrt(np.bincount(questions.labels, doubt, len(questions.checked)))
    shares = roots / max(float(roots.sum()), 1e-12)
    order = np.lexsort((questions.rows, -doubt, questions.labels))
    starts = np.searchsorted(questions.labels[order], np.arange(len(shares)))
    place = np.empty(len(order))
    place[order] = np.arange(len(order)) - starts[questions.labels[order]]
    ranks: npt.NDArray[np.floating] = (questions.checked[questions.labels] + place + 0.5) / np.maximum(
        shares[questions.labels], 1e-12
    )
    return ranks


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
    results = Results.load(run, corpus)
    path = run / "labels.parquet"
    if not path.exists():
        raise LabelhedgeError(f"{path} is missing: name the folder of a finished run with --run")
    made = pq.read_table(path, columns=["method"])["method"].unique().to_pylist()
    if not made or (method is not None and method not in made):
        raise LabelhedgeError(
            f"{path} has no pseudo labels of {method!r}; it has those of: {', '.join(made) or 'none'}"
            if method
            else f"no method of {run} made pseudo labels: run hedge or distill, which need a few checked images"
        )
    chosen = method or results.best_labels(made) or made[-1]
    place = {id_: row for row, id_ in enumerate(corpus.samples.ids)}
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=["id", "method", "pseudo", "trusted"]):
            batch = batch.filter(np.asarray(batch.column("method")) == chosen)
            if not len(batch):
                continue
            rows = np.array([place[id_] for id_ in batch.column("id").to_pylist()], np.int64)
            pseudo = np.asarray(batch.column("pseudo").flatten(), np.float32)
            trusted = np.asarray(batch.column("trusted"), bool)
            yield Batch(rows, pseudo.reshape(len(rows), len(corpus.labels)), trusted, chosen)


def questions_of(corpus: Corpus, settings: OrderSettings) -> Questions:
    """What may be asked about open training samples: their observed labels, and those that are likely.

    Raises
    ------
    LabelhedgeError
        When no run is named, or other splits than train are asked for: a run has pseudo labels of train alone.
    """
    if settings.run is None:
        raise LabelhedgeError("this order goes by the pseudo labels of a run: name its folder with --run")
    if tuple(settings.splits) != ("train",):
        raise LabelhedgeError(
            f"a run has pseudo labels of train alone, and {', '.join(settings.splits)} is asked for: "
            "ask about dev and test in the order random, in a session of their own"
        )
    samples = corpus.samples
    is_open = np.zeros(len(samples.ids), bool)
    is_open[open_rows(corpus, settings.splits)] = True
    parts = []
    for batch in pseudo_labels_of(settings.run, corpus, settings.method):
        kept = is_open[batch.rows]
        rows, pseudo = batch.rows[kept], batch.pseudo[kept]
        observed = samples.observed[rows].toarray().astype(bool)
        at, label = np.nonzero(observed | (pseudo >= LIKELY))
        surprise = np.abs(pseudo - observed).max(axis=1)
        parts.append((rows[at], label, pseudo[at, label], surprise[at]))
    known = samples.trusted & (samples.split == "train")
    checked = (samples.observed[known] + samples.verified[known]).astype(bool).sum(axis=0)
    rows, label, pseudo, surprise = (np.concatenate(part) for part in zip(*parts, strict=True))
    if len(surprise) and not surprise.any():
        raise LabelhedgeError(
            f"the pseudo labels of {batch.method} in {settings.run} are the observed labels, and doubt none of them: "
            "name another method with --method, or take --order random"
        )
    return Questions(rows, label, pseudo, surprise, np.asarray(checked, np.int64))


def _ordered(ranks: Ranks) -> Callable[[Corpus, OrderSettings], Iterator[Task]]:
    def order(corpus: Corpus, settings: OrderSettings) -> Iterator[Task]:
        questions = questions_of(corpus, settings)
        rows, first = np.unique(questions.rows, return_inverse=True)
        least = np.full(len(rows), np.inf)
        np.minimum.at(least, first, ranks(questions))
        ids = [corpus.samples.ids[row] for row in rows.tolist()]
        place = np.empty(len(rows), np.int64)
        place[sorted(range(len(rows)), key=lambda at: (least[at], ids[at]))] = np.arange(len(rows))
        for at in np.lexsort((questions.labels, place[first])).tolist():
            yield Task(int(questions.rows[at]), int(questions.labels[at]))

    return order


ORDERS["suspicious"] = _ordered(suspicion)
ORDERS["useful"] = _ordered(usefulness)
