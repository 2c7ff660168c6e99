"""Answers of a search as InstantSearch front ends read them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from windowshop.data import fold, tokens_of
from windowshop.search import MAX_RESULTS, Answer, Facet, Result, Searcher, SearchRequest
from windowshop.service.http.index_queries import IndexQuery
from windowshop.service.http.responses import photo_url, without_paths
from windowshop.service.instantsearch.filters import narrow_of, where_of
from windowshop.service.instantsearch.highlights import Marker, marker, prefix_spans
from windowshop.service.instantsearch.names import HIERARCHY, ColumnNames, order_of, text_of

EXHAUSTIVE = {"facetsCount": True, "facetValues": True, "nbHits": True, "typo": True}
SNIPPET_WORDS = 10
MAX_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as a search of ours, with what its answer needs."""

    query: IndexQuery
    request: SearchRequest
    facets: Mapping[str, str]
    """Columns that are counted, by the names in the query."""

    @property
    def is_shown(self) -> bool:
        """Whether the query shows hits; others only count."""
        return self.query.place[1] > 0 and self.query.type == "default"

    @property
    def is_logged(self) -> bool:
        """Whether a shopper sees the hits, so that the search is written down."""
        return self.is_shown and self.query.analytics

    @property
    def is_follow_up(self) -> bool:
        """Whether the query asks for an earlier search again, narrowed or a further page of it."""
        return bool(self.request.narrow or self.request.offset)


def read(query: IndexQuery, columns: ColumnNames) -> Asked:
    """Return the search of a query; raises SearchError or FilterError where there is none."""
    offset, limit = query.place
    if query.type == "facet":
        facets = {query.facet: columns.column(query.facet)}
    else:
        names = columns.offered() if "*" in query.facets else dict.fromkeys(query.facets)
        facets = {name: columns.column(name) for name in names}
    counted = tuple(dict.fromkeys(facets.values()))
    is_facet = query.type == "facet"
    request = SearchRequest(
        text=query.query.strip() or None,
        where=where_of(query.filters, columns),
        narrow=narrow_of(query.facet_filters, query.numeric_filters, columns),
        facets=tuple(name for name in counted if columns.dtype(name).is_numeric()),
        counted=counted,
        facet_limit=MAX_RESULTS if is_facet else query.max_values_per_facet,
        sort=order_of(query.index_name, columns),
        collapse=bool(query.distinct),
        rules=query.enable_rules,
        correct=query.typo_tolerance not in (False, "false"),
        offset=min(offset, MAX_RESULTS),
        limit=max(limit, 1),
    )
    return Asked(query, request, facets)


def result_of(asked: Asked, answer: Answer, searcher: Searcher, base_url: str) -> dict[str, Any]:
    """Return the answer of one query."""
    query = asked.query
    offset, limit = query.place
    marks = _marker(asked, answer, searcher)
    shown = answer.results if asked.is_shown and offset < MAX_RESULTS else ()
    reachable = min(answer.total, MAX_RESULTS)
    found: dict[str, Any] = {
        "index": query.index_name,
        "query": query.query,
        "params": "",
        "hits": [hit_of(result, query, marks, base_url) for result in shown],
        "nbHits": answer.total,
        "page": query.page,
        "nbPages": math.ceil(reachable / limit) if limit else 0,
        "hitsPerPage": limit,
        "processingTimeMS": max(1, round(answer.took_ms)),
        "exhaustive": EXHAUSTIVE,
        "exhaustiveFacetsCount": True,
        "exhaustiveNbHits": True,
        "exhaustiveTypo": True,
        "userData": [told(asked, answer)],
    }
    if asked.is_logged:
        found["queryID"] = answer.search_id
    if asked.facets:
        found |= _counts(asked, answer)
    if "*" in query.facets:
        order = {"facets": {"order": list(asked.facets)}, "values": {}}
        found["renderingContent"] = {"facetOrdering": order}
    return found


