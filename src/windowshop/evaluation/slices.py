"""Slices of an evaluation: part of the queries, or part of the relevant products.

A slice is specified by columns, `kind` or `cold+text_quality`. Columns of the query table select
queries; columns of the product table select which judged products count, while the ranking is over
the full catalogue. Every combination of values is one slice. A product with a list of values
counts in the slice of each, so those slices overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from windowshop.data import KINDS, Dataset
from windowshop.errors import DataError
from windowshop.evaluation.metrics import Qrels, Run, as_qrels, relevance_threshold, score_queries
from windowshop.files import write_atomic

ALL = "all"
"""Name of the slice of all queries."""
LABELS = "labels="
"""Prefix of the name of a slice that is a label set."""
MAX_VALUES = 50
"""Most distinct values of a slice's columns; more are ids or numbers."""
EQUAL = dict.fromkeys(KINDS, 1.0)
"""Equal weights of the label sets."""
Scores = dict[str, dict[str, float]]
"""measure -> query_id -> value."""
SCORES_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("slice", "query_id", "measure"), pl.String),
    "value": pl.Float32,
}


@dataclass(frozen=True, slots=True)
class GradedQrels:
    """Qrels with the lowest grade that counts as relevant, and their weight beside others."""

    qrels: Qrels
    threshold: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Slice:
    """Judgements of one slice."""

    name: str
    """`column=value`, joined by + in the order of the columns."""
    qrels: pl.DataFrame


def split_kinds(qrels: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the judgements of each label set that is there, relevance first."""
    present = set(qrels["kind"])
    return {kind: qrels.filter(kind=kind) for kind in KINDS if kind in present}


def label_sets(
    dataset: Dataset, qrels: pl.DataFrame, weights: Mapping[str, float] = EQUAL
) -> dict[str, GradedQrels]:
    """Return the label sets of `qrels` by name, relevance first; `weights` are by name."""
    return {
        kind: GradedQrels(
            as_qrels(judged), relevance_threshold(dataset.qrels.filter(kind=kind)), weights[kind]
        )
        for kind, judged in split_kinds(qrels).items()
    }


def judged_slices(
    dataset: Dataset, qrels: pl.DataFrame, specs: Sequence[str], *, min_values: int = 1
) -> dict[str, GradedQrels]:
    """Return "all", each label set if there are two, and every slice of the columns in `specs`.

    The first label set is "all" and is sliced; columns of fewer than `min_values` are left out.
    """
    labels = label_sets(dataset, qrels)
    kind, headline = next(iter(labels.items()))
    found = {ALL: headline}
    if len(labels) > 1:
        found |= {LABELS + name: label_set for name, label_set in labels.items()}
    for spec in specs:
        made = make_slices(dataset, qrels.filter(kind=kind), spec)
        if len(made) >= min_values:
            found |= {s.name: GradedQrels(as_qrels(s.qrels), headline.threshold) for s in made}
    return found


def score_slices(run: Run, slices: Mapping[str, GradedQrels]) -> dict[str, Scores]:
    """Return every measure of every query by slice."""
    return {name: score_queries(part.qrels, run, part.threshold) for name, part in slices.items()}


def query_texts(queries: pl.DataFrame) -> dict[str, str]:
    """Return query_id -> text of the queries that have one."""
    pairs = queries.select("query_id", "query").iter_rows()
    return {query_id: text for query_id, text in pairs if text and text.strip()}


def scores_table(scores: Mapping[str, Scores]) -> pl.DataFrame:
    """Return the scores of all slices as one table of slice, query_id, measure and value."""
    rows = [
        (part, query_id, measure, value)
        for part, measures in scores.items()
        for measure, values in measures.items()
        for query_id, value in values.items()
    ]
    return pl.DataFrame(rows, schema=SCORES_SCHEMA, orient="row")


def write_scores(scores: pl.DataFrame, path: Path, chosen: str = "folder") -> None:
    """Save a table of scores as parquet, small enough to be committed; values as 32-bit floats.

    Scores are sorted so that those of one query stand together, which halves the file.
    """
    table = scores.with_columns(pl.col(pl.Float64).cast(pl.Float32))
    if "measure" in table.columns:
        table = table.sort("slice", "measure", "query_id", pl.exclude("value"))
    write = partial(table.write_parquet, compression="zstd", compression_level=19)
    write_atomic(path, write, chosen)


def make_slices(dataset: Dataset, qrels: pl.DataFrame, spec: str) -> list[Slice]:
    """Return all slices of `qrels` by the columns of `spec`, sorted by name."""
    columns = [column.strip() for column in spec.split("+")]
    qrels = qrels.select("query_id", "product_id", "grade")
    joined = qrels
    for place, column in enumerate(columns):
        joined = _attach(dataset, joined, column, f"_slice{place}")
    labels = [
        pl.lit(f"{column}=") + pl.col(f"_slice{place}").cast(pl.String).fill_null("null")
        for place, column in enumerate(columns)
    ]
    joined = joined.with_columns(_name=pl.concat_str(labels, separator="+"))
    names = joined["_name"].unique().sort().to_list()
    if len(names) > MAX_VALUES:
        raise DataError(
            f"slice {spec}: {len(names)} distinct values, more than {MAX_VALUES}. "
            "Slice by a column of classes, or add one with ranges."
        )
    return [
        Slice(name, joined.filter(pl.col("_name") == name).select(qrels.columns)) for name in names
    ]


def _attach(dataset: Dataset, qrels: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    """Add a column of the query table, else of the product table, to the judgements as text."""
    for table, key in ((dataset.queries, "query_id"), (dataset.products, "product_id")):
        if column in table.columns and column not in (key, "image", "query", "split"):
            values = table.select(key, pl.col(column).alias(name))
            if isinstance(table[column].dtype, pl.List):
                values = values.explode(name).unique(maintain_order=True)
            values = values.with_columns(_as_text(values[name]))
            return qrels.join(values, on=key, how="left", maintain_order="left")
    known = sorted(set(dataset.queries.columns) | set(dataset.products.columns))
    raise DataError(f"slice {column}: no such column; found {', '.join(known)}.")


def _as_text(column: pl.Series) -> pl.Series:
    """Return values as Python writes them, booleans as True or False."""
    if column.dtype == pl.Boolean:
        return column.replace_strict([True, False], ["True", "False"], return_dtype=pl.String)
    return column.cast(pl.String)
