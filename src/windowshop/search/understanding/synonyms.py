"""Synonyms of a shop, from a YAML file.

same:
  - [sofa, couch, settee]
one_way:
  - query: jacket
    also: [blazer, parka]      a search for jacket finds parkas, one for parka no jackets
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

from windowshop.data import words_of
from windowshop.errors import ConfigError
from windowshop.search.understanding.phrases import phrase_key
from windowshop.search.understanding.wordings import wordings
from windowshop.settings import load_settings, parse_settings

Phrase: TypeAlias = tuple[str, ...]
"""Normalised words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OneWay:
    """Phrase of a query that finds other phrases too."""

    query: str
    also: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SynonymRules:
    """Content of the file."""

    same: tuple[tuple[str, ...], ...] = ()
    one_way: tuple[OneWay, ...] = ()


@dataclass(frozen=True)
class Synonyms:
    """Synonyms of phrases: those of the shop, and the spellings of sizes ("2XL", "XXL")."""

    rules: SynonymRules = field(default_factory=SynonymRules)
    _also: dict[str, list[Phrase]] = field(init=False, repr=False)
    """By the phrase written together, so that "t shirt" and "t-shirt" are one."""
    _longest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Bring every phrase into the compared form; raises ConfigError for one without words."""
        also: dict[str, list[Phrase]] = {}
        for equal in self.rules.same:
            for text in equal:
                _extend(also, text, equal)
        for rule in self.rules.one_way:
            _extend(also, rule.query, rule.also)
        object.__setattr__(self, "_also", also)
        phrases = [text for equal in self.rules.same for text in equal]
        phrases += [rule.query for rule in self.rules.one_way]
        longest = max((len(_phrase(text)) for text in phrases), default=-1) + 1
        object.__setattr__(self, "_longest", longest)

    def items(self) -> Iterable[tuple[str, list[Phrase]]]:
        """Return each phrase of a query, written together, with its synonyms."""
        return (_spellings() | self._also).items()

    def at(self, words: Sequence[str], start: int) -> tuple[int, list[Phrase]]:
        """Return the length and synonyms of the longest phrase that starts here; 0 without one."""
        for length in range(min(max(self._longest, 2), len(words) - start), 0, -1):
            phrase = phrase_key(words[start : start + length])
            also = self._also.get(phrase) or _spellings().get(phrase)
            if also:
                return length, also
        return 0, []


NO_SYNONYMS = Synonyms()


def load_synonyms(path: Path) -> Synonyms:
    """Read the YAML file; raises ConfigError for an invalid one."""
    return Synonyms(load_settings(path, SynonymRules))


def parse_synonyms(text: str, where: str) -> Synonyms:
    """Read synonyms as `load_synonyms` does, from YAML text; `where` names it in messages."""
    return Synonyms(parse_settings(text, SynonymRules, where))


@cache
def _spellings() -> dict[str, list[Phrase]]:
    """Return the spellings of sizes and words, of two words at most."""
    also: dict[str, list[Phrase]] = {}
    for equal in wordings().spellings:
        for text in equal:
            _extend(also, text, equal)
    return also


def _extend(also: dict[str, list[Phrase]], text: str, others: Sequence[str]) -> None:
    phrase = _phrase(text)
    known = also.setdefault(phrase_key(phrase), [])
    also.setdefault(phrase_key(words_of(text, singular=False)), known)  # of a stemmed language
    known += [p for p in dict.fromkeys(map(_phrase, others)) if p != phrase and p not in known]


def _phrase(text: str) -> Phrase:
    words = tuple(words_of(text))
    if not words:
        raise ConfigError(f"synonyms: {text!r} has no letter or digit. Write a word.")
    return words
