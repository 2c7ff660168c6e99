"""Logs of every format -> events of one form."""

import gzip
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from windowshop.data.clicks.events import action_of, seconds_of, whole
from windowshop.data.clicks.snowplow import _FIELDS, NUM_FIELDS
from windowshop.data.clicks.sources import read_events
from windowshop.errors import DataError

NOON = 1_733_832_000.0  # 2024-12-10T12:00:00Z


def lines(path, *records):
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def rows(log, *columns):
    return log.events.select(columns or ("query", "product_id", "position", "action")).rows()


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        str(NOON),
        NOON * 1e3,
        NOON * 1e6,
        int(NOON) * 10**9,
        "2024-12-10T12:00:00Z",
        "2024-12-10T12:00:00.000+0000",
        "2024-12-10 13:00:00+01:00",
        "2024-12-10 12:00:00",
        "2024-12-10 12:00:00 UTC",
        datetime(2024, 12, 10, 12, tzinfo=UTC),
        datetime(2024, 12, 10, 12),
    ],
)
def test_times_of_every_writing_are_seconds(value):
    assert seconds_of(value) == pytest.approx(NOON)


def test_what_is_no_time_is_none():
    assert seconds_of(date(2024, 12, 10)) == NOON - 12 * 3600
    assert [seconds_of(value) for value in ("", "soon", None, "nan")] == [None] * 4


def test_names_of_events():
    named = {
        "impression": ["Impression", "view_item_list"],
        "click": ["item_click", "Product Clicked", "select_item", "click-through"],
        "cart": ["add_to_cart", "ATC", "Add To Cart"],
        "purchase": ["purchase", "Order Completed", "transaction"],
        None: ["page_exit", "filter", ""],
    }
    assert {a: {action_of(name) for name in names} for a, names in named.items()} == {
        action: {action} for action in named
    }
    assert [whole(value) for value in ("3", 4.0, "x", None, 1.5)] == [3, 4, None, None, None]


SEARCH = {"query_id": "q1", "user_query": "red hat", "client_id": "c", "timestamp": NOON * 1e3}


def ubi_event(action, product, ordinal=None, **other):
    attributes = {"object": {"object_id": product, "object_id_field": "sku"}}
    if ordinal is not None:
        attributes["position"] = {"ordinal": ordinal}
    event = {"action_name": action, "query_id": "q1", "event_attributes": attributes}
    return {**event, "timestamp": "2024-12-10T12:00:01Z", **other}


def test_ubi_as_bulk_lines(tmp_path):
    bulk = {"index": {"_index": "ubi_events", "_id": "x"}}
    path = lines(
        tmp_path / "ubi.ndjson",
        bulk,
        SEARCH | {"query_response_hit_ids": ["a", "b"]},
        bulk,
        ubi_event("impression", "a", 0, session_id="s"),
        bulk,
        ubi_event("item_click", "a", 0),
        ubi_event("global_click", "menu-1")
        | {"event_attributes": {"object": {"object_id": "b7", "object_id_field": "button"}}},
        ubi_event("page_exit", "a"),
    )
    log = read_events(path)
    assert log.formats == {"ubi.ndjson": "UBI"}
    assert log.ignored == 2
    assert rows(log) == [
        ("red hat", None, None, "search"),
        ("red hat", "a", 1, "returned"),
        ("red hat", "b", 2, "returned"),
        (None, "a", 0, "impression"),
        (None, "a", 0, "click"),
    ]
    assert rows(log, "search_id", "session_id", "time")[3] == ("q1", "s", NOON + 1)


