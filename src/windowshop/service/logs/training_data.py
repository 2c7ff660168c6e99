"""Data folder to train on, from an index with its feedback and judgements.

    DATA/products.parquet   the products of the index
    DATA/photos/            their images, linked where the file system can
    DATA/queries.parquet    texts that were searched with a result clicked, or judged
    DATA/qrels.parquet      `desirability` from what shoppers did (windowshop.data.clicks),
                            `relevance` from judgements, of products that are still there

Searches by image, by product, or in another order than relevance say nothing about a text and are
left out.
"""

import json
from contextlib import closing
from pathlib import Path

import polars as pl

from windowshop.data import (
    EVENT_SCHEMA,
    PRODUCT_SCHEMA,
    JudgementConfig,
    WrittenJudgements,
    complete_columns,
    join_events,
    judge,
    parse_images,
    require_empty,
    save_judgements,
)
from windowshop.files import link_file, new_folder, read_manifest
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
from windowshop.service.logs.judgements import judged_tables


def judge_index(index: Path, out: Path, config: JudgementConfig) -> WrittenJudgements:
    """Write a data folder of an index, its feedback and judgements.

    A service may have the index open. Raises DataError where `out` holds something already, and
    DamagedError where what was recorded is damaged.
    """
    require_empty(out)
    events = log_events(*read_log(index))
    graded, grades = judged_tables(index)
    with new_folder(out) as made:
        products = _products(index, made)
        products.write_parquet(made / "products.parquet")
        known = pl.col("product_id").is_in(products["product_id"].implode())
        visits = join_events(events.filter(known | pl.col("product_id").is_null()))
        judged = judge(visits, config)
        extra = (graded, grades.filter(known))
        return save_judgements(made, judged, visits, {index.name: "windowshop"}, extra=extra)


def index_events(index: Path) -> pl.DataFrame:
    """Read what an index's service recorded of searches by text, as EVENT_SCHEMA.

    A service may have the index open. Raises DamagedError where what was recorded is damaged.
    """
    return log_events(*read_log(index))


def log_events(searches: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return a feedback log (`windowshop.service.logs.feedback.read_log`) as EVENT_SCHEMA."""
    asked = searches.filter(
        pl.col("text").str.strip_chars() != "",
        ~pl.col("photo"),
        pl.col("similar_to").is_null(),
        pl.col("by_relevance"),
    )
    shown = (
        asked.select("search_id", "time", "offset", product_id="product_ids", query="text")
        .explode("product_id")
        .drop_nulls("product_id")
        .with_columns(
            position=pl.int_range(pl.len()).over("search_id") + pl.col("offset") + 1,
            action=pl.lit("impression"),
        )
    )
    done = events.join(asked.select("search_id", query="text"), "search_id").rename(
        {"event": "action"}
    )
    parts = (
        complete_columns(part, EVENT_SCHEMA).select(list(EVENT_SCHEMA)) for part in (shown, done)
    )
    return pl.concat(parts).with_columns(place=pl.lit("service"))


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
    target = out / "photos" / source.parent.name / source.name
    link_file(source, target)
    return str(target.relative_to(out))
