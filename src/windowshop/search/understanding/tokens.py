"""Split texts into normalised words with their places."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_LETTERS = r"(?:[^\W_]|[\u0300-\u036f])+"
_WORD = re.compile(r"[^\W_]+")
_TOKEN = re.compile(rf"{_LETTERS}(?:['’]{_LETTERS})*")
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


def tokens(text: str) -> list[Token]:
    """Return the words of a text in order; an apostrophe joins ("men's" is "mens", so "men")."""
    return [
        Token(found[0], word, found.start(), found.end())
        for found in _TOKEN.finditer(text)
        for word in compared(found[0])
    ]


def written(text: str) -> list[str]:
    """Return the words of a text as written, in order."""
    return _TOKEN.findall(text)


def words_of(text: str) -> list[str]:
    """Return the normalised words of a text, in order."""
    return [word for one in written(text) for word in compared(one)]


@lru_cache(maxsize=1 << 16)
def compared(one: str) -> tuple[str, ...]:
    """Normalise a written word; some become several."""
    return tuple(_bare(word) for word in words(re.sub("['’]", "", one)))


def words(text: str) -> list[str]:
    """Return lower-case words without accents and English plurals ("Sarees" -> "saree"), in order.

    Numbers stay, one-letter words too: sizes and model names are made of them.
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return [_singular(word) for word in _WORD.findall(kept)]


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
