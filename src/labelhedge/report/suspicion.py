"""Which labels look wrong: `labels.parquet` of a run, pseudo labels and suspicion per training sample."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.results import UNREVIEWED, Results

_BATCH = 8192

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("method", pa.string()),
        ("trusted", pa.bool_()),
        ("observed", pa.list_(pa.int32())),
        ("pseudo", pa.list_(pa.float32())),
        ("suspicion", pa.float32()),
        ("suspect", pa.int32()),
        ("fault", pa.string()),
    ]
)
"""`pseudo`: mean over seeds, in label order. `suspicion`: how far the pseudo label is from the label, at the label
`suspect` where it is farthest; `fault` says whether that label is ``wrong`` there or ``missing``."""


def write_labels(path: Path, corpus: Corpus, pseudo: Mapping[str, Sequence[npt.NDArray[np.float32]]]) -> None:
    """Write `labels.parquet`, one row per method and training sample.

    Parameters
    ----------
    path : file
    corpus : Corpus
    pseudo : for each method its pseudo labels (N, L), one array per seed
    """
    rows = corpus.rows("train")
    labels = corpus.training_view().labels
    samples = corpus.samples
    schema = SCHEMA.with_metadata({UNREVIEWED: corpus.unreviewed_hash})
    with replacing(path) as new, pq.ParquetWriter(new, schema, compression="zstd") as writer:
        for method, arrays in pseudo.items():
            for start in range(0, len(rows), _BATCH):
                part = slice(start, min(start + _BATCH, len(rows)))
                mean = np.mean([array[part].astype(np.float32) for array in arrays], axis=0)  # (B, L)
                known = labels[part].toarray().astype(np.float32)
                suspicion = np.abs(mean - known)
                suspect = suspicion.argmax(axis=1)
                each = np.arange(len(mean))
                observed = samples.observed[rows[part]]
                columns = {
                    "id": [samples.ids[row] for row in rows[part]],
                    "method": [method] * len(mean),
                    "trusted": samples.trusted[rows[part]],
                    "observed": np.split(observed.indices, observed.indptr[1:-1]),
                    "pseudo": list(mean),
                    "suspicion": suspicion[each, suspect],
                    "suspect": suspect.astype(np.int32),
                    "fault": np.where(known[each, suspect] > 0, "wrong", "missing"),
                }
                writer.write_table(pa.table(columns, schema=schema))


def methods_with_labels(run: Path) -> list[str]:
    """The methods of a run that made pseudo labels, in order."""
    table = pq.read_table(run / "labels.parquet", columns=["method"])
    methods: list[str] = table["method"].unique().to_pylist()
    return methods


@dataclass(frozen=True)
class Suspect:
    """A training sample whose label looks wrong to a method."""

    method: str
    id: str
    label: str
    fault: str
    suspicion: float
    pseudo: float


def rank_suspects(
    run: Path, labels: Sequence[str], *, method: str | None, label: str | None, count: int | None
) -> list[Suspect]:
    """The untrusted training samples of a run whose labels look most wrong.

    Parameters
    ----------
    run : a run's folder
    labels : the corpus's label names, in order
    method : whose pseudo labels; None is the best on dev
    label : only this label, by name; None is each sample's most doubtful one
    count : how many; None is all

    Raises
    ------
    FileNotFoundError
        When the run has no `labels.parquet`.
    ValueError
        When it has no such method or label, or no pseudo labels at all.
    """
    path = run / "labels.parquet"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: name the folder of a finished run, such as runs/demo")
    methods = methods_with_labels(run)
    if not methods:
        raise LabelhedgeError(
            f"{path} is empty: no method of this run makes pseudo labels (hedge, distill and guided do)"
        )
    if method is not None and method not in methods:
        raise LabelhedgeError(f"the run has no pseudo labels of {method!r}; it has those of: {', '.join(methods)}")
    if label is not None and label not in labels:
        raise LabelhedgeError(f"the corpus has no label {label!r}; it has: {', '.join(labels)}")
    method = method or Results.load(run).best_labels(methods)
    table = pq.read_table(path, filters=[("method", "==", method), ("trusted", "==", False)])
    pseudo = np.asarray(table["pseudo"].combine_chunks().flatten()).reshape(len(table), len(labels))
    each = np.arange(len(table))
    if label is None:
        suspect, suspicion = table["suspect"].to_numpy(), table["suspicion"].to_numpy()
        wrong = np.array(table["fault"].to_pylist()) == "wrong"
    else:
        suspect = np.full(len(table), labels.index(label))
        wrong = np.array([suspect[0] in observed for observed in table["observed"].to_pylist()], bool)
        suspicion = np.abs(pseudo[each, suspect] - wrong)
    ids = table["id"].to_pylist()
    return [
        Suspect(
            method=method or "",
            id=ids[row],
            label=labels[suspect[row]],
            fault="wrong" if wrong[row] else "missing",
            suspicion=float(suspicion[row]),
            pseudo=float(pseudo[row, suspect[row]]),
        )
        for row in np.argsort(-suspicion, kind="stable")[:count]
    ]


def write_suspects(suspects: Sequence[Suspect], path: Path) -> None:
    """Write them as CSV, the most doubtful first, as `labelhedge review --order` takes it."""
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "fault", "pseudo", "suspicion", "method"])
        for one in suspects:
            writer.writerow([one.id, one.label, one.fault, f"{one.pseudo:.6g}", f"{one.suspicion:.6g}", one.method])
