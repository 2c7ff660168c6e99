"""Queries by image and text, "like this but blue", made from the judged text queries of a shop.

    python benchmarks/composed.py DATA --out COMPOSED --column colour
    windowshop tune INDEX COMPOSED                     # the weights of a text with an image
    python benchmarks/composed.py DATA --index INDEX --out COMPOSED --json composed.json

Two queries that differ in their colour alone, "red shirt for men" and "blue shirt for men", make a
query each: an image of a product that is right for the one, with "blue", asks for what the other
asks for, and has its judgements and its split. With `--index`, each split's queries are searched
by text alone, by image alone and by both.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kept_figures import write_figures
from rich.console import Console

from windowshop.data import Dataset, attribute_columns, fill_attributes, read_dataset, words_of
from windowshop.evaluation import (
    ALL,
    DEPTH,
    as_qrels,
    bootstrap,
    relevance_threshold,
    score_queries,
    scores_table,
)
from windowshop.search import SearchRequest, open_searcher

MIN_PRODUCTS = 5
"""A value of the column that fewer products have is not asked for."""
WAYS = ("text", "photo", "both")
MEASURES = ("ndcg@10", "recall@100")
RIGHT = 3
"""Grade of a product of which the image is taken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A judged query, taken apart."""

    query_id: str
    split: str
    value: str
    """Value that it asks of the column."""
    rest: frozenset[str]
    """All other words."""


def taken_apart(dataset: Dataset, column: str) -> list[Asked]:
    """The text queries that name one value of the column."""
    products = fill_attributes(dataset.products, attribute_columns(dataset.products))
    counts = products[column].drop_nulls().value_counts()
    values = [value for value, count in counts.iter_rows() if count >= MIN_PRODUCTS]
    known = sorted(((value, words_of(value)) for value in values), key=lambda pair: -len(pair[1]))
    asked = []
    for query_id, text, split in dataset.queries.select("query_id", "query", "split").iter_rows():
        words = set(words_of(text or ""))
        value = next((v for v, named in known if named and words.issuperset(named)), None)
        if value is not None:
            rest = frozenset(words.difference(words_of(value)))
            asked.append(Asked(query_id, split, value, rest))
    return asked


def composed(dataset: Dataset, column: str, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tables of queries and qrels; each judged query is asked at most once."""
    rng = np.random.default_rng(seed)
    alike: dict[frozenset[str], list[Asked]] = defaultdict(list)
    asked = taken_apart(dataset, column)
    for one in asked:
        alike[one.rest].append(one)
    images = dict(dataset.products.select("product_id", "image").drop_nulls().iter_rows())
    right: dict[str, list[str]] = defaultdict(list)
    graded = dataset.qrels.filter(pl.col("grade") >= RIGHT).sort("query_id", "product_id")
    for query_id, product_id in graded.select("query_id", "product_id").iter_rows():
        if product_id in images:
            right[query_id].append(product_id)
    rows = []
    for one in asked:
        others = [o for o in alike[one.rest] if o.value != one.value and right[o.query_id]]
        if others and one.split != "train":
            other = others[rng.integers(len(others))]
            product_id = right[other.query_id][rng.integers(len(right[other.query_id]))]
            rows.append((one.query_id, one.value, images[product_id], one.split, other.value))
    queries = pl.DataFrame(rows, ["query_id", "query", "image", "split", "shown"], orient="row")
    return queries, dataset.qrels.join(queries.select("query_id"), on="query_id", how="semi")


def write(dataset: Dataset, queries: pl.DataFrame, qrels: pl.DataFrame, out: Path) -> None:
    """A data folder; images are linked, not copied."""
    out.mkdir(parents=True)
    for name in {*dataset.products["image"].drop_nulls(), *queries["image"]}:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(dataset.root / name, out / name)
    dataset.products.write_parquet(out / "products.parquet")
    queries.write_parquet(out / "queries.parquet")
    qrels.write_parquet(out / "qrels.parquet")


def measured(index: Path, folder: Path) -> tuple[dict[str, dict[str, Any]], pl.DataFrame]:
    """Return split -> way of asking -> measure -> its mean with interval, and the scores."""
    dataset = read_dataset(folder)
    figures: dict[str, dict[str, Any]] = {}
    tables = []
    with closing(open_searcher(index)) as searcher:
        for split in ("dev", "test"):
            queries = dataset.queries.filter(pl.col("split") == split)
            judged = dataset.qrels.join(queries, on="query_id", how="semi")
            qrels, threshold = as_qrels(judged), relevance_threshold(dataset.qrels)
            figures[split] = {}
            for way in WAYS:
                run = {
                    name: searcher.answer(asked).run()
                    for name, asked in _requests(dataset, queries, way)
                }
                scores = score_queries(qrels, run, threshold)
                table = scores_table({ALL: scores}).filter(pl.col("measure").is_in(MEASURES))
                names = (pl.lit(split).alias("split"), pl.lit(way).alias("system"))
                tables.append(table.select(*names, pl.all()))
                figures[split][way] = {
                    name: asdict(bootstrap(list(scores[name].values()))) for name in MEASURES
                }
    return figures, pl.concat(tables)


def _requests(
    dataset: Dataset, queries: pl.DataFrame, way: str
) -> Iterator[tuple[str, SearchRequest]]:
    for query_id, text, image in queries.select("query_id", "query", "image").iter_rows():
        yield (
            query_id,
            SearchRequest(
                text=text if way != "photo" else None,
                image=dataset.root / image if way != "text" else None,
                limit=DEPTH,
                rules=False,
            ),
        )


def main() -> None:
    """Write the queries; with an index, search them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--column", default="colour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.out.exists():
        dataset = read_dataset(options.data)
        queries, qrels = composed(dataset, options.column, options.seed)
        write(dataset, queries, qrels, options.out)
        Console().print(f"{len(queries)} queries written to {options.out}")
    if options.index is not None:
        figures, scores = measured(options.index, options.out)
        write_figures(figures, options.json, read_dataset(options.out), scores)


if __name__ == "__main__":
    main()
