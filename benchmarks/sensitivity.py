"""What the settings do, on clipart over random splits: T (the paper's Table 5), λ, β, and the share of clean labels.

    python benchmarks/sensitivity.py                 # resumable

Results (preset cpu, splits 100 to 103, test mAP in %, mean ± std, paired differences to noisy; 2 cores, one thread a
process, PyTorch 2.13.0, 2026-11-27): noisy 43.9 ± 1.8; T 0.5 +2.2, 1 +1.9, 5 +1.0, 10 +0.3; λ 0 -3.4, 0.2 +1.3, 0.4
+2.0, 0.6 +1.4, 0.8 +1.4; β 0.1 +2.7, 0.4 +2.1, 1 +0.0, 4 -3.2. Share of clean labels, hedge, hedge without words and
distill unchecked: 20% +7.4 ± 2.2, +6.7 ± 1.3, +1.9 ± 0.7; 10% +5.3 ± 1.3, +5.0 ± 1.4, +0.6 ± 0.4; 5% +1.3 ± 1.2, +3.2
± 1.3, +0.2 ± 0.7; 1% 0.0, 0.0, -2.1 ± 1.5 (checked -0.4 ± 0.4).
"""

from __future__ import annotations

from pathlib import Path

import labelhedge as lh
from clipart import resplit
from suite import Benchmark, Preset, main

SHARES = {"share-1": 0.0135, "share-5": 0.05, "share-10": 0.1, "share-20": 0.2}
"""Asked of a draw that is stratified by label; it rounds label by label, so 12 of some 1,225 images take 0.0135."""

SETTINGS = {
    "noisy": None,
    **{f"T-{t:g}": {"method": "distill", "temperature": t, "check": False} for t in (0.5, 1, 5, 10)},
    **{f"weight-{w:g}": {"method": "distill", "weight": w, "check": False} for w in (0, 0.2, 0.4, 0.6, 0.8)},
    **{f"beta-{beta:g}": {"method": "guided", "beta": beta, "check": False} for beta in (0.1, 0.4, 1, 4)},
}

CLEAN_SHARE = {
    "clean": None,
    "noisy": None,
    "distill": {"check": False},
    "distill-checked": {"method": "distill"},
    "ensemble": None,
    "hedge": None,
    "hedge-no-text": {"method": "hedge", "text": False},
    "upper-bound": None,
}


def corpus(variant: str, seed: int, preset: Preset, folder: Path) -> Path:
    return resplit(lh.Corpus.open("clipart"), seed, folder, SHARES.get(variant, 0.2))


BENCHMARK = Benchmark(
    name="sensitivity",
    about="clipart, random splits: temperature, λ, β, share of clean labels",
    variants={"settings": SETTINGS, **dict.fromkeys(SHARES, CLEAN_SHARE)},
    presets={
        "cpu": Preset(seeds=range(100, 104), network={"kind": "frozen"}, training={}, jobs=2),
        "gpu": Preset(seeds=range(100, 110), network={"kind": "frozen"}, training={}),
    },
    corpus=corpus,
)

if __name__ == "__main__":
    main(BENCHMARK, __doc__)
