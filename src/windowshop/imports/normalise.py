"""Record of a format -> row of the products table; what is lost or guessed is reported."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from windowshop.data import is_code
from windowshop.imports.amounts import Money, currency_of, is_whole, parse_money
from windowshop.imports.identities import Identities
from windowshop.imports.languages import LANGUAGE, of_language
from windowshop.imports.names import FIELD_OF
from windowshop.imports.record import Record
from windowshop.imports.report import ImportReport
from windowshop.imports.tree_rows import objects_of
from windowshop.imports.values import (
    CONTROLS,
    IN_STOCK,
    has_ended,
    id_text,
    is_inline_image,
    is_nothing,
    is_web,
    lengthened,
    mended,
    parse_availability,
    plain_name,
    printed_list,
    split_images,
    split_list,
    unescaped,
)

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?")
_LEVEL = re.compile(r"(?:lvl|level)_?\d", re.IGNORECASE)
"""Keys of an object of paths, each a level deeper (`{"lvl0": "A", "lvl1": "A > B"}`)."""
_PATH = re.compile(r"\s*(?:-+>|=+>|>|›|»|→|\u2192)\s*")
_WIX = re.compile(r"[\da-f]{6}_[\da-f]{32}~mv2[\w~]*\.\w{3,4}")
MAX_TITLE = 100
"""Letters of a title that is the beginning of a description."""
_SHARED_SIGN = re.compile(r"(?<![^\W\d_])kr\b", re.IGNORECASE)
"""Sign of the crowns of several countries."""
_STATES = ("is on stock", "is in stock", "in stock", "available", "status", "availability",
           "quantity", "value")  # fmt: skip
MONEY = ("price", "sale_price", "list_price")
TEXTS = ("title", "description", "brand")
CODES = ("gtin", "mpn", "sku")
OWN_COLUMNS = (
    "product_id", "group_id", "title", "description", "brand", "category", "category_paths",
    "price", "currency", "sale_price", "list_price", "availability", "image", "images", "image_url",
    "image_urls", "link", "gtin", "mpn", "sku", "tags", "attributes",
)  # fmt: skip
"""Columns that this module makes; further ones of a source get another name where it is theirs."""
Row = dict[str, Any]


@dataclass(kw_only=True, slots=True)
class Reading:
    """How the values of a source are to be read."""

    decimal: str = ""
    """Sign before the cents, "" where each value tells."""
    currency: str = ""
    """Currency of prices without one."""
    published_only: bool = False
    """Leave out products that the shop does not show."""
    store_view: str = ""
    """Store view whose texts and prices are read, "" for the base rows."""


@dataclass(slots=True)
class Normaliser:
    """Reads the values of one record after another."""

    reading: Reading
    report: ImportReport
    ids: Identities

    def row(self, record: Record) -> Row | None:
        """Return the row of a record; None where it is left out, which is reported."""
        row: Row = {}
        _fill_from_facts(record)
        for name in TEXTS:
            if text := rich_text(text_of(record.fields.get(name))):
                text = text if name == "description" else " ".join(text.split())
                row[name] = self._mended(text, record.row)
        if "title" not in row and "description" in row:
            row["title"] = beginning(row["description"])
            self.report.add("title-of-text", record.row, row["title"])
        self._images(row, record)
        if not any(row.get(name) for name in ("title", "description", "image", "image_url")):
            self.report.add("no-content", record.row, text_of(record.fields.get("product_id")))
            return None
        if record.columns.get("published") is False:
            self.report.add("not-published", record.row, row.get("title", ""))
            if self.reading.published_only:
                self.report.add("left-unpublished", record.row, row.get("title", ""))
                return None
        self._categories(row, record)
        self._prices(row, record)
        self._availability(row, record)
        self._codes(row, record)
        self._facts(row, record)
        return row if self.ids.identify(row, record) else None

    def _mended(self, text: str, number: int) -> str:
        if text.isascii():
            return text
        fixed = mended(text)
        if fixed != text:
            self.report.add("mended-text", number, text)
        return fixed

    def _images(self, row: Row, record: Record) -> None:
        given = dict.fromkeys(split_images(record.fields.get("images")))
        images = [_of_wix(image) for image in given if not is_nothing(image)]
        web = [f"https:{i}" if i.startswith("//") else i for i in images if is_web(i)]
        if any(map(is_inline_image, images)):
            self.report.add("bad-image", record.row, f"{images[0][:20]}…")
            images = [image for image in images if not is_inline_image(image)]
        paths = [image for image in images if not is_web(image)]
        if web:
            row["image_url"] = web[0]
            if len(web) > 1:
                row["image_urls"] = web[1:]
        if paths:
            row["image"] = paths[0]
            if len(paths) > 1:
                row["images"] = paths[1:]

    def _categories(self, row: Row, record: Record) -> None:
        given = record.fields.get("category")
        if given in (None, "", [], {}):
            return
        paths = [category_path(self._mended(item, record.row)) for item in category_texts(given)]
        paths = [path for path in dict.fromkeys(paths) if not is_nothing(path)]
        kept = [p for p in paths if not any(o.startswith(f"{p} > ") for o in paths)]
        if kept:
            row["category"] = kept[0]
            row["category_paths"] = kept

    def _prices(self, row: Row, record: Record) -> None:
        if record.fields.get("sale_price") and has_ended(record.sale_ends):
            self.report.add("dated-offer", record.row, record.sale_ends)
            del record.fields["sale_price"]
        currency = text_of(record.fields.get("currency"))
        currency = (currency_of(currency) or currency).upper()
        for name in MONEY:
            money = self._money(record.fields.get(name), record)
            if money is not None:
                row[name] = money.amount
                currency = currency or money.currency
        if "price" not in row and "sale_price" in row:
            row["price"] = row["sale_price"]
        for name in ("sale_price", "list_price"):
            if name in row and row[name] in (0, row.get("price")):
                del row[name]  # says that there is none
        if "price" not in row:
            self.report.add("no-price", record.row, row.get("title", ""))
        elif currency := currency or self.reading.currency:
            row["currency"] = currency

    def _money(self, value: Any, record: Record) -> Money | None:  # noqa: ANN401
        """Read an amount; what is none is reported."""
        value = value[0] if isinstance(value, list) and value else value
        if value in (None, "", [], {}):
            return None
        money = parse_money(value, self.reading.decimal)
        if money is None or money.amount < 0:
            if not is_nothing(str(value).strip()):
                self.report.add("bad-price", record.row, value)
            return None
        if not money.currency and _SHARED_SIGN.search(str(value)) and not self.reading.currency:
            self.report.add("shared-sign", record.row, value)
        if self.reading.currency == "CNY" and any(sign in str(value) for sign in "¥￥"):
            money = replace(money, currency="CNY")  # the sign is that of two currencies
        if record.in_cents and is_whole(value):
            money = replace(money, amount=money.amount / 100)
            self.report.add("cents", record.row, value)
        if money.is_range:
            self.report.add("price-range", record.row, value)
        return money

    def _availability(self, row: Row, record: Record) -> None:
        given = record.fields.get("availability")
        if isinstance(given, dict) and len(given) == 1:  # a list of XML
            given = next(iter(given.values()))
        if isinstance(given, list):  # of several places one is enough
            said = [_state(item) for item in given]
            given = next((s for s in said if parse_availability(s) == IN_STOCK), (*said, None)[0])
        given = _state(given)
        if given in (None, "", []):
            return
        row["availability"] = parse_availability(given)
        if row["availability"] is None:
            self.report.add("bad-availability", record.row, given)

    def _codes(self, row: Row, record: Record) -> None:
        for name in (*CODES, "link"):
            value = record.fields.get(name)
            value = value[0] if isinstance(value, list) and value else value
            text = id_text(value).lstrip("'")
            if is_nothing(text):
                continue
            if name != "gtin":
                row[name] = unescaped(text)
            elif code := lengthened(first := re.split(r"[;|\s]+|,(?!\d+E)", text)[0]):
                row[name] = code
            else:
                self.report.add("shortened-code", record.row, first)
        if tags := split_list(record.fields.get("tags"), ",;|"):
            row["tags"] = [self._mended(tag, record.row) for tag in tags]

    def _facts(self, row: Row, record: Record) -> None:
        """Fill attributes and further columns."""
        facts: dict[str, Any] = {}
        for name, value in record.options.items():
            if (text := value if isinstance(value, list) else text_of(value)) not in ("", []):
                facts[text_of(name)] = text
        for name, value in record.attributes.items():
            plain = fact(name, value)
            if plain not in (None, "", []) and (key := text_of(name)) not in facts:
                facts[key] = plain
        if facts:
            row["attributes"] = json.dumps(facts, ensure_ascii=False)
        for name, value in record.columns.items():
            if value is None or value in ("", [], {}):
                continue
            shown = cell(value)
            if shown is None:
                self.report.add("nested-value", record.row, name)
            elif not is_nothing(shown):
                row[free_name(name)] = self._mended(shown, record.row)


def _state(given: Any) -> Any:  # noqa: ANN401
    """Return what an object says of whether a product can be bought, any other value as it is."""
    if not isinstance(given, dict):
        return given
    named = {plain_name(str(name)): value for name, value in given.items()}
    return next((named[n] for n in _STATES if n in named), None)


def _of_wix(image: str) -> str:
    """Return the address of a name of Wix's media, which says what it is; others as they are."""
    return f"https://static.wixstatic.com/media/{image}" if _WIX.fullmatch(image) else image


