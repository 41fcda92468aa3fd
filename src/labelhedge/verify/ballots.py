"""What was said, matched to the samples and labels of a corpus: `resolve(votes, …) -> Ballots`."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelhedge.corpus import Label
from labelhedge.verify.said import ANSWERS, Said, VoteFileError, Votes

NO, YES, UNSURE, SKIP = range(len(ANSWERS))
_Names = dict[str, int | None]
NAMED = 5
"""So many unknown names an error lists."""


@dataclass
class Ballots:
    """The votes on the samples of a corpus.

    Attributes
    ----------
    workers : list of str
        Their names; below they are numbers.
    choices : {(row, worker): frozenset of labels}
        What somebody who saw all labels chose. Empty: none of them is there.
    answers : {(row, label, worker): NO, YES, UNSURE}
        To labels that were asked one by one.
    golden_choices : {row: frozenset of labels}
    golden_answers : {(row, label): NO or YES}
    unsure, skipped : {worker: count}
    notes : Counter
        What was left out or merged, and how often.
    """

    workers: list[str] = field(default_factory=list)
    choices: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)
    answers: dict[tuple[int, int, int], int] = field(default_factory=dict)
    golden_choices: dict[int, frozenset[int]] = field(default_factory=dict)
    golden_answers: dict[tuple[int, int], int] = field(default_factory=dict)
    unsure: Counter[int] = field(default_factory=Counter)
    skipped: Counter[int] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def resolve(
    files: Sequence[Votes],
    ids: Sequence[str],
    labels: Sequence[Label],
    *,
    exclusive: bool = False,
    ignore_unknown: bool = False,
) -> Ballots:
    """Match votes to the samples and labels of a corpus, and each other.

    Parameters
    ----------
    files : votes, a file each
    ids : the samples' ids, by row
    labels : the corpus's labels; a vote names one by its id or its name, in the review page's store by its id
    exclusive : bool
        Whether a sample has one label, so that nobody may choose two.
    ignore_unknown : bool
        Count unknown samples and labels instead of raising.

    Raises
    ------
    VoteFileError
        When a sample or label is unknown, somebody contradicts themselves (a choice among all labels says no to the
        others), or known answers contradict each other.

    Examples
    --------
    >>> from pathlib import Path
    >>> said = [Said("s1", "ana", "cat", "yes", True, 2)]
    >>> resolve([Votes(Path("votes.csv"), "line", said)], ["s0", "s1"], [Label(id="c", name="cat")]).choices
    {(1, 0): frozenset({0})}
    """
    rows = {name: row for row, name in enumerate(ids)}
    by_id: _Names = {label.id: number for number, label in enumerate(labels)}
    return _Resolving(rows, _names(labels), by_id, exclusive, ignore_unknown).run(files)


def _names(labels: Sequence[Label]) -> _Names:
    """Ids and names of labels; None for a word that is the id of one and the name of another."""
    found: _Names = {label.id: number for number, label in enumerate(labels)}
    for number, label in enumerate(labels):
        if found.setdefault(label.name, number) != number:
            found[label.name] = None
    return found


@dataclass
class _Resolving:
    rows: dict[str, int]
    names: _Names
    by_id: _Names
    exclusive: bool
    ignore_unknown: bool

    def run(self, files: Sequence[Votes]) -> Ballots:
        self._check_known(files)
        ballots = Ballots()
        codes: dict[str, int] = {}
        for votes in files:
            ballots.notes.update(votes.notes)
            for golden in (False, True):
                for said, row, labels in self._items(votes, votes.golden if golden else votes.said, ballots):
                    worker = -1 if golden else codes.setdefault(said.worker, len(codes))
                    if not self._take(ballots, worker, said, row, labels):
                        raise self._contradiction(files, votes, golden, said)
        ballots.workers = list(codes)
        self._cross_check(files, ballots)
        return ballots

    def _names_in(self, votes: Votes) -> _Names:
        return self.by_id if votes.by_id else self.names

    def _cross_check(self, files: Sequence[Votes], ballots: Ballots) -> None:
        """Stop where somebody who chose among all labels says otherwise of one of them; known answers too."""
        if ballots.choices:
            for (row, label, worker), answer in ballots.answers.items():
                if _differ(ballots.choices.get((row, worker)), label, answer):
                    raise self._between(files, False, row, ballots.workers[worker], label)
        yes: dict[int, int] = {}
        for (row, label), answer in ballots.golden_answers.items():
            if _differ(ballots.golden_choices.get(row), label, answer):
                raise self._between(files, True, row, "", label)
            if self.exclusive and answer == YES and yes.setdefault(row, label) != label:
                raise self._between(files, True, row, "", label, yes[row])

    def _between(
        self, files: Sequence[Votes], golden: bool, row: int, worker: str, label: int, other: int | None = None
    ) -> VoteFileError:
        """The error that an answer contradicts a choice, or the yes to another label."""
        task = next(name for name, number in self.rows.items() if number == row)
        earlier, before = self._first(files, golden, task, worker, other)
        votes, said = self._first(files, golden, task, worker, label)
        return _contradiction(votes, said, earlier, before.row)

    def _contradiction(self, files: Sequence[Votes], votes: Votes, golden: bool, said: Said) -> VoteFileError:
        label = None if said.whole or said.label is None else self._names_in(votes)[said.label]
        earlier, before = self._first(files, golden, said.task, said.worker, label)
        return _contradiction(votes, said, earlier, before.row)

    def _first(
        self, files: Sequence[Votes], golden: bool, task: str, worker: str, label: int | None
    ) -> tuple[Votes, Said]:
        """The first that was said so: an answer to the label, or, of the label None, a choice."""
        for votes in files:
            names = self._names_in(votes)
            for said in votes.golden if golden else votes.said:
                if (said.task, said.worker, said.whole) != (task, worker, label is None):
                    continue
                counts = said.answer == "yes" or (not said.whole and said.answer != "skip")
                if counts and (label is None or (said.label is not None and names.get(said.label) == label)):
                    return votes, said
        raise KeyError(task)

    def _check_known(self, files: Sequence[Votes]) -> None:
        """Stop at unknown names, all of a kind at once."""
        for what in ("sample", "label"):
            unknown: dict[str, tuple[Votes, int]] = {}
            for votes in files:
                known: Mapping[str, int | None] = self.rows if what == "sample" else self._names_in(votes)
                for said in (*votes.said, *votes.golden):
                    name = said.task if what == "sample" else said.label
                    if name is None:
                        continue
                    if name not in known:
                        unknown.setdefault(name, (votes, said.row))
                    elif known[name] is None:
                        mend = "use ids that are no other label's name"
                        raise votes.error(f"{name!r} is the id of one label and the name of another", mend, said.row)
            if unknown and not self.ignore_unknown:
                first, *others = unknown
                votes, row = unknown[first]
                known = self.rows if what == "sample" else self._names_in(votes)
                more = ", ".join(repr(name) for name in others[: NAMED - 1])
                rest = f" (also unknown: {more}{', …' if len(unknown) > NAMED else ''}; {len(unknown):,} in all)"
                raise votes.error(
                    f"the corpus has no {what} {first!r}{rest if others else ''}",
                    f"correct it{_hint(what, first, known)}, or pass --ignore-unknown to leave such votes out",
                    row,
                )

    def _items(
        self, votes: Votes, said: Sequence[Said], ballots: Ballots
    ) -> Iterator[tuple[Said, int, frozenset[int]]]:
        """What was said, with the sample's row; the parts of a choice, which follow each other, as one."""
        start, names = 0, self._names_in(votes)
        sets: dict[frozenset[int], frozenset[int]] = {}
        while start < len(said):
            first, stop = said[start], start + 1
            while first.whole and stop < len(said) and said[stop].whole and _same(first, said[stop]):
                stop += 1
            parts, start = said[start:stop], stop
            if first.task not in self.rows:
                ballots.notes["of unknown samples, left out"] += len(parts)
                continue
            chosen = [names.get(part.label) for part in parts if part.label is not None]
            if None in chosen:
                ballots.notes["of unknown labels, left out"] += chosen.count(None)
                continue  # of a choice with an unknown label it is not known what the rest is worth
            chose = frozenset(label for label in chosen if label is not None)
            labels = sets.setdefault(chose, chose)  # one object for all that are equal
            if self.exclusive and first.whole and len(labels) > 1:
                if first.worker:
                    raise votes.error(
                        f"{first.worker} chose {', '.join(repr(part.label) for part in parts)} for {first.task!r}, "
                        "but corpus.json says that the labels are exclusive",
                        "keep one of them",
                        first.row,
                    )
                ballots.notes["known answers with several labels, left out"] += 1
                continue
            yield first, self.rows[first.task], labels

    def _take(self, ballots: Ballots, worker: int, said: Said, row: int, labels: frozenset[int]) -> bool:
        """Take one thing that was said; false where it contradicts what was taken before."""
        answer = ANSWERS.index(said.answer)
        if answer in (UNSURE, SKIP):
            (ballots.unsure if answer == UNSURE else ballots.skipped)[worker] += 1
        if answer == SKIP or (said.whole and answer == UNSURE):
            return True
        taken: dict[Any, Any]
        key: Any
        value: Any = labels if said.whole else answer
        if said.whole:
            taken, key = (ballots.choices, (row, worker)) if worker >= 0 else (ballots.golden_choices, row)
        else:
            (label,) = labels
            taken, key = (
                (ballots.answers, (row, label, worker)) if worker >= 0 else (ballots.golden_answers, (row, label))
            )
        if key not in taken:
            taken[key] = value
            return True
        ballots.notes["said twice, counted once"] += 1
        return bool(taken[key] == value)


