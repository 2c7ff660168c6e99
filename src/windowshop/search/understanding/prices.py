"""A price in a query ("under 500", "between 20 and 50", "500-1000 €") -> a range of numbers.

The words stand in `wordings.yaml`. "Under" and "between" mean prices by themselves; other words,
and ranges without words, only beside a sign, code or word of money: "size 38-40", "4 to 6 seater",
"ages 6-8" and "over 50" are none. A number that a unit follows ("under 5 kg") is no price, nor is
a bare one after a word for ages or sizes, or a small one after children ("kids under 5"). "Not over
50" is "at most 50".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from windowshop.data import And, Comparison, Filter, Operator, fold
from windowshop.search.understanding.numbers import (
    GLUED,
    MONEY_DECIMALS,
    NUMBER,
    STARTS,
    number,
)
from windowshop.search.understanding.wordings import Bound, wordings

OPPOSITE: dict[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
WRITTEN_AGAINST = frozenset(["he", "ja", "ko", "th", "zh"])
"""Languages that write bounds against the number, or against the noun before it."""
ABOUT = 0.1
"""Share by which prices may differ from an amount alone."""
MAX_AGE = 18
"""A larger number is no age of a child."""
SUFFIX = r"(?:['’]\w{1,4})?"
"""Turkish suffix of a currency ("400 TL'ye kadar")."""


@dataclass(frozen=True, slots=True)
class PricePhrase:
    """A range of prices that a query asks for."""

    text: str
    start: int
    end: int
    """Its characters in the query are `start : end`."""
    tree: Filter
    has_money: bool
    """Whether a sign, code or word says that it is money."""
    is_about: bool = False
    """Whether an amount alone says what it may cost about ("jacket 49 €")."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to ask for prices."""

    op: Operator | None
    """None for a range; "=" for an amount alone."""
    pattern: re.Pattern[str]
    needs_money: bool


def price_phrases(
    query: str,
    catalogue_prices: tuple[float, float] | None,
    column: str = "price",
    *,
    weighs_in_pounds: bool = False,
    with_ages: bool = False,
) -> list[PricePhrase]:
    """Return the prices in a query, in order, none overlapping; ranges come before single bounds.

    `catalogue_prices` are the lowest and the highest; nothing is found where they are None. Where
    the catalogue has weights in pounds, pounds are no money. `with_ages` returns small numbers of
    children too.
    """
    if catalogue_prices is None or not any(char.isdigit() for char in query):
        return []
    found: list[PricePhrase] = []
    for form in _forms(weighs_in_pounds, query.isascii()):
        for match in form.pattern.finditer(query):
            if all(match.end() <= p.start or match.start() >= p.end for p in found):
                phrase = _phrase(form, match, column, query, with_ages)
                found += [phrase] if phrase else []
    return sorted(found, key=lambda phrase: phrase.start)


def price_range(products: pl.DataFrame) -> tuple[float, float] | None:
    """Return the lowest and the highest price of a catalogue; None where it has none."""
    if "price" not in products.columns:
        return None
    prices = products["price"].cast(pl.Float64)
    known = prices.filter(prices.is_finite().fill_null(False)).to_list()
    return (min(known), max(known)) if known else None


def alternatives(words: Iterable[str], in_ascii: bool = False) -> str:
    """Return a pattern of any of these words, with and without accents, the longest first.

    With `in_ascii`, only of those that an ASCII text may have.
    """
    both = (form for word in words for form in (word, fold(word) if word[0].isalpha() else word))
    found = (form for form in both if form.isascii() or not in_ascii)
    ordered = sorted(dict.fromkeys(found), key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in ordered)


