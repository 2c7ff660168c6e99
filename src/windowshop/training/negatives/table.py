"""Hard negatives of each query: exclusions, the table of those mined, and draws from it.

Shapes: Q distinct queries, C queries of a chunk, N products, M negatives. `mining.py` fills the
table; it names queries and products by id, so it stays good when the tables' rows move.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from windowshop.data import Dataset, expand, normal_text, place_in_run, starts_of
from windowshop.errors import DataError, first_line
from windowshop.model import ProductSource
from windowshop.training.judged_pairs import Pairs

TABLE_SCHEMA: dict[str, pl.DataType] = {
    "query_id": pl.String(),
    "query": pl.String(),
    "product_id": pl.String(),
    "title": pl.String(),
    "source": pl.String(),
    "rank": pl.Int64(),
    "score": pl.Float32(),
    "positive_score": pl.Float32(),
    "best_positive_id": pl.String(),
    "best_positive": pl.String(),
}
"""Columns of a table of negatives; `best_positive` is the best positive's title."""


@dataclass(frozen=True, slots=True)
class HardNegatives:
    """M hard negatives of Q distinct queries (positions in Pairs), in compressed rows.

    Query i has the entries `start[i]:start[i + 1]` of `product`, sorted rows of the products.
    """

    start: np.ndarray
    product: np.ndarray
    num_stale: int
    """Rows of the table that were skipped: the data has no such query or product any more."""

    def draw(self, queries: np.ndarray, per_query: int, rng: np.random.Generator) -> np.ndarray:
        """Draw up to `per_query` negatives of each query (positions); distinct rows, sorted."""
        entries, owner = expand(self.start, queries)
        order = np.lexsort((rng.random(len(entries)), owner))
        drawn = entries[order[place_in_run(owner) < per_query]]
        return np.unique(self.product[drawn])


def read_negatives(path: Path, dataset: Dataset, pairs: Pairs) -> HardNegatives:
    """The negatives of a table as rows of the data set; those of several sources count once.

    Raises DataError where the file is no table of negatives.
    """
    try:
        table = pl.read_parquet(path, columns=["query_id", "product_id"]).cast(pl.String)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = first_line(error)
        raise DataError(
            f"{path}: cannot be read as a table of negatives ({reason}). "
            "Write one with `windowshop mine-negatives`."
        ) from None
    products = dataset.products.select("product_id").with_row_index("product")
    known = table.join(query_positions(dataset, pairs), on="query_id").join(
        products, on="product_id"
    )
    rows = known.select("position", "product").unique().sort("position", "product")
    return HardNegatives(
        start=starts_of(rows["position"].to_numpy(), len(pairs)),
        product=rows["product"].to_numpy().astype(np.int64),
        num_stale=len(table) - len(known),
    )


def query_positions(dataset: Dataset, pairs: Pairs) -> pl.DataFrame:
    """Return the position in Pairs by `query_id`, for each query equal to one there."""
    keys = dataset.queries.select(
        "query_id", "split", "image", normal_text("query").alias("text")
    ).with_row_index("row")
    asked = pl.DataFrame({"row": pairs.query}, schema={"row": keys["row"].dtype})
    same = ["split", "text", "image"]
    first = asked.with_row_index("position").join(keys, on="row").select("position", *same)
    return keys.join(first, on=same, nulls_equal=True).select("query_id", "position")


class Exclusions:
    """Products that may not be negatives: known positives, their groups, title or image twins.

    Products are columns here, in the order given on making: column j is row `order[j]`.
    """

    def __init__(
        self, dataset: Dataset, pairs: Pairs, products: ProductSource, order: np.ndarray
    ) -> None:
        self._num_products = len(order)
        columns = dataset.products[order].select("product_id").with_row_index("column")
        known = (
            dataset.qrels.join(query_positions(dataset, pairs), on="query_id")
            .join(columns, on="product_id")
            .select("position", "column")
            .unique()
            .sort("position", "column")
        )
        self._start = starts_of(known["position"].to_numpy(), len(pairs))
        self._positive = known["column"].to_numpy().astype(np.int64)
        shop = dataset.products[order].with_row_index("column")
        self._marks = {
            "group": _Marks(*_numbered(shop, pl.col("group_id")), self._num_products),
            "title": _Marks(*_numbered(shop, _title(shop)), self._num_products),
            "photo": _Marks(*_images(products, order), self._num_products),
        }

    def strike(self, queries: np.ndarray, scores_CN: np.ndarray) -> Counter[str]:
        """Set the scores of excluded products to -inf; returns how many each rule struck first."""
        owner, positive = _of_chunk(self._start, self._positive, queries)
        struck = Counter(positive=self._strike(scores_CN, owner, positive))
        for rule, marks in self._marks.items():
            struck[rule] = self._strike(scores_CN, *marks.sharing(owner, positive))
        return struck

    def _strike(self, scores_CN: np.ndarray, owner: np.ndarray, column: np.ndarray) -> int:
        cells = _distinct(owner * self._num_products + column)
        flat = scores_CN.reshape(-1)
        alive = cells[~np.isneginf(flat[cells])]
        flat[alive] = -np.inf
        return len(alive)


class _Marks:
    """Marks of products (a group, a title, an image file), looked up both ways."""

    def __init__(self, column: np.ndarray, mark: np.ndarray, num_products: int) -> None:
        self._num_marks = int(mark.max(initial=-1)) + 1
        by_product, by_mark = np.argsort(column, kind="stable"), np.argsort(mark, kind="stable")
        self._mark_start = starts_of(column[by_product], num_products)
        self._mark = mark[by_product]
        self._column_start = starts_of(mark[by_mark], self._num_marks)
        self._column = column[by_mark]

    def sharing(self, owner: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return owners, and columns of products that share a mark with one of the owner's."""
        place, marks = _of_chunk(self._mark_start, self._mark, column)
        seen = _distinct(owner[place] * self._num_marks + marks)
        owner_of, mark = np.divmod(seen, max(1, self._num_marks))
        place, columns = _of_chunk(self._column_start, self._column, mark)
        return owner_of[place], columns


def _of_chunk(
    start: np.ndarray, values: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    entries, owner = expand(start, rows)
    return owner, values[entries]


def _distinct(values: np.ndarray) -> np.ndarray:
    """The sorted distinct values; `np.unique` hashes, many times slower on millions of cells."""
    ordered = np.sort(values)
    return np.asarray(ordered[np.diff(ordered, prepend=-1) != 0])


def _title(shop: pl.DataFrame) -> pl.Expr:
    return normal_text("title") if "title" in shop.columns else pl.lit(None, pl.String)


def _numbered(shop: pl.DataFrame, key: pl.Expr) -> tuple[np.ndarray, np.ndarray]:
    """Columns that have the key, and its number."""
    keyed = shop.select("column", key=key).drop_nulls()
    numbers = keyed["key"].rank("dense").cast(pl.Int64) - 1
    return keyed["column"].to_numpy().astype(np.int64), numbers.to_numpy()


def _images(products: ProductSource, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and their images by row in the feature store, where equal files share one."""
    rows = products.features.image.rows[order]
    column = np.flatnonzero(rows >= 0)
    rows = rows[column]
    if products.features.further is not None:
        others, owner = products.features.further.entries(order)
        column, rows = np.concatenate([column, owner]), np.concatenate([rows, others])
    _, number = np.unique(rows, return_inverse=True)
    return column, number.astype(np.int64)
