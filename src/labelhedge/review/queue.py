"""`Queue`: who is asked what next. Several reviewers work on one list of tasks, none is asked twice.

queue = Queue(corpus, tasks, needed=2)
queue.record(store.votes())                                     # what is done already
served = queue.serve("ana", "tab-1", count=4)                   # the same until answered or let go
queue.record([vote]); queue.progress("ana")

A task is open until `needed` reviewers have answered yes, no or unsure. One that is served is leased to the
reviewer's tab for some minutes, and a lease counts like an answer, so that two do not do the same work; a vote that
arrives after its lease has run out is kept all the same. A tab says with every request what it holds: the rest of its
leases ends. Leases live in memory only: after a restart a tab has what it holds leased again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labelhedge.corpus import Corpus
from labelhedge.review.orders import Task
from labelhedge.verify import ANSWERS, Vote

LEASE = 300.0  # seconds


class Progress(NamedTuple):
    """How far the work is: tasks of `total` that have all their votes, and the reviewer's own answers."""

    done: int
    total: int
    mine: int
    skipped: int
    open_to_me: int


@dataclass(frozen=True)
class Served:
    """What `Queue.serve` answers: tasks, what the tab holds no longer, and tasks that wait for other reviewers."""

    tasks: list[Task]
    dropped: list[Task]
    waiting: int


class _Lease(NamedTuple):
    session: str
    until: float


