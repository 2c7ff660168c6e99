"""Search and lookup of products as the Universal Commerce Protocol has them (ucp.dev, 2026-08-25).

Products without a price or a currency have no form there, and are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from windowshop.errors import SearchError
from windowshop.search import MAX_RESULTS, Answer, Facet, Searcher, SearchRequest
from windowshop.service.agents.shapes import (
    Row,
    Shaper,
    choices_of,
    from_minor,
    is_available,
    options_of,
)
from windowshop.service.filter_texts import quoted
from windowshop.service.http.catalog_requests import (
    CatalogLookup,
    CatalogProduct,
    CatalogSearch,
    Filters,
)

VERSION = "2026-08-25"
"""Version of the protocol."""
SEARCH = "dev.ucp.shopping.catalog.search"
LOOKUP = "dev.ucp.shopping.catalog.lookup"
SERVICE = "dev.ucp.shopping"
SITE = f"https://ucp.dev/{VERSION}"
MAX_PAGE = 100
MAX_VARIANTS = 250
"""Most variants of one product that are read."""
MAX_CURRENCIES = 200
PRICED = "price >= 0"


@dataclass(frozen=True, slots=True)
class Catalog:
    """A shop's products, asked in the protocol's words."""

    searcher: Searcher
    shaper: Shaper

    def search(self, asked: CatalogSearch) -> tuple[dict[str, Any], SearchRequest, Answer]:
        """Return a page of products, and the search that found it with its answer."""
        if not self.shaper.currency and not self._states_currencies():
            raise SearchError(
                "The protocol wants prices with a currency, and the products name none. Start the "
                "service with --currency, or give the products a column `currency`."
            )
        messages: list[dict[str, Any]] = []
        where = self._where(asked, messages)
        offset = int(asked.pagination.cursor or 0)
        limit = min(asked.pagination.limit, MAX_PAGE)
        request = SearchRequest(
            text=(asked.query or "").strip() or None,
            where=where,
            collapse=True,
            offset=min(offset, MAX_RESULTS),
            limit=limit,
        )
        answer = self.searcher.answer(request)
        variants = self._variants([_group(result.fields) for result in answer.results], where)
        products = [self._product(result.fields, variants) for result in answer.results]
        end = offset + len(products)
        paging: dict[str, Any] = {"has_next_page": end < min(answer.total, MAX_RESULTS)}
        if paging["has_next_page"]:
            paging["cursor"] = str(end)
        paging["total_count"] = answer.total
        messages += messages_of(answer)
        found = {"ucp": envelope(SEARCH), "products": products, "pagination": paging}
        return found | ({"messages": messages} if messages else {}), request, answer

    def lookup(self, asked: CatalogLookup) -> dict[str, Any]:
        """Return the products of ids, with the variant that each id means."""
        inputs: dict[str, list[dict[str, str]]] = {}
        rows: dict[str, Row] = {}
        messages = []
        for name in dict.fromkeys(asked.ids):
            found = self._find(name)
            if found is None:
                messages.append({"type": "info", "code": "not_found", "content": name})
                continue
            row, match = found
            rows[row["product_id"]] = row
            inputs.setdefault(row["product_id"], []).append({"id": name, "match": match})
        groups: dict[str, list[Row]] = {}
        for row in rows.values():
            groups.setdefault(_group(row), []).append(row)
        products = [self.shaper.product(members) for members in groups.values()]
        for product in products:
            for variant in product["variants"]:
                variant["inputs"] = inputs[variant["id"]]
        found_all = {"ucp": envelope(LOOKUP), "products": products}
        return found_all | ({"messages": messages} if messages else {})

    def product(self, asked: CatalogProduct) -> dict[str, Any]:
        """Return one product with the variants that the chosen options leave."""
        found = self._find(asked.id)
        if found is None:
            missing = {
                "type": "error",
                "code": "not_found",
                "content": f"Product not found: {asked.id}",
                "severity": "unrecoverable",
            }
            return {"ucp": envelope(LOOKUP, "error"), "messages": [missing]}
        first, match = found
        rows = self._variants([_group(first)], PRICED).get(_group(first), [first])
        rows = [first, *(row for row in rows if row["product_id"] != first["product_id"])]
        options = options_of(rows)
        chosen = {choice.name: choice.label for choice in asked.selected if choice.name in options}
        if match == "exact" or not chosen:
            own = choices_of(first)
            chosen = {name: own[name] for name in options}
        else:
            chosen = _relaxed(chosen, rows, asked.preferences)
        left = [row for row in rows if _has(row, chosen)] or [first]
        product = self.shaper.product(rows)
        product["variants"] = [self.shaper.variant(row, options) for row in left]
        if options:
            product["selected"] = [{"name": n, "label": label} for n, label in chosen.items()]
            product["options"] = [
                {"name": name, "values": [_signals(name, x, chosen, rows) for x in labels]}
                for name, labels in options.items()
            ]
        return {"ucp": envelope(LOOKUP), "product": product}

    def _where(self, asked: CatalogSearch, messages: list[dict[str, Any]]) -> str:
        parts = [PRICED, *self._conditions(asked.filters)]
        price, currency = asked.filters.price, (asked.context.currency or "").upper()
        if price is None:
            return " and ".join(parts)
        known = self._currencies()
        own = currency or (known[0] if len(known) == 1 else "")
        if own not in known:
            told = f"Prices were not filtered: they are in {' and '.join(known)} here."
            told += "" if own else " Name one as the currency of the context."
            messages.append({"type": "warning", "code": "filter_ignored", "content": told})
            return " and ".join(parts)
        if len(known) > 1:
            column = self.searcher.shown.currency
            unstated = f" or {column} is null" if own == self.shaper.currency else ""
            parts.append(f"({column} = {quoted(own)}{unstated})")
        if price.min is not None:
            parts.append(f"price >= {from_minor(price.min, own):.10g}")
        if price.max is not None:
            parts.append(f"price <= {from_minor(price.max, own):.10g}")
        return " and ".join(parts)

    def _conditions(self, filters: Filters) -> list[str]:
        if not filters.categories:
            return []
        under = " or ".join(f"category under {quoted(name)}" for name in filters.categories)
        return [f"({under})"]

    def _variants(self, groups: Sequence[str], where: str) -> dict[str, list[Row]]:
        """Return the rows of every group that pass a filter."""
        if not groups:
            return {}
        names = ", ".join(quoted(name) for name in groups)
        limit = min(MAX_RESULTS, MAX_VARIANTS * len(groups))
        request = SearchRequest(where=f"{where} and group_id in ({names})", limit=limit)
        found: dict[str, list[Row]] = {}
        for result in self.searcher.answer(request).results:
            if self._has_form(result.fields):
                found.setdefault(_group(result.fields), []).append(_whole(result.fields))
        return found

    def _product(self, fields: Row, variants: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
        first = _whole(fields)
        members = variants.get(_group(first), [])
        others = [row for row in members if row["product_id"] != first["product_id"]]
        return self.shaper.product([first, *others])

    def _find(self, name: str) -> tuple[Row, str] | None:
        """Return the row that an id means, and how: its own, or the first of a group's."""
        own = self.searcher.product(name)
        if own is not None:
            row = _whole(own)
            if not self._has_form(row):
                return None
            is_whole = _group(row) == name and len(self._variants([name], PRICED).get(name, [])) > 1
            return row, "featured" if is_whole else "exact"
        members = self._variants([name], PRICED).get(name, [])
        return (members[0], "featured") if members else None

    def _states_currencies(self) -> bool:
        with self.searcher.state() as state:
            return self.searcher.shown.currency in state.view.columns.names

    def _currencies(self) -> list[str]:
        """Return the codes of the currencies that prices are in, sorted."""
        column, found = self.searcher.shown.currency, {self.shaper.currency.upper()} - {""}
        if self._states_currencies():
            request = SearchRequest(facets=(column,), facet_limit=MAX_CURRENCIES, limit=1)
            for facet in self.searcher.answer(request).facets:
                values = facet.values if isinstance(facet, Facet) else ()
                found |= {str(value.value).upper() for value in values}
        return sorted(found)

    def _has_form(self, row: Row) -> bool:
        price = row.get("price")
        return price is not None and price >= 0 and bool(self.shaper.currency_of(row))


