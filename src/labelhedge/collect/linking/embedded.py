"""The linker that needs no service: a lexicon's names, and which of their meanings a text holds.

    linker = EmbeddedLinker(wordnet_lexicon(domains="species"))
    linker.link(["A golden retriever and two mice"])

As in DBpedia Spotlight, the score of an entity is how often its form means it, times how well the rest of the text fits
its description, as a share of that of all meanings of the form, wanted or not:

    score(e) ∝ P(e | form) · exp(fit_weight · cos(text, description of e))
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labelhedge.collect.linking.context import Descriptions
from labelhedge.collect.linking.cues import is_foreign, scales
from labelhedge.collect.linking.lexicon import GLUED, INFLECTED, OTHERS, PROPER, Lexicon
from labelhedge.collect.linking.matching import Found, Matcher
from labelhedge.collect.records import Entity
from labelhedge.errors import LabelhedgeError

VERSION = 1
"""Of what is done with a lexicon; a change of results changes it."""
BATCH = 256
"""Texts that are scanned at once: their arrays fit the processor's cache."""


class _Meanings(NamedTuple):
    """What a form may mean: entities with their weights, and the weights of the `OTHERS` in their order."""

    entities: list[int]
    weights: list[float]
    proper: list[bool]
    others: tuple[float, float, float, float]


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
        confidence: float = 0.5,
        support: int = 0,
        plurals: bool = True,
        glued: bool = True,
        context: bool = True,
        fit_weight: float = 6.0,
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
        self._read_meanings(kept)
        self._matcher = Matcher([form for form, _ in self._forms])
        # Descriptions are compared only where more than one entity competes.
        self._descriptions: Descriptions | None = None
        if context and fit_weight:
            needed = {entity for _, found in self._forms if found and len(found.entities) > 1 for entity in found.entities}
            if needed and any(lexicon.descriptions):
                self._descriptions = Descriptions(lexicon.descriptions, needed)

    def _read_meanings(self, kept: np.ndarray) -> None:
        """Forms with something to compete for; meanings are None where no wanted entity is among them."""
        lexicon = self.lexicon
        roles = {uri: number for number, uri in enumerate(OTHERS)}
        role = [roles.get(uri, -1) for uri in lexicon.uris]
        entity, weight, kind = lexicon.entity.tolist(), lexicon.weight.tolist(), (lexicon.kind == PROPER).tolist()
        keep, bounds, emitted = kept.tolist(), lexicon.offsets.tolist(), self._emitted
        self._forms: list[tuple[str, _Meanings | None]] = []
        for form, begin, end in zip(lexicon.forms, bounds, bounds[1:]):
            places = [i for i in range(begin, end) if keep[i]]
            real = [i for i in places if role[entity[i]] < 0]
            if not real:
                continue
            if not any(emitted[entity[i]] for i in real):
                self._forms.append((form, None))
                continue
            others = [0.0] * len(OTHERS)
            for i in places:
                if role[entity[i]] >= 0:
                    others[role[entity[i]]] += weight[i]
            self._forms.append(
                (
                    form,
                    _Meanings(
                        [entity[i] for i in real],
                        [weight[i] for i in real],
                        [kind[i] for i in real],
                        (others[0], others[1], others[2], others[3]),
                    ),
                )
            )

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
            found = self._matcher.scan(batch)
            self._choose(found, batch, results[begin : begin + BATCH])
        return results

    def _choose(self, found: Found, texts: Sequence[str], results: list[list[Entity]]) -> None:
        """Append to each text's results the entity that each of its mentions means, if any."""
        columns = (found.text, found.name, found.start, found.end, found.first, found.last)
        current, words, first_word, foreign = -1, [], 0, False
        known: dict[str, float] | None = None
        lexicon = self.lexicon
        bounds = np.append(np.searchsorted(found.words.starts, found.words.texts), len(found.words.starts)).tolist()
        for number, form, start, end, first, last in zip(*(column.tolist() for column in columns)):
            meanings = self._forms[form][1]
            if meanings is None:
                continue
            text = texts[number]
            if number != current:
                current, first_word = number, bounds[number]
                words = found.words.between(first_word, bounds[number + 1])
                if number + 1 < len(texts):
                    words.pop()  # the break between two texts
                foreign, known = is_foreign(words), None
            first, last = first - first_word, last - first_word
            before = words[first - 1] if first else ""
            after = words[last] if last < len(words) else ""
            scale = scales(before, after, text, start, end, foreign)
            others = meanings.others
            total = (
                others[0] * scale.anything
                + others[1] * scale.word
                + others[2] * scale.given_name
                + others[3] * scale.family_name
            )
            weights = meanings.weights
            if len(weights) > 1 and self._descriptions is not None:
                if known is None:
                    known = self._descriptions.known(words)
                fits = self._descriptions.fits(known, words[first:last], meanings.entities)
                weights = [w * math.exp(self.fit_weight * fit) for w, fit in zip(weights, fits)]
            total += sum(weights)
            best = max(range(len(weights)), key=weights.__getitem__)
            entity = meanings.entities[best]
            score = weights[best] / total
            if score >= self.confidence and self._emitted[entity]:
                results[number].append(
                    Entity(lexicon.uris[entity], lexicon.names[entity], text[start:end], start, score)
                )
