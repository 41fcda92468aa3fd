"""What is asked and in which order: tasks (row of the corpus, label number).

tasks = make_tasks(corpus, "random", OrderSettings(seed=3, limit=500))
ORDERS["mine"] = lambda corpus, settings: ...        # an order of one's own
make_tasks(corpus, "tasks.csv", OrderSettings())     # columns id, label
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelhedge.corpus import Corpus
from labelhedge.corpus.schema import SPLITS
from labelhedge.errors import LabelhedgeError
from labelhedge.results import Results


class Task(NamedTuple):
    """One question: has the sample in this row of the corpus the label of this number?"""

    row: int
    label: int


@dataclass(frozen=True)
class OrderSettings:
    """What an order of tasks may depend on.

    Attributes
    ----------
    splits : tuple of str
        Of train, dev and test. Training samples are asked about where they are not trusted, those of dev and test
        where nobody has checked them yet.
    labels : tuple of str
        Names or ids; empty: all.
    seed : int
    limit : int or None
        How many tasks at most.
    run : Path or None
        A run's folder, for the orders that go by its pseudo labels.
    method : str or None
        Whose pseudo labels; by default the best on dev.
    """

    splits: tuple[str, ...] = ("train",)
    labels: tuple[str, ...] = ()
    seed: int = 0
    limit: int | None = None
    run: Path | None = None
    method: str | None = None

    def __post_init__(self) -> None:
        for split in self.splits:
            if split not in SPLITS:
                raise LabelhedgeError(f"split is {split!r}: name some of {', '.join(SPLITS)}")


def random_order(corpus: Corpus, settings: OrderSettings) -> Iterator[Task]:
    """Samples at random, each with all its observed labels: any first part is a random part, for unbiased rates.

    Of the page's grid that holds label by label, as it asks about one label first.

    A sample's place follows from the seed and its id alone, so that the order stays when samples are added or
    taken away. A sample without an observed label is not asked about, as there is no label to ask for.
    """
    rows = open_rows(corpus, settings.splits)
    ids, observed = corpus.samples.ids, corpus.samples.observed

    def place(row: int) -> bytes:
        return hashlib.blake2b(f"{settings.seed}\0{ids[row]}".encode(), digest_size=12).digest()

    for row in sorted(rows, key=place):
        for label in sorted(observed.indices[observed.indptr[row] : observed.indptr[row + 1]].tolist()):
            yield Task(row, label)


ORDERS: dict[str, Callable[[Corpus, OrderSettings], Iterable[Task]]] = {"random": random_order}
"""Orders by name. One may ignore `labels` and `limit` of the settings: `make_tasks` sees to them."""


def open_rows(corpus: Corpus, splits: Iterable[str]) -> list[int]:
    """Rows of the splits that are worth asking about: untrusted ones of train, unchecked ones of dev and test."""
    samples = corpus.samples
    train = samples.split == "train"
    is_open = np.where(train, ~samples.trusted, ~samples.checked) & np.isin(samples.split, list(splits))
    rows: list[int] = np.flatnonzero(is_open).tolist()
    return rows


def make_tasks(corpus: Corpus, order: str, settings: OrderSettings) -> list[Task]:
    """The tasks of an order, each once, limited to the labels and the count of the settings.

    Parameters
    ----------
    corpus : Corpus
    order : str
        A name of `ORDERS`, or a CSV file with the columns ``id`` (of a sample, whatever its split) and ``label``
        (name or id).
    settings : OrderSettings

    Raises
    ------
    LabelhedgeError
        When there is no such order, the run is of another corpus, the file is malformed, or nothing is left to ask.

    Examples
    --------
    >>> from labelhedge.corpus import Corpus
    >>> make_tasks(Corpus.open("clipart"), "random", OrderSettings(labels=("bird",), limit=2, seed=1))
    [Task(row=869, label=1), Task(row=806, label=1)]
    """
    if settings.run is not None:  # also where the order does without it
        methods = Results.load(settings.run, corpus).methods
        if settings.method is not None and settings.method not in methods:
            raise LabelhedgeError(
                f"{settings.run} has no method {settings.method!r}: name one of {', '.join(methods)} with --method"
            )
    elif settings.method is not None:
        raise LabelhedgeError(f"--method {settings.method} is whose pseudo labels of a run: name the run with --run")
    numbers = label_numbers(corpus)
    wanted = {find_label(numbers, label, "--labels") for label in settings.labels} or set(range(len(corpus.labels)))
    if order in ORDERS:
        tasks = ORDERS[order](corpus, settings)
    elif Path(order).is_file():
        tasks = list(_read_order(corpus, Path(order), numbers))
    else:
        raise LabelhedgeError(
            f"there is no order and no file {order!r}: name one of {', '.join(ORDERS)}, or a CSV file with the columns "
            "id and label"
        )
    chosen = list(islice(dict.fromkeys(task for task in tasks if task.label in wanted), settings.limit))
    if not chosen:
        raise LabelhedgeError(
            f"nothing to ask: in {order!r} no open sample of {', '.join(settings.splits)} has one of these labels. "
            "To mend it: name other labels, another split, or give a CSV file of what to ask"
        )
    return chosen


def label_numbers(corpus: Corpus) -> dict[str, int]:
    """Number of each label by its id and by its name; ids win over names."""
    by_name = {label.name: number for number, label in enumerate(corpus.labels)}
    return by_name | {label.id: number for number, label in enumerate(corpus.labels)}


def find_label(numbers: dict[str, int], label: str, place: str) -> int:
    """The number of a label; an error that names the place where the corpus has no such label."""
    if label not in numbers:
        known = ", ".join(list(numbers)[:8]) + (", …" if len(numbers) > 8 else "")
        raise LabelhedgeError(f"{place}: the corpus has no label {label!r}. To mend it: name one of {known}")
    return numbers[label]


def read_csv(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a CSV file that must have these columns, each with its place for error messages."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                found = ", ".join(reader.fieldnames or []) or "none"
                raise LabelhedgeError(
                    f"{path}: the column {missing[0]!r} is missing, found {found}. "
                    f"To mend it: give it a first line with {','.join(columns)}"
                )
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if any(row[name] is None for name in columns):
                    raise LabelhedgeError(f"{place}: the line is too short. To mend it: fill in {', '.join(columns)}")
                yield place, {name: row[name].strip() for name in columns}
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelhedgeError(f"{path}: not a CSV file in UTF-8 ({error}). To mend it: save it as one") from error


def _read_order(corpus: Corpus, path: Path, numbers: dict[str, int]) -> Iterator[Task]:
    rows = {sample: row for row, sample in enumerate(corpus.samples.ids)}
    for place, line in read_csv(path, ("id", "label")):
        if line["id"] not in rows:
            raise LabelhedgeError(f"{place}: the corpus has no sample {line['id']!r}. To mend it: correct the id")
        yield Task(rows[line["id"]], find_label(numbers, line["label"], place))
