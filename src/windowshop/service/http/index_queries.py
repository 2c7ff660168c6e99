"""Requests of InstantSearch front ends: one query, several, a search among a facet's values."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from windowshop.search import MAX_RESULTS

MAX_QUERIES = 50
"""Most queries of one call."""
TEXTS = frozenset(
    ["query", "filters", "facet", "facetQuery", "highlightPreTag", "highlightPostTag"]
    + ["snippetEllipsisText", "userToken", "indexName", "type"]
)
"""Parameters that are texts, whatever they look like."""
WITHOUT_EFFECT = frozenset(
    ["clickAnalytics", "analyticsTags", "enableABTest", "explain", "responseFields"]
    + ["getRankingInfo", "ruleContexts", "sortFacetValuesBy", "strategy", "percentileComputation"]
    + [
        "enablePersonalization",
        "replaceSynonymsInHighlight",
        "enableReRanking",
    ]
)
"""Parameters whose absence changes no results, so that nothing need be said."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Count = Annotated[int, Field(ge=0, le=MAX_RESULTS)]


class _Wire(BaseModel):
    """Part of a request, open to parameters that have no meaning here."""

    model_config = ConfigDict(
        extra="allow", frozen=True, alias_generator=to_camel, allow_inf_nan=False
    )


class IndexQuery(_Wire):
    """One query; its parameters stand in it, in `params` as an object, or there as an address."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "red shoe", "facets": ["brand", "price"], "hitsPerPage": 20, "page": 0}
            ]
        }
    )

    index_name: str = Field("", max_length=512)
    """Any name, with `:COLUMN:asc` or `:COLUMN:desc` behind it to sort."""
    type: Literal["default", "facet"] = "default"
    query: str = ""
    page: Count = 0
    hits_per_page: Annotated[int, Field(ge=0, le=1_000)] = 20
    offset: Count | None = None
    length: Annotated[int, Field(ge=0, le=1_000)] | None = None
    facets: list[Name] = Field(default_factory=list, max_length=64)
    facet_filters: Any = None
    numeric_filters: Any = None
    filters: str = ""
    max_values_per_facet: Count = 100
    attributes_to_retrieve: list[str] = Field(default_factory=lambda: ["*"], max_length=256)
    attributes_to_highlight: list[str] | None = Field(None, max_length=256)
    attributes_to_snippet: list[str] = Field(default_factory=list, max_length=256)
    highlight_pre_tag: str = Field("<em>", max_length=100)
    highlight_post_tag: str = Field("</em>", max_length=100)
    snippet_ellipsis_text: str = Field("…", max_length=100)
    distinct: bool | int = False
    analytics: bool = True
    enable_rules: bool = True
    typo_tolerance: bool | str = True
    user_token: str = Field("", max_length=1_024)
    facet: str = Field("", max_length=256)
    facet_query: str = Field("", max_length=1_000)
    max_facet_hits: Annotated[int, Field(ge=1, le=100)] = 10

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, given: object) -> object:
        """Take the parameters out of `params`; null is the same as nothing."""
        if not isinstance(given, Mapping):
            return given
        params = given.get("params") or {}
        if isinstance(params, str):
            params = dict(_decoded(params))
        if not isinstance(params, Mapping):
            raise ValueError("params must be an object, or text as behind an address")
        found = {**given, **params}
        found.pop("params", None)
        found.setdefault("facet", found.pop("facetName", None))
        return {name: value for name, value in found.items() if value is not None}

    @field_validator("facets", "attributes_to_retrieve", "attributes_to_highlight", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        """Read one name as a list of it, and names with commas between."""
        return [name for name in given.split(",") if name] if isinstance(given, str) else given

    @property
    def ignored(self) -> list[str]:
        """Parameters that were sent and have no meaning here."""
        return sorted({*(self.model_extra or {})} - WITHOUT_EFFECT)

    @property
    def place(self) -> tuple[int, int]:
        """Offset and number of the hits."""
        if self.offset is not None or self.length is not None:
            return self.offset or 0, self.hits_per_page if self.length is None else self.length
        return self.page * self.hits_per_page, self.hits_per_page


class QueriesBody(_Wire):
    """Queries that are answered together, in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "requests": [
                        {
                            "indexName": "products",
                            "query": "shoe",
                            "facets": ["brand", "price"],
                            "facetFilters": [["brand:Nike", "brand:Puma"]],
                            "numericFilters": ["price<=50"],
                        },
                        {
                            "indexName": "products",
                            "query": "shoe",
                            "facets": "brand",
                            "numericFilters": ["price<=50"],
                            "hitsPerPage": 0,
                            "analytics": False,
                        },
                    ]
                }
            ]
        }
    )

    requests: list[IndexQuery] = Field(min_length=1, max_length=MAX_QUERIES)


class FacetQueryBody(IndexQuery):
    """Search among the values of a facet, in the results of a query."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"facetQuery": "ni", "maxFacetHits": 5}]}
    )


def _decoded(params: str) -> list[tuple[str, Any]]:
    """Read parameters of an address, those that are no texts from JSON where they are."""
    found: list[tuple[str, Any]] = []
    for name, text in parse_qsl(params, keep_blank_values=True):
        value: Any = text
        if name not in TEXTS:
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(text)
        found.append((name, value))
    return found
