"""A log in the learned ranker: what it counts, and how it is kept apart from its own labels."""

from dataclasses import replace

import numpy as np
import polars as pl

from windowshop.data.clicks.events import EVENT_SCHEMA
from windowshop.data.clicks.visits import join_events
from windowshop.search.ranking.engagement import (
    COUNTED,
    NO_ENGAGEMENT,
    count_engagement,
    load_engagement,
)
from windowshop.search.settings import RankerConfig
from windowshop.search.tuning.ranker_data import asked_again, weighed_labels
from windowshop.search.tuning.shop_log import read_log


def log(rows):
    """Events (session, query, product, position, action)."""
    events = [
        (s, s, None, q, float(i), p, at, action, None, "log")
        for i, (s, q, p, at, action) in enumerate(rows)
    ]
    return pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row")


def test_engagement_is_apart_for_the_query_and_for_others(tmp_path):
    rows = []
    for i in range(40):
        for place, name in enumerate(("c", "a", "b"), 1):
            rows.append((f"s{i}", "Red  Shoe", name, place, "impression"))
        rows.append((f"s{i}", "Red  Shoe", "a", 2, "click"))
        rows.append((f"t{i}", "shirt", "b", 1, "impression"))
        rows.append((f"t{i}", "shirt", "b", 1, "purchase"))
    counted = count_engagement(join_events(log(rows)))
    names = ["c", "never shown", "b", "a"]
    here, there = (
        {name: dict(zip(COUNTED, row, strict=True)) for name, row in zip(names, found, strict=True)}
        for found in (counted.of("red shoe", names), counted.of("never asked", names))
    )
    assert here["a"]["query clicks"] > 0 > here["c"]["query clicks"]
    assert here["a"]["clicks"] == 0  # nothing but this query showed it
    assert here["b"]["orders"] > 0
    assert there["a"]["clicks"] > 0
    assert there["a"]["query clicks"] == 0
    assert set(here["never shown"].values()) == {0}
    assert not NO_ENGAGEMENT.of("red shoe", names).any()
    counted.save(tmp_path)
    assert load_engagement(tmp_path).table.equals(counted.table)
    assert not NO_ENGAGEMENT


def test_clicks_are_no_features_of_the_judgements_that_are_made_of_them():
    """A log of two halves: shoppers first take a, then b."""
    rows = []
    for i in range(80):
        for place, name in enumerate(("a", "b") if i % 2 else ("b", "a"), 1):
            rows.append((f"s{i}", "red shoe", name, place, "impression"))
        rows.append((f"s{i}", "red shoe", "a" if i < 40 else "b", 1, "click"))
    visits = join_events(log(rows))
    found = read_log(visits, {"q1": "Red shoe", "q2": "hat"}, apart=True)
    clicks = COUNTED.index("query clicks")
    before_a, before_b = found.earlier.of("red shoe", ["a", "b"])[:, clicks]
    assert before_a > 0 > before_b
    grades = dict(found.later.select("product_id", "grade").iter_rows())
    assert grades["b"] > grades.get("a", 0)
    assert set(found.later["query_id"]) == {"q1"}
    by_clicks = pl.DataFrame({"query_id": ["q1"], "product_id": ["a"], "grade": [3]})
    labels = weighed_labels(
        {"desirability": by_clicks}, {"a": 0, "b": 1}, RankerConfig(), found.later
    )
    assert labels.grades("q1", np.array([0, 1])).tolist() == [grades.get("a", 0), grades["b"]]
    assert found.whole.table["clicks"].sum() == 80
    untimed = replace(visits, shown=visits.shown.with_columns(time=pl.lit(None, dtype=pl.Float64)))
    assert read_log(untimed, {"q1": "red shoe"}, apart=True).later.is_empty()
    assert read_log(visits, {"q1": "red shoe"}, apart=False).later.is_empty()


def test_half_of_the_queries_with_later_clicks_are_asked_again():
    texts = {f"q{i}": f"query {i}" for i in range(40)}
    later = pl.DataFrame({"query_id": [f"q{i}" for i in range(20)]})
    again = asked_again(texts, later)
    assert 4 < len(again) < 16
    assert again < set(later["query_id"])
