"""Default slices of a study: by image, text length, training judgements and demand."""

from dataclasses import replace

import polars as pl

from windowshop.data import Dataset, all_texts
from windowshop.evaluation import MAX_VALUES
from windowshop.training import PreparedData

FEW_WORDS = 12
"""Most words of a sparse text."""
HEAD, TORSO = 0.1, 0.5
"""Shares of the judged products, most judged first, at which head and torso end."""
OWN_SLICES = ("has_photo", "text_length", "in_training", "demand")
USUAL_SLICES = ("kind", "cold", "text_quality")
"""Columns of queries or products that a study slices by where a shop has them."""


def with_slice_columns(prepared: PreparedData) -> Dataset:
    """Return the data set with a product column for each of OWN_SLICES that it lacks.

    A product is in training if a training query judges it or another of its group.
    """
    dataset = prepared.dataset
    image = pl.Series("has_photo", prepared.data.products.has_image)
    words = pl.Series([len(text.split()) for text in all_texts(dataset.products)])
    length = pl.select(
        pl.when(words <= FEW_WORDS).then(pl.lit("sparse")).otherwise(pl.lit("full"))
    ).to_series()
    train = dataset.qrels_of(dataset.split("train"))
    counts = train.group_by("product_id").agg(num_judged=pl.len())
    table = dataset.products.select("product_id", group=pl.coalesce("group_id", "product_id"))
    table = table.join(counts, on="product_id", how="left", maintain_order="left")
    judged = table["num_judged"]
    columns = {
        "has_photo": image,
        "text_length": length,
        "in_training": table.select(
            pl.col("num_judged").is_not_null().any().over("group")
        ).to_series(),
        "demand": _demand(judged),
    }
    taken = {*dataset.products.columns, *dataset.queries.columns}
    added = [column.alias(name) for name, column in columns.items() if name not in taken]
    return replace(dataset, products=dataset.products.with_columns(added))


def default_slices(dataset: Dataset) -> tuple[str, ...]:
    """Return OWN_SLICES and those of USUAL_SLICES that the shop has.

    A column of the shop's own is left out if it has too many values for classes.
    """
    tables = (dataset.queries, dataset.products)
    own = [name for name in OWN_SLICES if not any(name in table.columns for table in tables)]
    usual = []
    for name in USUAL_SLICES:
        column = next((table[name] for table in tables if name in table.columns), None)
        if column is not None and not column.dtype.is_nested() and column.n_unique() <= MAX_VALUES:
            usual.append(name)
    return (*own, *usual)


def _demand(judged: pl.Series) -> pl.Series:
    """Return head, torso or tail by training judgements; none for products without any."""
    share = judged.rank("ordinal", descending=True) / max(1, judged.count())
    return pl.select(
        pl.when(share <= HEAD)
        .then(pl.lit("head"))
        .when(share <= TORSO)
        .then(pl.lit("torso"))
        .when(share.is_not_null())
        .then(pl.lit("tail"))
        .otherwise(pl.lit("none"))
    ).to_series()
