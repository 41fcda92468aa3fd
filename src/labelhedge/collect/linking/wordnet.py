"""A lexicon of WordNet's nouns.

    lexicon = wordnet_lexicon(domains="species,artifacts")

All senses of all nouns compete; only those below the roots of the domains are given out. How often a form means a sense
comes from WordNet's counts of tagged text, in which things that can be seen are rarer than in the words of photos. What
else a form may be is counted too: a verb or an adjective (from the same counts), a given or a family name (from the
persons in WordNet).
"""

from __future__ import annotations

import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelhedge.collect.linking.lexicon import (
    ADJECTIVE,
    ANYTHING,
    FAMILY_NAME,
    GIVEN_NAME,
    VERB,
    Entry,
    Form,
    Lexicon,
)
from labelhedge.collect.linking.matching import normal_all
from labelhedge.collect.linking.morphology import IRREGULAR, plurals
from labelhedge.collect.linking.pausing import no_collection
from labelhedge.collect.linking.wordlists import GIVEN_NAMES, NICKNAMES
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, HYPERNYM, WordNet, uri

DOMAINS = {
    "animals": ("animal.1", "-hominid.1"),
    "plants": ("plant.2",),
    "species": ("animal.1", "plant.2", "-hominid.1"),
    "artifacts": ("artifact.1",),
    "food": ("food.1", "food.2"),
    "persons": ("person.1",),
    "places": ("location.1", "geological_formation.1", "body_of_water.1"),
    "sports": ("sport.1",),
}
"""Roots of domains by name; what is below a root with a minus is not in the domain."""

SEEN = {
    "physical_entity.1": 2.0,
    "person.1": 4.0,
    "food.1": 4.0,
    "food.2": 4.0,
    "location.1": 4.0,
    "structure.1": 4.0,
    "animal.1": 4.0,
    "plant.2": 4.0,
    "picture.1": 20.0,
    "photograph.1": 10.0,
    "photographic_equipment.1": 10.0,
    "film.3": 10.0,
}
"""How much oftener the words of photos mean what is below a sense than other texts do; the last that fits counts."""
VERBS, ADJECTIVES = 0.2, 1.0
"""How often other words than nouns stand in a photo's words, against how often they stand in other texts."""
# Share of a verb's uses that have the form: base, -s, -ed, -ing.
VERB_SHARES = (0.4, 0.15, 0.3, 0.15)
NAMELESS_WORD, NAMELESS_WORDS, SHORT = 0.5, 0.02, 1.0
"""Weight of "none of all this" for a form of one word, of several words; more for one of up to three letters."""
RARE_NAME = 2.0
"""More for a capitalised word that was never met in counted text."""
NAME = 8.0
"""Weight of a common given name that is a noun too: "heather"."""
NICKNAME = 0.12
"""Share of a noun's uses that are a nickname, for those that are known as such."""
NEIGHBOURS = 60


def wordnet_lexicon(folder: str | os.PathLike[str] = DEBIAN, domains: str | Sequence[str] | None = None) -> Lexicon:
    """WordNet's nouns with priors, glosses and what competes with them; a few seconds.

    Parameters
    ----------
    folder : path
        Of WordNet's database files.
    domains : str or list of str, optional
        What to give out: names of `DOMAINS` or senses such as ``dog.1``, with all below them, but not what is below
        senses with a minus (``-puppy.1``); all nouns if left out.

    Raises
    ------
    ValueError
        When a file of WordNet is missing, or a domain is neither.
    """
    with no_collection():
        entries, irregular = wordnet_entries(folder, domains)
        return Lexicon.build(entries, irregular, nameless=True)


