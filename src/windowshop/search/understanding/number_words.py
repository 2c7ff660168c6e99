"""Words for numbers ("size twelve", "two litre bottle") -> the digits that values have.

They are read where a value of the catalogue is made of the number and its neighbour, and before a
unit or a word of money, so that "two-tone shoes" and "one piece swimsuit" name no number.
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from windowshop.data import ENGLISH, compared, fold
from windowshop.search.understanding.numbers import ENDS, STARTS
from windowshop.search.understanding.phrases import phrase_key
from windowshop.search.understanding.prices import PricePhrase, alternatives, price_phrases
from windowshop.search.understanding.wordings import wordings

MIN_UNIT = 3
"""Least letters of a unit behind a number in words: "two in one" measures nothing."""
TWENTY = 20
"""Least of the tens, which have another number behind them ("thirty two")."""


@dataclass(frozen=True, slots=True)
class InDigits:
    """A query with some numbers in digits."""

    text: str
    starts: Sequence[int]
    """Place in the query of each character, and of the end."""
    ends: Sequence[int]
    """Place behind it in the query, and the end again."""

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the query of some of the text."""
        return self.starts[start], self.ends[end - 1]


class NumberWords:
    """Words for numbers of a language and of English."""

    def __init__(self, language: str) -> None:
        known = wordings()
        codes = (ENGLISH, language)
        small = {
            word: value
            for code in codes
            for value, word in enumerate(known.numbers.get(code, ()), 2)
        }
        self._digits = {
            compared(word)[0]: str(value)
            for word, value in small.items()
            if len(compared(word)) == 1
        }
        words = {word: float(value) for word, value in small.items() if " " not in word}
        for code in codes:
            words |= known.larger_numbers.get(code, {})
        self._values = {fold(word): value for word, value in words.items()}
        units = {name for unit in known.units for name in unit.names if len(name) >= MIN_UNIT}
        money = [*known.money.after, *known.money.unclear]
        word, after = alternatives(words), alternatives([*filter(str.isalpha, units), *money])
        self._pattern = re.compile(
            rf"{STARTS}(?P<first>{word})(?:[\s-](?P<second>{word}))?(?=[\s-](?:{after}){ENDS})",
            re.I,
        )

    def key(self, words: Sequence[str]) -> str | None:
        """Return words written together with digits; None for one word, or without a number."""
        if len(words) < 2 or self._digits.keys().isdisjoint(words):
            return None
        return phrase_key(self._digits.get(word, word) for word in words)

    def digits(self, word: str) -> str:
        """Return the digits of a normalised word for a number; "" for any other word."""
        return self._digits.get(word, "")

    def makes_value(self, words: Sequence[str], i: int, values: Container[str]) -> bool:
        """Return whether word i makes a value with a neighbour, one of them a number."""
        pairs = (words[max(i - 1, 0) : i + 1], words[i : i + 2])
        return any(self.key(pair) in values for pair in pairs)

    def prices(
        self,
        query: str,
        catalogue_prices: tuple[float, float] | None,
        *,
        weighs_in_pounds: bool,
        with_ages: bool,
    ) -> list[PricePhrase]:
        """Return the prices of a query, by `price_phrases`, with numbers in words too."""
        spelled, found = self.in_digits(query), []
        for phrase in price_phrases(
            spelled.text,
            catalogue_prices,
            weighs_in_pounds=weighs_in_pounds,
            with_ages=with_ages,
        ):
            start, end = spelled.place(phrase.start, phrase.end)
            found.append(replace(phrase, text=query[start:end], start=start, end=end))
        return found

    def in_digits(self, query: str) -> InDigits:
        """Return a query with digits for the numbers that stand before a unit or money."""
        text, at = "", 0
        starts: list[int] = []
        ends: list[int] = []
        has_any = not self._values.keys().isdisjoint(re.split(r"[\s-]", fold(query)))
        for match in self._pattern.finditer(query) if has_any else ():
            value = self._value(match)
            if value is None:
                continue
            digits = f"{value:g}"
            text += query[at : match.start()] + digits
            starts += [*range(at, match.start()), *[match.start()] * len(digits)]
            ends += [*range(at + 1, match.start() + 1), *[match.end()] * len(digits)]
            at = match.end()
        text += query[at:]
        starts += range(at, len(query) + 1)
        ends += range(at + 1, len(query) + 2)
        return InDigits(text, starts, ends)

    def _value(self, match: re.Match[str]) -> float | None:
        """Return the number of one or two words; None where two make none."""
        first = self._values[fold(match["first"])]
        if match["second"] is None:
            return first
        second = self._values[fold(match["second"])]
        if 1 <= first < 10 and second == 100:
            return first * second
        return first + second if TWENTY <= first < 100 and 1 <= second < 10 else None
