"""A linker by its name, as the command line and recipes give it."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labelhedge.collect.linking.compiled import kept
from labelhedge.collect.linking.dbpedia import dbpedia_lexicon
from labelhedge.collect.linking.embedded import EmbeddedLinker
from labelhedge.collect.linking.lexicon import Lexicon
from labelhedge.collect.linking.lists import corpus_lexicon, list_lexicon
from labelhedge.collect.linking.senses import sense_linker
from labelhedge.collect.linking.wordnet import wordnet_lexicon
from labelhedge.collect.records import Linker
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN

NAMES = (
    "wordnet[:FOLDER], wordnet-senses[:FOLDER], dbpedia:FOLDER, spotlight[:URL], a lexicon (.parquet), a list (.csv, "
    ".tsv, .txt), a corpus"
)


def open_linker(spec: str, **options: Any) -> Linker:
    """The linker that a name stands for.

    Parameters
    ----------
    spec : str
        ``wordnet`` or ``wordnet:FOLDER``; ``wordnet-senses``, which does not choose among the senses of a noun;
        ``dbpedia:FOLDER`` with its dumps; ``spotlight`` or ``spotlight:URL``; the path of a lexicon that `Lexicon.save`
        wrote, of a list of labels, of a corpus or its `corpus.json`.
    **options
        Settings of `EmbeddedLinker` or `SpotlightLinker`; ``domains`` of WordNet; ``language`` of DBpedia; and
        ``vocabulary``, a CSV with a column `uri`, to give out these entities only.

    Raises
    ------
    ValueError
        When there is no such linker, file or setting, or a package is missing.

    Examples
    --------
    >>> names = getfixture("tmp_path") / "names.txt"
    >>> _ = names.write_text("corgi | Welsh corgi")
    >>> [entity.name for entity in open_linker(str(names)).link(["Two corgis"])[0]]
    ['corgi']
    """
    kind, _, rest = spec.partition(":")
    if kind == "spotlight":
        from labelhedge.collect.spotlight import SpotlightLinker

        _check(options, SpotlightLinker)
        spotlight: Linker = SpotlightLinker(rest, **options) if rest else SpotlightLinker(**options)
        return spotlight
    if kind == "wordnet-senses":
        _check(options, sense_linker)
        return sense_linker(rest or DEBIAN, **options)
    source: Callable[..., Lexicon]
    if kind == "wordnet":
        source, place = wordnet_lexicon, rest or str(DEBIAN)
    elif kind == "dbpedia":
        source, place = dbpedia_lexicon, rest
    else:
        source, place = _by_path(spec), spec
    _check(options, source, EmbeddedLinker, more=("vocabulary",))
    vocabulary = options.pop("vocabulary", None)
    settings = {name: options.pop(name) for name in list(options) if name in _settings(source)}
    lexicon = kept(source, place, **settings) if kind in ("wordnet", "dbpedia") else source(place, **settings)
    if vocabulary is not None:
        lexicon = lexicon.restricted(_vocabulary(Path(vocabulary)))
    return EmbeddedLinker(lexicon, **options)


def _by_path(spec: str) -> Callable[..., Lexicon]:
    path = Path(spec)
    if not path.exists():
        raise LabelhedgeError(f"there is no linker and no file {spec!r}: choose of {NAMES}")
    if path.is_dir() or path.name == "corpus.json":
        return corpus_lexicon
    sources = {".parquet": Lexicon.load} | dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), list_lexicon)
    if path.suffix.lower() not in sources:
        raise LabelhedgeError(f"{spec} ends with {path.suffix!r}, from which no linker is made: choose of {NAMES}")
    return sources[path.suffix.lower()]


def _settings(source: Callable[..., Any]) -> list[str]:
    """Names of the settings of a lexicon's source or a linker, without what it is made of."""
    return [
        name
        for name in inspect.signature(source).parameters
        if name not in ("self", "folder", "path", "lexicon", "url")
    ]


def _check(options: Mapping[str, Any], *owners: Callable[..., Any], more: tuple[str, ...] = ()) -> None:
    known = sorted({name for owner in owners for name in _settings(owner)} | set(more))
    for name, value in options.items():
        if name not in known:
            raise LabelhedgeError(f"the linker has no setting {name!r}: it has {', '.join(known)}")
        for owner in owners:
            default = inspect.signature(owner).parameters[name].default if name in _settings(owner) else None
            if isinstance(default, bool) and not isinstance(value, bool):
                raise LabelhedgeError(f"the linker's {name} is {value!r}: true or false is needed")
            if isinstance(default, int | float) and not isinstance(value, int | float):
                raise LabelhedgeError(f"the linker's {name} is {value!r}: a number is needed, such as {default}")


def _vocabulary(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "uri" not in (reader.fieldnames or ()):
                raise LabelhedgeError(f"{path} has no column 'uri', but {', '.join(reader.fieldnames or ()) or 'none'}")
            return [row["uri"] for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise LabelhedgeError(f"the vocabulary {path} cannot be read: {error}") from error
