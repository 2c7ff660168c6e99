"""Events joined to searches, and what was shown in each visit."""

import polars as pl

from windowshop.data.clicks.events import EVENT_SCHEMA
from windowshop.data.clicks.visits import MAX_SEARCHES, join_events


def log(*events):
    """Events of {field: value}; times count from 0 in the order given."""
    plain = {"place": "", "time": None}
    rows = [plain | {"time": float(n)} | event for n, event in enumerate(events)]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA)


def shown(search, product, position=None, **other):
    return {
        "search_id": search,
        "product_id": product,
        "position": position,
        "action": "impression",
    } | other


def rows(visits):
    return visits.shown.select("query", "product_id", "position", "level", "above").rows()


def test_events_join_by_the_id_of_a_search():
    visits = join_events(
        log(
            {"search_id": "q", "query": "red hat", "action": "search"},
            shown("q", "a", 1),
            shown("q", "b", 2),
            shown("q", "c", 3),
            {"search_id": "q", "product_id": "b", "action": "click", "position": 2},
            {"search_id": "q", "product_id": "b", "action": "purchase"},
            {"search_id": "q", "product_id": "never shown", "action": "click"},
            {"search_id": "other", "product_id": "a", "action": "click"},
        )
    )
    assert rows(visits) == [
        ("red hat", "a", 1, 0, True),
        ("red hat", "b", 2, 3, True),
        ("red hat", "c", 3, 0, False),
    ]
    assert visits.counts["not_shown"] == 1
    assert visits.counts["without_search"] == 1


def test_positions_are_counted_from_1_in_each_part_of_a_log():
    zero = [shown("p", name, place, query="hat", place="zero") for place, name in enumerate("ab")]
    one = [shown("q", name, place, query="cap", place="one") for place, name in enumerate("ab", 1)]
    visits = join_events(log(*zero, *one))
    assert visits.bases == {"zero": 0, "one": 1}
    assert visits.shown["position"].to_list() == [1, 2, 1, 2]


def test_a_stray_zero_does_not_make_a_log_count_from_zero():
    events = [shown(f"q{i}", "a", 1, query="hat") for i in range(10)] + [shown("q0", "b", 0)]
    visits = join_events(log(*events))
    assert visits.bases == {"": 1}
    assert visits.shown.filter(product_id="b")["position"].to_list() == [None]


def test_without_ids_the_latest_search_of_the_session_counts():
    in_session = {"session_id": "s"}
    visits = join_events(
        log(
            {"query": "hat", "action": "search", **in_session},
            shown(None, "a", 1, **in_session),
            {"query": "cap", "action": "search", **in_session},
            shown(None, "b", 1, **in_session),
            {"product_id": "a", "action": "click", **in_session},  # shown under the hat
            {"product_id": "b", "action": "purchase", **in_session},
            {"product_id": "z", "action": "purchase", **in_session},  # of no search
            {"product_id": "b", "action": "click", "session_id": "another"},
        )
    )
    assert [row[:2] + row[3:4] for row in rows(visits)] == [("hat", "a", 1), ("cap", "b", 3)]


def test_an_event_that_names_its_text_joins_that_search():
    in_session = {"session_id": "s"}
    visits = join_events(
        log(
            {"query": "hat", "action": "search", **in_session},
            {"query": "cap", "action": "search", **in_session},
            shown(None, "a", 1, query="Hat ", **in_session),
            {"product_id": "a", "action": "click", "query": "hat", **in_session},
            shown(None, "b", 1, query="scarf", **in_session),  # a search that was not logged
        )
    )
    assert [row[:2] + row[3:4] for row in rows(visits)] == [("hat", "a", 1), ("scarf", "b", 0)]


def test_lists_with_other_names_are_no_search_results():
    in_session = {"session_id": "s"}
    visits = join_events(
        log(
            {"query": "hat", "action": "search", **in_session},
            shown(None, "a", 1, list_name="Search results", **in_session),
            shown(None, "b", 1, list_name="You may also like", **in_session),
        )
    )
    assert visits.shown["product_id"].to_list() == ["a"]


def test_a_pause_ends_the_session_of_a_user():
    user = {"user_id": "u"}
    visits = join_events(
        log(
            {"query": "hat", "action": "search", "time": 0.0, **user},
            shown(None, "a", 1, time=10.0, **user),
            shown(None, "b", 1, time=5_000.0, **user),
        )
    )
    assert visits.shown["product_id"].to_list() == ["a"]


def test_searches_of_one_text_in_a_session_are_one_visit():
    events = [shown(f"q{i}", "a", 1, query="hat", session_id="s") for i in range(3)]
    click = {"search_id": "q1", "product_id": "a", "action": "click"}
    visits = join_events(log(*events, click))
    assert rows(visits) == [("hat", "a", 1, 1, True)]


def test_what_an_answer_returned_was_shown_where_nothing_else_is_known():
    returned = {"action": "returned", "query": "hat"}
    visits = join_events(
        log(
            {"search_id": "p", "product_id": "a", "position": 1, **returned},
            {"search_id": "q", "product_id": "a", "position": 1, **returned},
            shown("q", "b", 1),
        )
    )
    assert sorted(visits.shown.select("visit", "product_id").rows()) == [("p", "a"), ("q", "b")]


def test_views_are_impressions_only_where_a_log_has_none():
    view = {"search_id": "q", "query": "hat", "product_id": "a", "action": "view"}
    click = {"search_id": "q", "product_id": "b", "action": "click"}
    assert [row[1:4:2] for row in rows(join_events(log(view, shown("q", "a", 1))))] == [("a", 1)]
    assert dict(row[1:4:2] for row in rows(join_events(log(view, click)))) == {"a": 0}


def test_robots_are_left_out():
    many = [
        {"query": f"hat {i}", "action": "search", "session_id": "robot", "search_id": str(i)}
        for i in range(2 * MAX_SEARCHES)
    ]
    person = shown("q", "a", 1, query="hat", session_id="s")
    visits = join_events(log(*many, shown("5", "z", 1), person))
    assert visits.counts["of_robots"] == 2 * MAX_SEARCHES
    assert visits.shown["product_id"].to_list() == ["a"]
