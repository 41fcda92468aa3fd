"""Quality on clipart over random splits: each seed has its own split by series, its own clean set, its own training.

    python benchmarks/clipart.py                     # resumable; about 100 minutes on 2 cores

RESULT_PLACEHOLDER
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import labelhedge as lh
from labelhedge.corpus import stratified_split
from suite import Benchmark, Preset, main

METHODS = {
    "clean": None,
    "noisy": None,
    "bootstrap": None,
    "bootstrap-hard": {"method": "bootstrap", "hard": True},
    "smooth": None,
    "finetune": None,
    "noise-layer": None,
    "reweight": None,
    "distill": {"check": False},
    "distill-mirrored": {"method": "distill", "weight": "mirrored", "check": False},
    "distill-risk": {"method": "distill", "weight": "risk", "check": False},
    "distill-dev": {"method": "distill", "weight": "dev", "check": False},
    "guided": {"check": False},
    "guided-dev": {"method": "guided", "beta": "dev", "check": False},
    "ensemble": None,
    "glc": None,
    "meta-weight": None,
    "elr": None,
    "gce": None,
    "cleanlab": None,
    "hedge": None,
    "hedge-no-text": {"method": "hedge", "text": False},
    "upper-bound": None,
}


def resplit(corpus: lh.Corpus, seed: int, folder: Path, share: float = 0.2) -> Path:
    """Write the corpus with another split and another clean set, a share of the training images."""
    if (folder / "corpus.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    table = pa.concat_tables([pq.read_table(path) for path, _ in corpus.images.parts])
    verified = table["verified"].to_pylist()
    split = stratified_split(verified, {"train": 6, "test": 3, "dev": 1}, seed=seed, groups=table["group"].to_pylist())
    train = [row for row, name in enumerate(split) if name == "train"]
    ids = table["id"].to_pylist()
    clean = stratified_split(
        [verified[row] for row in train],
        {"clean": share, "noisy": 1 - share},
        seed=seed,
        groups=[ids[row] for row in train],
    )
    trusted = np.zeros(len(split), bool)
    trusted[[row for row, name in zip(train, clean, strict=True) if name == "clean"]] = True
    for name, values in (("split", pa.array(split)), ("trusted", pa.array(trusted))):
        table = table.set_column(table.column_names.index(name), name, values)
    return lh.write_corpus(folder, corpus.info, table, graph=corpus.graph_path.read_text())


def corpus(variant: str, seed: int, preset: Preset, folder: Path) -> Path:
    return resplit(lh.Corpus.open("clipart"), seed, folder)


BENCHMARK = Benchmark(
    name="clipart",
    about="clipart, random splits: frozen EfficientNet-Lite0 features and one hidden layer",
    variants={"all": METHODS},
    presets={
        "cpu": Preset(seeds=range(100, 110), network={"kind": "frozen"}, training={}, jobs=2),
        "gpu": Preset(seeds=range(100, 120), network={"kind": "frozen"}, training={}),
    },
    corpus=corpus,
)

if __name__ == "__main__":
    main(BENCHMARK, __doc__)
