"""A data set folder -> products, queries and qrels, with all columns that later steps read.

Rows that cannot be used (qrels naming an unknown query or product) are left out here and counted
in `Dataset.notes`; `windowshop check` lists them.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import xxhash

from windowshop.data.column_rules import ColumnRules, apply_rules, read_rules
from windowshop.data.folder import find_table, require_products
from windowshop.data.html_text import clean_texts
from windowshop.data.synthetic import is_synthetic, synthetic_note
from windowshop.data.tables import null_column, read_table, table_of
from windowshop.errors import DataError
from windowshop.files import file_hash

SPLITS = ("train", "dev", "test")
MAX_GRADE = 10
"""Highest grade; gains grow as 2^grade, so counts of clicks are refused."""
RELEVANCE, DESIRABILITY = KINDS = ("relevance", "desirability")
"""Label sets: judgements of people, and those made from a shop's log."""
AUTO_SPLIT = (70, 80)
"""Hundredths where dev and test begin, for a query table without a `split` column."""

PRODUCT_SCHEMA: dict[str, pl.DataType] = {
    "product_id": pl.String(),
    "group_id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "brand": pl.String(),
    "category": pl.String(),
    "price": pl.Float64(),
    "attributes": pl.String(),
    "image": pl.String(),
    "images": pl.String(),
}
QUERY_SCHEMA: dict[str, pl.DataType] = {
    "query_id": pl.String(),
    "query": pl.String(),
    "image": pl.String(),
    "split": pl.String(),
    "weight": pl.Float64(),
}
QRELS_SCHEMA: dict[str, pl.DataType] = {
    "query_id": pl.String(),
    "product_id": pl.String(),
    "grade": pl.Int64(),
    "kind": pl.String(),
    "weight": pl.Float64(),
}
REFUSED = ("query_id", "product_id", "kind")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A shop's products with its queries and judgements.

    `products` has every column of PRODUCT_SCHEMA (null where the shop has none, `group_id` filled
    with the product's own id) and any further columns; row order is the file's. `queries` has
    every column of QUERY_SCHEMA; `qrels` those of QRELS_SCHEMA, `kind` and `weight` filled with
    relevance and 1, and only rows whose query and product exist, grade above 0.
    """

    root: Path
    products: pl.DataFrame
    queries: pl.DataFrame
    qrels: pl.DataFrame
    refused: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={name: QRELS_SCHEMA[name] for name in REFUSED})
    )
    """Pairs of grade 0 by kind: judged irrelevant, or shown and not chosen."""
    rules: ColumnRules = field(default_factory=ColumnRules)
    """Declarations of `columns.yaml`."""
    notes: tuple[str, ...] = field(default=())
    """Sentences about rows that were left out on reading."""

    def __post_init__(self) -> None:
        """Give `qrels` its optional columns."""
        object.__setattr__(self, "qrels", _with_labels(self.qrels))

    @property
    def language(self) -> str:
        """Code of the products' language as it is declared; "" where it is not."""
        return self.rules.language

    @property
    def kinds(self) -> tuple[str, ...]:
        """Label sets that have a positive, relevance first."""
        present = set(self.qrels["kind"])
        return tuple(kind for kind in KINDS if kind in present)

    def split(self, name: str) -> pl.DataFrame:
        """Return the queries of a split that have a judged product, in file order."""
        judged = self.qrels["query_id"].unique()
        return self.queries.filter(
            pl.col("split") == name, pl.col("query_id").is_in(judged.implode())
        )

    def asked(self) -> "Dataset":
        """Return the data set without its synthetic queries."""
        made = is_synthetic(self.queries)
        return replace(self, queries=self.queries.filter(~made)) if made.any() else self

    def qrels_of(self, queries: pl.DataFrame) -> pl.DataFrame:
        """Return the judgements of the given queries."""
        return self.qrels.filter(pl.col("query_id").is_in(queries["query_id"].implode()))

    def hashes(self) -> dict[str, str]:
        """Return the content hash of each table file; images are hashed where they are read."""
        found = {name: find_table(self.root, name) for name in ("products", "queries", "qrels")}
        return {name: file_hash(path) for name, path in found.items() if path is not None}


def read_dataset(folder: str | Path) -> Dataset:
    """Read a data set folder; raises DataError for problems that no command can work with."""
    root = Path(folder)
    products = read_products(root)
    notes: list[str] = []
    queries = read_queries(root)
    qrels = read_qrels(root)
    known = qrels.filter(
        pl.col("query_id").is_in(queries["query_id"].implode()),
        pl.col("product_id").is_in(products["product_id"].implode()),
    )
    if len(known) < len(qrels):
        notes.append(
            f"{len(qrels) - len(known)} of {len(qrels)} qrels name an unknown query or product "
            "and were left out."
        )
    unique = known.unique(["query_id", "product_id", "kind"], keep="first", maintain_order=True)
    if len(unique) < len(known):
        notes.append(f"{len(known) - len(unique)} repeated qrels were left out.")
    return Dataset(
        root=root,
        products=products,
        queries=queries,
        qrels=unique.filter(pl.col("grade") > 0),
        refused=unique.filter(pl.col("grade") <= 0).select(REFUSED),
        rules=read_rules(root),
        notes=tuple(notes),
    )


def read_products(root: Path) -> pl.DataFrame:
    """Read the product table of a folder, with the types and roles that it declares.

    Checks ids and that there are titles or images.
    """
    path = require_products(root)
    rules = read_rules(root)
    products = read_table(path, rules.schema() | PRODUCT_SCHEMA, keep_lists=True)
    products = clean_texts(apply_rules(products, rules, path))
    require_columns(products, ["product_id"], path)
    require_either(products, "title", "image", path)
    if products.is_empty():
        raise DataError(f"{path}: the table has no rows. Write at least one product.")
    check_ids(products, "product_id", path)
    return complete_columns(products, PRODUCT_SCHEMA).with_columns(
        pl.col("group_id").fill_null(pl.col("product_id"))
    )


def read_queries(root: Path) -> pl.DataFrame:
    """Read the query table of a folder; returns an empty one where there is none."""
    path = find_table(root, "queries")
    if path is None:
        return pl.DataFrame(schema=QUERY_SCHEMA)
    queries = read_table(path, QUERY_SCHEMA)
    require_columns(queries, ["query_id"], path)
    require_either(queries, "query", "image", path)
    check_ids(queries, "query_id", path)
    check_weights(queries, path)
    return with_splits(complete_columns(queries, QUERY_SCHEMA), given="split" in queries.columns)


def has_own_queries(folder: Path) -> bool:
    """Return whether a data folder has queries or judgements that are not all synthetic."""
    queries, qrels = find_table(folder, "queries"), find_table(folder, "qrels")
    if queries is None:
        return qrels is not None
    others = [path for path in (queries, qrels) if path is not None and path.suffix != ".parquet"]
    return bool(others) or not is_synthetic(read_queries(folder)).all()


def with_splits(queries: pl.DataFrame, *, given: bool) -> pl.DataFrame:
    """Fill `split`: an empty one means train; a table without splits is split by query hash.

    The hash keeps a query in its split when others are added, and equal queries in one split.
    """
    if given:
        return queries.with_columns(pl.col("split").fill_null("train"))
    keys = queries.select(*_query_keys())
    shares = [xxhash.xxh3_64_intdigest("\0".join(key).encode()) % 100 for key in keys.iter_rows()]
    share = pl.Series(shares, dtype=pl.Int64)
    first_dev, first_test = AUTO_SPLIT
    split = pl.when(share < first_dev).then(pl.lit("train")).when(share < first_test)
    return queries.with_columns(split=split.then(pl.lit("dev")).otherwise(pl.lit("test")))


def held_out_notes(dataset: Dataset, split: str) -> tuple[str, ...]:
    """Return warnings about judged queries of a split that repeat, or that training has too.

    Queries are equal where text (as `normal_text`) and image file are.
    """
    held_out, trained = (
        queries.select(*_query_keys())
        for queries in (dataset.split(split), dataset.queries.filter(split="train"))
    )
    notes = [*synthetic_note(dataset.split(split), split)]
    repeated = len(held_out) - held_out.n_unique()
    if repeated:
        notes.append(
            f"{repeated} of {len(held_out)} {split} queries ask what another one does. All count, "
            "so intervals and p are smaller than they should be: give each query one query_id."
        )
    known = len(held_out.join(trained.unique(), on=["query", "image"], how="semi"))
    if known and split != "train":
        notes.append(
            f"{known} of {len(held_out)} {split} queries ask what a training query does, so their "
            "figures are not of new queries. `windowshop check` names them."
        )
    return tuple(notes)


def _query_keys() -> tuple[pl.Expr, pl.Expr]:
    """Return the keys that equal queries share, as columns `query` and `image`."""
    return normal_text("query").fill_null(""), pl.col("image").fill_null("")


def normal_text(column: str) -> pl.Expr:
    """Normalise a text for comparison: Unicode NFKC, case folded, single spaces.

    Lower, upper, lower makes the two spellings of a sharp s equal, as `str.casefold` does.
    """
    one_form = pl.col(column).str.normalize("NFKC")
    folded = one_form.str.to_lowercase().str.to_uppercase().str.to_lowercase()
    return folded.str.replace_all(r"\s+", " ").str.strip_chars()


def read_qrels(root: Path) -> pl.DataFrame:
    """Read the judgement table of a folder; returns an empty one where there is none.

    A table without `grade` holds positives only: each row gets grade 1. An empty `kind` means
    relevance, an empty `weight` 1.
    """
    path = find_table(root, "qrels")
    if path is None:
        return pl.DataFrame(schema=QRELS_SCHEMA)
    qrels = read_table(path, QRELS_SCHEMA)
    require_columns(qrels, ["query_id", "product_id"], path)
    if "grade" not in qrels.columns:
        qrels = qrels.with_columns(grade=pl.lit(1, dtype=pl.Int64))
    steep = (qrels["grade"] > MAX_GRADE).fill_null(False).arg_true()
    if len(steep):
        raise DataError(
            f"{path}: row {steep[0] + 1}: grade {qrels['grade'][steep[0]]} is above {MAX_GRADE}. "
            "Map counts of clicks or sales to a few grades, for example 1, 2 and 3."
        )
    qrels = _with_labels(qrels.with_columns(pl.col("grade").fill_null(0)))
    unknown = (~qrels["kind"].is_in(KINDS)).arg_true()
    if len(unknown):
        raise DataError(
            f"{path}: row {unknown[0] + 1}: kind is {qrels['kind'][unknown[0]]!r}. "
            f"Write {' or '.join(KINDS)}, or leave it empty for {RELEVANCE}."
        )
    check_weights(qrels, path)
    return qrels


def _with_labels(qrels: pl.DataFrame) -> pl.DataFrame:
    """Fill `kind` and `weight` where they are empty or absent."""
    return complete_columns(qrels, QRELS_SCHEMA).with_columns(
        pl.col("kind").fill_null(RELEVANCE), pl.col("weight").fill_null(1.0)
    )


def check_weights(frame: pl.DataFrame, path: Path) -> None:
    """Raise DataError for a weight that is negative or not finite."""
    if "weight" not in frame.columns:
        return
    weight = frame["weight"]
    wrong = ((weight < 0) | ~weight.is_finite()).fill_null(False).arg_true()
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{path}: row {row + 1}: weight is {weight[row]}. "
            "Write a number from 0 on, or leave it empty for 1."
        )


