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
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelhedge.collect.linking.context import HIGHEST, OWN, Descriptions
from labelhedge.collect.linking.cues import LEAST_SCALES, WORDS, Beside, Languages, flags
from labelhedge.collect.linking.lexicon import GLUED, INFLECTED, OTHERS, Lexicon
from labelhedge.collect.linking.matching import Found, Matcher
from labelhedge.collect.linking.pausing import no_collection
from labelhedge.collect.linking.tries import Ints
from labelhedge.collect.records import Entity
from labelhedge.errors import LabelhedgeError

Floats = npt.NDArray[np.float64]

VERSION = 1
"""Of what is done with a lexicon; a change of results changes it."""
BATCH = 256
"""Texts that are linked at once: more cost less each, but their arrays should fit the processor's cache."""
UNMEANT = 0.05
"""Share of the uses of a form that mean none of what it may mean: they are part of a longer name, or a nickname."""


class _Meanings(NamedTuple):
    """What forms may mean: S forms that may mean a wanted entity, with C candidates.

    Attributes
    ----------
    slots : ints (F,)
        Number among the S of each form that is looked for, -1 where it means no wanted entity: it only takes its place.
    starts : ints (S + 1,)
        The candidates of each: from `starts[i]` up to, but without, ``starts[i + 1]``.
    entities, weights : (C,)
    others : floats (S, 5)
        Weights of the `OTHERS`.
    """

    slots: Ints
    starts: Ints
    entities: Ints
    weights: Floats
    others: Floats


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
        When a setting is out of range, or no entity can be given out.

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
        self._emitted = lexicon.wanted & ~(known & (lexicon.support < support))
        if not self._emitted.any():
            raise LabelhedgeError(f"no entity of the lexicon is wanted and has a support of {support} or more")
        kept = np.ones(len(lexicon.kind), bool)
        kept &= (lexicon.kind != INFLECTED) | plurals
        kept &= (lexicon.kind != GLUED) | glued
        forms, self._meanings = self._competing(kept)
        self._settle(fit_weight if context and any(lexicon.descriptions) else 0.0)
        self._descriptions: Descriptions | None = None
        if context and fit_weight and any(lexicon.descriptions):
            self._describe(forms)
        self._number(forms)

    def _competing(self, kept: npt.NDArray[np.bool_]) -> tuple[list[str], _Meanings]:
        """All forms of entities, and what those may mean that may mean a wanted one."""
        lexicon = self.lexicon
        role_of = {uri: number for number, uri in enumerate(OTHERS)}
        role = np.array([role_of.get(uri, -1) for uri in lexicon.uris])[lexicon.entity]
        form = np.repeat(np.arange(len(lexicon.forms)), np.diff(lexicon.offsets))
        real, other = kept & (role < 0), kept & (role >= 0)
        looked = np.zeros(len(lexicon.forms), bool)
        looked[form[real]] = True
        wanted = np.zeros(len(lexicon.forms), bool)
        wanted[form[real & self._emitted[lexicon.entity]]] = True
        slot = np.where(wanted, np.cumsum(wanted) - 1, -1)
        chosen = np.flatnonzero(real & wanted[form])
        others = np.zeros((int(wanted.sum()), len(OTHERS)))
        competing = np.flatnonzero(other & wanted[form])
        others[slot[form[competing]], role[competing]] = lexicon.weight[competing]
        starts = np.searchsorted(slot[form[chosen]], np.arange(len(others) + 1))
        names = [lexicon.forms[number] for number in np.flatnonzero(looked)]
        return names, _Meanings(slot[looked], starts, lexicon.entity[chosen], lexicon.weight[chosen], others)

    def _settle(self, fit_weight: float) -> None:
        """What is known of forms beforehand: what takes from their scores, and which never reach the confidence."""
        meanings = self._meanings
        others, edges = meanings.others, meanings.starts[:-1]
        total = np.add.reduceat(meanings.weights, edges)
        self._nothing: Floats = np.where(others.any(1), others[:, 0] + UNMEANT * total, 0.0)
        self._spoken = np.asarray(others[:, 1:].any(1))
        self._least: Floats = self._nothing + others[:, 1:] @ np.array(LEAST_SCALES)
        highest = np.maximum.reduceat(np.where(self._emitted[meanings.entities], meanings.weights, 0.0), edges)
        lifted = highest * math.exp(fit_weight * HIGHEST)
        never = lifted < self.confidence * (lifted + total - highest + self._least)
        slots = meanings.slots
        slots[(slots >= 0) & never[slots]] = -1

    def _describe(self, forms: Sequence[str]) -> None:
        """Descriptions are compared only where more than one entity competes."""
        meanings = self._meanings
        several = np.diff(meanings.starts) > 1
        needed = meanings.entities[np.repeat(several, np.diff(meanings.starts))]
        if not len(needed):
            return
        self._descriptions = Descriptions(self.lexicon.descriptions, needed.tolist())
        self._own = np.full((len(several), OWN), -1, np.int64)
        for form in np.flatnonzero(meanings.slots >= 0).tolist():
            if several[slot := meanings.slots[form]]:
                self._own[slot] = self._descriptions.own(forms[form])
        self._own_squares = self._descriptions.own_squares(self._own)

    def _number(self, forms: Sequence[str]) -> None:
        """Words of texts are numbers: what is known of each, by its number."""
        known = {} if self._descriptions is None else self._descriptions.numbers
        self._matcher = Matcher(forms, [*WORDS, *known])
        self._languages = Languages(self._matcher.numbers, self._matcher.size)
        self._flags = np.zeros(self._matcher.size, np.uint8)
        self._flags[self._matcher.numbers(WORDS)] = flags(WORDS)
        self._context = np.full(self._matcher.size, -1)
        self._context[self._matcher.numbers(list(known))] = list(known.values())
        self._context[0] = -1  # words with letters that are in no form

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
            with no_collection():
                self._link(batch, results[begin : begin + BATCH])
        return results

    def _link(self, texts: Sequence[str], results: list[list[Entity]]) -> None:
        """Append to each text's results the entity that each of its mentions means, if any."""
        found = self._matcher.scan(texts)
        slots = self._meanings.slots[found.name]
        mentions = np.flatnonzero(slots >= 0)
        if not len(mentions):
            return
        slots = slots[mentions]
        text_of_word = np.repeat(np.arange(len(texts)), np.diff(found.bounds))
        entity, weight, rivals = self._best(found, mentions, slots, text_of_word)
        # What stands beside a mention is looked at last, and only where it may still decide.
        least = weight + rivals + self._least[slots]
        likely = np.flatnonzero((weight >= self.confidence * least) & self._emitted[entity])
        left, slots = mentions[likely], slots[likely]
        entity, weight, rivals = entity[likely], weight[likely], rivals[likely]
        text = found.text[left]
        where = list(zip(*(column.tolist() for column in (text, found.start[left], found.end[left])), strict=True))
        beside = np.append(self._flags.take(found.words), flags([""]))
        cues = Beside(texts, where, beside[found.first[left] - 1], beside[found.last[left]])
        foreign = self._languages.foreign(found.words, text_of_word, len(texts))[text]
        others = self._meanings.others[slots, 1:] * cues.other_scales(self._spoken[slots])
        total = rivals + self._nothing[slots] * cues.nothing_scales(foreign)
        total += others[:, 0] + others[:, 1] + others[:, 2] + others[:, 3]
        score = _rounded(weight / (weight + total))
        good = np.flatnonzero(score >= self.confidence)
        uris, names = self.lexicon.uris, self.lexicon.names
        for one, chosen, rounded in zip(good.tolist(), entity[good].tolist(), score[good].tolist(), strict=True):
            number, start, end = where[one]
            results[number].append(_entity((uris[chosen], names[chosen], texts[number][start:end], start, rounded)))

    def _best(self, found: Found, mentions: Ints, slots: Ints, text_of_word: Ints) -> tuple[Ints, Floats, Floats]:
        """For each mention the likeliest entity, its weight, and the sum of the weights of the other entities."""
        starts = self._meanings.starts
        begin, count = starts[slots], starts[slots + 1] - starts[slots]
        edges = np.concatenate(([0], np.cumsum(count)))
        mention = np.repeat(np.arange(len(mentions)), count)
        candidate = np.arange(len(mention)) + np.repeat(begin - edges[:-1], count)
        entity, weight = self._meanings.entities[candidate], self._meanings.weights[candidate]
        if self._descriptions is not None and (pairs := np.flatnonzero(count[mention] > 1)).size:
            text, slot = found.text[mentions[mention[pairs]]], slots[mention[pairs]]
            words = self._descriptions.read(self._context.take(found.words), text_of_word, len(found.bounds) - 1)
            fit = self._descriptions.fits(words, text, entity[pairs], self._own[slot], self._own_squares[slot])
            weight[pairs] *= np.exp(self.fit_weight * fit)
        heaviest = np.maximum.reduceat(weight, edges[:-1])
        at = np.flatnonzero(weight == heaviest[mention])
        best = at[np.flatnonzero(np.diff(mention[at], prepend=-1))]  # of several the first
        return entity[best], heaviest, np.maximum(np.bincount(mention, weight) - heaviest, 0.0)


_entity = partial(tuple.__new__, Entity)
"""An entity of its fields, several times faster than by their names."""


def _rounded(scores: Floats) -> Floats:
    """Scores to six decimals, each exactly as `round` gives it."""
    millionths = scores * 1e6
    whole = np.rint(millionths)
    rounded: Floats = whole / 1e6
    # Halfway between two, what `millionths` lost may decide.
    for unsure in np.flatnonzero(np.abs(np.abs(millionths - whole) - 0.5) < 1e-6).tolist():
        rounded[unsure] = round(float(scores[unsure]), 6)
    return rounded