def _phrase(
    form: _Form, match: re.Match[str], column: str, query: str, with_ages: bool
) -> PricePhrase | None:
    """Return the price of a match; a word for prices or a "not" before it belongs to it."""
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    named = last_words(query[:start], wordings().money.named)
    start -= len(named)
    is_about = form.op == "="
    negated = last_words(query[:start], wordings().negators) if form.op else ""
    start -= len(negated)
    if is_about and negated:
        return None
    op = OPPOSITE[form.op] if form.op and negated else form.op
    groups = match.groupdict()
    has_money = bool(named) or any(v for name, v in groups.items() if v and name[0] == "m")
    amounts = [_amount(groups, i) for i in range(1 if op and not is_about else 2)]
    if is_about:
        amounts = [amount for amount in amounts if amount is not None]
    known = sorted(amount for amount in amounts if amount is not None)
    before = last_word(query[:start])
    is_other = before in wordings().not_prices_after or before in wordings().ages
    is_other = is_other or (not with_ages and is_child(before, known))
    if not known or len(known) < len(amounts) or (not has_money and (form.needs_money or is_other)):
        return None
    tree: Filter
    if is_about:
        low, high = known[0] * (1 - ABOUT), known[0] * (1 + ABOUT)
        tree = And((Comparison(column, ">=", low), Comparison(column, "<=", high)))
    elif op is not None:
        tree = Comparison(column, op, known[0])
    else:
        tree = And((Comparison(column, ">=", known[0]), Comparison(column, "<=", known[1])))
    text = query[start : match.end()].strip()
    return PricePhrase(text, start, start + len(text), tree, has_money, is_about)


def is_child(word: str, amounts: Sequence[float]) -> bool:
    """Return whether numbers behind a word are ages of children."""
    return word in wordings().children and all(amount <= MAX_AGE for amount in amounts)


def last_word(text: str) -> str:
    """Return the last word of a text in lower case; "" without one."""
    words = re.findall(r"\w+", text.lower())
    return words[-1] if words else ""


def last_words(text: str, words: tuple[str, ...]) -> str:
    """Return the end of a text that is one of these words, with the blanks behind it."""
    found = _ending(words).search(text)
    return found[0] if found else ""


@cache
def _ending(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"{STARTS}(?:{alternatives(words)})(?:\s*:|\s+|(?<=[{GLUED}]))\s*$", re.I)


def _amount(groups: dict[str, str | None], i: int) -> float | None:
    value = number(groups[f"number{i}"] or "", MONEY_DECIMALS)
    factor = (groups[f"k{i}"] or "").strip().lower().rstrip(".")
    return value * wordings().money.factors.get(factor, 1) if value is not None else None


@cache
def _forms(weighs_in_pounds: bool, in_ascii: bool) -> tuple[_Form, ...]:
    forms = []
    for one in wordings().ranges:
        # Two numbers with nothing but money between pounds are weights ("5-10 pounds").
        first = alternatives(filter(None, one.first), in_ascii)
        pounds = weighs_in_pounds or one.needs_money
        start = rf"{STARTS}(?:{first})\s*-?\s+" if first else rf"(?<![\d.,/-]){STARTS}"
        middle = rf"\s*(?:{alternatives(one.middle, in_ascii)})[\s-]*"
        end = _END_OF_RANGE if not first else ""
        pattern = rf"{start}{_money(0, pounds, in_ascii)}{middle}{_money(1, pounds, in_ascii)}"
        pattern += f"{_end(pounds, in_ascii)}{end}"
        forms.append(_Form(None, re.compile(pattern, re.I), one.needs_money))
    for bound in wordings().bounds:
        forms += [
            _Form(bound.op, re.compile(pattern, re.I), bound.needs_money)
            for pattern in _patterns(bound, weighs_in_pounds, in_ascii)
        ]
    forms.append(_Form("=", re.compile(_amount_alone(in_ascii), re.I), needs_money=True))
    return tuple(forms)


