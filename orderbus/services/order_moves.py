"""Orders are cancelled, held, released, shipped, delivered and changed, whichever door asks for it.

Each is one transaction, the caller's, with the order's row locked from the first look at it on:
status, lines, history, event and outbox pointer are written together, or none of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain import states
from orderbus.domain.states import Action, Cause, Fulfillment, Status
from orderbus.errors import Conflict, Fault, Invalid
from orderbus.services import orders
from orderbus.services.processing import ACTOR
from orderbus.storage.database import Connection, Database, after_commit
from orderbus.storage.events import Happened
from orderbus.storage.orders import Order

CHANGED: Final = "order.changed"
#: Members of an order's metadata, and bytes of it as JSON.
MOST_METADATA: Final = 50
LARGEST_METADATA: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks for a change, why, and which sequence of the order they saw last, if they say.

    To a ``customer`` there are no orders but their own.
    """

    actor: str
    customer: UUID | None = None
    traceparent: str | None = None
    reason: str | None = None
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """How much of a line leaves; lines are counted from 1."""

    line: int
    quantity: int


async def cancel(
    connection: Connection, id_or_ref: str, asked: Asked, *, cause: Cause | None = None
) -> Order:
    """Cancel an order of which nothing has left, and show it as it is then; a hold on it ends.

    A customer does so for a cause of their own, while nobody has begun with it. Raises
    ``NotFound``, ``IllegalMove``; ``Changed`` where it is no longer as it was seen.
    """
    order = await orders.lock_as_seen(connection, id_or_ref, asked.seen, customer=asked.customer)
    if asked.customer is not None:
        states.see_that_a_customer_may_cancel(order.state)
        cause = Cause.CUSTOMER
    says = {"cause": cause} if cause else {}
    sets = {"cancel_cause": cause} if cause else {}
    await _move(connection, order, Action.CANCEL, asked, beside=says, details=says, sets=sets)
    if order.on_hold:
        await _wake(connection, order)
    return await _shown(connection, order)


async def hold(connection: Connection, id_or_ref: str, asked: Asked) -> Order:
    """Keep an order from being processed and shipped; what is under way comes to its end.

    Raises as ``cancel`` does.
    """
    order = await orders.lock_as_seen(connection, id_or_ref, asked.seen)
    await _move(connection, order, Action.HOLD, asked)
    return await _shown(connection, order)


async def release(connection: Connection, id_or_ref: str, asked: Asked) -> Order:
    """Let an order go on that was held, at once; raises as ``cancel`` does."""
    order = await orders.lock_as_seen(connection, id_or_ref, asked.seen)
    await _move(connection, order, Action.RELEASE, asked)
    await _wake(connection, order)
    return await _shown(connection, order)


async def ship(
    connection: Connection,
    id_or_ref: str,
    asked: Asked,
    *,
    lines: Sequence[Leaving] | None = None,
    though_cancelled: bool = False,
) -> Order:
    """Note that some of an order's lines have left, or all that had not; never more than ordered.

    What left ``though_cancelled`` has to be said to have: who is about to send it is refused, and
    keeps it. An event of its own tells of it. Raises as ``cancel`` does; ``Invalid`` for a line
    that is none, ``Conflict`` for more than is left.
    """
    order = await orders.lock_as_seen(connection, id_or_ref, asked.seen)
    states.move(order.state, Action.SHIP)
    is_cancelled = order.status is Status.CANCELLED
    if is_cancelled and not though_cancelled:
        message = "An order that is cancelled does not leave; what has left is though_cancelled"
        raise states.illegal(message, order.state, source=order.status, target=Fulfillment.SHIPPED)
    leaving = _leaving(order, lines)
    is_all = all(item.shipped + leaving.get(item.line, 0) == item.quantity for item in order.items)
    action = Action.SHIP if is_all or is_cancelled else Action.SHIP_SOME
    await storage.order_moves.note_shipped(connection, order.order_pk, leaving)
    await _move(
        *(connection, order, action, asked),
        beside={"shipment": {"lines": _lines(order, leaving)}},
        details={"lines": {str(line): quantity for line, quantity in leaving.items()}},
        also=states.SHIPPED_THOUGH_CANCELLED if is_cancelled else None,
    )
    if is_cancelled:
        after_commit(connection, partial(_warn, order))
    return await _shown(connection, order)


