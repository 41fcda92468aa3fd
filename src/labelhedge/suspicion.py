"""Which labels look wrong: `labels.parquet` of a run, pseudo labels and suspicion per training sample."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.corpus import Corpus

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


def write_labels(path: Path, corpus: Corpus, pseudo: Mapping[str, Sequence[npt.NDArray[np.float16]]]) -> None:
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
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
                writer.write_table(pa.table(columns, schema=SCHEMA))
    partial.replace(path)
