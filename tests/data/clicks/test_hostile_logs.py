"""Logs as they are found: out of order, in two zones and three units, repeated, of robots."""

import json

import polars as pl
import pytest

from windowshop.data.clicks.events import EVENT_SCHEMA, seconds_of
from windowshop.data.clicks.judgements import JudgementConfig, judge
from windowshop.data.clicks.sources import read_events
from windowshop.data.clicks.visits import MAX_ENGAGED, join_events

NOON = 1_704_196_800.0  # 2024-01-02 12:00 UTC


@pytest.mark.parametrize(
    "text",
    [
        "1704196800", 1704196800.0, "1704196800000", 1704196800000000, "1704196800000000000",
        "2024-01-02T12:00:00Z", "2024-01-02 12:00:00", "2024-01-02 14:00:00 +0200",
        "2024-01-02T07:00:00-05:00", "2024-01-02 12:00:00 UTC", "2024-01-02T12:00:00.000000000Z",
        "Tue, 02 Jan 2024 12:00:00 GMT", "02/Jan/2024:13:00:00 +0100",
    ],
)  # fmt: skip
def test_one_moment_in_every_writing(text):
    assert seconds_of(text) == NOON


def test_a_day_is_no_number_of_seconds():
    assert seconds_of("20240102") == seconds_of(20240102) == NOON - 43_200
    assert seconds_of("yesterday") is None


ROWS = [
    ("s1", "Red  Hat", "search", "", "", 0), ("s1", "red hat", "impression", "a", "1", 1),
    ("s1", "RED HAT ", "impression", "b", "2", 1), ("s1", "", "click", "b", "", 30),
    ("s1", "", "purchase", "b", "", 60), ("s2", "blue cap", "search", "", "", 5),
    ("s2", "blue cap", "impression", "c", "", 6), ("s2", "blue cap", "impression", "d", "", 6),
    ("s2", "", "purchase", "d", "", 90),
]  # fmt: skip


def written(rows, time):
    lines = ["session_id,query,action,product_id,position,time"]
    lines += [",".join([*map(str, row[:5]), str(time(row, n))]) for n, row in enumerate(rows)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("rows", "time"),
    [
        (ROWS, lambda row, n: int(NOON + row[5])),
        (ROWS[::-1], lambda row, n: int(1e3 * (NOON + row[5]))),
        ([*ROWS, *ROWS[2:5], *ROWS[:2]], lambda row, n: int(1e6 * (NOON + row[5]))),
        (ROWS, lambda row, n: (
            f"2024-01-02T12:{row[5] // 60:02}:{row[5] % 60:02}Z" if n % 2 else
            f"2024-01-02T15:{row[5] // 60:02}:{row[5] % 60:02}+03:00")),
    ],
    ids=["seconds", "backwards", "repeated", "two zones"],
)  # fmt: skip
def test_order_units_zones_and_repetition_change_nothing(tmp_path, rows, time):
    (tmp_path / "log.csv").write_text(written(rows, time))
    visits = join_events(read_events(tmp_path / "log.csv").events)
    found = {
        (product, level) for product, level in visits.shown.select("product_id", "level").rows()
    }
    assert found == {("a", 0), ("b", 3), ("c", 0), ("d", 3)}
    assert visits.counts["without_search"] == 0
    judged = judge(visits, JudgementConfig(by_time=False))
    assert len(judged.queries) == 2
    assert judged.qrels.filter(grade=3)["product_id"].sort().to_list() == ["b", "d"]


def events(*rows):
    names = ("session_id", "user_id", "query", "action", "product_id", "time")
    return pl.DataFrame(
        [{"place": "", **dict(zip(names, row, strict=True))} for row in rows], schema=EVENT_SCHEMA
    )


def test_a_robot_that_clicks_thousands_of_times_is_left_out():
    person = [("p", "u", "hat", "search", None, 0.0), ("p", "u", "hat", "impression", "a", 1.0),
              ("p", "u", None, "click", "a", 2.0)]  # fmt: skip
    clicks = [("r", "bot", None, "click", "b", 10.0 + n) for n in range(MAX_ENGAGED + 1)]
    robot = [("r", "bot", "hat", "search", None, 9.0), ("r", "bot", "hat", "impression", "b", 9.5)]
    visits = join_events(events(*person, *robot, *clicks))
    assert visits.shown["product_id"].to_list() == ["a"]
    assert visits.counts["of_robots"] == len(clicks) + 2
    spread = [(f"r{n}", "bot", "hat", "click", "b", 10.0 + n) for n in range(MAX_ENGAGED + 1)]
    visits = join_events(events(*person, *spread))
    assert visits.counts["of_robots"] == len(spread)


def test_a_session_id_that_is_never_renewed_is_cut_at_long_pauses():
    day = 86_400.0
    rows = []
    for n in range(3):
        rows += [("cookie", None, "hat", "search", None, n * day),
                 ("cookie", None, "hat", "impression", f"of day {n}", n * day + 1)]  # fmt: skip
    assert join_events(events(*rows)).shown["visit"].n_unique() == 3


def test_nothing_that_came_after_a_boundary_is_in_training():
    """Purchases that follow days later, by the id of their search, would tell the future."""
    rows = []
    for n in range(3_000):
        text, search, at = f"hat {n % 300}", f"q{n}", float(n * 100)
        own = {"search_id": search, "query": text, "place": ""}
        rows.append(own | {"action": "search", "time": at})
        rows.append(own | {"action": "impression", "product_id": "p", "position": 1, "time": at})
        rows.append(own | {"action": "click", "product_id": "p", "time": at + 5})
        if n % 10 == 0:
            rows.append(own | {"action": "purchase", "product_id": "p", "time": at + 150_000})
    judged = judge(join_events(pl.DataFrame(rows, schema=EVENT_SCHEMA)), JudgementConfig())
    assert judged.notes == () or "Split by text alone" not in judged.notes[0]
    train = judged.qrels.join(judged.queries.filter(split="train"), "query_id", how="semi")
    latest = 0.7 * 300_000
    assert 0 < train["purchases"].sum() <= (latest - 150_000) / 1_000 + 5
    assert json.dumps(judged.to_json())