_IN_FACTS: dict[str, Callable[[Any], bool]] = {
    "brand": bool, "gtin": bool, "category": bool,
    "currency": lambda value: len(str(value)) <= 3 and currency_of(str(value)) != "",
    "images": lambda value: any(map(is_web, split_images(value))),
}  # fmt: skip
"""Fields that facts may tell, and what is one of their values."""


def _fill_from_facts(record: Record) -> None:
    """Take brand, category, code of the trade, currency and images that only facts tell."""
    wanted = [name for name in _IN_FACTS if not record.fields.get(name)]
    for name, value in record.attributes.items() if wanted else ():
        field = FIELD_OF.get(plain_name(name), ("",))[0]
        test = _IN_FACTS[field] if field in wanted else None
        if test is not None and test(value):
            record.fields[field] = record.fields.get(field) or value


def text_of(value: object) -> str:
    """Return the text of a value: of an object its name, value or first language, lists joined."""
    if isinstance(value, str):
        text = value
    elif value is None:
        return ""
    elif isinstance(value, dict) and value and all(map(LANGUAGE.fullmatch, map(str, value))):
        first = next((value[k] for k in value if k.startswith(("en", "x-", "default"))), None)
        return text_of(first if first is not None else [*value.values()][0])
    elif isinstance(value, dict):
        found = next((value[k] for k in ("name", "title", "value", "label", "@value", "text")
                      if value.get(k)), "")  # fmt: skip
        return text_of(found)
    elif isinstance(value, list) and (spoken := of_language(value)) is not None:
        return text_of(spoken)
    elif isinstance(value, list):
        return "\n".join(dict.fromkeys(text for item in value if (text := text_of(item))))
    else:
        text = id_text(value)
    text = text.replace("\u200b", "").replace("\ufeff", "")
    if not text.isprintable():  # half of a surrogate pair is no text
        text = CONTROLS.sub(" ", text).encode(errors="replace").decode()
    return text.strip()


