"""What forty minutes of checking labels bring on clipart with no clean set at all, by the order of the questions.

    python benchmarks/checks.py                      # resumable; about 70 minutes on 2 cores
    python benchmarks/checks.py --collect --publish  # only gather what is finished, also into docs/results

No label of train is checked at the beginning; dev and test are. One question is whether an image has a label; four
seconds each, so 600 in forty minutes, in five sessions of 120. They are asked by `make_tasks` in the order `random`,
`suspicious` or `useful`, answered by the true labels, stored as votes and settled as `labelhedge verify votes` does;
after each session noisy and hedge, with one round of teachers to save time, are trained on what is known, and the next
session's order goes by hedge's pseudo labels. The first session is random in all orders, as there are none yet. Of each
seed the split, the questions and the training are its own; orders are compared on the same.

Result (splits 100 to 104, 2 cores, one thread a process, PyTorch 2.13.0, 2026-11-25), test mAP of hedge in %, mean ±
std, after 120, 240, 360, 480 and 600 questions: random 39.6, 40.6, 41.5, 43.5, 44.9 ± 1.8; suspicious 39.6, 40.5,
41.2, 41.7, 41.3 ± 2.3; useful 39.6, 41.8, 43.2, 44.8, 45.7 ± 3.3. noisy before the first check 39.2 ± 2.3, all labels
known 54.7 ± 3.6. useful reaches random's end with 483 questions (80%). All in docs/loop.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import labelhedge as lh
from clipart import resplit
from labelhedge.review import OrderSettings, Task, make_tasks
from labelhedge.verify import Vote, VoteStore
from labelhedge.verify.apply import settle
from suite import DOCS

SECONDS = 4.0  # for a question
STEPS = (120, 240, 360, 480, 600)
ORDERS = ("random", "suspicious", "useful")
METHODS = {"noisy": None, "hedge": {"rounds": 1}}
SEEDS = range(100, 105)


def unchecked(seed: int, folder: Path) -> lh.Corpus:
    """Clipart in another split, nobody has checked train."""
    if not (folder / "corpus.json").exists():
        resplit(lh.Corpus.open("clipart"), seed, folder, share=0.0)
    return lh.Corpus.open(folder)


def answer(corpus: lh.Corpus, tasks: Iterable[Task], seed: int, path: Path) -> None:
    """Store what a reviewer who never errs says."""
    truth = corpus.samples.verified
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    votes = []
    for row, label in tasks:
        sample, name = corpus.samples.ids[row], corpus.labels[label].id
        said = "yes" if label in truth[[row]].indices else "no"
        votes.append(Vote(f"{seed}-{sample}-{name}", sample, name, "simulated", said, SECONDS))
    with VoteStore(partial) as store:
        store.add(votes)
    partial.replace(path)


def train(corpus: lh.Corpus, methods: Any, seed: int, folder: Path) -> dict[str, Any]:
    """Train and measure; what one step was worth, as JSON."""
    recipe = lh.Recipe(
        corpus=str(corpus.folder), methods=methods, seeds=[seed], network={"kind": "frozen"}, out=str(folder)
    )
    results = lh.run(recipe)
    samples = corpus.samples
    trusted = samples.trusted
    return {
        "images": int(trusted.sum()),
        "wrong": int((samples.observed[trusted] != samples.verified[trusted]).nnz),
        "results": {r.method: {"test": r.test_map, "dev": r.dev_map, "remarks": r.remarks} for r in results.results},
    }


def session(seed: int, order: str, step: int, out: Path) -> str:
    """Ask, answer, settle and train: one step of one order."""
    base = unchecked(seed, out / f"{seed}" / "corpus")
    place, before = STEPS.index(step), STEPS[: STEPS.index(step)]
    shared = out / f"{seed}" / "random"
    folder = shared if not place else out / f"{seed}" / order
    done = folder / f"{step}.json"
    if done.exists():
        return f"{seed} {order} {step}: done before"
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    asked = [(shared if earlier == STEPS[0] else folder) / f"votes-{earlier}.sqlite" for earlier in before]
    known: set[tuple[str, str]] = set()
    for path in asked:
        with VoteStore(path, create=False) as store:
            known |= {(vote.sample, vote.label) for vote in store.votes()}
    previous = (shared if place <= 1 else folder) / f"{STEPS[place - 1]}"
    corpus = lh.Corpus.open(previous / "corpus") if place else base
    settings = OrderSettings(seed=seed, run=previous / "run" if place else None)
    tasks = make_tasks(corpus, order if place else "random", settings)
    ids, names = corpus.samples.ids, [label.id for label in corpus.labels]
    new = [task for task in tasks if (ids[task.row], names[task.label]) not in known]
    votes = folder / f"votes-{step}.sqlite"
    answer(base, new[: step - (before[-1] if before else 0)], seed, votes)
    here = folder / f"{step}"
    shutil.rmtree(here / "corpus", ignore_errors=True)
    settle(base, [*asked, votes], out=here / "corpus")
    found = train(lh.Corpus.open(here / "corpus"), METHODS, seed, here / "run")
    found |= {"order": order, "checks": step, "seconds": time.monotonic() - started}
    done.write_text(json.dumps(found, indent=1))
    maps = ", ".join(f"{name} {100 * result['test']:.1f}" for name, result in found["results"].items())
    return f"{seed} {order} {step}: {found['images']} images, {maps}, {found['seconds']:.0f} s"


def begin(seed: int, out: Path) -> str:
    """Before the first check, and with all labels known."""
    done = out / f"{seed}" / "0.json"
    if not done.exists():
        base = unchecked(seed, out / f"{seed}" / "corpus")
        found = train(base, ["noisy", "upper-bound"], seed, out / f"{seed}" / "0" / "run")
        done.write_text(json.dumps({**found, "checks": 0}, indent=1))
    return f"{seed} begins"


def one_order(seed: int, order: str, out: Path) -> list[str]:
    """All steps after the first, which the orders share."""
    return [session(seed, order, step, out) for step in STEPS[1:]]


def first(seed: int, out: Path) -> list[str]:
    return [begin(seed, out), session(seed, "random", STEPS[0], out)]


def collect(out: Path, seeds: Iterable[int], orders: Iterable[str]) -> dict[str, Any]:
    """Of the seeds that are finished: mean and deviation of each order's test mAP at each number of checks."""
    finished = [s for s in seeds if all((out / f"{s}" / o / f"{STEPS[-1]}.json").exists() for o in orders)]
    from labelhedge.experiment import environment

    curves: dict[str, Any] = {}
    for order in orders:
        for step in (0, *STEPS):
            for seed in finished:
                where = "" if not step else "random" if step == STEPS[0] else order
                found = json.loads((out / f"{seed}" / where / f"{step}.json").read_text())
                for method, result in found["results"].items():
                    row = curves.setdefault(order, {}).setdefault(method, {}).setdefault(str(step), [])
                    row.append({"seed": seed, "images": found["images"], **result})
    return {"benchmark": "checks", "seeds": finished, "environments": [environment()], "orders": curves}


