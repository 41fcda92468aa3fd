"""Labels and words as other formats hold them: numbers, names, lists of either, nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from labelhedge.collect.importing.settling import Entry
from labelhedge.errors import LabelhedgeError, some

BACKGROUND = "background"
"""What stands for none of the labels where nothing else is said."""


def label_list(value: Any, names: Sequence[str] | None, place: str, what: str) -> tuple[str, ...] | None:
    """The names of labels; None where nothing is known: null, or -1 as unlabelled rows have it.

    Raises
    ------
    LabelhedgeError
        When the value is neither name nor number, or `names` does not have it.

    Examples
    --------
    >>> label_list([1, 0], ["cat", "dog"], "row 3", "label")
    ('dog', 'cat')
    >>> label_list("cat", None, "row 3", "label"), label_list([], None, "row 3", "label")
    (('cat',), ())
    """
    if value is None or (value == -1 and not isinstance(value, list | tuple)):
        return None
    several = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(_name(one, names, place, what) for one in several))


def label_names(
    value: Any, names: Sequence[str] | None, place: str, what: str, *, background: str | None
) -> tuple[str, ...] | None:
    """The same, where the name `background`, unless that is None, stands for no label at all.

    Raises
    ------
    LabelhedgeError
        As `label_list`, and when a label stands beside the background.

    Examples
    --------
    >>> label_names("none", None, "row 3", "label", background="none")
    ()
    """
    found = label_list(value, names, place, what)
    if found is None or background is None or background not in found:
        return found
    if len(found) > 1:
        raise LabelhedgeError(
            f"{place}: {what} is {', '.join(found)}: {background} stands for no label at all; if it "
            "is one, say --background another name"
        )
    return ()


def check_background(background: str, names: Iterable[str], place: str) -> None:
    """Refuse a name for none of the labels that is none of the names that there are, unless it is the default.

    Raises
    ------
    LabelhedgeError
        When it is none of them.
    """
    if background != BACKGROUND and background not in (names := list(names)):
        raise LabelhedgeError(f"{place}: --background {background}: no label is called so; there are {some(names)}")


def _name(value: Any, names: Sequence[str] | None, place: str, what: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise LabelhedgeError(f"{place}: {what} is {value!r}, where a name, a number or a list of them is needed")
    if names is None:
        return unicodedata.normalize("NFC", str(value))  # a Mac writes accents in two parts
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str) and value in names:
        return value
    raise LabelhedgeError(f"{place}: {what} is {value!r}, but there are {len(names)} labels: {', '.join(names[:5])} …")


def label_entry(
    split: str, observed: tuple[str, ...] | None, verified: tuple[str, ...] | None, trusted: bool, place: str
) -> tuple[Entry | None, str | None]:
    """What is known of a sample, or the reason why it cannot be one.

    Raises
    ------
    LabelhedgeError
        When a trusted sample has no verified labels.
    """
    if trusted and verified is None:
        raise LabelhedgeError(f"{place}: trusted, but without verified labels: fill them in, or say it is not trusted")
    if observed is None and verified is None:
        return None, "no label"
    return Entry(split, observed, verified, trusted and split == "train"), None


def words(value: Any) -> list[str] | None:
    """A column of words as a list of strings."""
    if value is None:
        return None
    return [str(one) for one in value if one is not None] if isinstance(value, list | tuple) else [str(value)]
