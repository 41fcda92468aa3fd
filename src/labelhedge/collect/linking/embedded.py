"""The linker that needs no service: a lexicon's names, and which of their meanings a text holds.

    linker = EmbeddedLinker(wordnet_lexicon(domains="species"))
    linker.link(["A golden retriever and two mice"])

As in DBpedia Spotlight, the score of an entity is how often its form means it, times how well the rest of the text fits
its description, as a share of that of all meanings of the form, wanted or not:

    score(e) ∝ P(e | form) · exp(fit_weight · cos(text, description of e))
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelhedge.collect.linking.context import Descriptions, fits
from labelhedge.collect.linking.cues import is_foreign, nothing_scale, other_scales
from labelhedge.collect.linking.lexicon import GLUED, INFLECTED, OTHERS, Lexicon
from labelhedge.collect.linking.matching import Found, Matcher
from labelhedge.collect.records import Entity
from labelhedge.errors import LabelhedgeError

VERSION = 1
"""Of what is done with a lexicon; a change of results changes it."""
BATCH = 256
"""Texts that are scanned at once: their arrays fit the processor's cache."""
UNMEANT = 0.05
"""Share of the uses of a form that mean none of what it may mean: they are part of a longer name, or a nickname."""


class _Meanings(NamedTuple):
    """What a form may mean: entities with their weights, and the weights of the `OTHERS` in their order, if any."""

    entities: list[int]
    weights: list[float]
    others: list[float] | None


class _Around:
    """A text, its words, and what is worked out of them once if it is asked for."""

    __slots__ = ("_foreign", "known", "text", "words")

    def __init__(self, text: str, words: list[str]) -> None:
        self.text, self.words = text, words
        self.known: dict[str, float] | None = None
        self._foreign: bool | None = None

    @property
    def foreign(self) -> bool:
        if self._foreign is None:
            self._foreign = is_foreign(set(self.words))
        return self._foreign


