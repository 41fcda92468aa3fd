"""The base of the errors that tell a user what to mend, and the words for a text file that is none."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class LabelhedgeError(ValueError):
    """Something that the user can mend: its message says what was found, where, and what to do."""


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file that is read inside, where it is no text in UTF-8 or no CSV."""
    try:
        yield
    except UnicodeDecodeError as error:
        found = " ".join(f"{byte:02x}" for byte in error.object[error.start : error.start + 2])
        raise LabelhedgeError(
            f"{path} is no text in UTF-8 (found the bytes {found}): save it as UTF-8, or unpack it if it is compressed"
        ) from error
    except csv.Error as error:
        raise LabelhedgeError(f"{path} is not readable as CSV ({error}): correct it") from error


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, in words that say whether there are more.

    Examples
    --------
    >>> some(["cat", "dog", "owl"], most=2)
    'cat, dog, …'
    """
    return ", ".join(names[:most]) + ", …" * (len(names) > most)
