"""What the benchmarks share: many runs, resumable and in parallel, gathered into one JSON file.

Each benchmark is a file of its own that describes a `Benchmark` and calls `main`. Every (variant, seed) has a corpus
and a run folder of its own under `--out`; what is trained is kept, so the same command goes on where it was stopped.

    python benchmarks/clipart.py --out runs/clipart              # all seeds of the preset, --jobs 2 at once
    python benchmarks/clipart.py --out runs/clipart --collect    # only gather what is finished
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

DOCS = Path(__file__).parent.parent / "docs" / "results"


@dataclass(frozen=True)
class Preset:
    """The size of a benchmark on one kind of machine."""

    seeds: Sequence[int]
    network: Mapping[str, Any]
    training: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 1


@dataclass(frozen=True)
class Benchmark:
    """What is compared on what.

    `variants` maps a name to the methods compared there; `corpus` writes the corpus of a variant, seed and preset into
    a folder that is not there yet. `longer` says of a variant how many times as long its networks are trained.
    """

    name: str
    about: str
    variants: Mapping[str, Mapping[str, Any]]
    presets: Mapping[str, Preset]
    corpus: Callable[[str, int, Preset, Path], Path]
    needs_data: bool = False
    longer: Mapping[str, int] = field(default_factory=dict)


def all_methods(settings: Mapping[str, Any], *, without: Sequence[str] = ()) -> dict[str, Any]:
    """Every method that can be compared, with these settings; further names are variants of methods."""
    from labelhedge.methods import METHODS

    last = "upper-bound"
    names = [name for name, method in METHODS.items() if not method.auxiliary and name not in (*without, last)]
    variants = [(name, [n for n, given in settings.items() if given and given.get("method") == name]) for name in names]
    return {name: settings.get(name) for base, others in variants for name in (base, *others)} | {last: None}


def sample_table(
    source: pa.Table,
    sets: Mapping[str, Sequence[int]],
    observed: Sequence[Sequence[int]],
    verified: Sequence[Sequence[int]],
    trusted: Sequence[bool],
) -> pa.Table:
    """The samples of a corpus from rows of a table with columns `id` and `image` (bytes).

    `sets` holds row numbers; `observed` and `trusted` are of train, `verified` of train, dev and test in turn.
    The observed labels of dev and test are the true ones.
    """
    import pyarrow as pa

    splits = ("train", "dev", "test")
    order = [row for split in splits for row in sets[split]]
    rest = len(order) - len(sets["train"])
    return pa.table(
        {
            "id": source["id"].take(order),
            "split": [split for split in splits for _ in sets[split]],
            "image": pa.array([{"bytes": image, "path": None} for image in source["image"].take(order).to_pylist()]),
            "observed": [*observed, *verified[len(sets["train"]) :]],
            "verified": list(verified),
            "trusted": [*trusted, *[False] * rest],
        }
    )


def data_folder() -> Path:
    """The folder of data from outside the project: `--data`, or LABELHEDGE_DATA."""
    return Path(os.environ["LABELHEDGE_DATA"])


def main(benchmark: Benchmark, doc: str | None) -> None:
    """Run a benchmark from the command line."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=sorted(benchmark.presets), default="cpu")
    parser.add_argument("--seeds", help="such as 100,101; default: those of the preset")
    parser.add_argument("--variants", help=f"of {', '.join(benchmark.variants)}; default: all")
    parser.add_argument("--methods", help="only these, and what they need; a later run of all takes them over")
    parser.add_argument("--jobs", type=int, help="runs at once; default: that of the preset")
    parser.add_argument("--out", type=Path, default=Path("runs") / f"benchmark-{benchmark.name}")
    parser.add_argument("--collect", action="store_true", help="run nothing, gather what is finished")
    parser.add_argument("--publish", action="store_true", help="also write the JSON file to docs/results")
    if benchmark.needs_data:
        parser.add_argument("--data", help="folder of the data; default: LABELHEDGE_DATA")
    options = parser.parse_args()
    if getattr(options, "data", None):
        os.environ["LABELHEDGE_DATA"] = options.data
    if benchmark.needs_data and not options.collect and not os.environ.get("LABELHEDGE_DATA"):
        parser.error("name the folder of the data with --data, or in LABELHEDGE_DATA")
    preset = benchmark.presets[options.preset]
    seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else list(preset.seeds)
    variants = options.variants.split(",") if options.variants else list(benchmark.variants)
    methods = options.methods.split(",") if options.methods else None
    for given, known in ((variants, benchmark.variants), (methods or (), _names(benchmark))):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    out = options.out / options.preset
    if not options.collect:
        _run_all(benchmark, options.preset, variants, seeds, methods, out, options.jobs or preset.jobs)
    path = collect(benchmark, options.preset, out, seeds)
    if options.publish:
        path = shutil.copy(path, DOCS / path.name)
    print(f"results: {path}")


