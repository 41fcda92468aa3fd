"""What every client of the web here needs: retries that heed the server, a pace, a loop for synchronous callers."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from labelhedge.collect.records import needs

if TYPE_CHECKING:
    import stamina

Result = TypeVar("Result")

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed."""

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
    """At most `rate` starts a second, over all threads of the process; a copy in another process has its own pace."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = 0.0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Pace], tuple[float]]:
        return Pace, (self._rate,)

    async def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            turn = max(time.monotonic(), self._next)
            self._next = turn + 1 / self._rate
        await asyncio.sleep(max(0.0, turn - time.monotonic()))

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes for a while."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


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
