"""Reading files of votes: `read_votes(path)` tells the format from the content.

    store         votes.sqlite of `labelhedge review`
    csv           task,worker,label: one row says that this worker chose this label, several rows of one (task, worker)
                  are several labels, an empty label says that none is there; or task,worker,label,answer: yes, no,
                  unsure or skip to each label that was asked
    label-studio  the JSON export of Label Studio
    crowdflower   the full report of CrowdFlower, Figure Eight or Appen, CSV

Nothing is changed by reading; a malformed file is a `VoteFileError` that names file, row and mend.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from labelhedge.verify.said import ANSWERS, Reading, Said, VoteFileError, Votes

FORMATS = ("store", "csv", "label-studio", "crowdflower")
_HEAD = 65536


def read_votes(path: str | os.PathLike[str], reading: Reading | None = None) -> Votes:
    """Read a file of votes.

    Parameters
    ----------
    path : file
    reading : Reading, optional
        How; by default the format is told from the content.

    Raises
    ------
    VoteFileError
        When the file is missing, of no known format, or malformed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "votes.csv")
    ...     _ = path.write_text("task,worker,label\\ns01,ana,cat\\ns02,ana,\\n")
    ...     [(said.task, said.label) for said in read_votes(path).said]
    [('s01', 'cat'), ('s02', None)]
    """
    path, reading = Path(path), reading or Reading()
    if reading.format is not None and reading.format not in FORMATS:
        raise VoteFileError(path, f"{reading.format!r} is no format of votes", f"name one of {', '.join(FORMATS)}")
    kind = told = tell_format(path)
    if reading.format is not None:
        kind = reading.format
        if "store" in (kind, told) and kind != told:
            raise VoteFileError(path, f"the file is not of the format {kind!r}", f"leave --format out, or say {told}")
    if kind == "store":
        return _read_store(path)
    if kind == "csv":
        return _read_csv(path, reading)
    if kind == "crowdflower":
        from labelhedge.verify.crowdflower import read_crowdflower

        return read_crowdflower(path, reading)
    from labelhedge.verify.label_studio import read_label_studio

    return read_label_studio(path, reading)


def read_golden(path: str | os.PathLike[str], reading: Reading | None = None, *, alone: bool = False) -> Votes:
    """Read known answers: CSV task,label or task,label,answer; a store of an expert's votes; or what is marked golden.

    A CSV file may have a column worker: what each of them knows must agree, which `resolve` finds.
    Of a CSV file only `none` and `unsure` of `reading` are used, as the votes may be of another format; where there are
    no votes beside it (`alone`), its columns too.

    Raises
    ------
    VoteFileError
        As `read_votes`, or when nothing is golden.
    """
    path, reading = Path(path), replace(reading or Reading(), format=None)
    if tell_format(path) == "csv":
        known = reading if alone else replace(reading, question=None, task_column=None, worker_column=None)
        votes = _read_csv(path, known, golden=True)
    else:
        votes = read_votes(path, reading)
        if votes.unit == "vote":
            votes.golden, votes.said = votes.said, []
    votes.said = []
    votes.golden = [said._replace(worker="") for said in votes.golden if said.answer in ("yes", "no")]
    if not votes.golden:
        raise votes.error("there is no known answer in it", "mark some as ground truth or golden, or name another file")
    return votes


def tell_format(path: Path) -> str:
    """Which of `FORMATS` a file has, by its content."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise VoteFileError(path, "there is no such file", "name a file of votes") from error
    except IsADirectoryError as error:
        raise VoteFileError(path, "this is a folder", "name a file of votes in it") from error
    if head.startswith(b"SQLite format 3\0"):
        return "store"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise VoteFileError(path, "the file is empty", "name a file that holds votes")
    if start[:1] in b"[{":
        return "label-studio"
    names = start.splitlines()[0].decode("utf-8", errors="replace")
    return "crowdflower" if "_unit_id" in names and "_worker_id" in names else "csv"