def _names(benchmark: Benchmark) -> list[str]:
    """All methods of all variants."""
    return list(dict.fromkeys(name for compared in benchmark.variants.values() for name in compared))


def run_one(benchmark: Benchmark, preset_name: str, variant: str, seed: int, methods: Any, out: Path) -> str:
    """One run of the benchmark; what is there already is reused."""
    import labelhedge as lh

    preset = benchmark.presets[preset_name]
    folder = out / f"{variant}-{seed}"
    corpus, made_of = folder / "corpus", folder / "data.json"
    if not (corpus / "corpus.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        made_of.write_text(json.dumps(dict(preset.data)))
        benchmark.corpus(variant, seed, preset, corpus)
    if json.loads(made_of.read_text()) != preset.data:
        raise SystemExit(
            f"{corpus} was written for another size of the preset: remove {folder}, or choose another --out"
        )
    compared = benchmark.variants[variant]
    chosen = {name: compared[name] for name in methods or compared if name in compared}
    recipe = lh.Recipe(
        corpus=str(corpus),
        methods=chosen,
        seeds=[seed],
        network=dict(preset.network),
        training=_schedule(preset.training, benchmark.longer.get(variant, 1)),
        out=str(folder / "run"),
    )
    started = time.monotonic()
    results = lh.run(recipe)
    best = ", ".join(f"{result.method} {100 * result.score:.1f}" for result in results.results)
    return f"{variant}, seed {seed}, {time.monotonic() - started:.0f} s: {best}"


def _schedule(training: Mapping[str, Any], times: int) -> dict[str, Any]:
    """The training settings, those that count epochs multiplied: a preset with such a variant must name them."""
    counted = ("epochs", "decay_every", "patience")
    return {name: times * value if name in counted else value for name, value in training.items()}


def collect(benchmark: Benchmark, preset: str, out: Path, seeds: Sequence[int]) -> Path:
    """Gather the finished runs of these seeds into `<name>-<preset>.json`, and print their tables."""
    from rich.console import Console

    from labelhedge.results import Results

    content: dict[str, Any] = {"benchmark": benchmark.name, "about": benchmark.about, "preset": preset}
    content |= {"data": dict(benchmark.presets[preset].data), "environments": []}
    content["variants"] = {}
    for variant in benchmark.variants:
        together: Results | None = None
        for path in (out / f"{variant}-{seed}" / "run" / "results.json" for seed in seeds):
            if not path.exists():
                continue
            found = Results.load(path.parent)
            recipe = {**found.recipe, "corpus": benchmark.name, "out": None, "seeds": []}
            together = together or Results(corpus={"name": f"{benchmark.name}, {variant}", "hash": ""}, recipe=recipe)
            if recipe != together.recipe:
                raise SystemExit(f"{path.parent} was run with another recipe than the runs before it: run it again")
            together.results += found.results
            machine = json.loads((path.parent / "environment.json").read_text())
            if machine not in content["environments"]:
                content["environments"].append(machine)
        if together is None:
            continue
        Console(width=120).print(together.table())
        content["variants"][variant] = {
            "summaries": [row._asdict() for row in together.summaries()],
            "recipe": together.recipe,
            "results": [result.model_dump() for result in together.results],
        }
    path = out / f"{benchmark.name}-{preset}.json"
    path.write_text(json.dumps(content, indent=1))
    return path


def _run_all(
    benchmark: Benchmark,
    preset: str,
    variants: Sequence[str],
    seeds: Sequence[int],
    methods: Any,
    out: Path,
    jobs: int,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    work = [(variant, seed) for seed in seeds for variant in variants]
    if jobs == 1:
        for variant, seed in work:
            print(run_one(benchmark, preset, variant, seed, methods, out), flush=True)
        return
    # One thread a process: two pools of threads on the same cores hinder each other.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    import multiprocessing

    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(run_one, benchmark, preset, *item, methods, out) for item in work]
        for done in as_completed(runs):
            print(done.result(), flush=True)
            sys.stdout.flush()