def _differ(chosen: frozenset[int] | None, label: int, answer: int) -> bool:
    return chosen is not None and answer in (YES, NO) and (label in chosen) != (answer == YES)


def _contradiction(votes: Votes, said: Said, earlier: Votes, row: int) -> VoteFileError:
    who = f"what {said.worker!r} says" if said.worker else "the known answer"
    where = f"{earlier.unit} {row}" if earlier is votes else f"{earlier.file}, {earlier.unit} {row}"
    return votes.error(f"{who} of {said.task!r} contradicts {where}", "keep one of them", said.row)


def _same(first: Said, second: Said) -> bool:
    return (first.task, first.worker, first.row) == (second.task, second.worker, second.row)


def _hint(what: str, wrong: str, known: Mapping[str, int | None]) -> str:
    if what == "label":
        alike = {unicodedata.normalize("NFC", name).casefold(): name for name in known}
        near = difflib.get_close_matches(unicodedata.normalize("NFC", wrong).casefold(), alike, n=1, cutoff=0.75)
        if near:
            return f" to {alike[near[0]]!r}"
        names = [*{number: name for name, number in known.items()}.values()]  # of id and name the later, the name
        return f" to one of {', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''}"
    return f" (a task is a sample's id, such as {next(iter(known), '')!r})"
