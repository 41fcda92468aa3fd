"""What became of every address, kept in SQLite: the memory of a download that may be killed at any moment.

An address is known by a hash of it, and so is its file: no id and no address can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from labelhedge.errors import LabelhedgeError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    key BLOB PRIMARY KEY, reason TEXT, width INTEGER, height INTEGER, bytes INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_KEYS_A_QUERY = 500
_RETRYING = "retrying"


class Result(NamedTuple):
    """What became of an address: a stored file's figures, or the reason why there is none."""

    reason: str | None
    width: int | None
    height: int | None
    bytes: int | None


class Ledger:
    """The results so far.

    Parameters
    ----------
    path : Path
        The file; made if it is not there.
    made : str
        How images are made; a folder holds images made in one way.

    Raises
    ------
    ValueError
        When the folder's images were made in another way, or the file is damaged.
    """

    def __init__(self, path: Path, made: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            # A killed process loses nothing; a power cut may lose the last results, which are then fetched anew.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
            before = self._note("made")
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise LabelhedgeError(f"{path} cannot be read ({error}): delete it, and all is fetched again") from error
        if before not in (None, made):
            self._database.close()
            raise LabelhedgeError(
                f"{path.parent.parent} holds images made with {before}, not {made}: use that setting or another folder"
            )
        self._database.execute("INSERT OR IGNORE INTO notes VALUES ('made', ?)", (made,))

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Result]:
        """The results of those keys that have one."""
        found = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            places = ",".join("?" * len(some))
            query = f"SELECT key, reason, width, height, bytes FROM results WHERE key IN ({places})"
            for key, *result in self._database.execute(query, some):
                found[key] = Result(*result)
        return found

    def add(self, key: bytes, result: Result) -> None:
        """Write a result down; it is there once this has returned."""
        self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", (key, *result))

    def forget_failures(self) -> None:
        """Have everything asked for again that failed; not twice, where such a job was stopped and goes on."""
        if self._note(_RETRYING) is None:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM results WHERE reason IS NOT NULL")
            self._database.execute("INSERT INTO notes VALUES (?, 'yes')", (_RETRYING,))
            self._database.execute("COMMIT")

    def settle(self) -> None:
        """The job has come to its end."""
        self._database.execute("DELETE FROM notes WHERE name = ?", (_RETRYING,))

    def _note(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None


def key_of(url: str) -> bytes:
    """What an address is known by: 16 bytes."""
    return hashlib.blake2b(url.encode(), digest_size=16).digest()


def file_of(key: bytes) -> str:
    """The file of an address, relative to the folder.

    Examples
    --------
    >>> file_of(key_of("http://photos.example/1.jpg"))
    'files/08/083aa0654940e7a50d5e6493ae2e0f98.jpg'
    """
    name = key.hex()
    return f"files/{name[:2]}/{name}.jpg"