class Queue:
    """Tasks in order, the votes and the leases on them. It may be used from several threads.

    Parameters
    ----------
    corpus : Corpus
    tasks : sequence of Task
        In the order in which they are asked.
    needed : int
        Votes per task.
    clock : function
        Seconds, monotonic.
    """

    def __init__(
        self, corpus: Corpus, tasks: Sequence[Task], *, needed: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tasks, self.needed, self._clock = list(tasks), needed, clock
        self._lock = threading.RLock()
        names = [label.id for label in corpus.labels]
        self._position = {(corpus.samples.ids[task.row], names[task.label]): at for at, task in enumerate(self.tasks)}
        self._at = {task: at for at, task in enumerate(self.tasks)}
        self._of_label: dict[int | None, list[int]] = defaultdict(list)
        self._place: list[int] = []  # of each task among those of its label
        for at, task in enumerate(self.tasks):
            self._place.append(len(self._of_label[task.label]))
            self._of_label[task.label].append(at)
            self._of_label[None].append(at)
        self._answers: dict[int, dict[str, str]] = {}  # position -> reviewer -> answer
        self._leases: dict[int, dict[str, _Lease]] = {}  # position -> reviewer -> lease
        self._held: dict[tuple[str, str], set[int]] = defaultdict(set)  # reviewer, tab -> positions of its leases
        self._start: dict[tuple[str, int | None], int] = {}  # where a reviewer's open tasks begin
        self._done: Counter[int] = Counter()  # label -> tasks with all their votes
        self._done_with: Counter[str] = Counter()  # reviewer -> those of them that the reviewer has answered or skipped
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)  # reviewer -> answer -> how many
        self._skips: dict[str, set[int]] = defaultdict(set)  # reviewer -> positions
        self._rounds: dict[tuple[str, str], tuple[str, set[int]]] = {}  # reviewer, tab -> round, what it skipped again

    def record(self, votes: Iterable[Vote]) -> int:
        """Take note of votes that are stored; how many of them are about no task of this list."""
        foreign = 0
        with self._lock:
            for vote in votes:
                at = self._position.get((vote.sample, vote.label))
                if at is None:
                    foreign += 1
                    continue
                self._answer(at, vote.reviewer, vote.answer)
                self._let_go(at, vote.reviewer)
                if vote.answer == "skip":
                    for passed in self._passed_by(vote.reviewer):
                        passed.add(at)
        return foreign

    def forget(self, sample: str, label: str, reviewer: str, *, answer: str | None, session: str) -> None:
        """Take note that a vote was taken back: `answer` is the one before it, if any. The tab gets the task again."""
        with self._lock:
            at = self._position.get((sample, label))
            if at is None:
                return
            self._answer(at, reviewer, answer)
            if answer in (None, "skip"):
                self._lease(at, reviewer, session)
            for passed in self._passed_by(reviewer):
                passed.discard(at)
            for name, of_label in [key for key in self._start if key[0] == reviewer or self._open(at)]:
                if of_label in (None, self.tasks[at].label):
                    place = at if of_label is None else self._place[at]
                    self._start[name, of_label] = min(self._start[name, of_label], place)

    def serve(
        self,
        reviewer: str,
        session: str,
        *,
        count: int,
        label: int | None = None,
        one_label: bool = False,
        holding: Sequence[Task] = (),
        answered: Sequence[Task] = (),
        again: str | None = None,
    ) -> Served:
        """Lease up to `count` open tasks to a reviewer's tab, in order, and renew those that it holds.

        Parameters
        ----------
        reviewer, session : str
        count : int
            How many tasks the tab wants beside those that it holds.
        label : int, optional
            Only of this label.
        one_label : bool
            All of one label: that of the first open task.
        holding : sequence of Task
            What the tab shows or keeps ready; what else was leased to it is let go.
        answered : sequence of Task
            What it has answered, where the vote may still be on its way.
        again : str, optional
            A round, of any name, through what the reviewer has skipped: each of it is asked once more.
        """
        with self._lock:
            held = {self._at[task] for task in holding if task in self._at}
            going = {self._at[task] for task in answered if task in self._at}
            lost = [task for task in holding if task not in self._at]
            for at in self._held[reviewer, session] - held - going:
                self._let_go(at, reviewer)
            for at in sorted(held | going):
                if self._free(at, reviewer, session, skipped=at in held):
                    self._lease(at, reviewer, session)
                elif at in held:
                    lost.append(self.tasks[at])
            passed = None if again is None else self._passed(reviewer, session, again)
            found, waiting = self._find(reviewer, session, count, label, one_label, held | going, passed)
            for at in found:
                self._lease(at, reviewer, session)
            return Served([self.tasks[at] for at in found], lost, waiting)

    def release(self, reviewer: str, session: str) -> None:
        """Let go of everything that a tab holds: it was closed."""
        with self._lock:
            for at in self._held.pop((reviewer, session), set()):
                self._let_go(at, reviewer)
            self._rounds.pop((reviewer, session), None)

    def progress(self, reviewer: str) -> Progress:
        """How far the work is, and how much of it is a reviewer's."""
        with self._lock:
            done, total = sum(self._done.values()), len(self.tasks)
            counts = self._counts.get(reviewer, Counter())
            skipped = counts["skip"]
            mine = counts.total() - skipped
            without_me = done - self._done_with[reviewer]
            return Progress(done, total, mine, skipped, total - mine - skipped - without_me)

    def by_label(self) -> dict[int, tuple[int, int]]:
        """For each label that is asked about: tasks with all their votes, and all its tasks."""
        with self._lock:
            return {label: (self._done[label], len(at)) for label, at in self._of_label.items() if label is not None}

    def counts(self) -> dict[str, dict[str, int]]:
        """How many answers to these tasks there are: reviewer -> answer -> count, reviewers in order of name."""
        with self._lock:
            made = {name: counts for name, counts in sorted(self._counts.items()) if counts.total()}
            return {name: {answer: counts[answer] for answer in ANSWERS} for name, counts in made.items()}

    def _find(
        self,
        reviewer: str,
        session: str,
        count: int,
        label: int | None,
        one_label: bool,
        taken: set[int],
        passed: set[int] | None,
    ) -> tuple[list[int], int]:
        """Positions of up to `count` tasks, and if there are fewer, how many wait for others."""
        found: list[int] = []
        waiting = 0
        wanted = self._unasked(reviewer, label) if passed is None else self._skipped(reviewer, label, passed)
        for at in wanted:
            if len(found) == count:
                break
            if at in taken:
                continue
            if not self._free(at, reviewer, session, skipped=passed is not None):
                waiting += 1
            elif one_label and label is None:
                return self._find(reviewer, session, count, self.tasks[at].label, False, taken, passed)
            else:
                found.append(at)
        return found, waiting

    def _unasked(self, reviewer: str, label: int | None) -> Iterator[int]:
        """Open tasks that the reviewer has neither answered nor skipped, in order."""
        order = self._of_label.get(label, [])
        moving = True
        for index in range(self._start.get((reviewer, label), 0), len(order)):
            if self._open(order[index]) and self._unanswered(order[index], reviewer, skipped=False):
                moving = False
                yield order[index]
            elif moving:
                self._start[reviewer, label] = index + 1

    def _skipped(self, reviewer: str, label: int | None, passed: set[int]) -> Iterator[int]:
        """Open tasks that the reviewer has skipped, but not in this round, in order."""
        for at in sorted(self._skips[reviewer] - passed):
            if self._open(at) and label in (None, self.tasks[at].label):
                yield at

    def _passed(self, reviewer: str, session: str, again: str) -> set[int]:
        known, passed = self._rounds.get((reviewer, session), ("", set()))
        if known != again:
            passed = set()
            self._rounds[reviewer, session] = (again, passed)
        return passed

    def _passed_by(self, reviewer: str) -> list[set[int]]:
        return [passed for (name, _), (_, passed) in self._rounds.items() if name == reviewer]

    def _lease(self, at: int, reviewer: str, session: str) -> None:
        self._let_go(at, reviewer)
        self._leases.setdefault(at, {})[reviewer] = _Lease(session, self._clock() + LEASE)
        self._held[reviewer, session].add(at)

    def _let_go(self, at: int, reviewer: str) -> None:
        lease = self._leases.get(at, {}).pop(reviewer, None)
        if lease is not None:
            self._held[reviewer, lease.session].discard(at)

    def _answer(self, at: int, reviewer: str, answer: str | None) -> None:
        answers = self._answers.setdefault(at, {})
        self._count_done(at, -1)
        before = answers.pop(reviewer, None)
        if before is not None:
            self._counts[reviewer][before] -= 1
        if answer is not None:
            answers[reviewer] = answer
            self._counts[reviewer][answer] += 1
        if answer == "skip":
            self._skips[reviewer].add(at)
        else:
            self._skips[reviewer].discard(at)
        self._count_done(at, 1)

    def _count_done(self, at: int, by: int) -> None:
        if self._is_done(at):
            self._done[self.tasks[at].label] += by
            for reviewer in self._answers[at]:
                self._done_with[reviewer] += by

    def _votes(self, at: int) -> int:
        return sum(answer != "skip" for answer in self._answers[at].values()) if at in self._answers else 0

    def _is_done(self, at: int) -> bool:
        return self._votes(at) >= self.needed

    def _open(self, at: int) -> bool:
        return not self._is_done(at)

    def _unanswered(self, at: int, reviewer: str, *, skipped: bool) -> bool:
        answer = self._answers[at].get(reviewer) if at in self._answers else None
        return answer is None or (skipped and answer == "skip")

    def _free(self, at: int, reviewer: str, session: str, *, skipped: bool) -> bool:
        """Whether a task may be served to a tab: open, not answered by the reviewer, not leased to enough others."""
        if self._is_done(at) or not self._unanswered(at, reviewer, skipped=skipped):
            return False
        now, leases = self._clock(), self._leases.get(at, {})
        for other in [name for name, lease in leases.items() if lease.until <= now]:
            self._let_go(at, other)
        if reviewer in leases:
            return leases[reviewer].session == session
        return self._votes(at) + len(leases) < self.needed
