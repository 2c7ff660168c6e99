"""Options of calls, and answers as the JSON that they are."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

Action = Literal["filter", "boost", "off"]
Event = Literal["click", "cart", "purchase"]


class SearchOptions(TypedDict, total=False):
    """Options of a search, all with defaults; docs/service.md says what each does."""

    similar_to: str | None
    where: str | None
    mode: Literal["hybrid", "vectors", "words"]
    understand: bool
    infer: bool
    correct: bool
    facets: Sequence[str]
    facet_limit: int
    collapse: bool
    ranker: bool
    rules: bool
    offset: int
    limit: int
    fields: Sequence[str] | None
    explain: bool
    generation: str | None
    log: bool
    follow_up: bool
    choices: Mapping[str, Action]
    picks: Mapping[str, Mapping[str, Any]]
    sort: Sequence[Mapping[str, Any]]
    cap: Mapping[str, Any] | None
    diversity: Mapping[str, Any] | None


class Hit(TypedDict):
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


class Recognised(TypedDict):
    """Value, price or category that a query names or means, and what was done about it."""

    name: str
    text: str
    action: Action
    certainty: float
    reason: str
    kind: Literal["value", "price", "identifier", "exclusion", "inferred"]


class Certainty(TypedDict):
    """Whether the results are what was asked, or only the closest to it."""

    found: Literal["certain", "closest"]
    probability: float | None
    text: str
    unknown: list[str]
    unmet: dict[str, Any] | None
    signs: dict[str, float]


class SearchAnswer(TypedDict):
    """Results of a search."""

    search_id: str
    generation: str
    text: str | None
    where: str | None
    corrected: str | None
    recognised: list[Recognised]
    relaxed: list[str]
    certainty: Certainty | None
    total: int
    total_products: int
    matching: int
    facets: list[dict[str, Any]]
    retrieved: dict[str, Any]
    text_weight: float | None
    took_ms: float
    timings_ms: dict[str, float]
    ranked: bool
    results: list[Hit]


class FacetsAnswer(TypedDict):
    """Counts over the catalogue, or over the products that pass a filter."""

    facets: list[dict[str, Any]]
    matching: int


class Suggested(TypedDict):
    """Suggested query text."""

    text: str
    kind: str
    count: int


class WriteAnswer(TypedDict):
    """Outcome of a write: a result a product, in order."""

    results: list[dict[str, Any]]
    num_done: int
    num_failed: int


class EventsAnswer(TypedDict):
    """Receipt of events: how many were new, how many were known, and which were left out."""

    status: int
    message: str
    noted: int
    known: int
    ignored: list[dict[str, Any]]
