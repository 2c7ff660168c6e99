"""Split texts into normalised words with their places: the analyser of words everywhere.

A letter belongs to the word that it is written against, and initials to each other, so that
"t-shirt" is "tshirt" and "H&M" is "hm". Other words with a hyphen stay apart: "long-sleeve" is
"long" and "sleeve", and `written_together` has "longsleeve".
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_LETTERS = r"(?:[^\W_]|[\u0300-\u036f])+"
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES, _HYPHENS = "'’", "-‐‑"
_JOINTS = r"['’\-‐‑.&]"
_CHAIN = re.compile(rf"{_LETTERS}(?:{_JOINTS}{_LETTERS})*")
_AFTER_SIBILANT = ("sse", "che", "she", "xe", "zze")
_IRREGULAR = {
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
    """Normalised word: lower case, no accents, no English plural."""
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


def words_of(text: str) -> list[str]:
    """Return the normalised words of a text, in order."""
    return [word for one in written(text) for word in compared(one)]


def written_together(text: str) -> list[str]:
    """Return hyphenated words in one ("long-sleeve" -> "longsleeve"), in order."""
    return [word for chain in _CHAIN.findall(text) for word in _compound(chain)]


@lru_cache(maxsize=1 << 16)
def compared(one: str) -> tuple[str, ...]:
    """Normalise a written word; some become several."""
    return tuple(_bare(word) for word in words(re.sub(_JOINTS, "", one)))


def parts_of(one: str) -> list[str]:
    """Return the normalised parts of a written word ("t-shirt" -> "t", "shirt")."""
    return [word for part in re.split(r"[\-‐‑.&]", one) for word in compared(part)]


def words(text: str) -> list[str]:
    """Return lower-case words without accents and English plurals ("Sarees" -> "saree"), in order.

    Numbers stay, one-letter words too: sizes and model names are made of them.
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return [_singular(word) for word in _WORD.findall(kept)]


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each written word."""
    for chain in _CHAIN.finditer(text):
        at = chain.start()
        for start, end in _split(chain[0]):
            yield at + start, at + end


@lru_cache(maxsize=1 << 16)
def _split(chain: str) -> tuple[tuple[int, int], ...]:
    """Return start and end of the words in letters and digits joined by signs."""
    parts = list(re.finditer(_LETTERS, chain))
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
def _compound(chain: str) -> tuple[str, ...]:
    places = _split(chain)
    signs = [chain[start - 1] for start, _ in places[1:]]
    if not signs or any(sign not in _HYPHENS for sign in signs):
        return ()
    return compared(chain)


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
