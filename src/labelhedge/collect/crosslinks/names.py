"""What the outside world calls labels and synsets, brought to one form: keys of titles, numbers of WordNet 3.0."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote

from labelhedge.corpus import Label

_TITLE = re.compile(r"https?://(?:(?:www\.)?dbpedia\.org/(?:resource|page)|en\.(?:m\.)?wikipedia\.org/wiki)/(.+)")
_ITEM = re.compile(r"https?://(?:www\.)?wikidata\.org/(?:entity|wiki)/(Q\d+)")
_WNID = re.compile(r"n(\d{8})")
_BABEL = re.compile(r"wn:(\d{8})([nvars])")
_RDF = re.compile(r"https?://wordnet-rdf\.princeton\.edu/(?:rdf/)?(?:p?wn(30|31)|id)/1?(\d{8})-([nvars])")
_NUMBER = re.compile(r"(\d{8})(?:-?([nvars]))?")
_BRACKETS = re.compile(r"(.+?)[_ ]\((.+)\)")


class Numbered(NamedTuple):
    """A synset by its number in a version of WordNet: ``30``, ``31``, or None where the form does not tell."""

    number: str
    version: str | None
    noun: bool


def key(text: str) -> str:
    """The form in which names are compared: of an English Wikipedia or DBpedia address its title, of Wikidata the item.

    Examples
    --------
    >>> key("http://dbpedia.org/resource/Caf%C3%A9_racer"), key("wild dog"), key("https://www.wikidata.org/wiki/Q144")
    ('Café_racer', 'Wild_dog', 'wikidata:Q144')
    >>> key("https://de.wikipedia.org/wiki/Gift")
    'https://de.wikipedia.org/wiki/Gift'
    """
    text = unicodedata.normalize("NFC", text.strip())
    title, item = _TITLE.fullmatch(text), _ITEM.fullmatch(text)
    if item:
        return f"wikidata:{item[1]}"
    if title:
        text = unicodedata.normalize("NFC", unquote(title[1]))
    elif "://" in text or text.startswith("urn:"):
        return text
    text = re.sub(r"[\s_]+", "_", text)
    return text[:1].upper() + text[1:]


def label_keys(label: Label) -> tuple[str, ...]:
    """The keys under which a mapping may know a label, the surest first.

    A label whose URI is a title is known by that alone: "Crane", as *Crane (bird)* may be shown, is another title.
    """
    if label.uri is None:
        return tuple(dict.fromkeys((key(label.id), key(label.name))))
    if _TITLE.fullmatch(label.uri):
        return (key(label.uri),)
    return tuple(dict.fromkeys((key(label.uri), key(label.id), key(label.name))))


def words(label: Label) -> tuple[str, str | None]:
    """The name of a label as WordNet would write it, and the word in brackets behind it.

    Examples
    --------
    >>> crane = Label(id="7", name="crane", uri="http://dbpedia.org/resource/Crane_(bird)")
    >>> words(crane), words(Label(id="a", name="Go kart"))
    (('crane', 'bird'), ('go_kart', None))
    """
    title = _TITLE.fullmatch(label.uri or "")
    name = key(label.uri or "") if title else label.name
    form = re.sub(r"[\s_]+", "_", name.strip()).lower()
    parts = _BRACKETS.fullmatch(form)
    return (parts[1], parts[2]) if parts else (form, None)


def own_synset(label: Label) -> Numbered | None:
    """The synset that a label's URI or id is itself: ``…/wn30/02129604-n``, or ``n02129604``."""
    return (_url(label.uri) if label.uri else None) or (_wnid(label.id))


def parse_synset(text: str, version: str | None = None) -> Numbered | None:
    """The synset of a cell; `version` is what the column says of bare numbers. None where it is no WordNet number.

    Examples
    --------
    >>> parse_synset("n02084071"), parse_synset("wn:02084071n")
    (Numbered(number='02084071', version='30', noun=True), Numbered(number='02084071', version='30', noun=True))
    >>> parse_synset("02086723-n", "31"), parse_synset("http://wordnet-rdf.princeton.edu/wn30/02084071-n").version
    (Numbered(number='02086723', version='31', noun=True), '30')
    """
    text = text.strip()
    if found := _wnid(text) or _url(text):
        return found
    if babel := _BABEL.fullmatch(text):
        return Numbered(babel[1], "30", babel[2] == "n")
    if number := _NUMBER.fullmatch(text):
        return Numbered(number[1], version, number[2] in (None, "n"))
    return None


def _wnid(text: str) -> Numbered | None:
    found = _WNID.fullmatch(text)
    return Numbered(found[1], "30", True) if found else None


def _url(text: str) -> Numbered | None:
    found = _RDF.fullmatch(text)
    return Numbered(found[2], found[1] or "31", found[3] == "n") if found else None