class EmbeddedLinker:
    """Links texts to the entities of a lexicon.

    Parameters
    ----------
    lexicon : Lexicon
    confidence : float
        Lowest score to give out, 0 to 1.
    support : int
        Entities of which a smaller support is known are not given out.
    plurals, glued : bool
        Whether to look for plurals, and for names written without their spaces.
    context : bool
        Whether the rest of the text counts; without, a form always means the same.
    fit_weight : float
        How much it counts.

    Raises
    ------
    ValueError
        When a setting is out of range, no entity can be given out, or `ahocorasick_rs` is not installed.

    Examples
    --------
    >>> from labelhedge.collect.linking import Entry, Lexicon
    >>> linker = EmbeddedLinker(Lexicon.build([Entry("urn:dog", "dog")]))
    >>> linker.link(["Two dogs", "hotdogs"])
    [[Entity(uri='urn:dog', name='dog', text='dogs', offset=4, score=1.0)], []]
    """

    def __init__(
        self,
        lexicon: Lexicon,
        *,
        confidence: float = 0.7,
        support: int = 0,
        plurals: bool = True,
        glued: bool = True,
        context: bool = True,
        fit_weight: float = 8.0,
    ) -> None:
        if not 0 <= confidence <= 1:
            raise LabelhedgeError(f"confidence is {confidence}: it must be between 0 and 1")
        if support < 0 or fit_weight < 0:
            raise LabelhedgeError(f"support is {support} and fit_weight {fit_weight}: neither may be negative")
        self.lexicon = lexicon
        self.confidence, self.fit_weight, self.context = float(confidence), float(fit_weight), context
        self._options = {
            "version": VERSION,
            "confidence": self.confidence,
            "support": support,
            "plurals": plurals,
            "glued": glued,
            "context": context,
            "fit_weight": self.fit_weight,
        }
        known = lexicon.support >= 0
        self._emitted = (lexicon.wanted & ~(known & (lexicon.support < support))).tolist()
        if not any(self._emitted):
            raise LabelhedgeError(f"no entity of the lexicon is wanted and has a support of {support} or more")
        kept = np.ones(len(lexicon.kind), bool)
        kept &= (lexicon.kind != INFLECTED) | plurals
        kept &= (lexicon.kind != GLUED) | glued
        forms, self._meanings = self._competing(kept)
        self._matcher = Matcher(forms)
        # Descriptions are compared only where more than one entity competes.
        self._descriptions: Descriptions | None = None
        self._indices: dict[int, dict[str, list[tuple[int, float]]]] = {}
        if context and fit_weight:
            rivals = [found.entities for found in self._meanings if found and len(found.entities) > 1]
            if rivals and any(lexicon.descriptions):
                self._descriptions = Descriptions(lexicon.descriptions, itertools.chain(*rivals))

    def _competing(self, kept: npt.NDArray[np.bool_]) -> tuple[list[str], list[_Meanings | None]]:
        """All forms of entities, with their meanings; None where no wanted entity is among them."""
        lexicon, emitted = self.lexicon, self._emitted
        others = {uri: number for number, uri in enumerate(OTHERS)}
        role = [others.get(uri, -1) for uri in lexicon.uris]
        entity, weight = lexicon.entity.tolist(), lexicon.weight.tolist()
        forms: list[str] = []
        meanings: list[_Meanings | None] = []
        for form, (begin, end) in zip(lexicon.forms, itertools.pairwise(lexicon.offsets.tolist()), strict=True):
            places = [i for i in range(begin, end) if kept[i]]
            real = [i for i in places if role[entity[i]] < 0]
            if not real:
                continue
            forms.append(form)
            if not any(emitted[entity[i]] for i in real):
                meanings.append(None)
                continue
            rest = [0.0] * len(OTHERS)
            for i in places:
                if role[entity[i]] >= 0:
                    rest[role[entity[i]]] += weight[i]
            found = [entity[i] for i in real], [weight[i] for i in real], rest if any(rest) else None
            meanings.append(_Meanings(*found))
        return forms, meanings

    @property
    def fingerprint(self) -> str:
        """A digest of the lexicon and all settings."""
        stated = json.dumps([self.lexicon.fingerprint, self._options], sort_keys=True)
        return "embedded-" + hashlib.sha256(stated.encode()).hexdigest()[:32]

    def link(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of each text, by offset; none overlaps another."""
        results: list[list[Entity]] = [[] for _ in texts]
        for begin in range(0, len(texts), BATCH):
            batch = texts[begin : begin + BATCH]
            self._choose(self._matcher.scan(batch), batch, results[begin : begin + BATCH])
        return results

    def _choose(self, found: Found, texts: Sequence[str], results: list[list[Entity]]) -> None:
        """Append to each text's results the entity that each of its mentions means, if any."""
        columns = (found.text, found.name, found.start, found.end, found.first, found.last)
        bounds = np.append(np.searchsorted(found.words.starts, found.words.texts), len(found.words.starts)).tolist()
        uris, names, meanings_of = self.lexicon.uris, self.lexicon.names, self._meanings
        current = -1
        for number, form, start, end, first, last in zip(*(column.tolist() for column in columns), strict=True):
            if (meanings := meanings_of[form]) is None:
                continue
            if number != current:
                current, offset = number, bounds[number]
                around = _Around(texts[number], found.words.between(offset, bounds[number + 1]))
            entity, score = self._best(form, meanings, around, start, end, first - offset, last - offset)
            if score >= self.confidence and self._emitted[entity]:
                results[number].append(Entity(uris[entity], names[entity], around.text[start:end], start, score))

    def _best(
        self, form: int, meanings: _Meanings, around: _Around, start: int, end: int, first: int, last: int
    ) -> tuple[int, float]:
        """The likeliest entity of a mention, and its share among all that the mention may mean."""
        entities, weights, others = meanings
        total = 0.0
        if others is not None:
            before = around.words[first - 1] if first else ""
            after = around.words[last] if last < len(around.words) else ""
            text = around.text
            nothing = others[0] + UNMEANT * sum(weights)
            total = nothing * nothing_scale(before, after, text, start, end, around.foreign)
            if any(others[1:]):
                scales = other_scales(before, after, text, start, end)
                total += sum(map(operator.mul, others[1:], scales))
        if len(entities) == 1:
            return entities[0], weights[0] / (weights[0] + total)
        if self._descriptions is not None:
            if around.known is None:
                around.known = self._descriptions.known(around.words)
            if (index := self._indices.get(form)) is None:
                index = self._indices[form] = self._descriptions.index(entities)
            if (fit := fits(around.known, around.words[first:last], index, len(entities))) is not None:
                weights = [weight * math.exp(self.fit_weight * one) for weight, one in zip(weights, fit, strict=True)]
        best = max(weights)
        return entities[weights.index(best)], best / (sum(weights) + total)
