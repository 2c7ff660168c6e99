"""What a search gives back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from windowshop.search.retrieval.merge import ChannelPlace
from windowshop.search.understanding.recognition import Action, Recognised


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet."""

    value: object
    products: int
    """Results that have it."""
    groups: int
    """Groups of variants among them: what a collapsed page would show."""
    picked: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of a column among the results that pass every pick but the column's own."""

    column: str
    values: tuple[FacetValue, ...]
    """The commonest, equal counts by value; then picked ones that are rarer, even at 0."""
    num_values: int
    """How many different values there are, shown or not."""
    missing: int
    """Results without a value."""


@dataclass(frozen=True, slots=True)
class NumberFacet:
    """The spread of a column's numbers among the results that pass every pick but its own."""

    column: str
    low: float | None
    """Smallest and largest number; None where no result has one."""
    high: float | None
    edges: tuple[float, ...]
    """Bin i holds numbers from edge i up to edge i + 1, the last one with its end."""
    counts: tuple[int, ...]
    """Results in each bin."""
    missing: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule did to one product."""

    rule: str
    kind: Literal["pin", "boost", "bury"]
    factor: float
    """The place was divided by it; 1 for a pin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why a product stands where it does."""

    channels: tuple[ChannelPlace, ...]
    """Rank and score in each channel."""
    probability: float | None
    """Of relevance; None where the channels are not calibrated."""
    boosted_by: tuple[str, ...]
    """What was recognised in the query and moved it up."""
    effects: tuple[Effect, ...]
    """What the shop's rules did."""
    text_weight: float | None
    photo_weight: float | None
    """How much the model's gate let text and photo count for this product; None where the model
    has no gate, or weighs both at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One product of an answer."""

    rank: int
    product_id: str
    score: float
    """Of the merged ranking, higher is better; a cosine where one channel of vectors searched."""
    title: str | None
    brand: str | None
    price: float | None
    category: str | None
    image: str | None
    """Path of the photo file; None where the product names none that may be shown."""
    group_size: int
    """Results of its group of variants, itself included."""
    fields: Mapping[str, Any]
    """The columns asked for that the product has values of."""
    explanation: Explanation | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognisedPart:
    """Something that the query names, and what was done about it."""

    name: str
    """To switch it in the next request's `choices`."""
    text: str
    action: Action
    certainty: float
    reason: str


def shown(item: Recognised) -> RecognisedPart:
    """What an answer tells of something recognised."""
    return RecognisedPart(
        name=item.name,
        text=item.text,
        action=item.action,
        certainty=item.certainty,
        reason=item.reason,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieved:
    """How the set of results came about."""

    channels: Mapping[str, int]
    """Products that each channel found."""
    below_probability: int
    below_share: int
    beyond_max: int
    """Products left out by the cut-off, by reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The results of one search. All counts are of the same set of results."""

    search_id: str
    """To report clicks under."""
    generation: str
    """Which model's index answered."""
    text: str | None
    where: str | None
    corrected: str | None
    """The text as it was read, where a word was unknown."""
    recognised: tuple[RecognisedPart, ...]
    relaxed: tuple[str, ...]
    """What was given up, step by step, because nothing was found."""
    total: int
    """Results over all pages: groups where they are collapsed, else products."""
    total_products: int
    matching: int
    """Products of the catalogue that pass the filter, relevant or not."""
    facets: tuple[Facet | NumberFacet, ...]
    retrieved: Retrieved
    text_weight: float | None
    """How much the query made text count against the fused view, in (0, 1); None under a model
    that does not ask the query."""
    took_ms: float
    timings_ms: Mapping[str, float]
    results: tuple[Result, ...] = field(default_factory=tuple)

    def to_json(self) -> dict[str, Any]:
        """The answer as plain values."""
        return asdict(self)
