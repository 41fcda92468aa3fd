"""Whom `collect download` asks, and how often: politeness, and the network inside."""

from __future__ import annotations

import asyncio
import socket

import httpx
import numpy as np
import pytest

import download_help
import hostile_server
from download_help import FAST
from hostile_server import answer, picture, raw, redirect
from labelhedge.collect.download import Failure, Settings
from labelhedge.collect.download.fetch import Clients, Fetcher
from labelhedge.collect.download.hosts import Hosts
from labelhedge.collect.download.inside import Where, where

fetch, server = download_help.fetch, hostile_server.server


# --- Politeness ---


def test_limits_for_each_host_and_for_all(server, fetch):
    server.otherwise(answer(picture(), after=0.03))
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    urls = [server.url(f"/{number}", host) for host in hosts for number in range(15)]  # by host, as lists often are
    _, summary = fetch(urls, workers=5, per_host=3)
    assert summary.stored == 45
    assert server.peak == 5  # a host at its limit did not hold up the others
    assert max(server.peak_at.values()) <= 3
    fetch(urls[:15], out="one", workers=5, per_host=3)
    assert server.peak_at[hosts[0]] == 3


def test_more_hosts_than_clients_are_kept_open(server, fetch):
    server.otherwise(answer(picture()))
    urls = [server.url(f"/{turn}", f"127.0.1.{number}") for turn in range(2) for number in range(1, 81)]
    _, summary = fetch(urls, workers=8)
    assert summary.stored == 160


def test_a_redirect_takes_its_turn_at_the_other_host(server, fetch):
    server.otherwise(answer(picture(), after=0.05))
    for number in range(12):
        server.on(f"/r{number}", redirect(server.url(f"/{number}", "127.0.0.9")))
    urls = [server.url(f"/r{number}", f"127.0.0.{number % 4 + 1}") for number in range(12)]
    _, summary = fetch(urls, workers=12, per_host=2)
    assert summary.stored == 12
    assert server.peak_at["127.0.0.9"] == 2


def test_requests_to_a_host_keep_their_distance(server, fetch):
    server.otherwise(answer(picture()))
    fetch([server.url(f"/{number}") for number in range(6)], delay=0.06)
    gaps = np.diff(sorted(server.times))
    assert server.times[-1] - server.times[0] >= 5 * 0.06 - 0.02
    assert np.median(gaps) >= 0.04


def test_a_host_that_asks_to_wait_gets_nothing_meanwhile(server, fetch):
    server.on("/0", answer(b"", status=429, Retry_After="1"), answer(picture()))
    server.otherwise(answer(picture()))
    urls = [server.url(f"/{number}") for number in range(4)] + [server.url("/other", "127.0.0.2")]
    rows, _ = fetch(urls, per_host=1, workers=2)
    assert [row["reason"] for row in rows] == [None] * 5
    when = dict(zip([path for path, _, _ in server.seen], server.times, strict=True))
    first = server.times[[path for path, _, _ in server.seen].index("/0")]
    assert min(when[f"/{number}"] for number in range(4)) - first >= 0.99
    assert when["/other"] - first < 0.9


def test_a_host_that_wants_to_be_left_alone_is_not_asked_again_in_this_run(server, fetch):
    server.otherwise(answer(b"", status=429, Retry_After="3600"))
    rows, _ = fetch([server.url(f"/{number}") for number in range(10)], per_host=1)
    assert {row["reason"] for row in rows} == {"host asks to wait: 127.0.0.1"}
    assert server.asked.total() == 1


def test_a_host_without_any_answer_gets_fewer_attempts(server, fetch):
    server.otherwise(raw(b""))
    fetch([server.url(f"/{number}") for number in range(20)], per_host=1)
    assert server.asked.total() == 5 * FAST["attempts"] + 15


# --- The open web and the network inside ---


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "0.0.0.0", "224.0.0.1",
        "240.0.0.1", "192.88.99.1", "localhost", "2130706433", "fec0::1", "fd00::1", "[::1]", "::", "::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "::ffff:0:a00:1", "::808:808",
    ],
)  # fmt: skip
def test_which_hosts_are_inside(host):
    assert asyncio.run(where(host)) is Where.INSIDE


