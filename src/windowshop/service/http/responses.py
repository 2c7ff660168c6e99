"""Answers of the API as models, and searches as the JSON of theirs.

Answers to searches and writes are serialised without the model, which costs time; tests compare.
"""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from windowshop.data import attributes_of
from windowshop.search import Answer, Result
from windowshop.service.http.errors import to_json
from windowshop.service.page.columns import ColumnType

ATTRIBUTES = "attributes"
PATHS = ("image", "images")
"""Columns that say where a product's images lie."""


class Problem(BaseModel):
    """Problem of a request, and its remedy."""

    code: str
    message: str
    where: str | None = None


class ErrorAnswer(BaseModel):
    """Error response of any route."""

    error: Problem


class ResultAnswer(BaseModel):
    """Product that a search found."""

    rank: int
    product_id: str
    score: float
    title: str | None
    brand: str | None
    price: float | None
    currency: str | None
    category: str | None
    group_size: int
    explanation: dict[str, Any] | None
    photo_url: str | None
    fields: dict[str, Any]


class RecognisedAnswer(BaseModel):
    """Value, price or category that a query names or means, and what was done about it."""

    name: str
    text: str
    action: Literal["filter", "boost", "off"]
    certainty: float
    reason: str
    kind: Literal["value", "price", "identifier", "exclusion", "inferred"]


RESULT_EXAMPLE: dict[str, Any] = {
    "rank": 1,
    "product_id": "p1",
    "score": 0.82,
    "title": "Red shoe",
    "brand": "Nike",
    "price": 49.9,
    "currency": "EUR",
    "category": "Footwear > Shoes",
    "photo_url": "/products/p1/photo",
    "group_size": 2,
    "fields": {"product_id": "p1", "title": "Red shoe", "brand": "Nike", "price": 49.9},
    "explanation": None,
}
SEARCH_ANSWER_EXAMPLE: dict[str, Any] = {
    "search_id": "065204d5de544ad08e2e2f6c282d401f",
    "generation": "g1",
    "text": "red shoess by nike",
    "where": "price < 1000",
    "corrected": "red shoes by nike",
    "recognised": [
        {
            "name": "brand: Nike",
            "text": "nike",
            "action": "boost",
            "certainty": 1.0,
            "reason": "12 products have it, certainty 1.00",
            "kind": "value",
        }
    ],
    "relaxed": [],
    "certainty": {
        "found": "certain",
        "probability": 0.98,
        "text": "",
        "unknown": [],
        "unmet": None,
        "signs": {},
    },
    "total": 1,
    "total_products": 2,
    "matching": 340,
    "facets": [],
    "retrieved": {
        "channels": {"vectors": 340, "words": 12},
        "below_probability": 0,
        "below_share": 338,
        "beyond_max": 0,
    },
    "text_weight": 0.61,
    "took_ms": 4.2,
    "timings_ms": {"encode": 1.9, "retrieve": 3.1, "rank": 0.9, "arrange": 0.8},
    "ranked": True,
    "results": [RESULT_EXAMPLE],
}


class AlternativeAnswer(BaseModel):
    """Products that meet all wishes of a query but one."""

    text: str
    keeps: str
    gives_up: str
    total: int
    low: float | None
    high: float | None
    choices: dict[str, Literal["filter", "boost", "off"]]


class UnmetAnswer(BaseModel):
    """Wishes that no product meets together."""

    names: list[str]
    text: str
    alternatives: list[AlternativeAnswer]


class CertaintyAnswer(BaseModel):
    """Whether the results are what was asked, or only the closest to it."""

    found: Literal["certain", "closest"]
    probability: float | None
    text: str
    unknown: list[str]
    unmet: UnmetAnswer | None
    signs: dict[str, float]


class SearchAnswer(BaseModel):
    """Results of a search."""

    model_config = ConfigDict(json_schema_extra={"examples": [SEARCH_ANSWER_EXAMPLE]})

    search_id: str
    generation: str
    text: str | None
    where: str | None
    corrected: str | None
    recognised: list[RecognisedAnswer]
    relaxed: list[str]
    certainty: CertaintyAnswer | None
    total: int
    total_products: int
    matching: int
    facets: list[dict[str, Any]]
    retrieved: dict[str, Any]
    text_weight: float | None
    took_ms: float
    timings_ms: dict[str, float]
    ranked: bool
    results: list[ResultAnswer]


class FacetsAnswer(BaseModel):
    """Counts over the catalogue, or over the products that pass a filter."""

    facets: list[dict[str, Any]]
    matching: int


class ProductResult(BaseModel):
    """Outcome of writing one product."""

    product_id: str | None
    status: Literal["upserted", "failed"]
    error: str | None = None
    problem: str | None = None


