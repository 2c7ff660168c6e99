"""Columns of any table -> fields of products: guessed from names and values, corrected by hand.

format: table
decimal: ","
columns:
  Artikelnummer: product_id
  Bezeichnung: title
  Preis: price
  Farbe: keep                a column of its own
  Material: attribute        one of the attributes
  Notiz: drop
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from windowshop.errors import ConfigError
from windowshop.imports.amounts import parse_money
from windowshop.imports.category_columns import category_levels, has_levels, numbered_paths
from windowshop.imports.column_prefix import without_prefix
from windowshop.imports.column_signs import column_signs
from windowshop.imports.column_values import MIN_DISTINCT, fill_by_values
from windowshop.imports.names import ALSO, field_of
from windowshop.imports.record import FIELDS
from windowshop.imports.source import Source
from windowshop.imports.values import (
    is_nothing,
    is_web,
    parse_availability,
    parse_published,
    plain_name,
    split_images,
)

Target: TypeAlias = Literal[
    "product_id", "group_id", "title", "description", "brand", "category", "price", "currency",
    "sale_price", "list_price", "availability", "images", "link", "gtin", "mpn", "sku", "tags",
    "stock", "published", "keep", "attribute", "drop",
]  # fmt: skip
FURTHER_TARGETS = ("stock", "published")
"""Fields of tables beside those of a record: a count, and whether the shop shows a product."""
SEVERAL = ("images", "category", "description", "tags")
"""Fields that several columns may hold; their values are joined in the order of the columns."""
JOINED = 0.8
"""Certainty of columns that the parts of several tables tell."""
MIN_NAMED = 0.7
"""Certainty from which on a name is not shortened."""
MAX_EXAMPLE = 40
MAX_TITLE = 160
_SMALL = re.compile(r"small|thumb|swatch|klein|vorschau|miniature|mini image")
_USUAL = frozenset(("retail price", "list price", "regular price", "full price", "catalog price",
                    "listprice"))  # fmt: skip
_LARGE = re.compile(r"large|big|original|zoom|gross|hi res")
_PRODUCT_CODE = re.compile(
    r"handle|identificador (?:de )?url|url identifier|"
    r"(?:product|article|item|style|model) (?:code|number|id|no|nr|token|slug|uuid|handle)"
)
_SHORT_CODE = re.compile(r"id|uuid|slug|token|key|code|style")
"""Names of groups where each value stands for one title."""
_KINDS = frozenset((
    "simple", "variable", "variation", "grouped", "external", "configurable", "bundle", "virtual",
    "downloadable", "physical", "digital", "product", "variant", "parent", "child", "goods",
    "service", "consu", "entry", "asset", "document", "gift card", "subscription", "p", "v",
    "downloadable virtual",
))  # fmt: skip
"""Kinds of products by how a system sells them, which are no categories."""
_SECOND_CODE = re.compile(
    r"(?:variant |product |custom |merchant |seller |item )?sku|internal reference|default code|"
    r"product code|"
    r"article code|artikelnummer|artikelnr|reference|model"
)
_YES_OR_NO = frozenset(("y", "n", "j", "yes", "no", "ja", "nein", "oui", "non", "true", "false"))
_NO_NAME = re.compile(r"column \d+|Unnamed: \d+|index|_|", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnMap:
    """Content of a mapping file."""

    format: str = "table"
    decimal: str = ""
    """Sign before the cents, "" where each value tells."""
    currency: str = ""
    """Currency of prices without one."""
    cents: bool = False
    """Whether prices that are whole numbers count cents."""
    category_separator: str = ""
    """Sign between the parts of a category's path, beside ">"."""
    categories_separator: str = ""
    """Sign between several categories of a product."""
    category_levels: bool = False
    """Whether the columns of category are the levels of one path, and not a path each."""
    separator: str = ""
    encoding: str = ""
    table: str = ""
    """Table of products, where several are joined to it."""
    joins: dict[str, str] | None = None
    """Column that names rows of another table, and their key there; None finds them."""
    columns: dict[str, Target] = field(default_factory=dict)
    """Field that each column holds; one that is not named is kept as it is."""

    def __post_init__(self) -> None:
        """Check that a field stands once."""
        counts: Counter[str] = Counter(self.columns.values())
        for target in (*FIELDS, "published"):
            if counts[target] > 1 and target not in SEVERAL:
                names = [name for name, found in self.columns.items() if found == target]
                raise ConfigError(f"{', '.join(names)} are all {target}. Leave one of them.")

    def first(self, target: str) -> str | None:
        """Return the first column of a field."""
        return next((name for name, found in self.columns.items() if found == target), None)

    @property
    def lacks(self) -> str:
        """Return which needed field no column holds, "" where none is lacking."""
        if all(self.first(target) is None for target in ("title", "images")):
            return "title"
        return "" if self.first("product_id") is not None else "product_id"


