"""Orders as they are answered, and what may be sent to change one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal
from uuid import UUID

from pydantic import AliasPath, BaseModel, Field

from orderbus import services, storage
from orderbus.domain import states
from orderbus.domain.states import Cause, Fulfillment, Status
from orderbus.storage.journey import JourneyEvent
from orderbus.web.schemas.fields import Amount, Body, Hash, Id, Moment, Reference

_REFERENCE = AliasPath("order", "external_ref")


class Accepted(Body):
    """The order is committed."""

    ok: Literal[True] = Field(examples=[True])
    order_id: Reference


class Customer(Body):
    """Who ordered; what the source does not ask for is empty."""

    name: str = Field(examples=["Jane Doe"])
    email: str = Field(examples=["jane@example.com"])
    ref: str = Field("", description="the sender's own name for the customer; absent without one")
    id: UUID | None = Field(None, description="of a customer who signs in here; absent without one")


class OrderItem(Body):
    """One line item; prices are in the order's one currency."""

    line: int = Field(ge=1, description="counted from 1", examples=[1])
    sku: str = Field(examples=["ABC123"])
    name: str = Field(examples=["Solar Panel"])
    quantity: int = Field(ge=1, examples=[2])
    unit_price: Amount
    shipped: int = Field(ge=0, description="how many have left", examples=[0])
    product: UUID | None = Field(None, description="which it names by its uuid; absent without one")


class Order(Body):
    """An order with both its names: our uuid, and the sender's reference."""

    id: Id
    external_ref: Reference
    order_id: str = Field(description="external_ref, for older clients", examples=["SO-10045"])
    customer: Customer
    items: list[OrderItem]
    shipping_address: str = Field(examples=["123 Main St, Austin, TX 78701"])
    total: Amount
    source: str = Field(
        description="where it came in: webhook, api, cart or catalog", examples=["api"]
    )
    status: Status
    reason: str | None = Field(description="why it failed or was cancelled")
    cause: Cause | None = Field(description="why it was cancelled, as a word")
    fulfillment_status: Fulfillment = Field(description="what of it has left")
    on_hold: bool = Field(description="held: it is neither processed nor shipped")
    hold_reason: str | None
    metadata: dict[str, str | int | bool] = Field(examples=[{"gift": True}])
    allowed_actions: list[Literal["cancel", "retry", "hold", "release", "ship", "deliver"]]
    cart_uuid: UUID | None = Field(description="the cart that became this order")
    created_at: Moment
    sequence: int = Field(ge=1, description="number of its newest event; also its ETag")

    @classmethod
    def of(cls, order: storage.orders.Order, *, is_own: bool = False) -> Order:
        """Write an order as it is answered, to whoever it belongs to or to the house."""
        allowed = states.offered_to_customer if is_own else states.offered_actions
        members = {
            "id": order.order_id,
            "external_ref": order.external_ref,
            **services.orders.content_of(order),
            "items": [_line(item) for item in order.items],
            "reason": order.status_reason,
            "cause": order.cancel_cause,
            "hold_reason": None if is_own else order.hold_reason,
            "metadata": order.metadata,
            "allowed_actions": allowed(order.state),
            "cart_uuid": order.cart_uuid,
            "created_at": order.created_at,
            "sequence": order.event_seq,
        }
        return cls.model_validate(members)

    def etag(self) -> str:
        """Write which version of the order this is."""
        return f'"{self.sequence}"'


def _line(item: storage.orders.OrderItem) -> dict[str, Any]:
    line = asdict(item)
    if item.product is None:
        del line["product"]
    return line


class OrderPage(Body):
    """A page of orders, from the newest on."""

    items: list[Order]
    next_cursor: str | None = Field(description="the cursor of the next page; null on the last")


class OrderInBrief(Body):
    """An order as the source document lists it."""

    uuid: Id = Field(validation_alias="order_id")
    cart_uuid: UUID | None
    price: Amount = Field(validation_alias="total")
    created_at: Moment


class OrdersInBrief(Body):
    """All orders, from the oldest on."""

    orders: list[OrderInBrief]


class HistoryEntry(Body):
    """One event of an order."""

    sequence: int = Field(ge=1)
    type: str = Field(examples=["order.created"])
    actor: str = Field(description="who did it", examples=["webhook"])
    at: Moment
    event_id: Id
    details: dict[str, Any] = Field(description="such as from, to and reason")


class ConflictEntry(Body):
    """Another content that was sent under the order's reference; it was not taken."""

    kept_hash: Hash
    content_hash: Hash
    total: Amount
    lines: int = Field(description="how many lines it has")
    answered: Literal["refused", "kept_first"] = Field(description="409, or 200 all the same")
    actor: str = Field(description="who sent it last", examples=["webhook"])
    request_id: str | None = Field(description="the Correlation-ID of the last time")
    times: int = Field(ge=1)
    first_at: Moment
    last_at: Moment


class History(Body):
    """Who did what to an order, and when."""

    id: Id = Field(validation_alias=AliasPath("order", "order_id"))
    external_ref: Reference = Field(validation_alias=_REFERENCE)
    order_id: str = Field(
        validation_alias=_REFERENCE,
        description="external_ref, for older clients",
        examples=["SO-10045"],
    )
    history: list[HistoryEntry] = Field(validation_alias="entries")
    conflicts: list[ConflictEntry] = Field(
        description="other contents under its reference, the first 20 of them"
    )


class Journey(Body):
    """Every event of an order, with its publications, consumptions, deliveries and attempts."""

    id: Id = Field(validation_alias="order_id")
    external_ref: Reference
    order_id: Id = Field(description="id, for older clients")
    events: Sequence[JourneyEvent]


class Change(BaseModel):
    """What is sent to change an order: all of it may be left out."""
