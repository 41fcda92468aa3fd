"""What every client of the web here needs: retries that heed the server, a pace, a loop for synchronous callers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from labelhedge.collect.records import needs
from labelhedge.errors import LabelhedgeError

if TYPE_CHECKING:
    import filelock
    import stamina

Result = TypeVar("Result")

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed."""

_FARTHEST = 3600.0  # seconds; no pace is held for longer

AGENT = "labelhedge (collects labelled images for research; Python httpx)"


def require() -> None:
    """Say what to install where a package for the web is missing."""
    for package in ("httpx", "stamina"):
        if find_spec(package) is None:
            raise needs(package, "collect")


@cache
def tls() -> ssl.SSLContext:
    """The certificates to trust; reading them takes longer than a request, so they are read once."""
    import httpx

    return httpx.create_ssl_context()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (RFC 9110: a number or a date); None where it does not say.

    Examples
    --------
    >>> retry_after({"Retry-After": "7"})
    7.0
    >>> retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    0.0
    >>> retry_after({"Retry-After": "soon"}) is None
    True
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):  # absent, or nothing that the standard knows
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def retrying(attempts: int, first_wait: float, longest_wait: float) -> stamina.AsyncRetryingCaller:
    """Retries with growing, jittered waits; what is retried is the caller's to say."""
    import stamina

    # Every retry would be a line on the terminal, in the midst of the progress bar; handlers that a user has set are
    # still reached.
    logger = logging.getLogger("stamina")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return stamina.AsyncRetryingCaller(
        attempts=attempts, timeout=None, wait_initial=first_wait, wait_max=longest_wait, wait_jitter=first_wait
    )


class Pace:
    """At most `rate` starts a second at a service, over all threads and processes of this user on this machine.

    The next turn is kept in a file of the temporary folder, by the machine's clock.

    Parameters
    ----------
    rate : float
    service : str
        What all who keep one pace have in common.
    """

    def __init__(self, rate: float, service: str) -> None:
        self._rate, self._service = rate, service
        self._next = 0.0
        self._lock = threading.Lock()
        self._between_processes: filelock.BaseFileLock | None = None

    def __reduce__(self) -> tuple[type[Pace], tuple[float, str]]:
        return Pace, (self._rate, self._service)

    async def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._shared():
            turn = max(time.time(), self._next)
            self._next = turn + 1 / self._rate
        await asyncio.sleep(max(0.0, turn - time.time()))

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes for a while."""
        with self._shared():
            self._next = max(self._next, time.time() + seconds)

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Have the next turn to oneself."""
        import filelock

        with self._lock:
            # Made anew each time, for temporary folders are cleaned while a job runs.
            path = _private_folder() / f"pace-{hashlib.blake2b(self._service.encode(), digest_size=8).hexdigest()}"
            path.touch()
            if self._between_processes is None:
                self._between_processes = filelock.FileLock(f"{path}.lock", poll_interval=0.001)
            with self._between_processes, path.open("r+b") as file:
                kept = file.read()
                # Another length: a process was killed before it wrote. A turn far ahead: the clock was set.
                self._next = struct.unpack("<d", kept)[0] if len(kept) == 8 else 0.0
                if self._next > time.time() + _FARTHEST:
                    self._next = 0.0
                yield
                file.seek(0)
                file.write(struct.pack("<d", self._next))


def _private_folder() -> Path:
    """A temporary folder that only this user can write to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"labelhedge-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != user:
        raise LabelhedgeError(f"{folder} belongs to another user: delete it, or name another folder in TMPDIR")
    return folder


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work to its end, also where a loop is running already (as in a notebook).

    Of the errors of a task group the first is raised: the others are what it led to.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _first_error(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_first_error, work).result()


def _first_error(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
