"""From items to a corpus: look at every image, settle doubles and splits, write.

    source = Source(items=lambda: iter(...), columns={"file": pa.string()})
    done = build(source, "my-corpus", Options(licence="CC BY 4.0", split="6:3:1"))

The items are gone through twice, first to look at the images and then to copy them, so that memory does not grow with
their size; a source must give the same items in the same order each time.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from labelhedge.collect.importing.settling import Entry, as_checked, parse_shares, settle, share_out
from labelhedge.corpus import Corpus, CorpusInfo, Label, write_corpus
from labelhedge.corpus.images import decode, digest
from labelhedge.corpus.near_duplicates import Look, group_looks, look
from labelhedge.errors import LabelhedgeError, some

LEFT_OUT = "left-out.csv"
"""In the corpus folder: what of the source is no sample of the corpus, and why."""
PART_BYTES = 128 * 2**20
PART_ROWS = 4096
_AT_ONCE = 32  # images in memory while they are looked at


class Item(NamedTuple):
    """One image of a source.

    `read` gives the encoded image; a `problem` says why there is none, or why it can be no sample.
    """

    place: str
    id: str
    read: Callable[[], bytes]
    entry: Entry
    problem: str | None = None
    extra: Mapping[str, Any] = {}  # never changed


@dataclass(frozen=True)
class Source:
    """Where items come from.

    Attributes
    ----------
    items : function that gives the items, from the start
    labels : the label list, or None where it is made of the names that are found
    columns : further columns that the items fill, and their types
    text : those of them that hold words
    total : number of items, to show progress
    only_found : the label list without the labels that no sample has
    extras : further files for the corpus folder
    """

    items: Callable[[], Iterator[Item]]
    labels: Sequence[Label] | None = None
    columns: Mapping[str, pa.DataType] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    total: int | None = None
    only_found: bool = False
    extras: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """What all importers can be told.

    Parameters
    ----------
    name, licence, description : of the corpus; the name is the folder's by default
    exclusive : bool
        Labels exclude each other.
    multi : bool
        Images with the same bytes become one sample with the labels of all.
    checked : bool
        The labels of dev and test were checked.
    split : str, optional
        Shares train:test:dev, of which splits that are missing are made.
    seed : of these splits
    near_duplicates : bool
        Keep near-duplicate images on one side of them.
    overwrite, progress : bool
    """

    name: str | None = None
    licence: str = "unknown"
    description: str = ""
    exclusive: bool = False
    multi: bool = False
    checked: bool = False
    split: str | None = None
    seed: int = 0
    near_duplicates: bool = True
    overwrite: bool = False
    progress: bool = False


class Imported(NamedTuple):
    """The corpus, and what is to be said about how it came about."""

    corpus: Corpus
    remarks: list[str]


@dataclass
class _Scan:
    entries: dict[int, Entry] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    looks: dict[int, Look] = field(default_factory=dict)  # where near-duplicates are to be kept together
    places: list[str] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)


def build(source: Source, target: str | os.PathLike[str], options: Options) -> Imported:
    """Write the corpus of a source, and open it.

    Raises
    ------
    LabelhedgeError
        When the target is taken, no image is usable, or labels contradict `exclusive`.
    """
    folder = Path(target)
    check_target(folder, options)
    scan = _look_at_all(source, options)
    remarks: list[str] = []
    kept = _settle(scan, options, remarks)
    labels = _labels(source, kept, remarks)
    if not kept or not labels:
        found = _tally(scan.left_out.values()) or "there is no image"
        raise LabelhedgeError(f"no usable image with a label among {len(scan.places):,}: {found}")
    info = CorpusInfo(
        name=options.name or folder.resolve().name,
        licence=options.licence,
        description=options.description,
        exclusive=options.exclusive,
        text=source.text,
        labels=tuple(labels),
    )
    extras: dict[str, bytes | Path] = {
        **source.extras,
        LEFT_OUT: _left_out(scan),
    }  # in place with the corpus, or not at all
    tables = _tables(source, scan, kept, labels, options)
    write_corpus(folder, info, tables, extras=extras, overwrite=options.overwrite)
    if scan.left_out:
        what = _tally(scan.left_out.values())
        remarks.append(f"{len(scan.left_out):,} of {len(scan.places):,} left out, see {LEFT_OUT}: {what}")
    corpus = Corpus.open(folder, progress=options.progress)
    return Imported(corpus, remarks + _of_labels(kept, options) + _lacks(corpus))


def check_target(folder: Path, options: Options) -> None:
    """Refuse a folder that holds a corpus already, before long work; and options that contradict each other."""
    if not options.overwrite and (folder / "corpus.json").exists():
        raise LabelhedgeError(f"{folder} holds a corpus already: choose another folder, or pass --overwrite")
    if options.exclusive and options.multi:
        raise LabelhedgeError("--multi gives an image several labels, --exclusive allows one: leave one of them out")


def _look_at_all(source: Source, options: Options) -> _Scan:
    from rich.progress import track

    scan = _Scan()
    identify = partial(_identify, near=options.split is not None and options.near_duplicates)
    items = track(source.items(), "looking at images", total=source.total, disable=not options.progress, transient=True)
    with ThreadPoolExecutor() as pool:
        for chunk in _chunks(items):
            found = pool.map(identify, [item for item in chunk if not item.problem])
            for item in chunk:
                number = len(scan.places)
                scan.places.append(item.place)
                seen = item.problem or next(found)
                if isinstance(seen, str):
                    scan.left_out[number] = seen
                    continue
                scan.entries[number] = as_checked(item.entry) if options.checked else item.entry
                if isinstance(seen, Look):
                    scan.looks[number] = seen
                scan.digests[number] = seen.digest if isinstance(seen, Look) else seen
    return scan


def _identify(item: Item, *, near: bool) -> Look | bytes | str:
    """What tells an image from others, its look or its identity; or why it cannot be used."""
    try:
        data = item.read()
    except OSError as error:
        return f"the file cannot be read ({error.strerror or error})"
    try:
        if near:
            return look(data)
        decode(data, 32)  # small, which is fast, and whole: a truncated image has a sound header
    except LabelhedgeError:
        raise
    except ValueError as error:
        return str(error)
    return digest(data)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _AT_ONCE)):
        yield chunk


def _settle(scan: _Scan, options: Options, remarks: list[str]) -> dict[int, Entry]:
    settled = settle(scan.entries, scan.digests, multi=options.multi)
    for number, (stays, reason) in settled.dropped.items():
        scan.left_out[number] = f"{reason} ({scan.places[stays]})"
    kept = dict(sorted(settled.kept.items()))
    if settled.contrary:
        sample = scan.places[settled.contrary[0]]
        mend = "" if options.exclusive else "; --multi makes one sample of several labels of them"
        remarks.append(f"{len(settled.contrary):,} samples share their image with one of other labels ({sample}){mend}")
    if options.split:
        groups = _groups(scan, kept)
        kept, remark = share_out(kept, groups, parse_shares(options.split), options.seed, checked=options.checked)
        remarks.append(remark)
    return _one_label_each(kept, scan, remarks) if options.exclusive else kept


def _groups(scan: _Scan, kept: Mapping[int, Entry]) -> dict[int, str]:
    """The group of each sample, by the content of images alone: equal ones, and near-duplicates where looked for."""
    names = [scan.digests[number].hex() for number in kept]
    if scan.looks:
        names = group_looks(names, [scan.looks[number] for number in kept])
    return dict(zip(kept, names, strict=True))


def _one_label_each(kept: dict[int, Entry], scan: _Scan, remarks: list[str]) -> dict[int, Entry]:
    several = 0
    for number, entry in kept.items():
        if entry.verified is not None and len(entry.verified) != 1:
            found = ", ".join(entry.verified) or "none"
            raise LabelhedgeError(
                f"{scan.places[number]}: its verified labels are {found}, but --exclusive wants exactly one: "
                "correct them, or leave --exclusive out"
            )
        if len(entry.observed or ()) > 1:
            several += 1
            kept[number] = entry._replace(observed=())
    if several:
        remarks.append(f"{several:,} images have several observed labels, which exclude each other: now unlabelled")
    return kept


def _labels(source: Source, kept: Mapping[int, Entry], remarks: list[str]) -> Sequence[Label]:
    if not source.labels:
        return [Label(id=name, name=name) for name in _names(kept)]
    if not source.only_found:
        return source.labels
    found = set(_names(kept))
    empty = [label.name for label in source.labels if label.id not in found]
    if empty:
        remarks.append(f"{len(empty):,} labels have no usable image, and are none of the corpus: {some(empty)}")
    return [label for label in source.labels if label.id in found]


def _names(kept: Mapping[int, Entry]) -> list[str]:
    found = {label for entry in kept.values() for label in (*(entry.observed or ()), *(entry.verified or ()))}
    return sorted(found, key=lambda name: (0, int(name), "") if name.isdecimal() else (1, 0, name))


def _tables(
    source: Source, scan: _Scan, kept: Mapping[int, Entry], labels: Sequence[Label], options: Options
) -> Iterator[pa.Table]:
    from rich.progress import track

    numbers = {label.id: number for number, label in enumerate(labels)}
    ids: set[str] = set()
    rows: list[dict[str, Any]] = []
    size = count = 0
    bar = track(source.items(), "writing", total=len(scan.places), disable=not options.progress, transient=True)
    for place, item in enumerate(bar):
        count += 1
        if place not in kept:
            continue
        data = item.read()
        if digest(data) != scan.digests[place]:
            raise LabelhedgeError(f"{item.place} changed while it was imported: import again")
        rows.append({**_row(kept[place], numbers), "id": _unique(item.id, ids), "image": {"bytes": data, "path": None}})
        rows[-1].update({name: item.extra.get(name) for name in source.columns})
        size += len(data)
        if size >= PART_BYTES or len(rows) >= PART_ROWS:
            yield _table(rows, source.columns)
            rows, size = [], 0
    if count != len(scan.places):
        raise LabelhedgeError(f"there were {len(scan.places):,} images, and now there are {count:,}: import again")
    if rows:
        yield _table(rows, source.columns)


def _row(entry: Entry, numbers: Mapping[str, int]) -> dict[str, Any]:
    verified = None if entry.verified is None else sorted(numbers[label] for label in entry.verified)
    observed = verified if entry.observed is None else sorted(numbers[label] for label in entry.observed)
    return {"split": entry.split, "observed": observed, "verified": verified, "trusted": entry.trusted}


def _unique(id_: str, ids: set[str]) -> str:
    name, again = id_, 1
    while name in ids:
        again += 1
        name = f"{id_}~{again}"
    ids.add(name)
    return name


def _table(rows: list[dict[str, Any]], columns: Mapping[str, pa.DataType]) -> pa.Table:
    labels = pa.list_(pa.int32())
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("split", pa.string()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("observed", labels),
            ("verified", labels),
            ("trusted", pa.bool_()),
            *columns.items(),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _left_out(scan: _Scan) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["place", "reason"])
    writer.writerows((scan.places[number], reason) for number, reason in sorted(scan.left_out.items()))
    return text.getvalue().encode()


def _tally(reasons: Iterable[str]) -> str:
    """Counts by reason, without its details in brackets."""
    counts = Counter(reason.split(" (")[0] for reason in reasons)
    return "; ".join(f"{count:,} × {reason}" for reason, count in counts.most_common())


def _of_labels(kept: Mapping[int, Entry], options: Options) -> list[str]:
    """What the labels look like that may not be meant so."""
    remarks = []
    trusted = [entry for entry in kept.values() if entry.trusted]
    copied = sum(entry.observed is None for entry in trusted)
    if copied:
        remarks.append(
            f"{copied:,} of {len(trusted):,} trusted images have no noisy label of their own (nobody gave one, or the "
            "noisy copy has other bytes): their observed labels are the verified ones, and show no noise. hedge finds "
            "out and estimates it; precision and recall of the observed labels, and weight: risk, do not"
        )
    lengths = {len(entry.labels) for entry in kept.values()}
    if lengths == {1} and not options.exclusive and not options.multi:
        remarks.append(
            "every image has exactly one label: if that is so by nature, pass --exclusive (softmax, accuracy)"
        )
    return remarks


def _lacks(corpus: Corpus) -> list[str]:
    samples, lacks = corpus.samples, []
    for split in ("dev", "test"):
        rows = corpus.rows(split)
        if not len(rows):
            lacks.append(f"the split {split} is empty, and a run needs it")
        elif not samples.checked[rows].any():
            lacks.append(f"no label of {split} is verified, and a run needs some that are")
    if not len(corpus.rows("train")):
        lacks.append("the split train is empty, and a run needs it")
    elif not samples.trusted.any():
        lacks.append("no training sample is trusted, and the methods that hedge need some")
    elif samples.trusted[corpus.rows("train")].all():
        lacks.append("every training sample is trusted: there are no noisy labels to learn from")
    return lacks
