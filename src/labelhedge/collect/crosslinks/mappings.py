"""Mapping files, from titles and items to synsets of WordNet 3.0, which of the kinds being told from the content.

    wnid,title                                 plain: a title, name or URI and ImageNet's number
    n02084071,Dog

    item,article,synset                        Wikidata, as query.wikidata.org writes CSV: P8814 (WordNet 3.1; needs
    http://www.wikidata.org/entity/Q144,https://en.wikipedia.org/wiki/Dog,02086723-n        its files) or P2888 (wn30)

    bn:00015267n <tab> wn:02084071n <tab> WIKI:EN:Dog        BabelNet, as its API prints offsets and senses; the fields
                                                             of a synset on one line, or on several

Of CSV, only columns with known names are read (`NAMES`, `SYNSETS`); tabs may stand for commas. Files may be gzipped.
BabelNet has no fixed file for export: this reads any text whose lines have a synset's id and the ids and senses as its
API prints them. `WIKIRED:EN:`, a redirect, counts where no page of its own has the title.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from labelhedge.collect.crosslinks.names import Numbered, key, parse_synset
from labelhedge.collect.crosslinks.versions import Versions
from labelhedge.errors import LabelhedgeError

NAMES = ("title", "uri", "item", "article", "sitelink", "wikipedia", "page", "name", "label", "enwiki", "enwikititle")
"""Columns that name what is mapped; all that are there are read. (Case, spaces and signs do not count.)"""
SYNSETS = ("wnid", "synset", "wordnet", "wn30", "wn31", "offset", "exactmatch", "p8814", "p2888")
"""How the name of the column with the synset begins. A number such as 02084071-n is of the version that the name tells
(`synset30`, `wordnet 3.1 …`, `wnid` is 3.0); where it tells none, in a file of Wikidata items of 3.1."""

_BABEL_ID = re.compile(r"bn:\d{8}[nvar]")
_BABEL_WORDNET = re.compile(r"(?<!\S)wn:\d{8}[nvar](?!\S)")
_BABEL_TITLE = re.compile(r"(?<!\S)(WIKI|WIKIRED):EN:([^\t\n]+?)(?=\s+(?:[A-Z]+:[A-Z]{2,3}:|wn:\d|bn:\d)|\s*(?:\t|$))")


@dataclass
class Mapped:
    """Synsets by the keys of what is mapped to them.

    Attributes
    ----------
    synsets : dict of key to list of 8-digit numbers of WordNet 3.0
    passed : Counter
        Rows that were passed over, by reason.
    """

    synsets: dict[str, list[str]] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)


def read_mappings(files: Collection[str | os.PathLike[str]], wanted: Collection[str], versions: Versions) -> Mapped:
    """Read mapping files; what an earlier file says of a title holds, and a title may have several synsets.

    Parameters
    ----------
    files : paths
    wanted : keys, see :func:`labelhedge.collect.crosslinks.names.key`
        Others are not kept.
    versions : Versions

    Raises
    ------
    LabelhedgeError
        When a file is none of the kinds, or a cell is no synset; it names file and row.
    """
    all_ = Mapped()
    for name in files:
        path = Path(name)
        found: dict[str, list[str]] = defaultdict(list)
        try:
            with _open(path) as file:
                first = next((line for line in file if line.strip()), "")
                file.seek(0)
                if _BABEL_ID.search(first):
                    _read_babelnet(path, file, wanted, found)
                else:
                    _read_table(path, file, wanted, versions, found, all_.passed)
        except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise LabelhedgeError(f"{path}: not a whole text table in UTF-8 ({error}): export it again") from error
        for title, synsets in found.items():
            all_.synsets.setdefault(title, list(dict.fromkeys(synsets)))
    return all_


def _open(path: Path) -> TextIO:
    if not path.is_file():
        raise LabelhedgeError(f"there is no mapping file {path}")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_table(
    path: Path,
    file: TextIO,
    wanted: Collection[str],
    versions: Versions,
    found: dict[str, list[str]],
    passed: Counter[str],
) -> None:
    for line, names, cell, version in _rows(path, file):
        if not cell or not names:
            passed["no synset or no title"] += 1
            continue
        keys = [name for name in map(key, names) if name in wanted]
        synset = parse_synset(cell, version)
        if synset is None and cell.startswith(("http://", "https://")):
            passed["matched with something other than WordNet"] += 1  # 'exact match' has all kinds
            continue
        if synset is None:
            raise LabelhedgeError(f"{path}, line {line}: {cell!r} is no synset: write it as n02084071, or 02084071-n")
        if not synset.noun:
            passed["not a noun"] += 1
        elif keys:
            number = _in_30(synset, path, line, versions)
            if number is None:
                passed["of WordNet 3.1, not one synset in 3.0"] += 1
            else:
                for name in keys:
                    found[name].append(number)


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, list[str], str, str | None]]:
    """Of each row its line, the names, the cell with the synset, and which version bare numbers are of."""
    delimiter = "\t" if "\t" in file.readline() else ","
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter)
    header = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in next(reader, [])]
    naming = [place for place, name in enumerate(header) if name in NAMES]
    synset = next((place for place, name in enumerate(header) if name.startswith(SYNSETS)), None)
    if not naming or synset is None:
        lacks = "title, uri, item or article" if not naming else "wnid or synset"
        hint = " (itemLabel is no Wikipedia title: add ?article to the query)" if "itemlabel" in header else ""
        raise LabelhedgeError(
            f"{path}, line 1: no column {lacks}{hint}, found {', '.join(header) or 'nothing'}: a mapping is a table "
            "with a header such as wnid,title, or BabelNet's lines with bn:, wn: and WIKI:EN:"
        )
    version = _version(header[synset], "item" in header)
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise LabelhedgeError(
                f"{path}, line {reader.line_num}: {len(row)} cells, and the header has {len(header)}: correct the row"
            )
        yield reader.line_num, [row[place] for place in naming if row[place].strip()], row[synset].strip(), version


def _version(column: str, wikidata: bool) -> str | None:
    if "31" in column or column == "p8814":
        return "31"
    if "30" in column or column == "wnid":
        return "30"
    return "31" if wikidata else None


def _in_30(synset: Numbered, path: Path, line: int, versions: Versions) -> str | None:
    if synset.version is None:
        raise LabelhedgeError(
            f"{path}, line {line}: {synset.number} may be a number of WordNet 3.0 or 3.1, which differ: call the "
            "column wnid or synset30, or synset31"
        )
    if synset.version == "30":
        return synset.number
    try:
        return versions.from_31(synset.number)
    except LabelhedgeError as error:
        raise LabelhedgeError(f"{path}, line {line}: {error}") from error


def _read_babelnet(path: Path, file: TextIO, wanted: Collection[str], found: dict[str, list[str]]) -> None:
    synsets: dict[str, list[str]] = defaultdict(list)  # by BabelNet's id, as they may stand on lines of their own
    pages: dict[str, dict[str, list[str]]] = {"WIKI": defaultdict(list), "WIKIRED": defaultdict(list)}
    for line, text in enumerate(file, 1):
        ids = set(_BABEL_ID.findall(text))
        if not text.strip() or text.startswith("#"):
            continue
        if len(ids) != 1:
            raise LabelhedgeError(
                f"{path}, line {line}: {len(ids)} ids of BabelNet, and a line has one, such as bn:00015267n"
            )
        one = ids.pop()
        for number in map(parse_synset, _BABEL_WORDNET.findall(text)):
            if number and number.noun:
                synsets[one].append(number.number)
        for kind, title in _BABEL_TITLE.findall(text):
            if (name := key(title)) in wanted:
                pages[kind][name].append(one)
    for kind in ("WIKI", "WIKIRED"):
        for title, ids_ in pages[kind].items():
            numbers = [number for one in ids_ for number in synsets.get(one, ())]
            if numbers and (kind == "WIKI" or title not in pages["WIKI"]):
                found[title] += numbers