def beginning(text: str) -> str:
    """Return the first sentence of a text, or its first words where that is long."""
    first = re.split(r"(?<=[.!?])\s|\n", text, maxsplit=1)[0]
    if len(first) <= MAX_TITLE:
        return first
    return first[:MAX_TITLE].rpartition(" ")[0] or first[:MAX_TITLE]


def rich_text(text: str) -> str:
    """Return the text of an editor's JSON (`{"blocks": ...}`), any other as it is."""
    if not text.startswith('{"'):
        return text
    try:
        parsed = json.loads(text)
    except ValueError:
        return text
    found = [item["text"] for item in objects_of(parsed) if isinstance(item.get("text"), str)]
    return "\n".join(found) or text


def category_texts(value: object) -> list[str]:
    """Return the paths of a value: a text, a list of paths, or objects with names."""
    if isinstance(value, str):
        items = printed_list(value)
        return [value] if items is None else category_texts(items)
    if isinstance(value, dict):
        if value and all(map(LANGUAGE.fullmatch, map(str, value))):
            return [text_of(value)]
        if "id" in value and isinstance(value.get("obj"), dict):
            return category_texts(value["obj"])
        levels = sorted(key for key in value if _LEVEL.fullmatch(str(key)) and value[key])
        if levels:
            return category_texts(value[levels[-1]])
        steps = value.get("breadcrumb")
        if isinstance(steps, list) and all(isinstance(step, str) for step in steps):
            return [" > ".join(steps)]
        for key in ("path", "full_path", "fullPath", "breadcrumb", "name", "title", "label",
                    "value", "Value", "Name"):  # fmt: skip
            if value.get(key):
                return category_texts(value[key])
        plain = {plain_name(str(key)): item for key, item in value.items()}
        inner = [item for key, item in plain.items() if key.endswith("name") and item]
        inner = inner[:1] or [item for key, item in plain.items() if "categor" in key]
        return [text for item in inner for text in category_texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in category_texts(item)]
    return [text_of(value)]