@pytest.mark.parametrize(
    "host",
    ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808", "2002:808:808::", "::ffff:8.8.8.8"],
)
def test_which_hosts_are_open(host):
    assert asyncio.run(where(host)) is Where.OPEN


NAMES = {
    "inside.example": ["127.0.0.1"],
    "mixed.example": ["8.8.8.8", "127.0.0.1"],
    "open.example": ["8.8.8.8"],
}


@pytest.fixture
def names(monkeypatch):
    """Names of NAMES are looked up there; whoever connects to an address of the open web reaches this machine."""
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if name not in NAMES:
            return real(host, port, *rest, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in NAMES[name]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_name_is_where_its_addresses_are(names):
    assert [asyncio.run(where(name)) for name in NAMES] == [Where.INSIDE, Where.MIXED, Where.OPEN]


def test_what_the_list_has_inside_is_fetched_only_where_that_is_allowed(server, fetch, names):
    server.otherwise(answer(picture()))
    urls = [server.url("/a"), server.url("/b", "localhost"), server.url("/c", "mixed.example"), "http://[fec0::1]/d"]
    rows, summary = fetch(urls, allow_private=False)
    assert {row["reason"] for row in rows} == {"private address: fetched with --allow-private only"}
    assert summary.reasons == {"private address": 4}
    assert not server.asked
    rows, _ = fetch(urls[:2], allow_private=True, retry_failed=True)
    assert [row["reason"] for row in rows] == [None, None]


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/", "http://[64:ff9b::a9fe:a9fe]/", "http://mixed.example/x"]
)
def test_only_an_origin_that_is_wholly_inside_may_redirect_inside(names, target):
    async def ask(origin, allowed):
        settings = Settings(**{**FAST, "allow_private": allowed})
        async with Clients(settings) as clients:
            fetcher = Fetcher(clients, Hosts(1, 0.0, 1), settings)
            await fetcher._check_host(httpx.URL(target), httpx.URL(f"http://{origin}/"))

    asyncio.run(ask("inside.example", True))
    for origin, allowed in [("inside.example", False), ("mixed.example", True), ("open.example", True)]:
        with pytest.raises(Failure, match="redirect refused: to a private address"):
            asyncio.run(ask(origin, allowed))


def test_a_host_inside_redirects_inside_where_that_is_allowed(server, fetch, names):
    server.on("/a", redirect(server.url("/b", "mixed.example")))
    server.on("/c", redirect(server.url("/b", "localhost")))
    server.on("/b", answer(picture()))
    rows, _ = fetch([server.url("/c"), server.url("/c", "inside.example")])
    assert [row["reason"] for row in rows] == [None, None]


def test_a_host_name_that_breaks_the_rules_is_that_photos_failure(server, fetch):
    server.on("/good", answer(picture()))
    server.on("/away", redirect("http://xn--ls8h.la/"))
    rows, _ = fetch(["http://xn--ls8h.la/x.jpg", server.url("/away"), "http://xn--a.example/", server.url("/good")])
    assert [row["reason"] for row in rows] == [
        "not a web address",
        "redirect refused: to no address",
        "not a web address",
        None,
    ]


@pytest.mark.parametrize(
    "target", ["http://10.0.0.7/admin", "http://localhost/x", "http://[::1]/", "http://169.254.169.254/"]
)
def test_no_redirect_leads_from_the_open_web_inside(server, fetch, monkeypatch, target):
    """Through a proxy, for there is no open web in a test; the proxy is the server itself."""
    monkeypatch.setenv("HTTP_PROXY", server.url())
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.on("http://photos.example/a", redirect(target))
    server.on("http://photos.example/b", redirect("http://other.example/c"))
    server.on("http://other.example/c", answer(picture()))
    rows, _ = fetch(["http://photos.example/a", "http://photos.example/b"])
    assert [row["reason"] for row in rows] == ["redirect refused: to a private address", None]
    assert not [path for path in server.asked if path == target]