def facet_hits(asked: Asked, answer: Answer, searcher: Searcher) -> dict[str, Any]:
    """Return the values of a facet whose words begin with those of its query."""
    query = asked.query
    prefixes = {fold(token.text) for token in tokens_of(query.facet_query)}
    marks = _marker(asked, answer, searcher)
    hits = []
    for value, count in _values(asked, answer, asked.facets[query.facet]).items():
        spans = prefix_spans(value, prefixes)
        if count and spans is not None:
            hits.append({"value": value, "highlighted": marks.marked(value, spans), "count": count})
    return {
        "facetHits": hits[: query.max_facet_hits],
        "exhaustiveFacetsCount": True,
        "exhaustive": EXHAUSTIVE,
        "processingTimeMS": max(1, round(answer.took_ms)),
    }


def told(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Return how the query was read and what was not found, which the protocol has no names for."""
    certainty = None if answer.certainty is None else asdict(answer.certainty)
    if certainty is not None:
        del certainty["signs"]
    return {
        "corrected": answer.corrected,
        "recognised": [asdict(part) for part in answer.recognised],
        "relaxed": list(answer.relaxed),
        "certainty": certainty,
        "ignored": asked.query.ignored,
    }


def hit_of(result: Result, query: IndexQuery, marks: Marker, base_url: str) -> dict[str, Any]:
    """Return a hit: its columns, the address of its photo, and its words that were asked for."""
    row = without_paths(result.fields)
    if result.image:
        row["image"] = base_url.rstrip("/") + photo_url(result.product_id)
    shown = _kept({**row, **_levels(result.category)}, query.attributes_to_retrieve)
    wanted = ["*"] if query.attributes_to_highlight is None else query.attributes_to_highlight
    plain = {name: value for name, value in shown.items() if name != "image"}
    hit = {**shown, "objectID": result.product_id}
    hit["_highlightResult"] = {
        name: marks.highlighted(value) for name, value in _kept(plain, wanted).items()
    }
    lengths = dict(map(_snippet_length, query.attributes_to_snippet))
    if "*" in lengths:
        lengths = dict.fromkeys(plain, lengths["*"]) | lengths
    hit["_snippetResult"] = {
        name: marks.snippet(value, lengths[name])
        for name, value in plain.items()
        if name in lengths
    }
    return hit


def _levels(category: str | None) -> dict[str, Any]:
    """Return the path of the category by levels, each from the root: lvl0 is "A", lvl1 "A > B"."""
    parts = [part.strip() for part in (category or "").split(">")][:MAX_LEVELS]
    if not parts[0]:
        return {}
    paths = {f"lvl{at}": " > ".join(parts[: at + 1]) for at in range(len(parts))}
    return {HIERARCHY: paths}


def _kept(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the attributes that are named: all by `*`, but for those with a minus before."""
    left_out = {name[1:] for name in names if name.startswith("-")}
    if "*" in names:
        return {name: value for name, value in row.items() if name not in left_out}
    roots = {name.partition(".")[0] for name in names}
    return {name: value for name, value in row.items() if name in roots}


def _snippet_length(text: str) -> tuple[str, int]:
    name, _, length = text.partition(":")
    return name, max(1, int(length)) if length.isdecimal() else SNIPPET_WORDS


def _marker(asked: Asked, answer: Answer, searcher: Searcher) -> Marker:
    query = asked.query
    return marker(
        [text for text in (answer.text, answer.corrected) if text],
        searcher.language,
        query.highlight_pre_tag,
        query.highlight_post_tag,
        query.snippet_ellipsis_text,
    )


def _counts(asked: Asked, answer: Answer) -> dict[str, Any]:
    facets = {name: _values(asked, answer, column) for name, column in asked.facets.items()}
    names = {column: name for name, column in asked.facets.items()}
    stats = {
        names[facet.column]: {"min": facet.low, "max": facet.high}
        for facet in answer.facets
        if not isinstance(facet, Facet) and facet.low is not None
    }
    return {"facets": facets, "facets_stats": stats}


def _values(asked: Asked, answer: Answer, column: str) -> dict[str, int]:
    """Return the counts of a column's values: of products, or of groups where these collapse."""
    is_collapsed = asked.request.collapse
    return {
        text_of(value.value): value.groups if is_collapsed else value.products
        for facet in answer.facets
        if isinstance(facet, Facet) and facet.column == column
        for value in facet.values
    }
