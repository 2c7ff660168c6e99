"""Facts about a catalogue's columns that a page is guessed from.

Shapes: N products.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from windowshop.data import attributes_of
from windowshop.service.page.names import COLOURS

ColumnType: TypeAlias = Literal["text", "number", "list", "boolean", "date"]
MAX_ROWS = 100_000
"""Products that are looked at."""
MAX_READ = 2_000
"""Products whose attributes are read."""
PATH = " > "


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """Facts about the values of one column."""

    name: str
    type: ColumnType
    filled: float
    """Share of the products that have a value."""
    num_values: int
    """Different values; items of lists count each."""
    is_range: bool
    """Whether its numbers differ."""
    is_path: bool
    """Whether its texts are paths of categories."""
    is_colour: bool
    mean_chars: float
    is_machine: bool
    """Whether its texts are addresses, JSON or codes."""
    commonest: str


def column_type(dtype: pl.DataType) -> ColumnType:
    """Return the kind of a column's values."""
    if isinstance(dtype, pl.List):
        return "list"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_temporal():
        return "date"
    return "number" if dtype.is_numeric() else "text"


def facts_of(products: pl.DataFrame) -> dict[str, ColumnFacts]:
    """Return the facts of each column but the internal ones."""
    products = products.head(MAX_ROWS)
    return {
        name: _facts(products[name])
        for name in products.columns
        if not name.startswith("_") and not isinstance(products[name].dtype, pl.Struct | pl.Object)
    }


def attribute_names(products: pl.DataFrame) -> list[str]:
    """Return the names that `attributes` of the first products have, the commonest first."""
    if "attributes" not in products.columns or products["attributes"].dtype != pl.String:
        return []
    counts: dict[str, int] = {}
    for text in products["attributes"].drop_nulls().head(MAX_READ):
        for name in attributes_of(text) or ():
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])


def _facts(column: pl.Series) -> ColumnFacts:
    kind = column_type(column.dtype)
    known = column.drop_nulls()
    filled = len(known) / max(1, len(column))
    if kind == "list":
        known = known.explode().drop_nulls()
    texts = known if known.dtype == pl.String else pl.Series(dtype=pl.String)
    is_range = False
    if kind == "number":
        numbers = known.cast(pl.Float64)
        numbers = numbers.filter(numbers.is_finite())
        is_range = len(numbers) > 0 and numbers.min() != numbers.max()
    return ColumnFacts(
        name=column.name,
        type=kind,
        filled=filled,
        num_values=known.n_unique() if len(known) else 0,
        is_range=is_range,
        is_path=_mean(texts.str.contains(PATH, literal=True)) > 0.3,
        is_colour=len(texts) > 0 and column.name.lower().replace(" ", "_") in COLOURS,
        mean_chars=_mean(texts.str.len_chars()),
        is_machine=_is_machine(texts),
        commonest=str(texts.mode().min() or ""),
    )


def _mean(values: pl.Series) -> float:
    """Return the mean of numbers, or the share of what is true; 0 for none."""
    return float(values.mean() or 0.0)  # type: ignore[arg-type]


def _is_machine(texts: pl.Series) -> bool:
    """Return whether most texts are addresses, JSON, or codes with digits and no blank."""
    first = texts.head(MAX_READ).str.strip_chars()
    code = r"^(?:https?://\S+|[\[{].*[\]}]|\S*\d\S*[-_/]\S*\d\S*|\d{6,}|[0-9a-fA-F-]{16,})$"
    return _mean(first.str.contains(code)) > 0.8
