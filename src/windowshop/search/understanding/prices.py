"""A price in a query ("under 500", "between 20 and 50", "500-1000") -> a range of numbers.

English only. Understood, with or without a currency sign or word:

    under, below, less than, cheaper than, lower than        below it
    up to, at most, no more than, not more than              at most it
    above, more than, over $                                 above it
    at least, starting at, from $                            at least it
    maximum of, minimum of, max $, min $                     at most it, at least it
    between 20 and 50, from 20 to 50, 20 to 50, 20-50        both ends included

Where $ stands, only with a currency: "air max 90" is a shoe and "over 50" an age.
A number may have a decimal point, commas between thousands, and a k. One that a unit follows
("under 5 kg", "20-30 ml") is no price. Of a bare range, without a word or a sign of currency, the
catalogue must have prices in it: "jeans 30-32" is a size where all prices lie above.
"""

import re
from dataclasses import dataclass

from windowshop.data import And, Comparison, Filter, Operator

_AMOUNT = (
    r"(?:(?:[$€£₹¥]|rs\.?|inr|usd|eur|gbp)\s*)?"
    r"(\d{1,3}(?:,\d{2,3})+(?:\.\d+)?|\d+(?:\.\d+)?)(\s?k\b)?"
)
_END = (
    r"(?![\w.]*\d)(?:\s*(?:€|£|\$|₹|rs\b|inr\b|usd\b|eur\b|gbp\b|euros?\b|dollars?\b|pounds?\b"
    r"|rupees?\b|bucks?\b))?(?!\w)"
    r"(?!\s*(?:[%\"]|''|(?:x|ml|cl|l|lit(?:er|re)s?|g|gm|gr|grams?|kgs?|mg|oz|lbs?"
    r"|mm|cm|m|met(?:er|re)s?|inch(?:es)?|ft|feet|gb|tb|mb|w|watts?|v|volts?|mah|hz"
    r"|years?|yrs?|months?|days?|hours?|hrs?|min(?:ute)?s?|pieces?|pcs|packs?|people|persons?"
    r"|denier|threads?|degrees?)\b))"
)
_BOUNDS: tuple[tuple[Operator, str, bool], ...] = (
    ("<", r"under|below|less than|cheaper than|lower than", False),
    ("<=", r"up ?to|at most|max(?:imum)? of|no more than|not more than", False),
    ("<=", r"max(?:imum)?|within", True),
    (">", r"above|more than", False),
    (">", r"over", True),
    (">=", r"at least|min(?:imum)? of|starting (?:at|from)", False),
    (">=", r"from|min(?:imum)?", True),
)
"""Comparison, its words, and whether they need a currency."""
_BOUND = [
    (op, re.compile(rf"\b(?:{words})\s+{_AMOUNT}{_END}", re.I), needs_currency)
    for op, words, needs_currency in _BOUNDS
]
_WORDED = re.compile(rf"\b(?:between|from)\s+{_AMOUNT}\s*(?:and|to|-|–)\s*{_AMOUNT}{_END}", re.I)
_BARE = re.compile(rf"(?<![\w.,/-]){_AMOUNT}\s*(?:-|–|\.\.|to)\s*{_AMOUNT}{_END}(?![-/])", re.I)
_CURRENCY = re.compile(
    r"[$€£₹¥]|\b(?:rs|inr|usd|eur|gbp|euros?|dollars?|pounds?|rupees?|bucks?)\b", re.I
)


@dataclass(frozen=True, slots=True)
class PricePhrase:
    """A range of prices that a query asks for."""

    text: str
    start: int
    end: int
    """Its characters in the query are `start : end`."""
    tree: Filter


def price_phrases(
    query: str, catalogue_prices: tuple[float, float] | None, column: str = "price"
) -> list[PricePhrase]:
    """Return the prices in a query, in order, none overlapping; ranges come before single bounds.

    `catalogue_prices` are the lowest and the highest; nothing is found where they are None.
    """
    if catalogue_prices is None:
        return []
    found: list[PricePhrase] = []
    for pattern, needs_overlap in ((_WORDED, False), (_BARE, True)):
        for match in pattern.finditer(query):
            low, high = sorted((_amount(match[1], match[2]), _amount(match[3], match[4])))
            overlaps = low <= catalogue_prices[1] and high >= catalogue_prices[0]
            if overlaps or not needs_overlap or _CURRENCY.search(match[0]):
                tree = And((Comparison(column, ">=", low), Comparison(column, "<=", high)))
                _add(found, match, tree)
    for op, pattern, needs_currency in _BOUND:
        for match in pattern.finditer(query):
            if _CURRENCY.search(match[0]) or not needs_currency:
                _add(found, match, Comparison(column, op, _amount(match[1], match[2])))
    return sorted(found, key=lambda phrase: phrase.start)


def _add(found: list[PricePhrase], match: re.Match[str], tree: Filter) -> None:
    if all(match.end() <= other.start or match.start() >= other.end for other in found):
        found.append(PricePhrase(match[0].strip(), match.start(), match.end(), tree))


def _amount(digits: str, thousands: str | None) -> float:
    return float(digits.replace(",", "")) * (1000 if thousands else 1)
