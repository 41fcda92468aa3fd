"""What was said, matched to the samples and labels of a corpus: `resolve(votes, …) -> Ballots`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from labelhedge.corpus import Label
from labelhedge.verify.said import ANSWERS, Said, VoteFileError, Votes

NO, YES, UNSURE, SKIP = range(len(ANSWERS))
_Seen = dict[tuple[bool, int, int, int], tuple[object, Votes, int]]
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
    labels : the corpus's labels; a vote names one by its id or its name
    exclusive : bool
        Whether a sample has one label, so that nobody may choose two.
    ignore_unknown : bool
        Count unknown samples and labels instead of raising.

    Raises
    ------
    VoteFileError
        When a sample or label is unknown, somebody contradicts themselves, or known answers contradict each other.

    Examples
    --------
    >>> from pathlib import Path
    >>> said = [Said("s1", "ana", "cat", "yes", True, 2)]
    >>> resolve([Votes(Path("votes.csv"), "line", said)], ["s0", "s1"], [Label(id="c", name="cat")]).choices
    {(1, 0): frozenset({0})}
    """
    return _Resolving({name: row for row, name in enumerate(ids)}, _names(labels), exclusive, ignore_unknown).run(files)


def _names(labels: Sequence[Label]) -> dict[str, int | None]:
    """Ids and names of labels; None for a word that is the id of one and the name of another."""
    found: dict[str, int | None] = {label.id: number for number, label in enumerate(labels)}
    for number, label in enumerate(labels):
        if found.setdefault(label.name, number) != number:
            found[label.name] = None
    return found


@dataclass
class _Resolving:
    rows: dict[str, int]
    names: dict[str, int | None]
    exclusive: bool
    ignore_unknown: bool

    def run(self, files: Sequence[Votes]) -> Ballots:
        self._check_known(files)
        ballots = Ballots()
        seen: _Seen = {}
        codes: dict[str, int] = {}
        for votes in files:
            ballots.notes.update(votes.notes)
            for kind in ("said", "golden"):
                for item in self._items(votes, getattr(votes, kind), ballots):
                    worker = -1 if kind == "golden" else codes.setdefault(item[0].worker, len(codes))
                    self._take(ballots, seen, worker, votes, *item)
        ballots.workers = list(codes)
        return ballots

    def _check_known(self, files: Sequence[Votes]) -> None:
        """Stop at unknown names, all of a kind at once."""
        for what, known in (("sample", self.rows), ("label", self.names)):
            unknown: dict[str, tuple[Votes, int]] = {}
            for votes in files:
                for said in (*votes.said, *votes.golden):
                    name = said.task if what == "sample" else said.label
                    if name is None:
                        continue
                    if name not in known:
                        unknown.setdefault(name, (votes, said.row))
                    elif what == "label" and self.names[name] is None:
                        mend = "use ids that are no other label's name"
                        raise votes.error(f"{name!r} is the id of one label and the name of another", mend, said.row)
            if unknown and not self.ignore_unknown:
                first, *others = unknown
                votes, row = unknown[first]
                more = ", ".join(repr(name) for name in others[: NAMED - 1])
                rest = f" (also unknown: {more}{', …' if len(unknown) > NAMED else ''}; {len(unknown):,} in all)"
                raise votes.error(
                    f"the corpus has no {what} {first!r}{rest if others else ''}",
                    f"correct it{_hint(what, known)}, or pass --ignore-unknown to leave such votes out",
                    row,
                )

    def _items(
        self, votes: Votes, said: Sequence[Said], ballots: Ballots
    ) -> Iterator[tuple[Said, int, frozenset[int]]]:
        """What was said, with the sample's row; the parts of a choice, which follow each other, as one."""
        start = 0
        while start < len(said):
            first, stop = said[start], start + 1
            while first.whole and stop < len(said) and said[stop].whole and _same(first, said[stop]):
                stop += 1
            parts, start = said[start:stop], stop
            if first.task not in self.rows:
                ballots.notes["of unknown samples, left out"] += len(parts)
                continue
            chosen = [self.names.get(part.label) for part in parts if part.label is not None]
            if None in chosen:
                ballots.notes["of unknown labels, left out"] += chosen.count(None)
                continue  # of a choice with an unknown label it is not known what the rest is worth
            labels = frozenset(label for label in chosen if label is not None)
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

    def _take(
        self, ballots: Ballots, seen: _Seen, worker: int, votes: Votes, said: Said, row: int, labels: frozenset[int]
    ) -> None:
        answer = ANSWERS.index(said.answer)
        if answer in (UNSURE, SKIP):
            (ballots.unsure if answer == UNSURE else ballots.skipped)[worker] += 1
        if answer == SKIP or (said.whole and answer == UNSURE):
            return
        label = -1 if said.whole else next(iter(labels))
        value = labels if said.whole else answer
        key = (said.whole, row, label, worker)
        if key in seen:
            before, earlier, place = seen[key]
            if before != value:
                raise self._contradiction(votes, said, earlier, place)
            ballots.notes["said twice, counted once"] += 1
            return
        seen[key] = (value, votes, said.row)
        if said.whole and worker >= 0:
            ballots.choices[row, worker] = labels
        elif said.whole:
            ballots.golden_choices[row] = labels
        elif worker >= 0:
            ballots.answers[row, label, worker] = answer
        else:
            ballots.golden_answers[row, label] = answer

    def _contradiction(self, votes: Votes, said: Said, earlier: Votes, row: int) -> VoteFileError:
        who = f"what {said.worker!r} says" if said.worker else "the known answer"
        where = f"{earlier.unit} {row}" if earlier is votes else f"{earlier.file}, {earlier.unit} {row}"
        return votes.error(f"{who} of {said.task!r} contradicts {where}", "keep one of them", said.row)


def _same(first: Said, second: Said) -> bool:
    return (first.task, first.worker, first.row) == (second.task, second.worker, second.row)


def _hint(what: str, known: dict[str, int] | dict[str, int | None]) -> str:
    if what == "label":
        return f" to one of {', '.join(list(known)[:NAMED])}{', …' if len(known) > NAMED else ''}"
    return f" (a task is a sample's id, such as {next(iter(known), '')!r})"
