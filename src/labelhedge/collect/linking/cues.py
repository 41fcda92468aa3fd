"""What the words beside a mention say: that it names nothing, is a verb, is part of a person's name.

The weights of the `OTHERS` of a lexicon are scaled by these before they compete with entities. All are cheap, and
looked at only where a mention is about to be given out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BEFORE_NOUNS = frozenset(
    "a an the this that these those my our your his her its their some any no every each another two three four five "
    "six seven eight nine ten many several few more of with from s".split()
)
BEFORE_VERBS = frozenset(
    "to i we you they he she who will would can could shall should may might must do does did don t not let lets "
    "please ll d".split()
)
ENGLISH = frozenset(
    "the a and of to in is was for with on at from by my our this that it his her are were we you i as an be have had "
    "not all out up they their your or but".split()
)
FOREIGN = frozenset(
    "le la les un une des du de et est dans pour avec sur par au aux ce cette qui que il elle nous mon ma mes son sa "
    "el los las del al y en es una con por para su sus lo se como mas muy este esta "
    "der die das und ist im mit von vom zum zur den dem ein eine auf fur bei nach aus auch nicht ich wir sie beim "
    "di il gli della dei delle nel nella per che non sono alla al piu e "
    "o os as do da dos das em no na nos nas um uma com "
    "het een van op met voor te bij naar uit aan zijn niet ook onze mijn "
    "och i pa av ar som till med for fran det den ett og er til af paa "
    "w z na do sie jest nie po ve bir ile bu ja on se ei "
    "els amb dels pel una i".split()
) - ENGLISH


@dataclass(frozen=True)
class Scales:
    """How much likelier, or less, each kind of other meaning is here."""

    anything: float
    word: float
    given_name: float
    family_name: float


def is_foreign(words: Sequence[str]) -> bool:
    """Whether a text is probably not English, by its function words.

    Examples
    --------
    >>> is_foreign("la plage de la mer".split()), is_foreign("a day in la mer".split())
    (True, False)
    """
    foreign = sum(word in FOREIGN for word in words)
    return foreign > 0 and foreign > sum(word in ENGLISH for word in words)


def scales(
    before: str, after: str, text: str, start: int, end: int, foreign: bool, boundary: frozenset[str] = frozenset("|.")
) -> Scales:
    """What the surroundings say of the mention ``text[start:end]``.

    Parameters
    ----------
    before, after : str
        The folded words on its two sides; ``|`` at the edge of a phrase, empty at the text's.
    foreign : bool
        Of the text.
    """
    alone = (not before or before in boundary) and (not after or after in boundary)
    capital = text[start].isupper()
    mixed = capital and not text[start:end].isupper()
    word = 0.3 if alone else 1.0
    if before in BEFORE_NOUNS:
        word = 0.1
    elif before in BEFORE_VERBS:
        word = 5.0
    capital_before = bool(before) and before not in boundary and _capital_before(text, start)
    capital_after = bool(after) and after not in boundary and _capital_after(text, end)
    given = 0.02 if not capital and not alone else 0.5 if not capital else 1.0
    if mixed and capital_after and before not in BEFORE_NOUNS:
        given = 2.0
    family = 3.0 if capital and capital_before and before not in BEFORE_NOUNS else 0.05
    return Scales(4.0 if foreign else 1.0, word, given, family)


def _capital_before(text: str, start: int) -> bool:
    words = text[max(0, start - 40) : start].split()
    return bool(words) and words[-1][:1].isupper()


def _capital_after(text: str, end: int) -> bool:
    words = text[end : end + 40].split()
    return bool(words) and words[0][:1].isupper()
