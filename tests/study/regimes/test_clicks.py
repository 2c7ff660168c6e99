"""Simulated clicks: chances by position and grade, and the log they leave."""

import polars as pl
import pytest

from windowshop.data.clicks.events import EVENT_SCHEMA
from windowshop.errors import ConfigError
from windowshop.study.regimes.clicks import (
    ClickModel,
    look_chance,
    simulate_clicks,
    simulate_log,
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


def test_a_log_has_the_clicks_of_the_model():
    ranking = {"q": {name: -float(place) for place, name in enumerate("abcd")}}
    model = ClickModel(sessions=4_000, shown=3, eta=1.0, noise=0.1)
    log = simulate_log({"q": "red hat"}, judged({"a": 3, "b": 3}), ranking, model, seed=0)
    assert log.schema == pl.Schema(EVENT_SCHEMA)
    shown = log.filter(action="impression")
    assert shown.group_by("product_id").len().sort("product_id").rows() == [
        (name, 4_000)
        for name in "abc"  # d is not among the first three
    ]
    clicks = dict(log.filter(action="click").group_by("product_id").len().iter_rows())
    assert clicks == pytest.approx({"a": 4_000, "b": 2_000, "c": 400 / 3}, rel=0.1)


def test_swaps_show_other_orders():
    ranking = {"q": {name: -float(place) for place, name in enumerate("abcdef")}}
    model = ClickModel(sessions=200, shown=3, swaps=0.5)
    log = simulate_log({"q": "red hat"}, judged({"a": 3}), ranking, model, seed=0)
    first = log.filter(action="impression", position=1)["product_id"].value_counts()
    counts = dict(first.iter_rows())
    assert counts["a"] == max(counts.values())
    assert len(counts) > 3


@pytest.mark.parametrize(
    "wrong", [{"sessions": 0}, {"shown": 0}, {"eta": -1.0}, {"swaps": -1.0}, {"noise": 1.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="clicks: "):
        ClickModel(**wrong)
