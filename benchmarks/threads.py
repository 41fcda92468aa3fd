"""Training beside other programs: how PyTorch's threads wait for each other.

    python benchmarks/threads.py

A head on the frozen features of clipart (`noisy`, seed 0) is trained with two threads, in a process of its own each
time, alone and beside two processes that keep the cores busy. The ways to wait: libgomp's own (`busy`: its threads spin
300,000 times), GOMP_SPINCOUNT=1000, which labelhedge sets where nobody has said otherwise (`labelhedge`),
OMP_WAIT_POLICY=PASSIVE (`passive`), and one thread, which has nobody to wait for (`one`). Seconds of training, median
of three (least to most), and their ratio to `busy`; all end with the same test mAP.

Machine: 2 cores without a GPU, PyTorch 2.13.0, Python 3.11, 2026-11-28:

                alone                            beside two busy processes
    busy         4.0 s (3.7 to 10.4)              15.8 s (14.4 to 32.4)
    labelhedge   4.1 s (4.0 to 4.1)    1.03        7.9 s (7.7 to 8.8)     0.50
    passive      5.3 s (5.3 to 5.4)    1.34       10.9 s (6.7 to 11.0)    0.69
    one          5.9 s (5.8 to 6.1)    1.50        9.6 s (9.2 to 10.2)    0.61
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

WAYS = {
    "busy": {"GOMP_SPINCOUNT": "300000"},  # libgomp's default where no policy is named and threads fit the cores
    "labelhedge": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one": {"OMP_NUM_THREADS": "1"},
}
TIMES = 3
TRAIN = """
import tempfile
import labelhedge as lh
with tempfile.TemporaryDirectory() as out:
    (result,) = lh.run(lh.Recipe(corpus="clipart", methods=["noisy"], seeds=1, out=out)).results
print(result.seconds, result.test_map)
"""
SPIN = "while True: pass"


def seconds(way: str) -> tuple[float, float]:
    """Of one training, and the test mAP that it ends with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", TRAIN]
    environment = kept | {"OMP_NUM_THREADS": "2"} | WAYS[way]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    taken, score = done.stdout.split()
    return float(taken), float(score)


def main() -> None:
    """Measure all ways in turn, three times, alone and beside two busy processes."""
    scores = set()
    for beside in (0, 2):
        others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(beside)]
        try:
            taken: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(TIMES):
                for way in WAYS:
                    time, score = seconds(way)
                    taken[way].append(time)
                    scores.add(score)
        finally:
            for other in others:
                other.kill()
        reference = median(taken["busy"])
        for way, times in taken.items():
            print(
                f"beside {beside} others, {way:<11} {median(times):6.1f} s ({min(times):.1f} to {max(times):.1f}), "
                f"ratio {median(times) / reference:.2f}",
                flush=True,
            )
    print(f"test mAP: {', '.join(f'{100 * score:.2f}' for score in sorted(scores))}")


if __name__ == "__main__":
    main()
