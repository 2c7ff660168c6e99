"""Events -> what was shown under each searched text, and the most that came of it.

An event belongs to a search by its id; else by its session, to the latest search before it: of the
same text where it names one, or that showed the same product. Where a log has no sessions, one is
what a user does without a pause of SESSION_GAP_S.
"""

from dataclasses import dataclass

import polars as pl

from windowshop.data.clicks.events import (
    CLICK,
    IMPRESSION,
    LEVELS,
    RETURNED,
    SEARCH,
    VIEW,
    query_key,
)

SESSION_GAP_S = 1_800.0
"""Pause after which the same user begins another session."""
LONG_PAUSE_S = 43_200.0
"""Pause after which an id of a session that a log keeps on using stands for another one."""
MAX_SEARCHES = 500
"""Searches from which on a session, or a day of a user, is a robot's."""
MAX_ENGAGED = 2_000
"""Clicks, carts and purchases from which on a session, or a day of a user, is a robot's."""
BASE_SHARE = 0.2
"""Positions count from 0 where the zeros among them are at least this share of the ones."""
SHOWN_SCHEMA: dict[str, pl.DataType] = {
    "visit": pl.String(),
    "query": pl.String(),
    "product_id": pl.String(),
    "position": pl.Int64(),
    "time": pl.Float64(),
    "until": pl.Float64(),
    "level": pl.Int64(),
    "above": pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class Visits:
    """Products shown under a text, once a visit: a session's searches of one text are one."""

    shown: pl.DataFrame
    """SHOWN_SCHEMA: `time` and `until` of its first and last event, `position` from 1 on or null,
    `level` 0 to 3 (nothing, click, cart, purchase),
    `above` whether the product is, or stands above, one that something came of."""
    bases: dict[str, int]
    """Part of the log -> number that its first position has."""
    counts: dict[str, int]
    """Events by what became of them."""


def join_events(events: pl.DataFrame) -> Visits:
    """Join events to searches."""
    events = _as_impressions(_in_sessions(events.with_row_index("number")))
    events, bases = _with_positions(events)
    events, num_robots = _without_robots(events)
    joined = _with_searches(events)
    lost = joined.filter(pl.col("query").is_null() & pl.col("product_id").is_not_null())
    kept = joined.filter(pl.col("query").is_not_null(), pl.col("product_id").is_not_null())
    shown, num_unseen = _shown(kept)
    counts = {
        "events": len(events),
        "searches": joined.drop_nulls("query")["search"].n_unique(),
        "without_search": len(lost),
        "not_shown": num_unseen,
        "of_robots": num_robots,
    }
    return Visits(shown, bases, counts)


def _in_sessions(events: pl.DataFrame) -> pl.DataFrame:
    """Fill the session of events that have a user and a time."""
    gap = pl.col("time").diff().over("user_id") > SESSION_GAP_S
    ordered = events.sort("user_id", "time", "number", nulls_last=True)
    visit = gap.fill_null(False).cum_sum().over("user_id")
    made = pl.format("{} {}", pl.col("user_id"), visit)
    ordered = ordered.with_columns(pl.col("session_id").fill_null(made))
    ordered = ordered.sort("session_id", "time", "number", nulls_last=True)
    pause = pl.col("time").diff().over("session_id") > LONG_PAUSE_S
    part = pause.fill_null(False).cum_sum().over("session_id")
    own = pl.when(part > 0).then(pl.format("{} {}", pl.col("session_id"), part))
    return ordered.with_columns(session_id=own.otherwise(pl.col("session_id"))).sort("number")


def _as_impressions(events: pl.DataFrame) -> pl.DataFrame:
    """Say what views are, and take the products of an answer for shown where nothing else is."""
    action = pl.col("action")
    has_shown = (action == IMPRESSION).any().over("place")
    has_click = (action == CLICK).any().over("place")
    view = pl.when(has_shown | ~has_click).then(pl.lit(CLICK)).otherwise(pl.lit(IMPRESSION))
    events = events.with_columns(action=pl.when(action == VIEW).then(view).otherwise(action))
    shown_apart = events.filter(action == IMPRESSION)["search_id"].drop_nulls().unique()
    returned = action == RETURNED
    known = pl.col("search_id").is_in(shown_apart.implode()).fill_null(False)
    action = pl.when(returned & known).then(pl.lit(SEARCH)).otherwise(pl.lit(IMPRESSION))
    action = pl.when(returned).then(action).otherwise(pl.col("action"))
    product = pl.when(~(returned & known)).then(pl.col("product_id"))
    return events.with_columns(action=action, product_id=product)


def _with_positions(events: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Let positions count from 1 in every part of the log."""
    placed = events.filter(pl.col("position").is_not_null(), pl.col("product_id").is_not_null())
    firsts = placed.group_by("place").agg(
        zero=(pl.col("position") == 0).sum(), one=(pl.col("position") == 1).sum()
    )
    bases = {
        place: 0 if zero > 0 and zero >= BASE_SHARE * one else 1
        for place, zero, one in firsts.sort("place").iter_rows()
    }
    base = pl.col("place").replace_strict(bases, default=1, return_dtype=pl.Int64)
    position = pl.col("position") - base + 1
    return events.with_columns(position=pl.when(position >= 1).then(position)), bases


def _without_robots(events: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Leave out sessions, and days of users, with more searches or clicks than people make."""
    searches = pl.col("search_id").n_unique() + (pl.col("action") == SEARCH).sum()
    engaged = pl.col("action").is_in(list(LEVELS)).sum()
    events = events.with_columns(day=(pl.col("time") // 86_400).fill_null(0))
    is_robot = pl.lit(False)
    for names in (["session_id"], ["user_id", "day"]):
        known = pl.col(names[0]).is_not_null()
        many = (searches.over(names) > 2 * MAX_SEARCHES) | (engaged.over(names) > MAX_ENGAGED)
        is_robot = is_robot | (known & many)
    kept = events.filter(~is_robot).drop("day")
    return kept, len(events) - len(kept)


def _with_searches(events: pl.DataFrame) -> pl.DataFrame:
    """Give each event its `search` and that search's `query`, null where there is none."""
    texts = (
        events.drop_nulls(["search_id", "query"]).group_by("search_id").agg(pl.col("query").first())
    )
    with_id = pl.col("search_id").is_in(texts["search_id"].implode()).fill_null(False)
    by_id = (
        events.filter(with_id)
        .drop("query")
        .join(texts, "search_id", maintain_order="left")
        .with_columns(search=pl.col("search_id"))
    )
    rest = _by_session(events.filter(~with_id), by_id)
    columns = [*events.columns, "search"]
    return pl.concat([by_id.select(columns), rest.select(columns)]).sort("number")


def _by_session(events: pl.DataFrame, by_id: pl.DataFrame) -> pl.DataFrame:
    """Join events without a known search id by session, text, product and time."""
    events = events.with_columns(key=_keys(events["query"]), at=pl.col("time").fill_null(0.0))
    own = pl.format("{} {}", pl.col("session_id"), pl.col("number"))
    starts = events.filter(pl.col("action") == SEARCH, pl.col("key").is_not_null()).with_columns(
        search=pl.col("search_id").fill_null(own)
    )
    names = ["session_id", "key", "at", "number", "search", "query"]
    known = by_id.drop_nulls("session_id")
    known = known.with_columns(key=_keys(known["query"]), at=pl.col("time").fill_null(0.0))
    begun = pl.concat([starts.select(names), known.unique("search", keep="first").select(names)])
    listed = _of_searches(events.filter(pl.col("action") != SEARCH))
    texted = listed.filter(pl.col("key").is_not_null())
    same_text = _latest(texted.drop("query"), begun, ["session_id", "key"])
    apart = pl.format("{} {}", pl.col("session_id").fill_null(""), pl.col("key"))
    same_text = same_text.with_columns(
        pl.col("search").fill_null(apart),
        query=pl.col("query").fill_null(texted["query"]),
    )
    is_shown = pl.col("action") == IMPRESSION
    untold = listed.filter(pl.col("key").is_null()).drop("query")
    shown = _latest(untold.filter(is_shown), begun, ["session_id"])
    seen = pl.concat([known, same_text, shown], how="diagonal").drop_nulls(["search", "product_id"])
    others = untold.filter(~is_shown)
    done = _latest(others, seen.select(*names, "product_id"), ["session_id", "product_id"])
    # Without impressions, what was done belongs to the search before it.
    bare = set(begun["search"]) - set(seen["search"])
    before = begun.filter(pl.col("search").is_in(list(bare)))
    late = _latest(
        done.filter(pl.col("search").is_null()).drop("search", "query"), before, ["session_id"]
    )
    parts = [starts, same_text, shown, done.drop_nulls("search"), late]
    return pl.concat(parts, how="diagonal")


def _of_searches(events: pl.DataFrame) -> pl.DataFrame:
    """Leave out impressions of lists that are no search results, where lists have names."""
    name = pl.col("list_name").str.to_lowercase()
    is_search = name.str.contains("search|such|recherche|busca|cerca|result")
    named = events.filter(pl.col("key").is_null(), pl.col("action") == IMPRESSION)
    if not named.select(is_search.any()).item():
        return events
    apart = pl.col("list_name").is_not_null() & ~is_search & pl.col("key").is_null()
    return events.filter(~apart.fill_null(False) | (pl.col("action") != IMPRESSION))


def _latest(events: pl.DataFrame, searches: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Join each event with the latest row of `searches` before it, of the same `by`."""
    usable = searches.drop_nulls(by).sort("at", "number")
    kept = [*by, "at", "search", "query"]
    found = events.sort("at", "number").join_asof(
        usable.select(kept), on="at", by=by, strategy="backward", check_sortedness=False
    )
    missing = pl.any_horizontal(pl.col(name).is_null() for name in by)
    return found.with_columns(
        pl.when(~missing).then(pl.col(name)).alias(name) for name in ("search", "query")
    ).sort("number")


def _keys(texts: pl.Series) -> pl.Series:
    keys = {text: query_key(text) for text in texts.drop_nulls().unique()}
    return texts.replace_strict(keys, default=None, return_dtype=pl.String)


def _shown(events: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the visits' rows, and how many events were about products that were not shown."""
    level = pl.col("action").replace_strict(LEVELS, default=0, return_dtype=pl.Int64)
    keyed = events.with_columns(level=level, key=_keys(events["query"]))
    shows = (pl.col("action") == IMPRESSION).any()
    keyed = keyed.with_columns(lists=shows.over("search"), here=shows.over("search", "product_id"))
    unseen = keyed.filter(pl.col("lists") & ~pl.col("here"))
    pages = (
        keyed.filter(~pl.col("lists") | pl.col("here"))
        .group_by("search", "product_id", maintain_order=True)
        .agg(
            pl.col("session_id", "key", "query").first(),
            position=pl.col("position").filter(pl.col("action") == IMPRESSION).min(),
            own=pl.col("position").min(),
            time=pl.col("time").min(),
            until=pl.col("time").max(),
            level=pl.col("level").max(),
        )
        .with_columns(position=pl.col("position").fill_null(pl.col("own")))
    )
    place = pl.int_range(1, pl.len() + 1).over("search")
    unplaced = pl.col("position").is_null().all().over("search")
    pages = pages.with_columns(position=pl.when(unplaced).then(place).otherwise("position"))
    last = pl.col("position").filter(pl.col("level") > 0).max().over("search")
    above = (pl.col("position") <= last).fill_null(False) | (pl.col("level") > 0)
    visit = pl.col("session_id").fill_null(pl.col("search"))
    once = (
        pages.with_columns(visit=visit, above=above)
        .with_columns(until=pl.col("until").max().over("visit", "key"))
        .sort("level", descending=True, maintain_order=True)
        .unique(["visit", "key", "product_id"], keep="first", maintain_order=True)
        .sort("time", "position", nulls_last=True)
    )
    return once.select(list(SHOWN_SCHEMA)), len(unseen)
