"""A data set folder -> one report of all problems in its tables and images.

`read_dataset` stops at the first fatal problem; a check goes on with whatever can be read.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from windowshop.data.attributes import parse_attributes
from windowshop.data.check_counts import dataset_counts, positive_qrels
from windowshop.data.checked_table import SCHEMAS, CheckedTable, read_checked
from windowshop.data.column_rules import COLUMNS_FILE
from windowshop.data.dataset import KINDS, SPLITS, normal_text, read_products
from windowshop.data.findings import Finding, Report, Severity, finding_of, image_code
from windowshop.data.folder import require_folder
from windowshop.data.image_scan import scan_images
from windowshop.data.product_images import further_images
from windowshop.errors import ConfigError, DataError
from windowshop.progress import SILENT, Reporter

PLAIN_TEXTS = ("title", "description", "brand", "category")


def check_dataset(folder: str | Path, *, reporter: Reporter = SILENT) -> Report:
    """Check each table, each image and all references between them in a data set folder.

    Raises DataError where there is no such folder.
    """
    folder = Path(folder)
    require_folder(folder)
    products, queries, qrels = (read_checked(folder, name) for name in SCHEMAS)
    further = further_images(products.frame)
    named = [products.frame["image"], further["image"], queries.frame["image"]]
    images = scan_images(folder, named, reporter)
    further = further.join(images, on="image", how="left", maintain_order="left")
    products = _with_further(_with_images(products, images), further)
    queries = _with_images(queries, images)
    findings = (
        *_rule_findings(folder),
        *products.findings,
        *_id_findings(products, "product"),
        *_product_findings(products),
        *_further_findings(products, further),
        *queries.findings,
        *_id_findings(queries, "query"),
        *_query_findings(queries),
        *_leak_findings(queries),
        *qrels.findings,
        *_qrels_findings(qrels, products, queries),
        *_unjudged_findings(qrels, products, queries),
    )
    return Report(root=folder, counts=dataset_counts(products, queries, qrels), findings=findings)


def _rule_findings(folder: Path) -> Iterator[Finding]:
    """Yield what is wrong with the declared columns."""
    if not (folder / COLUMNS_FILE).exists():
        return
    try:
        read_products(folder)
    except (ConfigError, DataError) as error:
        if COLUMNS_FILE in str(error):
            yield finding_of("bad-columns", COLUMNS_FILE, str(error))


def _with_images(table: CheckedTable, images: pl.DataFrame) -> CheckedTable:
    frame = table.frame.join(images, on="image", how="left", maintain_order="left")
    return replace(table, frame=frame)


def _with_further(products: CheckedTable, further: pl.DataFrame) -> CheckedTable:
    """Add `further_usable`: whether an image of `images` can be used."""
    usable = further.filter(pl.col("image_hash").is_not_null())["row"]
    row = pl.int_range(pl.len())
    frame = products.frame.with_columns(further_usable=row.is_in(usable.implode()))
    return replace(products, frame=frame)


def _id_findings(table: CheckedTable, noun: str) -> Iterator[Finding]:
    name = f"{noun}_id"
    if name not in table.present:
        return
    ids = table.frame[name]
    yield from table.rows(f"empty-{noun}-id", ids.is_null(), f"{name} is empty.")
    repeated = ids.is_duplicated() & ids.is_not_null()
    found = f"{name} stands in several rows: {table.examples(name, repeated)}."
    yield from table.rows(f"duplicate-{noun}-id", repeated, found)


def _product_findings(table: CheckedTable) -> Iterator[Finding]:
    frame = table.frame
    if "title" in table.present:
        yield from table.rows("empty-title", frame["title"].is_null(), "title is empty.")
    given = frame["attributes"].drop_nulls().unique(maintain_order=True)
    malformed = pl.Series([value for value in given if not _is_object(value)], dtype=pl.String)
    wrong = frame["attributes"].is_in(malformed.implode()).fill_null(False)
    found = f"attributes is no JSON object: {table.examples('attributes', wrong)}."
    yield from table.rows("bad-attributes", wrong, found)
    yield from _image_findings(table, frame["image"].is_not_null(), "warning")

    hollow = pl.Series([value for value in given if not parse_attributes(value)], dtype=pl.String)
    has_text = pl.any_horizontal(
        pl.col(PLAIN_TEXTS).is_not_null(),
        pl.col("attributes").is_not_null() & ~pl.col("attributes").is_in(hollow.implode()),
    )
    no_image = pl.col("image_hash").is_null() & ~pl.col("further_usable")
    lost = frame.select(~has_text & no_image).to_series()
    found = f"neither text nor a usable image: {table.examples('product_id', lost)}."
    yield from table.rows("unfindable-product", lost, found)
    yield from _group_findings(table)


def _further_findings(table: CheckedTable, further: pl.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each kind of broken image in `images`."""
    broken = further.filter(pl.col("image_kind").is_not_null())
    for (kind,), images in broken.group_by("image_kind", maintain_order=True):
        concerned = pl.int_range(len(table.frame), eager=True).is_in(images["row"].implode())
        found = f"image in images {kind}: {images['image'][0]!r} ({images['image_detail'][0]})."
        yield from table.rows(image_code(str(kind)), concerned, found, "warning")


