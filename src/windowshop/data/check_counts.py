"""Counts of a data set: products, images, queries and judgements, by split."""

import polars as pl

from windowshop.data.checked_table import CheckedTable
from windowshop.data.dataset import SPLITS
from windowshop.data.findings import Counts


def positive_qrels(qrels: CheckedTable, products: CheckedTable) -> pl.DataFrame:
    """Return the judgements with a grade above 0, of products that exist."""
    positive = qrels.frame.filter(pl.col("grade") > 0)
    return positive.join(products.frame, on="product_id", how="semi")


def dataset_counts(products: CheckedTable, queries: CheckedTable, qrels: CheckedTable) -> Counts:
    """Count everything that a report shows."""
    titled, pictured = products.frame["title"].is_not_null(), products.frame["image"].is_not_null()
    judgements = positive_qrels(qrels, products)
    judged = queries.frame.join(judgements, on="query_id", how="semi")
    relevant = _judged_products(judgements, products, queries)
    return {
        "products": len(products.frame),
        "products_with_title": int(titled.sum()),
        "products_with_image": int(pictured.sum()),
        "products_with_both": int((titled & pictured).sum()),
        "groups": products.frame.select(pl.coalesce("group_id", "product_id")).n_unique(),
        "images_usable": int(products.frame["image_hash"].is_not_null().sum()),
        "images_unusable": _tally(products.frame["image_kind"]),
        "queries": len(queries.frame),
        "queries_by_split": _by_split(queries.frame),
        "queries_with_text": int(queries.frame["query"].is_not_null().sum()),
        "queries_with_image": int(queries.frame["image"].is_not_null().sum()),
        "query_images_usable": int(queries.frame["image_hash"].is_not_null().sum()),
        "query_images_unusable": _tally(queries.frame["image_kind"]),
        "qrels": len(qrels.frame),
        "grades": _tally(qrels.frame["grade"]),
        "label_sets": _tally(qrels.frame["kind"]),
        "judged_products": judgements["product_id"].n_unique(),
        "judged_products_by_split": _by_split(relevant),
        "of_them_judged_in_train": _by_split(relevant.filter(pl.col("split") != "train", "seen")),
        "judged_queries_by_split": _by_split(judged),
    }


def _judged_products(
    judgements: pl.DataFrame, products: CheckedTable, queries: CheckedTable
) -> pl.DataFrame:
    """Return product and split of each judgement; `seen` where train judges one of its group."""
    split, group = queries.frame.select("query_id", "split"), pl.coalesce("group_id", "product_id")
    found = judgements.join(split, on="query_id").select("product_id", "split")
    groups = products.frame.select("product_id", group=group).unique("product_id")
    found = found.unique().join(groups, on="product_id")
    trained = found.filter(split="train")["group"].unique()
    return found.with_columns(seen=pl.col("group").is_in(trained.implode()))


def _by_split(queries: pl.DataFrame) -> dict[str, int]:
    counts = _tally(queries["split"])
    return {split: counts[split] for split in SPLITS if split in counts}


def _tally(column: pl.Series) -> dict[str, int]:
    """Count each value, in the order of values."""
    counts = column.drop_nulls().value_counts().sort(column.name)
    return {f"{value:g}" if isinstance(value, float) else value: n for value, n in counts.rows()}
