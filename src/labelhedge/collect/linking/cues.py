"""What the words beside a mention say: that it names nothing, is a verb, is part of a person's name.

The weights of the `OTHERS` of a lexicon are scaled by these before they compete with entities. All are cheap, and
looked at only where a mention is about to be given out.
"""

from __future__ import annotations

from labelhedge.collect.linking.wordlists import BEFORE_NOUNS, BEFORE_VERBS, ENGLISH, FOREIGN, GIVEN_NAMES

EDGES = frozenset(("", "|", "."))
LEAST_SCALES = (0.1, 0.3, 0.1, 0.05)
"""The least that `other_scales` gives; `nothing_scale` gives 1 or more."""


def is_foreign(words: frozenset[str] | set[str]) -> bool:
    """Whether a text is probably not English, by its function words.

    Examples
    --------
    >>> is_foreign(set("la plage de la mer".split())), is_foreign(set("the day at la mer".split()))
    (True, False)
    """
    return not words.isdisjoint(FOREIGN) and len(words & FOREIGN) > len(words & ENGLISH)


def nothing_scale(before: str, after: str, text: str, start: int, end: int, foreign: bool) -> float:
    """How much likelier it is that the mention ``text[start:end]`` means nothing that its words mean elsewhere.

    Parameters
    ----------
    before, after : str
        The folded words on its two sides; one of `EDGES` at the edge of a phrase.
    foreign : bool
        Whether the text is not in the language of the lexicon.
    """
    scale = 4.0 if foreign else 1.0
    if before in GIVEN_NAMES:
        return 6.0 * scale
    if after not in EDGES and text[start].isupper() and not text[start:end].isupper() and _capital_after(text, end):
        scale *= 8.0 if _in_sentence(text, start, end) else 2.0  # amid a name: "the Duck Tours bus"
    return scale


def other_scales(before: str, after: str, text: str, start: int, end: int) -> tuple[float, float, float, float]:
    """How much likelier the mention is a verb, an adjective, a given name, a family name than its form elsewhere.

    Examples
    --------
    >>> other_scales("to", "", "to fish", 3, 7)[0] > other_scales("the", "", "the fish", 4, 8)[0]
    True
    """
    left, right = before not in EDGES, after not in EDGES
    capital = text[start].isupper()
    if before in BEFORE_NOUNS:
        return 0.1, 1.0 if right else 0.3, 0.1, 4.0 if before in GIVEN_NAMES else 0.05
    verb = 5.0 if before in BEFORE_VERBS else 1.0 if left or right else 0.3
    given = 1.0 if capital or not (left or right) else 0.1
    if capital and right and not text[start:end].isupper() and _capital_after(text, end):
        given *= 2
    family = 0.05
    if before in GIVEN_NAMES:
        family = 4.0
    elif capital and left and _capital_before(text, start):
        family = 3.0
    return verb, 1.0, given, family


def _in_sentence(text: str, start: int, end: int) -> bool:
    """Whether lower-case words stand near on the same line, so that a capital says something."""
    left = text.rfind("\n", max(0, start - 60), start) + 1 or max(0, start - 60)
    right = text.find("\n", end, end + 60)
    words = [*text[left:start].split(), *text[end : right if right >= 0 else end + 60].split()]
    return sum(word[0].islower() and len(word) > 3 for word in words) > 1


def _capital_before(text: str, start: int) -> bool:
    words = text[max(0, start - 40) : start].split()
    return bool(words) and words[-1][:1].isupper()


def _capital_after(text: str, end: int) -> bool:
    words = text[end : end + 40].split()
    return bool(words) and words[0][:1].isupper()
