"""Answer of a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from windowshop.search.certainty.verdict import Certainty
from windowshop.search.retrieval.merge import ChannelPlace
from windowshop.search.understanding.recognition import Action, Kind, Recognised


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet."""

    value: object
    products: int
    """Results that have it."""
    groups: int
    """Groups of variants among them: the results of a collapsed page."""
    picked: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of a column among the results that pass every pick but the column's own."""

    column: str
    values: tuple[FacetValue, ...]
    """The commonest, equal counts by value; then picked ones that are rarer, even at 0."""
    num_values: int
    """Number of different values, shown or not."""
    missing: int
    """Results without a value."""


@dataclass(frozen=True, slots=True)
class NumberFacet:
    """Histogram of a column's numbers among the results that pass every pick but its own."""

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
    """Effect of a rule of the shop on one product."""

    rule: str
    kind: Literal["pin", "boost", "bury"]
    factor: float
    """The place was divided by it; 1 for a pin."""


@dataclass(frozen=True, slots=True)
class RankerReason:
    """Feature by which the learned ranker moved a product."""

    feature: str
    value: float | None
    """None where it is not known of the product."""
    points: float


@dataclass(frozen=True, slots=True)
class RankerPlace:
    """Place of a product before and by the learned ranker."""

    place_before: int
    """Place by the mix, from 1."""
    score: float
    mix: float
    """Part of the score that is the mix's; the trees add the rest."""
    reasons: tuple[RankerReason, ...]
    """Features that added or took away most, the weightiest first."""


@dataclass(frozen=True, slots=True)
class ScorePart:
    """Part of a product's merged score."""

    name: str
    """A channel, or something recognised that moved the product up."""
    kind: Literal["channel", "boost"]
    points: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Explanation of the place of a product."""

    channels: tuple[ChannelPlace, ...]
    """Rank and score in each channel."""
    parts: tuple[ScorePart, ...]
    """Parts that add up to the score of the product; none where channels take turns, as only the
    order means something then."""
    probability: float | None
    """Probability of relevance; None where the channels are not calibrated."""
    boosted_by: tuple[str, ...]
    """Names of the recognised items that moved it up."""
    last_by: tuple[str, ...]
    """Names of the recognised exclusions that put it last."""
    effects: tuple[Effect, ...]
    """Effects of the shop's rules."""
    ranker: RankerPlace | None
    """None where the learned ranker did not order the product."""
    diversified_from: int | None
    """Rank without diversity; None where that is the rank it has."""
    text_weight: float | None
    photo_weight: float | None
    """Weights of text and image in the model's gate for this product; None without a gate, or
    where it weighs both at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One product of an answer."""

    rank: int
    product_id: str
    score: float
    """Score in the merged ranking, higher is better; a cosine where one vector channel searched."""
    title: str | None
    brand: str | None
    price: float | None
    currency: str | None
    """Currency of the price, where a column states it."""
    category: str | None
    image: str | None
    """Path of the image file; None where the product has none that may be shown."""
    group_size: int
    """Results of its group of variants, itself included."""
    fields: Mapping[str, Any]
    """Requested columns that the product has values of."""
    explanation: Explanation | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognisedPart:
    """Something that the query names, with the action taken."""

    name: str
    """Key for `choices` of the next request."""
    text: str
    action: Action
    certainty: float
    reason: str
    kind: Kind
    """Of an exclusion, `filter` leaves out what has it, `boost` puts it last; of an identifier,
    `boost` puts its products first."""


def shown(item: Recognised) -> RecognisedPart:
    """Return what an answer says about a recognised item."""
    return RecognisedPart(
        name=item.name,
        text=item.text,
        action=item.action,
        certainty=item.certainty,
        reason=item.reason,
        kind=item.kind,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieved:
    """Numbers of products that were found and cut off."""

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
    """Id for reports of clicks."""
    generation: str
    """Generation of the index that answered."""
    text: str | None
    where: str | None
    corrected: str | None
    """Corrected text; None where every word is known."""
    recognised: tuple[RecognisedPart, ...]
    relaxed: tuple[str, ...]
    """Changes that relaxed the query, in order, because nothing was found."""
    certainty: Certainty | None
    """Whether the results are what was asked, or only the closest to it; None but for texts."""
    total: int
    """Results over all pages: groups where they are collapsed, else products."""
    total_products: int
    matching: int
    """Products of the catalogue that pass the filter, relevant or not."""
    facets: tuple[Facet | NumberFacet, ...]
    retrieved: Retrieved
    text_weight: float | None
    """Weight of text against the fused view that the model gave the query, in (0, 1); None where
    the model gives none."""
    took_ms: float
    timings_ms: Mapping[str, float]
    ranked: bool = False
    """Whether the learned ranker ordered the first candidates."""
    results: tuple[Result, ...] = field(default_factory=tuple)

    def run(self) -> dict[str, float]:
        """Return product_id -> score that falls with the rank, as runs of an evaluation have it."""
        return {result.product_id: -float(result.rank) for result in self.results}

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return asdict(self)
