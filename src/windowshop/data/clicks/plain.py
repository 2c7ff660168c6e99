"""Plain tables of shoppers' doings -> events of one form, by the names of their columns.

Three shapes: a row an event, with a column that says what happened; a file of one kind of event
(`clicks.csv`); a row an impression, with columns that say whether, or how often, it was clicked,
put in a cart and bought.
"""

import re
from collections.abc import Mapping

import polars as pl

from windowshop.data.clicks.events import (
    CART,
    CLICK,
    EVENT_SCHEMA,
    IMPRESSION,
    PURCHASE,
    SEARCH,
    action_of,
    seconds_of,
)
from windowshop.errors import DataError

_COLUMNS: Mapping[str, str] = {
    "search_id": "search_id query_id request_id search_query_id impression_id page_view_id serp_id",
    "session_id": "session_id session visit_id visit sid sessionid ga_session_id",
    "user_id": "user_id user client_id visitor_id visitorid customer_id userid user_pseudo_id "
    "anonymous_id cookie_id",
    "query": "query search_term user_query query_text search_query keyword keywords q term text "
    "search_text searchterm phrase suchbegriff search_phrase",
    "time": "timestamp time event_time datetime event_timestamp ts date created_at event_date "
    "occurred_at server_time",
    "product_id": "product_id item_id sku object_id product doc_id asin itemid productid item "
    "article_id document_id variant_id article_no article_number artikelnummer artikelnr "
    "product_sku product_code item_code clicked_product_id",
    "position": "position rank ordinal index pos item_index result_position slot place result_rank",
    "action": "action event event_type action_name event_name type interaction event_action",
    "list_name": "item_list_name list_name list",
}
_FLAGS = {
    IMPRESSION: "impression impressions shown views num_impressions n_impressions displays",
    CLICK: "click clicks clicked is_click is_clicked num_clicks n_clicks",
    CART: "cart carts add_to_cart add_to_carts carted added_to_cart atc is_cart num_carts",
    PURCHASE: "purchase purchases purchased order orders ordered bought is_purchase num_purchases "
    "num_orders transactions conversions",
}
MAX_COUNT = 1_000
"""Largest count of one row; larger ones are cut."""


def plain_events(frame: pl.DataFrame, name: str) -> tuple[pl.DataFrame, int]:
    """Return the events of a table, and how many rows say nothing of a search or a product.

    `name` is the file's. Raises DataError where columns cannot be understood.
    """
    renamed = {}
    for role, names in _COLUMNS.items():
        found = _first(frame.columns, names.split())
        if found is not None and found not in renamed:
            renamed[found] = role
    flags = {a: c for a, n in _FLAGS.items() if (c := _first(frame.columns, n.split()))}
    table = frame.rename(renamed)
    of_file = action_of(re.sub(r"[\d_.-]+$", "", name.split(".")[0]))
    if "action" in table.columns:
        named = {value: action_of(value) for value in table["action"].unique()}
        action = pl.col("action").replace_strict(named, return_dtype=pl.String)
        return _cast(table.with_columns(action=action))
    numeric = {a: c for a, c in flags.items() if _is_flag(frame[c])}
    if "product_id" in table.columns and set(numeric) - {IMPRESSION}:
        return _from_flags(table, numeric)
    if of_file is not None:
        return _cast(table.with_columns(action=pl.lit(of_file)))
    if "product_id" not in table.columns and "query" in table.columns:
        return _cast(table.with_columns(action=pl.lit(SEARCH)))
    raise DataError(
        f"{name}: found the columns {frame.columns}, and nothing that says what shoppers did. A "
        "log needs a column `action` (impression, click, cart, purchase), or columns `clicks`, "
        "`carts`, `purchases`, or a file name that says it, as clicks.csv; and `product_id`, "
        "`query` or `search_id`, `position`, `session_id`, `time`."
    )


def _first(columns: list[str], names: list[str]) -> str | None:
    by_name = {"_".join(re.findall(r"[a-z0-9]+", c.casefold())): c for c in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _is_flag(column: pl.Series) -> bool:
    """Return whether a column says how often, or whether."""
    return column.dtype == pl.Boolean or _counts(column).null_count() == column.null_count()


def _from_flags(table: pl.DataFrame, flags: Mapping[str, str]) -> tuple[pl.DataFrame, int]:
    """Return impressions, one for each that a row counts, and the events under them.

    A row without an id of its search is a search of its own, so often as it counts impressions.
    """
    counts = {action: _counts(table[column]).fill_null(0) for action, column in flags.items()}
    engaged = [count for action, count in counts.items() if action != IMPRESSION]
    most = pl.DataFrame([c.alias(str(i)) for i, c in enumerate(engaged)]).max_horizontal()
    shown = counts.get(IMPRESSION, pl.Series([1] * len(table), dtype=pl.Int64))
    shown = pl.select(pl.max_horizontal(shown, most)).to_series()
    table = table.with_row_index("row").with_columns(
        num=shown, **{action: count for action, count in counts.items() if action != IMPRESSION}
    )
    each = table.filter(pl.col("num") > 0).with_columns(nth=pl.int_ranges("num")).explode("nth")
    if "search_id" not in table.columns and not {"session_id", "user_id"} & set(table.columns):
        each = each.with_columns(search_id=pl.format("row {}.{}", "row", "nth"))
    parts = [each.with_columns(action=pl.lit(IMPRESSION))]
    for action in counts:
        if action != IMPRESSION:
            done = each.filter(pl.col("nth") < pl.col(action))
            parts.append(done.with_columns(action=pl.lit(action)))
    return _cast(pl.concat(parts, how="diagonal"))


def _counts(column: pl.Series) -> pl.Series:
    """Return counts, from 0 to MAX_COUNT, null where there is none."""
    if column.dtype == pl.String:
        column = column.str.to_lowercase().replace(
            {"true": "1", "yes": "1", "false": "0", "no": "0"}
        )
    return column.cast(pl.Float64, strict=False).clip(0, MAX_COUNT).cast(pl.Int64, strict=False)


def _cast(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the table in the form of EVENT_SCHEMA, without rows that say nothing."""
    columns: list[pl.Series | pl.Expr] = []
    for name, dtype in EVENT_SCHEMA.items():
        if name not in table.columns:
            columns.append(pl.lit(None, dtype=dtype).alias(name))
        elif name == "time":
            seconds = [seconds_of(value) for value in table[name]]
            columns.append(pl.Series(name, seconds, dtype=pl.Float64))
        elif dtype == pl.Int64:
            columns.append(pl.col(name).cast(pl.Float64, strict=False).cast(dtype, strict=False))
        else:
            text = pl.col(name).cast(pl.String).str.strip_chars()
            columns.append(pl.when(text != "").then(text).alias(name))
    events = table.select(columns).with_columns(pl.col("place").fill_null(""))
    is_known = pl.col("action").is_not_null() & (
        pl.col("product_id").is_not_null() | (pl.col("action") == SEARCH)
    )
    kept = events.filter(is_known)
    return kept, len(events) - len(kept)
