"""A price in a query ("under 500", "between 20 and 50", "500-1000 €") -> a range of numbers.

The words stand in `wordings.yaml`. "Under" and "between" mean prices by themselves; other words,
and ranges without words, only beside a sign, code or word of money: "size 38-40", "4 to 6 seater",
"ages 6-8" and "over 50" are none. A number that a unit follows ("under 5 kg") is no price, nor is
a bare one after a word for ages or sizes ("kids under 5").
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from windowshop.data import And, Comparison, Filter, Operator
from windowshop.search.understanding.numbers import MONEY_DECIMALS, NUMBER, number
from windowshop.search.understanding.wordings import wordings


@dataclass(frozen=True, slots=True)
class PricePhrase:
    """A range of prices that a query asks for."""

    text: str
    start: int
    end: int
    """Its characters in the query are `start : end`."""
    tree: Filter


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to ask for prices."""

    op: Operator | None
    """None for a range."""
    pattern: re.Pattern[str]
    needs_money: bool


def price_phrases(
    query: str,
    catalogue_prices: tuple[float, float] | None,
    column: str = "price",
    *,
    weighs_in_pounds: bool = False,
) -> list[PricePhrase]:
    """Return the prices in a query, in order, none overlapping; ranges come before single bounds.

    `catalogue_prices` are the lowest and the highest; nothing is found where they are None. Where
    the catalogue has weights in pounds, pounds are no money.
    """
    if catalogue_prices is None or not any(char.isdigit() for char in query):
        return []
    found: list[PricePhrase] = []
    for form in _forms(weighs_in_pounds):
        for match in form.pattern.finditer(query):
            if all(match.end() <= p.start or match.start() >= p.end for p in found):
                tree = _tree(form, match, column, query[: match.start()])
                if tree is not None:
                    text = match[0].strip()
                    start = match.start() + match[0].index(text)
                    found.append(PricePhrase(text, start, match.end(), tree))
    return sorted(found, key=lambda phrase: phrase.start)


def alternatives(words: Iterable[str]) -> str:
    """Return a pattern of any of these words, the longest first."""
    ordered = sorted(dict.fromkeys(words), key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in ordered)


def _tree(form: _Form, match: re.Match[str], column: str, before: str) -> Filter | None:
    groups = match.groupdict()
    has_money = any(v for name, v in groups.items() if v and name[0] == "m")
    if not has_money and (form.needs_money or _last_word(before) in wordings().not_prices_after):
        return None
    amounts = [_amount(groups, i) for i in range(1 if form.op else 2)]
    known = sorted(amount for amount in amounts if amount is not None)
    if len(known) < len(amounts):
        return None
    if form.op is not None:
        return Comparison(column, form.op, known[0])
    return And((Comparison(column, ">=", known[0]), Comparison(column, "<=", known[1])))


def _last_word(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return words[-1] if words else ""


def _amount(groups: dict[str, str | None], i: int) -> float | None:
    value = number(groups[f"number{i}"] or "", MONEY_DECIMALS)
    return value * 1000 if value is not None and groups[f"k{i}"] else value


@cache
def _forms(weighs_in_pounds: bool) -> tuple[_Form, ...]:
    words = wordings()
    forms = []
    for one in words.ranges:
        # Two numbers with nothing but money between pounds are weights ("5-10 pounds").
        first, pounds = alternatives(one.first), weighs_in_pounds or one.needs_money
        start = rf"\b(?:{first})\s+" if first else r"(?<![\w.,/-])"
        middle = rf"\s*(?:{alternatives(one.middle)})\s*"
        end = _END_OF_RANGE if not first else ""
        pattern = rf"{start}{_money(0, pounds)}{middle}{_money(1, pounds)}{_end(pounds)}{end}"
        forms.append(_Form(None, re.compile(pattern, re.I), one.needs_money))
    for bound in words.bounds:
        amount = _money(0, weighs_in_pounds)
        before, behind = (
            alternatives(word for some in by_language.values() for word in some)
            for by_language in (bound.words, bound.behind)
        )
        patterns = [
            rf"(?<!\w)(?:{before})\.?\s+{amount}{_end(weighs_in_pounds)}" if before else "",
            rf"(?<![\w.,/-]){amount}\s+(?:{behind})(?!\w)" if behind else "",
            rf"(?<![<>=])(?:{alternatives(bound.signs)})\s*{amount}{_end(weighs_in_pounds)}"
            if bound.signs
            else "",
        ]
        forms += [
            _Form(bound.op, re.compile(pattern, re.I), bound.needs_money)
            for pattern in patterns
            if pattern
        ]
    return tuple(forms)


_END_OF_RANGE = r"(?![-/])"
"""Nothing that makes a date or a code of it."""


def _money(i: int, pounds_weigh: bool) -> str:
    """Return the pattern of an amount, with the groups number, k, and m for money, of index i."""
    money = wordings().money
    after = money.after if pounds_weigh else (*money.after, *money.unclear)
    return (
        rf"(?:(?P<ma{i}>[{money.signs}]|\b(?:{alternatives(money.before)})\b\.?)\s*)?"
        rf"(?P<number{i}>{NUMBER})(?P<k{i}>\s?k\b)?"
        rf"(?:\s*(?P<mb{i}>[{money.signs}]|(?:{alternatives(after)})\b\.?))?"
    )


def _end(pounds_weigh: bool) -> str:
    """Return the pattern of what may not follow an amount: a letter, a unit, a count."""
    words = wordings()
    names = {name for unit in words.units for name in unit.names} | set(words.counts)
    if not pounds_weigh:
        names -= set(words.money.unclear)
    signs = {name for name in names if not name[0].isalnum()}
    named = alternatives(names - signs)
    return rf"(?!\w)(?!\s*[-–]\s*\d)(?!\s*(?:[%°]|{alternatives(signs)}|-?\s*(?:{named})(?!\w)))"
