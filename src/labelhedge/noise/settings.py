"""A noise model and its rate, as written on the command line: ``symmetric:0.2``."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from labelhedge.errors import LabelhedgeError
from labelhedge.noise.composition import check_shares
from labelhedge.noise.sets import check_rate

NOISES = ("symmetric", "pair", "siblings", "modes", "background", "missing", "shares")
"""The noise models by name; each is a function of :mod:`labelhedge.noise`, and ``shares`` is :func:`compose`."""


@dataclass(frozen=True)
class Noise:
    """A noise model with its rate, or with the shares of a composition.

    Attributes
    ----------
    kind : str
        One of `NOISES`.
    rate : float
        In [0, 1]; unused by ``shares``.
    shares : mapping of part to share
        For ``shares`` alone, see :func:`labelhedge.noise.compose`.

    Examples
    --------
    >>> Noise.parse("symmetric:0.2")
    Noise(kind='symmetric', rate=0.2, shares={})
    >>> str(Noise.parse("shares:right=0.7,background=0.3"))
    'shares:right=0.7,background=0.3'
    """

    kind: str
    rate: float = math.nan
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in NOISES:
            close = difflib.get_close_matches(self.kind, NOISES, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise LabelhedgeError(f"there is no noise {self.kind!r}{hint}; there are: {', '.join(NOISES)}")
        if self.kind == "shares":
            check_shares(self.shares)
        else:
            check_rate(self.rate, self.kind, below_one=self.kind == "background")

    @classmethod
    def parse(cls, text: str) -> Noise:
        """Read ``kind:rate``, or ``shares:part=share,part=share``.

        Raises
        ------
        LabelhedgeError
            When the kind is unknown, or the rate is no number or out of bounds.
        """
        kind, _, value = text.partition(":")
        if kind not in NOISES:
            return cls(kind)
        try:
            if kind == "shares":
                found = (piece.split("=") for piece in value.split(","))
                return cls(kind, shares={part.strip(): float(share) for part, share in found})
            rate = float(value)
        except ValueError as error:
            if isinstance(error, LabelhedgeError):
                raise
            form = "shares:right=0.7,background=0.3" if kind == "shares" else f"{kind}:0.2"
            raise LabelhedgeError(f"the noise {text!r} must be written like {form}") from error
        return cls(kind, rate)

    def __str__(self) -> str:
        if self.kind == "shares":
            return "shares:" + ",".join(f"{part}={share}" for part, share in self.shares.items())
        return f"{self.kind}:{self.rate}"
