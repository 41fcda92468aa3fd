"""A lexicon of WordNet's nouns.

    lexicon = wordnet_lexicon(domains="species,artifacts")

All senses of all nouns compete; only those below the roots of the domains are given out. How often a form means a sense
comes from WordNet's counts of tagged text, in which things that can be seen are rarer than in the words of photos. What
else a form may be is counted too: a verb or an adjective (from the same counts), a given or a family name (from the
persons in WordNet).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from labelhedge.collect.linking.lexicon import ANYTHING, FAMILY_NAME, GIVEN_NAME, WORD, Entry, Form, Lexicon
from labelhedge.collect.linking.matching import normal_all
from labelhedge.collect.linking.morphology import IRREGULAR
from labelhedge.errors import LabelhedgeError
from labelhedge.graph.wordnet import DEBIAN, HYPERNYM, WordNet, uri

DOMAINS = {
    "animals": ("animal.1",),
    "plants": ("plant.2",),
    "species": ("animal.1", "plant.2"),
    "artifacts": ("artifact.1",),
    "food": ("food.1", "food.2"),
    "persons": ("person.1",),
    "places": ("location.1", "geological_formation.1", "body_of_water.1"),
    "sports": ("sport.1",),
}
"""Roots of domains by name."""

VISIBLE = 2.0
"""How much oftener a photo's words mean something that can be seen than running text does."""
PARTS_OF_SPEECH = {"2": 0.05, "3": 0.1, "4": 0.1, "5": 0.1}
"""How much rarer verbs, adjectives and adverbs are in a photo's words than in running text."""
# Share of a verb's uses that have the form: base, -s, -ed, -ing.
VERB_SHARES = (0.4, 0.15, 0.3, 0.15)
NAMELESS_WORD, NAMELESS_WORDS, SHORT = 0.3, 0.02, 1.0
"""Weight of "none of all this" for a form of one word, of several words; more for one of up to three letters."""
NEIGHBOURS = 60


def wordnet_lexicon(folder: str | os.PathLike[str] = DEBIAN, domains: str | Sequence[str] | None = None) -> Lexicon:
    """WordNet's nouns with priors, glosses and what competes with them; a few seconds.

    Parameters
    ----------
    folder : path
        Of WordNet's database files.
    domains : str or list of str, optional
        What to give out: names of `DOMAINS` or senses such as ``dog.1``, with all below them; all nouns if left out.

    Raises
    ------
    ValueError
        When a file of WordNet is missing, or a domain is neither.
    """
    nouns = WordNet.open(folder)
    wanted = _below(nouns, domains)
    visible = _visible(nouns)
    forms: dict[str, list[Form]] = defaultdict(list)
    for lemma, synsets in nouns.senses.items():
        for rank, synset in enumerate(synsets, 1):
            written = next((name for name in nouns.names[synset] if name.lower().replace(" ", "_") == lemma), lemma)
            weight = nouns.counts.get((lemma, rank), 0) + 1 / rank
            proper = written[:1].isupper()
            forms[synset].append(
                Form(written.replace("_", " "), weight * (VISIBLE if synset in visible else 1), not proper)
            )
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
    irregular: dict[str, list[str]] = {singular: list(plurals) for singular, plurals in IRREGULAR.items()}
    for plural, singular in nouns.irregular.items():
        if plural not in irregular.setdefault(singular, []):
            irregular[singular].append(plural)
    return Lexicon.build([*entries, *_others(nouns, Path(folder))], irregular, nameless=True)


def _below(nouns: WordNet, domains: str | Sequence[str] | None) -> frozenset[str]:
    if domains is None:
        return frozenset(nouns.names)
    names = [name.strip() for name in domains.split(",")] if isinstance(domains, str) else list(domains)
    roots = [root for name in names for root in DOMAINS.get(name, (name,))]
    if not roots:
        raise LabelhedgeError(f"no domain is named: choose of {', '.join(DOMAINS)}, or name a sense such as 'dog.1'")
    try:
        return frozenset().union(*(nouns.descendants(nouns.synset(root)) for root in roots))
    except LabelhedgeError as error:
        raise LabelhedgeError(f"domain {domains!r}: {error}; domains by name are {', '.join(DOMAINS)}") from error


