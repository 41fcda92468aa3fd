"""Quality on clipart over random splits: each seed has its own split by series, its own clean set, its own training.

    python benchmarks/clipart.py                     # resumable; about 25 minutes on 2 cores

Machine: 2 cores without a GPU, two runs at once with one thread each, PyTorch 2.13.0, Python 3.11, 2026-11-28.
Result (splits 100 to 109, test mAP in %, mean ± std over splits, differences paired by split):

    method              test mAP     against noisy           hedge against it
    clean               39.0 ± 1.1    -4.8 ± 1.8   0 of 10   +11.9 ± 1.7  10 of 10
    noisy               43.8 ± 1.2                            +7.0 ± 1.7  10 of 10
    distill             45.9 ± 1.2    +2.1 ± 0.6  10 of 10    +4.9 ± 1.9  10 of 10
    guided (β on dev)   46.0 ± 1.1    +2.2 ± 0.7  10 of 10    +4.9 ± 1.9  10 of 10
    ensemble            44.4 ± 1.1    +0.6 ± 1.0   9 of 10    +6.4 ± 1.7  10 of 10
    glc                 44.6 ± 1.8    +0.7 ± 1.6   6 of 10    +6.3 ± 2.6  10 of 10
    hedge               50.9 ± 1.8    +7.0 ± 1.7  10 of 10
    hedge-no-text       50.3 ± 0.9    +6.4 ± 1.2  10 of 10    +0.6 ± 1.2   6 of 10
    upper-bound         55.0 ± 2.6   +11.1 ± 1.8  10 of 10    -4.1 ± 2.4   1 of 10

All methods: docs/results.md; all numbers, by seed and label: docs/results/clipart-cpu.json.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import labelhedge as lh
from labelhedge.corpus import stratified_split
from suite import Benchmark, Preset, all_methods, main

METHODS = all_methods(
    {
        "distill": {"check": False},
        "guided": {"check": False},
        "bootstrap-hard": {"method": "bootstrap", "hard": True},
        "distill-mirrored": {"method": "distill", "weight": "mirrored", "check": False},
        "distill-risk": {"method": "distill", "weight": "risk", "check": False},
        "distill-dev": {"method": "distill", "weight": "dev", "check": False},
        "guided-dev": {"method": "guided", "beta": "dev", "check": False},
        "hedge-no-text": {"method": "hedge", "text": False},
    }
)


def resplit(corpus: lh.Corpus, seed: int, folder: Path, share: float = 0.2) -> Path:
    """Write the corpus with another split and another clean set: a share of the training images, perhaps none."""
    table = pa.concat_tables([pq.read_table(path) for path, _ in corpus.images.parts])
    verified = table["verified"].to_pylist()
    split = stratified_split(verified, {"train": 6, "test": 3, "dev": 1}, seed=seed, groups=table["group"].to_pylist())
    trusted = np.zeros(len(split), bool)
    if share:
        train = [row for row, name in enumerate(split) if name == "train"]
        ids = table["id"].to_pylist()
        clean = stratified_split(
            [verified[row] for row in train],
            {"clean": share, "noisy": 1 - share},
            seed=seed,
            groups=[ids[row] for row in train],
        )
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
