"""Amounts as exports write them: money with its currency, numbers, quantities with a unit.

`1.299,00 EUR`, `1 299,00 zł` and `79.99 USD` are amounts with a currency; the sign before the cents
is told by the value itself, or given where one alone cannot tell ("1.299").
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from windowshop.imports.values import plain_name

SYMBOLS = {
    "r$": "BRL", "us$": "USD", "a$": "AUD", "c$": "CAD", "nz$": "NZD", "hk$": "HKD", "$": "USD",
    "€": "EUR", "£": "GBP", "¥": "JPY", "円": "JPY", "₹": "INR", "rs.": "INR", "₩": "KRW",
    "₺": "TRY", "tl": "TRY", "₽": "RUB", "руб": "RUB", "руб.": "RUB", "₴": "UAH", "грн": "UAH",
    "zł": "PLN", "zl": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN",
    "fr.": "CHF", "sfr.": "CHF", "₪": "ILS", "₫": "VND", "฿": "THB", "₱": "PHP", "₦": "NGN",
    "¤": "EUR", "원": "KRW", "元": "CNY", "圓": "TWD", "nt$": "TWD", "s$": "SGD", "mx$": "MXN",
    "₸": "KZT", "₼": "AZN", "₾": "GEL", "rp": "IDR", "rm": "MYR", "дин": "RSD", "ریال": "IRR",
    "r": "ZAR", "euro": "EUR", "eur": "EUR", "rur": "RUB", "nis": "ILS", "rmb": "CNY", "rs": "INR",
}  # fmt: skip
"""Currencies by their signs; "$" and "¥" alone are the commonest ones.

"¤" is the euro of Latin-9 and of Greek, read as the code page of Windows.
"""
_SIGNS = str.maketrans({"\u066b": ".", "\u066c": ",", "\u060c": ","})
"""Signs in Arabic numbers."""
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_NUMBER = re.compile(
    r"[-+\u2212]?\s?(?:\d[\d.,'\u2019\u00a0\u202f]*(?: \d{3}(?!\d)[\d.,'\u2019]*)*|[.,]\d+)"
)
_RANGE = re.compile(r"\d\s*(?:-|\u2013|\u2014|bis|to|à)\s*\D{0,4}\d", re.I)
_WORDS = re.compile(r"[^\W\d_]+\$|[^\W\d_]+\.?|[$€£¥₹₩₺₽₴₪₫฿₱₦円¤₸₼₾]")
UNITS = {
    "mg": ("kg", 1e-6), "g": ("kg", 1e-3), "gr": ("kg", 1e-3), "gram": ("kg", 1e-3),
    "grams": ("kg", 1e-3), "kg": ("kg", 1.0), "kgs": ("kg", 1.0), "kilogram": ("kg", 1.0),
    "oz": ("kg", 0.028349523125), "lb": ("kg", 0.45359237), "lbs": ("kg", 0.45359237),
    "mm": ("cm", 0.1), "cm": ("cm", 1.0), "m": ("cm", 100.0), "in": ("cm", 2.54),
    "inch": ("cm", 2.54), '"': ("cm", 2.54), "ft": ("cm", 30.48),
    "ml": ("l", 1e-3), "cl": ("l", 1e-2), "dl": ("l", 0.1), "l": ("l", 1.0), "litre": ("l", 1.0),
}  # fmt: skip
"""Units of measures: the one that is written, and how many of it each is."""
_QUANTITY = re.compile(r"([-+]?[\d.,]+)\s*([a-zA-Z\"]+)\.?")


@dataclass(frozen=True, slots=True)
class Money:
    """Amount with its currency, "" where none is written."""

    amount: float
    currency: str = ""
    is_range: bool = False
    """Whether it is the first of two amounts ("10 - 20")."""


_AMOUNTS = (
    "amount",
    "value",
    "price",
    "current",
    "regular price",
    "gross",
    "sale price",
    "price range",
    "minimum price",
    "min variant price",
    "start",
    "min",
    "final price",
    "net",
    "betrag",
    "wert",
    "montant",
    "importe",
    "importo",
    "bedrag",
    "kwota",
    "valor",
    "original price",
)
"""Keys of an object that is an amount, or has one in it."""
_NAMING = ("currency", "wahrung", "waehrung", "devise", "moneda", "valuta", "moeda", "waluta")
"""Keys of its currency."""


def parse_money(value: object, decimal: str = "") -> Money | None:
    """Read an amount, None where there is none; `decimal` is the sign before cents, if known."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return Money(float(value))
    if isinstance(value, dict):
        return _money_of(value, decimal)
    return _parse_money(str(value), decimal)


@lru_cache(maxsize=1 << 16)
def _parse_money(text: str, decimal: str) -> Money | None:
    try:  # the common case
        return Money(float(text)) if decimal != "," and "_" not in text else _money(text, decimal)
    except ValueError:
        return _money(text, decimal)


def _money(text: str, decimal: str) -> Money | None:
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(_SIGNS).strip()
    found = _NUMBER.search(text)
    if found is None:
        return None
    currency = currency_of(text[: found.start()] + " " + text[found.end() :])
    amount = parse_number(found[0], decimal, cents=3 if currency in THREE_DECIMALS else 2)
    if amount is None or amount != amount or amount in (float("inf"), float("-inf")):
        return None
    return Money(amount, currency, bool(_RANGE.search(text)))


