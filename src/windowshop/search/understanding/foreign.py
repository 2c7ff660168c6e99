"""Words of a query that are no typos: of another language or trade, or known to the text encoder.

What shoppers misspell is mostly what many products have: a rare word of the catalogue that is close
to an unknown one is close by chance, and the more so where other words of the query are unknown.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from math import sqrt

from windowshop.data import ENGLISH, Token, detect_language
from windowshop.search.understanding.phrases import STOP_WORDS
from windowshop.search.understanding.spelling import Near, Spelling, allowed_typos, uncut_of
from windowshop.search.understanding.wordings import wordings

MIN_WORDS = 4
"""Least words of a text whose language can be told, typos and all."""
MIN_OTHERS = 2
"""Other words of the catalogue from which on even a word that the encoder has may be a typo."""
RARE = 0.1
"""A word is rare below this share of the square root of the number of products."""
STRANGE_FACTOR = 3.0
"""Where more of the other words are strange than known, it needs so many times the products, and
must begin alike."""
MIN_KNOWN, NUM_COMMON, LETTERS = 0.5, 300, 4
"""Share of the commonest words of so many letters that an encoder of the language has whole: a
multilingual one has most, one of English a quarter of those of French."""
Knows = Callable[[str], bool]
"""Says whether the text encoder has a word whole, which it has of common words and brands."""
FindNear = Callable[[Token], Sequence[Near]]
"""Returns the likeliest words of the catalogue for one that it lacks."""


def knows_none(word: str) -> bool:
    """Return False, as an encoder that has no words."""
    return False


class OwnWords:
    """Words of a catalogue, the letters that they use, and their language."""

    def __init__(
        self,
        words: Mapping[str, int],
        spelling: Spelling,
        language: str,
        names: Container[str],
        num_products: int,
    ) -> None:
        self._is_english = language == ENGLISH
        alphabetic = (one for one in words if len(one) >= LETTERS and one.isalpha())
        common = sorted(alphabetic, key=lambda one: (-words[one], one))[:NUM_COMMON]
        self._commonest = [one.lower() for one in common]
        self._letters = frozenset(char for word in words for char in word.lower())
        self._spelling, self._names = spelling, names
        self._common = RARE * sqrt(num_products)
        self._languages = frozenset({ENGLISH, language})
        others = wordings().of_languages
        self._elsewhere = frozenset(
            word for code, own in others.items() if code not in self._languages for word in own
        )

    def are_known(self, knows: Knows) -> bool:
        """Return whether a text encoder has words of the catalogue's language.

        Every encoder is taken to have those of English.
        """
        if self._is_english or not self._commonest:
            return True
        return sum(map(knows, self._commonest)) >= MIN_KNOWN * len(self._commonest)

    def is_foreign(
        self, query: str, tokens: Sequence[Token], at: int, near: FindNear, knows: Knows
    ) -> bool:
        """Return whether a word that the catalogue lacks stands for itself."""
        text = tokens[at].text.lower()
        if text in self._elsewhere or not self._letters.issuperset(text):
            return True
        others = [
            token
            for place, token in enumerate(tokens)
            if place != at and token.word not in STOP_WORDS
        ]
        num_own = sum(token.word in self._spelling for token in others)
        if self._is_by_chance(tokens[at].word, near(tokens[at])[0], num_own, others, near):
            return True
        # Of "bras", the encoder has the singular; of "dres" neither form.
        if knows(text) or (uncut_of(tokens[at]) and knows(tokens[at].word)):
            return sum(self._is_own(token, near, knows) for token in others) < MIN_OTHERS
        if len(tokens) < MIN_WORDS or num_own or self._are_typos(others, near):
            return False
        return detect_language([query]) not in self._languages

    def _is_by_chance(
        self, word: str, found: Near, num_own: int, others: Sequence[Token], near: FindNear
    ) -> bool:
        """Return whether the word found for another is too rare, or too unlike, to be meant."""
        if num_own < sum(self._is_strange(token, near) for token in others):
            is_rare = found.count < STRANGE_FACTOR * self._common
            return is_rare or found.word[0] != word[0]
        return found.count < self._common and found.word not in self._names

    def _is_strange(self, token: Token, near: FindNear) -> bool:
        """Return whether a word is long enough to be corrected, and no common one is close."""
        if token.word in self._spelling or not allowed_typos(token.word):
            return False
        found = near(token)
        return not found or found[0].count < self._common

    def _is_own(self, token: Token, near: FindNear, knows: Knows) -> bool:
        """Return whether the catalogue has a word, or one that it must be a typo of."""
        if token.word in self._spelling:
            return True
        found = near(token)
        return not knows(token.text.lower()) and bool(found) and found[0].count >= self._common

    def _are_typos(self, others: Sequence[Token], near: FindNear) -> bool:
        """Return whether most words are close to common ones of the catalogue."""
        least = STRANGE_FACTOR * self._common
        close = [bool(found) and found[0].count >= least for found in map(near, others)]
        return 2 * sum(close) > len(close)