def envelope(capability: str, status: str = "success") -> dict[str, Any]:
    """Return the part of a response that names protocol and capability."""
    return {
        "version": VERSION,
        "status": status,
        "capabilities": {capability: [{"version": VERSION}]},
    }


def profile(endpoint: str) -> dict[str, Any]:
    """Return what /.well-known/ucp tells: the calls there are, and where."""
    service = {
        "version": VERSION,
        "spec": f"{SITE}/specification/overview",
        "transport": "rest",
        "schema": f"{SITE}/services/shopping/rest.openapi.json",
        "endpoint": endpoint,
    }
    capabilities = {
        name: [
            {
                "version": VERSION,
                "spec": f"{SITE}/specification/catalog/{name.rpartition('.')[2]}",
                "schema": f"{SITE}/schemas/shopping/catalog_{name.rpartition('.')[2]}.json",
            }
        ]
        for name in (SEARCH, LOOKUP)
    }
    return {
        "ucp": {
            "version": VERSION,
            "services": {SERVICE: [service]},
            "capabilities": capabilities,
            "payment_handlers": {},
        }
    }


def messages_of(answer: Answer) -> list[dict[str, Any]]:
    """Return what a buyer should know: how the query was read, and what was not found."""
    told = []
    if answer.corrected:
        text = f"Showing results for {answer.corrected}."
        told.append({"type": "info", "code": "corrected", "content": text})
    if answer.certainty is not None and answer.certainty.text:
        told.append({"type": "warning", "code": "closest_only", "content": answer.certainty.text})
    return told


def _relaxed(
    chosen: dict[str, str], rows: Sequence[Row], preferences: Sequence[str]
) -> dict[str, str]:
    """Return the choices that some variant meets, the least preferred given up first."""
    ranks = {name: rank for rank, name in enumerate(preferences)}
    kept = sorted(chosen, key=lambda name: ranks.get(name, len(ranks)))
    while kept and not any(_has(row, {name: chosen[name] for name in kept}) for row in rows):
        kept.pop()
    return {name: chosen[name] for name in chosen if name in kept}


def _signals(
    name: str, label: str, chosen: Mapping[str, str], rows: Sequence[Row]
) -> dict[str, Any]:
    """Return a value of an option, and whether it goes with the other choices."""
    there = [row for row in rows if _has(row, {**chosen, name: label})]
    can_be_bought = any(is_available(row) is not False for row in there)
    return {"label": label, "available": can_be_bought, "exists": bool(there)}


def _has(row: Row, chosen: Mapping[str, str]) -> bool:
    own = choices_of(row)
    return all(own.get(name) == label for name, label in chosen.items())


def _group(row: Row) -> str:
    return str(row.get("group_id") or row["product_id"])


def _whole(fields: Row) -> dict[str, Any]:
    """Return the fields of a result with the columns that every product has."""
    every = ("product_id", "group_id", "title", "description", "price")
    return {**dict.fromkeys(every), **fields}
