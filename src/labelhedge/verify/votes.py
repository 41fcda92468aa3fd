"""`VoteStore`: the votes of people on (sample, label), in one SQLite file, durable as soon as they are added.

with VoteStore("my-corpus/votes.sqlite") as store:
    store.add([Vote(id="…", sample="s01", label="cat", reviewer="ana", answer="yes", seconds=1.4)])
    store.undo(["…"], reviewer="ana")
    store.votes()                        # the current ones
    store.to_table()                     # the same as a pyarrow table

Nothing is ever deleted. A vote that was taken back is marked with the time of that; of what one reviewer said about
one sample and label, the last vote that was not taken back is the current one. The file is in WAL mode with
``synchronous=FULL``: when `add` returns, the votes survive a killed process and a power cut. Several processes may
read while one writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from labelhedge.errors import LabelhedgeError

if TYPE_CHECKING:
    import pyarrow as pa

ANSWERS = ("yes", "no", "unsure", "skip")
"""`unsure`: looked at, and it cannot be told. `skip`: not looked at, it says nothing about the image."""

SCHEMA_VERSION = 2
_APPLICATION = 0x4C48564F  # "LHVO", in the header of the file
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE vote (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of arrival
  id       TEXT NOT NULL UNIQUE,                -- made by whoever voted: adding it twice adds it once
  sample   TEXT NOT NULL,
  label    TEXT NOT NULL,
  reviewer TEXT NOT NULL,
  answer   TEXT NOT NULL CHECK (answer IN ('yes', 'no', 'unsure', 'skip')),
  seconds  REAL NOT NULL,
  session  TEXT NOT NULL,
  time     TEXT NOT NULL,                       -- UTC, ISO 8601
  undone   TEXT,                                -- when it was taken back
  sitting  INTEGER                              -- in which it was asked, see `begin`; null: before the first
);
CREATE INDEX vote_by_task ON vote (sample, label, reviewer) WHERE undone IS NULL;
"""
_COLUMNS = "id, sample, label, reviewer, answer, seconds, session, time, sitting"
_CURRENT = (
    f"SELECT {_COLUMNS} FROM vote WHERE number IN "
    "(SELECT max(number) FROM vote WHERE undone IS NULL GROUP BY sample, label, reviewer) ORDER BY number"
)


class VoteError(LabelhedgeError):
    """A vote that cannot be taken, or a file that is no store of votes."""


@dataclass(frozen=True)
class Vote:
    """What one reviewer answered about one sample and one label.

    Attributes
    ----------
    id : str
        Unique; made by whoever votes, so that a vote sent twice counts once.
    sample, label : str
        The sample's and the label's id in the corpus.
    reviewer : str
    answer : str
        One of `ANSWERS`.
    seconds : float
        Spent on it.
    session : str
        Of the browser tab or the program; empty where there is none.
    time : str
        UTC, ISO 8601. Empty: `VoteStore.add` fills in the time of arrival.
    sitting : int or None
        The number that `VoteStore.begin` returned for the sitting in which it was asked. None: `VoteStore.add` fills
        in the current one, if any.
    """

    id: str
    sample: str
    label: str
    reviewer: str
    answer: str
    seconds: float = 0.0
    session: str = ""
    time: str = ""
    sitting: int | None = None

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise VoteError(f"the answer {self.answer!r} of the vote {self.id!r} is none of {', '.join(ANSWERS)}")
        for name in ("id", "sample", "label", "reviewer"):
            if not getattr(self, name):
                raise VoteError(f"{name} of the vote {self.id!r} is empty: fill it in")