def guess_map(
    header: Sequence[str], sample: Sequence[Mapping[str, Any]]
) -> tuple[ColumnMap, float]:
    """Return what columns hold by their names and first values, and how sure that is."""
    values = {name: [row[name] for row in sample if _says(row.get(name))] for name in header}
    offers: list[tuple[float, int, str, str]] = []
    shorter = without_prefix(header)
    has_kind = "product id type" in map(plain_name, header)  # says of what norm the id is
    for place, name in enumerate(header):
        for target, certainty in _meanings(name, shorter.get(name, "")):
            target = "gtin" if has_kind and plain_name(name) == "product id" else target
            fit = _fit(target, values[name], len(sample))
            if fit > 0:
                offers.append((certainty * fit, -place, name, target))
    columns: dict[str, str] = {}
    taken: set[str] = set()
    surest: dict[str, float] = {}
    for certainty, _, name, target in sorted(offers, reverse=True):
        if name in columns or (target in taken and target != "images"):
            continue
        columns[name] = target
        taken.add(target)
        surest.setdefault(target, certainty)
    if "product_id" in taken:
        columns |= {n: "drop" for n in header if n not in columns and _counts_rows(n, values[n])}
    levels = category_levels(header, values, shorter)
    columns = {n: t for n, t in columns.items() if not levels or t != "category"}
    columns |= dict.fromkeys(levels or numbered_paths(header, values), "category")
    taken |= {"category"} if levels else set()
    if "product_id" not in taken:
        _own_groups(columns, taken, values)
    fill_by_values(columns, taken, surest, header, values, len(sample))
    if "title" not in taken:
        _short_description(columns, values)
    _without_thumbs(columns)
    _higher_price(columns, header, values)
    _groups(columns, header, values, len(sample))
    _second_codes(columns, header)
    ordered: dict[str, Target] = {}
    for name in header:
        of_kind = (
            "attribute"
            if name.endswith((" (variant attribute)", " (product attribute)"))
            else "keep"
        )
        ordered[name] = columns.get(name, of_kind)  # type: ignore[assignment]
    needed = [
        surest.get("product_id", 0.0),
        max(surest.get("title", 0.0), 0.5 * surest.get("images", 0.0)),
    ]
    is_levelled = bool(levels) or has_levels(
        [v for n, t in ordered.items() if t == "category" for v in values[n]]
    )
    found = ColumnMap(columns=ordered, category_levels=is_levelled, **column_signs(ordered, values))
    return found, round(sum(needed) / len(needed), 2)


def _counts_rows(name: str, values: Sequence[Any]) -> bool:
    """Return whether a column without a name counts the rows, as pandas writes one."""
    first = next(iter(values), None)
    if not _NO_NAME.fullmatch(name) or str(first) not in ("0", "1"):
        return False
    start = int(str(first))
    return [str(value) for value in values] == [str(start + i) for i in range(len(values))]


def _says(value: Any) -> bool:  # noqa: ANN401
    """Return whether a cell has a value, and not a word or a sign for none."""
    return value is not None and not (isinstance(value, str) and is_nothing(value.strip()))