def _group_findings(table: CheckedTable) -> Iterator[Finding]:
    group = pl.coalesce("group_id", "product_id")
    shared = table.frame.select(
        pl.col("image_hash").is_not_null() & (group.n_unique().over("image_hash") > 1)
    ).to_series()
    found = f"the same image in products of several groups: {table.examples('image', shared)}."
    yield from table.rows("same-photo", shared, found)
    sizes = table.frame.select(group.alias("group"))["group"].value_counts(name="size")
    num_large = sizes.filter(pl.col("size") > 1).height
    if "group_id" in table.present and num_large:
        found = f"{len(sizes):,} groups, {num_large:,} of them with several products."
        yield finding_of("groups", table.file, found)


def _query_findings(table: CheckedTable) -> Iterator[Finding]:
    frame = table.frame
    no_text = frame["query"].is_null()
    empty = no_text & frame["image"].is_null()
    yield from table.rows("empty-query", empty, "neither text nor image.")
    yield from _image_findings(table, ~no_text, "warning", "query-")
    yield from _image_findings(table, no_text, "error", "query-")
    wrong = ~frame["split"].is_in(SPLITS)
    found = f"split is {table.examples('split', wrong)}."
    yield from table.rows("bad-split", wrong, found)
    for split in ("train", "dev"):
        if len(frame) and split not in frame["split"]:
            found = f"None of {len(frame):,} queries is in the {split} split."
            yield finding_of(f"no-{split}-split", table.file, found)


def _image_findings(
    table: CheckedTable, among: pl.Series, severity: Severity, prefix: str = ""
) -> Iterator[Finding]:
    """Yield a finding for each kind of broken image among the given rows."""
    kinds = table.frame["image_kind"]
    for kind in kinds.filter(among).drop_nulls().unique().sort():
        concerned = (kinds == kind).fill_null(False) & among
        detail = table.frame["image_detail"].filter(concerned)[0]
        found = f"image {kind}: {table.examples('image', concerned)} ({detail})."
        yield from table.rows(prefix + image_code(kind), concerned, found, severity)


def _leak_findings(table: CheckedTable) -> Iterator[Finding]:
    """Find queries that an earlier split has too; a text beside an image does not count."""
    text = pl.when(pl.col("image").is_null()).then(normal_text("query"))
    keys = {"query": text, "image": pl.col("image_hash")}
    for code, column, held_out, earlier in (
        ("leaked-text", "query", ["dev", "test"], "train"),
        ("leaked-photo", "image", ["dev", "test"], "train"),
        ("dev-text-in-test", "query", ["test"], "dev"),
        ("dev-photo-in-test", "image", ["test"], "dev"),
    ):
        frame = table.frame.select("split", key=keys[column])
        known = frame.filter(split=earlier)["key"].drop_nulls()
        again = pl.col("split").is_in(held_out) & pl.col("key").is_in(known.implode())
        leaked = frame.select(again.fill_null(False)).to_series()
        if leaked.any():
            row = leaked.arg_true()[0]
            twin = ((frame["split"] == earlier) & (frame["key"] == frame["key"][row])).arg_true()[0]
            found = (
                f"in {' or '.join(held_out)}, but in {earlier} too: "
                f"{table.examples(column, leaked)} (row {row + 1} as row {twin + 1})."
            )
            yield from table.rows(code, leaked, found)


def _qrels_findings(
    qrels: CheckedTable, products: CheckedTable, queries: CheckedTable
) -> Iterator[Finding]:
    for noun, other in (("product", products), ("query", queries)):
        name = f"{noun}_id"
        if name in qrels.present and name in other.present and len(other.frame):
            known = pl.col(name).is_in(other.frame[name].drop_nulls().implode())
            unknown = qrels.frame.select(~known.fill_null(False)).to_series()
            found = f"{name} that {other.file} lacks: {qrels.examples(name, unknown)}."
            yield from qrels.rows(f"unknown-{noun}", unknown, found)
    wrong = ~qrels.frame["kind"].is_in(KINDS)
    yield from qrels.rows("bad-kind", wrong, f"kind is {qrels.examples('kind', wrong)}.")
    if {"query_id", "product_id"} <= qrels.present:
        yield from _repetition_findings(qrels)


def _repetition_findings(qrels: CheckedTable) -> Iterator[Finding]:
    pair = ("query_id", "product_id", "kind")
    differs = pl.col("grade").n_unique().over(pair) > 1
    again = ~pl.struct(pair).is_first_distinct()
    conflicting, repeated = qrels.frame.select(differs=differs, again=again & ~differs)
    for code, rows, what in (
        ("conflicting-grades", conflicting, "the same pair with different grades"),
        ("repeated-qrels", repeated, "the pair stands in an earlier row"),
    ):
        found = f"{what}: query_id {qrels.examples('query_id', rows)}."
        yield from qrels.rows(code, rows, found)


def _unjudged_findings(
    qrels: CheckedTable, products: CheckedTable, queries: CheckedTable
) -> Iterator[Finding]:
    if qrels.frame.is_empty() or products.frame.is_empty():
        return
    judged = positive_qrels(qrels, products)["query_id"].unique()
    for split in SPLITS:
        unjudged = queries.frame.select(
            (pl.col("split") == split) & ~pl.col("query_id").is_in(judged.implode())
        ).to_series()
        found = f"{split} queries without a relevant product."
        yield from queries.rows("unjudged-queries", unjudged.fill_null(False), found)


def _is_object(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False
