"""The two questions that a graph is built from, put to a store on disk or to an endpoint on the network.

    Sparql(store.ask).statements(names)                     # (u, v, r) of these subjects
    Sparql(Endpoint("https://dbpedia.org/sparql", folder).ask, batch=100).redirects(names)

The text of a query is the same for both. Names go in batches; an answer that may have been cut off, because it has as
many rows as the endpoint gives at most, is asked for again in halves. Answers of an endpoint are kept in a folder, one
file a query, so a build that was stopped goes on without asking twice.
"""

from __future__ import annotations

import datetime
import email.utils
import hashlib
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyoxigraph

from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.graph.triples import Triple

if TYPE_CHECKING:
    import httpx

REDIRECT = "http://dbpedia.org/ontology/wikiPageRedirects"
PAGES = "http://dbpedia.org/ontology/wikiPage"
"""How DBpedia's relations between pages begin: links, redirects, revisions. They do not say what a page is about."""
MOST_ROWS = 10_000
"""Rows that DBpedia's public endpoint gives at most."""
LONGEST_WAIT = 120.0
"""Seconds that a Retry-After is heeded for at most."""

Ask = Callable[[str], Iterable[tuple[str, ...]]]


class Source(Protocol):
    """Where triples come from."""

    def statements(self, names: Sequence[str], relations: Collection[str] | None = None) -> Iterator[Triple]:
        """The triples whose v is one of the names."""

    def redirects(self, names: Sequence[str]) -> dict[str, str]:
        """Of the names that are redirects, where each leads, one step."""

    def called(self, entities: Sequence[str]) -> dict[str, str]:
        """What entities are called, where their IRIs do not tell."""


def statements_query(names: Sequence[str], relations: Collection[str] | None = None) -> str:
    """What the entities of these names are related to.

    Parameters
    ----------
    names : IRIs
    relations : collection of str, optional
        Only these relations, in full or by their local names. Default: all but DBpedia's relations between pages.

    Examples
    --------
    >>> print(statements_query(["urn:koala"], ["family"]))
    SELECT ?v ?r ?u WHERE {
      VALUES ?v { <urn:koala> }
      ?v ?r ?u .
      FILTER(isIRI(?u))
      FILTER(REGEX(STR(?r), "(^|[/#:])family$"))
    }
    """
    if relations is None:
        wanted = f'!STRSTARTS(STR(?r), "{PAGES}")'
    else:
        for name in relations:
            if not re.fullmatch(r'[^\s"\\<>]+', name):
                raise LabelhedgeError(f"{name!r} is no name of a relation")
        pattern = "|".join(re.sub(r"([^\w])", r"\\\\\1", name) for name in sorted(relations))
        wanted = f'REGEX(STR(?r), "(^|[/#:]){pattern if len(relations) == 1 else f"({pattern})"}$")'
    return f"""SELECT ?v ?r ?u WHERE {{
  VALUES ?v {{ {_values(names)} }}
  ?v ?r ?u .
  FILTER(isIRI(?u))
  FILTER({wanted})
}}"""


def redirects_query(names: Sequence[str]) -> str:
    """Where the redirects among these names lead.

    Examples
    --------
    >>> print(redirects_query(["urn:koala"]))
    SELECT ?from ?to WHERE {
      VALUES ?from { <urn:koala> }
      ?from <http://dbpedia.org/ontology/wikiPageRedirects> ?to .
      FILTER(isIRI(?to))
    }
    """
    return f"""SELECT ?from ?to WHERE {{
  VALUES ?from {{ {_values(names)} }}
  ?from <{REDIRECT}> ?to .
  FILTER(isIRI(?to))
}}"""


