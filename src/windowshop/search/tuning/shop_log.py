"""Parts of a shop's log: what shoppers did before, by which they judge afterwards.

Labels that are clicks must not meet the same clicks among the features: a ranker would learn to
copy them. So some queries have features of the log's first half and labels of its second, as a
query that is asked again; the others have no features of their own clicks, as a new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from windowshop.data import JudgementConfig, Visits, judge, query_id
from windowshop.search.ranking.engagement import NO_ENGAGEMENT, Engagement, count_engagement

SCHEMA: dict[str, pl.DataType] = {
    "query_id": pl.String(),
    "product_id": pl.String(),
    "grade": pl.Int64(),
}


@dataclass(frozen=True, eq=False, slots=True)
class ShopLog:
    """Counts of a log, as a whole and in two parts."""

    whole: Engagement = NO_ENGAGEMENT
    earlier: Engagement = NO_ENGAGEMENT
    """Of the first half of the visits."""
    later: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    """Grades by the clicks of the second half, of the queries that are asked again."""


def read_log(visits: Visits, asked: Mapping[str, str], *, apart: bool) -> ShopLog:
    """Count a log; `apart` takes its halves apart. `asked` are the texts of queries by their id.

    Without times there are no halves.
    """
    whole = count_engagement(visits)
    shown = visits.shown
    if not apart or shown.is_empty() or shown["time"].null_count():
        return ShopLog(whole)
    begun = shown.select(pl.col("time").min().over("visit"))["time"]
    is_later = begun > begun.median()
    parts = [replace(visits, shown=shown.filter(own)) for own in (~is_later, is_later)]
    graded = judge(parts[1], JudgementConfig(by_time=False)).qrels
    ids = pl.DataFrame(
        {"own": list(asked), "query_id": [query_id(text) for text in asked.values()]},
        schema={"own": pl.String, "query_id": pl.String},
    )
    later = graded.join(ids, "query_id").select(
        pl.col("own").alias("query_id"), "product_id", pl.col("grade").cast(pl.Int64)
    )
    wanted = later.filter(pl.col("grade") > 0).select("query_id").unique()
    return ShopLog(whole, count_engagement(parts[0]), later.join(wanted, "query_id", how="semi"))