@pytest.mark.parametrize("kind", ["list", "answer", "gz", "parquet", "csv"])
def test_ubi_in_other_files(tmp_path, kind):
    records = [SEARCH, ubi_event("click", "a", 1)]
    path = (
        tmp_path / f"ubi.{'parquet' if kind == 'parquet' else 'csv' if kind == 'csv' else 'json'}"
    )
    if kind == "list":
        path.write_text(json.dumps(records, indent=2))
    elif kind == "answer":
        hits = [{"_index": "ubi", "_source": record} for record in records]
        path.write_text(json.dumps({"took": 3, "hits": {"total": 2, "hits": hits}}, indent=1))
    elif kind == "gz":
        path = tmp_path / "ubi.ndjson.gz"
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, records)).encode()))
    elif kind == "parquet":
        pl.DataFrame(records[1:]).write_parquet(path)
    else:
        flat = pl.DataFrame(records[1:]).with_columns(
            pl.lit(json.dumps(records[1]["event_attributes"])).alias("event_attributes")
        )
        flat.write_csv(path)
    assert rows(read_events(path))[-1] == (None, "a", 1, "click")


def ga4(name, items=(), term=None, **other):
    params = [{"key": "ga_session_id", "value": {"int_value": "77", "string_value": None}}]
    if term:
        params.append({"key": "search_term", "value": {"string_value": term}})
    return {
        "event_name": name,
        "event_timestamp": str(int(NOON * 1e6)),
        "user_pseudo_id": "u.1",
        "event_params": params,
        "items": [
            {"item_id": i, "index": str(place), "item_list_name": "Search results"}
            for place, i in enumerate(items)
        ],
    } | other


def test_ga4_of_bigquery(tmp_path):
    path = lines(
        tmp_path / "events_20241210.json",
        ga4("view_search_results", term="red hat"),
        ga4("view_item_list", ["a", "b"]),
        ga4("select_item", ["b"]),
        ga4("begin_checkout", ["b"]),
        ga4("purchase", ["b", "(not set)"]),
        ga4("scroll"),
    )
    log = read_events(path)
    assert (log.formats, log.ignored) == ({"events_20241210.json": "GA4"}, 2)
    assert rows(log) == [
        ("red hat", None, None, "search"),
        (None, "a", 0, "impression"),
        (None, "b", 1, "impression"),
        (None, "b", 0, "click"),
        (None, "b", 0, "purchase"),
    ]
    assert set(rows(log, "session_id", "user_id", "time")) == {("u.1.77", "u.1", NOON)}


def snowplow_line(**values):
    fields = [""] * NUM_FIELDS
    for name, value in values.items():
        fields[_FIELDS[name]] = value if isinstance(value, str) else json.dumps(value)
    return "\t".join(fields)


def self_describing(schema, data):
    inner = {
        "schema": f"iglu:com.snowplowanalytics.snowplow{schema}/jsonschema/1-0-0",
        "data": data,
    }
    return {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": inner,
    }


def products(*ids):
    return {
        "schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0",
        "data": [
            {
                "schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/product/jsonschema/1-0-0",
                "data": {"id": name, "position": place},
            }
            for place, name in enumerate(ids, 1)
        ],
    }


def test_snowplow_lines_and_json(tmp_path):
    own = {"event": "unstruct", "domain_userid": "u", "domain_sessionid": "s"}
    own["collector_tstamp"] = "2024-12-10 12:00:00.000"
    action = ".ecommerce/snowplow_ecommerce_action"
    made = [
        {"unstruct_event": self_describing("/site_search", {"terms": ["red", "hat"]})},
        {
            "unstruct_event": self_describing(
                action, {"type": "list_view", "name": "search results"}
            ),
            "contexts": products("a", "b"),
        },
        {
            "unstruct_event": self_describing(action, {"type": "transaction"}),
            "contexts": products("b"),
        },
        {"event": "struct", "se_action": "add_to_cart", "se_label": "a"},
        {"event": "page_ping"},
    ]
    tsv, as_json = tmp_path / "good.tsv", tmp_path / "sdk.jsonl"
    tsv.write_text("\n".join(snowplow_line(**(own | values)) for values in made))
    expected = [
        ("red hat", None, None, "search"),
        (None, "a", 1, "impression"),
        (None, "b", 2, "impression"),
        (None, "b", 1, "purchase"),
        (None, "a", None, "cart"),
    ]
    log = read_events(tsv)
    assert (log.formats, rows(log), log.ignored) == ({"good.tsv": "Snowplow"}, expected, 1)
    alone = own | {"unstruct_event": made[0]["unstruct_event"]["data"]}
    lines(as_json, alone)
    assert rows(read_events(as_json)) == expected[:1]
    prefix = "unstruct_event_com_snowplowanalytics_snowplow"
    lines(
        as_json,
        own | {f"{prefix}_site_search_1": {"terms": ["red", "hat"]}},
        own
        | {
            f"{prefix}_ecommerce_snowplow_ecommerce_action_1": {"type": "list_view"},
            "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1": [
                {"id": "a", "position": 1}
            ],
        },
    )
    assert rows(read_events(as_json)) == expected[:2]
    assert set(rows(read_events(as_json), "session_id", "time")) == {("s", NOON)}


