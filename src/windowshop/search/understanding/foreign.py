"""Words of a query that are no typos: of another language, or known to the text encoder."""

from collections.abc import Callable, Iterable
from functools import cached_property

from windowshop.data import ENGLISH, detect_language
from windowshop.search.understanding.wordings import wordings

MIN_WORDS = 4
"""Least words of a text whose language can be told, typos and all."""
Knows = Callable[[str], bool]
"""Says whether the text encoder has a word whole, which it has of common words and brands."""


def knows_none(word: str) -> bool:
    """Return False, as an encoder that has no words."""
    return False


class OwnLanguage:
    """Language of a catalogue, and the letters that its products use."""

    def __init__(self, words: Iterable[str], language: str) -> None:
        self._letters = frozenset(char for word in words for char in word.lower())
        self._languages = frozenset({ENGLISH, language})
        others = wordings().of_languages
        self._words = frozenset(
            word for code, own in others.items() if code not in self._languages for word in own
        )

    def reader(self, query: str, knows: Knows) -> "ForeignWords":
        """Return what tells the foreign words of a query."""
        return ForeignWords(self, query, knows)

    def has_letters(self, word: str) -> bool:
        """Return whether products use every letter of a word."""
        return self._letters.issuperset(word.lower())

    def is_elsewhere(self, word: str) -> bool:
        """Return whether a word is a common one of another language."""
        return word.lower() in self._words

    def is_own(self, query: str) -> bool:
        """Return whether a text is in the catalogue's language or English, or may be."""
        if len(query.split()) < MIN_WORDS:
            return True
        return detect_language([query]) in self._languages


class ForeignWords:
    """Tells the words of one query that the catalogue lacks and that are no typos."""

    def __init__(self, own: OwnLanguage, query: str, knows: Knows) -> None:
        self._own, self._query, self._knows = own, query, knows

    @cached_property
    def _is_own(self) -> bool:
        return self._own.is_own(self._query)

    def __contains__(self, word: str) -> bool:
        """Return whether a word, as typed, is of another language or known to the encoder."""
        return (
            self._knows(word)
            or self._own.is_elsewhere(word)
            or not self._own.has_letters(word)
            or not self._is_own
        )
