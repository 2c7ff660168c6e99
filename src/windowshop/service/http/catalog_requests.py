"""Requests of the Universal Commerce Protocol for a catalogue; what else they say is ignored."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_IDS = 100
"""Most products of one lookup."""
Id = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Category = Annotated[str, StringConstraints(max_length=500)]
Amount = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Money in the smallest unit of its currency, as cents."""


class _Part(BaseModel):
    """Part of a request, open to fields of later versions."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Context(_Part):
    """Buyer's situation, of which the currency counts."""

    currency: str | None = None


class PriceFilter(_Part):
    """Range of prices in the context's currency, both ends included."""

    min: Amount | None = None
    max: Amount | None = None


class Filters(_Part):
    """Conditions that a product meets all of."""

    categories: Annotated[list[Category] | None, Field(max_length=100)] = None
    """Categories, of which one holds the product."""
    price: PriceFilter | None = None


class Paging(_Part):
    """Page of a search: its size, and where the one before ended."""

    cursor: Annotated[str | None, Field(pattern=r"^\d{1,5}$")] = None
    limit: Annotated[int, Field(ge=1, description="Products of a page, 100 at most.")] = 10


class CatalogSearch(_Part):
    """Search of a catalogue."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "query": "red shoe",
                    "context": {"currency": "EUR"},
                    "filters": {"price": {"max": 50_000}},
                    "pagination": {"limit": 5},
                }
            ]
        },
    )

    query: str | None = Field(None, max_length=4_096)
    context: Context = Context()
    filters: Filters = Filters()
    pagination: Paging = Paging()


class CatalogLookup(_Part):
    """Lookup of products and variants by their ids."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"ids": ["p1"]}]})

    ids: list[Id] = Field(min_length=1, max_length=MAX_IDS)


class SelectedOption(_Part):
    """Choice of a variant, for example Size: M."""

    name: str
    label: str


class CatalogProduct(_Part):
    """Question for one product, with the options that are chosen so far."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"id": "p1"}]})

    id: Id
    selected: list[SelectedOption] = Field(default_factory=list, max_length=32)
    preferences: list[str] = Field(
        default_factory=list,
        max_length=32,
        description="Options in order of importance; the last are given up first.",
    )
