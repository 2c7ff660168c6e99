"""Events of shoppers as other systems send them: User Behavior Insights 1.3, and InstantSearch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator
from pydantic.alias_generators import to_camel

from windowshop.data import action_of

MAX_EVENTS = 1_000
"""Most events of one call."""
MAX_OBJECTS = 100
BIG = 2**31
Text = Annotated[str, Field(max_length=1_024)]


@dataclass(frozen=True, slots=True)
class Report:
    """Action of a shopper on a product, as an event says it; texts are empty where it does not."""

    action: str
    search_id: str
    product_id: str
    position: int | None
    """Place in the answer, from 1; None where the event does not say."""


class _Part(BaseModel):
    """Part of an event, open to what has no meaning here."""

    model_config = ConfigDict(extra="allow", frozen=True)


class UbiObject(_Part):
    """Product that an event is about."""

    object_id: Text = ""


class UbiPosition(_Part):
    """Place where it stood."""

    ordinal: Annotated[int, Field(ge=-BIG, le=BIG)] | None = None


class UbiAttributes(_Part):
    """Attributes of an event."""

    object: UbiObject | None = None
    position: UbiPosition | None = None


class UbiEvent(_Part):
    """Event as UBI 1.3 has it (github.com/o19s/ubi)."""

    action_name: Text
    query_id: Text | None = None
    event_attributes: UbiAttributes | None = None

    def reports(self) -> Iterator[Report]:
        """Yield what the event says."""
        attributes = self.event_attributes or UbiAttributes()
        product = attributes.object.object_id if attributes.object else ""
        place = attributes.position.ordinal if attributes.position else None
        action = action_of(self.action_name) or self.action_name
        yield Report(action, self.query_id or "", product, place)


class UbiBody(RootModel[Annotated[list[UbiEvent], Field(max_length=MAX_EVENTS)]]):
    """Events of shoppers: one, or a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                [
                    {
                        "action_name": "click",
                        "query_id": "065204d5de544ad08e2e2f6c282d401f",
                        "client_id": "visitor-1",
                        "timestamp": "2026-01-31T12:00:00Z",
                        "event_attributes": {
                            "object": {"object_id": "p1", "object_id_field": "product_id"},
                            "position": {"ordinal": 1},
                        },
                    }
                ]
            ]
        }
    )

    @field_validator("root", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        """Read one event as a list of it."""
        return [given] if isinstance(given, dict) else given


class InsightsEvent(BaseModel):
    """Event as `search-insights` sends it."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel)

    event_type: Text
    event_subtype: Text | None = None
    query_id: Text | None = Field(None, alias="queryID")
    object_ids: Annotated[list[Text], Field(max_length=MAX_OBJECTS)] | None = Field(
        None, alias="objectIDs"
    )
    positions: (
        Annotated[list[Annotated[int, Field(ge=-BIG, le=BIG)]], Field(max_length=MAX_OBJECTS)]
        | None
    ) = None
    object_data: Annotated[list[dict[str, Any]], Field(max_length=MAX_OBJECTS)] | None = None

    def reports(self) -> Iterator[Report]:
        """Yield what the event says, a product each; a purchase may name a search for each."""
        kind = self.event_subtype if self.event_type == "conversion" else self.event_type
        action = action_of(kind or "conversion") or ""
        for place, name in enumerate(self.object_ids or ()):
            positions, data = self.positions or (), self.object_data or ()
            own = data[place].get("queryID") if place < len(data) else None
            position = positions[place] if place < len(positions) else None
            yield Report(action, str(own or self.query_id or ""), name, position)


class InsightsBody(BaseModel):
    """Events of InstantSearch front ends."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "eventType": "click",
                            "eventName": "Product clicked",
                            "index": "products",
                            "userToken": "visitor-1",
                            "queryID": "065204d5de544ad08e2e2f6c282d401f",
                            "objectIDs": ["p1"],
                            "positions": [1],
                        }
                    ]
                }
            ]
        },
    )

    events: list[InsightsEvent] = Field(max_length=MAX_EVENTS)