class Table:
    """A CSV file with a header, read row by row; every fault is an error that names the line."""

    def __init__(self, votes: Votes) -> None:
        self.votes = votes
        self.rows = self._rows()
        first = next(self.rows, None)
        if first is None:
            raise votes.error("the file is empty", "name a file that holds votes")
        self.names = [name.strip() for name in first[1]]
        twice = {name for name in self.names if self.names.count(name) > 1 and name}
        if twice:
            raise votes.error(f"the column {min(twice)!r} stands twice", "keep one of them", 1)

    def need(self, *names: str) -> None:
        """Raise where a column is missing."""
        for name in names:
            if name not in self.names:
                found = ", ".join(self.names)
                known = "the formats of votes are in docs/votes.md"
                raise self.votes.error(
                    f"the column {name!r} is missing; there are: {found}", f"add it to the first line, or see: {known}"
                )

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        for line, row in self.rows:
            if not row:
                continue  # an empty line
            if len(row) != len(self.names):
                problem = f"there are {len(row)} fields, and the first line names {len(self.names)}"
                raise self.votes.error(problem, "correct the line; a field with a comma in it needs quotes", line)
            yield line, dict(zip(self.names, row, strict=True))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        line = 1
        try:
            with self.votes.file.open(encoding="utf-8-sig", newline="") as file:
                first = file.readline()
                parting = next((mark for mark in ",\t;" if mark in first), ",")
                file.seek(0)
                reader = csv.reader(file, delimiter=parting, strict=True)
                for row in reader:
                    yield line, row
                    line = reader.line_num + 1
        except UnicodeDecodeError as error:
            place = _first_undecodable(self.votes.file)  # the error tells of a piece of the file that was read ahead
            raise self.votes.error(f"this is not UTF-8 text ({error.reason})", "save it as UTF-8", place) from error
        except csv.Error as error:
            raise self.votes.error(f"not CSV ({error})", "correct the quotes", line) from error


def _first_undecodable(path: Path) -> int | None:
    for line, data in enumerate(path.read_bytes().splitlines(), 1):
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return line
    return None


def _read_store(path: Path) -> Votes:
    from labelhedge.verify.votes import VoteStore

    votes = Votes(path, "vote", by_id=True)
    with VoteStore(path, create=False) as store:
        table = store.to_table()
    columns = [table.column(name).to_pylist() for name in ("task", "worker", "label", "answer")]
    for row, (task, worker, label, answer) in enumerate(zip(*columns, strict=True), 1):
        votes.said.append(Said(task, worker, label, answer, False, row))
    return votes


def _read_csv(path: Path, reading: Reading, *, golden: bool = False) -> Votes:
    votes = Votes(path, "line")
    table = Table(votes)
    task, person = reading.task_column or "task", reading.worker_column or "worker"
    label = reading.question or "label"
    table.need(task, label, *(() if golden else (person,)))
    asked = "answer" in table.names
    choices: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for line, row in table:
        worker = sys.intern(row.get(person, ""))
        for name, value in ((task, row[task]), (person, worker)):
            if not value.strip() and not (golden and name == person):
                raise votes.error(f"{name} is empty", "fill it in, or remove the line", line)
        if asked:
            said = Said(sys.intern(row[task]), worker, sys.intern(row[label]), "", False, line)
            votes.said.append(_answer(votes, row, said))
        else:
            _, options = choices.setdefault((sys.intern(row[task]), worker), (line, []))
            if row[label] in options:
                votes.notes["said twice, counted once"] += 1
            else:
                options.append(sys.intern(row[label]))
    for (name, worker), (line, options) in choices.items():
        chosen = [option for option in options if option]
        choice = reading.choice(name, worker, chosen, line)
        if choice is None or (chosen and len(chosen) < len(options)):
            words = ", ".join(repr(option) for option in options)
            raise votes.error(
                f"{worker or 'somebody'} says of the task {name!r} {words}, which exclude each other",
                "keep the labels, or the one row that says none or unsure",
                line,
            )
        votes.said += choice
    if golden:
        votes.golden = votes.said
    return votes


def _answer(votes: Votes, row: Mapping[str, str], said: Said) -> Said:
    answer = row["answer"].strip().lower()
    if answer not in ANSWERS:
        raise votes.error(f"the answer is {row['answer']!r}", f"write one of {', '.join(ANSWERS)}", said.row)
    if not (said.label or "").strip():
        raise votes.error("label is empty, so it is not known what was answered", "fill it in", said.row)
    return said._replace(answer=sys.intern(answer))
