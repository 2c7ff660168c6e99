"""Signs in the prices and the categories of a table: decimals, currency, separators."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from windowshop.imports.amounts import currency_of, decimal_sign, is_whole

CURRENCIES = frozenset((
    "EUR", "USD", "GBP", "CHF", "PLN", "SEK", "NOK", "DKK", "CZK", "HUF", "RON", "BGN", "CAD",
    "AUD", "NZD", "JPY", "CNY", "INR", "BRL", "MXN", "TRY", "UAH", "ILS", "AED", "SAR", "KRW",
    "SGD", "HKD", "ZAR",
))  # fmt: skip
"""Currencies that the name of a price column may say."""
_IN_CENTS = re.compile(r"(?:.*[._ ])?(?:cents?|minor[_ ]units?|unit[_ ]amount|priceWithTax)")
"""Names of prices in cents; the last is Vendure's."""
_GROUPED = re.compile(r"([1-9]\d{0,2})([.,])\d{3}")
MIN_LISTS, MIN_SHARED = 3, 0.5
"""Different texts with commas, and the share of their parts that stand in another too."""
_HAN, _KANA = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[\u3040-\u30ff]")


def column_signs(columns: Mapping[str, str], values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the signs in prices and categories, and whether prices count cents."""
    named = [n for n, t in columns.items() if t in ("price", "sale_price", "list_price")]
    prices = [str(v) for n in named for v in values.get(n, ()) if not isinstance(v, dict)]
    found: dict[str, Any] = {"decimal": decimal_sign(prices) or _after_thousands(prices)}
    found["cents"] = any(map(_IN_CENTS.fullmatch, named)) and all(
        is_whole(value) for name in named for value in values.get(name, ())
    )
    of_price = next((name for name, target in columns.items() if target == "price"), "")
    words = [word.upper() for word in re.split(r"[\W_]+", of_price)]
    words += re.findall(r"[a-z]R?([A-Z]{3})$", of_price)
    found["currency"] = next((word for word in words if word in CURRENCIES), "")
    bracketed = " ".join(re.findall(r"[(\[]([^)\]]*)[)\]]", of_price))
    found["currency"] = found["currency"] or currency_of(bracketed if bracketed else "")
    found["currency"] = found["currency"] or ("EUR" if "€" in of_price else "")
    if any(sign in price for price in prices for sign in "¥￥") and _is_chinese(values):
        found["currency"] = "CNY"
    paths = [v for n, t in columns.items() if t == "category" for v in values.get(n, ())
             if isinstance(v, str)]  # fmt: skip
    if not paths:
        return found
    has_arrow = sum(bool(re.search(r"\s>\s|[^\s]>[^\s]|›|»", path)) for path in paths)
    if not has_arrow:
        for sign in ("/", "|", "\\", "::", "^", "~"):
            if sum(sign in path for path in paths) > 0.5 * len(paths) and _shares_roots(
                paths, sign
            ):
                found["category_separator"] = sign
                break
    for sign in ("|", ";", "\n", "@"):
        inside = re.compile(r"\w@\w" if sign == "@" else re.escape(sign))
        if sign != found.get("category_separator") and sum(
            bool(inside.search(path)) for path in paths
        ) > 0.02 * len(paths):
            found["categories_separator"] = sign
            break
    else:
        has_inner = any(re.search(r">[^,]*,[^,>]*>", path) for path in paths)
        is_bare = not has_arrow and not found.get("category_separator")
        if (has_arrow and has_inner) or (is_bare and _are_lists(paths)):
            found["categories_separator"] = ","
    return found


def _are_lists(texts: Sequence[str]) -> bool:
    """Return whether commas divide categories: their parts stand in other company or alone, too.

    "Boys, Sets", "Boys, Caps" and "Caps" are lists; "Kitchen, Garden & Pets" is a name.
    """
    lists = {text: tuple(part.strip() for part in text.split(",")) for text in {*texts}}
    several = [parts for parts in lists.values() if len(parts) > 1]
    if len(several) < MIN_LISTS:
        return False
    company = Counter(part for parts in lists.values() for part in {*parts})
    parts = {part for parts in several for part in parts}
    return sum(company[part] > 1 for part in parts) >= MIN_SHARED * len(parts)


def _after_thousands(prices: Sequence[str]) -> str:
    """Return the sign of decimals where the other one stands before three digits alone (`1.299`).

    Prices beside them must be of that size too, since some have three decimals; "" otherwise.
    """
    grouped = [hit for price in prices if (hit := _GROUPED.fullmatch(price.strip()))]
    whole = [price for price in prices if re.fullmatch(r"\d{3}", price.strip())]
    is_large = whole or any(len(hit[1]) > 1 for hit in grouped)
    signs = {hit[2] for hit in grouped}
    if len(signs) != 1 or not is_large or len(grouped) + len(whole) < len(prices):
        return ""
    return "," if signs == {"."} else "."


def _is_chinese(values: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether names and values have Chinese signs, and none that Japanese alone has."""
    text = "".join([*values, *(str(v) for column in values.values() for v in column[:50])])
    return bool(_HAN.search(text)) and not _KANA.search(text)


def _shares_roots(paths: Sequence[str], sign: str) -> bool:
    roots = {path.split(sign)[0].strip() for path in paths}
    return len(paths) < 5 or len(roots) <= 0.7 * len(set(paths)) + 1