def test_a_table_of_events(tmp_path):
    (tmp_path / "log.csv").write_text(
        "Timestamp;Session ID;Search Term;Event Type;SKU;Position\n"
        "2024-12-10 12:00:00;s1;red hat;search;;\n"
        "2024-12-10 12:00:01;s1;red hat;impression;007;1\n"
        "2024-12-10 12:00:02;s1;red hat;add_to_cart;007;1\n"
        "2024-12-10 12:00:03;s1;red hat;scroll;007;1\n"
    )
    log = read_events(tmp_path)
    assert rows(log)[1:] == [("red hat", "007", 1, "impression"), ("red hat", "007", 1, "cart")]
    assert log.ignored == 1


def test_tables_of_one_kind_each(tmp_path):
    pl.DataFrame({"query_id": ["q"], "query": ["hat"]}).write_csv(tmp_path / "searches.csv")
    for name in ("impressions", "clicks", "purchases_2024"):
        table = pl.DataFrame({"query_id": ["q"], "product_id": ["a"], "rank": [2]})
        table.write_parquet(tmp_path / f"{name}.parquet")
    log = read_events(tmp_path)
    assert sorted(rows(log, "search_id", "product_id", "position", "action"), key=str) == sorted(
        [
            ("q", "a", 2, "click"),
            ("q", "a", 2, "impression"),
            ("q", "a", 2, "purchase"),
            ("q", None, None, "search"),
        ],
        key=str,
    )


def test_a_row_an_impression_with_flags_or_counts(tmp_path):
    lines(
        tmp_path / "shown.jsonl",
        {"session": "s", "q": "hat", "item_id": "a", "pos": 1, "clicked": True, "purchased": False},
        {
            "session": "s",
            "q": "hat",
            "item_id": "b",
            "pos": 2,
            "clicked": False,
            "purchased": False,
        },
    )
    log = read_events(tmp_path / "shown.jsonl")
    assert rows(log) == [
        ("hat", "a", 1, "impression"),
        ("hat", "b", 2, "impression"),
        ("hat", "a", 1, "click"),
    ]
    (tmp_path / "counts.csv").write_text(
        "query,product_id,position,impressions,clicks\nhat,a,1,3,2\n"
    )
    counted = read_events(tmp_path / "counts.csv").events
    assert counted["action"].to_list() == ["impression"] * 3 + ["click"] * 2
    assert counted["search_id"].n_unique() == 3


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "colour,size\nred,3\n", "nothing that says what shoppers did"),
        ("a.json", '{"a": ', "is no JSON"),
        ("a.jsonl", '{"action_name": "click"}\n{"a', "line 2 is no JSON"),
        ("a.txt", "x", "no log found, but a.txt"),
        ("a.jsonl.gz", "x", "cannot be read"),
        ("a.csv.gz", "x", "cannot be unpacked"),
        ("a.parquet", "x", "cannot be read as a table"),
        ("clicks.csv", "product_id\n", "no search, impression, click"),
    ],
)
def test_what_is_no_log_is_named(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        read_events(tmp_path)