class VoteStore:
    """Votes in an SQLite file. It may be used from several threads.

    Parameters
    ----------
    path : file
        Made if it does not exist, unless `create` is false.
    create : bool

    Attributes
    ----------
    path : Path
    identity : str
        Drawn at random when the file was made: tells one store from another.

    Raises
    ------
    VoteError
        When the file is no store of votes, was written by a newer labelhedge, or cannot be opened or made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, VoteStore(folder + "/votes.sqlite") as store:
    ...     first = Vote("1", sample="s01", label="cat", reviewer="ana", answer="yes", time="2026-01-01T10:00:00Z")
    ...     store.add([first]), store.add([first])
    ...     store.counts()
    (1, 0)
    {'ana': {'yes': 1, 'no': 0, 'unsure': 0, 'skip': 0}}
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        if not create and not self.path.exists():
            raise VoteError(
                f"{self.path}: there is no such file. To mend it: name a file that `labelhedge review` wrote."
            )
        try:
            self._connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise VoteError(
                f"{self.path}: the votes cannot be opened ({error}). "
                "To mend it: name a file in a folder that can be written to, with --votes FILE."
            ) from error
        try:
            self._prepare()
            self.identity: str = self._one("SELECT value FROM about WHERE name = 'identity'")
        except BaseException:
            self._connection.close()
            raise

    def add(self, votes: Sequence[Vote]) -> int:
        """Add votes, all or none of them; on return they are on the disk.

        Returns
        -------
        int
            How many are new: a vote whose id the store has already is not added again.

        Raises
        ------
        VoteError
            When an id is known with another content, or a sitting has not begun; nothing is added then.
        """
        now = _now()
        new = 0
        with self._transaction() as connection:
            current = self.sitting
            for vote in votes:
                sitting = current if vote.sitting is None else vote.sitting
                if sitting is not None and (current is None or not 0 <= sitting <= current):
                    begun = "none has" if current is None else f"0 to {current} have"
                    raise VoteError(f"the vote {vote.id!r} is said to be of sitting {sitting}, and {begun} begun")
                row = (vote.sample, vote.label, vote.reviewer, vote.answer)
                known = connection.execute(
                    "SELECT sample, label, reviewer, answer FROM vote WHERE id = ?", (vote.id,)
                ).fetchone()
                if known is None:
                    connection.execute(
                        f"INSERT INTO vote ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (vote.id, *row, float(vote.seconds), vote.session, vote.time or now, sitting),
                    )
                    new += 1
                elif known != row:
                    raise VoteError(f"the vote {vote.id!r} is there already, as {known}: give each vote its own id")
        return new

    def undo(self, ids: Sequence[str], *, reviewer: str) -> list[Vote]:
        """Take back votes of a reviewer, all or none of them; they stay in the history.

        Returns
        -------
        list of Vote
            Those that were taken back by this call; one that was before is left as it is.

        Raises
        ------
        VoteError
            When an id is unknown, or the vote is somebody else's; nothing changes then.
        """
        now = _now()
        taken = []
        with self._transaction() as connection:
            for identity in ids:
                found = connection.execute(f"SELECT {_COLUMNS}, undone FROM vote WHERE id = ?", (identity,)).fetchone()
                if found is None:
                    raise VoteError(f"there is no vote {identity!r} to take back")
                vote, undone = Vote(*found[:-1]), found[-1]
                if vote.reviewer != reviewer:
                    raise VoteError(
                        f"the vote {identity!r} is of {vote.reviewer!r}, and only its own reviewer takes it back"
                    )
                if undone is None:
                    connection.execute("UPDATE vote SET undone = ? WHERE id = ?", (now, identity))
                    taken.append(vote)
        return taken

    def votes(self) -> list[Vote]:
        """The current votes, in order of arrival: the last of each (sample, label, reviewer) that was not undone."""
        return [Vote(*row) for row in self._rows(_CURRENT)]

    def current(self, sample: str, label: str) -> dict[str, str]:
        """The current answers about one sample and label: reviewer -> answer."""
        sql = "SELECT reviewer, answer FROM vote WHERE sample = ? AND label = ? AND undone IS NULL ORDER BY number"
        return dict(self._rows(sql, (sample, label)))

    def history(self) -> list[tuple[Vote, str | None]]:
        """Every vote that was ever added, in order of arrival, each with the time at which it was taken back."""
        rows = self._rows(f"SELECT {_COLUMNS}, undone FROM vote ORDER BY number")
        return [(Vote(*row[:-1]), row[-1]) for row in rows]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many current votes there are: reviewer -> answer -> count, reviewers in order of name."""
        counts: dict[str, dict[str, int]] = {}
        rows = self._rows(f"SELECT reviewer, answer, count(*) FROM ({_CURRENT}) GROUP BY 1, 2 ORDER BY 1")
        for reviewer, answer, count in rows:
            counts.setdefault(reviewer, dict.fromkeys(ANSWERS, 0))[answer] = count
        return counts

    def to_table(self) -> pa.Table:
        """The current votes as a pyarrow table, in order of arrival.

        Returns
        -------
        pyarrow.Table
            `task` (sample id), `label` (label id), `worker` (reviewer), `answer`, `time`: strings; `seconds`: float64.
        """
        import pyarrow as pa

        votes = self.votes()
        return pa.table(
            {
                "task": pa.array([vote.sample for vote in votes], pa.string()),
                "label": pa.array([vote.label for vote in votes], pa.string()),
                "worker": pa.array([vote.reviewer for vote in votes], pa.string()),
                "answer": pa.array([vote.answer for vote in votes], pa.string()),
                "time": pa.array([vote.time for vote in votes], pa.string()),
                "seconds": pa.array([vote.seconds for vote in votes], pa.float64()),
            }
        )

    def begin(self, order: str) -> int:
        """Take note that what is asked from now on is asked in an order, such as ``random``.

        Returns
        -------
        int
            The number of this sitting: votes on its questions that are added after the next one has begun name it.
        """
        with self._transaction() as connection:
            orders = [*self._orders(), order]
            connection.execute("INSERT OR REPLACE INTO about VALUES ('sittings', ?)", (json.dumps(orders),))
        return len(orders) - 1

    @property
    def sitting(self) -> int | None:
        """The number of the current sitting; None before the first."""
        return len(self._orders()) - 1 if self._orders() else None

    def first_asked(self) -> dict[str, tuple[int, str]]:
        """When each sample was first asked about: sample -> number of the sitting, and its order.

        Skipped votes and those that were taken back do not count. Before the first sitting the number is -1, and the
        order empty.
        """
        orders = self._orders()
        sql = (
            "SELECT sample, min(coalesce(sitting, -1)) FROM vote WHERE undone IS NULL AND answer <> 'skip' "
            "GROUP BY sample ORDER BY min(number)"
        )
        return {sample: (place, orders[place] if place >= 0 else "") for sample, place in self._rows(sql)}

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> VoteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _orders(self) -> list[Any]:
        """Of each sitting its order; in version 1 with the number of the last vote before it."""
        found = self._rows("SELECT value FROM about WHERE name = 'sittings'")
        return list(json.loads(found[0][0])) if found else []

    def _prepare(self) -> None:
        """Check that the file is a store of votes, or make it one where it is new."""
        pragmas = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        try:
            application, version, tables = (self._connection.execute(sql).fetchone()[0] for sql in pragmas)
            if not tables and application == 0:
                self._create()
                application, version = _APPLICATION, SCHEMA_VERSION
            elif (application, version) == (_APPLICATION, 1):
                self._upgrade()
                version = SCHEMA_VERSION
        except sqlite3.DatabaseError as error:
            raise VoteError(
                f"{self.path}: this is no store of votes that can be used ({error}). "
                "To mend it: name another file with --votes FILE; this one was left as it is."
            ) from error
        if application != _APPLICATION:
            raise VoteError(
                f"{self.path}: an SQLite file, but no store of votes. "
                "To mend it: name another file with --votes FILE; this one was left as it is."
            )
        if version != SCHEMA_VERSION:
            raise VoteError(
                f"{self.path}: the votes have schema version {version}, and this labelhedge knows {SCHEMA_VERSION}. "
                "To mend it: use the labelhedge that wrote them."
            )
        self._connection.execute("PRAGMA synchronous = FULL")

    def _create(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction() as connection:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return  # another process made it meanwhile
            for statement in _TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO about VALUES ('identity', ?)", (uuid.uuid4().hex,))
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _upgrade(self) -> None:
        """From version 1, in which a vote was of the sitting in which it had arrived."""
        with self._transaction() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
                return  # another process did it meanwhile
            connection.execute("ALTER TABLE vote ADD COLUMN sitting INTEGER")
            for sitting, (last, _) in enumerate(self._orders()):
                connection.execute("UPDATE vote SET sitting = ? WHERE number > ?", (sitting, last))
            orders = json.dumps([order for _, order in self._orders()])
            connection.execute("UPDATE about SET value = ? WHERE name = 'sittings'", (orders,))
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, sql: str, parameters: Sequence[str] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.DatabaseError as error:  # a file that is locked or a disk that fails may do later
                if isinstance(error, sqlite3.OperationalError) and "decode" not in str(error):
                    raise
                raise VoteError(
                    f"{self.path}: the file is damaged ({error}). To mend it: save what can be read with "
                    f"`sqlite3 {self.path.name} .recover | sqlite3 mended.sqlite`, and use that."
                ) from error

    def _one(self, sql: str):  # type: ignore[no-untyped-def]
        return self._rows(sql)[0][0]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
