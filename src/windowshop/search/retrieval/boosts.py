"""Move products by what a query names.

Up those that match, to the front those of an identifier, to the end those that have what it
excludes.

Shapes: R recognised boosts, M merged products.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from windowshop.data import Filter, Not, parse_attributes, to_polars, words_of
from windowshop.engines import Allowed
from windowshop.index import View
from windowshop.search.retrieval.config import Boost
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.merge import Merged
from windowshop.search.retrieval.query import RetrievalQuery
from windowshop.search.understanding.codes import normal
from windowshop.search.understanding.exclusions import says_none, states
from windowshop.search.understanding.recognition import Recognised

Named = tuple[tuple[str, np.ndarray], ...]
"""Names of recognised items, each with the keys of its products."""
REACH = 100
"""Products of a ranking, from its first on, among which boosts move."""
TEXTS = ("title", "brand", "category", "attributes")


@dataclass(frozen=True, slots=True)
class Moved:
    """A ranking after what the query names has moved products."""

    merged: Merged
    boosted: Named = ()
    """Items that moved products up."""
    last: Named = ()
    """Items that put products last."""
    num_first: int = 0
    """Products with an identifier that the query gives, before all others."""


def move(state: SearchState, merged: Merged, query: RetrievalQuery, allowed: Allowed) -> Moved:
    """Boost, put last and put first what the query's recognised items say."""
    merged, boosted = _boosted(state.view, merged, query)
    last = tuple(
        (item.name, keys)
        for item in query.recognised
        if item.kind == "exclusion"
        and item.action != "off"
        and len(keys := _having(state, item, merged.keys))
    )
    if last:
        is_last_M = np.isin(merged.keys, np.concatenate([keys for _, keys in last]))
        merged = merged.take(np.argsort(is_last_M, kind="stable"))
    first: Named = ()
    for certainty in sorted({item.certainty for item in query.recognised if item.keys}):
        surest: Named = ()
        own: list[int] = []
        for item in query.recognised:
            if item.action != "boost" or not item.keys or item.certainty != certainty:
                continue
            keys = np.array(item.keys, dtype=np.int64)
            keys = keys[allowed.passes(keys)]
            if len(keys):
                surest += ((item.name, keys),)
                code, ids = normal(item.text), state.view.columns.ids(keys)
                own += [
                    key
                    for key, name in zip(keys.tolist(), ids, strict=True)
                    if normal(name) == code
                ]
        if surest:
            merged = merged.first(np.unique(np.concatenate([keys for _, keys in surest])))
            # A product by its own id, before those whose group or parent has it.
            merged = merged.first(np.array(own, dtype=np.int64))
            first += surest
    if not first:
        return Moved(merged, boosted, last)
    num_first = len(np.unique(np.concatenate([keys for _, keys in first])))
    return Moved(merged, boosted + first, last, num_first)


def _boosted(view: View, merged: Merged, query: RetrievalQuery) -> tuple[Merged, Named]:
    """Move up the products that match the query's boosts; returns the keys of each boost too."""
    if not query.boosts:
        return merged, ()
    first = merged.keys[:REACH]
    matched_RM = view.columns.matching([tree for _, tree in query.boosts], first)
    boosted = tuple(
        (name, first[matched_M])
        for (name, _), matched_M in zip(query.boosts, matched_RM, strict=True)
    )
    return boost_matches(merged, matched_RM, query.boost), boosted


def _having(state: SearchState, item: Recognised, keys_M: np.ndarray) -> np.ndarray:
    """Return the keys that state what is excluded, and those that say so where no column does."""
    columns = state.view.columns
    says = keys_M[np.isin(keys_M, state.lexicon.lexical.having(item.words))]
    if item.excluded:
        states_another = columns.matching([Not(item.excluded[0])], says)[0]
        says = says[~states_another]
    if len(says):
        stem = state.lexicon.lexical.stem
        facts = map(_said, columns.select(says, TEXTS).iter_rows(named=True))
        says = says[[states(words_of(text), item.words, stem) for text in facts]]
    if item.tree is None:
        return says
    stated = keys_M[columns.matching([item.tree], keys_M)[0]]
    return np.union1d(stated, says)


def _said(row: Mapping[str, str | None]) -> str:
    """Return the text of a product, without attributes that it says it has not ("hood: none")."""
    parts = [row.get(name) or "" for name in ("title", "brand", "category")]
    attributes = parse_attributes(row.get("attributes"))
    parts += [f"{name} {value}" for name, value in attributes.items() if not says_none(value)]
    return ". ".join(parts)


def boost_matches(merged: Merged, matched_RM: np.ndarray, boost: Boost) -> Merged:
    """Move products up once for each boost that they match; `matched_RM` is bool.

    Those past the first REACH stay: they come from far down, where what they state is all that
    they have, and would push out what the channels found and states less (docs/log.md).
    """
    counts_M = np.zeros(len(merged.keys), dtype=np.int64)
    counts_M[:REACH] = matched_RM[:, :REACH].sum(axis=0)
    if boost.points:
        return merged.raised(boost.points * counts_M)
    return merged.take(merged.moved(boost.factor**counts_M))


def matching(tree: Filter, columns: pl.DataFrame) -> np.ndarray:
    """Return which products pass a filter, bool (M,)."""
    passes = columns.select(to_polars(tree, columns.schema).alias("passes"))["passes"]
    return passes.fill_null(False).to_numpy()
