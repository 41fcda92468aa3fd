"""The lists released with the paper, the YFCC100M Entity Dataset: read, counted, their traps found.

    lists = read_entity_lists("yfcc100m_entity/Sports")
    print(*lists.report().lines(), sep="\\n")
    lists.samples()                    # one a link: split, labels, whether it belongs to D_c

A folder holds `vocab`, `clean` (D_c), `full` (D, of which clean is a part), `dev` and `test`, as `.txt` or `.txt.gz`.
A row is `link label source`: a label counts from 0 into the vocabulary, -1 is background.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from labelhedge.collect.importing.settling import Entry, settle
from labelhedge.errors import LabelhedgeError

LISTS = ("clean", "full", "dev", "test")
_MEANING = {
    "clean": "there is no clean set D_c, which the methods that hedge need",
    "full": "there are no noisy labels, only D_c",
    "dev": "a run cannot choose its models",
    "test": "a run cannot be evaluated",
}
_LINKS = {
    "imagenet": (re.compile(r"(n\d{8})/\1_\d+\.JPEG"), "<wnid>/<wnid>_<number>.JPEG"),
    "yfcc100m": (re.compile(r"https?://\S+"), "a URL"),
}


class Row(NamedTuple):
    """A row of a list; label -1 is background."""

    link: str
    label: int
    source: str


class EntitySample(NamedTuple):
    """What the lists together say of a link; labels are names of the vocabulary."""

    link: str
    source: str
    entry: Entry


@dataclass(frozen=True)
class EntityLists:
    """The lists of one of the paper's four domains.

    Attributes
    ----------
    folder : Path
    vocab : tuple of str
        Titles of Wikipedia pages, as the release writes them: ``Wind_turbine``.
    rows : dict of str to list of Row
        The lists that are there, by name.
    """

    folder: Path
    vocab: tuple[str, ...]
    rows: dict[str, list[Row]]

    def samples(self) -> list[EntitySample]:
        """One sample a link, in the order of clean, full, dev, test.

        Several classes of a link make several labels. A link that is in several splits stays where it has a class,
        else in test, else in dev; a background mark beside a class is dropped.
        """
        return self._settled

    @cached_property
    def _settled(self) -> list[EntitySample]:
        rows: list[Row] = []
        entries: list[Entry] = []
        for name, found in self.rows.items():
            for row in dict.fromkeys(found):
                labels = () if row.label < 0 else (self.vocab[row.label],)
                rows.append(row)
                if name == "full":
                    entries.append(Entry("train", labels, None))
                else:
                    entries.append(Entry("train" if name == "clean" else name, None, labels, name == "clean"))
        settled = settle(dict(enumerate(entries)), {n: row.link for n, row in enumerate(rows)}, multi=True)
        return [
            EntitySample(rows[number].link, rows[number].source, entry)
            for number, entry in sorted(settled.kept.items())
        ]

    def report(self) -> ListReport:
        """Counts, and the traps."""
        return _report(self)


@dataclass(frozen=True)
class ListReport:
    """What is in the lists.

    Attributes
    ----------
    name : str
        Of the folder.
    missing : lists that are not there
    labels : int
        Names in the vocabulary.
    rows, background : dict of str to int
        Rows by list, and those of them that are background.
    sources : dict of str to dict of str to int
        Rows by list and source.
    unused : names of the vocabulary without any row
    repeated : dict of str to int
        Rows that stand in a list before, word for word.
    several : dict of str to list of links with several classes in a list
    contradicted : dict of str to list of links that a list has as background and with a class
    background_elsewhere : dict of (str, str) to list of links
        Background in the first list, checked and with a class in the second.
    shared : dict of (str, str) to list of other links that are in two splits
    clean_only : links of clean that full lacks, though clean is a part of it; empty without full
    relabelled : links of clean whose labels in full are others
    samples : dict of (str, str) to int
        What stays, by split (train parted into clean and noisy) and source.
    """

    name: str
    missing: tuple[str, ...]
    labels: int
    rows: dict[str, int]
    background: dict[str, int]
    sources: dict[str, dict[str, int]]
    unused: tuple[str, ...]
    repeated: dict[str, int]
    several: dict[str, list[str]]
    contradicted: dict[str, list[str]]
    background_elsewhere: dict[tuple[str, str], list[str]]
    shared: dict[tuple[str, str], list[str]]
    clean_only: list[str]
    relabelled: list[str]
    samples: dict[tuple[str, str], int]

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.name}: {self.labels} labels"]
        for name, count in self.rows.items():
            parts = ", ".join(f"{number:,} {source}" for source, number in self.sources[name].items())
            lines.append(f"{name}: {count:,} rows ({self.background[name]:,} background; {parts})")
        lines += [f"{name} is missing: {_MEANING[name]}" for name in self.missing]
        if self.unused:
            lines.append(f"{len(self.unused)} labels have no row in these lists: {', '.join(self.unused)}")
        for name, number in self.repeated.items():
            lines.append(f"{name}: {number:,} rows stand there before, word for word: left out")
        for name, links in self.several.items():
            lines.append(f"{name}: {len(links):,} links have several classes: one sample of several labels each")
        for name, links in self.contradicted.items():
            lines.append(f"{name}: {len(links):,} links are background and have a class: the class stays")
        for (name, other), links in self.background_elsewhere.items():
            lines.append(f"{len(links):,} background links of {name} are in {other} with a class: only that stays")
        for (name, other), links in self.shared.items():
            lines.append(f"{len(links):,} links are in {name} and in {other}: they stay in {name}")
        if self.clean_only:
            lines.append(f"{len(self.clean_only):,} links of clean are not in full: trained on all the same")
        if self.relabelled:
            lines.append(f"{len(self.relabelled):,} links of clean have other labels in full: these are the observed")
        total = sum(self.samples.values())
        parts = ", ".join(f"{number:,} {part} {source}" for (part, source), number in self.samples.items())
        return [*lines, f"{total:,} images: {parts}"]


def read_entity_lists(folder: str | os.PathLike[str]) -> EntityLists:
    """Read the lists of one domain.

    Raises
    ------
    LabelhedgeError
        When the vocabulary or all lists are missing, or a row is malformed; it names file and line.
    """
    path = Path(folder)
    if not path.is_dir():
        raise LabelhedgeError(f"there is no folder {path}")
    vocab = _read_lines(path, "vocab")
    if vocab is None:
        inside = sorted(part.parent.name for part in path.glob("*/vocab.txt*"))
        mend = f"name one of the folders in it: {', '.join(inside)}" if inside else "the labels mean nothing without it"
        raise LabelhedgeError(f"{path} holds no vocab.txt or vocab.txt.gz: {mend}")
    file, names = vocab
    first: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        if not name.strip() or first.setdefault(name, line) < line:
            problem = f"stands in line {first[name]} already" if name.strip() else "is empty"
            raise LabelhedgeError(f"{file}, line {line}: the name {name!r} {problem}: fetch the list again")
    rows = {}
    for name in LISTS:
        found = _read_lines(path, name)
        if found is not None:
            rows[name] = [_parse(text, found[0], line, len(names)) for line, text in enumerate(found[1], start=1)]
    if not rows:
        raise LabelhedgeError(f"{path} holds none of {', '.join(f'{name}.txt' for name in LISTS)}, nor any as .gz")
    return EntityLists(path, tuple(names), rows)


def _read_lines(folder: Path, name: str) -> tuple[Path, list[str]] | None:
    there = [file for ending in (".txt", ".txt.gz") if (file := folder / f"{name}{ending}").exists()]
    if len(there) > 1:
        raise LabelhedgeError(f"{folder} holds both {there[0].name} and {there[1].name}: remove one")
    if not there:
        return None
    file = there[0]
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        return file, data.decode("utf-8").splitlines()
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise LabelhedgeError(f"{file} is damaged ({error}): fetch it again") from error


def _parse(text: str, file: Path, line: int, label_count: int) -> Row:
    fields = text.split()
    problem = ""
    if len(fields) != 3:
        problem = f"{len(fields)} fields, where 'link label source' is needed"
    elif fields[2] not in _LINKS:
        problem = f"the source {fields[2]!r}, where {' or '.join(_LINKS)} is needed"
    elif not _LINKS[fields[2]][0].fullmatch(fields[0]):
        problem = f"the link {fields[0]!r}, where the source {fields[2]} needs {_LINKS[fields[2]][1]}"
    elif not re.fullmatch(r"-1|\d+", fields[1]) or int(fields[1]) >= label_count:
        problem = f"the label {fields[1]!r}, where -1 to {label_count - 1} are known"
    if problem:
        raise LabelhedgeError(f"{file}, line {line}: {problem}: fetch the list again, or correct the line")
    return Row(fields[0], int(fields[1]), fields[2])


def _report(lists: EntityLists) -> ListReport:
    labels = {name: _labels_of(rows) for name, rows in lists.rows.items()}
    used = {row.label for rows in lists.rows.values() for row in rows}
    repeated = {name: len(rows) - len(set(rows)) for name, rows in lists.rows.items()}
    several = {name: [link for link, found in of.items() if len(found - {-1}) > 1] for name, of in labels.items()}
    both = {name: [link for link, found in of.items() if -1 in found and len(found) > 1] for name, of in labels.items()}
    elsewhere: dict[tuple[str, str], list[str]] = defaultdict(list)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for strong, weak in (("test", "dev"), ("test", "clean"), ("dev", "clean"), ("test", "full"), ("dev", "full")):
        for link in labels.get(weak, {}).keys() & labels.get(strong, {}).keys():
            here, there = labels[strong][link], labels[weak][link]
            if here == {-1} and there - {-1} and weak != "full":
                elsewhere[strong, weak].append(link)
            elif link not in labels.get("clean", {}) or weak == "clean":  # those in clean are counted there
                shared[strong, weak].append(link)
    clean, full = labels.get("clean", {}), labels.get("full")
    return ListReport(
        name=lists.folder.resolve().name,
        missing=tuple(name for name in LISTS if name not in lists.rows),
        labels=len(lists.vocab),
        rows={name: len(rows) for name, rows in lists.rows.items()},
        background={name: sum(row.label < 0 for row in rows) for name, rows in lists.rows.items()},
        sources={name: dict(sorted(Counter(row.source for row in rows).items())) for name, rows in lists.rows.items()},
        unused=tuple(name for number, name in enumerate(lists.vocab) if number not in used),
        repeated={name: count for name, count in repeated.items() if count},
        several={name: links for name, links in several.items() if links},
        contradicted={name: links for name, links in both.items() if links},
        background_elsewhere={pair: sorted(links) for pair, links in elsewhere.items()},
        shared={pair: sorted(links) for pair, links in shared.items()},
        clean_only=[] if full is None else [link for link in clean if link not in full],
        relabelled=[] if full is None else [link for link in clean if full.get(link, clean[link]) != clean[link]],
        samples=_stays(lists.samples()),
    )


def _labels_of(rows: list[Row]) -> dict[str, set[int]]:
    labels: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        labels[row.link].add(row.label)
    return dict(labels)


def _stays(samples: list[EntitySample]) -> dict[tuple[str, str], int]:
    def part(entry: Entry) -> str:
        return entry.split if entry.split != "train" else "clean" if entry.trusted else "noisy"

    return dict(Counter((part(sample.entry), sample.source) for sample in samples))
