"""Queries and grades for a shop that has none, as tables: made of its catalogue, and marked so.

Sources: values of the catalogue (`catalogue`), texts that the shop suggests to its shoppers
(`suggestions`), and an endpoint of a language model where one is named (`endpoint`). All of them
are synthetic: nobody searched for them, and their grades follow from what the catalogue states.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import xxhash

from windowshop.data import (
    RELEVANCE,
    SYNTHETIC,
    has_own_queries,
    link_products,
    normal_text,
    place_in_run,
    read_products,
    require_empty,
)
from windowshop.errors import ConfigError, DataError
from windowshop.files import new_folder, write_atomic
from windowshop.training.generated.endpoint import EndpointConfig, ask_endpoint
from windowshop.training.generated.facts import Facts, named_values, read_facts, values_matrix
from windowshop.training.generated.labels import (
    CHUNK,
    HIGHEST,
    LOWEST,
    MAX_DRAWN,
    SMALL_WORD,
    FactLabels,
)
from windowshop.training.generated.queries import generate_queries
from windowshop.training.generated.suggestions import read_suggestions

MAX_QUERIES, PER_PRODUCT = 2_000, 4
SHARES = {"train": 0.8, "dev": 0.2}
SHARES_WITH_TEST = {"train": 0.7, "dev": 0.1, "test": 0.2}
CATALOGUE, SUGGESTIONS, ENDPOINT = "catalogue", "suggestions", "endpoint"
NO_FACTS = (
    "no queries can be made: no three products share a brand, a category, an attribute value or a "
    "phrase of their titles. Add what is known of the products."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopQueriesConfig:
    """Settings of queries made for a shop."""

    count: int = 0
    """Queries of the catalogue's values; 0 is four a product, at most 2,000."""
    seed: int = 0
    with_test: bool = False
    """Put some into split test as well."""
    suggestions: Path | None = None
    endpoint: EndpointConfig | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        if min(self.count, self.seed) < 0:
            raise ConfigError(f"count={self.count} and seed={self.seed} must not be negative.")


