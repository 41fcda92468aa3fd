"""What DBpedia Spotlight answers, with its quirks: JSON made from XML, so every value is a string and a list of one is
the one itself.

`/annotate`     {"@text": …, "Resources": [{"@URI", "@surfaceForm", "@offset", "@similarityScore", …}]}
`/candidates`   {"annotation": {"@text": …, "surfaceForm": [{"@name", "@offset", "resource": [{"@uri", …}]}]}}
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

_ESCAPED = re.compile("(?:%[89A-Fa-f][0-9A-Fa-f])+")


class Malformed(ValueError):
    """The answer is not what Spotlight sends."""


class Mention(NamedTuple):
    """An entity and where the sent text names it; `span` is None where the text there is another."""

    uri: str
    name: str
    span: tuple[int, int] | None
    score: float


def mentions(body: bytes, sent: str, endpoint: str, namespace: str) -> list[Mention]:
    """Read an answer.

    Parameters
    ----------
    body : bytes
        JSON.
    sent : str
        The text asked about; spans count its characters.
    endpoint : {"annotate", "candidates"}
    namespace : str
        What makes relative URIs absolute.

    Raises
    ------
    Malformed
        When it is no JSON, or lacks what an answer has.

    Examples
    --------
    >>> body = b'''{"@text": "a red panda", "Resources": [{"@URI": "http://dbpedia.org/resource/Red_panda",
    ...     "@surfaceForm": "red panda", "@offset": "2", "@similarityScore": "0.9"}]}'''
    >>> mentions(body, "a red panda", "annotate", "http://dbpedia.org/resource/")
    [Mention(uri='http://dbpedia.org/resource/Red_panda', name='Red panda', span=(2, 11), score=0.9)]
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:  # ValueError: JSON or its UTF-8
        raise Malformed(f"{body[:80]!r} ({error})") from error
    try:
        if endpoint == "candidates":
            answer = answer["annotation"]
        place = _places(answer["@text"], sent)
        listed = list(_candidates(answer) if endpoint == "candidates" else _annotations(answer))
        return [
            Mention(uri, _name(uri), _span(surface, int(offset), sent, place), _score(score))
            for surface, offset, relative, score in listed
            for uri in [_absolute(relative, namespace)]
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Malformed(f"{body[:80]!r} ({type(error).__name__}: {error})") from error


def _annotations(answer: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for found in _list(answer.get("Resources")):
        yield str(found["@surfaceForm"]), found["@offset"], found["@URI"], found["@similarityScore"]


def _candidates(answer: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """The best candidate of each surface form; the first of equals."""
    for surface in _list(answer.get("surfaceForm")):
        candidates = _list(surface.get("resource"))
        if candidates:
            best = max(candidates, key=lambda candidate: _score(candidate["@finalScore"]))
            yield str(surface["@name"]), surface["@offset"], best["@uri"], best["@finalScore"]


def _list(found: Any) -> list[dict[str, Any]]:
    """None, an object or a list of them, as a list; XML without content becomes an empty string."""
    if found is None or found == "":
        return []
    return found if isinstance(found, list) else [found]


def _places(answered: str, sent: str) -> Callable[[int], int | None]:
    """Where a character of the answer's text stands in the text sent: the service may change white space."""
    if answered == sent or len(answered) == len(sent):
        return lambda place: place
    there = [place for place, character in enumerate(answered) if not character.isspace()]
    here = [place for place, character in enumerate(sent) if not character.isspace()]
    if [answered[place] for place in there] != [sent[place] for place in here]:
        return lambda place: place

    def find(place: int) -> int | None:
        nth = bisect_left(there, place)
        return here[nth] if nth < len(there) and there[nth] == place else None

    return find


def _span(surface: str, offset: int, sent: str, place: Callable[[int], int | None]) -> tuple[int, int] | None:
    start = offset + len(surface) - len(surface.lstrip())
    surface = surface.strip()
    if not surface or start < 0:
        return None
    first, last = place(start), place(start + len(surface) - 1)
    if first is None or last is None:
        return None
    return (first, last + 1) if sent[first : last + 1].split() == surface.split() else None


def _absolute(uri: str, namespace: str) -> str:
    """The IRI as DBpedia's dumps write it: letters beyond ASCII as they are, everything else as it came."""
    iri = uri if "://" in uri.split("?")[0] else namespace + uri
    return _ESCAPED.sub(_unescaped, iri)


def _unescaped(escaped: re.Match[str]) -> str:
    try:
        return bytes.fromhex(escaped[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return escaped[0]


def _name(iri: str) -> str:
    _, _, name = iri.partition("/resource/")
    return unquote(name or iri.rpartition("/")[2]).replace("_", " ")


def _score(text: str) -> float:
    score = float(text)
    return 0.0 if math.isnan(score) else min(max(score, 0.0), 1.0)
