"""A log, and the shop that it is of -> a data folder with judgements, to train on."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from windowshop.data.clicks.judgements import (
    JudgementConfig,
    LogJudgements,
    judge,
    text_splits,
)
from windowshop.data.clicks.sources import read_events
from windowshop.data.clicks.visits import Visits, join_events
from windowshop.data.column_rules import COLUMNS_FILE
from windowshop.data.dataset import read_products
from windowshop.data.folder import require_products
from windowshop.data.images import locate
from windowshop.data.product_images import image_names_of
from windowshop.errors import DataError
from windowshop.files import link_file, new_folder, write_json

JUDGEMENTS_FILE = "judgements.json"
"""How judgements came about, beside the tables."""


@dataclass(frozen=True, slots=True)
class WrittenJudgements:
    """Judgements that were written to a data folder, and what they were made of."""

    judged: LogJudgements
    formats: dict[str, str]
    """File of the log -> format."""
    counts: dict[str, int]
    """Events by what became of them, and rows that were written."""
    bases: dict[str, int]
    """Part of the log -> number that its first position has."""


def write_judgements(
    source: Path, out: Path, shop: Path | None, config: JudgementConfig
) -> WrittenJudgements:
    """Write a log's judgements to `out`, with the products of `shop` where one is given.

    Raises DataError where the log cannot be understood, or `out` holds something already.
    """
    require_empty(out)
    products = read_products(shop) if shop is not None else None
    log = read_events(source)
    events, num_unknown = log.events, 0
    if products is not None:
        of_shop = pl.col("product_id").is_in(products["product_id"].implode())
        known = events.filter(of_shop | pl.col("product_id").is_null())
        num_unknown = len(events) - len(known)
        if known["product_id"].null_count() == len(known):
            some = events["product_id"].drop_nulls().head(3).to_list()
            raise DataError(
                f"{shop}: no event of {source} is about a product of it: the log names {some}, the "
                f"shop {products['product_id'].head(3).to_list()}. Give the shop of the log."
            )
        events = known
    visits = join_events(events)
    if not (visits.shown["level"] > 0).any():
        raise DataError(
            f"{source}: no click, cart or purchase could be joined to a searched text "
            f"({visits.counts['searches']} searches, {visits.counts['without_search']} events "
            "without one). Events need the id or the text of a search, or a session (or user) "
            "and a time."
        )
    judged = judge(visits, config)
    more = {"ignored": log.ignored, "unknown_products": num_unknown}
    with new_folder(out) as made:
        if shop is not None and products is not None:
            link_products(shop, products, made)
        return save_judgements(made, judged, visits, log.formats, more=more)


def save_judgements(
    out: Path,
    judged: LogJudgements,
    visits: Visits,
    formats: dict[str, str],
    *,
    extra: tuple[pl.DataFrame, pl.DataFrame] | None = None,
    more: dict[str, int] | None = None,
) -> WrittenJudgements:
    """Write queries, qrels and how they came about; `extra` are queries and qrels of people."""
    queries, qrels = judged.queries, judged.qrels
    if extra is not None:
        graded, grades = extra
        graded = graded.join(grades, "query_id", how="semi")
        graded = graded.with_columns(split=text_splits(graded["query"]))
        table = pl.concat([queries, graded], how="diagonal")
        queries = table.unique("query_id", keep="first", maintain_order=True)
        qrels = pl.concat([qrels, grades], how="diagonal")
    counts = {
        **visits.counts,
        **(more or {}),
        "queries": len(queries),
        "qrels": len(qrels),
    }
    queries.write_parquet(out / "queries.parquet")
    qrels.write_parquet(out / "qrels.parquet")
    report = {"formats": formats, "counts": counts, "first_positions": visits.bases}
    write_json(out / JUDGEMENTS_FILE, {**report, **judged.to_json()})
    return WrittenJudgements(judged, formats, counts, visits.bases)


def require_empty(out: Path) -> None:
    """Raise DataError where a folder to write holds something already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not empty. Choose another --out.")


def link_products(shop: Path, products: pl.DataFrame, out: Path) -> None:
    """Put a shop's table of products, its columns.yaml and its images into another folder.

    Files are linked where the file system can, else copied; images that are not there are left out.
    """
    table = require_products(shop)
    for path in (table, shop / COLUMNS_FILE):
        if path.is_file():
            link_file(path, out / path.name)
    names, _ = image_names_of(products)
    for name in dict.fromkeys(name for name in names if name):
        source = locate(shop, name)
        if isinstance(source, Path) and source.is_file():
            link_file(source, out / source.relative_to(shop))
