"""Google Analytics 4, BigQuery export: nested event_params and items -> events of one form.

There is no id of a search: a list of products belongs to the search before it in its session,
unless its own event names a text. Lists that are no search results have other names.
"""

from collections.abc import Iterator
from typing import Any

from windowshop.data.clicks.events import (
    IMPRESSION,
    SEARCH,
    action_of,
    seconds_of,
    text_of,
    whole,
)
from windowshop.data.clicks.records import Record, parsed_list

_IGNORED = frozenset({"view_cart", "begin_checkout", "checkout", "remove_from_cart"})
_VALUES = ("string_value", "int_value", "double_value", "float_value")


def is_ga4(record: Record) -> bool:
    """Return whether a record is an event of GA4's export."""
    return "event_name" in record and ("event_params" in record or "items" in record)


def ga4_rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """Yield the events of one record, one for each of its items."""
    name = str(record["event_name"])
    action = None if name in _IGNORED else action_of(name)
    if action is None:
        return
    params = _params(record.get("event_params"))
    user = text_of(record.get("user_pseudo_id")) or text_of(record.get("user_id"))
    visit = text_of(params.get("ga_session_id")) or text_of(record.get("ga_session_id"))
    session = f"{user}.{visit}" if visit else None
    given = record.get("event_timestamp") or record.get("timestamp") or record.get("event_date")
    time, query = seconds_of(given), text_of(params.get("search_term"))
    if action == SEARCH:
        yield None, session, user, query, time, None, None, SEARCH, None, ""
    shown = IMPRESSION if action == SEARCH else action
    for item in filter(None, parsed_list(record.get("items"))):
        product = text_of(item.get("item_id")) or text_of(item.get("item_name"))
        names = (item.get("item_list_name"), item.get("item_list_id"))
        listed = next((text for text in map(text_of, (*names, *_lists(params))) if text), None)
        listed = None if listed == "(not set)" else listed
        position = whole(item.get("item_list_index", item.get("index")))
        if product not in (None, "(not set)"):
            yield None, session, user, query, time, product, position, shown, listed, ""


def _lists(params: Record) -> tuple[object, object]:
    return params.get("item_list_name"), params.get("item_list_id")


def _params(value: object) -> Record:
    """Return event_params as an object: [{key, value: {string_value, int_value, ...}}]."""
    if isinstance(value, dict):
        return value
    found: Record = {}
    for param in parsed_list(value):
        held = param.get("value") or {}
        values = [held.get(name) for name in _VALUES] if isinstance(held, dict) else [held]
        found[str(param.get("key"))] = next((v for v in values if v is not None), None)
    return found
