"""Models of request bodies, and the searches that they describe."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from windowshop.data import ImageInput
from windowshop.search import (
    MAX_RESULTS,
    Action,
    BrandCap,
    Diversity,
    FacetFilter,
    FacetRange,
    FacetValues,
    Mode,
    SearchRequest,
    Sort,
)

MAX_LIMIT = 1_000
"""Most results of one page over HTTP."""
MAX_IDS = 10_000
MAX_TEXT = 100_000
"""Characters of one field of a product."""
BIG = 2**63 - 1

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ProductId = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Integer = Annotated[int, Field(strict=True, ge=-BIG, le=BIG)]
Number = Annotated[float, Field(strict=True)]
Text = Annotated[str, StringConstraints(max_length=4_096)]
LongText = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Grade = Annotated[int, Field(strict=True, ge=0, le=3)]
Event = Literal["click", "cart", "purchase"]


class Body(BaseModel):
    """JSON object without unknown fields, whose numbers are finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class PickValues(Body):
    """Values picked in a facet, of which a product has one."""

    values: list[StrictBool | Integer | Number | Text] = Field(max_length=500)


class PickRange(Body):
    """Range picked in a facet, from `low` to `high`."""

    low: float | None = None
    high: float | None = None


class SortBody(Body):
    """Column to order by."""

    column: Name
    descending: bool = False


class CapBody(Body):
    """At most `most` products of one value of the column among the first `among`."""

    column: Name = "brand"
    most: int = Field(3, ge=1, le=MAX_RESULTS)
    among: int = Field(20, ge=1, le=MAX_RESULTS)


class DiversityBody(Body):
    """Order that keeps alike products apart at the top, by their vectors (`mmr`) or by caps."""

    method: Literal["none", "mmr"] = "none"
    weight: float = Field(0.3, ge=0, le=1, description="Weight of the difference, by `mmr`.")
    max_per: dict[Name, Annotated[int, Field(ge=1, le=MAX_RESULTS)]] = Field(
        default_factory=dict, max_length=8, description="Most products of one value, by column."
    )
    within: int | None = Field(None, ge=1, le=MAX_RESULTS)

    def to_diversity(self) -> Diversity:
        """Return the option of a search."""
        return Diversity(
            method=self.method,
            weight=self.weight,
            max_per=dict(self.max_per),
            within=self.within,
        )


class SearchOptions(Body):
    """Options of a search, which a body and an address may have."""

    similar_to: ProductId | None = None
    where: str | None = Field(
        None,
        description="A filter, for example `price < 50 and brand = 'X'`.",
        examples=["price < 50"],
    )
    mode: Mode = "hybrid"
    understand: bool = True
    infer: bool = True
    correct: bool = Field(True, description="Whether words that no product has are corrected.")
    facets: list[Name] = Field(default_factory=list, max_length=32, examples=[["brand"]])
    facet_limit: int = Field(10, ge=0, le=MAX_LIMIT)
    collapse: bool = False
    ranker: bool = Field(
        True, description="Whether the learned ranker takes part, if there is one."
    )
    rules: bool = True
    offset: int = Field(0, ge=0, le=MAX_RESULTS)
    limit: int = Field(20, ge=1, le=MAX_LIMIT)
    fields: list[Name] | None = Field(
        None, max_length=256, description="Columns that results show; null for all."
    )
    explain: bool = False
    generation: Name | None = None
    log: bool = Field(True, description="Whether the search is written down.")
    follow_up: bool = Field(
        False, description="Whether it shows an earlier search again, for example with a filter."
    )


SEARCH_EXAMPLE: dict[str, Any] = {
    "text": "red shoes",
    "where": "price < 1000",
    "facets": ["brand", "price"],
    "picks": {"brand": {"values": ["Nike"]}, "price": {"low": 10, "high": 50}},
    "sort": [{"column": "price", "descending": True}],
    "limit": 20,
}


