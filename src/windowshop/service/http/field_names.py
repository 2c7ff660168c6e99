"""Names of fields that a client may have in mind, from other search systems or mistyped."""

import difflib
from collections.abc import Collection

ELSEWHERE = {
    "limit": "size hits rows top top_k k n count per_page page_size hits_per_page first",
    "offset": "from start skip page",
    "text": "q query search search_text keyword keywords term",
    "q": "text query search search_text keyword keywords term",
    "where": "filter filters filter_by fq facet_filters numeric_filters",
    "facets": "aggs aggregations facet_by facet facet_fields",
    "sort": "sort_by order order_by orderby",
    "fields": "_source select include include_fields attributes_to_retrieve columns",
    "collapse": "group group_by distinct dedup",
    "similar_to": "like product_id id more_like_this",
    "picks": "post_filter refinements",
}
"""Names of Elasticsearch, Algolia, Typesense, Meilisearch, Solr and others, by ours."""
OURS = [(name, ours) for ours, names in ELSEWHERE.items() for name in names.split()]


def hint(name: str, known: Collection[str]) -> str:
    """Return a sentence that names the field which `name` may stand for, or ""."""
    plain = _plain(name)
    found = [ours for other, ours in OURS if _plain(other) == plain and ours in known]
    found = found or difflib.get_close_matches(name.lower(), known, n=1)
    if not found:
        return ""
    if plain == "page":
        return " Did you mean offset? It counts results, not pages: page 3 of 20 is offset 40."
    return f" Did you mean {found[0]}?"


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