class Sparql:
    """A :class:`Source` that asks in SPARQL.

    Parameters
    ----------
    ask : function from a query to rows of IRIs
    batch : int
        Names in a query.
    most_rows : int, optional
        An answer with as many rows may have been cut off.

    Raises
    ------
    ValueError
        When the answer for one name alone is cut off.
    """

    def __init__(self, ask: Ask, *, batch: int = 1000, most_rows: int | None = None) -> None:
        self._ask, self._batch, self._most_rows = ask, batch, most_rows

    def statements(self, names: Sequence[str], relations: Collection[str] | None = None) -> Iterator[Triple]:
        """The triples whose v is one of the names."""
        for v, r, u in self._rows(lambda part: statements_query(part, relations), names):
            yield Triple(u, v, r)

    def redirects(self, names: Sequence[str]) -> dict[str, str]:
        """Of the names that are redirects, where each leads; the first by name where one leads to several."""
        found: dict[str, str] = {}
        for name, target in self._rows(redirects_query, names):
            found[name] = min(target, found.get(name, target))
        return found

    def called(self, entities: Sequence[str]) -> dict[str, str]:
        """Nothing: IRIs of Wikipedia's entities are their names."""
        return {}

    def _rows(self, query: Callable[[Sequence[str]], str], names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        waiting = [names[first : first + self._batch] for first in range(0, len(names), self._batch)][::-1]
        while waiting:
            part = waiting.pop()
            rows = list(self._ask(query(part)))
            if self._most_rows is None or len(rows) < self._most_rows:
                yield from rows
            elif len(part) > 1:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                raise LabelhedgeError(
                    f"the endpoint gives {len(rows):,} rows or more for {part[0]} and cuts the answer off: name the "
                    "relations that are wanted with --relations"
                )


class Endpoint:
    """A SPARQL endpoint; its answers are kept in a folder.

    Parameters
    ----------
    url : str
        Such as ``https://dbpedia.org/sparql``.
    folder : path
        Where answers are kept, one file a query.
    attempts : int
        How often a query is sent before its failure is an error. Retried are failed connections, 429, 206 (an answer
        that the endpoint had no time to finish) and 5xx, with growing waits, or as long as `Retry-After` says.
    timeout : float
        Seconds for an answer.
    wait : float
        Seconds before the first retry.

    Raises
    ------
    ValueError
        When httpx or stamina is missing, or the endpoint's answer is no result of a query.
    """

    def __init__(
        self, url: str, folder: str | os.PathLike[str], *, attempts: int = 6, timeout: float = 60.0, wait: float = 1.0
    ) -> None:
        self.url, self.folder = url, Path(folder)
        self._attempts, self._timeout, self._wait = attempts, timeout, wait
        self.folder.mkdir(parents=True, exist_ok=True)
        self._client: httpx.Client | None = None
        self.asked = 0
        """Queries that were sent, and not answered from the folder."""

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def ask(self, query: str) -> Iterator[tuple[str, ...]]:
        """The rows of a SELECT query."""
        key = hashlib.blake2b(f"{self.url}\0{query}".encode(), digest_size=16).hexdigest()
        path = self.folder / f"{key}.srj"
        if not path.exists():
            answer = self._fetch(query)
            self._parse(answer)
            with replacing(path) as new:
                new.write_bytes(answer)
        yield from self._parse(path.read_bytes())

    def _parse(self, answer: bytes) -> list[tuple[str, ...]]:
        try:
            rows = pyoxigraph.parse_query_results(answer, format=pyoxigraph.QueryResultsFormat.JSON)
            return [tuple(term.value for term in row) for row in rows]  # type: ignore[union-attr]
        except (SyntaxError, AttributeError, TypeError) as error:
            start = answer[:100].decode("utf-8", errors="replace")
            raise LabelhedgeError(f"{self.url} did not answer with a result of SPARQL: {start!r}") from error

    def _fetch(self, query: str) -> bytes:
        try:
            import httpx
            import stamina
        except ModuleNotFoundError as error:
            raise LabelhedgeError(f"{error.name} is not installed: pip install 'labelhedge[collect]'") from error

        def again(error: Exception) -> bool | float:
            if isinstance(error, httpx.HTTPStatusError):
                status = error.response.status_code
                if status in (206, 429) or status >= 500:
                    return _retry_after(error.response) or True
                return False
            return isinstance(error, httpx.TransportError)

        # Every retry would be a line on the terminal; handlers that a user has set are still reached.
        logger = logging.getLogger("stamina")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        if self._client is None:
            self._client = httpx.Client(timeout=self._timeout, follow_redirects=True)
        headers = {"Accept": "application/sparql-results+json", "User-Agent": "labelhedge (label graph)"}
        try:
            for attempt in stamina.retry_context(
                on=again, attempts=self._attempts, timeout=None, wait_initial=self._wait, wait_jitter=self._wait / 2
            ):
                with attempt:
                    self.asked += 1
                    answer = self._client.post(self.url, data={"query": query}, headers=headers)
                    answer.raise_for_status()
                    if answer.status_code == 206:
                        raise httpx.HTTPStatusError(
                            "the answer is not complete", request=answer.request, response=answer
                        )
        except httpx.HTTPStatusError as error:
            said = error.response.text.strip()[:200]
            raise LabelhedgeError(f"{self.url} answered {error.response.status_code}: {said or error}") from error
        except httpx.HTTPError as error:
            raise LabelhedgeError(
                f"{self.url} cannot be asked ({error or type(error).__name__}): check the address and the network"
            ) from error
        return answer.content


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that a response asks to wait, from a number or a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    wait = (date - datetime.datetime.now(datetime.UTC)).total_seconds()
    return min(max(wait, 0.0), LONGEST_WAIT)


def _values(names: Sequence[str]) -> str:
    return " ".join(str(pyoxigraph.NamedNode(name)) for name in names)
