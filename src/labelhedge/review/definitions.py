"""What each label means, in words: `definitions.json` or `definitions.csv` in the corpus, or another file.

{"bird": "A warm-blooded animal with feathers.", …}        by name or id of the label
label,definition                                           the same as CSV
"""

from __future__ import annotations

import json
from pathlib import Path

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.review.orders import find_label, label_numbers, read_csv

NAMES = ("definitions.json", "definitions.csv")


def read_definitions(corpus: Corpus, path: Path | None = None) -> dict[int, str]:
    """Definitions by label number, of the file at `path` or else of the corpus; empty where there is none.

    Raises
    ------
    LabelhedgeError
        When the file is missing, malformed, or defines a label that the corpus does not have.
    """
    if path is None:
        found = [corpus.folder / name for name in NAMES if (corpus.folder / name).exists()]
        if not found:
            return {}
        path = found[0]
    elif not path.is_file():
        raise LabelhedgeError(f"{path}: there is no such file. To mend it: name a JSON or CSV file of definitions")
    numbers = label_numbers(corpus)
    return {find_label(numbers, label, place): text for place, label, text in _entries(path)}


def _entries(path: Path) -> list[tuple[str, str, str]]:
    if path.suffix.lower() == ".csv":
        return [(place, row["label"], row["definition"]) for place, row in read_csv(path, ("label", "definition"))]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LabelhedgeError(f"{path}: not JSON ({error}). To mend it: correct the file, or give a .csv") from error
    if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
        raise LabelhedgeError(f'{path}: to mend it, write one object {{"label": "definition", …}}')
    return [(str(path), label, text) for label, text in content.items()]