def category_path(text: str) -> str:
    """Return a path as `A > B > C`."""
    parts = (part.strip() for part in _PATH.split(html.unescape(text_of(text))))
    return " > ".join(part for part in parts if part)


def fact(name: str, value: object) -> Any:  # noqa: ANN401
    """Return a value of an attribute: numbers and booleans as such, lists of them, else text."""
    if isinstance(value, bool | int) or (isinstance(value, float) and value == value):
        return value
    if isinstance(value, list):
        items = [fact(name, item) for item in value]
        plain = [item for item in items if item not in (None, "", [])]
        return plain[0] if len(plain) == 1 else plain
    if isinstance(value, dict):
        amount = next((value[k] for k in ("value", "amount") if k in value), None)
        unit = next(
            (value[k] for k in ("unit", "unitText", "units", "unitCode") if value.get(k)), ""
        )
        if amount is not None:
            return f"{amount} {unit}" if unit else fact(name, amount)
        texts = {key: text_of(item) for key, item in value.items() if not key.startswith("@")}
        return text_of(value) or ", ".join(f"{key} {text}" for key, text in texts.items() if text)
    text = text_of(value)
    if _NUMBER.fullmatch(text) and not is_code(name):
        return float(text) if "." in text else int(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return "" if is_nothing(text) else text


def cell(value: object) -> str | None:
    """Return a value of a further column as text, lists as JSON; None for what is nested."""
    if isinstance(value, str):
        items = printed_list(value) if value[:1] == "[" else None
        is_plain = items is not None and all(isinstance(item, str | int | float) for item in items)
        return json.dumps(items, ensure_ascii=False) if is_plain else text_of(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        if all(isinstance(item, str | int | float | bool) for item in value):
            return json.dumps(list(value), ensure_ascii=False)
        texts = [text_of(item) for item in value]
        return json.dumps(texts, ensure_ascii=False) if all(texts) else None
    if isinstance(value, dict) and value.get("unit"):
        return str(fact("", value))
    if isinstance(value, dict):
        return text_of(value) or None
    if isinstance(value, bytes):
        return None
    return id_text(value)


def free_name(name: str) -> str:
    """Return the name of a further column, another one where it is taken."""
    bare = re.sub(r"\s+", " ", CONTROLS.sub("", name)).strip()
    return f"{bare} of the source" if bare.lower() in OWN_COLUMNS else bare