async def deliver(connection: Connection, id_or_ref: str, asked: Asked) -> Order:
    """Note that an order that was shipped has arrived; raises as ``cancel`` does."""
    order = await orders.lock_as_seen(connection, id_or_ref, asked.seen)
    await _move(connection, order, Action.DELIVER, asked)
    return await _shown(connection, order)


async def change(
    connection: Connection,
    id_or_ref: str,
    asked: Asked,
    *,
    shipping_address: str | None = None,
    metadata: Mapping[str, str | int | bool | None] | None = None,
) -> Order:
    """Give an order another address, while some of it has not left, or other metadata.

    Of ``metadata`` each member is set, or taken away where it is None; the others stay. What
    changes nothing is no event. Raises as ``cancel`` does; ``Conflict`` where the address is of no
    use any more, ``Invalid`` for too much metadata.
    """
    order = await orders.lock_as_seen(connection, id_or_ref, asked.seen)
    sets: dict[str, Any] = {}
    if shipping_address is not None and shipping_address != order.shipping_address:
        _see_that_some_stays(order)
        sets["shipping_address"] = shipping_address
    merged = _merged(order.metadata, metadata or {})
    if merged != order.metadata:
        sets["metadata"] = merged
    if not sets:
        return order
    changed = Happened(
        order.order_pk,
        CHANGED,
        asked.actor,
        content={**orders.content_of(order), **sets},
        details={"changed": sorted(sets), **({"reason": asked.reason} if asked.reason else {})},
        traceparent=asked.traceparent,
        request_id=telemetry.request_id(),
        sets=sets,
    )
    await orders.move(connection, [changed])
    return await _shown(connection, order)


async def _move(
    connection: Connection,
    order: Order,
    action: Action,
    asked: Asked,
    **more: Any,  # noqa: ANN401 - as ``orders.moving`` takes it
) -> None:
    happened = orders.moving(
        *(order, action, asked.actor),
        reason=asked.reason,
        traceparent=asked.traceparent,
        request_id=telemetry.request_id(),
        **more,
    )
    await orders.move(connection, [happened])


async def _wake(connection: Connection, order: Order) -> None:
    """Let the processor look at an order again that it has put off."""
    await storage.processing.wake(connection, ACTOR, order.order_pk)


async def _shown(connection: Connection, order: Order) -> Order:
    return await storage.orders.get(connection, str(order.order_id))


def _leaving(order: Order, lines: Sequence[Leaving] | None) -> dict[int, int]:
    """Say how much of which line leaves; raises as ``ship`` does."""
    left = {item.line: item.quantity - item.shipped for item in order.items}
    if lines is None:
        return {line: quantity for line, quantity in left.items() if quantity}
    leaving: dict[int, int] = {}
    for number, each in enumerate(lines):
        if each.line not in left or each.line in leaving:
            what = "is given twice" if each.line in leaving else "is no line of the order"
            fault = Fault(f"/lines/{number}/line", "line", f"is {each.line}: {what}")
            raise Invalid(f"The request is not valid: lines/{number}/line {fault.detail}", [fault])
        if each.quantity > left[each.line]:
            message = f"Of line {each.line} there are {left[each.line]} left, not {each.quantity}"
            raise Conflict(message)
        leaving[each.line] = each.quantity
    return leaving


def _lines(order: Order, leaving: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {"line": item.line, "sku": item.sku, "quantity": leaving[item.line]}
        for item in order.items
        if item.line in leaving
    ]


def _warn(order: Order, _: Database) -> None:
    about = {"order_id": str(order.order_id), "external_ref": order.external_ref}
    telemetry.log.warning("order_shipped_though_cancelled", **about)


def _see_that_some_stays(order: Order) -> None:
    to_leave = {Fulfillment.PENDING, Fulfillment.PARTIALLY_SHIPPED}
    if order.status is Status.CANCELLED or order.fulfillment_status not in to_leave:
        is_now = Status.CANCELLED if order.status is Status.CANCELLED else order.fulfillment_status
        raise Conflict(f"An order that is {is_now} goes to no other address")


def _merged(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in {**kept, **given}.items() if value is not None}
    size = len(json.dumps(merged, ensure_ascii=False).encode())
    if len(merged) > MOST_METADATA or size > LARGEST_METADATA:
        message = (
            f"metadata would have {len(merged)} members in {size} bytes:"
            f" at most {MOST_METADATA} in {LARGEST_METADATA}"
        )
        raise Invalid(message, [Fault("/metadata", "too_large", message)])
    return merged
