"""Python's search for garbage, paused where there is none to find."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Without garbage collection: for many small objects that all stay, or that all go by themselves.

    Looking for garbage among them takes up to half of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
