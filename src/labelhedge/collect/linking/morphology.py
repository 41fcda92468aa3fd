"""Other forms of a name, made when a dictionary is built so that they cost nothing when texts are read.

    plurals("butterfly")                 # ['butterflies']
    glued("golden retriever")            # 'goldenretriever', as tags are often written

All names are as `matching.normal` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

IRREGULAR: Mapping[str, Sequence[str]] = {
    singular: [plural]
    for singular, plural in map(
        str.split,
        "calf calves,child children,elf elves,foot feet,goose geese,half halves,hoof hooves,knife knives,leaf leaves,"
        "life lives,loaf loaves,louse lice,mouse mice,ox oxen,person people,scarf scarves,shelf shelves,"
        "thief thieves,tooth teeth,wharf wharves,wife wives,wolf wolves".split(","),
    )
}
SAME = frozenset("deer sheep fish moose bison swine series species salmon trout aircraft spacecraft".split())
NOT_MEN = frozenset("human german roman norman ottoman talisman shaman caiman ataman hetman brahman".split())

GLUED_LETTERS = 8
"""A name of two or more words is also looked for without spaces if it has this many letters."""


def plurals(name: str, irregular: Mapping[str, Sequence[str]] = IRREGULAR) -> list[str]:
    """Plurals of a name, by its last word; none where that is no word of letters, or has no other plural.

    Parameters
    ----------
    name : str
        A normal name.
    irregular : dict of str to list of str
        Plurals of words that do not follow the rules.

    Examples
    --------
    >>> plurals("fox"), plurals("police man"), plurals("red wolf"), plurals("sheep")
    (['foxes'], ['police men'], ['red wolves', 'red wolfs'], [])
    """
    *head, last = name.split(" ")
    if not last.isalpha() or len(last) < 3 or last in SAME:
        return []
    # By the rule as well, as WordNet's own morphology allows: "mosquitoes" is in its exceptions, "mosquitos" is not.
    found = dict.fromkeys([*irregular.get(last, ()), _plural(last)])
    return [" ".join([*head, plural]) for plural in found if plural != last]


def _plural(word: str) -> str:
    if word.endswith("man") and word not in NOT_MEN:
        return word[:-3] + "men"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def glued(name: str) -> str | None:
    """The name as one word, or None where it is one already or too short to be told from another word.

    Examples
    --------
    >>> glued("new york city"), glued("red ant")
    ('newyorkcity', None)
    """
    words = name.split(" ")
    together = "".join(words)
    return together if len(words) > 1 and len(together) >= GLUED_LETTERS and together.isalnum() else None
