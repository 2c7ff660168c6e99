"""Identifiers of products (ids, SKUs, GTINs, part and model numbers), found without a scan.

Model numbers in titles are identifiers of the products that have the rest of the query too.

Columns and attributes are identifiers by name, and columns of texts by content: a code without
blanks in nearly every row, nearly always another. Case and separators do not count ("GSR12V-15" is
"gsr 12v15"), nor do zeros before a GTIN; an ISBN has two forms. An identifier typed in part
("GSR12") is found by its beginning.

Shapes: P pairs of an identifier and a product.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import polars as pl

from windowshop.data import (
    PRODUCT_SCHEMA,
    inner_type,
    names_barcode,
    names_identifier,
    parse_attributes,
    words_of,
)
from windowshop.index import ProductColumns
from windowshop.search.understanding.codes import in_titles, isbn_forms, normal, normal_column
from windowshop.search.understanding.numbers import GLUED
from windowshop.search.understanding.phrases import STOP_WORDS
from windowshop.search.understanding.quantities import quantities_of

_LABEL = re.compile(
    r"(?:(?:artikel-?n(?:umme)?r|art\.?-?nr|teilen(?:umme)?r|bestelln(?:umme)?r|gtin|ean|upc|isbn|barcode|sku|mpn|asin|id|oem|oe|p/n|pn|pzn|item"
    r"|product|produkt|produit|producto|prodotto"
    r"|art|artikel|article|articolo|artículo"
    r"|model|modell|modèle|modelo|modello|part|parte|pièce|ref|réf|référence|referencia|riferimento|code|código|codice|kod"
    r"|no|nr|n°|№|nummer|number|numéro|numero|número|numer|de|du|del|di|barkod|ürün|stok|kodu|производителя|товара|детали"
    r"|артикул|арт|код|номер|штрих-?код|модель|品番|型番|货号|型号|条码|바코드|품번|모델명|الباركود|رقم|الموديل)"
    r"[\s.:#]+)+|#",
    re.I,
)
"""Words before an identifier in a query."""
_PART = re.compile(rf"[{GLUED}]+|[^\s,;|{GLUED}]+")
"""Part of an identifier; letters that are written against others are apart from them."""
CODE = r"^[\p{L}\p{N}][\p{L}\p{N}._#-]{2,39}$"
"""Pattern of a code, for polars; one has a digit too."""
MIN_ROWS = 20
"""Least number of values from which a column is known by its content."""
MIN_SHARE = 0.95
"""Least share of values that are codes, and of different ones among them."""
MAX_PRODUCTS = 50
"""More products than this share no identifier, nor the beginning of one."""
MAX_PAIRS = 5_000
"""Most pairs of an identifier that are read, those of earlier rows of a product among them."""
MAX_PARTS = 6
"""Most parts, apart by blanks or commas, of an identifier in a query."""
MODEL = "model in the title"
"""Name of model numbers in titles, behind the columns."""
SHORT = 3
"""Digits of a number that may be a model of a brand ("501"), rather than an id."""
MIN_CODE, MIN_DIGITS = 4, 6
"""Least length of an identifier among other words: with letters and digits, and of digits alone."""
BEGUN, BEGUN_DIGITS = 4, 5
"""Least length of the beginning of an identifier: with letters and digits, and of digits alone.
Among other words it has a letter and one sign more."""
_LAST = "\U0010ffff"
"""Letter behind all others."""

Having: TypeAlias = Callable[[Sequence[str]], np.ndarray]
"""Looks up the keys of the products that have every one of some words."""


@dataclass(frozen=True, slots=True)
class Identified:
    """An identifier in a query, with its products."""

    text: str
    start: int
    end: int
    """Its characters in the query are `start : end`."""
    column: str
    keys: tuple[int, ...]
    product_ids: tuple[str, ...]
    is_word: bool = False
    """True for letters alone or few digits, where other products have it as a word."""
    is_begun: bool = False
    """True for the beginning of longer identifiers."""


class Identifiers:
    """Identifiers of products, sorted; guarded from outside, as the words are.

    Each of its tables has `text`, rising, with the key of a product and the place of a column.
    """

    def __init__(
        self, keys_N: np.ndarray, products: pl.DataFrame, declared: Collection[str] = ()
    ) -> None:
        """Read the identifiers of products by key, int64, each once.

        Columns of `declared` are identifiers whatever their names and values.
        """
        self._columns = identifier_columns(products, declared)
        self._built = _pairs(keys_N, products, self._columns)
        self._later = _pairs(keys_N[:0], products[:0], self._columns)

    def add(self, keys: np.ndarray, products: pl.DataFrame) -> None:
        """Add products under new keys."""
        self._later = self._later.merge_sorted(_pairs(keys, products, self._columns), "text")

    def find(self, query: str, columns: ProductColumns, having: Having) -> list[Identified]:
        """Return the identifiers in a query that living products have: the whole, else parts.

        `having` returns the keys of the products that have words.
        """
        found: list[Identified] = []
        spans = list(_spans(query))
        begun_with = self._begun_with([query[start:end] for start, end, _ in spans])
        for (start, end, is_whole), is_begun in zip(spans, begun_with, strict=True):
            if is_begun and all(end <= other.start or start >= other.end for other in found):
                text = query[start:end]
                one = self._look_up(text, columns, having, is_whole=is_whole)
                begun = None
                if is_whole or one is None:
                    begun = self._begun(text, columns, having, is_whole=is_whole)
                if one and begun:
                    begun = _besides(begun, one)
                found += [replace(o, start=start, end=end) for o in (one, begun) if o]
        if any(one.column == MODEL for one in found):
            found = _with_rest(found, query, columns, having)
        return sorted(found, key=lambda one: one.start)

    def _begun_with(self, texts: Sequence[str]) -> list[bool]:
        """Return whether any identifier begins with each text, or with another form of it."""
        forms = [_forms(text) for text in texts]
        codes = [code for own in forms for code in own]
        found = np.zeros(len(codes), dtype=bool)
        asked = pl.Series(codes, dtype=pl.String)
        for table in (self._built, self._later):
            if len(table) and codes:
                low = table["text"].search_sorted(asked, "left").clip(upper_bound=len(table) - 1)
                held = pl.DataFrame({"held": table["text"].gather(low), "asked": asked})
                found |= held.select(pl.col("held").str.starts_with(pl.col("asked")))[
                    "held"
                ].to_numpy()
        any_of = iter(found.tolist())
        return [any([next(any_of) for _ in own]) for own in forms]

    def _look_up(
        self, text: str, columns: ProductColumns, having: Having, *, is_whole: bool
    ) -> Identified | None:
        """Return a text that is an identifier as a whole."""
        code = normal(text)
        has_letter, has_digit = any(map(str.isalpha, code)), any(map(str.isdigit, code))
        if not code or (not is_whole and (not has_digit or len(code) < _least(code))):
            return None
        pairs = [self._between(form, form) for form in _forms(text)]
        one = self._identified(text, pairs, columns)
        if one is None:
            return None
        may_be_word = not has_digit or (not has_letter and len(code) <= SHORT)
        others = np.setdiff1d(having(words_of(text)), one.keys) if may_be_word else ()
        return replace(one, is_word=len(others) > 0)

    def _begun(
        self, text: str, columns: ProductColumns, having: Having, *, is_whole: bool
    ) -> Identified | None:
        """Return a text with which identifiers begin, unless it is a word or a measure."""
        code = normal(text)
        has_letter = any(map(str.isalpha, code))
        least = (BEGUN if has_letter else BEGUN_DIGITS) + (not is_whole)
        if len(code) < least or not any(map(str.isdigit, code)) or not (has_letter or is_whole):
            return None
        measures = quantities_of(text)
        if measures and measures[0].end - measures[0].start == len(text):
            return None
        one = self._identified(text, [self._between(code, code + _LAST)], columns)
        if one is None:
            return None
        words = words_of(text)
        is_apart = len(words) == 1 or " " in text.strip()
        if is_apart and len(np.setdiff1d(having(words), one.keys)):
            return None
        return replace(one, is_begun=True)

    def _between(self, first: str, last: str) -> pl.DataFrame:
        """Return the pairs of the identifiers between two, some more than are read at most."""
        parts = []
        for table in (self._built, self._later):
            low = table["text"].search_sorted(first, "left")
            high = table["text"].search_sorted(last, "right")
            parts.append(table[low : min(high, low + MAX_PAIRS + 1)])
        return pl.concat(parts)

    def _identified(
        self, text: str, found: Sequence[pl.DataFrame], columns: ProductColumns
    ) -> Identified | None:
        """Return the living products of some pairs; None for none, and for too many."""
        pairs = pl.concat(found).select("key", "column").unique()
        if not 0 < len(pairs) <= MAX_PAIRS:
            return None
        pairs = pairs.sort("column", "key")
        pairs = pairs.filter(columns.are_living(pairs["key"].to_numpy()))
        titles = len(self._columns) - 1
        if (pairs["column"] != titles).any():
            pairs = pairs.filter(pl.col("column") != titles)
        keys = pairs["key"].unique(maintain_order=True).to_numpy()
        if not 0 < len(keys) <= MAX_PRODUCTS:
            return None
        column = self._columns[pairs["column"][0]]
        ids = tuple(columns.ids(keys))
        return Identified(text, 0, len(text), column, tuple(keys.tolist()), ids)


def _besides(begun: Identified, whole: Identified) -> Identified | None:
    """Return the beginning of identifiers without the products that have it as a whole."""
    kept = [i for i, key in enumerate(begun.keys) if key not in whole.keys]
    if not kept:
        return None
    keys = tuple(begun.keys[i] for i in kept)
    return replace(begun, keys=keys, product_ids=tuple(begun.product_ids[i] for i in kept))


def _forms(text: str) -> list[str]:
    """Return the forms of a text in which an identifier may be kept; none of signs alone."""
    code = normal(text)
    codes = [code] if code else []
    if 8 <= len(code) <= 14 and code.isdigit():
        codes.append(code.lstrip("0"))
    return codes + isbn_forms(code)


def _with_rest(
    found: Sequence[Identified], query: str, columns: ProductColumns, having: Having
) -> list[Identified]:
    """Keep of model numbers in titles the products that have the rest of the query too."""
    for one in found:
        query = query[: one.start] + " " * (one.end - one.start) + query[one.end :]
    words = [word for word in words_of(query) if word not in STOP_WORDS]
    kept = []
    for one in found:
        if one.column != MODEL or not words:
            kept.append(one)
            continue
        keys = np.intersect1d(one.keys, having(words))
        if len(keys):
            ids = tuple(columns.ids(keys))
            kept.append(replace(one, keys=tuple(keys.tolist()), product_ids=ids))
    return kept


def identifier_columns(products: pl.DataFrame, declared: Collection[str] = ()) -> list[str]:
    """Return the columns that hold identifiers, product_id first, then "attributes" and titles."""
    named = [
        name
        for name, dtype in products.schema.items()
        if _is_readable(dtype) and (name in declared or names_identifier(name))
    ]
    coded = [
        name
        for name, dtype in products.schema.items()
        if name not in named
        and name not in PRODUCT_SCHEMA
        and not name.startswith("_")
        and dtype == pl.String
        and _holds_codes(products[name])
    ]
    first = sorted(named, key=lambda name: name != "product_id")
    return [*first, *coded, "attributes", MODEL]


def _least(code: str) -> int:
    return MIN_DIGITS if code.isdigit() else MIN_CODE


def _is_readable(dtype: pl.DataType) -> bool:
    inner = inner_type(dtype) if isinstance(dtype, pl.List) else dtype
    return inner == pl.String or inner in (pl.Categorical, pl.Null) or inner.is_integer()


def _holds_codes(column: pl.Series) -> bool:
    values = column.drop_nulls()
    if len(values) < MIN_ROWS:
        return False
    first = values.head(1_000)  # most columns are seen through early
    for some in (first, values):
        are_codes = some.str.contains(CODE) & some.str.contains(r"\d")
        are_dates = some.str.contains(r"^\d{4}-\d\d-\d\d")
        share = (are_codes & ~are_dates).sum() / len(some)
        if share < MIN_SHARE or some.n_unique() < MIN_SHARE * len(some):
            return False
    return True


def _pairs(keys: np.ndarray, products: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the identifiers of some columns, by rising text."""
    parts = [pl.DataFrame(schema={"text": pl.String, "key": pl.Int64, "column": pl.UInt32})]
    for place, name in enumerate(columns):
        if name == "attributes":
            found = _in_attributes(products)
        elif name == MODEL and "title" in products.columns:
            found = in_titles(products["title"])
        elif name in products.columns:
            found = products.select(text=pl.col(name)).with_row_index("row")
            if isinstance(found["text"].dtype, pl.List):
                found = found.explode("text")
            found = found.select("row", pl.col("text").cast(pl.String)).drop_nulls()
        else:
            continue
        found = found.with_columns(text=normal_column(pl.col("text")))
        key = pl.Series(keys[found["row"].to_numpy()], dtype=pl.Int64)
        found = found.with_columns(key=key, column=pl.lit(place, pl.UInt32))
        if names_barcode(name) or name == "attributes":
            short = found.filter(pl.col("text").str.contains(r"^0\d{7,13}$"))
            found = pl.concat(
                [found, short.with_columns(pl.col("text").str.strip_chars_start("0"))]
            )
        parts.append(found.select("text", "key", "column"))
    return pl.concat(parts).filter(pl.col("text") != "").sort("text")


