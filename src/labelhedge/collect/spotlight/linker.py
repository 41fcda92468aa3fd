"""DBpedia Spotlight as a linker: its REST service, asked concurrently, politely, and never twice.

    linker = SpotlightLinker("http://localhost:2222/rest", cache="spotlight.sqlite")
    linker.link(["Red panda at the zoo of Berlin"])

A service of one's own is best (the image `dbpedia/dbpedia-spotlight`): the public one is shared by all. What is sent is
the text with every character that the service is known to fail on (control characters, and all beyond U+FFFF) replaced
by one other character, so that offsets stay and count the same in UTF-16 and in characters.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from labelhedge.collect import web
from labelhedge.collect.records import Entity
from labelhedge.collect.spotlight.answer import Malformed, Mention, mentions
from labelhedge.collect.spotlight.cache import Answers
from labelhedge.errors import LabelhedgeError

if TYPE_CHECKING:
    import httpx

_LONGEST_WAIT = 120.0  # seconds; a server that asks for more has stopped serving this client
_UNSENDABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")  # all but XML 1.0's characters up to U+FFFF
_NOT_WORTH_A_RETRY = frozenset({401, 403, 405, 406, 407, 411, 413, 414, 415, 431, 501, 505})


class _Transient(Exception):
    """The same request may succeed later; `wait` is how long the server asks for."""

    def __init__(self, problem: str, *, wait: float | None = None, status: int | None = None) -> None:
        super().__init__(problem)
        self.wait, self.status = wait, status


@dataclass
class SpotlightLinker:
    """Finds entities by DBpedia Spotlight's `/annotate` or `/candidates`; a `records.Linker`.

    Parameters
    ----------
    url : str
        Of the service, without the endpoint.
    endpoint : {"annotate", "candidates"}
        `annotate` gives the similarity score, `candidates` the final score of the best candidate.
    confidence, support
        The service's own parameters: a threshold from 0 to 1, and the least number of links to an entity.
    concurrency : int
        Requests under way at a time.
    rate : float
        Requests a second, at most, over all processes of this user on this machine; those on other machines ask at a
        rate of their own.
    cache : path, optional
        Where answers are kept (SQLite); several processes may share it.
    timeout : float
        Seconds without a byte after which a request has failed.
    retries : int
        How often a request is tried again after a failure that may pass.
    first_wait : float
        Seconds before the first retry; the waits double.
    longest : int
        Characters a request; a longer text is sent in pieces.
    refused : {"error", "skip"}
        What to do with a text that the service refuses again and again (HTTP 400, 404, 500): stop, or go on as if it
        had no entities, counted in `skipped`. Such a refusal is not kept in the cache.
    namespace : str
        What makes the relative URIs of `/candidates` absolute.

    Attributes
    ----------
    asked, dropped, skipped : int
        Requests answered; mentions left out because the text at their offset is another; texts that were skipped,
        wholly or a piece of them. Of this object: copies in other processes count for themselves.

    Raises
    ------
    ValueError
        When a setting cannot be right, and from `link` when the service cannot be reached or refuses.

    Examples
    --------
    >>> SpotlightLinker("http://localhost:2222/rest").link(["", "  "])
    [[], []]
    """

    url: str = "https://api.dbpedia-spotlight.org/en"
    endpoint: Literal["annotate", "candidates"] = "annotate"
    confidence: float = 0.5
    support: int = 20
    concurrency: int = 8
    rate: float = 10.0
    cache: str | os.PathLike[str] | None = None
    timeout: float = 30.0
    retries: int = 5
    first_wait: float = 0.5
    longest: int = 10_000
    refused: Literal["error", "skip"] = "error"
    namespace: str = "http://dbpedia.org/resource/"
    asked: int = field(default=0, init=False)
    dropped: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        _check(parts.scheme in ("http", "https") and bool(parts.netloc), "url", self.url, "an http or https address")
        _check(self.endpoint in ("annotate", "candidates"), "endpoint", self.endpoint, "annotate or candidates")
        _check(self.refused in ("error", "skip"), "refused", self.refused, "error or skip")
        _check(0 <= self.confidence <= 1, "confidence", self.confidence, "from 0 to 1")
        _check(self.support >= 0, "support", self.support, "0 or more")
        _check(self.retries >= 0, "retries", self.retries, "0 or more")
        for name in ("concurrency", "rate", "timeout", "first_wait", "longest"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "more than 0")
        self._pace = web.Pace(self.rate, f"spotlight {parts.netloc}")

    @property
    def address(self) -> str:
        """The URL that is asked."""
        return f"{self.url.rstrip('/')}/{self.endpoint}"

    @property
    def fingerprint(self) -> str:
        """The service, its parameters, and how texts are cut and answers read."""
        return (
            f"spotlight 1 {self.address} confidence={self.confidence:g} support={self.support} "
            f"longest={self.longest} namespace={self.namespace}"
        )

    def link(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of each text, by offset; empty where none was found.

        Raises
        ------
        ValueError
            When the service cannot be reached, fails after all retries, or refuses a text.
        """
        pieces = [_pieces(text, self.longest) for text in texts]
        wanted = {self._key(sent): sent for text in pieces for _, sent in text if sent.strip()}
        found: dict[bytes, list[Mention]] = {}
        if wanted:
            web.require()
            with Answers(Path(self.cache) if self.cache is not None else None) as answers:
                for key, body in answers.find(list(wanted)).items():
                    found[key] = self._read(body, wanted[key])
                missing = {key: sent for key, sent in wanted.items() if key not in found}
            if missing:
                found |= web.run(self._ask_all(missing))
        return self._placed(texts, pieces, found)

    def _placed(
        self, texts: Sequence[str], pieces: list[list[tuple[int, str]]], found: dict[bytes, list[Mention]]
    ) -> list[list[Entity]]:
        linked, dropped, skipped = [], 0, 0
        for text, parts in zip(texts, pieces, strict=True):
            entities = []
            skipped += any(sent.strip() and self._key(sent) not in found for _, sent in parts)
            for start, sent in parts:
                for mention in found.get(self._key(sent), ()) if sent.strip() else ():
                    if mention.span is None:
                        dropped += 1
                        continue
                    first, last = start + mention.span[0], start + mention.span[1]
                    entities.append(Entity(mention.uri, mention.name, text[first:last], first, mention.score))
            linked.append(sorted(entities, key=lambda entity: entity.offset))
        self.dropped += dropped
        self.skipped += skipped
        self._warn(skipped, "texts were refused and have no entities there")
        self._warn(dropped, "mentions were left out, for the text at their offset is another")
        return linked

    def _warn(self, count: int, what: str) -> None:
        if count:
            warnings.warn(f"{self.address}: {count} {what}", stacklevel=4)

    def _key(self, sent: str) -> bytes:
        asked = f"{self.address}\n{self.confidence:g}\n{self.support}\n{sent}"
        return hashlib.blake2b(asked.encode(), digest_size=16).digest()

    def _read(self, body: bytes, sent: str) -> list[Mention]:
        return mentions(body, sent, self.endpoint, self.namespace)

    async def _ask_all(self, missing: dict[bytes, str]) -> dict[bytes, list[Mention]]:
        import httpx

        found: dict[bytes, list[Mention]] = {}
        todo = iter(missing.items())

        async def work() -> None:
            for key, sent in todo:
                body = await self._ask(client, sent)
                if body is not None:
                    found[key] = self._read(body, sent)
                    answers.add(key, body)

        path = Path(self.cache) if self.cache is not None else None
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        headers = {"Accept": "application/json", "User-Agent": web.AGENT}
        # The answers are opened here as well: a connection to SQLite belongs to the thread that made it.
        with Answers(path) as answers:
            async with (
                httpx.AsyncClient(timeout=self.timeout, limits=limits, headers=headers, verify=web.tls()) as client,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(min(self.concurrency, len(missing))):
                    group.create_task(work())
        return found

    async def _ask(self, client: httpx.AsyncClient, sent: str) -> bytes | None:
        caller = web.retrying(self.retries + 1, self.first_wait, _LONGEST_WAIT)
        try:
            body = await caller(_worth_a_retry, self._ask_once, client, sent)
        except _Transient as error:
            if error.status in (400, 404, 500) and self.refused == "skip":
                return None
            raise self._gave_up(error, sent) from error
        self.asked += 1
        return body

    async def _ask_once(self, client: httpx.AsyncClient, sent: str) -> bytes:
        import httpx

        await self._pace.wait()
        form = {"text": sent, "confidence": f"{self.confidence:g}", "support": str(self.support)}
        try:
            response = await client.post(self.address, data=form)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if not self.asked:
                raise LabelhedgeError(
                    f"{self.address} cannot be reached ({_plain(error)}): check the address and the network, or start "
                    f"a service of your own (docker run -p 2222:80 dbpedia/dbpedia-spotlight)"
                ) from error
            raise _Transient(f"the connection failed: {_plain(error)}") from error
        except httpx.TimeoutException as error:
            raise _Transient(f"no answer within {self.timeout:g} s") from error
        except httpx.TransportError as error:
            raise _Transient(f"the connection broke: {_plain(error)}") from error
        except httpx.DecodingError as error:
            raise _Transient(f"the answer cannot be decoded: {_plain(error)}") from error
        self._check_status(response)
        try:
            self._read(response.content, sent)
        except Malformed as error:
            raise _Transient(f"the answer is no JSON of Spotlight: {error}") from error
        return response.content

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        said = " ".join(response.text.split())[:200]
        if response.is_redirect:
            raise LabelhedgeError(
                f"{self.address} is elsewhere: give the url that leads to {response.headers['Location']}"
            )
        if status == 413 or status == 414:
            raise LabelhedgeError(
                f"{self.address} takes no text of {self.longest} characters (HTTP {status}): lower `longest`"
            )
        if status in _NOT_WORTH_A_RETRY:
            raise LabelhedgeError(f"{self.address} refuses to answer: HTTP {status} {said!r}: check the url and access")
        wait = web.retry_after(response.headers) if status in web.TRANSIENT else None
        if wait is not None and wait > _LONGEST_WAIT:
            raise LabelhedgeError(
                f"{self.address} asks to wait {wait:.0f} s (HTTP {status}): start again after that, with a lower rate"
            )
        if wait is not None:
            self._pace.hold(wait)
        raise _Transient(f"HTTP {status} {said!r}", wait=wait, status=status)

    def _gave_up(self, error: _Transient, sent: str) -> LabelhedgeError:
        kept = "start again to go on" if self.cache else "with a cache, what was answered would be kept"
        mend = (
            "the service may fail on this text: refused='skip' goes on without its entities"
            if error.status in (400, 404, 500)
            else f"check that the service runs; lower rate or concurrency, or raise timeout; {kept}"
        )
        return LabelhedgeError(
            f"{self.address} failed {self.retries + 1} times ({error}) on the text {sent[:80]!r}: {mend}"
        )


def _worth_a_retry(error: Exception) -> bool | float:
    if not isinstance(error, _Transient):
        return False
    return True if error.wait is None else error.wait


def _pieces(text: str, longest: int) -> list[tuple[int, str]]:
    """What is sent of a text: pieces and where they start, cut at line ends or else between words."""
    sendable = _UNSENDABLE.sub(lambda match: " " if match[0] < " " or match[0] == "\x7f" else "\ufffd", text)
    pieces = []
    start = 0
    while len(sendable) - start > longest:
        window = sendable[start : start + longest]
        cut = window.rfind("\n") + 1 or window.rfind(" ") + 1 or longest
        pieces.append((start, window[:cut]))
        start += cut
    return [*pieces, (start, sendable[start:])]


def _check(good: bool, name: str, value: object, allowed: str) -> None:
    if not good or (isinstance(value, float) and math.isnan(value)):
        raise LabelhedgeError(f"{name} = {value!r}: must be {allowed}")


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__
