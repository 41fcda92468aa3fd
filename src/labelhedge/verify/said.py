"""What people said, as the readers of vote files hand it on: `Said`, `Votes`, and the error that names file and row.

A vote is either about one label that was asked ("is there a cat?": yes, no, unsure, skip), or a choice among all
labels at once ("what is there?"). A choice is one `Said` a chosen label, with `whole`; one with the label None says
that none of the labels is there, or, with the answer unsure or skip, that nothing was chosen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from labelhedge.errors import LabelhedgeError

ANSWERS = ("no", "yes", "unsure", "skip")
"""Their numbers in arrays: no is 0, yes is 1."""


class VoteFileError(LabelhedgeError):
    """A file of votes is not what it should be.

    Attributes
    ----------
    file : Path
    row : str or None
        Where in it, such as ``"line 3"``.
    """

    def __init__(self, file: Path, problem: str, mend: str, *, row: str | None = None) -> None:
        self.file, self.row = file, row
        place = str(file) if row is None else f"{file}, {row}"
        super().__init__(f"{place}: {problem}. To mend it: {mend}.")


class Said(NamedTuple):
    """One thing that one worker said about one task; `row` is its place in the file, from 1."""

    task: str
    worker: str
    label: str | None
    answer: str
    whole: bool
    row: int


@dataclass
class Votes:
    """The votes of one file.

    Attributes
    ----------
    file : Path
    unit : str
        What `Said.row` counts: line, task or vote.
    said : list of Said
    golden : list of Said
        Known answers, of no worker.
    notes : Counter
        What was left out or merged on reading, and how often.
    by_id : bool
        Labels go by their ids alone, as in the store of the review page; else by id or name.
    """

    file: Path
    unit: str
    said: list[Said] = field(default_factory=list)
    golden: list[Said] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    by_id: bool = False

    def error(self, problem: str, mend: str, row: int | None = None) -> VoteFileError:
        """The error to raise about this file."""
        return VoteFileError(self.file, problem, mend, row=None if row is None else f"{self.unit} {row}")


@dataclass(frozen=True)
class Reading:
    """How files of votes are to be read.

    Attributes
    ----------
    format : str, optional
        One of `labelhedge.verify.formats.FORMATS`; default: told from the content.
    question : str, optional
        The column, or the control of Label Studio, that holds the answers.
    task_column : str, optional
        The column, or the key in Label Studio's `data`, that holds the sample's id.
    worker_column : str, optional
        The column of a CSV file that says whose vote it is.
    none, unsure : tuple of str
        Options that say that none of the labels is there, or that it cannot be told.
    """

    format: str | None = None
    question: str | None = None
    task_column: str | None = None
    worker_column: str | None = None
    none: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def choice(self, task: str, worker: str, options: list[str], row: int) -> list[Said] | None:
        """A choice of these options as what was said; None where they exclude each other."""
        none = [option for option in options if option in self.none]
        unsure = [option for option in options if option in self.unsure]
        labels = [option for option in options if option not in self.none and option not in self.unsure]
        if bool(none) + bool(unsure) + bool(labels) > 1:
            return None
        if labels:
            return [Said(task, worker, label, "yes", True, row) for label in dict.fromkeys(labels)]
        return [Said(task, worker, None, "unsure" if unsure else "yes", True, row)]
