"""Words of a query that are no typos: of another language, or known to the text encoder."""

from collections.abc import Callable, Iterable, Sequence

from windowshop.data import ENGLISH, Token, detect_language
from windowshop.search.understanding.phrases import STOP_WORDS
from windowshop.search.understanding.spelling import Spelling
from windowshop.search.understanding.wordings import wordings

MIN_WORDS = 4
"""Least words of a text whose language can be told, typos and all."""
MIN_OTHERS = 2
"""Other words of the catalogue from which on even a word that the encoder has may be a typo."""
Knows = Callable[[str], bool]
"""Says whether the text encoder has a word whole, which it has of common words and brands."""


def knows_none(word: str) -> bool:
    """Return False, as an encoder that has no words."""
    return False


class OwnWords:
    """Words of a catalogue, the letters that they use, and their language."""

    def __init__(self, words: Iterable[str], spelling: Spelling, language: str) -> None:
        self._letters = frozenset(char for word in words for char in word.lower())
        self._spelling = spelling
        self._languages = frozenset({ENGLISH, language})
        others = wordings().of_languages
        self._elsewhere = frozenset(
            word for code, own in others.items() if code not in self._languages for word in own
        )

    def is_foreign(self, query: str, tokens: Sequence[Token], at: int, knows: Knows) -> bool:
        """Return whether a word that the catalogue lacks stands for itself."""
        text = tokens[at].text.lower()
        if text in self._elsewhere or not self._letters.issuperset(text):
            return True
        others = [
            token
            for place, token in enumerate(tokens)
            if place != at and token.word not in STOP_WORDS
        ]
        if knows(text):
            return sum(self._is_own(token, knows) for token in others) < MIN_OTHERS
        if len(tokens) < MIN_WORDS or any(token.word in self._spelling for token in others):
            return False
        return detect_language([query]) not in self._languages

    def _is_own(self, token: Token, knows: Knows) -> bool:
        """Return whether the catalogue has a word, or one that it must be a typo of."""
        if token.word in self._spelling:
            return True
        return not knows(token.text.lower()) and bool(self._spelling.near(token.word))
