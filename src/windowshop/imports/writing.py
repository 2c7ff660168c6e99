"""Rows of products -> `products.parquet` of typed columns, in parts, so that memory stays small."""

from pathlib import Path

import polars as pl

from windowshop.data import clean_texts
from windowshop.errors import DataError
from windowshop.imports.column_guesses import guess_type
from windowshop.imports.normalise import OWN_COLUMNS, Row, free_name
from windowshop.imports.parts import PRODUCTS_FILE, Parts
from windowshop.imports.report import ImportReport

PART_ROWS = 10_000
GROUP_ROWS = 50_000
"""Rows of a row group of the file."""
MAX_COLUMNS = 300
MIN_CONSTANT = 10
"""Products from which on a column of one value is hidden."""
_NUMBERS = ("price", "sale_price", "list_price")
_LISTS = ("category_paths", "images", "image_urls", "tags")
_LINKS_AND_CODES = (
    "image_url", "image_urls", "link", "gtin", "mpn", "sku", "currency", "availability",
)  # fmt: skip
_HTML = ("title", "description", "brand", "category")


class ProductWriter:
    """Collects rows, writes each 10,000 to a part, and joins the parts at the end."""

    def __init__(self, parts: Parts, report: ImportReport) -> None:
        self._parts, self._report = parts, report
        self._rows: list[Row] = []
        self._files = [folder / PRODUCTS_FILE for folder in parts.folders]
        names = pl.read_parquet_schema(self._files[-1]) if self._files else {}
        self._extras = dict.fromkeys(name for name in names if name not in OWN_COLUMNS)
        self.num_rows = sum(
            pl.scan_parquet(path).select(pl.len()).collect().item() for path in self._files
        )

    def add(self, row: Row) -> bool:
        """Take a row; returns whether a part is full and to be kept."""
        self._rows.append(row)
        self.num_rows += 1
        return len(self._rows) >= PART_ROWS

    def keep(self, seen: dict[int, int], num_items: int) -> None:
        """Write a full part, with the ids so far and the number of items of the source."""
        self._parts.add(self._frame(), seen, num_items, self._report)
        self._files.append(self._parts.folders[-1] / PRODUCTS_FILE)

    def _frame(self) -> pl.DataFrame:
        """Return the rows since the last part as a table of clean texts."""
        for row in self._rows:
            for name in row:
                if name not in OWN_COLUMNS:
                    self._extras[name] = None
        columns = [_column(name, self._rows) for name in (*OWN_COLUMNS, *self._extras)]
        frame = pl.DataFrame(columns)
        clean = clean_texts(frame, as_given=_LINKS_AND_CODES)
        changed = pl.any_horizontal([frame[name].ne_missing(clean[name]) for name in _HTML])
        start = self.num_rows - len(frame)
        for place in pl.select(changed.alias("changed"))["changed"].arg_true():
            self._report.add("html", start + place + 1, frame["title"][place])
        self._rows.clear()
        return clean

    def finish(self, out: Path) -> None:
        """Write the table, and tell the report about its columns."""
        if self._rows:
            rest = self._parts.folder / "rest.parquet"
            self._frame().write_parquet(rest, compression="lz4")
            self._files.append(rest)
        for name in map(free_name, self._report.kept_columns):
            if name not in self._extras:
                self._report.empty_columns.append(name)
        lazy = self._all()
        kept: list[pl.Expr] = []
        found: set[str] = set()
        for name in (*OWN_COLUMNS, *self._extras):
            column = lazy.select(name).collect().to_series()
            if column.null_count() < len(column):
                kept.extend(self._kept(column))
                found.add(name)
        if not found & {"title", "image"}:
            raise DataError(
                f"{self._report.source}: no product has a title or an image file, read as "
                f"{self._report.format}. Name the column of the title in a mapping (--write-map "
                "shows what was guessed), or another --format."
            )
        lazy.select(kept).sink_parquet(out, row_group_size=GROUP_ROWS, compression="zstd")

    def _all(self) -> pl.LazyFrame:
        return pl.concat([pl.scan_parquet(path) for path in self._files], how="diagonal")

    def _kept(self, column: pl.Series) -> list[pl.Expr]:
        """Return the expressions of a column that has values."""
        name = column.name
        if name == "category_paths" and (column.list.len() < 2).fill_null(True).all():
            return []
        if name == "sku" and self._same_as_id(column):
            return []
        if name == "currency":
            self._tell_currencies(column)
        if name in OWN_COLUMNS:
            return [pl.col(name)]
        is_constant = column.null_count() == 0 and column.n_unique() == 1
        if is_constant and len(column) >= MIN_CONSTANT:
            self._report.constant_columns.append(name)
        guess = None if column.dtype != pl.String else guess_type(column)
        if guess is None:
            return [pl.col(name)]
        new = free_name(guess.name or name)
        self._report.types[name] = guess.kind
        if is_constant and len(column) >= MIN_CONSTANT:
            self._report.constant_columns[-1] = new
        return [guess.values.alias(new)]

    def _same_as_id(self, column: pl.Series) -> bool:
        ids = self._all().select("product_id").collect().to_series()
        return bool((ids == column).all())

    def _tell_currencies(self, column: pl.Series) -> None:
        counts = column.drop_nulls().value_counts(sort=True)
        if len(counts) > 1:
            commonest = counts["currency"][0]
            for place in (column != commonest).fill_null(False).arg_true():
                self._report.add("several-currencies", place + 1, column[place])


def _column(name: str, rows: list[Row]) -> pl.Series:
    values = [row.get(name) for row in rows]
    if name in _NUMBERS:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    if name in _LISTS:
        return pl.Series(name, values, dtype=pl.List(pl.String))
    return pl.Series(name, values, dtype=pl.String)
