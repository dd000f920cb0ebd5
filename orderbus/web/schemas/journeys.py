"""The journey of an order: every hop of each of its events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from orderbus import storage
from orderbus.web.schemas.fields import Body, Id, Reference

#: PostgreSQL writes these itself.
_Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Attempt(Body):
    """One POST to an endpoint."""

    number: int = Field(ge=1)
    started_at: _Moment
    finished_at: _Moment | None
    outcome: Literal["delivered", "failed", "not_charged", "unknown"] | None
    status: int | None = Field(description="what the endpoint answered, if it did")
    error: str | None
    detail: str | None
    address: str | None = Field(description="which address of its host was asked")
    duration_ms: float | None


class Delivery(Body):
    """What became of an event at one endpoint."""

    id: int
    endpoint: Id
    url: str
    disabled_at: _Moment | None = Field(description="since when the endpoint gets nothing more")
    disabled_reason: str | None
    state: str = Field(examples=["delivered"])
    due_at: _Moment = Field(description="when the next attempt is due")
    delivered_at: _Moment | None
    attempts: list[Attempt]


class Consumption(Body):
    """What became of an event at one consumer."""

    consumer: str
    state: str = Field(examples=["done"])
    attempts: int
    error: str | None
    settled_at: _Moment | None


class JourneyEvent(Body):
    """One event of the order, and how far it came."""

    event_id: Id
    type: str = Field(examples=["order.created"])
    sequence: int = Field(ge=1)
    actor: str = Field(description="who did it", examples=["webhook"])
    details: dict[str, Any]
    occurred_at: _Moment
    state: Literal["unpublished", "published", "parked", "returned", "archived"]
    publishes: int | None = Field(description="how often it was published to Pub/Sub")
    message_id: str | None = Field(description="what Pub/Sub calls it")
    published_at: _Moment | None
    received_at: _Moment | None = Field(description="when it came back from Pub/Sub")
    consumptions: list[Consumption]
    deliveries: list[Delivery]


class Journey(Body):
    """Every event of an order, with its publications, consumptions, deliveries and attempts."""

    id: Id
    external_ref: Reference
    order_id: str = Field(description="id, for older clients")
    events: list[JourneyEvent]

    @classmethod
    def of(cls, journey: storage.journey.Journey) -> Journey:
        """Write a journey as it is answered."""
        members = {"id": journey.order_id, "external_ref": journey.external_ref}
        members |= {"order_id": str(journey.order_id), "events": journey.events}
        return cls.model_validate(members, from_attributes=True)
