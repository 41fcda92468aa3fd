"""Quality on CIFAR-10 with human label noise (CIFAR-10N, Wei et al., ICLR 2022), a small part of it trusted.

    python benchmarks/cifar10n.py --data FOLDER      # with cifar10n.parquet

One label an image (softmax, accuracy). Labels are the votes of `worse` (40% wrong) or `aggregate` (9% wrong); of 1,000
or 5,000 training images the true labels are trusted too, beside the votes. Other training images with their true labels
are dev; test is CIFAR-10's, with the near-copies of training images that CIFAR-10 has. The preset cpu takes 12,000 of
the training images and trains a head on frozen ImageNet features of 96 pixels; gpu trains AlexNet-BN from scratch on
45,000. Results are of the epoch chosen on dev, and of the last epoch.

Result (preset cpu, seeds 0 to 2; 2 cores, one thread a process, PyTorch 2.13.0, 2026-11-27), test accuracy in %, mean
± std: `worse`, 1,000 trusted: clean 68.8, noisy 71.3 ± 0.9, distill 71.4 ± 0.7, cleanlab 72.4 ± 0.6, glc 72.5 ± 0.8,
hedge 72.9 ± 0.8 (above glc by 0.4 ± 0.2, 3 of 3), upper-bound 75.4; 5,000 trusted: clean 74.3, noisy 73.5 ± 0.2,
distill 74.1, cleanlab 74.2, hedge 74.7 ± 0.1, glc 74.7, ensemble 75.0 ± 0.4, upper-bound 75.4; `aggregate`, 1,000
trusted: noisy 75.1, distill unchecked 72.8, checked 75.0, glc 74.7, hedge 75.2; 5,000 trusted: noisy 75.3, distill
unchecked 75.0, hedge 75.7. All in docs/results.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import labelhedge as lh
from suite import Benchmark, Preset, all_methods, data_folder, main, sample_table

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

METHODS = all_methods(
    {"distill": {"check": False}, "distill-checked": {"method": "distill"}},
    without=["guided"],  # there is no graph
)


def corpus(variant: str, seed: int, preset: Preset, folder: Path) -> Path:
    """Write the corpus of a seed: which images train, which are dev, which are trusted."""
    noise, trusted = variant.split("-")
    table = pq.read_table(data_folder() / "cifar10n.parquet", columns=["id", "split", "image", "clean", noise])
    clean = table["clean"].to_numpy()
    rng = np.random.default_rng(seed)
    source = np.array(table["split"].to_pylist())
    pool = rng.permutation(np.flatnonzero(source == "train"))
    dev, train = pool[: preset.data["dev"]], pool[preset.data["dev"] :][: preset.data["train"]]
    test = rng.permutation(np.flatnonzero(source == "test"))[: preset.data["test"]]
    sets = {"train": train, "dev": dev, "test": test}
    votes = table[noise].to_numpy(zero_copy_only=False)
    observed = [[int(votes[row])] for row in train]
    verified = [[int(clean[row])] for rows in sets.values() for row in rows]
    marks = [place < int(trusted) for place in range(len(train))]  # the pool was shuffled
    samples = sample_table(table, sets, observed, verified, marks)
    labels = tuple(lh.Label(id=name, name=name) for name in NAMES)
    info = lh.CorpusInfo(name=f"cifar10n-{variant}", licence="CC BY-NC 4.0", exclusive=True, labels=labels)
    return lh.write_corpus(folder, info, samples)


BENCHMARK = Benchmark(
    name="cifar10n",
    about="CIFAR-10N, human label noise",
    variants={f"{noise}-{trusted}": METHODS for noise in ("worse", "aggregate") for trusted in (1000, 5000)},
    presets={
        "cpu": Preset(
            seeds=range(3),
            network={"kind": "frozen", "image_size": 96, "hidden": 256},
            training={"epochs": 30, "batch_size": 256, "patience": 8, "keep_last": True},
            data={"train": 12_000, "dev": 2_000, "test": 10_000},
            jobs=2,
        ),
        "gpu": Preset(
            seeds=range(3),
            network={"kind": "alexnet-bn", "image_size": 32},
            training={"epochs": 120, "decay": 0.8, "precision": "bf16", "keep_last": True},
            data={"train": 45_000, "dev": 5_000, "test": 10_000},
        ),
    },
    corpus=corpus,
    needs_data=True,
)

if __name__ == "__main__":
    main(BENCHMARK, __doc__)