@dataclass(slots=True)
class _Made:
    """Texts with the values that they ask for, and products that an endpoint saw."""

    texts: list[str] = field(default_factory=list)
    values: list[list[int]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    products: list[list[int]] = field(default_factory=list)
    """Rows that are right for a text whatever its values."""

    def add(self, source: str, text: str, values: Sequence[int], rows: Sequence[int] = ()) -> None:
        self.texts.append(text)
        self.values.append(list(values))
        self.sources.append(source)
        self.products.append(list(rows))


@dataclass(frozen=True, slots=True)
class ShopQueries:
    """Synthetic queries and their grades."""

    queries: pl.DataFrame
    qrels: pl.DataFrame
    unused: dict[str, int]
    """Source -> texts that could not be graded."""

    def counts(self) -> dict[str, int]:
        """Return numbers of queries by split and by source, and of grades."""
        splits = dict(sorted(Counter(self.queries["split"]).items()))
        sources = {f"of {name}": n for name, n in sorted(Counter(self.queries["source"]).items())}
        unused = {f"of {name} unused": number for name, number in self.unused.items() if number}
        return {
            "queries": len(self.queries),
            **splits,
            **sources,
            **unused,
            "grades": len(self.qrels),
        }


def write_shop_queries(shop: Path, out: Path | None, config: ShopQueriesConfig) -> ShopQueries:
    """Write queries and qrels for a shop: into its folder, or with its products into another.

    Raises DataError where the shop has queries of its own and no other folder is named.
    """
    products = read_products(shop)
    if out is not None:
        require_empty(out)
    elif has_own_queries(shop):
        raise DataError(
            f"{shop}: has queries or judgements already, which synthetic ones must not replace. "
            "Name another folder with --out."
        )
    made = make_shop_queries(products, config, str(shop))
    if out is None:
        _write_tables(made, shop)
        return made
    with new_folder(out) as folder:
        link_products(shop, products, folder)
        _write_tables(made, folder)
    return made


def _write_tables(made: ShopQueries, folder: Path) -> None:
    (folder / "qrels.parquet").unlink(missing_ok=True)  # never those of other queries
    write_atomic(folder / "queries.parquet", made.queries.write_parquet)
    write_atomic(folder / "qrels.parquet", made.qrels.write_parquet)


def make_shop_queries(
    products: pl.DataFrame, config: ShopQueriesConfig, name: str = "the catalogue"
) -> ShopQueries:
    """Return queries for a table of products; raises DataError where none can be made."""
    facts = read_facts(products)
    rng = np.random.default_rng(config.seed)
    made, unused = _Made(), {}
    suggested = read_suggestions(config.suggestions) if config.suggestions else []
    unused[SUGGESTIONS] = _add_texts(made, facts, SUGGESTIONS, [(t, ()) for t in suggested])
    if config.endpoint is not None:
        asked = ask_endpoint(products, config.endpoint, rng)
        unused[ENDPOINT] = _add_texts(made, facts, ENDPOINT, asked)
    count = config.count or min(MAX_QUERIES, PER_PRODUCT * len(products))
    generated = generate_queries(facts, count, suggested, rng)
    for row, text in enumerate(generated.texts):
        made.add(CATALOGUE, text, generated.wanted_GV[row].indices.tolist())
    queries, qrels = _tables(made, facts, products, config, rng)
    if queries.is_empty():
        raise DataError(f"{name}: {NO_FACTS}")
    return ShopQueries(queries, qrels, unused)


def _add_texts(
    made: _Made, facts: Facts, source: str, texts: Sequence[tuple[str, Sequence[int]]]
) -> int:
    """Add texts that name values, and nothing else, or whose products are known; count others."""
    unused = 0
    named = named_values(facts, [text for text, _ in texts])
    for (text, rows), found in zip(texts, named, strict=True):
        is_clear = found.values and all(len(word) <= SMALL_WORD for word in found.rest)
        if is_clear or rows:
            made.add(source, text, found.values if is_clear else [], rows)
        else:
            unused += 1
    return unused


def _tables(
    made: _Made,
    facts: Facts,
    products: pl.DataFrame,
    config: ShopQueriesConfig,
    rng: np.random.Generator,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    table = pl.DataFrame(
        {"query": made.texts, "source": made.sources},
        schema_overrides={"query": pl.String, "source": pl.String},
    )
    first = table.with_row_index("row").with_columns(key=normal_text("query"))
    first = first.unique("key", keep="first", maintain_order=True)
    shares = SHARES_WITH_TEST if config.with_test else SHARES
    ends = np.cumsum(list(shares.values())) * len(first)
    place = rng.permutation(len(first)) + 0.5
    split = np.array(list(shares))[np.minimum(np.searchsorted(ends, place), len(shares) - 1)]
    ids = [f"made-{xxhash.xxh3_64_hexdigest(key.encode())}" for key in first["key"]]
    queries = first.with_columns(
        pl.Series("query_id", ids, dtype=pl.String),
        pl.Series("split", split, dtype=pl.String),
        pl.lit(True).alias(SYNTHETIC),
    )
    kept = queries["row"].to_numpy()
    graded = _grades(made, kept, facts, queries["split"].to_list(), rng)
    qrels = graded.with_columns(
        query_id=queries["query_id"].gather(graded["query"]),
        product_id=products["product_id"].gather(graded["product"]),
        kind=pl.lit(RELEVANCE),
    ).select("query_id", "product_id", pl.col("grade").cast(pl.Int64), "kind")
    best = qrels.filter(pl.col("grade") == HIGHEST)
    queries = queries.select("query_id", "query", "split", "source", SYNTHETIC)
    queries = queries.join(best, "query_id", how="semi", maintain_order="left")
    return queries, qrels.join(queries, "query_id", how="semi", maintain_order="left")


def _grades(
    made: _Made,
    kept: np.ndarray,
    facts: Facts,
    splits: Sequence[str],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Return query, product (rows) and grade; training queries get some of each grade only."""
    wanted = values_matrix([made.values[row] for row in kept], len(facts.names))
    none = np.empty(0, dtype=bool)
    judge = FactLabels(facts, values_matrix([], len(facts.names)), 0, none, HIGHEST, LOWEST)
    every = np.arange(facts.has_NV.shape[0])
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(kept), CHUNK):
        grade_BN, _ = judge.grade(wanted[start : start + CHUNK], every)
        for own, row in enumerate(kept[start : start + CHUNK]):
            grade_BN[own, made.products[row]] = HIGHEST
        query, product = np.nonzero(grade_BN)
        grade = grade_BN[query, product]
        order = np.lexsort((rng.random(len(query)), grade, query))
        query, product, grade = query[order], product[order], grade[order]
        is_train = np.array(splits[start : start + CHUNK])[query] == "train"
        few = place_in_run(2 * query + (grade == HIGHEST)) < MAX_DRAWN
        chosen = few | ~is_train
        rows.append((start + query[chosen], product[chosen], grade[chosen]))
    parts = (
        [np.concatenate(part) for part in zip(*rows, strict=True)] if rows else [np.empty(0)] * 3
    )
    return pl.DataFrame(
        {
            "query": parts[0].astype(np.int64),
            "product": parts[1].astype(np.int64),
            "grade": parts[2].astype(np.float64),
        }
    )