def wordnet_entries(
    folder: str | os.PathLike[str] = DEBIAN, domains: str | Sequence[str] | None = None
) -> tuple[list[Entry], dict[str, list[str]]]:
    """What `wordnet_lexicon` builds its lexicon of: entries, and the irregular plurals; to build a larger one."""
    nouns = WordNet.open(folder)
    tree = _Tree(nouns)
    wanted = _below(tree, domains)
    seen = _seen(tree)
    forms: dict[str, list[Form]] = defaultdict(list)
    for lemma, synsets in nouns.senses.items():
        for rank, synset in enumerate(synsets, 1):
            written = next((name for name in nouns.names[synset] if name.lower().replace(" ", "_") == lemma), lemma)
            weight = nouns.counts.get((lemma, rank), 0) + 1 / rank
            proper = written[:1].isupper()
            forms[synset].append(Form(written.replace("_", " "), weight * seen.get(synset, 1.0), not proper))
    entries = [
        Entry(
            uri(synset),
            names[0],
            description=_description(nouns, synset),
            wanted=synset in wanted,
            forms=forms[synset],
        )
        for synset, names in nouns.names.items()
        if forms[synset]
    ]
    entries += _nicknames(forms)
    irregular: dict[str, list[str]] = {singular: list(forms) for singular, forms in IRREGULAR.items()}
    for plural, singular in nouns.irregular.items():
        if plural not in irregular.setdefault(singular, []):
            irregular[singular].append(plural)
    return [*entries, *_others(tree, Path(folder))], irregular


def _nicknames(forms: Mapping[str, Sequence[Form]]) -> list[Entry]:
    """Cars, teams, bands and dishes that are called like animals and things: they compete, by the words near them."""
    weights: dict[str, float] = defaultdict(float)
    for form in itertools.chain(*forms.values()):
        weights[form.text.lower()] += form.weight
    return [
        Entry(
            f"urn:labelhedge:nickname:{kind}",
            f"name of a {kind}",
            description=context,
            wanted=False,
            forms=[Form(word, NICKNAME * weights[word]) for word in words.split() if word in weights],
        )
        for kind, (words, context) in NICKNAMES.items()
    ]


class _Tree:
    """WordNet's nouns from above: what is below a sense, for many senses."""

    def __init__(self, nouns: WordNet) -> None:
        self.nouns = nouns
        self._children: dict[str, list[str]] = defaultdict(list)
        for child in nouns.names:
            for parent in nouns.related(child):
                self._children[parent].append(child)

    def has(self, sense: str) -> bool:
        lemma, _, number = sense.rpartition(".")
        return len(self.nouns.senses.get(lemma, ())) >= int(number)

    def below(self, sense: str) -> frozenset[str]:
        """The synset of a sense such as ``dog.1``, and all below it."""
        found, waiting = set(), [self.nouns.synset(sense)]
        while waiting:
            if (synset := waiting.pop()) not in found:
                found.add(synset)
                waiting += self._children.get(synset, ())
        return frozenset(found)


def _below(tree: _Tree, domains: str | Sequence[str] | None) -> frozenset[str]:
    if domains is None:
        return frozenset(tree.nouns.names)
    names = [name.strip() for name in domains.split(",")] if isinstance(domains, str) else list(domains)
    roots = [root for name in names for root in DOMAINS.get(name, (name,))]
    if not roots:
        raise LabelhedgeError(f"no domain is named: choose of {', '.join(DOMAINS)}, or name a sense such as 'dog.1'")
    try:
        out, inside = (
            frozenset().union(*(tree.below(root.removeprefix("-")) for root in group))
            for group in ([r for r in roots if r[0] == "-"], [r for r in roots if r[0] != "-"])
        )
        return inside - out
    except LabelhedgeError as error:
        raise LabelhedgeError(f"domain {domains!r}: {error}; domains by name are {', '.join(DOMAINS)}") from error


def _seen(tree: _Tree) -> dict[str, float]:
    """By how much a synset is oftener meant in a photo's words; 1 where it is not here."""
    factors: dict[str, float] = {}
    for root, factor in SEEN.items():
        if tree.has(root):
            factors.update(dict.fromkeys(tree.below(root), factor))
    return factors


