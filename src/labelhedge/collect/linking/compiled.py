"""Lexicons that take long to build are kept, and loaded the next time: every worker of a job opens one.

They lie in `LABELHEDGE_CACHE`, or in the user's cache folder for labelhedge, in `lexicons/`, under a name made of what
they were built from: the source's files, its settings, and the code of this package.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

from labelhedge.collect.linking.lexicon import Lexicon
from labelhedge.errors import LabelhedgeError


def kept(source: Callable[..., Lexicon], folder: str, **settings: Any) -> Lexicon:
    """What ``source(folder, **settings)`` gives, from the cache where it was built before."""
    place = Path(os.environ.get("LABELHEDGE_CACHE") or platformdirs.user_cache_dir("labelhedge")) / "lexicons"
    path = place / f"{source.__name__}-{_key(Path(folder), settings)}.parquet"
    if path.exists():
        try:
            return Lexicon.load(path)
        except LabelhedgeError:
            path.unlink(missing_ok=True)  # whatever befell the file, it can be built anew
    lexicon = source(folder, **settings)
    place.mkdir(parents=True, exist_ok=True)
    lexicon.save(path)
    return lexicon


def _key(folder: Path, settings: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        about = file.stat()
        digest.update(f"{file.name} {about.st_size} {about.st_mtime_ns}\n".encode())
    for code in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(code.read_bytes())
    return digest.hexdigest()[:24]
