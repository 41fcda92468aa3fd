"""How long it takes from a graph of millions of triples to the relation matrix, and how much memory.

    python benchmarks/graph.py                                  # 100,000 labels, 5,000,000 triples, three times
    python benchmarks/graph.py --labels 1000 --triples 50000 --load

The graph is made here, always the same: labels related by 49 relations to over 300,000 entities. `family` parts them
into groups of 25, `order` into groups of 125, `kind` puts everything into one group, and the others have entities at
random. Each repetition is a process of its own: it reads `graph.nt`, measures all relations, chooses some and makes G
of those; its peak memory is what the system says of the whole process. `--load` measures loading the same file into a
store on disk, too.

Medians of three repetitions, no training and so no seeds, on two cores of an AMD EPYC that other work kept busy (a load
of 5 to 6): 49 s in all (42 to 60), of which 30 s read, 15 s measure and choose, 0.5 s make G; 24 s of processor time;
peak memory 1.45 GB. G has 2,500,000 entries; `family` is chosen, `kind` is found useless without multiplying it out.
Loading into a store on disk: 29,000 triples/s on the same machine (20,000 labels, 400,000 triples, once).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

RELATIONS = 46
ENTITIES = 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Time from triples to the relation matrix.")
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--triples", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--load", action="store_true", help="also load the file into a store on disk")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.labels)))
        return
    print(f"{options.labels:,} labels, {options.triples:,} triples; {os.cpu_count()} cores, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.nt"
        write(path, options.labels, options.triples)
        print(f"graph.nt: {path.stat().st_size / 1e6:,.0f} MB")
        command = [sys.executable, __file__, "--measure", str(path), "--labels", str(options.labels)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(options.repeats)]
        for name in runs[0]:
            values = [run[name] for run in runs]
            print(f"{name}: median {statistics.median(values):,.2f}, from {min(values):,.2f} to {max(values):,.2f}")
        if options.load:
            print(f"load into a store on disk: {load(path, Path(folder) / 'store'):,.0f} triples/s")


def measure(path: Path, count: int) -> dict[str, float]:
    """Seconds of each step and peak memory of this process."""
    from labelhedge.graph import LabelGraph, choose_relations, measure_relations, relation_matrix

    marks = [time.perf_counter()]
    graph = LabelGraph.from_file(path, [label(number) for number in range(count)])
    marks.append(time.perf_counter())
    figures = measure_relations(graph)
    chosen = choose_relations(graph, figures)
    marks.append(time.perf_counter())
    matrix = relation_matrix(graph.sibling_matrix(chosen))
    marks.append(time.perf_counter())
    read, choose, build = np.diff(marks).tolist()
    return {
        "seconds to read": read,
        "seconds to measure and choose": choose,
        "seconds to make G": build,
        "seconds in all": marks[-1] - marks[0],
        "seconds of processor, with starting": time.process_time(),
        "peak memory in GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "triples": len(graph.label),
        "entries of G": matrix.nnz,
        "relations chosen": len(chosen),
        "relations useless": sum(bool(row.useless) for row in figures),
    }


def load(path: Path, folder: Path) -> float:
    """Triples a second into a store."""
    from labelhedge.graph.triple_store import TripleStore

    start = time.perf_counter()
    with TripleStore(folder) as store:
        counts = store.load(path)
    return counts.triples / (time.perf_counter() - start)


def label(number: int) -> str:
    return f"http://example.org/resource/Label_{number}"


def write(path: Path, labels: int, triples: int) -> None:
    with path.open("w", encoding="ascii") as file:
        file.writelines(lines(labels, triples))


def lines(labels: int, triples: int) -> Iterator[str]:
    draw = np.random.default_rng(0)
    order = draw.permutation(labels)
    for name, size in (("family", 25), ("order", 125), ("kind", labels)):
        for number in range(labels):
            yield line(number, name, f"{name}_{order[number] // size}")
    rest = max(0, triples - 3 * labels)
    who = draw.integers(labels, size=rest)
    which = draw.integers(RELATIONS, size=rest)
    what = draw.integers(ENTITIES, size=rest)
    for number, relation, entity in zip(who.tolist(), which.tolist(), what.tolist(), strict=True):
        yield line(number, f"relation_{relation}", f"Entity_{entity}")


def line(number: int, relation: str, entity: str) -> str:
    return f"<{label(number)}> <http://example.org/ontology/{relation}> <http://example.org/resource/{entity}> .\n"


if __name__ == "__main__":
    main()