def require_columns(frame: pl.DataFrame, names: list[str], path: Path) -> None:
    """Raise DataError if the table lacks one of the columns."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: column {missing[0]!r} is missing, found {frame.columns}. "
            "Add it or rename the column that holds it."
        )


def require_either(frame: pl.DataFrame, first: str, second: str, path: Path) -> None:
    """Raise DataError if the table has neither column."""
    if first not in frame.columns and second not in frame.columns:
        raise DataError(f"{path}: needs a {first!r} or {second!r} column, found {frame.columns}.")


def check_ids(frame: pl.DataFrame, name: str, path: Path) -> None:
    """Raise DataError for an empty or repeated id."""
    ids = frame[name]
    empty = (ids.is_null() | (ids.str.strip_chars() == "")).arg_true()
    if len(empty):
        raise DataError(f"{path}: row {empty[0] + 1}: {name} is empty. Give every row an id.")
    repeated = (~ids.is_first_distinct()).arg_true()
    if len(repeated):
        row = repeated[0]
        raise DataError(
            f"{path}: row {row + 1}: {name} {ids[row]!r} stands in an earlier row too "
            f"({len(repeated)} such rows). Keep one row an id; `windowshop check` lists them."
        )


def complete_columns(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Add the schema's absent columns as nulls, in the schema's order, further columns last."""
    held = {column.name: column for column in frame.get_columns()}
    nulls = {n: null_column(n, t, len(frame)) for n, t in schema.items() if n not in held}
    extra = [name for name in held if name not in schema]
    return table_of([(held | nulls)[name] for name in [*schema, *extra]])