def _money_of(value: dict[object, object], decimal: str) -> Money | None:
    """Read an object of an amount and its currency, as JSON has it."""
    named = {plain_name(str(key)): item for key, item in value.items()}
    currency = next((str(v) for k, v in named.items() if k.startswith(_NAMING) and v), "")
    if isinstance(cents := named.get("cent amount"), int):
        digits = named.get("fraction digits", 2)
        whole = cents / 10 ** (digits if isinstance(digits, int) else 2)
        return Money(whole, currency_of(currency))
    if isinstance(places := named.get("currency minor unit"), int):  # WooCommerce's store API
        found = parse_money(named.get("regular price") or named.get("price"), ".")
        return found and Money(found.amount / 10**places, currency_of(currency))
    if isinstance(minor := named.get("amount"), int) and _is_medusa_1(named):
        code = currency_of(currency)
        return Money(minor / 10 ** fraction_digits(code), code)
    if isinstance(minor := named.get("unit amount"), int):  # Stripe's smallest units
        code = currency_of(currency.upper())
        return Money(minor / 10 ** fraction_digits(code), code)
    if isinstance(divisor := named.get("divisor"), int) and divisor > 0:  # Etsy's
        found = parse_money(named.get("amount"), ".")
        return found and Money(found.amount / divisor, currency_of(currency))
    alone = next(iter(value.values())) if len(value) == 1 else None  # a list of XML
    if alone is not None:
        return parse_money(alone[0] if isinstance(alone, list) and alone else alone, decimal)
    for key in _AMOUNTS:
        if (found := parse_money(named.get(key), decimal)) is not None:
            if key == "amount" and isinstance(named.get("minor units"), int):
                return None
            return Money(found.amount, currency_of(currency) or found.currency, found.is_range)
    return None


def is_whole(value: object) -> bool:
    """Return whether an amount, or each of an object of them, is a number without decimals."""
    if isinstance(value, dict):
        return all(map(is_whole, value.values()))
    return not isinstance(value, float) and not re.search(r"[.,]", str(value))


def _is_medusa_1(named: dict[str, object]) -> bool:
    """Return whether an amount is a MoneyAmount of Medusa 1, which counts the smallest units."""
    return str(named.get("id", "")).startswith("ma_") or (
        "region id" in named and "price list id" in named
    )


def fraction_digits(currency: str) -> int:
    """Return the number of digits behind the point of a currency's amounts."""
    from babel.numbers import get_currency_precision

    return int(get_currency_precision(currency)) if currency else 2


def currency_of(text: str) -> str:
    """Return the code of the currency that a text names, "" where it names none."""
    for word in _WORDS.findall(text):
        if word.lower() in SYMBOLS:
            return SYMBOLS[word.lower()]
        if word.upper() in codes() and (word.isupper() or len(text.strip()) <= 3):
            return str(word.upper())
    return ""


@lru_cache(maxsize=1)
def codes() -> frozenset[str]:
    """Return the codes of all currencies."""
    from babel.numbers import list_currencies

    return frozenset(list_currencies())


def parse_number(text: str, decimal: str = "", cents: int = 2) -> float | None:
    """Read a number with any signs between thousands and before decimals.

    A single sign before three digits divides thousands, unless `decimal` says otherwise.
    """
    digits = re.sub(r"[\s'\u2019]", "", text).replace("\u2212", "-").rstrip(".,-")
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        last = max(".,", key=digits.rfind)
        digits = digits.replace("," if last == "." else ".", "").replace(",", ".")
    elif points + commas > 1:
        digits = digits.replace(".", "").replace(",", "")
    elif points + commas == 1:
        sign = "." if points else ","
        whole, _, rest = digits.partition(sign)
        is_thousands = sign != decimal and len(rest) == 3 and whole.lstrip("+-") not in ("", "0")
        joined = is_thousands and (decimal or cents != 3)
        digits = whole + rest if joined else f"{whole}.{rest}"
    try:
        return float(digits)
    except ValueError:
        return None


def decimal_sign(texts: Iterable[str]) -> str:
    """Return the sign before the decimals of a column of numbers, "" where none can tell."""
    votes = {".": 0, ",": 0}
    for text in texts:
        for number in _NUMBER.findall(text):
            signs = re.findall(r"[.,]", number.rstrip(".,"))
            if len(set(signs)) == 2:
                votes[signs[-1]] += 1
            elif len(signs) == 1 and not re.search(r"[.,]\d{3}$", number.strip()):
                votes[signs[0]] += 1
            elif len(signs) > 1:
                votes["," if signs[0] == "." else "."] += 1
    if not any(votes.values()):
        return ""
    return max(votes, key=lambda sign: votes[sign])


def parse_quantity(text: str) -> tuple[float, str] | None:
    """Read a number with a unit, in kg, cm or l."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found[2].lower() not in UNITS:
        return None
    unit, times = UNITS[found[2].lower()]
    number = parse_number(found[1])
    return None if number is None else (round(number * times, 9), unit)
