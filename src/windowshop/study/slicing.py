"""Slices that every catalogue has: by photo, text, training judgements and demand."""

import polars as pl

from windowshop.catalog import Dataset
from windowshop.metrics import Qrels, as_qrels, score_queries
from windowshop.product_text import all_texts
from windowshop.slices import make_slices
from windowshop.study.rankings import Queries, Run
from windowshop.study.results import PER_QUERY_SCHEMA
from windowshop.workbench import Workbench

ALL = "all"
FEW_WORDS = 12
"""A product with at most as many words is sparse."""
HEAD, TORSO = 0.1, 0.5
"""Shares of the judged products, most judged first, where the head and the torso end."""
OWN_SLICES = ("has_photo", "text_length", "in_training", "demand")


def with_slice_columns(bench: Workbench) -> Dataset:
    """The data set with product columns for OWN_SLICES, where the shop has none of that name."""
    dataset = bench.dataset
    photo = pl.Series("has_photo", bench.data.products.has_image)
    words = pl.Series([len(text.split()) for text in all_texts(dataset.products)])
    length = pl.select(
        pl.when(words <= FEW_WORDS).then(pl.lit("sparse")).otherwise(pl.lit("full"))
    ).to_series()
    train = dataset.qrels_of(dataset.split("train"))
    counts = train.group_by("product_id").agg(num_judged=pl.len())
    judged = dataset.products.select("product_id").join(
        counts, on="product_id", how="left", maintain_order="left"
    )["num_judged"]
    columns = {
        "has_photo": photo,
        "text_length": length,
        "in_training": judged.is_not_null(),
        "demand": _demand(judged),
    }
    taken = {*dataset.products.columns, *dataset.queries.columns}
    added = [column.alias(name) for name, column in columns.items() if name not in taken]
    return Dataset(
        root=dataset.root,
        products=dataset.products.with_columns(added),
        queries=dataset.queries,
        qrels=dataset.qrels,
        notes=dataset.notes,
    )


def slices_of(dataset: Dataset, queries: Queries, specs: tuple[str, ...]) -> dict[str, Qrels]:
    """Judgements of each slice by name; "all" comes first.

    A column with one value only makes no slice.
    """
    rows = [(q, p, g) for q, judged in queries.qrels.items() for p, g in judged.items()]
    frame = pl.DataFrame(rows, schema=["query_id", "product_id", "grade"], orient="row")
    parts = {ALL: queries.qrels}
    for spec in specs:
        made = make_slices(dataset, frame, spec)
        if len(made) > 1:
            parts |= {part.name: as_qrels(part.qrels) for part in made}
    return parts


def per_query_scores(run: Run, parts: dict[str, Qrels], threshold: int) -> pl.DataFrame:
    """Every measure of every query and slice, as PER_QUERY_SCHEMA."""
    rows = [
        (name, query_id, measure, value)
        for name, qrels in parts.items()
        for measure, values in score_queries(qrels, run, threshold).items()
        for query_id, value in values.items()
    ]
    return pl.DataFrame(rows, schema=PER_QUERY_SCHEMA, orient="row")


def _demand(judged: pl.Series) -> pl.Series:
    """head, torso or tail by training judgements, none for products without any."""
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
