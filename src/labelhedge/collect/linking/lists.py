"""Lexicons from the user's own lists of labels.

    uri,name,aliases,description          name
    urn:corgi,corgi,Welsh corgi|pembroke, golden retriever | goldie
    …as CSV or TSV                        …as text, one name a line, aliases after `|`

Only `name` is needed. A label without a URI gets `urn:labelhedge:label:` and its name. The label list of a corpus (its
folder, or `corpus.json`) serves as well.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from urllib.parse import quote

from labelhedge.collect.linking.lexicon import Entry, Lexicon
from labelhedge.collect.linking.matching import normal
from labelhedge.corpus.schema import read_info
from labelhedge.errors import LabelhedgeError

URN = "urn:labelhedge:label:"


def list_lexicon(path: str | os.PathLike[str]) -> Lexicon:
    """A lexicon of the labels in a CSV, TSV or text file.

    Raises
    ------
    ValueError
        When there is no label, a column is missing, a label has no name, or two labels cannot be told apart.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelhedgeError(f"{path} cannot be read as a list of labels in UTF-8: {error}") from error
    rows = _plain(text) if path.suffix.lower() == ".txt" else _table(path, text)
    if not rows:
        raise LabelhedgeError(f"{path} holds no label: the list of names is empty")
    entries = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in rows:
        name, given = ((row.get(column) or "").strip() for column in ("name", "uri"))
        if not name:
            raise LabelhedgeError(f"{path}, line {line}: the label has no name")
        uri = given or URN + quote(name.replace(" ", "_"))
        # Labels of one name are told apart by URIs and descriptions, as the planet and the metal are.
        for key in (("name", name if not given else f"{name} <{given}>"), ("URI", uri)):
            if (place := seen.setdefault((key[0], normal(key[1]) if key[0] == "name" else key[1]), line)) != line:
                raise LabelhedgeError(
                    f"{path}, line {line}: the {key[0]} {key[1]!r} stands in line {place} too: make one label of them, "
                    "with the other names as aliases, or give each a URI of its own"
                )
        aliases = [alias.strip() for alias in (row.get("aliases") or "").split("|") if alias.strip()]
        entries.append(Entry(uri, name, aliases, (row.get("description") or "").strip()))
    return _built(entries, path)


def corpus_lexicon(path: str | os.PathLike[str]) -> Lexicon:
    """A lexicon of the label list of a corpus: its folder, or the `corpus.json` in it.

    Raises
    ------
    ValueError
        When that is no corpus, or two of its labels have one URI.
    """
    path = Path(path)
    info = read_info(path if path.is_dir() else path.parent)
    entries = [Entry(label.uri or URN + quote(label.id), label.name) for label in info.labels]
    return _built(entries, path)


def _built(entries: list[Entry], path: Path) -> Lexicon:
    try:
        return Lexicon.build(entries)
    except LabelhedgeError as error:
        raise LabelhedgeError(f"{path}: {error}") from error


def _plain(text: str) -> list[tuple[int, dict[str, str]]]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            name, _, aliases = line.partition("|")
            rows.append((number, {"name": name, "aliases": aliases}))
    return rows


def _table(path: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix.lower() in (".tsv", ".tab") else ",")
    columns = reader.fieldnames or []
    if "name" not in columns:
        raise LabelhedgeError(
            f"{path} has no column 'name', but {', '.join(columns) or 'none'}: a list of labels has the columns uri, "
            "name, aliases (parted by |) and description, of which only name is needed"
        )
    return [(reader.line_num, row) for row in reader if any(row.values())]
