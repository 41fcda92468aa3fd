"""Quality on species with known noise: AlexNet-BN from scratch, the paper's setting in small, clean sets of two kinds.

    python benchmarks/species.py --data FOLDER       # with tiny_species.parquet, …_classes.csv, …_triples.tsv

Images of Tiny ImageNet-200: species as labels, other classes as background. Of the images observed as a label 45% are
right, 25% show one or two fixed nearest siblings, 30% one or two fixed background classes. A fifth of the training
images is checked: *representative* (drawn at random, wrong labels among them) or *right-only* (drawn among those whose
labels are right). Dev and test have true labels and as many background images as class images; as there are only 8,600
background images, this leaves out class images of dev and test: the preset cpu (20 species) has 5,000 training, 1,000
dev and 3,000 test images, gpu (all 59 species) about 15,700, 1,560 and 4,690.

The variants `representative-longer` and `right-only-longer` train every network six times as long. `ensemble`,
`finetune` and `distill` then cost as many steps in all as the `hedge` of `representative`, which trains twelve
networks. Without them the preset cpu takes about 80 minutes on two cores (added up from its parts); each takes another
45 minutes a seed and core.

Machine: 2 cores without a GPU, one thread a process, PyTorch 2.13.0, Python 3.11, 2026-11-25. Result (preset cpu, 12
epochs, seeds 0 to 2, test mAP in %, mean ± std over seeds, differences paired by seed):

                        representative                          right-only
    method              test mAP     hedge against it           test mAP     hedge against it
    clean               20.6 ± 1.5    +9.1 ± 1.0  3 of 3         21.7 ± 1.6    +6.2 ± 1.2  3 of 3
    noisy               19.1 ± 2.8   +10.6 ± 0.5  3 of 3         16.6 ± 3.2   +11.3 ± 1.2  3 of 3
    finetune            24.6 ± 1.7    +5.1 ± 1.2  3 of 3         21.5 ± 1.9    +6.4 ± 1.1  3 of 3
    distill             23.9 ± 2.6    +5.8 ± 0.4  3 of 3         23.0 ± 2.7    +4.9 ± 1.0  3 of 3
    distill-warm        26.0 ± 1.5    +3.7 ± 1.3  3 of 3         25.3 ± 1.9    +2.6 ± 1.2  3 of 3
    ensemble            24.1 ± 1.9    +5.6 ± 0.8  3 of 3         24.5 ± 3.4    +3.4 ± 1.2  3 of 3
    hedge               29.7 ± 2.5                               27.9 ± 2.9
    upper-bound         28.6 ± 3.0    +1.1 ± 0.5  3 of 3         28.6 ± 3.0    -0.7 ± 1.2  1 of 3

Trained six times as long (representative, three seeds, 2026-11-28): noisy 24.9 ± 2.1, ensemble 27.5 ± 2.2, distill
30.2 ± 3.6, hedge 33.1 ± 2.3, upper-bound 38.6 ± 2.0; hedge against distill +2.9 ± 1.6, 3 of 3. At equal total budget
(hedge 12 epochs a network, the others 72): against ensemble +2.2 ± 0.5, 3 of 3, against distill -0.5 ± 1.3, 1 of 3.
Right-only, six times as long: noisy 20.1 ± 2.2, ensemble 28.1 ± 3.4, distill 28.9 ± 3.3, hedge 30.3 ± 3.4, upper-bound
38.6 ± 2.0; hedge against distill +1.4 ± 0.9, 3 of 3, against ensemble +2.2 ± 2.0, 2 of 3. At equal total budget:
against ensemble -0.2 ± 0.7, 1 of 3, against distill -1.1 ± 0.7, 0 of 3.

All methods: docs/results.md; all numbers, by seed and label: docs/results/species-cpu.json. guided-dev by the rule of
one standard error: docs/results/again/guided-dev-species.json; hedge with the student that starts anew:
docs/results/again/hedge-anew-species.json.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import labelhedge as lh
from labelhedge.corpus import stratified_split
from labelhedge.noise import compose, kinship
from suite import Benchmark, Preset, all_methods, data_folder, main, sample_table

SHARES = {"right": 0.45, "siblings": 0.25, "background": 0.30}
CLEAN = 0.2
NAMESPACE = "urn:wordnet:"

METHODS = all_methods(
    {
        "distill": {"check": False},
        "distill-warm": {"method": "distill", "check": False, "warm_start": True},
        "guided": {"beta": 0.4, "relations": [f"{NAMESPACE}order", f"{NAMESPACE}family"], "check": False},
        "guided-dev": {"method": "guided", "beta": "dev", "check": False},
    }
)


LONGER = {name: METHODS[name] for name in ("clean", "noisy", "finetune", "distill", "ensemble", "hedge", "upper-bound")}


def corpus(variant: str, seed: int, preset: Preset, folder: Path) -> Path:
    """Write the corpus of a seed: split, observed labels, clean set."""
    labels, triples = read_graph(preset.data["every"])
    table = pq.read_table(data_folder() / "tiny_species.parquet")
    number = {label.id: index for index, label in enumerate(labels)}
    wnid = np.array(table["wnid"].to_pylist())
    background = np.array(table["role"].to_pylist()) == "background"
    rows = np.flatnonzero(background | np.isin(wnid, list(number)))
    rng = np.random.default_rng(seed)
    sets = {name: rows[part] for name, part in split_rows(wnid[rows], background[rows], preset, seed).items()}
    train = sets["train"]
    truth = np.zeros((len(train), len(labels)), bool)
    for place, row in enumerate(train):
        if not background[row]:
            truth[place, number[wnid[row]]] = True
    observed = compose(
        truth,
        SHARES,
        seed=seed,
        near=kinship(triples, labels),
        groups=wnid[train].tolist(),
        per_label=preset.data["per_label"],
    ).toarray()
    used = np.flatnonzero(observed.any(1))
    train, truth, observed = train[used], truth[used], observed[used]
    able = np.flatnonzero((observed == truth).all(1)) if variant.startswith("right-only") else np.arange(len(train))
    trusted = np.zeros(len(train), bool)
    trusted[rng.choice(able, round(CLEAN * len(train)), replace=False)] = True

    sets = {"train": train, "dev": sets["dev"], "test": sets["test"]}
    verified = [[] if background[row] else [number[wnid[row]]] for rows in sets.values() for row in rows]
    carried = [np.flatnonzero(row).tolist() for row in observed]
    samples = sample_table(table, sets, carried, verified, trusted.tolist())
    samples = samples.append_column("wnid", pa.array(np.concatenate([wnid[rows] for rows in sets.values()])))
    info = lh.CorpusInfo(name=f"species-{variant}", licence="research only", labels=labels)
    statements = "".join(f"<{v}> <{r}> <{u}> .\n" for u, v, r in triples)
    return lh.write_corpus(folder, info, samples, graph=statements)


def read_graph(every: int) -> tuple[tuple[lh.Label, ...], list[tuple[str, str, str]]]:
    """Every n-th species by WordNet number as labels, and the relations of all."""
    with (data_folder() / "tiny_species_classes.csv").open() as file:
        species = sorted(row["wnid"] for row in csv.DictReader(file) if row["domain"] == "species")
    with (data_folder() / "tiny_species_classes.csv").open() as file:
        names = {row["wnid"]: row["names"].split("|")[0] for row in csv.DictReader(file)}
    chosen = species[::every]
    labels = tuple(lh.Label(id=wnid, name=names[wnid], uri=NAMESPACE + wnid) for wnid in chosen)
    with (data_folder() / "tiny_species_triples.tsv").open() as file:
        triples = [
            (NAMESPACE + row["u"], NAMESPACE + row["v"], NAMESPACE + row["r"])
            for row in csv.DictReader(file, delimiter="\t")
            if row["v"] in chosen
        ]
    return labels, triples


def split_rows(wnid: np.ndarray, background: np.ndarray, preset: Preset, seed: int) -> dict[str, np.ndarray]:
    """6:3:1 of the class images; of the background as much to test and dev as they have class images, if it lasts."""
    classes, others = np.flatnonzero(~background), np.flatnonzero(background)
    names = sorted(set(wnid[classes].tolist()))
    numbers = [[names.index(name)] for name in wnid[classes]]
    single = [str(row) for row in classes]
    split = np.array(stratified_split(numbers, {"train": 6, "test": 3, "dev": 1}, seed=seed, groups=single))
    rng = np.random.default_rng(seed)
    others = rng.permutation(others)
    needed = round(1.02 * SHARES["background"] * preset.data["per_label"] * len(names)) + 43
    free = len(others) - needed  # what training leaves to test and dev
    sets: dict[str, np.ndarray] = {}
    start = 0
    for name, share, most in (("test", 0.75, preset.data["test"]), ("dev", 0.25, preset.data["test"] // 3)):
        chosen = rng.permutation(classes[split == name])
        size = min(len(chosen), int(share * free), most)
        sets[name] = np.sort(np.concatenate([chosen[:size], others[start : start + size]]))
        start += size
    sets["train"] = np.sort(np.concatenate([classes[split == "train"], others[start:]]))
    return sets


BENCHMARK = Benchmark(
    name="species",
    about="species of Tiny ImageNet with composed noise: AlexNet-BN from scratch",
    variants={
        "representative": METHODS,
        "right-only": METHODS,
        "representative-longer": LONGER,
        "right-only-longer": LONGER,
    },
    longer={"representative-longer": 6, "right-only-longer": 6},
    presets={
        "cpu": Preset(
            seeds=range(3),
            network={"kind": "alexnet-bn", "image_size": 32, "width": 0.125, "dropout": 0.2},
            training={"epochs": 12, "batch_size": 32, "decay": 0.6, "decay_every": 2},
            data={"every": 3, "per_label": 250, "test": 1500},
            jobs=2,
        ),
        "gpu": Preset(
            seeds=range(3),
            network={"kind": "alexnet-bn", "image_size": 64},
            training={"epochs": 250, "precision": "bf16"},
            data={"every": 1, "per_label": 300, "test": 9999},
        ),
    },
    corpus=corpus,
    needs_data=True,
)

if __name__ == "__main__":
    main(BENCHMARK, __doc__)