def _amount_alone(in_ascii: bool) -> str:
    """Return the pattern of an amount beside a sign or a word that is money and nothing else."""
    money = wordings().money
    words = alternatives({*money.after} - {*money.unclear_alone}, in_ascii)
    sign = rf"(?:\b(?:{alternatives(money.sign_prefixes)}))?[{money.signs}]"
    before = "".join(rf"(?<!{sign})" for sign in money.factors if len(sign) == 1)  # "1万2千円"
    factor = rf"(?P<k0>\s?(?:{alternatives(money.factors, in_ascii)})(?:(?<=[{GLUED}])|(?!\w)))?"
    return (
        rf"(?<![\d.,/-]){before}{STARTS}(?:(?P<ma0>{sign})\s*(?P<number0>{NUMBER}){factor}(?![\d%])"
        rf"|(?P<number1>{NUMBER}){factor.replace('k0', 'k1')}"
        rf"\s*(?P<mb0>[{money.signs}]|(?:{words})(?!\w)))"
    )


def _patterns(bound: Bound, weighs_in_pounds: bool, in_ascii: bool) -> Iterator[str]:
    """Yield the patterns of a bound: with its words and signs before and behind the amount."""
    amount, end = _money(0, weighs_in_pounds, in_ascii), _end(weighs_in_pounds, in_ascii)
    starts = rf"(?<![\d.,/-]){STARTS}"
    if spaced := _words(bound.words, in_ascii, against=False):
        yield rf"(?<!\w)(?:{spaced})\.?\s+{amount}{end}"
    if against := _words(bound.words, in_ascii, against=True):
        yield rf"(?:{against})[\s-]*{amount}{end}"
    if spaced := _words(bound.behind, in_ascii, against=False):
        yield rf"{starts}{amount}{SUFFIX}\s+(?:{spaced})(?!\w)"
    if against := _words(bound.behind, in_ascii, against=True):
        yield rf"{starts}{amount}\s*(?:{against})[の的]?"
    if bound.signs:
        yield rf"(?<![<>=])(?:{alternatives(bound.signs)})\s*{amount}{end}"
    if bound.signs_behind:
        yield rf"{starts}{amount}\s*(?:{alternatives(bound.signs_behind)})(?!\w)"


def _words(by_language: Mapping[str, Sequence[str]], in_ascii: bool, *, against: bool) -> str:
    """Return a pattern of the words of all languages that write them so."""
    words = (
        word
        for code, some in by_language.items()
        if (code in WRITTEN_AGAINST) is against
        for word in some
    )
    return alternatives(words, in_ascii)


_END_OF_RANGE = r"(?![-/])"
"""Nothing that makes a date or a code of it."""


def _money(i: int, pounds_weigh: bool, in_ascii: bool) -> str:
    """Return the pattern of an amount, with the groups number, k, and m for money, of index i."""
    money = wordings().money
    after = money.after if pounds_weigh else (*money.after, *money.unclear)
    sign = rf"(?:\b(?:{alternatives(money.sign_prefixes)}))?[{money.signs}]"
    words = rf"(?:{alternatives(after, in_ascii)})(?!\w)\.?"
    return (
        rf"(?:(?P<ma{i}>{sign}|\b(?:{alternatives(money.before)})\b\.?)\s*)?"
        rf"(?P<number{i}>{NUMBER})(?P<k{i}>\s?(?:{alternatives(money.factors, in_ascii)})"
        rf"(?:(?<=[{GLUED}])|(?!\w))\.?)?"
        rf"(?:\s*(?P<mb{i}>[{money.signs}]|{words}))?"
    )


def _end(pounds_weigh: bool, in_ascii: bool) -> str:
    """Return the pattern of what may not follow an amount: a letter, a unit, a count."""
    words = wordings()
    names = {name for unit in words.units for name in unit.names} | set(words.counts)
    if not pounds_weigh:
        names -= set(words.money.unclear)
    signs = {name for name in names if not name[0].isalnum() or re.match(rf"[{GLUED}]", name)}
    named, glued = (alternatives(some, in_ascii) for some in (names - signs, signs))
    no_letter = r"(?:(?<=[円元块])|(?!\w))"
    no_range = r"(?!\s*[-–]\s*\d)"
    return rf"{no_letter}{no_range}(?!\s*(?:[%°]|{glued}|-?\s*(?:{named})(?!\w)))"
