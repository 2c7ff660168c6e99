"""Names that InstantSearch front ends give to columns, and values as texts."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from windowshop.errors import SearchError, did_you_mean
from windowshop.search import Searcher, Sort

HIERARCHY = "hierarchicalCategories"
LEVEL = re.compile(rf"(?:{HIERARCHY}|categories|category)\.lvl(\d)")
"""Names of a level of the category."""
MAX_FACETS = 32
ORDERS = {"asc": False, "desc": True}


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Columns of an index by the names that a front end may give them."""

    schema: Mapping[str, pl.DataType]
    unoffered: Collection[str]
    """Columns that are declared for other uses than facets."""

    @classmethod
    def of(cls, searcher: Searcher) -> "ColumnNames":
        """Return the columns of a searcher's index."""
        index = searcher.index
        with index.collection.read_view() as view:
            schema = view.columns.schema
        shown = {name: dtype for name, dtype in schema.items() if not name.startswith("_")}
        return cls(shown, index.manifest.column_roles.lacking("facet"))

    def column(self, name: str) -> str:
        """Return the column of a name; raises SearchError for one that products do not have."""
        if name in self.schema:
            return name
        if level := LEVEL.fullmatch(name):
            return f"category.lvl{level[1]}"
        inner = name.removeprefix("attributes.")
        for column in (inner, f"attributes {inner}"):
            if inner != name and column in self.schema:
                return column
        levels = f"{HIERARCHY}.lvl0"
        meant = did_you_mean(name, self.schema)
        raise SearchError(
            f"There is no attribute {name!r}.{meant} There are: {', '.join(self.schema)}, and "
            f"levels of the category as {levels}."
        )

    def offered(self) -> list[str]:
        """Return the columns that `*` stands for: those that may be facets."""
        plain = pl.String, pl.Boolean, pl.List(pl.String)
        found = [
            name
            for name, dtype in self.schema.items()
            if name not in self.unoffered and (dtype in plain or dtype.is_numeric())
        ]
        unlike = {"product_id", "title", "description", "attributes", "image", "images"}
        return [name for name in found if name not in unlike][:MAX_FACETS]

    def dtype(self, column: str) -> pl.DataType:
        """Return the type of a column's values, of a list's that of its items."""
        dtype = self.schema.get(column, pl.String())
        return dtype.inner if isinstance(dtype, pl.List) else dtype  # type: ignore[return-value]

    def value(self, column: str, text: str) -> str | float | bool:
        """Read a value of a column; raises SearchError where it holds none such."""
        dtype = self.dtype(column)
        if dtype == pl.Boolean:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            raise SearchError(f"{column} is true or false, and {text!r} is neither.")
        if dtype.is_numeric():
            return number(column, text)
        return text


def number(column: str, text: str) -> float:
    """Read a number; raises SearchError where it is none."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise SearchError(f"{column} holds numbers, and {text!r} is none.")
    return found


def text_of(value: object) -> str:
    """Return a facet's value as the protocol has it: as JavaScript writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def order_of(index_name: str, columns: ColumnNames) -> tuple[Sort, ...]:
    """Return the order that the name of a replica says: `INDEX:price:asc`, of several, in turn.

    Raises SearchError for a name that says it otherwise.
    """
    _, *parts = index_name.split(":")
    pairs = list(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) % 2 or any(order not in ORDERS for _, order in pairs):
        raise SearchError(
            f"The index {index_name!r} says no order. Name it INDEX, or INDEX:COLUMN:asc or "
            "INDEX:COLUMN:desc to sort."
        )
    return tuple(Sort(columns.column(name), ORDERS[order]) for name, order in pairs)
