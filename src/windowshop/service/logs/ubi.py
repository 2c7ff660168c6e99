"""The log of an index as User Behavior Insights 1.3 (github.com/o19s/ubi).

    OUT/ubi_queries.ndjson   a line a search of a text, with the products of its page
    OUT/ubi_events.ndjson    a line a product shown (`impression`), clicked, put in a cart or bought

Searches by image or by product have no text that UBI could hold, and are left out.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from windowshop.errors import DataError
from windowshop.files import new_folder
from windowshop.service.logs.feedback import read_log

QUERIES_FILE, EVENTS_FILE = "ubi_queries.ndjson", "ubi_events.ndjson"
FIELD = "product_id"
"""Name of the field that products are named by."""


def write_ubi(index: Path, out: Path, application: str = "windowshop") -> dict[str, int]:
    """Write queries and events of an index's log; returns how many. `out` must be free."""
    if out.exists():
        raise DataError(f"{out}: is there already. Choose another --out.")
    searches, events = read_log(index)
    asked = {
        row["search_id"]: row
        for row in searches.iter_rows(named=True)
        if (row["text"] or "").strip() and not row["photo"] and row["similar_to"] is None
    }
    shown = [
        _event(application, row, row["time"], "impression", name, row["offset"] + place)
        for row in asked.values()
        for place, name in enumerate(row["product_ids"], 1)
    ]
    done = [
        _event(application, search, row["time"], row["event"], row["product_id"], row["position"])
        for row in events.iter_rows(named=True)
        if (search := asked.get(row["search_id"])) is not None
    ]
    with new_folder(out) as folder:
        _write(folder / QUERIES_FILE, (_query(application, row) for row in asked.values()))
        _write(folder / EVENTS_FILE, (*shown, *done))
    return {"queries": len(asked), "events": len(shown) + len(done)}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row) + b"\n")


def _query(application: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "application": application,
        "query_id": row["search_id"],
        "query_response_id": row["search_id"],
        "user_query": row["text"],
        "timestamp": _moment(row["time"]),
        "object_id_field": FIELD,
        "query_response_hit_ids": row["product_ids"],
        "query_attributes": {
            name: row[name] for name in ("filter_text", "offset", "total", "generation")
        },
    }


def _event(
    application: str, search: dict[str, Any], time: float, action: str, product: str, position: int
) -> dict[str, Any]:
    return {
        "application": application,
        "action_name": action,
        "query_id": search["search_id"],
        "timestamp": _moment(time),
        "user_query": search["text"],
        "event_attributes": {
            "object": {"object_id": product, "object_id_field": FIELD},
            "position": {"ordinal": position},
        },
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
