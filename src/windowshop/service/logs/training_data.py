"""Data folder to train on, from an index with its feedback and judgements.

    DATA/products.parquet   the products of the index
    DATA/photos/            their images, linked where the file system can
    DATA/queries.parquet    texts that were searched with a result clicked, or judged
    DATA/qrels.parquet      `desirability` from what shoppers did, `relevance` from judgements, of
                            products that are still there

A purchase is grade 3, a cart 2, a click 1; a pair's weight is its number of events. A product that
was shown above the last one that a shopper engaged with, and was itself never engaged with under
that query, is grade 0. Searches by image, by product, or in another order than relevance say
nothing about a text and are left out.
"""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import polars as pl

from windowshop.data import DESIRABILITY, PRODUCT_SCHEMA, complete_columns, parse_images
from windowshop.errors import DataError
from windowshop.files import read_manifest
from windowshop.index import (
    GENERATION,
    GENERATIONS_FOLDER,
    IMAGES_FOLDER,
    GenerationManifest,
    ShopImages,
    current_generation,
    open_products,
)
from windowshop.service.logs.feedback import read_log
from windowshop.service.logs.judgements import judged_tables, query_id

GRADES = {"click": 1, "cart": 2, "purchase": 3}
PAIR = ["query_id", "product_id"]


def write_clicks(index: Path, out: Path) -> dict[str, int]:
    """Write a data folder of an index, its feedback and judgements; returns row counts.

    A service may have the index open. Raises DataError where `out` holds something already, and
    DamagedError where what was recorded is damaged.
    """
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty. Choose another --out.")
    queries, qrels = click_tables(*read_log(index))
    judged, grades = judged_tables(index)
    queries = pl.concat([queries, judged]).unique("query_id", maintain_order=True)
    qrels = pl.concat([qrels, grades.select(qrels.columns)])
    out.mkdir(parents=True, exist_ok=True)
    products = _products(index, out)
    products.write_parquet(out / "products.parquet")
    qrels = qrels.join(products, "product_id", how="semi")
    queries = queries.join(qrels, "query_id", how="semi")
    queries.write_parquet(out / "queries.parquet")
    qrels.write_parquet(out / "qrels.parquet")
    return {"products": len(products), "queries": len(queries), "qrels": len(qrels)}


def click_tables(searches: pl.DataFrame, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return queries and qrels of a feedback log (`windowshop.service.logs.feedback.read_log`)."""
    asked = searches.filter(
        pl.col("text").is_not_null(),
        ~pl.col("photo"),
        pl.col("similar_to").is_null(),
        pl.col("by_relevance"),
    )
    keys = pl.Series("query_id", [query_id(text) for text in asked["text"]], dtype=pl.String)
    asked = asked.with_columns(keys)
    shown = (
        asked.select("search_id", "query_id", "offset", "product_ids")
        .explode("product_ids")
        .drop_nulls("product_ids")
        .rename({"product_ids": "product_id"})
        .with_columns(place=pl.int_range(pl.len()).over("search_id") + pl.col("offset") + 1)
    )
    done = events.unique(["search_id", "product_id", "event"], maintain_order=True)
    engaged = shown.join(
        done.select("search_id", "product_id", "event"), ["search_id", "product_id"]
    )
    grade = pl.col("event").replace_strict(GRADES, return_dtype=pl.Int64)
    wanted = engaged.group_by(PAIR, maintain_order=True).agg(
        grade=grade.max(), weight=pl.len().cast(pl.Float64)
    )
    last = engaged.group_by("search_id").agg(last=pl.col("place").max())
    seen = shown.join(last, "search_id").filter(pl.col("place") < pl.col("last"))
    passed = seen.select(PAIR).unique(maintain_order=True).join(wanted, PAIR, how="anti")
    refused = passed.with_columns(grade=pl.lit(0, dtype=pl.Int64), weight=pl.lit(1.0))
    qrels = pl.concat([wanted, refused]).with_columns(kind=pl.lit(DESIRABILITY))
    queries = (
        asked.filter(pl.col("query_id").is_in(qrels["query_id"].implode()))
        .group_by("query_id", maintain_order=True)
        .agg(query=pl.col("text").first(), weight=pl.len().cast(pl.Float64))
    )
    return queries, qrels


def _products(index: Path, out: Path) -> pl.DataFrame:
    """Return the products of the index, with images linked to `out`."""
    folder = index / GENERATIONS_FOLDER / current_generation(index)
    manifest = read_manifest(GenerationManifest, folder, GENERATION)
    with closing(open_products(index, read_only=True)) as products:
        table = complete_columns(products.table(), PRODUCT_SCHEMA)
    shop_images = ShopImages(Path(manifest.data_root), index / IMAGES_FOLDER)
    images = [name and _linked(shop_images, name, out) for name in table["image"]]
    further = [
        json.dumps([_linked(shop_images, name, out) or name for name in parse_images(names)])
        if names
        else None
        for names in table["images"]
    ]
    return table.with_columns(
        pl.Series("image", images, dtype=pl.String), pl.Series("images", further, dtype=pl.String)
    )


def _linked(images: ShopImages, name: str, out: Path) -> str | None:
    """Link an image into the data folder; returns its path there, None for a missing file."""
    source = images.path(name)
    if source is None:
        return None
    folder = out / "photos" / source.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    if not target.exists():
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copyfile(source, target)
    return str(target.relative_to(out))
