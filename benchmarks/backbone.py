"""Speed of the frozen backbone: ONNX Runtime against eager PyTorch, in turn, on the same images.

    python benchmarks/backbone.py

Result: ONNX Runtime 160 images/s, PyTorch 37, median ratio 4.3; under load 53 and 7, ratio 6.2.
Machine: 2 cores without a GPU, two threads, PyTorch 2.13.0, ONNX Runtime 1.32.0, 2026-11-23; no seeds are involved.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from labelhedge.models.backbones import OnnxBackbone, TorchBackbone

BATCH, ROUNDS, SIZE = 16, 7, 224


def rate(backbone, images: np.ndarray) -> float:
    """Images per second over four batches."""
    start = time.perf_counter()
    for _ in range(4):
        backbone(images)
    return 4 * len(images) / (time.perf_counter() - start)


def main() -> None:
    images = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    eager = TorchBackbone("efficientnet-lite0", SIZE)
    with tempfile.TemporaryDirectory() as folder:
        onnx = OnnxBackbone("efficientnet-lite0", SIZE, Path(folder))
        eager(images), onnx(images)
        pairs = [(rate(onnx, images), rate(eager, images)) for _ in range(ROUNDS)]
    fast, slow = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    threads = torch.get_num_threads()
    print(f"{threads} threads, {SIZE} px, images/s: ONNX {fast:.0f}, PyTorch {slow:.0f}, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