def _description(nouns: WordNet, synset: str) -> str:
    """Gloss, lemmas, and the names of what it is related to, hypernyms of hypernyms included."""
    near = nouns.related(synset, ("@", "@i", "~", "~i", "#m", "#p", "#s", "%m", "%p", "%s", ";c", ";u", ";r"))
    far = [upper for parent in nouns.related(synset, HYPERNYM) for upper in nouns.related(parent, HYPERNYM)]
    names = [name for other in dict.fromkeys(near[:NEIGHBOURS] + far) for name in nouns.names[other]]
    return "; ".join([*nouns.names[synset], nouns.glosses[synset], *names])


def _others(tree: _Tree, folder: Path) -> list[Entry]:
    """What a form may mean that is no noun sense."""
    verbs, adjectives = _other_words(folder)
    given, family = _person_names(tree)
    nouns = tree.nouns
    for name in GIVEN_NAMES:
        given[name] += NAME
    lemmas = [lemma.replace("_", " ") for lemma in nouns.senses]
    # "Cotswold" is a sheep in WordNet, and a region that is not in it.
    proper = {
        lemma.replace("_", " ")
        for lemma, synsets in nouns.senses.items()
        if (lemma, 1) not in nouns.counts and lemma.capitalize() in nouns.names[synsets[0]]
    }
    anything = [
        Form(
            lemma,
            (NAMELESS_WORDS if " " in name else NAMELESS_WORD)
            + SHORT * (len(name) <= 3)
            + RARE_NAME * (lemma in proper),
        )
        for lemma, name in zip(lemmas, normal_all(lemmas), strict=True)
    ]
    known = {form for lemma in lemmas for form in (lemma, *plurals(lemma))} | set(nouns.irregular)
    found: dict[str, dict[str, float]] = {VERB: verbs, ADJECTIVE: adjectives, GIVEN_NAME: given, FAMILY_NAME: family}
    return [
        Entry(ANYTHING, "anything", forms=anything),
        *(
            Entry(
                other,
                other.rpartition(":")[2],
                forms=[Form(form, weight, False) for form, weight in weights.items() if form in known],
            )
            for other, weights in found.items()
        ),
    ]


def _other_words(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Forms of verbs, and adjectives and adverbs, with how often they are expected beside nouns."""
    counts: Counter[tuple[str, str]] = Counter()
    path = folder / "cntlist.rev"
    for line in path.read_text(encoding="latin-1").splitlines() if path.exists() else ():
        key, _, count = line.split()
        lemma, _, place = key.partition("%")
        counts[lemma.replace("_", " "), place[0]] += int(count)
    path = folder / "verb.exc"
    irregular: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else ():
        form, *bases = line.split()
        for base in bases:
            irregular[base].append(form)
    verbs: dict[str, float] = defaultdict(float)
    adjectives: dict[str, float] = defaultdict(float)
    for (lemma, part), total in counts.items():
        if part in "345":
            adjectives[lemma] += ADJECTIVES * total
        elif part == "2":
            shares = dict(zip(_verb_forms(lemma), VERB_SHARES, strict=True))
            for form in irregular[lemma]:
                shares[form] = VERB_SHARES[3] if form.endswith("ing") else VERB_SHARES[2]
            for form, share in shares.items():
                verbs[form] += share * VERBS * total
    return verbs, adjectives


def _verb_forms(verb: str) -> tuple[str, str, str, str]:
    stem = verb.removesuffix("e")
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    third = verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")
    return verb, third, stem + "ed", stem + "ing"


def _person_names(tree: _Tree) -> tuple[dict[str, float], dict[str, float]]:
    """First and last words of the names of WordNet's persons, with their numbers."""
    given: dict[str, float] = defaultdict(float)
    family: dict[str, float] = defaultdict(float)
    if not tree.has("person.1"):
        return given, family
    for synset in sorted(tree.below("person.1")):
        if not tree.nouns.related(synset, ("@i",)):
            continue
        firsts, lasts = set(), set()
        for name in tree.nouns.names[synset]:
            parts = name.lower().split(" ")
            if len(parts) > 1 and name[:1].isupper():
                firsts.add(parts[0])
                lasts.add(parts[-1])
        for found, words in ((given, firsts), (family, lasts)):
            for word in sorted(words):
                found[word] += 1
    return given, family
