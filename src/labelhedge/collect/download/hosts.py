"""Who may be asked now: photos wait here until their host is free, has rested, and does not ask to be left alone.

What waits is bounded, so memory does not grow with the list. A host at its limit does not hold up the others, as long
as photos of others are among those that wait.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

_REMEMBERED = 10_000  # hosts; those at rest beyond that are forgotten
_GIVEN_UP = 5  # photos in a row that a host did not answer at all


class Job(NamedTuple):
    """A photo to fetch."""

    key: bytes
    url: str
    host: str


@dataclass
class _Host:
    active: int = 0
    next: float = 0.0  # when the next request may start, by the loop's clock
    closed: float = 0.0  # until when it wants no request at all
    silent: int = 0  # photos in a row without an answer


class Hosts:
    """A bounded line of jobs, and the limits of each host.

    Parameters
    ----------
    per_host : int
        Requests to a host at a time.
    delay : float
        Seconds between the starts of two requests to a host.
    room : int
        Jobs that may wait.
    """

    def __init__(self, per_host: int, delay: float, room: int) -> None:
        self._per_host, self._delay, self._room = per_host, delay, room
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._count = 0
        self._ended = False
        self._hosts: dict[str, _Host] = {}
        self._changed = asyncio.Condition()

    async def put(self, job: Job) -> None:
        """Line up; waits while there is no room."""
        async with self._changed:
            while self._count >= self._room:
                await self._changed.wait()
            self._waiting.setdefault(job.host, deque()).append(job)
            self._count += 1
            self._changed.notify_all()

    async def end(self) -> None:
        """No more jobs come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def take(self) -> Job | None:
        """The next job whose host may be asked, which counts as asked from here; None when all are taken.

        The hosts take turns.
        """
        async with self._changed:
            while self._waiting or not self._ended:
                now, soonest = self._now(), math.inf
                for host, jobs in self._waiting.items():
                    ready = self._ready(host)
                    if ready <= now:
                        job = jobs.popleft()
                        self._waiting.move_to_end(host)
                        if not jobs:
                            del self._waiting[host]
                        self._count -= 1
                        self._start(host)
                        self._changed.notify_all()
                        return job
                    soonest = min(soonest, ready)
                await self._wait(soonest - now)
            return None

    async def enter(self, host: str) -> None:
        """Wait for a place at a host: for a redirect, or another attempt."""
        async with self._changed:
            while (ready := self._ready(host)) > self._now():
                await self._wait(ready - self._now())
            self._start(host)

    async def leave(self, host: str) -> None:
        """A request has ended."""
        async with self._changed:
            self._hosts[host].active -= 1
            if len(self._hosts) > _REMEMBERED:
                self._forget()
            self._changed.notify_all()

    def hold(self, host: str, seconds: float) -> None:
        """No request to a host starts for a while."""
        state = self._state(host)
        state.next = max(state.next, self._now() + seconds)

    def close(self, host: str, seconds: float) -> None:
        """A host wants none for so long that nobody waits for it."""
        state = self._state(host)
        state.closed = max(state.closed, self._now() + seconds)

    def closed(self, host: str) -> bool:
        """Whether a host has asked to be left alone."""
        return self._state(host).closed > self._now()

    def heard(self, host: str, *, answered: bool) -> None:
        """Note whether a host answered when it was asked for a photo."""
        state = self._state(host)
        state.silent = 0 if answered else state.silent + 1

    def silent(self, host: str) -> bool:
        """Whether a host has left photo after photo without any answer: more attempts are then in vain."""
        return self._state(host).silent >= _GIVEN_UP

    def _ready(self, host: str) -> float:
        """When a host may be asked; infinity while it is at its limit."""
        state = self._state(host)
        if state.active >= self._per_host:
            return math.inf
        return 0.0 if self.closed(host) else state.next

    def _start(self, host: str) -> None:
        state = self._state(host)
        state.active += 1
        state.next = max(state.next, self._now() + self._delay)

    def _state(self, host: str) -> _Host:
        return self._hosts.setdefault(host, _Host())

    def _forget(self) -> None:
        now = self._now()
        for host, state in list(self._hosts.items()):
            if not state.active and max(state.next, state.closed) <= now:
                del self._hosts[host]

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else max(0.0, seconds)):
                await self._changed.wait()
        except TimeoutError:
            return

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