def _visible(nouns: WordNet) -> frozenset[str]:
    if "physical_entity" not in nouns.senses:
        return frozenset(nouns.names)
    return nouns.descendants(nouns.synset("physical_entity.1"))


def _description(nouns: WordNet, synset: str) -> str:
    """Gloss, lemmas, and the names of what it is related to, hypernyms of hypernyms included."""
    near = nouns.related(synset, ("@", "@i", "~", "~i", "#m", "#p", "#s", "%m", "%p", "%s", ";c", ";u", ";r"))
    far = [upper for parent in nouns.related(synset, HYPERNYM) for upper in nouns.related(parent, HYPERNYM)]
    names = [name for other in dict.fromkeys(near[:NEIGHBOURS] + far) for name in nouns.names[other]]
    return "; ".join([*nouns.names[synset], nouns.glosses[synset], *names])


def _others(nouns: WordNet, folder: Path) -> list[Entry]:
    """What a form may mean that is no noun sense."""
    words = _other_words(folder)
    given, family = _person_names(nouns)
    lemmas = [lemma.replace("_", " ") for lemma in nouns.senses]
    anything = [
        Form(lemma, (NAMELESS_WORDS if " " in name or "-" in lemma else NAMELESS_WORD) + SHORT * (len(name) <= 3))
        for lemma, name in zip(lemmas, normal_all(lemmas), strict=True)
    ]
    known = {form for lemma in lemmas for form in (lemma, lemma + "s", lemma + "es")} | set(nouns.irregular)
    return [
        Entry(ANYTHING, "anything", forms=anything),
        Entry(WORD, "a word", forms=[Form(form, weight, False) for form, weight in words.items() if form in known]),
        Entry(GIVEN_NAME, "a given name", forms=[Form(form, n, False) for form, n in given.items() if form in known]),
        Entry(FAMILY_NAME, "a family name", forms=[Form(form, n, False) for form, n in family.items() if form in known]),
    ]


def _other_words(folder: Path) -> dict[str, float]:
    """Forms of verbs, adjectives and adverbs, with how often they are expected beside nouns."""
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
    weights: dict[str, float] = defaultdict(float)
    for (lemma, part), count in counts.items():
        if part not in PARTS_OF_SPEECH:
            continue
        weight = PARTS_OF_SPEECH[part] * count
        if part != "2":
            weights[lemma] += weight
            continue
        forms = _verb_forms(lemma)
        shares = dict(zip(forms, VERB_SHARES, strict=True))
        for form in irregular[lemma]:
            shares[form] = VERB_SHARES[3] if form.endswith("ing") else VERB_SHARES[2]
        for form, share in shares.items():
            weights[form] += share * weight
    return weights


def _verb_forms(verb: str) -> tuple[str, str, str, str]:
    stem = verb.removesuffix("e")
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    third = verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")
    return verb, third, stem + "ed", stem + "ing"


def _person_names(nouns: WordNet) -> tuple[Counter[str], Counter[str]]:
    """First and last words of the names of WordNet's persons, with their numbers."""
    given: Counter[str] = Counter()
    family: Counter[str] = Counter()
    if "person" not in nouns.senses:
        return given, family
    persons = nouns.descendants(nouns.synset("person.1"))
    for synset in sorted(persons):
        if not nouns.related(synset, ("@i",)):
            continue
        firsts, lasts = set(), set()
        for name in nouns.names[synset]:
            words = name.lower().split(" ")
            if len(words) > 1 and name[:1].isupper():
                firsts.add(words[0])
                lasts.add(words[-1])
        given.update(sorted(firsts))
        family.update(sorted(lasts))
    return given, family
