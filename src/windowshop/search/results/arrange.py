"""Candidates -> the shop's rules and the shopper's picks -> one page of results with facets.

Shapes: M candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from windowshop.data import Filter, columns_of, parse_filter
from windowshop.index import View
from windowshop.search.answer import Facet, NumberFacet
from windowshop.search.request import SearchRequest
from windowshop.search.results.facet_filters import no_column
from windowshop.search.results.result_set import Arrangement, Page, ResultSet
from windowshop.search.results.rules import Arranged, Rule, arrange, pinned_ids
from windowshop.search.retrieval.channels import Candidates
from windowshop.search.retrieval.merge import Merged


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to the candidates."""

    request: SearchRequest
    where: Filter | None
    """The request's filter."""
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page and what is counted over all of its pages."""

    page: Page
    total_products: int
    facets: tuple[Facet | NumberFacet, ...]
    arranged: Arranged


def active_rules(rules: Sequence[Rule], request: SearchRequest, today: date) -> tuple[Rule, ...]:
    """The shop's rules for this search; none for a sorted one, or one by a product."""
    if not request.rules or request.sort or request.similar_to is not None:
        return ()
    return tuple(rule for rule in rules if rule.applies(request.query or "", today))


def arrange_shelf(view: View, candidates: Candidates, plan: Plan) -> Shelf:
    """Pin, pick, count, sort, collapse and page one set of results."""
    request, rules = plan.request, plan.rules
    _require(view, request.fields or ())
    merged, pinned = _with_pinned(view, candidates.merged, rules, plan.where)
    columns = _columns(view, merged.keys, _needed(request, rules))
    arranged = arrange(rules, merged, columns, pinned)
    if rules:
        columns = columns[arranged.order_M]
    merged = arranged.merged
    groups_M = view.columns.groups(merged.keys)
    results = ResultSet(merged.keys, merged.scores, columns, groups_M, request.picks)
    ranking = results.ranking(
        Arrangement(
            sort=request.sort, collapse=request.collapse, cap=request.cap, pins=arranged.pins
        )
    )
    facets = tuple(_facet(results, name, request.facet_limit) for name in request.facets)
    page = ranking.page(request.offset, request.limit)
    return Shelf(page, ranking.total_products, facets, arranged)


def _with_pinned(
    view: View, merged: Merged, rules: Sequence[Rule], where: Filter | None
) -> tuple[Merged, dict[str, int]]:
    """Add what rules pin, if it lives and passes the shopper's own filter; with the keys by id."""
    wanted = [product_id for product_id in pinned_ids(rules) if product_id in view.columns]
    if not wanted:
        return merged, {}
    mask_N = view.columns.allowed(where).mask_N
    keys = view.columns.keys(wanted)
    pinned = {name: key for name, key in zip(wanted, keys.tolist(), strict=True) if mask_N[key]}
    return merged.including(list(pinned.values())), pinned


def _needed(request: SearchRequest, rules: Iterable[Rule]) -> list[str]:
    """The columns that something is asked about, each once."""
    names = [*request.picks, *request.facets]
    names += [by.column for by in request.sort]
    names += [request.cap.column] if request.cap else []
    for rule in rules:
        names += sorted(columns_of(parse_filter(rule.where))) if rule.where else []
    return list(dict.fromkeys(names))


def _facet(results: ResultSet, name: str, limit: int) -> Facet | NumberFacet:
    dtype = results.columns.schema.get(name)
    if dtype is not None and dtype.is_numeric():
        return results.numbers(name)
    return results.facet(name, limit)


def _columns(view: View, keys_M: np.ndarray, names: list[str]) -> pl.DataFrame:
    """These columns of products."""
    _require(view, names)
    return view.columns.select(keys_M, names) if names else pl.DataFrame()


def _require(view: View, names: Iterable[str]) -> None:
    """Raise SearchError for a column that products do not have."""
    for name in names:
        if name not in view.columns.names:
            raise no_column(name, [n for n in view.columns.names if not n.startswith("_")])


def group_of(view: View, key: int) -> tuple[int, ...]:
    """The keys of a product and its variants."""
    group_N = view.columns.groups(np.arange(view.columns.num_keys))
    return tuple(np.flatnonzero(group_N == group_N[key]).tolist())