def table(found: dict[str, Any]) -> str:
    """Test mAP in % of hedge, by order and number of checks."""
    lines = []
    for order, methods in found["orders"].items():
        for step in STEPS:
            rows = methods["hedge"][str(step)]
            maps = [100 * row["test"] for row in rows]
            deviation = f" ± {stdev(maps):.1f}" if len(maps) > 1 else ""
            images = fmean(row["images"] for row in rows)
            lines.append(f"{order:>11} {step:>4} checks, {images:>4.0f} images: {fmean(maps):.1f}{deviation}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", help="such as 100,101; default: 100 to 104")
    parser.add_argument("--orders", default=",".join(ORDERS))
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument("--out", type=Path, default=Path("runs") / "benchmark-checks")
    parser.add_argument("--collect", action="store_true", help="run nothing, gather what is finished")
    parser.add_argument("--publish", action="store_true", help="also write the JSON file to docs/results")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else list(SEEDS)
    orders = options.orders.split(",")
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    if not options.collect:
        os.environ["OMP_NUM_THREADS"] = "1"
        with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            for done in as_completed([pool.submit(first, seed, out) for seed in seeds]):
                print(*done.result(), sep="\n", flush=True)
            rest = [pool.submit(one_order, seed, order, out) for seed in seeds for order in orders]
            for done in as_completed(rest):
                print(*done.result(), sep="\n", flush=True)
    found = collect(out, seeds, orders)
    path = out / "checks.json"
    path.write_text(json.dumps(found, indent=1))
    if options.publish:
        shutil.copy(path, DOCS / path.name)
    print(table(found))


if __name__ == "__main__":
    main()
