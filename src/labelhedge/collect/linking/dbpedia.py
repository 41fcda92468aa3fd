"""A lexicon from the dumps of DBpedia: labels, redirects, disambiguations, abstracts, page links.

    lexicon = dbpedia_lexicon("dumps")      # a folder with labels_lang=en.ttl.bz2, redirects_lang=en.ttl.bz2, …

Files are told by their names. Only the labels are needed. A name is another form of an entity when a page of that name
redirects to it, or when a page "… (disambiguation)" names it. A form's weights are the numbers of links to the entities
where page links are there, and equal otherwise, with less for what a disambiguation names later.
"""

from __future__ import annotations

import bz2
import gzip
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote

from labelhedge.collect.linking.lexicon import Entry, Form, Lexicon
from labelhedge.errors import LabelhedgeError

KINDS = {
    "labels": ("labels",),
    "redirects": ("redirects",),
    "disambiguations": ("disambiguations",),
    "abstracts": ("abstract", "comments"),
    "links": ("page_links", "page-links", "wikilinks"),
}
"""What the names of the files hold."""
FORMATS = {".nt": "N_TRIPLES", ".ttl": "TURTLE", ".nq": "N_QUADS", ".tql": "N_QUADS"}
ABSTRACT = 600
"""Characters of an abstract that are kept."""
# Weight of a form by what it is: a label, one without its "(city)", a redirect, the first that a disambiguation names.
LABEL, SHORTENED, REDIRECT, DISAMBIGUATION = 1.0, 0.5, 0.8, 0.5


def dbpedia_lexicon(folder: str | os.PathLike[str], language: str = "en") -> Lexicon:
    """A lexicon of DBpedia's dumps in a folder; they are streamed, the lexicon has to fit in memory.

    Parameters
    ----------
    folder : path
        With files named as DBpedia names them, `.ttl`, `.nt`, `.nq` or `.tql`, also with `.gz` or `.bz2`.
    language : str
        Of the labels and abstracts.

    Raises
    ------
    ValueError
        When there are no labels, or a file is no RDF.
    """
    folder = Path(folder)
    files = _files(folder)
    redirects = dict(_pairs(files["redirects"]))
    pages: dict[str, list[str]] = defaultdict(list)
    for page, target in _pairs(files["disambiguations"]):
        pages[page].append(target)
    labels: dict[str, str] = {}
    for uri, label in _texts(files["labels"], language):
        if uri not in redirects and uri not in pages and "/Category:" not in uri:
            labels.setdefault(uri, label)
    if not labels:
        raise LabelhedgeError(f"{folder}: no label in language {language!r} in {', '.join(map(str, files['labels']))}")
    abstracts = {uri: text[:ABSTRACT] for uri, text in _texts(files["abstracts"], language) if uri in labels}
    support = Counter(_resolved(target, redirects) for _, target in _pairs(files["links"])) if files["links"] else None
    forms: dict[str, list[tuple[str, float]]] = {uri: _own_forms(label) for uri, label in labels.items()}
    for source in redirects:
        target = _resolved(source, redirects)
        if target in forms:
            forms[target] += [(name, weight * REDIRECT) for name, weight in _own_forms(_name(source))]
    for page, targets in pages.items():
        name = _name(page).removesuffix(" (disambiguation)")
        for rank, target in enumerate(dict.fromkeys(_resolved(target, redirects) for target in targets), 1):
            if target in forms:
                forms[target].append((name, DISAMBIGUATION / rank**0.5))
    entries = [
        Entry(
            uri,
            label,
            description=abstracts.get(uri, ""),
            support=support[uri] if support else -1,
            forms=[Form(text, weight * (1 + (support[uri] if support else 0))) for text, weight in forms[uri]],
        )
        for uri, label in labels.items()
    ]
    return Lexicon.build(entries, nameless=True)


def _files(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise LabelhedgeError(f"{folder} is no folder: name the folder with DBpedia's dumps")
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.iterdir()):
        if path.name.removesuffix(".gz").removesuffix(".bz2").endswith(tuple(FORMATS)):
            for kind, marks in KINDS.items():
                if any(mark in path.name for mark in marks):
                    found[kind].append(path)
                    break
    if not found["labels"]:
        raise LabelhedgeError(
            f"{folder} holds no labels: a file such as labels_lang=en.ttl.bz2 is needed, and redirects, "
            f"disambiguations and abstracts are used where they are there ({', '.join(FORMATS)}, also .gz or .bz2)"
        )
    return found


def _own_forms(name: str) -> list[tuple[str, float]]:
    """A name, or without what stands in brackets at its end: "Turkey (bird)"."""
    short, bracket, _ = name.partition(" (")
    return [(short, SHORTENED)] if bracket and name.endswith(")") and short else [(name, LABEL)]


def _resolved(uri: str, redirects: dict[str, str]) -> str:
    """Where redirects lead; one that leads round in a circle stays where it is."""
    seen = {uri}
    while (target := redirects.get(uri)) is not None and target not in seen:
        seen.add(target)
        uri = target
    return uri


def _name(uri: str) -> str:
    """The name of a page: ``…/New_York_%28state%29`` is "New York (state)"."""
    return unquote(uri.partition("/resource/")[2] or uri.rpartition("/")[2]).replace("_", " ")


def _pairs(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for quad in _quads(paths):
        if hasattr(quad.subject, "value") and not hasattr(quad.object, "datatype"):
            yield quad.subject.value, quad.object.value


def _texts(paths: list[Path], language: str) -> Iterator[tuple[str, str]]:
    for quad in _quads(paths):
        if hasattr(quad.object, "datatype") and quad.object.language in (None, language):
            yield quad.subject.value, quad.object.value


def _quads(paths: list[Path]) -> Iterator[Any]:
    import pyoxigraph

    for path in paths:
        ending = Path(path.name.removesuffix(".gz").removesuffix(".bz2")).suffix
        with _opened(path) as file:
            try:
                yield from pyoxigraph.parse(file, getattr(pyoxigraph.RdfFormat, FORMATS[ending]), lenient=True)
            except (SyntaxError, OSError, EOFError) as error:
                raise LabelhedgeError(f"{path} cannot be read as RDF: {error}") from error


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".bz2":
        return bz2.open(path)
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