def map_of(source: Source) -> tuple[ColumnMap, float]:
    """Return what the columns of a source hold, with what it knows of them itself."""
    found, certainty = guess_map(source.header, source.sample)
    hints = {name: target for name, target in source.hints.items() if name in found.columns}
    if source.joins is not None:
        found = replace(found, table=source.table_name, joins={**source.joins})
    if not hints:
        return found, certainty
    taken = {target for target in hints.values() if target not in SEVERAL}
    columns = {
        name: "keep" if name not in hints and target in taken else hints.get(name, target)
        for name, target in found.columns.items()
    }
    mapped = replace(found, columns=columns, category_levels=False)  # type: ignore[arg-type]
    return mapped, max(certainty, JOINED)


def _meanings(name: str, shorter: str) -> list[tuple[str, float]]:
    """Return the fields that a column may be by its name, with how sure each is.

    `shorter` is the name without what all begin with, "" where it is no other.
    """
    named = field_of(name)
    if shorter and (named is None or named[1] < MIN_NAMED):
        named = field_of(shorter) or named
    other = ALSO.get(plain_name(name))
    return [*([named] if named else []), *([(other, 0.6)] if other else [])]


def _fit(target: str, values: Sequence[Any], num_rows: int) -> float:
    """Return how well values fit a field, 0 where they cannot be it."""
    given = [value for value in values if value not in (None, "", [], {})]
    if not given:
        return 0.0 if target in ("product_id", "title", "price") else 0.3
    texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in given]
    is_nested = any(isinstance(value, dict | list) for value in given)
    if target in ("product_id", "group_id") and is_nested:
        return 0.0
    if target == "group_id" and len({*texts}) > 1 and {*map(str.lower, texts)} <= _YES_OR_NO:
        return 0.0  # says whether there are others
    if target == "group_id" and sum(" " in text for text in texts) > 0.5 * len(texts):
        return 0.3  # names, as of categories
    if target in ("price", "sale_price", "list_price"):  # words stand for one that is asked for
        given = [value for value in given if re.search(r"\d", str(value))] or given
    return _share(target, given, texts, len(given) / max(num_rows, 1))


def _share(target: str, given: Sequence[Any], texts: Sequence[str], filled: float) -> float:
    """Return the share of values that are what a field holds; `filled` is that of given ones."""
    if target == "product_id":
        is_unique = len(set(texts)) >= MIN_DISTINCT * len(texts)
        spaces = sum(" " in text.strip() for text in texts) / len(texts)
        return (0.3 + 0.7 * filled) * (1 - 0.7 * spaces) if is_unique else 0.1 * filled
    if target == "category" and all(re.fullmatch(r"[\d\s,;|\[\]]+", text) for text in texts):
        return 0.0  # ids alone
    if target == "category" and all(plain_name(text) in _KINDS for text in texts):
        return 0.0
    if target == "category":
        is_path = any(">" in text for text in texts)
        return 1.0 if is_path else 0.65 if len(set(texts)) <= max(3, 0.7 * len(texts)) else 0.5
    if target == "currency":
        return 1.0 if all(len(text) <= 4 for text in texts) else 0.0
    if target == "link" and not any(is_web(text) or text.startswith("/") for text in texts):
        return 0.0
    if target == "link" and len(set(texts)) == 1 < len(texts):
        return 0.1  # the shop's own
    if target in FURTHER_TARGETS:
        test = parse_published if target == "published" else parse_availability
        said = [value for value in given if value not in ("-", "--", "n/a", "N/A")]
        return float(bool(said) and all(test(value) is not None for value in said))
    tests: dict[str, tuple[Callable[[Any], bool], float]] = {
        "price": (_is_money, 0.0), "sale_price": (_is_money, 0.0), "list_price": (_is_money, 0.0),
        "availability": (_is_availability, 0.2), "title": (_is_title, 0.0),
        "images": (_has_picture, 0.0), "link": (_is_link, 0.2),
    }  # fmt: skip
    if target not in tests:
        return 1.0
    fits, least = tests[target]
    share = sum(map(fits, given)) / len(given)
    return share if share > 0.5 else least