class ProductsAnswer(BaseModel):
    """Outcome of a write, one result a product in order."""

    results: list[ProductResult]
    num_upserted: int
    num_failed: int


class DeletedResult(BaseModel):
    """Outcome of deleting one product."""

    product_id: str
    status: Literal["deleted", "absent"]


class DeletedAnswer(BaseModel):
    """Outcome of a deletion, one result a product in order."""

    num_deleted: int
    results: list[DeletedResult]


class NotedAnswer(BaseModel):
    """Receipt of feedback or of a judgement."""

    status: Literal["noted", "known"]


class IgnoredEvent(BaseModel):
    """Event that was not noted, by its place in the request, and the reason."""

    event: int
    reason: str


class EventsAnswer(BaseModel):
    """Receipt of events: how many were new, how many were known, and which were left out."""

    status: int
    message: str
    noted: int
    known: int
    ignored: list[IgnoredEvent]


class SuggestedText(BaseModel):
    """Suggested query text."""

    text: str
    kind: Literal["query", "brand", "category", "value", "title"]
    count: int


class SuggestAnswer(BaseModel):
    """Suggested query texts, the best first."""

    suggestions: list[SuggestedText]


class Judgement(BaseModel):
    """Grade of a product."""

    product_id: str
    grade: int


class JudgementsAnswer(BaseModel):
    """Grades of the products of a query."""

    judgements: list[Judgement]


class ColumnInfo(BaseModel):
    """Column to filter, facet or sort by."""

    name: str
    type: ColumnType
    roles: list[str] | None
    """Declared uses; null where `columns.yaml` declares none."""


class GenerationInfo(BaseModel):
    """Generation of the index: one model's vectors of the catalogue."""

    name: str
    model_key: str
    num_products: int
    loaded: bool
    current: bool


class InfoAnswer(BaseModel):
    """Generations, columns and settings of a service."""

    name: str
    version: str
    current: str
    generations: list[GenerationInfo]
    columns: list[ColumnInfo]
    settings: dict[str, Any]
    kinds_of_query: list[str]
    learned: list[Literal["classifier", "ranker"]]
    """Tuned parts that searches use."""
    scopes: list[str]


class PageFacet(BaseModel):
    """Facet of the page."""

    column: str
    label: str
    kind: Literal["values", "tree", "colour", "range"]


class PageSort(BaseModel):
    """Order that shoppers can choose."""

    by: str
    """Column, with a minus before it for falling values."""
    label: str


class PageAnswer(BaseModel):
    """Settings of the shop's page, as `page.yaml` has them."""

    name: str
    logo: str | None
    accents: dict[str, dict[str, str]]
    """Colours by their names, for `light` and `dark`; empty are the page's own."""
    currency: str
    locale: str
    product_link: str
    sale_price: str
    list_price: str
    facets: list[PageFacet]
    sorts: list[PageSort]
    shown: list[str]
    hidden: list[str]
    labels: dict[str, str]
    num_products: int
    takes_images: bool
    """Whether the model sees images, so that one can be searched by."""
    has_images: bool
    """Whether any product has one."""
    problem: str
    """Mistake in `page.yaml`, while which the settings before it hold."""


class StateAnswer(BaseModel):
    """State of the service, or of a task."""

    status: str


class ReadyAnswer(StateAnswer):
    """State of a service that answers searches."""

    refused: dict[str, str]
    """Reason for each kind of request that is refused now."""


class CompactAnswer(StateAnswer):
    """Outcome of a compaction."""

    num_removed_photos: int


class GenerationAnswer(BaseModel):
    """Name of the generation that is searched from now on."""

    generation: str


def search_json(answer: Answer) -> bytes:
    """Return an answer as the JSON that SearchAnswer describes."""
    content: dict[str, Any] = {name: getattr(answer, name) for name in SearchAnswer.model_fields}
    content["results"] = [_result(result) for result in answer.results]
    return to_json(content)


def photo_url(product_id: str) -> str:
    """Return the address of a product's image."""
    return f"/products/{quote(product_id, safe='')}/photo"


def without_paths(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a product's columns without internal ones and paths, attributes as an object."""
    kept = {k: v for k, v in row.items() if not k.startswith("_") and k not in PATHS}
    stated = attributes_of(row.get(ATTRIBUTES))
    return kept if stated is None else kept | {ATTRIBUTES: stated}


def _result(result: Result) -> dict[str, Any]:
    own: dict[str, Any] = {
        "photo_url": photo_url(result.product_id) if result.image else None,
        "fields": without_paths(result.fields),
    }
    names = ResultAnswer.model_fields
    return {name: own[name] if name in own else getattr(result, name) for name in names}
