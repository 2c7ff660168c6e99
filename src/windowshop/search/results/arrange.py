"""Candidates -> the shop's rules and facet filters -> one page of results with facets.

Shapes: M candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from windowshop.data import Filter, columns_of, parse_filter
from windowshop.index import View
from windowshop.search.answer import Facet, NumberFacet
from windowshop.search.request import Diversity, SearchRequest
from windowshop.search.results.diversify import Diversifier
from windowshop.search.results.facet_filters import require_columns
from windowshop.search.results.result_set import Page, ResultSet
from windowshop.search.results.rules import Rule, RuledRanking, Rules, apply_rules, pinned_ids
from windowshop.search.retrieval.merge import Merged
from windowshop.search.retrieval.retrieve import Candidates


@dataclass(frozen=True, slots=True)
class ArrangedResults:
    """A page of results, with counts over all pages."""

    page: Page
    total_products: int
    facets: tuple[Facet | NumberFacet, ...]
    ruled: RuledRanking
    """All candidates after the shop's rules."""


def active_rules(rules: Rules, request: SearchRequest, today: date) -> tuple[Rule, ...]:
    """Return the rules of a search; none for a sorted one, or one by a product."""
    if not request.rules or request.sort or request.similar_to is not None:
        return ()
    return rules.active(request.query or "", today)


def arrange(
    view: View,
    candidates: Candidates,
    request: SearchRequest,
    where: Filter | None,
    rules: Sequence[Rule],
    default: Diversity,
) -> ArrangedResults:
    """Apply rules, filter by facets, count, sort, collapse and page; `where` is the request's.

    The default diversity is that of the search settings.
    """
    diversity = request.diversity_or(default)
    known = view.columns
    require_columns(known, [*(request.fields or ()), *request.facets, *request.counted])
    merged, pinned = _with_pinned(view, candidates.merged, rules, where)
    names = _needed(rules, diversity)
    require_columns(known, names)
    columns = known.select(merged.keys, names) if names else pl.DataFrame()
    ruled = apply_rules(rules, merged, columns, pinned)
    if rules and names:
        columns = columns[ruled.order_M]
    merged = ruled.merged
    results = ResultSet(merged.keys, merged.scores, known, request.facet_filters, request.narrow)
    diversify = None
    if diversity.is_active and not request.sort:
        diversify = Diversifier(
            diversity,
            merged.scores,
            {name: columns[name] for name in diversity.max_per},
            lambda rows: view.engine.vectors(merged.keys[rows]),
        )
    ranking = results.ranking(
        sort=request.sort, collapse=request.collapse, diversify=diversify, pins=ruled.pins
    )
    facets = tuple(_facet(results, name, request.facet_limit) for name in request.facets)
    facets += tuple(results.facet(name, request.facet_limit) for name in request.counted)
    page = ranking.page(request.offset, request.limit)
    return ArrangedResults(page, ranking.total_products, facets, ruled)


def _with_pinned(
    view: View, merged: Merged, rules: Sequence[Rule], where: Filter | None
) -> tuple[Merged, dict[str, int]]:
    """Add pinned products that live and pass the request's filter; returns their keys by id too."""
    wanted = [product_id for product_id in pinned_ids(rules) if product_id in view.columns]
    if not wanted:
        return merged, {}
    keys = view.columns.keys(wanted)
    passes = view.columns.allowed(where).passes(keys).tolist()
    held = zip(wanted, keys.tolist(), passes, strict=True)
    pinned = {name: key for name, key, is_allowed in held if is_allowed}
    return merged.including(list(pinned.values())), pinned


def _needed(rules: Iterable[Rule], diversity: Diversity) -> list[str]:
    """Return the columns that rules and diversity read, each once."""
    names = [*diversity.max_per]
    for rule in rules:
        names += sorted(columns_of(parse_filter(rule.where))) if rule.where else []
    return list(dict.fromkeys(names))


def _facet(results: ResultSet, name: str, limit: int) -> Facet | NumberFacet:
    if results.table.is_number(name):
        return results.numbers(name)
    return results.facet(name, limit)
