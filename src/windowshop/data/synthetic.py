"""Queries that nobody asked, marked by the column `synthetic` of the query table."""

import polars as pl

SYNTHETIC = "synthetic"


def is_synthetic(queries: pl.DataFrame) -> pl.Series:
    """Return which rows of a query table are synthetic; none, where it does not say."""
    if SYNTHETIC not in queries.columns:
        return pl.Series(SYNTHETIC, [False] * len(queries), dtype=pl.Boolean)
    column = queries[SYNTHETIC]
    if column.dtype == pl.String:
        return column.str.to_lowercase().is_in(["true", "yes", "1"]).fill_null(False)
    return column.cast(pl.Boolean, strict=False).fill_null(False)


def synthetic_note(queries: pl.DataFrame, split: str) -> tuple[str, ...]:
    """Return a warning where some of the queries of a split are synthetic."""
    count = int(is_synthetic(queries).sum())
    if not count:
        return ()
    return (
        f"{count} of {len(queries)} {split} queries are synthetic: made of the catalogue, graded "
        "by what it states, asked by nobody. Figures compare systems on them, and say little of "
        "what shoppers would find.",
    )
