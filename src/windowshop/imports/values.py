"""Values as exports write them: money, yes and no, availability, lists, quantities, names.

`1.299,00 EUR`, `1 299,00 zł` and `79.99 USD` are amounts with a currency; the sign before the cents
is told by the value itself, or given where one alone cannot tell ("1.299").
"""

import ast
import csv
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import xxhash

SYMBOLS = {
    "r$": "BRL", "us$": "USD", "a$": "AUD", "c$": "CAD", "nz$": "NZD", "hk$": "HKD", "$": "USD",
    "€": "EUR", "£": "GBP", "¥": "JPY", "円": "JPY", "₹": "INR", "rs.": "INR", "₩": "KRW",
    "₺": "TRY", "tl": "TRY", "₽": "RUB", "руб": "RUB", "руб.": "RUB", "₴": "UAH", "грн": "UAH",
    "zł": "PLN", "zl": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN",
    "fr.": "CHF", "sfr.": "CHF", "₪": "ILS", "₫": "VND", "฿": "THB", "₱": "PHP", "₦": "NGN",
    "r": "ZAR", "euro": "EUR", "eur": "EUR", "rur": "RUB", "nis": "ILS", "rmb": "CNY", "rs": "INR",
}  # fmt: skip
"""Currencies by their signs; "$" and "¥" alone are the commonest ones."""
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_NUMBER = re.compile(
    r"[-+\u2212]?\s?(?:\d[\d.,'\u2019\u00a0\u202f]*(?: \d{3}(?!\d)[\d.,'\u2019]*)*|[.,]\d+)"
)
_RANGE = re.compile(r"\d\s*(?:-|\u2013|\u2014|bis|to|à)\s*\D{0,4}\d", re.I)
_WORDS = re.compile(r"[^\W\d_]+\$|[^\W\d_]+\.?|[$€£¥₹₩₺₽₴₪₫฿₱₦円]")
YES = frozenset((
    "true", "yes", "y", "ja", "oui", "si", "sí", "sì", "sim", "tak", "wahr", "vrai", "verdadero",
    "vero", "verdadeiro", "prawda", "áno", "ano", "kyllä", "да", "evet", "igen", "t", "x", "on",
))  # fmt: skip
NO = frozenset((
    "false", "no", "n", "nein", "non", "nee", "não", "nao", "nie", "falsch", "faux", "falso",
    "fałsz", "ne", "ei", "нет", "hayır", "hayir", "nem", "f", "off", "nej",
))  # fmt: skip
IN_STOCK, OUT_OF_STOCK, PREORDER, BACKORDER = "in_stock", "out_of_stock", "preorder", "backorder"
_AVAILABLE = {
    IN_STOCK: "in stock,instock,available,limitedavailability,onlineonly,instoreonly,auf lager,"
    "verfugbar,lieferbar,sofort lieferbar,en stock,disponible,disponibile,in magazzino,"
    "op voorraad,em estoque,em stock,disponivel,dostepny,na stanie,w magazynie,i lager,pa lager,"
    "skladem,varastossa,stokta,limited availability,in store only,online only,low stock",
    OUT_OF_STOCK: "out of stock,outofstock,sold out,soldout,unavailable,not available,discontinued,"
    "disabled,nicht auf lager,ausverkauft,nicht verfugbar,nicht lieferbar,vergriffen,"
    "rupture de stock,"
    "epuise,indisponible,agotado,sin stock,no disponible,esaurito,non disponibile,uitverkocht,"
    "niet op voorraad,esgotado,fora de estoque,sem stock,indisponivel,brak,niedostepny,"
    "brak w magazynie,slutsald,udsolgt,utsolgt,ej i lager,vyprodano,loppu,tukendi",
    PREORDER: "preorder,pre order,presale,vorbestellbar,vorbestellung,precommande,preventa,"
    "preordine,pre venda,przedsprzedaz",
    BACKORDER: "backorder,back order,available for order,onbackorder,on backorder,nachbestellt,"
    "bestellbar,sur commande,su ordinazione,na zamowienie",
}
AVAILABILITY = {name: what for what, names in _AVAILABLE.items() for name in names.split(",")}
SHOWN = {
    **dict.fromkeys(("publish", "published", "active", "enabled", "online", "live", "visible",
                     "public", "aktiv", "actif", "activo", "attivo"), True),
    **dict.fromkeys(("draft", "private", "pending", "trash", "inactive", "archived", "disabled",
                     "offline", "hidden", "unlisted", "future", "inaktiv", "inactif", "inactivo",
                     "proposed", "rejected"), False),
}  # fmt: skip
"""Words for whether a shop shows a product."""
IMAGE_NAME = re.compile(
    r"\.(?:jpe?g|png|webp|gif|avif|heic|bmp|tiff?|jfif|svg)(?:[?#].*)?$", re.IGNORECASE
)
_BETWEEN = re.compile(r"[|;,\s]")
IMAGE_KEYS = (
    "src", "url", "href", "link", "contentUrl", "image_url", "image", "largeUrl", "large",
    "original", "hi_res", "url_zoom", "url_standard", "zoom_url", "standard_url", "Pic",
    "HighPic", "sourceUrl", "source", "path", "file", "name",
)  # fmt: skip
"""Keys of an object that is an image, larger ones first."""
WEB = re.compile(r"(?:https?:)?//[^\s/]+", re.IGNORECASE)
_MOJIBAKE = re.compile("[ÃÂâÅÄ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
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
    text = unicodedata.normalize("NFKC", text).strip()
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
    currency = next((str(v) for k, v in named.items() if k.startswith("currency") and v), "")
    if isinstance(cents := named.get("cent amount"), int):
        digits = named.get("fraction digits", 2)
        whole = cents / 10 ** (digits if isinstance(digits, int) else 2)
        return Money(whole, currency_of(currency))
    if isinstance(minor := named.get("amount"), int) and _is_medusa_1(named):
        code = currency_of(currency)
        return Money(minor / 10 ** fraction_digits(code), code)
    for key in ("amount", "value", "price", "current", "regular price", "gross", "sale price"):
        if (found := parse_money(named.get(key), decimal)) is not None:
            if key == "amount" and isinstance(named.get("minor units"), int):
                return None
            return Money(found.amount, currency_of(currency) or found.currency, found.is_range)
    return None


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


def parse_boolean(value: object) -> bool | None:
    """Read yes or no in the languages of the names; None for anything else."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in YES or text in ("1", "1.0"):
        return True
    return False if text in NO or text in ("0", "0.0") else None


def parse_availability(value: object) -> str | None:
    """Read whether a product can be bought, by words, by schema.org's addresses or by a count."""
    text = str(value).strip()
    name = plain_name(re.sub(r"^https?://schema\.org/", "", text))
    if name in AVAILABILITY:
        return AVAILABILITY[name]
    if name.replace(" ", "") in AVAILABILITY:
        return AVAILABILITY[name.replace(" ", "")]
    said = parse_boolean(value)
    if said is not None:
        return IN_STOCK if said else OUT_OF_STOCK
    try:
        return IN_STOCK if float(text) > 0 else OUT_OF_STOCK
    except ValueError:
        return None


def parse_published(value: object) -> bool | None:
    """Read whether a shop shows a product, by yes and no or by a word; None for anything else."""
    said = parse_boolean(value)
    return SHOWN.get(str(value).strip().lower()) if said is None else said


def parse_quantity(text: str) -> tuple[float, str] | None:
    """Read a number with a unit, in kg, cm or l."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found[2].lower() not in UNITS:
        return None
    unit, times = UNITS[found[2].lower()]
    number = parse_number(found[1])
    return None if number is None else (round(number * times, 9), unit)


def printed_list(text: str) -> list[Any] | None:
    """Return a list that a text is: of JSON, of Python (`['a', 'b']`), of PostgreSQL (`{a,b}`)."""
    if not text or text[0] not in "[{ ":
        return None
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            return found if isinstance(found, list) else None
    if re.fullmatch(r"\{[^{}:]*\}|\{(?:\"?https?://[^{}]*)\}", text):
        return [part.strip() for part in next(csv.reader([text[1:-1]]), [])]
    return None


def split_list(value: object, separators: str) -> list[str]:
    """Return the texts of a list, a JSON list, or a text with separators, without empty ones."""
    if isinstance(value, list | tuple):
        items: Iterable[object] = value
    elif isinstance(value, str):
        parsed = printed_list(value)
        items = _split_text(value.strip(), separators) if parsed is None else parsed
    else:
        items = [] if value is None else [value]
    texts = (_item_text(item) for item in items if item is not None)
    return list(dict.fromkeys(text for text in texts if text))


def _item_text(item: object) -> str:
    if isinstance(item, dict):
        item = next(
            (item[k] for k in ("name", "title", "value", "label", "text") if item.get(k)), ""
        )
    return str(item).strip()


def _split_text(text: str, separators: str) -> list[str]:
    for sign in separators:
        if sign in text:
            return text.split(sign)
    return [text]


def split_images(value: object) -> list[str]:
    """Return addresses or paths of images: of a list, an object with an address, or a text."""
    if isinstance(value, dict):
        return _images_of(value)
    if isinstance(value, list | tuple):
        return list(dict.fromkeys(image for item in value for image in split_images(item)))
    text = str(value or "").strip()
    if not text.startswith(("[", "{")) and not _BETWEEN.search(text):
        return [text] if text else []
    if (listed := printed_list(text)) is not None:
        return split_images(listed)
    if text.startswith("{"):
        try:
            return split_images(json.loads(text))
        except ValueError:
            pass
    for sign in ("|", ";", "\n", ","):
        parts = [part.strip() for part in text.split(sign)]
        is_one = sign == "," and is_web(text) and not all(map(is_web, filter(None, parts)))
        if len(parts) > 1 and not is_one and all(not part or _is_image(part) for part in parts):
            return list(dict.fromkeys(part for part in parts if part))
    parts = text.split()
    if len(parts) > 1 and all(WEB.match(part) for part in parts):
        return list(dict.fromkeys(parts))
    return [text] if text else []


def _images_of(value: dict[str, Any]) -> list[str]:
    """Return the images of an object: its address, or those of what it holds."""
    for key in IMAGE_KEYS:
        if value.get(key):
            return split_images(value[key])
    inner = [part for part in value.values() if isinstance(part, dict | list)]
    return split_images(inner) if inner else []


def _is_image(text: str) -> bool:
    return bool(WEB.match(text) or IMAGE_NAME.search(text))


def is_inline_image(text: str) -> bool:
    """Return whether a text is an image itself, in base 64, and no address of one."""
    starts = ("iVBORw0KGgo", "/9j/4", "R0lGODlh", "UklGR", "PHN2Zy", "data:image/")
    return text.startswith(starts) and not IMAGE_NAME.search(text)


def is_web(text: str) -> bool:
    """Return whether a text is an address on the web."""
    return WEB.match(text) is not None


@lru_cache(maxsize=1 << 14)
def plain_name(text: str) -> str:
    """Return a name in lower case, without accents, its words apart by a space.

    "URL-Schlüssel" is "url schlussel", "productName" is "product name".
    """
    text = re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", unquote(text))
    bare = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ł", "l"))
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", bare.casefold()))


def slug(text: str) -> str:
    """Return a text as part of an id: lower case, other signs than letters and digits as "-"."""
    return re.sub(r"[\W_]+", "-", text.strip().lower()).strip("-")


def hash_of(text: str) -> int:
    """Return a number that stands for a text."""
    return xxhash.xxh3_64_intdigest(text.encode(errors="surrogatepass"))


def mended(text: str) -> str:
    """Return a text that was decoded as Western instead of UTF-8 ("cafÃ©") as it was meant."""
    if not _MOJIBAKE.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
