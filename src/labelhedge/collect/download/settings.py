"""The settings of a download, and the failure that every part of it raises."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labelhedge.collect import web
from labelhedge.errors import LabelhedgeError

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF"}
"""Formats that may be allowed, and Pillow's names of them."""

PILLOW_LIMIT = 178_956_970
"""Pillow itself refuses an image of more pixels."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class Failure(Exception):
    """Why a photo could not be had.

    Attributes
    ----------
    category : str
        Short and stable, what the summary counts by: see `docs/download.md`.
    reason : str
        The category and, after a colon, particulars. The same photo fails with the same words again.
    transient : bool
        Whether asking again may help; `wait` is how many seconds the host wants left alone before.
    """

    def __init__(self, category: str, detail: str = "", *, transient: bool = False, wait: float | None = None) -> None:
        self.category, self.transient, self.wait = category, transient, wait
        self.reason = f"{category}: {detail}" if detail else category
        super().__init__(self.reason)


@dataclass(frozen=True)
class Settings:
    """How images are fetched and stored.

    Parameters
    ----------
    size : int
        Pixels of the longer side at most; smaller images stay as they are.
    workers, per_host : int
        Requests under way at a time, in all and to one host.
    delay : float
        Seconds between the starts of two requests to one host.
    timeout : float
        Seconds without a byte (or a connection) after which a request has failed.
    deadline : float
        Seconds that a request may take in all.
    attempts : int
        How often a photo is asked for while its failures may pass.
    first_wait, longest_wait : float
        Seconds before the second attempt, doubled from then on; a host that wants to be left alone for longer than
        `longest_wait` is left alone, and its photos fail as `host asks to wait`.
    max_bytes, max_pixels : int
        Of the original, checked before it is decoded. Images that are decoded at a time have at most `max_pixels`
        together, too.
    max_redirects : int
    formats : tuple of str
        Told by the content: jpeg, png, webp, gif, bmp, tiff.
    allow_private : bool
        Fetch also what the list has at addresses inside: of this machine, or of the network that it is in.
    agent : str
        The header `User-Agent`.
    """

    size: int = 256
    workers: int = 32
    per_host: int = 4
    delay: float = 0.05
    timeout: float = 20.0
    deadline: float = 120.0
    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 60.0
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    max_redirects: int = 5
    formats: tuple[str, ...] = ("jpeg", "png", "webp", "gif")
    allow_private: bool = False
    agent: str = web.AGENT

    def __post_init__(self) -> None:
        for name in ("size", "workers", "per_host", "timeout", "deadline", "attempts", "max_bytes", "max_pixels"):
            if not getattr(self, name) > 0:
                raise LabelhedgeError(f"{name} = {getattr(self, name)}: must be more than 0")
        for name in ("delay", "first_wait", "longest_wait", "max_redirects"):
            if not getattr(self, name) >= 0:
                raise LabelhedgeError(f"{name} = {getattr(self, name)}: must be 0 or more")
        unknown = sorted(set(self.formats) - set(FORMATS))
        if unknown or not self.formats:
            raise LabelhedgeError(f"formats = {','.join(self.formats)!r}: must be some of {', '.join(FORMATS)}")
        if self.max_pixels > PILLOW_LIMIT:
            raise LabelhedgeError(f"max_pixels = {self.max_pixels}: must be at most {PILLOW_LIMIT}, Pillow's own limit")


def amount(text: str) -> int:
    """A number of bytes or pixels as people write it; units of 1,000.

    Raises
    ------
    ValueError
        When it is no number with or without K, M or G.

    Examples
    --------
    >>> amount("20MB"), amount("1.5 M"), amount("4096")
    (20000000, 1500000, 4096)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)B?\s*", text, re.IGNORECASE | re.ASCII)
    if not match:
        raise LabelhedgeError(f"{text!r} is no amount: write for instance 20MB, 500K or 1000000")
    return round(float(match[1]) * _UNITS[match[2].upper()])
