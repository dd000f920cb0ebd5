"""Deliveries as they are answered, and what may be sent to act on one."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orderbus.services.delivery_lists import History
from orderbus.web.schemas.fields import Body, Id, Moment, Reason, RequiredReason


class Delivery(Body):
    """What an endpoint is owed or has got: one event, how far it is, and its last attempt."""

    id: int = Field(ge=1)
    state: Literal["pending", "held", "delivered", "dead", "skipped"]
    external_ref: str | None = Field(description="the sender's reference of the order")
    order_id: UUID | None
    sequence: int = Field(ge=1)
    type: str | None = Field(examples=["order.created"])
    event_id: Id = Field(description="also its webhook-id")
    endpoint_id: Id
    url: str
    attempts: int = Field(ge=0, description="charged since its schedule began")
    last_status: int | None
    last_error: str | None
    occurred_at: Moment
    created_at: Moment
    due_at: Moment | None = Field(description="null where it waits for another")
    waits_for: int | None = Field(description="the delivery of its order that goes first")
    under_way_until: Moment | None = Field(description="a worker attempts it, until then at most")
    settled_at: Moment | None
    decided_by: str | None = Field(description="who skipped it or had it sent once more")
    decided_reason: str | None
    resent_at: Moment | None = Field(description="since when it was to be sent once more")


class DeliveryPage(Body):
    """A page of deliveries; it may hold few though the list goes on."""

    items: list[Delivery]
    next_cursor: str | None = Field(description="the cursor of the next page; null on the last")


def _text(head: object) -> object:
    return head.decode("utf-8", "backslashreplace") if isinstance(head, bytes) else head


class Attempt(Body):
    """One POST to the endpoint."""

    number: int = Field(ge=1)
    started_at: Moment
    finished_at: Moment | None
    outcome: str | None = Field(description="delivered, failed, not_charged or unknown")
    status: int | None
    error: str | None
    detail: str | None
    address: str | None
    duration_ms: float | None
    head: Annotated[str | None, BeforeValidator(_text)] = Field(
        description="the beginning of what was answered"
    )


class DeliveryHistory(Delivery):
    """A delivery and every attempt at it, the first one first."""

    attempts_made: list[Attempt]

    @classmethod
    def with_attempts(cls, found: History) -> DeliveryHistory:
        """Write a delivery with its attempts."""
        shown = Delivery.of(found.delivery)
        made = [Attempt.of(each) for each in found.attempts]
        return cls(**dict(shown), attempts_made=made)


class Retry(BaseModel):
    """Why, if anybody says so; it is kept in the audit trail."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "they lost it"}}
    )

    reason: Reason = None


class Skip(BaseModel):
    """Why nobody shall have it; it is kept with the delivery."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "agreed with them"}}
    )

    reason: RequiredReason
