"""The words of an uploader: title, file name and keywords, without what names the creator or the folder."""

from __future__ import annotations

import html
import re
import unicodedata

# Also nouns in WordNet (angstrom, indium, arsenic, ...), but hardly ever meant so; in the archive's main languages.
FUNCTION_WORDS = frozenset(
    "a an and are as at be by can did do for from get had has have he her his how i if in into is it its me my no "
    "not of off on or our out over she so than that the their then there these they this those to under up us was "
    "we were what when where which who why will with you your via vs "
    "al con da de del della di e et il la le les los nel un una y der die das und".split()
)
VARIANTS = frozenset(
    "bw b w black white grey gray colour color coloured colored red blue green yellow orange purple pink brown "
    "outline shaded contour sketch line small big large left right up down version rev".split()
)


def readable(text: str) -> str:
    """Text as its writer meant it: HTML entities resolved, UTF-8 that was read as Latin-1 read as UTF-8."""
    text = html.unescape(text)
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def words(text: str) -> list[str]:
    """Lower-case words of letters, accents removed; digits and case changes separate words."""
    decomposed = unicodedata.normalize("NFKD", readable(text))
    text = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("'", "")
    return re.findall(r"[a-z]+", text.lower())


def title_words(title: str) -> list[str]:
    """Words of a title, without the "Clipart by <creator> -" that an uploading tool put before it."""
    return words(re.sub(r"^\s*clip\s*art by .*? - ", "", title, flags=re.I))


def file_words(stem: str, creator: str) -> list[str]:
    """Words of a file name, without the creator's name, which stands at its end, in full, in part or cut short."""
    name = words(creator)
    found = words(stem)
    for start in range(1, len(found)):
        if _names(found[start:], name):
            return found[:start]
    # Also amid other words: "jean" of Jean-Victor is no trousers. The first word is the drawing's own.
    return found[:1] + [word for word in found[1:] if word not in name]


def _names(tail: list[str], name: list[str]) -> bool:
    """Whether words are a name's, in its order, some perhaps left out and the last perhaps cut short."""
    place = 0
    for number, word in enumerate(tail):
        last = number == len(tail) - 1
        fits = [i for i in range(place, len(name)) if name[i] == word or (last and name[i].startswith(word))]
        if not fits:
            return False
        place = fits[0] + 1
    return True


def informative_keywords(keywords: list[str], creator: str, folder_words: frozenset[str]) -> list[str]:
    """Keywords that do not merely repeat names of the archive's folders or of the creator.

    Those that do tell the folder, and so the truth: "animal", "foodfruits", "plantsvegetablesonion".
    """
    name = set(words(creator))
    kept = []
    for keyword in keywords:
        found = words(keyword)
        if found and not set(found) <= name and not _made_of(found, folder_words):
            kept.append(" ".join(found))
    return kept


def _made_of(found: list[str], folder_words: frozenset[str]) -> bool:
    return all(word in folder_words or _glued(word, folder_words) for word in found)


def _glued(word: str, folder_words: frozenset[str]) -> bool:
    """Whether a word begins with a folder's name glued to something: "foodfruits", "plantsvegetablesonion"."""
    return any(len(part) >= 4 and word.startswith(part) and len(word) - len(part) >= 4 for part in folder_words)


def series_key(stem: str, creator: str) -> str | None:
    """A name for one creator's numbered or recoloured set ("blueman 101", "blueman 102"), or None."""
    base = [word for word in file_words(stem, creator) if word not in VARIANTS]
    return f"{creator.lower()}|{' '.join(base)}" if base and creator else None
