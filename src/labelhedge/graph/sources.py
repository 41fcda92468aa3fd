"""What `labelhedge graph build --from` names, opened: files, folders of files, stores, endpoints, WordNet.

with open_sources(["mappingbased.ttl.bz2", "wordnet"], store="graph.store") as opened:
    built = build_graph(labels, opened.sources)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelhedge.errors import LabelhedgeError, some
from labelhedge.graph import files
from labelhedge.graph.files import Counts, TableFormat
from labelhedge.graph.label_graph import local_name
from labelhedge.graph.sparql import MOST_ROWS, Endpoint, Source, Sparql
from labelhedge.graph.taxonomy import WordNetSource
from labelhedge.graph.triple_store import TripleStore, is_store, set_aside
from labelhedge.graph.wordnet import DEBIAN, WordNet

NAMES_PER_QUERY = 100
"""Names in a query that goes over the network."""


@dataclass(frozen=True)
class Opened:
    """Sources, and what was found in the files that were loaded for them."""

    sources: list[Source]
    loaded: dict[str, Counts]

    def lines(self) -> list[str]:
        """What was read, in words: a line a file, and the first of its bad lines."""
        told = []
        for name, counts in self.loaded.items():
            parts = [f"{counts.triples:,} triples", f"{counts.other:,} statements on literals or blank nodes left out"]
            if counts.lines:
                parts += [f"{counts.comments:,} comment or empty lines", f"{counts.bad:,} bad lines"]
            total = f"{counts.lines:,} lines = " if counts.lines else ""
            told.append(f"{Path(name).name}: {total}" + " + ".join(parts))
            told += [f"  bad line {number}: {line[:100]}" for number, line in counts.examples]
        for source in self.sources:
            if isinstance(source, WordNetSource) and source.ambiguous:
                words = sorted({local_name(name).casefold() for name in source.ambiguous})
                told.append(
                    f"wordnet: {len(words)} words have several senses, and the most frequent was taken "
                    f"({some(words)}); --below organism.1 and the like narrow them down"
                )
        return told


@contextmanager
def open_sources(
    names: Sequence[str],
    *,
    store: str | os.PathLike[str],
    redirects: Sequence[str | os.PathLike[str]] = (),
    replace: bool = False,
    table: TableFormat | None = None,
    by_name: bool = False,
    below: Sequence[str] = (),
    progress: bool = False,
) -> Iterator[Opened]:
    """Open sources by what a user calls them, and close them at the end.

    Parameters
    ----------
    names : sequence of str
        Each a file of triples (see :mod:`labelhedge.graph.files`); a folder of such files; a store that was made
        before; the address of a SPARQL endpoint; ``wordnet``, or ``wordnet:FOLDER``.
    store : folder
        Where files are loaded and answers of endpoints are kept. What is there already is not done again.
    redirects : files
        Of ``a dbo:wikiPageRedirects b``, loaded like the others.
    replace : bool
        Load the files afresh where the store holds anything else, be it of a build that was killed or failed.
        Answers of endpoints stay.
    table : TableFormat, optional
        How TSV and CSV files are read.
    by_name, below
        Of :class:`labelhedge.graph.taxonomy.WordNetSource`.
    progress : bool
        Show progress bars.

    Raises
    ------
    ValueError
        When a name is none of these; or the store holds files, whole or in part, that are not among them, have changed
        or were read in another way, and `replace` is false.
    """
    if not names:
        raise LabelhedgeError(
            "name a source of triples: --from FILE, --from wordnet, --from https://dbpedia.org/sparql"
        )
    found = [path for name in [*names, *map(str, redirects)] if _is_path(name) for path in _files(Path(name))]
    sources: list[Source] = []
    with ExitStack() as stack:
        own = stack.enter_context(TripleStore(store))
        if other := own.other_than(found, table):
            own.close()
            if not replace:
                raise LabelhedgeError(f"{other}: name another --store, or delete that folder")
            own = stack.enter_context(_emptied(Path(store)))
        for path in found:
            own.load(path, table, progress=progress)
        if found:
            sources.append(Sparql(own.ask))
        for name in names:
            if name.startswith(("http://", "https://")):
                endpoint = stack.enter_context(closing(Endpoint(name, Path(store) / "answers")))
                sources.append(Sparql(endpoint.ask, batch=NAMES_PER_QUERY, most_rows=MOST_ROWS))
            elif not _is_path(name):
                nouns = WordNet.open(name.partition(":")[2] or DEBIAN)
                sources.append(WordNetSource(nouns, by_name=by_name, below=below))
            elif is_store(Path(name)):
                sources.append(Sparql(stack.enter_context(TripleStore(name)).ask))
        yield Opened(sources, own.loaded)


def _emptied(folder: Path) -> TripleStore:
    """A new store in place of an old one; only answers of endpoints are taken over, which hold for any files."""
    gone = set_aside(folder)
    store = TripleStore(folder)
    if (gone / "answers").exists():
        (gone / "answers").replace(folder / "answers")
    shutil.rmtree(gone)
    return store


def _is_path(name: str) -> bool:
    return not name.startswith(("http://", "https://", "wordnet:")) and name != "wordnet"


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise LabelhedgeError(
            f"{path} does not exist: a source is a file or folder, a store, 'wordnet', or the address of an endpoint"
        )
    if not path.is_dir():
        return [path]
    if is_store(path):
        return []
    known = {*files.TABLES, *files.LINES, ".ttl", ".rdf", ".owl", ".jsonld"}
    found = sorted(file for file in path.iterdir() if file.is_file() and files.ending(file) in known)
    if not found:
        raise LabelhedgeError(f"{path} holds no file of triples ({', '.join(sorted(known))})")
    return found
