"""Simulated clicks: chances by position and grade, and judgements as the service makes them."""

import numpy as np
import polars as pl
import pytest

from windowshop.errors import ConfigError
from windowshop.service.logs.judgements import query_id
from windowshop.service.logs.training_data import click_tables
from windowshop.study.regimes.clicks import (
    ClickModel,
    count_clicks,
    look_chance,
    simulate_clicks,
)


def judged(grades):
    rows = [("q", product, grade) for product, grade in grades.items()]
    return pl.DataFrame(rows, ["query_id", "product_id", "grade"], orient="row")


def clicks_of(grades, order, **settings):
    ranking = {"q": {product: -float(place) for place, product in enumerate(order)}}
    model = ClickModel(**settings)
    qrels, refused = simulate_clicks(judged(grades), ranking, model, seed=0)
    return dict(qrels.select("product_id", "weight").iter_rows()), set(refused["product_id"])


def test_positions_are_looked_at_less_and_less():
    assert look_chance(4, 1.0) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert look_chance(2, 0.0).tolist() == [1, 1]


def test_clicks_follow_position_and_grade():
    grades = {"a": 3, "b": 3, "c": 1}
    clicks, refused = clicks_of(grades, "abcd", sessions=20_000, eta=1.0, noise=0.1)
    assert clicks["a"] == 20_000  # the best grade at the first position
    # .5, then a third of .1 + .9 / 7, then a quarter of the noise
    expected = {"b": 10_000, "c": 20_000 / 3 * (0.1 + 0.9 / 7), "d": 20_000 / 4 * 0.1}
    assert {p: clicks[p] for p in "bcd"} == pytest.approx(expected, rel=0.1)
    assert refused == set()


def test_only_what_is_shown_is_clicked_and_what_stood_above_a_click_is_refused():
    clicks, refused = clicks_of({"c": 3, "e": 3}, "abcde", eta=0.0, noise=0.0, shown=4)
    assert clicks == {"c": 20.0}
    assert refused == {"a", "b"}


def test_judgements_are_those_that_the_service_makes_of_such_a_log():
    rng = np.random.default_rng(0)
    click_SK = rng.random((6, 8)) < 0.2
    shown = [f"p{i}" for i in range(8)]
    searches = pl.DataFrame(
        {
            "search_id": [f"s{i}" for i in range(6)],
            "text": "red hat",
            "photo": False,
            "similar_to": pl.Series([None] * 6, dtype=pl.String),
            "by_relevance": True,
            "offset": 0,
            "product_ids": [shown] * 6,
        }
    )
    session, place = np.nonzero(click_SK)
    events = pl.DataFrame(
        {
            "search_id": [f"s{i}" for i in session],
            "product_id": [shown[i] for i in place],
            "event": "click",
        }
    )
    _, qrels = click_tables(searches, events)
    assert set(qrels["query_id"]) == {query_id("red hat")}
    count_K, above_K = count_clicks(click_SK)
    expected = {
        (product, 1, float(count)) if count else (product, 0, 1.0)
        for product, count, above in zip(shown, count_K, above_K, strict=True)
        if count or above
    }
    assert set(qrels.select("product_id", "grade", "weight").iter_rows()) == expected
    assert {grade for _, grade, _ in expected} == {0, 1}


@pytest.mark.parametrize("wrong", [{"sessions": 0}, {"shown": 0}, {"eta": -1.0}, {"noise": 1.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="clicks: "):
        ClickModel(**wrong)
