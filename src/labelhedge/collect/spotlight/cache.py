"""Answers of a web service, kept on disk as they came: a job that was killed asks nothing twice.

    with Answers(path) as answers:
        known = answers.find(keys)
        answers.add(key, body)

SQLite, so several threads and processes may share the file; an answer is kept once `add` has returned. Without a path
nothing outlives the `with`.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from labelhedge.errors import LabelhedgeError

_KEYS_A_QUERY = 500
_PATIENCE = 60.0  # seconds to wait while another process writes


class Answers:
    """A table from key to body, on disk or, without a path, in memory.

    Raises
    ------
    ValueError
        When the file is there and is no such table.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path or ":memory:", timeout=_PATIENCE, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
            )
            self._database.execute("SELECT key, body FROM answers LIMIT 1")
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise LabelhedgeError(f"{path} is no cache of answers ({error}): delete it or name another file") from error

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The bodies of those keys that are there."""
        found = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            query = f"SELECT key, body FROM answers WHERE key IN ({','.join('?' * len(some))})"
            for key, body in self._database.execute(query, some):
                found[key] = zlib.decompress(body)
        return found

    def add(self, key: bytes, body: bytes) -> None:
        """Keep an answer; an older one under the same key gives way."""
        self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, zlib.compress(body)))