def _is_money(value: Any) -> bool:  # noqa: ANN401
    value = value[0] if isinstance(value, list) and value else value
    return parse_money(value) is not None


def _is_availability(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, dict | list) or parse_availability(value) is not None


def _is_title(value: Any) -> bool:  # noqa: ANN401
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return bool(_LETTERS.search(text)) and not is_web(text)


def _has_picture(value: Any) -> bool:  # noqa: ANN401
    return any(map(_is_picture, split_images(value)))


def _is_link(value: Any) -> bool:  # noqa: ANN401
    return is_web(str(value))


def _is_picture(text: str) -> bool:
    return is_web(text) or bool(re.search(r"\.[a-z]{3,4}$", text, re.IGNORECASE))


def _short_description(columns: dict[str, str], values: Mapping[str, Sequence[Any]]) -> None:
    """Take short descriptions for the title where nothing else is it."""
    for name, target in columns.items():
        texts = [value for value in values[name] if isinstance(value, str)]
        is_short = bool(texts) and max(map(len, texts)) <= MAX_TITLE
        if target == "description" and is_short and any(map(_LETTERS.search, texts)):
            columns[name] = "title"
            return


def _without_thumbs(columns: dict[str, str]) -> None:
    """Keep small images out where there are larger ones."""
    pictures = [name for name, target in columns.items() if target == "images"]
    small = [name for name in pictures if _SMALL.search(plain_name(name))]
    if any(_LARGE.search(plain_name(name)) for name in pictures):
        small += [name for name in pictures if "medium" in plain_name(name).split()]
    if len(small) < len(pictures):
        for name in small:
            del columns[name]


def _higher_price(
    columns: dict[str, str], header: Sequence[str], values: Mapping[str, Sequence[Any]]
) -> None:
    """Take a usual price beside the price that is asked for the one that is crossed out."""
    if "price" not in columns.values():  # what is asked is what is recommended
        columns |= {name: "price" for name, target in columns.items() if target == "list_price"}
        return
    if "list_price" in columns.values():
        return
    for name in header:
        if (
            name not in columns
            and plain_name(name) in _USUAL
            and _fit("list_price", values[name], len(values[name]))
        ):
            columns[name] = "list_price"
            return


def _groups(
    columns: dict[str, str],
    header: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    num_rows: int,
) -> None:
    """Take another column of product codes, whose values repeat, for the group."""
    if "group_id" in columns.values():
        return
    title = next((name for name, target in columns.items() if target == "title"), "")
    for name in header:
        texts = [str(value) for value in values[name]]
        plain = plain_name(name)
        is_code = _PRODUCT_CODE.fullmatch(plain) or (
            _SHORT_CODE.fullmatch(plain) and _names_one(texts, values.get(title, ()))
        )
        repeats = len(texts) == num_rows and len(set(texts)) < MIN_DISTINCT * num_rows
        if name not in columns and is_code and repeats:
            columns[name] = "group_id"
            return


def _names_one(codes: Sequence[str], titles: Sequence[Any]) -> bool:
    """Return whether each code stands beside one title."""
    pairs = {*zip(codes, map(str, titles), strict=False)}
    return len(codes) == len(titles) and len(pairs) == len(set(codes))


def _own_groups(
    columns: dict[str, str], taken: set[str], values: Mapping[str, Sequence[Any]]
) -> None:
    """Take the column of groups for the id where it alone names products."""
    for name, target in columns.items():
        texts = [str(value) for value in values[name]]
        if target == "group_id" and len(set(texts)) == len(texts) > 0:
            columns[name] = "product_id"
            taken.discard("group_id")
            taken.add("product_id")


def _second_codes(columns: dict[str, str], header: Sequence[str]) -> None:
    """Name a SKU that is not the id."""
    for name in header:
        if "sku" in columns.values():
            return
        if name not in columns and _SECOND_CODE.fullmatch(plain_name(name)):
            columns[name] = "sku"
