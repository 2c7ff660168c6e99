"""User Behavior Insights 1.3 (github.com/o19s/ubi): queries and events -> events of one form.

Real logs give times as ISO 8601 with and without a zone and as milliseconds, sessions among the
attributes, the text on the event alone, and positions from 0 or from 1 by application.
"""

from collections.abc import Iterator
from typing import Any

from windowshop.data.clicks.events import (
    RETURNED,
    SEARCH,
    action_of,
    seconds_of,
    text_of,
    whole,
)
from windowshop.data.clicks.records import Record, parsed_list, parsed_object

_NOT_A_PRODUCT = ("button", "page", "menu", "filter", "link")
"""Parts of an object's id field that say that no product was meant."""


def is_ubi(record: Record) -> bool:
    """Return whether a record is a query or an event of UBI."""
    return "action_name" in record or ("user_query" in record and "query_id" in record)


def ubi_rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """Yield the events of one record."""
    place = text_of(record.get("application")) or ""
    attributes = parsed_object(record.get("event_attributes"))
    session = text_of(record.get("session_id")) or text_of(attributes.get("session_id"))
    user = text_of(record.get("client_id")) or text_of(record.get("user_id"))
    search, time = text_of(record.get("query_id")), seconds_of(record.get("timestamp"))
    query = text_of(record.get("user_query"))
    if "action_name" not in record:
        yield search, session, user, query, time, None, None, SEARCH, None, place
        hits = parsed_list(record.get("query_response_hit_ids"))
        for rank, name in enumerate(hits, 1):
            yield search, session, user, query, time, str(name), rank, RETURNED, None, "hits"
        return
    action = action_of(record["action_name"])
    if action is None:
        return
    if action == SEARCH:
        yield search, session, user, query, time, None, None, SEARCH, None, place
        return
    target = parsed_object(attributes.get("object"))
    field = (text_of(target.get("object_id_field")) or "").casefold()
    product = text_of(target.get("object_id"))
    if product is None or any(part in field for part in _NOT_A_PRODUCT):
        return
    position = whole(parsed_object(attributes.get("position")).get("ordinal"))
    yield search, session, user, query, time, product, position, action, None, place
