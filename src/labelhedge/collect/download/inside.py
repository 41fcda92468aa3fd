"""Which hosts are inside: addresses that are not of the open internet, in whatever form they are written.

An IPv6 address may carry one of IPv4, to which a gateway or this machine's own network then leads. It counts as what it
carries.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from enum import Enum

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, given up
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")  # RFC 3068, given up

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Where(Enum):
    """Where a host's addresses are."""

    OPEN = "all of the open internet, or none known"
    MIXED = "some inside"
    INSIDE = "all inside"


async def where(host: str, *, resolve: bool = True) -> Where:
    """Where a host is: by its address, or with `resolve` by all addresses of its name.

    Examples
    --------
    >>> asyncio.run(where("192.168.1.1")), asyncio.run(where("8.8.8.8"))
    (<Where.INSIDE: 'all inside'>, <Where.OPEN: 'all of the open internet, or none known'>)
    """
    try:
        return Where.OPEN if is_open(host) else Where.INSIDE
    except ValueError:
        if not resolve:
            return Where.INSIDE if _is_localhost(host) else Where.OPEN
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Where.OPEN  # there is nothing to connect to
    open_ones = [is_open(str(entry[4][0])) for entry in found]
    if all(open_ones):
        return Where.OPEN
    return Where.MIXED if any(open_ones) else Where.INSIDE


def is_open(address: str) -> bool:
    """Whether an address is of the open internet, with every address of IPv4 that it carries.

    Raises
    ------
    ValueError
        When it is no address.

    Examples
    --------
    >>> is_open("64:ff9b::808:808"), is_open("64:ff9b::a9fe:a9fe")  # 8.8.8.8 and 169.254.169.254 through a gateway
    (True, False)
    """
    found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    carried = _carried(found) if isinstance(found, ipaddress.IPv6Address) else []
    return all(_is_global(part) for part in carried or [found])


def _carried(address: ipaddress.IPv6Address) -> list[_Address]:
    """The addresses of IPv4 in one of IPv6; empty where it is only itself."""
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address.sixtofour]
    if address.teredo:
        return list(address.teredo)
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64 or address in _TRANSLATED:
        return [last]
    # Nobody serves these any more: what they carry may be open, they themselves are not (and so neither :: nor ::1).
    return [last, address] if address in _COMPATIBLE else []


def _is_global(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_link_local or address.is_loopback)
        and address not in _RELAYS
    )


def _is_localhost(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")
