"""Triples ``(u, v, r)``, "u is the r of v", and their N-Triples files.

RDF states the same from the other end: ``<…/Rabbit> <…/class> <…/Mammal> .`` is ``("…/Mammal", "…/Rabbit",
"…/class")`` here. Reading turns it round, writing turns it back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import pyoxigraph

from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

_CALLED = pyoxigraph.NamedNode("http://www.w3.org/2000/01/rdf-schema#label")


class Triple(NamedTuple):
    """ "u is the r of v": `u` the entity (an IRI), `v` the label's own IRI, `r` the relation's IRI."""

    u: str
    v: str
    r: str


def read_triples(path: str | os.PathLike[str]) -> list[Triple]:
    """Read an N-Triples file as triples ``(u, v, r)``.

    Parameters
    ----------
    path : path of a ``.nt`` file
        Statements whose object is a literal relate no labels and are passed over.

    Returns
    -------
    list of Triple
        In file order; IRIs in full, blank nodes as ``_:name``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a line is not N-Triples; the message names file and line.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "graph.nt"
    >>> _ = file.write_text("<urn:rabbit> <urn:class> <urn:mammal> .\\n")
    >>> read_triples(file)
    [Triple(u='urn:mammal', v='urn:rabbit', r='urn:class')]
    """
    return list(stream_triples(path))


def stream_triples(path: str | os.PathLike[str]) -> Iterator[Triple]:
    """Read an N-Triples file as :func:`read_triples` does, one triple at a time: for files of millions.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "graph.nt"
    >>> _ = file.write_text("<urn:rabbit> <urn:class> <urn:mammal> .\\n")
    >>> next(stream_triples(file)).u
    'urn:mammal'
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            for quad in pyoxigraph.parse(file, format=pyoxigraph.RdfFormat.N_TRIPLES):
                if isinstance(quad.object, pyoxigraph.NamedNode | pyoxigraph.BlankNode):
                    yield Triple(_name(quad.object), _name(quad.subject), quad.predicate.value)
        except SyntaxError as error:
            raise LabelhedgeError(
                f"{path}, line {error.lineno}: not N-Triples ({error.msg}); correct the line"
            ) from error


def read_names(path: str | os.PathLike[str]) -> dict[str, str]:
    """What an N-Triples file says entities are called: its statements of ``rdfs:label``, the first of each entity.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "graph.nt"
    >>> write_triples(file, [], names={"urn:02118333-n": "fox"})
    >>> read_names(file)
    {'urn:02118333-n': 'fox'}
    """
    found: dict[str, str] = {}
    with Path(path).open("rb") as file:
        for quad in pyoxigraph.parse(file, format=pyoxigraph.RdfFormat.N_TRIPLES):
            if quad.predicate == _CALLED and isinstance(quad.object, pyoxigraph.Literal):
                found.setdefault(_name(quad.subject), quad.object.value)
    return found


def write_triples(
    path: str | os.PathLike[str], triples: Iterable[tuple[str, str, str]], names: Mapping[str, str] | None = None
) -> None:
    """Write triples as N-Triples, atomically; `u`, `v` and `r` are IRIs, `u` and `v` may be blank nodes (``_:name``).

    `names` says what entities are called, where their IRIs do not tell; :func:`read_names` reads it.

    Raises
    ------
    ValueError
        When a name is no IRI; the message names it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "graph.nt"
    >>> write_triples(file, [Triple("urn:mammal", "urn:rabbit", "urn:class")])
    >>> file.read_text()
    '<urn:rabbit> <urn:class> <urn:mammal> .\\n'
    """
    quads = chain(
        (pyoxigraph.Triple(_node(v), pyoxigraph.NamedNode(_iri(r)), _node(u)) for u, v, r in triples),
        (pyoxigraph.Triple(_node(u), _CALLED, pyoxigraph.Literal(name)) for u, name in sorted((names or {}).items())),
    )
    with replacing(path) as new, new.open("wb") as file:
        while batch := list(islice(quads, 10_000)):
            pyoxigraph.serialize(batch, file, format=pyoxigraph.RdfFormat.N_TRIPLES)


def _name(node: object) -> str:
    return node.value if isinstance(node, pyoxigraph.NamedNode) else str(node)


def _node(name: str) -> pyoxigraph.NamedNode | pyoxigraph.BlankNode:
    return pyoxigraph.BlankNode(name[2:]) if name.startswith("_:") else pyoxigraph.NamedNode(_iri(name))


def _iri(name: str) -> str:
    try:
        return pyoxigraph.NamedNode(name).value
    except ValueError as error:
        raise ValueError(f"{name!r} is no IRI, such as http://dbpedia.org/resource/Rabbit or urn:rabbit") from error
