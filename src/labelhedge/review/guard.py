"""`Guard`: who may ask the server for what. A plain ASGI wrapper around the whole application.

Every request passes these checks, in order:

1. Where there is a token, it must be right: in the URL of the first page, which sets a cookie and drops the token from
   the address bar, or in that cookie. A server that is open to a network always has one.
2. Without a token the server is on the loopback address, and the Host header must name it: a foreign name that
   resolves to 127.0.0.1 (DNS rebinding) is refused. With one such a page is refused too: it has no cookie of ours.
3. What changes something must be JSON of at most `MOST_BYTES`, and come from the page itself: browsers say where a
   request comes from in Origin and Sec-Fetch-Site.

Every answer carries a content security policy under which nothing but the package's own files runs.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labelhedge.errors import LabelhedgeError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BYTES = 64 * 1024
_HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("127.0.0.1.evil.org")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(token: str) -> str:
    """A token that stays the same in an address, a cookie and a shell, and that nobody guesses.

    Raises
    ------
    LabelhedgeError
        When it is too short or has other characters.

    Examples
    --------
    >>> check_token("Any-16_or-more-of-these")
    'Any-16_or-more-of-these'
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,}", token):
        raise LabelhedgeError(
            f"the token has {len(token)} characters or others than letters, digits, - and _: give 16 or more of these, "
            "with --token or LABELHEDGE_REVIEW_TOKEN, or leave it to labelhedge to draw one"
        )
    return token


class Guard:
    """Wraps an ASGI application; see the top of the file.

    Parameters
    ----------
    app : ASGI application
    token : str or None
        As `check_token` has it. None: the server is bound to the loopback address, and the Host header is checked.
    cookie : str
        Name of the cookie; with the port in it, as cookies do not tell ports apart.
    """

    def __init__(self, app: App, *, token: str | None, cookie: str = "labelhedge") -> None:
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        guarded = _with_headers(send)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(guarded, *refusal)
            return
        if scope["method"] not in _CHANGING:
            await self._app(scope, receive, guarded)
            return
        body = await _read(receive)
        if body is None:
            await _answer(guarded, 413, f"more than {MOST_BYTES} bytes")
            return
        await self._app(scope, _replay(body, receive), guarded)

    def _refusal(self, scope: Message, headers: dict[str, str]) -> tuple[int, str, dict[str, str]] | None:
        """Status, reason and headers of the answer to a request that is not passed on; None where it is."""
        if self._token is None:
            if not is_loopback(_host_name(headers.get("host", ""))):
                return 421, "this server answers to localhost and 127.0.0.1 only", {}
        else:
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
            if scope["path"] == "/" and _equal(given, self._token):
                cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Lax; Path=/"
                return 303, "", {"location": "/", "set-cookie": cookie, "cache-control": "no-store"}
            if not any(_equal(cookie, self._token) for cookie in self._cookies(headers)):
                return 403, "open the address that labelhedge review has printed: it holds the token", {}
        return self._foreign(scope, headers) if scope["method"] in _CHANGING else None

    def _cookies(self, headers: dict[str, str]) -> list[str]:
        """Values of our cookie. Other applications on this host may have set any others, well formed or not."""
        pairs = [cookie.strip().partition("=") for cookie in headers.get("cookie", "").split(";")]
        return [value for name, _, value in pairs if name == self._cookie]

    @staticmethod
    def _foreign(scope: Message, headers: dict[str, str]) -> tuple[int, str, dict[str, str]] | None:
        """The refusal of a change that does not come from the page itself."""
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "send application/json", {}
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "requests from other pages are refused", {}
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            return 403, "requests from other pages are refused", {}
        if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", "0")) > MOST_BYTES:
            return 413, f"more than {MOST_BYTES} bytes", {}
        return None


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _host_name(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += bytes(message.get("body", b""))
        if len(body) > MOST_BYTES:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            fixed = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *fixed]
        await send(message)

    return guarded


async def _answer(send: Send, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"detail": reason}).encode()
    head = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    start = [(name.encode(), value.encode("latin-1")) for name, value in head.items()]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
