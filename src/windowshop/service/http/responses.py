"""What the service answers, for the API's description; answers are not checked against it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """What went wrong, and what to do."""

    code: str
    message: str
    where: str | None = None


class ErrorAnswer(BaseModel):
    """Every answer that is none."""

    error: Problem


class ResultAnswer(BaseModel):
    """One product of an answer."""

    rank: int
    product_id: str
    score: float
    title: str | None
    brand: str | None
    price: float | None
    category: str | None
    photo_url: str | None
    group_size: int
    fields: dict[str, Any]
    explanation: dict[str, Any] | None


class RecognisedAnswer(BaseModel):
    """Something that the query names."""

    name: str
    text: str
    action: Literal["filter", "boost", "off"]
    certainty: float
    reason: str


RESULT_EXAMPLE: dict[str, Any] = {
    "rank": 1,
    "product_id": "p1",
    "score": 0.82,
    "title": "Red shoe",
    "brand": "Nike",
    "price": 49.9,
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
        }
    ],
    "relaxed": [],
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
    "timings_ms": {"encode": 1.9, "retrieve": 3.1, "arrange": 0.8},
    "results": [RESULT_EXAMPLE],
}


class SearchAnswer(BaseModel):
    """The results of a search."""

    model_config = ConfigDict(json_schema_extra={"examples": [SEARCH_ANSWER_EXAMPLE]})

    search_id: str
    generation: str
    text: str | None
    where: str | None
    corrected: str | None
    recognised: list[RecognisedAnswer]
    relaxed: list[str]
    total: int
    total_products: int
    matching: int
    facets: list[dict[str, Any]]
    retrieved: dict[str, Any]
    text_weight: float | None
    took_ms: float
    timings_ms: dict[str, float]
    results: list[ResultAnswer]


class FacetsAnswer(BaseModel):
    """Counts over the catalogue, or the part that a filter leaves."""

    facets: list[dict[str, Any]]
    matching: int


class ProductResult(BaseModel):
    """What became of a product."""

    product_id: str | None
    status: Literal["upserted", "failed"]
    error: str | None = None
    problem: str | None = None


class ProductsAnswer(BaseModel):
    """What became of each product, in order."""

    results: list[ProductResult]
    num_upserted: int
    num_failed: int


class DeletedResult(BaseModel):
    """What became of a product."""

    product_id: str
    status: Literal["deleted", "absent"]


class DeletedAnswer(BaseModel):
    """What became of each product, in order."""

    num_deleted: int
    results: list[DeletedResult]


class NotedAnswer(BaseModel):
    """It is written down."""

    status: Literal["noted", "known"]


class SuggestedText(BaseModel):
    """A text to search for."""

    text: str
    kind: Literal["query", "brand", "category", "value", "title"]
    count: int


class SuggestAnswer(BaseModel):
    """Texts to search for, the best first."""

    suggestions: list[SuggestedText]


class Judgement(BaseModel):
    """A product's grade."""

    product_id: str
    grade: int


class JudgementsAnswer(BaseModel):
    """The grades of a query."""

    judgements: list[Judgement]


class ColumnInfo(BaseModel):
    """A column to filter, facet or sort by."""

    name: str
    type: Literal["text", "number", "list", "boolean", "date"]


class GenerationInfo(BaseModel):
    """A model's index."""

    name: str
    model_key: str
    num_products: int
    loaded: bool
    current: bool


class InfoAnswer(BaseModel):
    """What is served."""

    name: str
    version: str
    current: str
    generations: list[GenerationInfo]
    columns: list[ColumnInfo]
    settings: dict[str, Any]
    scopes: list[str]
    kinds_of_query: list[str]


class StateAnswer(BaseModel):
    """How the service is."""

    status: str


class CompactAnswer(StateAnswer):
    """What a compaction removed."""

    num_removed_photos: int


class GenerationAnswer(BaseModel):
    """The generation that is searched now."""

    generation: str
