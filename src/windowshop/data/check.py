"""A data set folder -> one report of everything in it that is wrong, tables and photos alike.

Where `read_dataset` stops at the first fatal problem, this goes on with what can be read.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from windowshop.data.attributes import parse_attributes
from windowshop.data.dataset import (
    KINDS,
    MAX_GRADE,
    PRODUCT_SCHEMA,
    QRELS_SCHEMA,
    QUERY_SCHEMA,
    RELEVANCE,
    SPLITS,
    complete_columns,
    normal_text,
    require_columns,
    require_either,
    with_splits,
)
from windowshop.data.findings import (
    Counts,
    Finding,
    Report,
    Severity,
    file_finding,
    photo_code,
    row_finding,
)
from windowshop.data.image_scan import scan_photos
from windowshop.data.product_images import further_photos
from windowshop.data.tables import find_table, read_table, to_numbers
from windowshop.errors import DataError
from windowshop.progress import Reporter

NUM_EXAMPLES = 3
MAX_SHOWN = 60
"""Characters of one example."""
SCHEMAS = {"products": PRODUCT_SCHEMA, "queries": QUERY_SCHEMA, "qrels": QRELS_SCHEMA}
REQUIRED = {
    "products": ("product_id",),
    "queries": ("query_id",),
    "qrels": ("query_id", "product_id"),
}
CONTENT = {"products": ("title", "image"), "queries": ("query", "image")}
PLAIN_TEXTS = ("title", "description", "brand", "category")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """One table as far as it could be read."""

    file: str
    frame: pl.DataFrame
    """The columns of its schema; no rows where the file is absent or cannot be read."""
    present: frozenset[str]
    """The columns that the file has."""
    findings: tuple[Finding, ...]
    """What reading it brought up."""

    def rows(
        self, code: str, concerned: pl.Series, found: str, severity: Severity | None = None
    ) -> Iterator[Finding]:
        """A finding about the rows where `concerned` is true, if there are any."""
        if concerned.any():
            found = f"{concerned.sum():,} of {len(concerned):,} rows: {found}"
            yield row_finding(code, self.file, found, concerned, severity)

    def examples(self, column: str, concerned: pl.Series) -> str:
        """The first distinct values of a column among the rows concerned."""
        values = self.frame[column].filter(concerned).unique(maintain_order=True)
        more = " and others" if len(values) > NUM_EXAMPLES else ""
        return ", ".join(f"{value!r:.{MAX_SHOWN}}" for value in values.head(NUM_EXAMPLES)) + more


def check_dataset(folder: Path, *, reporter: Reporter) -> Report:
    """Check each table, each photo and all references between them in a data set folder."""
    if not folder.is_dir():
        found = f"{folder} is {'a file, not a folder' if folder.exists() else 'not there'}."
        finding = file_finding("no-folder", str(folder), found)
        return Report(root=folder, counts={}, findings=(finding,))
    products, queries, qrels = (_load(folder, name) for name in SCHEMAS)
    further = further_photos(products.frame)
    named = [products.frame["image"], further["image"], queries.frame["image"]]
    photos = scan_photos(folder, named, reporter)
    further = further.join(photos, on="image", how="left", maintain_order="left")
    products = _with_further(_with_photos(products, photos), further)
    queries = _with_photos(queries, photos)
    findings = (
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
    return Report(root=folder, counts=_counts(products, queries, qrels), findings=findings)


def _load(root: Path, name: str) -> _Table:
    schema = SCHEMAS[name]
    texts = {column: dtype for column, dtype in schema.items() if dtype == pl.String}
    file = name
    try:
        path = find_table(root, name)
        if path is None:
            return _unread(name, file_finding(f"no-{name}", name, "There is no such table."))
        file = path.name
        frame = read_table(path, texts)
    except DataError as error:
        return _unread(name, file_finding("unreadable-table", file, str(error)))
    present = frozenset(frame.columns)
    findings = [*_column_findings(frame, name, path)]
    if frame.is_empty():
        code = "empty-products" if name == "products" else f"no-{name}"
        findings.append(file_finding(code, file, "The table has no rows."))
    frame = complete_columns(frame, schema).select(*schema)
    if name == "queries":
        frame = with_splits(frame, given="split" in present)
    if name == "qrels":
        frame = frame.with_columns(pl.col("kind").fill_null(RELEVANCE))
    if name == "qrels" and "grade" not in present:
        frame = frame.with_columns(grade=pl.lit(1.0))
    table = _Table(file=file, frame=frame, present=present, findings=tuple(findings))
    return _with_numbers(table, [column for column in schema if column not in texts])


def _unread(name: str, finding: Finding) -> _Table:
    frame = pl.DataFrame(schema=SCHEMAS[name])
    return _Table(file=finding.file, frame=frame, present=frozenset(), findings=(finding,))


def _column_findings(frame: pl.DataFrame, name: str, path: Path) -> Iterator[Finding]:
    for column in REQUIRED[name]:
        try:
            require_columns(frame, [column], path)
        except DataError as error:
            yield file_finding("missing-column", path.name, str(error))
    if name in CONTENT:
        try:
            require_either(frame, *CONTENT[name], path)
        except DataError as error:
            yield file_finding("missing-content", path.name, str(error))


def _with_numbers(table: _Table, columns: list[str]) -> _Table:
    """Make the columns Float64, with a finding about values that are no numbers."""
    for column in columns:
        numbers = to_numbers(table.frame[column])
        wrong = (numbers.is_null() & table.frame[column].is_not_null()) | numbers.is_infinite()
        if column == "weight":
            wrong |= numbers < 0
        if column == "grade":
            wrong |= (numbers < 0) | (numbers > MAX_GRADE) | (numbers != numbers.floor())
        wrong = wrong.fill_null(False)
        found = f"{column} is {table.examples(column, wrong)}."
        findings = (*table.findings, *table.rows(f"bad-{column}", wrong, found))
        if column == "grade":
            empty = numbers.fill_nan(None).is_null() & ~wrong
            findings += (*table.rows("empty-grade", empty, "grade is empty."),)
        usable = pl.select(pl.when(~wrong).then(numbers.fill_nan(None))).to_series()
        frame = table.frame.with_columns(usable.alias(column))
        table = replace(table, frame=frame, findings=findings)
    return table


def _with_photos(table: _Table, photos: pl.DataFrame) -> _Table:
    frame = table.frame.join(photos, on="image", how="left", maintain_order="left")
    return replace(table, frame=frame)


def _with_further(products: _Table, further: pl.DataFrame) -> _Table:
    """The products with `further_usable`: whether one of the photos beside `image` can be used."""
    usable = further.filter(pl.col("photo_hash").is_not_null())["row"]
    row = pl.int_range(pl.len())
    frame = products.frame.with_columns(further_usable=row.is_in(usable.implode()))
    return replace(products, frame=frame)


def _id_findings(table: _Table, noun: str) -> Iterator[Finding]:
    name = f"{noun}_id"
    if name not in table.present:
        return
    ids = table.frame[name]
    yield from table.rows(f"empty-{noun}-id", ids.is_null(), f"{name} is empty.")
    repeated = ids.is_duplicated() & ids.is_not_null()
    found = f"{name} stands in several rows: {table.examples(name, repeated)}."
    yield from table.rows(f"duplicate-{noun}-id", repeated, found)


def _product_findings(table: _Table) -> Iterator[Finding]:
    frame = table.frame
    if "title" in table.present:
        yield from table.rows("empty-title", frame["title"].is_null(), "title is empty.")
    given = frame["attributes"].drop_nulls().unique(maintain_order=True)
    malformed = pl.Series([value for value in given if not _is_object(value)], dtype=pl.String)
    wrong = frame["attributes"].is_in(malformed.implode()).fill_null(False)
    found = f"attributes is no JSON object: {table.examples('attributes', wrong)}."
    yield from table.rows("bad-attributes", wrong, found)
    yield from _photo_findings(table, frame["image"].is_not_null(), "warning")

    hollow = pl.Series([value for value in given if not parse_attributes(value)], dtype=pl.String)
    has_text = pl.any_horizontal(
        pl.col(PLAIN_TEXTS).is_not_null(),
        pl.col("attributes").is_not_null() & ~pl.col("attributes").is_in(hollow.implode()),
    )
    no_photo = pl.col("photo_hash").is_null() & ~pl.col("further_usable")
    lost = frame.select(~has_text & no_photo).to_series()
    found = f"neither text nor a usable photo: {table.examples('product_id', lost)}."
    yield from table.rows("unfindable-product", lost, found)
    yield from _group_findings(table)


def _further_findings(table: _Table, further: pl.DataFrame) -> Iterator[Finding]:
    """One finding for each kind of broken photo in `images`."""
    broken = further.filter(pl.col("photo_kind").is_not_null())
    for (kind,), photos in broken.group_by("photo_kind", maintain_order=True):
        concerned = pl.int_range(len(table.frame), eager=True).is_in(photos["row"].implode())
        found = f"photo in images {kind}: {photos['image'][0]!r} ({photos['photo_detail'][0]})."
        yield from table.rows(photo_code(str(kind)), concerned, found, "warning")


def _group_findings(table: _Table) -> Iterator[Finding]:
    group = pl.coalesce("group_id", "product_id")
    shared = table.frame.select(
        pl.col("photo_hash").is_not_null() & (group.n_unique().over("photo_hash") > 1)
    ).to_series()
    found = f"the same photo in products of several groups: {table.examples('image', shared)}."
    yield from table.rows("same-photo", shared, found)
    sizes = table.frame.select(group.alias("group"))["group"].value_counts(name="size")
    num_large = sizes.filter(pl.col("size") > 1).height
    if "group_id" in table.present and num_large:
        found = f"{len(sizes):,} groups, {num_large:,} of them with several products."
        yield file_finding("groups", table.file, found)


def _query_findings(table: _Table) -> Iterator[Finding]:
    frame = table.frame
    no_text = frame["query"].is_null()
    empty = no_text & frame["image"].is_null()
    yield from table.rows("empty-query", empty, "neither text nor photo.")
    yield from _photo_findings(table, ~no_text, "warning", "query-")
    yield from _photo_findings(table, no_text, "error", "query-")
    wrong = ~frame["split"].is_in(SPLITS)
    found = f"split is {table.examples('split', wrong)}."
    yield from table.rows("bad-split", wrong, found)
    for split in ("train", "dev"):
        if len(frame) and split not in frame["split"]:
            found = f"None of {len(frame):,} queries is in the {split} split."
            yield file_finding(f"no-{split}-split", table.file, found)


def _photo_findings(
    table: _Table, among: pl.Series, severity: Severity, prefix: str = ""
) -> Iterator[Finding]:
    """One finding for each kind of broken photo among the given rows."""
    kinds = table.frame["photo_kind"]
    for kind in kinds.filter(among).drop_nulls().unique().sort():
        concerned = (kinds == kind).fill_null(False) & among
        detail = table.frame["photo_detail"].filter(concerned)[0]
        found = f"photo {kind}: {table.examples('image', concerned)} ({detail})."
        yield from table.rows(prefix + photo_code(kind), concerned, found, severity)


def _leak_findings(table: _Table) -> Iterator[Finding]:
    """Queries that stand in an earlier split too; a text beside a photo only refines it."""
    text = pl.when(pl.col("image").is_null()).then(normal_text("query"))
    keys = {"query": text, "image": pl.col("photo_hash")}
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


def _qrels_findings(qrels: _Table, products: _Table, queries: _Table) -> Iterator[Finding]:
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


def _repetition_findings(qrels: _Table) -> Iterator[Finding]:
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


def _judgements(qrels: _Table, products: _Table) -> pl.DataFrame:
    """The judgements that count: grade above 0, of a product that exists."""
    positive = qrels.frame.filter(pl.col("grade") > 0)
    return positive.join(products.frame, on="product_id", how="semi")


def _unjudged_findings(qrels: _Table, products: _Table, queries: _Table) -> Iterator[Finding]:
    if qrels.frame.is_empty() or products.frame.is_empty():
        return
    judged = _judgements(qrels, products)["query_id"].unique()
    for split in SPLITS:
        unjudged = queries.frame.select(
            (pl.col("split") == split) & ~pl.col("query_id").is_in(judged.implode())
        ).to_series()
        found = f"{split} queries without a relevant product."
        yield from queries.rows("unjudged-queries", unjudged.fill_null(False), found)


def _counts(products: _Table, queries: _Table, qrels: _Table) -> Counts:
    titled, pictured = products.frame["title"].is_not_null(), products.frame["image"].is_not_null()
    judgements = _judgements(qrels, products)
    judged = queries.frame.join(judgements, on="query_id", how="semi")
    relevant = _split_judgements(qrels, products, queries)
    return {
        "products": len(products.frame),
        "products_with_title": int(titled.sum()),
        "products_with_image": int(pictured.sum()),
        "products_with_both": int((titled & pictured).sum()),
        "groups": products.frame.select(pl.coalesce("group_id", "product_id")).n_unique(),
        "images_usable": int(products.frame["photo_hash"].is_not_null().sum()),
        "images_unusable": _tally(products.frame["photo_kind"]),
        "queries": len(queries.frame),
        "queries_by_split": _by_split(queries.frame),
        "queries_with_text": int(queries.frame["query"].is_not_null().sum()),
        "queries_with_image": int(queries.frame["image"].is_not_null().sum()),
        "query_images_usable": int(queries.frame["photo_hash"].is_not_null().sum()),
        "query_images_unusable": _tally(queries.frame["photo_kind"]),
        "qrels": len(qrels.frame),
        "grades": _tally(qrels.frame["grade"]),
        "label_sets": _tally(qrels.frame["kind"]),
        "judged_products": judgements["product_id"].n_unique(),
        "judged_products_by_split": _by_split(relevant),
        "of_them_judged_in_train": _by_split(relevant.filter(pl.col("split") != "train", "seen")),
        "judged_queries_by_split": _by_split(judged),
    }


def _split_judgements(qrels: _Table, products: _Table, queries: _Table) -> pl.DataFrame:
    """The products that are relevant in each split; `seen`: one of their group is so in train."""
    split, group = queries.frame.select("query_id", "split"), pl.coalesce("group_id", "product_id")
    found = _judgements(qrels, products).join(split, on="query_id").select("product_id", "split")
    groups = products.frame.select("product_id", group=group).unique("product_id")
    found = found.unique().join(groups, on="product_id")
    trained = found.filter(split="train")["group"].unique()
    return found.with_columns(seen=pl.col("group").is_in(trained.implode()))


def _by_split(queries: pl.DataFrame) -> dict[str, int]:
    counts = _tally(queries["split"])
    return {split: counts[split] for split in SPLITS if split in counts}


def _tally(column: pl.Series) -> dict[str, int]:
    """How often each value occurs, the values in order."""
    counts = column.drop_nulls().value_counts().sort(column.name)
    return {f"{value:g}" if isinstance(value, float) else value: n for value, n in counts.rows()}


def _is_object(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False
