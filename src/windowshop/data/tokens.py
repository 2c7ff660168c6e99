"""Split texts into normalised words with their places: the analyser of words everywhere.

A letter belongs to the word that it is written against, and initials to each other, so that
"t-shirt" is "tshirt" and "H&M" is "hm". Other words with a hyphen stay apart: "long-sleeve" is
"long" and "sleeve", and `written_together` has "longsleeve". Articles that are elided are no words:
"l'été" is "ete".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from windowshop.data.folding import INVISIBLE, fold

_LETTERS = rf"[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}\p{{M}}{INVISIBLE}]*"
_WORD = regex.compile(_LETTERS)
_APOSTROPHES, _HYPHENS = "'’ʼ＇", "-‐‑"
_JOINTS = r"['’ʼ＇\-‐‑.&]"
_CHAIN = regex.compile(rf"{_LETTERS}(?:{_JOINTS}{_LETTERS})*")
_ASCII_CHAIN = re.compile(r"[A-Za-z0-9]+(?:['\-.&][A-Za-z0-9]+)*")
_ELIDED = frozenset(
    {"l", "d", "j", "m", "t", "s", "n", "c", "qu", "all", "dell", "dall", "nell", "sull", "un"}
    | {"quell", "quest", "bell", "sant", "gl", "lorsqu", "puisqu", "jusqu", "quoiqu", "quelqu"}
)
"""Articles, prepositions and pronouns that French, Italian and Catalan write against a vowel."""
_AFTER_SIBILANT = ("sse", "che", "she", "xe", "zze")
_IRREGULAR = {
    "tvs": "tv",
    "cds": "cd",
    "pcs": "pc",
    "man": "men",
    "woman": "women",
    "child": "children",
    "scarve": "scarf",
    "knive": "knife",
    "shelve": "shelf",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text."""

    text: str
    """Word as written."""
    word: str
    """Normalised word: folded, no English plural."""
    start: int
    end: int
    """Its characters in the text are `start : end`."""


def tokens_of(text: str) -> list[Token]:
    """Return the words of a text in order; an apostrophe joins ("men's" is "mens", so "men")."""
    return [
        Token(text[start:end], word, start, end)
        for start, end in _places(text)
        for word in compared(text[start:end])
    ]


def written(text: str) -> list[str]:
    """Return the words of a text as written, in order."""
    return [text[start:end] for start, end in _places(text)]


def words_of(text: str, singular: bool = True) -> list[str]:
    """Return the normalised words of a text, in order: English plurals cut, or folded alone."""
    return [word for one in written(text) for word in compared(one, singular)]


def written_together(text: str, singular: bool = True) -> list[str]:
    """Return hyphenated words in one ("long-sleeve" -> "longsleeve"), in order."""
    return [word for chain in _CHAIN.findall(text) for word in _compound(chain, singular)]


def with_articles(text: str) -> list[str]:
    """Return words in one with the article elided before them ("L'Oréal" -> "loreal"), in order."""
    if not any(sign in text for sign in _APOSTROPHES):
        return []
    chains = [(chain, _split(chain)[0]) for chain in _CHAIN.findall(text)]
    return [word for chain, (start, end) in chains if start for word in compared(chain[:end])]


@lru_cache(maxsize=1 << 16)
def compared(one: str, singular: bool = True) -> tuple[str, ...]:
    """Normalise a written word; some become several."""
    joined = re.sub(_JOINTS, "", one)
    if not singular:
        return tuple(_WORD.findall(fold(joined)))
    return tuple(_bare(word) for word in words(joined))


def parts_of(one: str, singular: bool = True) -> list[str]:
    """Return the normalised parts of a written word ("t-shirt" -> "t", "shirt")."""
    return [word for part in re.split(r"[\-‐‑.&]", one) for word in compared(part, singular)]


def words(text: str) -> list[str]:
    """Return folded words without English plurals ("Sarees" -> "saree"), in order.

    Numbers stay, one-letter words too: sizes and model names are made of them.
    """
    return [_singular(word) for word in _WORD.findall(fold(text))]


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each written word."""
    chains = _ASCII_CHAIN.finditer(text) if text.isascii() else _CHAIN.finditer(text)
    for chain in chains:
        at = chain.start()
        for start, end in _split(chain[0]):
            yield at + start, at + end


@lru_cache(maxsize=1 << 16)
def _split(chain: str) -> tuple[tuple[int, int], ...]:
    """Return start and end of the words in letters and digits joined by signs.

    An elided article ("l'été") is no word.
    """
    parts = list(_WORD.finditer(chain))
    if _is_elided(chain, parts):
        parts = parts[1:]
    groups = [[parts[0]]]
    for part in parts[1:]:
        group, sign = groups[-1], chain[part.start() - 1]
        are_initials = all(_is_letter(own[0]) for own in group)
        is_last_letter = part is parts[-1] and _is_letter(part[0]) and sign in _HYPHENS
        if (
            sign in _APOSTROPHES
            or (are_initials and (_is_letter(part[0]) or len(group) == 1))
            or is_last_letter
        ):
            group.append(part)
        else:
            groups.append([part])
    return tuple((group[0].start(), group[-1].end()) for group in groups)


@lru_cache(maxsize=1 << 16)
def _compound(chain: str, singular: bool) -> tuple[str, ...]:
    places = _split(chain)
    if places[0][0]:  # an elided article: "L'Oréal" is "loreal" too
        return compared(chain[: places[0][1]], singular)
    signs = [chain[start - 1] for start, _ in places[1:]]
    if not signs or any(sign not in _HYPHENS for sign in signs):
        return ()
    return compared(chain, singular)


def _is_elided(chain: str, parts: Sequence[regex.Match[str]]) -> bool:
    """Return whether the first part is an article before an apostrophe and a vowel."""
    if len(parts) < 2 or chain[parts[1].start() - 1] not in _APOSTROPHES:
        return False
    is_article = parts[0][0].casefold() in _ELIDED
    return is_article and len(parts[1][0]) > 1 and fold(parts[1][0])[0] in "aeiouyh"


def _is_letter(part: str) -> bool:
    return len(part) == 1 and part.isalpha()


def _singular(word: str) -> str:
    """Cut the plural by Harman's s-stemmer (JASIS 42, 1991), for words of four letters and more."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("us", "ss")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    return word[:-1]


def _bare(word: str) -> str:
    """Merge forms that the s-stemmer keeps apart: dress-es, hoodie-s, shoe-s, woman."""
    if word.endswith(("aes", "ees", "oes")):
        word = word[:-1]
    if word.endswith("ie"):
        word = word[:-2] + "y"
    elif word.endswith(_AFTER_SIBILANT) or (word.endswith("oe") and len(word) > 5):
        word = word[:-1]
    return _IRREGULAR.get(word, word)