def _in_attributes(products: pl.DataFrame) -> pl.DataFrame:
    """Return row and text of the identifiers in attributes, which few products may have."""
    schema = {"row": pl.UInt32, "text": pl.String}
    if "attributes" not in products.columns or products["attributes"].dtype != pl.String:
        return pl.DataFrame(schema=schema)
    table = products.select("attributes").with_row_index("row")
    names = _names_in(table["attributes"])
    if not names:
        return pl.DataFrame(schema=schema)
    likely = "|".join(rf'"{re.escape(name)}"\s*:' for name in names)
    table = table.filter(pl.col("attributes").str.contains(likely).fill_null(False))
    rows = [
        (row, text)
        for row, attributes in table.iter_rows()
        for name, text in parse_attributes(attributes).items()
        if names_identifier(name)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _names_in(attributes: pl.Series) -> list[str]:
    """Return the names of identifiers in JSON, as they are written there."""
    found = attributes.str.extract_all(r'"(?:[^"\\]|\\.){1,40}"\s*:').explode().drop_nulls()
    written = found.str.strip_suffix(":").str.strip_chars().str.slice(1)
    written = written.str.head(-1).unique()
    return sorted(name for name in written if names_identifier(_plain(name)))


def _plain(name: str) -> str:
    """Return a name of JSON without escapes."""
    try:
        return str(json.loads(f'"{name}"'))
    except ValueError:
        return name


def _spans(query: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the places in a query that may be an identifier, the whole first, then the longest."""
    parts = [part.span() for part in _PART.finditer(query)]
    if not parts:
        return
    start, end = parts[0][0], parts[-1][1]
    yield start, end, True
    label = _LABEL.match(query, start)
    if label and label.end() < end:
        yield label.end(), end, True
    if any(char.isdigit() for char in query):
        for length in range(min(MAX_PARTS, len(parts) - 1), 0, -1):
            for first, last in zip(parts, parts[length - 1 :], strict=False):
                yield first[0], last[1], False
