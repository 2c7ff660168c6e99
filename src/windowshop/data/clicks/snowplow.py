"""Snowplow enriched events, as TSV lines or as JSON of its SDKs -> events of one form.

Of self-describing events `site_search` and `snowplow_ecommerce_action` with its product entities
are read, of structured ones those whose `se_action` is an action and `se_label` a product.
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
from windowshop.data.clicks.records import Record, parsed_object

NUM_FIELDS = 131
"""Fields of a line (docs.snowplow.io, enriched TSV format)."""
_FIELDS = {
    "app_id": 0, "collector_tstamp": 3, "dvce_created_tstamp": 4, "event": 5, "user_id": 12,
    "domain_userid": 15, "network_userid": 17, "contexts": 52, "se_category": 53, "se_action": 54,
    "se_label": 55, "se_property": 56, "se_value": 57, "unstruct_event": 58, "ti_sku": 68,
    "domain_sessionid": 123, "derived_tstamp": 124, "event_name": 126,
}  # fmt: skip
_IGNORED = frozenset({"checkout_step", "checkout", "remove_from_cart"})


def is_line(text: str) -> bool:
    """Return whether a line is an enriched event without a header."""
    fields = text.rstrip("\r\n").split("\t")
    return len(fields) == NUM_FIELDS and fields[_FIELDS["event"]] in (
        *("unstruct", "struct", "page_view", "page_ping", "transaction", "transaction_item"),
    )


def line_record(text: str) -> Record:
    """Return the fields of a line that are read, by name."""
    fields = text.rstrip("\r\n").split("\t")
    return {name: fields[place] for name, place in _FIELDS.items() if place < len(fields)}


def is_snowplow(record: Record) -> bool:
    """Return whether a record is an enriched event."""
    return "collector_tstamp" in record and ("event" in record or "event_name" in record)


def snowplow_rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """Yield the events of one record, one for each of its products."""
    users = (text_of(record.get(n)) for n in ("domain_userid", "user_id", "network_userid"))
    user = next(filter(None, users), None)
    stamps = ("derived_tstamp", "dvce_created_tstamp", "collector_tstamp")
    time = next(filter(None, (seconds_of(record.get(n) or "") for n in stamps)), None)
    place = text_of(record.get("app_id")) or ""
    visit = None, text_of(record.get("domain_sessionid")), user
    name, data = _event(record)
    if name == "site_search":
        terms = data.get("terms") or ()
        query = " ".join(map(str, terms)) if isinstance(terms, list) else text_of(terms)
        yield *visit, text_of(query), time, None, None, SEARCH, None, place
        return
    action = None if name in _IGNORED else action_of(name)
    if action is None:
        return
    query, listed = text_of(data.get("search_term") or data.get("query")), text_of(data.get("name"))
    for product in _products(record, data):
        own = text_of(product.get("id")) or text_of(product.get("sku"))
        position = whole(product.get("position"))
        if own is not None:
            shown = IMPRESSION if action == SEARCH else action
            yield *visit, query, time, own, position, shown, listed, place


def _event(record: Record) -> tuple[str, Record]:
    """Return what happened, and its data."""
    if str(record.get("event")) == "struct":
        return str(record.get("se_action")), {"sku": record.get("se_label")}
    for key, value in record.items():
        if key.startswith("unstruct_event_") and isinstance(value, dict):
            is_search = key.rstrip("0123456789_").endswith("site_search")
            return ("site_search" if is_search else str(value.get("type"))), value
    outer = parsed_object(record.get("unstruct_event"))
    inner = parsed_object(outer.get("data"))
    inner = inner if "schema" in inner else outer  # as some exports write it, in one wrapper
    schema, data = str(inner.get("schema")), parsed_object(inner.get("data"))
    if "/site_search/" in schema:
        return "site_search", data
    names = schema.split("/")
    return str(data.get("type") or (names[1] if len(names) > 1 else "")), data


def _products(record: Record, data: Record) -> Iterator[Record]:
    """Yield the product entities of an event, or its own product."""
    entities: list[Record] = []
    for key, value in record.items():
        if key.startswith("contexts_") and key.rstrip("0123456789_").endswith("product"):
            entities += [item for item in value or () if isinstance(item, dict)]
    for item in parsed_object(record.get("contexts")).get("data") or ():
        if isinstance(item, dict) and "/product/" in str(item.get("schema")):
            entities += [item["data"]] if isinstance(item.get("data"), dict) else []
    yield from entities or [data]
