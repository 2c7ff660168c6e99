"""One form for the events of every log: a row a search, an impression or what a shopper did.

search_id    id of the search as the log gives it, or null
session_id   id of the visit, or null
user_id      id of browser or person, or null
query        text that was searched, or null
time         seconds since 1970, UTC
product_id   null for a search
position     as the log counts, or null
action       search, impression, click, cart or purchase
list_name    list that the product stood in, where the log names lists
place        part of the log that counts positions alike, as an application
"""

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import polars as pl
import xxhash

SEARCH, IMPRESSION, CLICK, CART, PURCHASE = "search", "impression", "click", "cart", "purchase"
VIEW = "view"
"""A view of a page or of a tile: an impression where the log has none, else a click."""
RETURNED = "returned"
"""Product of a search's answer: an impression where the search has no other."""
LEVELS = {CLICK: 1, CART: 2, PURCHASE: 3}
EVENT_SCHEMA: dict[str, pl.DataType] = {
    "search_id": pl.String(),
    "session_id": pl.String(),
    "user_id": pl.String(),
    "query": pl.String(),
    "time": pl.Float64(),
    "product_id": pl.String(),
    "position": pl.Int64(),
    "action": pl.String(),
    "list_name": pl.String(),
    "place": pl.String(),
}
_NAMES = {
    SEARCH: "search on_search view_search_results site_search query search_results",
    IMPRESSION: "impression impressions item_impression product_impression shown show list_view "
    "view_item_list display exposure viewed_in_list product_list_viewed",
    VIEW: "view views item_view",
    CLICK: "click clicks clicked item_click click_through clickthrough product_click global_click "
    "select_item list_click select view_item product_view product_viewed detail detail_view "
    "product_clicked watch",
    CART: "cart carts add_to_cart addtocart add_to_basket basket atc carted product_added",
    PURCHASE: "purchase purchases purchased order orders ordered buy bought transaction checkout "
    "conversion order_completed sale",
}
_ACTIONS = {name: action for action, names in _NAMES.items() for name in names.split()}
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_MILLI, _MICRO, _NANO = 1e11, 1e14, 1e17
"""Numbers from which on a time is in milliseconds, microseconds and nanoseconds."""


def action_of(name: object) -> str | None:
    """Return the action that a log's name of an event means, or None for others."""
    plain = "_".join(str(name).casefold().replace("-", " ").replace("_", " ").split())
    return _ACTIONS.get(plain)


def seconds_of(value: object) -> float | None:
    """Return a time as seconds since 1970, UTC unless it says another zone; None for no time.

    Read are numbers of any unit, days as 20240131, ISO 8601, and the forms of mail and of web
    servers.
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return _written_seconds(text)
    if _DAY.fullmatch(text):
        return _written_seconds(f"{text[:4]}-{text[4:6]}-{text[6:8]}")
    if not math.isfinite(number):
        return None
    for least, unit in ((_NANO, 1e9), (_MICRO, 1e6), (_MILLI, 1e3)):
        if number >= least:
            return number / unit
    return number


def _written_seconds(text: str) -> float | None:
    text = re.sub(r"\s+(?=[+-]\d\d:?\d\d$|Z$)", "", text.removesuffix("UTC").strip())
    moment = None
    for read in (datetime.fromisoformat, parsedate_to_datetime, _of_web_server):
        with suppress(ValueError, TypeError):
            moment = read(text)
            break
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _of_web_server(text: str) -> datetime:
    return datetime.strptime(text.replace(" ", ""), "%d/%b/%Y:%H:%M:%S%z")


def whole(value: object) -> int | None:
    """Return a whole number that stands in a log as number or text, or None."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def text_of(value: object) -> str | None:
    """Return a value as text without outer blanks; None for an empty or nested one."""
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).strip() or None


def event_table(rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """Return rows, in the order of EVENT_SCHEMA, as a table."""
    return pl.DataFrame(list(rows), schema=EVENT_SCHEMA, orient="row")


def query_key(text: str) -> str:
    """Key of a query text: case folded, single spaces."""
    return " ".join(text.casefold().split())


def query_id(query: str) -> str:
    """Return the id of a query text; equal texts have one id."""
    return f"asked-{xxhash.xxh3_64_hexdigest(query_key(query).encode())}"
