"""Words for numbers ("size twelve", "two pack") -> the digits that a catalogue's values have.

They are read only where a value of the catalogue is made of the number and its neighbour, so that
"two-tone shoes" and "one piece swimsuit" name no number.
"""

from collections.abc import Container, Sequence

from windowshop.data import ENGLISH, compared
from windowshop.search.understanding.wordings import wordings


class NumberWords:
    """Words for 2 to 12 of a language and of English."""

    def __init__(self, language: str) -> None:
        found = wordings().numbers
        self._digits = {
            compared(word)[0]: str(value)
            for code in (ENGLISH, language)
            for value, word in enumerate(found.get(code, ()), 2)
            if len(compared(word)) == 1
        }

    def key(self, words: Sequence[str]) -> str | None:
        """Return words written together with digits; None for one word, or without a number."""
        if len(words) < 2 or self._digits.keys().isdisjoint(words):
            return None
        return "".join(self._digits.get(word, word) for word in words)

    def makes_value(self, words: Sequence[str], i: int, values: Container[str]) -> bool:
        """Return whether word i makes a value with a neighbour, one of them a number."""
        pairs = (words[max(i - 1, 0) : i + 1], words[i : i + 2])
        return any(self.key(pair) in values for pair in pairs)