class SearchBody(SearchOptions):
    """Search; without a text or a product, the whole catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [SEARCH_EXAMPLE]})

    text: str | None = None
    choices: dict[Name, Action] = Field(default_factory=dict, max_length=64)
    picks: dict[Name, PickValues | PickRange] = Field(default_factory=dict, max_length=32)
    sort: list[SortBody] = Field(default_factory=list, max_length=8)
    cap: CapBody | None = None
    diversity: DiversityBody | None = Field(
        None, description="Null is that of the index's settings."
    )

    def to_request(self, image: ImageInput | None = None) -> SearchRequest:
        """Return the search; raises SearchError for fields that exclude each other."""
        return SearchRequest(
            text=self.text,
            image=image,
            similar_to=self.similar_to,
            where=self.where or None,
            mode=self.mode,
            understand=self.understand,
            infer=self.infer,
            correct=self.correct,
            choices=self.choices,
            facet_filters={name: _pick(pick) for name, pick in self.picks.items()},
            facets=tuple(dict.fromkeys(self.facets)),
            facet_limit=self.facet_limit,
            sort=tuple(Sort(by.column, by.descending) for by in self.sort),
            collapse=self.collapse,
            cap=BrandCap(self.cap.column, self.cap.most, self.cap.among) if self.cap else None,
            ranker=self.ranker,
            diversity=self.diversity.to_diversity() if self.diversity else None,
            rules=self.rules,
            offset=self.offset,
            limit=self.limit,
            fields=None if self.fields is None else tuple(dict.fromkeys(self.fields)),
            explain=self.explain,
        )


class SearchQuery(SearchOptions):
    """Search as the part of an address behind the question mark; lists repeat their name."""

    q: str | None = Field(None, description="The text to search for.", examples=["red shoes"])
    sort: list[Name] = Field(
        default_factory=list,
        max_length=8,
        description="Columns to order by, one of falling values with a minus before it.",
        examples=[["-price"]],
    )

    def to_body(self) -> SearchBody:
        """Return the same search as a body."""
        options = {name: getattr(self, name) for name in SearchOptions.model_fields}
        order = [
            SortBody.model_construct(column=name.removeprefix("-"), descending=name[0] == "-")
            for name in self.sort
        ]
        return SearchBody.model_construct(text=self.q, sort=order, **options)


PRODUCT_EXAMPLE: dict[str, Any] = {
    "product_id": "p1",
    "title": "Red shoe",
    "brand": "Nike",
    "price": 49.9,
    "attributes": {"colour": "red", "sizes": ["S", "M"]},
}


class ProductBody(BaseModel):
    """Product to write, which replaces one of equal id whole.

    Other columns of the catalogue may be sent under their names; one of lists (sizes) takes a
    list or a single value.
    """

    model_config = ConfigDict(
        extra="allow",
        allow_inf_nan=False,
        json_schema_extra={"examples": [PRODUCT_EXAMPLE]},
    )

    product_id: str = Field(min_length=1, max_length=512, pattern=r"\S")
    title: LongText | None = None
    description: LongText | None = None
    brand: LongText | None = None
    category: LongText | None = None
    attributes: dict[str, Any] | LongText | None = None
    price: float | None = None
    image: str | None = Field(None, max_length=1_000)
    images: list[Annotated[str, StringConstraints(max_length=1_000)]] | None = Field(
        None, max_length=64
    )
    group_id: str | None = Field(None, max_length=512)
    photo_base64: str | None = None


class ProductsBody(BaseModel):
    """Products to write."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"products": [PRODUCT_EXAMPLE]}]}
    )

    products: list[Any] = Field(max_length=MAX_IDS)


class DeleteBody(Body):
    """Ids of products to delete."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"product_ids": ["p1", "p2"]}]})

    product_ids: list[ProductId] = Field(max_length=MAX_IDS)


class RemovalBody(Body):
    """Product to delete, one line of a stream."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"product_id": "p1"}]})

    product_id: ProductId


class FeedbackBody(Body):
    """Event of a shopper on a result."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "search_id": "065204d5de544ad08e2e2f6c282d401f",
                    "product_id": "p1",
                    "position": 3,
                    "event": "click",
                }
            ]
        }
    )

    search_id: str = Field(pattern="^[0-9a-f]{32}$")
    product_id: ProductId
    position: int = Field(ge=1, le=2 * MAX_RESULTS, description="The result's `rank`.")
    event: Event


class JudgementBody(Body):
    """Grade that a person gave to a product for a query.

    A grade of null takes away the one that the judge gave before.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"query": "red shoes", "product_id": "p1", "grade": 3, "judge": "ann"}]
        }
    )

    query: str = Field(min_length=1, max_length=1_000, pattern=r"\S")
    product_id: ProductId
    grade: Grade | None
    judge: str = Field("", max_length=256)


class SwitchBody(Body):
    """Generation to search from now on; null is the current one of the index folder."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"generation": "g1"}]})

    generation: Name | None = None


def _pick(pick: PickValues | PickRange) -> FacetFilter:
    if isinstance(pick, PickValues):
        return FacetValues(tuple(pick.values))
    return FacetRange(pick.low, pick.high)
