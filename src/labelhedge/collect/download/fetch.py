"""Asking for an image: a request, its redirects, its bytes, and every way in which that fails.

Nothing that a server says is believed: lengths and types are checked on what is sent, redirects are followed one by
one, and none leads from the open web into the network that this machine is in. Neither does the list itself, unless the
user allows it: lists are written by others too.
"""

from __future__ import annotations

import asyncio
import http.cookiejar
import socket
import ssl
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.request import getproxies

from labelhedge.collect import web
from labelhedge.collect.download.hosts import Hosts, Job
from labelhedge.collect.download.inside import Where, is_open, where
from labelhedge.collect.download.settings import Failure, Settings

if TYPE_CHECKING:
    import httpx

_GONE = "photo_unavailable"  # Flickr redirects to a picture of this name where a photo was removed
_CLIENTS = 64  # kept open, where no more are in use
_PLACES = 10_000  # hosts of which is remembered where they are
_LOOK_AGAIN = 30.0  # seconds after which the addresses of a name are looked up again
_GZIP_OR_ZLIB = 47  # window bits of zlib that tell the two apart by their headers
_SILENT = ("timeout", "host not found", "connection failed")


@dataclass
class _Open:
    http: httpx.AsyncClient
    users: int = 0


class Clients:
    """A client for each host, the last ones kept: httpx looks at every connection of a client for every request.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: OrderedDict[str, _Open] = OrderedDict()

    @asynccontextmanager
    async def of(self, host: str) -> AsyncIterator[httpx.AsyncClient]:
        """The client of a host, which stays open as long as it is used."""
        if host not in self._open:
            self._open[host] = _Open(_client(self._settings))
        self._open.move_to_end(host)
        entry = self._open[host]
        entry.users += 1
        try:
            yield entry.http
        finally:
            entry.users -= 1
            await self._close(_CLIENTS)

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close(0)

    async def _close(self, most: int) -> None:
        """Close what nobody uses, the longest unused first, until at most so many are left."""
        idle = [host for host, entry in self._open.items() if not entry.users] if len(self._open) > most else []
        closing = [self._open.pop(host) for host in idle[: len(self._open) - most]]
        for entry in closing:
            await entry.http.aclose()


def _client(settings: Settings) -> httpx.AsyncClient:
    """A client that follows no redirect by itself and keeps no cookie."""
    import httpx

    nobody = http.cookiejar.DefaultCookiePolicy(allowed_domains=[])
    # Encodings are not asked for: an image is compressed already, and a bomb would be believed.
    headers = {"User-Agent": settings.agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
    return httpx.AsyncClient(
        headers=headers,
        cookies=http.cookiejar.CookieJar(policy=nobody),
        timeout=settings.timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=settings.per_host),
        follow_redirects=False,
        verify=web.tls(),
    )


def host_of(url: str) -> str:
    """The host of a web address.

    Raises
    ------
    Failure
        When it is none.
    """
    return _parsed(url).host


class Fetcher:
    """Fetches the bytes of an image.

    Parameters
    ----------
    clients : Clients
    hosts : Hosts
        Where each request takes its turn.
    settings : Settings
    """

    def __init__(self, clients: Clients, hosts: Hosts, settings: Settings) -> None:
        self._clients, self._hosts, self._settings = clients, hosts, settings
        self._places: dict[str, tuple[Where, float]] = {}  # and until when that is believed
        # A proxy resolves names itself, and may know other addresses than this machine.
        self._proxied = any(scheme in getproxies() for scheme in ("http", "https", "all"))

    async def fetch(self, job: Job) -> bytes:
        """The bytes of a job that `Hosts.take` gave.

        Raises
        ------
        Failure
            When they cannot be had, all attempts and redirects included.
        """
        visit = _Visit(self._hosts, job.host)
        attempts = 1 if self._hosts.silent(job.host) else self._settings.attempts
        caller = web.retrying(attempts, self._settings.first_wait, self._settings.longest_wait)
        try:
            data = await caller(_worth_a_retry, self._follow, visit, job.url)
        except Failure as failure:
            self._hosts.heard(job.host, answered=failure.category not in _SILENT)
            raise
        finally:
            await visit.leave()
        self._hosts.heard(job.host, answered=True)
        return data

    async def _follow(self, visit: _Visit, url: str) -> bytes:
        address = origin = _parsed(url)
        seen = {address}
        for _ in range(self._settings.max_redirects + 1):
            await visit.go(address.host)
            if self._hosts.closed(address.host):
                raise Failure("host asks to wait", address.host)
            got = await self._request(address, origin)
            if isinstance(got, bytes):
                return got
            address = got
            if address in seen:
                raise Failure("redirect loop", str(address))
            seen.add(address)
        raise Failure("too many redirects", f"more than {self._settings.max_redirects}")

    async def _request(self, address: httpx.URL, origin: httpx.URL) -> bytes | httpx.URL:
        import httpx

        begun = False
        try:
            async with asyncio.timeout(self._settings.deadline), self._clients.of(address.host) as http:
                await self._check_host(address, origin)
                async with http.stream("GET", address) as response:
                    begun = True
                    await self._check_peer(response, address, origin)
                    if response.has_redirect_location:
                        return self._target(response, address)
                    self._check_status(response, address.host)
                    return await self._body(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Failure("timeout", transient=True) from error
        # httpx has looked at the redirect: the address itself was parsed before. A host name that breaks the rules of
        # IDNA is a UnicodeError.
        except (httpx.InvalidURL, UnicodeError) as error:
            raise _nowhere() from error
        except httpx.ConnectError as error:
            raise _connection(error) from error
        except httpx.TransportError as error:
            if "location header" in str(error):  # httpx again
                raise _nowhere() from error
            if begun:
                raise Failure("truncated", "the connection ended before the image", transient=True) from error
            raise Failure("connection failed", "no answer in HTTP", transient=True) from error

    def _target(self, response: httpx.Response, address: httpx.URL) -> httpx.URL:
        """Where a redirect leads."""
        import httpx

        try:
            target = address.join(response.headers["Location"]).copy_with(fragment=None)
            complete = _is_complete(target)
        except (httpx.InvalidURL, ValueError) as error:
            raise _nowhere() from error
        if _GONE in target.path:
            raise Failure("no longer available")
        if target.scheme not in ("http", "https"):
            raise Failure("redirect refused", f"to {target.scheme}:")
        if not complete:
            raise _nowhere()
        return target

    async def _check_host(self, address: httpx.URL, origin: httpx.URL) -> None:
        """Refuse to ask a host that is inside, before anything is sent to it."""
        if await self._where(address.host) is not Where.OPEN:
            await self._may_be_inside(address, origin)

    async def _check_peer(self, response: httpx.Response, address: httpx.URL, origin: httpx.URL) -> None:
        """Refuse an answer from inside, where a name has changed its address since it was looked up."""
        stream = response.extensions.get("network_stream")
        peer = stream.get_extra_info("server_addr") if stream is not None and not self._proxied else None
        if peer and not is_open(str(peer[0])):
            await self._may_be_inside(address, origin)

    async def _may_be_inside(self, address: httpx.URL, origin: httpx.URL) -> None:
        """Nothing inside is asked, unless that is allowed: what the list names, and where hosts inside redirect to.

        A name with addresses of both kinds is not inside: its owner may be anybody.
        """
        redirected = address != origin
        if redirected and not (self._settings.allow_private and await self._where(origin.host) is Where.INSIDE):
            raise Failure("redirect refused", "to a private address")
        if not self._settings.allow_private:
            raise Failure("private address", "fetched with --allow-private only")

    async def _where(self, host: str) -> Where:
        """Where a host is, looked up again now and then."""
        now = asyncio.get_running_loop().time()
        known = self._places.get(host)
        if known is None or known[1] < now:
            if len(self._places) >= _PLACES:
                self._places.clear()
            known = self._places[host] = await where(host, resolve=not self._proxied), now + _LOOK_AGAIN
        return known[0]

    def _check_status(self, response: httpx.Response, host: str) -> None:
        status = response.status_code
        if status == 200:
            return
        if status not in web.TRANSIENT:
            raise Failure(f"http {status}")
        wait = web.retry_after(response.headers)
        if wait is not None and wait > self._settings.longest_wait:
            self._hosts.close(host, wait)
            raise Failure("host asks to wait", host)
        if status in (429, 503):
            self._hosts.hold(host, self._settings.first_wait if wait is None else wait)
        raise Failure(f"http {status}", transient=True, wait=wait)

    async def _body(self, response: httpx.Response) -> bytes:
        most = self._settings.max_bytes
        too_many = Failure("too many bytes", f"more than {most}")
        stated = response.headers.get("Content-Length", "")
        if stated.isascii() and stated.isdigit() and int(stated) > most:
            raise too_many
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise Failure("unknown encoding", encoding)
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding not in ("identity", "") else None
        body = bytearray()
        async for chunk in response.aiter_raw():
            try:
                body += decoder.decompress(chunk, most + 1 - len(body)) if decoder else chunk
            except zlib.error as error:
                raise Failure("unknown encoding", f"no {encoding}") from error
            if len(body) > most:
                raise too_many
        if decoder and not decoder.eof:
            raise Failure("truncated", f"the {encoding} ends early", transient=True)
        return bytes(body)


class _Visit:
    """The one host at which a job has its place: it leaves one before it waits for another, so none waits in a ring."""

    def __init__(self, hosts: Hosts, host: str) -> None:
        self._hosts = hosts
        self._at: str | None = host
        self._fresh = True  # the place that `Hosts.take` gave has not been used

    async def go(self, host: str) -> None:
        if self._fresh and self._at == host:
            self._fresh = False
            return
        await self.leave()
        await self._hosts.enter(host)
        self._at, self._fresh = host, False

    async def leave(self) -> None:
        if self._at is not None:
            at, self._at = self._at, None
            await self._hosts.leave(at)


def _parsed(url: str) -> httpx.URL:
    import httpx

    try:
        address = httpx.URL(url).copy_with(fragment=None)
        sound = address.scheme in ("http", "https") and _is_complete(address)
    except (httpx.InvalidURL, ValueError) as error:  # ValueError: a host name that breaks the rules of IDNA
        raise Failure("not a web address") from error
    if not sound:
        raise Failure("not a web address")
    return address


def _is_complete(address: httpx.URL) -> bool:
    """Whether an address names a host, and a port that there is."""
    return bool(address.host) and (address.port is None or 0 < address.port < 65_536)


def _connection(error: BaseException) -> Failure:
    """What a failed connection was: the reason lies behind the exceptions of the libraries."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, socket.gaierror):
            return Failure("host not found", transient=behind.errno == socket.EAI_AGAIN)
        if isinstance(behind, ssl.SSLError):
            return Failure("tls error", getattr(behind, "verify_message", "") or behind.reason or "")
        behind = behind.__cause__ or behind.__context__
    return Failure("connection failed", transient=True)


def _nowhere() -> Failure:
    return Failure("redirect refused", "to no address")


def _worth_a_retry(error: Exception) -> bool | float:
    if not isinstance(error, Failure) or not error.transient:
        return False
    return True if error.wait is None else error.wait
