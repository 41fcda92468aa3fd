"""`Queue`: who is asked what next. Several reviewers work on one list of tasks, none is asked twice.

queue = Queue(corpus, tasks, needed=2)
queue.record(store.votes())                                     # what is done already
served = queue.serve("ana", "tab-1", count=4)                   # the same until answered or let go
queue.record([vote]); queue.progress("ana")

A task is open until `needed` reviewers have answered yes, no or unsure. One that is served is leased to the
reviewer's tab for some minutes, and a lease counts like an answer, so that two do not do the same work; a vote that
arrives after its lease has run out is kept all the same. Leases live in memory only: after a restart a tab says
what it holds, and has it leased again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labelhedge.corpus import Corpus
from labelhedge.review.orders import Task
from labelhedge.verify import Vote

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
        for at, task in enumerate(self.tasks):
            self._of_label[task.label].append(at)
            self._of_label[None].append(at)
        self._answers: dict[int, dict[str, str]] = defaultdict(dict)  # position -> reviewer -> answer
        self._leases: dict[int, dict[str, _Lease]] = defaultdict(dict)  # position -> reviewer -> lease
        self._start: dict[tuple[str, int | None], int] = defaultdict(int)  # where a reviewer's open tasks begin
        self._done: Counter[int] = Counter()  # label -> tasks with all their votes
        self._done_with: Counter[str] = Counter()  # reviewer -> those of them that the reviewer has answered or skipped
        self._mine: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()

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
                self._leases[at].pop(vote.reviewer, None)
        return foreign

    def forget(self, sample: str, label: str, reviewer: str, *, answer: str | None, session: str) -> None:
        """Take note that a vote was taken back: `answer` is the one before it, if any. The tab gets the task again."""
        with self._lock:
            at = self._position.get((sample, label))
            if at is None:
                return
            self._answer(at, reviewer, answer)
            if answer is None:
                self._leases[at][reviewer] = _Lease(session, self._clock() + LEASE)
            for key in [key for key in self._start if key[0] == reviewer or self._open(at)]:
                self._start[key] = 0

    def serve(
        self,
        reviewer: str,
        session: str,
        *,
        count: int,
        label: int | None = None,
        one_label: bool = False,
        holding: Sequence[Task] = (),
        skipped: bool = False,
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
            What the tab has and has not answered.
        skipped : bool
            Ask again what the reviewer has skipped.
        """
        with self._lock:
            held = {self._at[task] for task in holding if task in self._at}
            lost = [task for task in holding if task not in self._at]
            for at in sorted(held):
                if self._free(at, reviewer, session, skipped):
                    self._leases[at][reviewer] = _Lease(session, self._clock() + LEASE)
                else:
                    held.discard(at)
                    lost.append(self.tasks[at])
            found, waiting = self._find(reviewer, session, count, label, one_label, held, skipped)
            for at in found:
                self._leases[at][reviewer] = _Lease(session, self._clock() + LEASE)
            return Served([self.tasks[at] for at in found], lost, waiting)

    def release(self, reviewer: str, session: str) -> None:
        """Let go of everything that a tab holds: it was closed."""
        with self._lock:
            for leases in self._leases.values():
                if reviewer in leases and leases[reviewer].session == session:
                    del leases[reviewer]

    def progress(self, reviewer: str) -> Progress:
        """How far the work is, and how much of it is a reviewer's."""
        with self._lock:
            done, total = sum(self._done.values()), len(self.tasks)
            mine, skipped = self._mine[reviewer], self._skipped[reviewer]
            without_me = done - self._done_with[reviewer]
            return Progress(done, total, mine, skipped, total - mine - skipped - without_me)

    def by_label(self) -> dict[int, tuple[int, int]]:
        """For each label that is asked about: tasks with all their votes, and all its tasks."""
        with self._lock:
            return {label: (self._done[label], len(at)) for label, at in self._of_label.items() if label is not None}

    def _find(
        self,
        reviewer: str,
        session: str,
        count: int,
        label: int | None,
        one_label: bool,
        held: set[int],
        skipped: bool,
    ) -> tuple[list[int], int]:
        order = self._of_label.get(label, [])
        start = 0 if skipped else self._start[reviewer, label]
        moving = not skipped
        found: list[int] = []
        waiting = 0
        for index in range(start, len(order)):
            at = order[index]
            wanted = self._open(at) and self._unanswered(at, reviewer, skipped)
            if not wanted:
                if moving:
                    self._start[reviewer, label] = index + 1
                continue
            moving = False
            if at in held or len(found) == count:
                if len(found) == count:
                    break
                continue
            if not self._free(at, reviewer, session, skipped):
                waiting += 1
            elif one_label and label is None:
                return self._find(reviewer, session, count, self.tasks[at].label, False, held, skipped)
            else:
                found.append(at)
        return found, waiting

    def _answer(self, at: int, reviewer: str, answer: str | None) -> None:
        answers = self._answers[at]
        self._count_done(at, -1)
        for counter, kinds in ((self._skipped, ("skip",)), (self._mine, ("yes", "no", "unsure"))):
            counter[reviewer] += (answer in kinds) - (answers.get(reviewer) in kinds)
        if answer is None:
            answers.pop(reviewer, None)
        else:
            answers[reviewer] = answer
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

    def _unanswered(self, at: int, reviewer: str, skipped: bool) -> bool:
        answer = self._answers[at].get(reviewer) if at in self._answers else None
        return answer is None or (skipped and answer == "skip")

    def _free(self, at: int, reviewer: str, session: str, skipped: bool) -> bool:
        """Whether a task may be served to a tab: open, not answered by the reviewer, not leased to enough others."""
        if self._is_done(at) or not self._unanswered(at, reviewer, skipped):
            return False
        if at not in self._leases:
            return True
        now, leases = self._clock(), self._leases[at]
        for other in [name for name, lease in leases.items() if lease.until <= now]:
            del leases[other]
        if reviewer in leases:
            return leases[reviewer].session == session
        return self._votes(at) + len(leases) < self.needed
