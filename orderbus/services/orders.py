"""Orders are accepted, and moved; whichever door asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from orderbus import storage, telemetry
from orderbus.domain import json, states
from orderbus.domain.orders import Customer, OrderId, PlaceOrder, content_hash
from orderbus.domain.states import Action, Axis, Hold, Status
from orderbus.errors import Changed, KeyReused, OutOfStock, Unavailable
from orderbus.services import allocating, conflicts
from orderbus.services.shared import Together
from orderbus.storage.conflicts import Answered
from orderbus.storage.database import Connection, Database, after_commit
from orderbus.storage.events import Happened
from orderbus.storage.orders import Kept, New, Order

#: Orders of one statement.
_AT_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that is stored; ``created`` is false where it had been stored before."""

    order_id: OrderId
    external_ref: str
    created_at: datetime
    created: bool = True
    #: It had been stored with another content, which was kept.
    differs: bool = False


class Accepting:
    """Stores orders that come at the same time in one statement; one that comes alone at once."""

    def __init__(
        self, database: Database, *, keeps_first: bool = False, allocates: bool = False
    ) -> None:
        """Refuse another content under the reference of an order, or keep the first, silently.

        It ``allocates`` what known products an order names, all of it, or refuses the order.
        """
        self._database = database
        self._keeps_first = keeps_first
        self._add = allocating.add if allocates else storage.orders.add
        self._together = Together(self._store, at_most=_AT_MOST)

    async def accept(self, order: PlaceOrder, *, traceparent: str | None) -> Placed:
        """Store an order as ``accept`` does, in a statement that it may share with others.

        Another content is noted in the history of the order that has its reference. Raises
        ``OutOfStock``, too.
        """
        new = to_store(order, traceparent=traceparent)
        created_at = await self._together.hand_in(new)
        if isinstance(created_at, Sequence):  # others of its statement may have gone without, too
            created_at = await self._database.ask(allocating.add_alone, new)
        if isinstance(created_at, Sequence):
            raise OutOfStock("There is too little in stock", short=created_at)
        if created_at is None:
            kept = await self._database.ask(_same_again, new)
            return await self._conflict(order, kept) if kept.differs else kept
        placed = Placed(new.order_id, order.external_ref, created_at)
        announce(placed, None, self._database)
        return placed

    async def _conflict(self, sent: PlaceOrder, kept: Placed) -> Placed:
        answered: Answered = "kept_first" if self._keeps_first else "refused"
        await conflicts.note(
            self._database, kept.order_id, sent, answered=answered, actor=sent.source
        )
        if not self._keeps_first:
            raise conflicts.refusal(kept.order_id, kept.external_ref)
        return kept

    async def _store(self, new: Sequence[New]) -> Sequence[allocating.Answer]:
        return await self._database.ask(self._add, new)


async def accept(
    connection: Connection,
    order: PlaceOrder,
    *,
    traceparent: str | None,
    order_id: OrderId | None = None,
    actor: str | None = None,
) -> Placed:
    """Store an order with its first event and outbox pointer, for whichever door it came by.

    Once that is committed, it is counted and logged, and the dispatcher woken. One round trip; a
    second one only where the order was there before. ``actor`` is who placed it, if that is neither
    its source nor who closed its cart. Raises ``OtherContent`` where the reference stands for
    another content, ``KeyReused`` where the idempotency key does, ``Unavailable``.
    """
    new = to_store(order, traceparent=traceparent, order_id=order_id, actor=actor)
    (created_at,) = await storage.orders.add(connection, [new])
    return await settle(connection, new, created_at)


async def settle(connection: Connection, new: New, created_at: datetime | None) -> Placed:
    """Say what became of an order that was to be stored: None, that it could not be. As above."""
    order = new.order
    if created_at is None:
        kept = await _same_again(connection, new)
        if kept.differs:
            raise conflicts.refusal(kept.order_id, kept.external_ref)
        return kept
    placed = Placed(new.order_id, order.external_ref, created_at)
    after_commit(connection, partial(announce, placed, order.cart_uuid))
    return placed


def to_store(
    order: PlaceOrder,
    *,
    traceparent: str | None,
    order_id: OrderId | None = None,
    actor: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> New:
    """Write an order as it is stored, with its first event; ``details`` go into its history."""
    canonical = order.canonical()
    return New(
        order_id=order_id or OrderId(uuid4()),
        order=order,
        content_hash=content_hash(canonical),
        # What was ordered is written as JSON once; an event says two things more of it.
        content=f'{canonical[:-1]},"source":"{order.source}","status":"{Status.CREATED}"}}',
        details=_details(order, details or {}),
        actor=actor,
        traceparent=traceparent,
        request_id=telemetry.request_id(),
    )


def announce(placed: Placed, cart_uuid: UUID | None, _: Database) -> None:
    """Count and log an order that is committed."""
    telemetry.ACCEPTED.inc()
    of_cart = {} if cart_uuid is None else {"cart_uuid": str(cart_uuid)}
    telemetry.log.info(
        "order_accepted", order_id=str(placed.order_id), external_ref=placed.external_ref, **of_cart
    )


def _details(order: PlaceOrder, more: Mapping[str, Any]) -> str:
    """Note in the history where the total is not the sum of priced lines; it may well be right."""
    items_total = order.items_total()
    if items_total in {order.total, 0}:
        return json.dumps(more) if more else "{}"
    return json.dumps({"items_total": f"{items_total:.2f}", **more})


async def is_there(connection: Connection, new: New) -> bool:
    """Say whether an order has the reference or the idempotency key of one that is to be stored."""
    return bool(await _taken(connection, new.order))


async def _taken(connection: Connection, order: PlaceOrder) -> list[Kept]:
    return await storage.orders.find_taken(
        connection,
        source=order.source,
        external_ref=order.external_ref,
        idempotency_key=order.idempotency_key,
    )


async def _same_again(connection: Connection, new: New) -> Placed:
    order = new.order
    taken = await _taken(connection, order)
    for kept in taken:
        differs = kept.content_hash != new.content_hash
        if not differs or kept.external_ref == order.external_ref:
            return Placed(
                kept.order_id, kept.external_ref, kept.created_at, created=False, differs=differs
            )
    if taken:
        raise KeyReused("This idempotency key was used with another content")
    raise Unavailable("The order could not be stored just now")


async def lock_as_seen(
    connection: Connection, id_or_ref: str, seen: int | None, *, customer: UUID | None = None
) -> Order:
    """Lock an order for a change, the ``customer``'s own if one is given; raises ``NotFound``.

    ``Changed`` where it is no longer as the caller saw it last, in sequence ``seen``.
    """
    order = await storage.orders.lock(connection, id_or_ref, customer=customer)
    if seen is not None and seen != order.event_seq:
        message = f'If-Match names another version of the order: its ETag is "{order.event_seq}"'
        raise Changed(message)
    return order


def moving(
    order: Order,
    action: Action,
    actor: str,
    *,
    reason: str | None = None,
    beside: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    sets: Mapping[str, Any] | None = None,
    **more: Any,  # noqa: ANN401 - as there
) -> Happened:
    """Say what happens to an order whose row is locked; raises ``IllegalMove``.

    ``beside`` is what its events carry beside the order, and ``details`` what its history tells
    beside the move; for ``sets`` and ``more`` see ``Happened``.
    """
    found = states.move(order.state, action)
    to = {found.axis: found.target}
    if action in states.FOLLOWS:
        axis, _, target = states.FOLLOWS[action]
        to[axis] = target
    status = to.pop(Axis.STATUS, None)
    new = _columns(to, ends_hold=action is Action.CANCEL and order.on_hold, reason=reason)
    says = {"status": status or order.status, **new}
    says.pop("hold_reason", None)
    why = {"reason": reason} if reason else {}
    return Happened(
        order.order_pk,
        found.event,
        actor,
        content={**content_of(order), **says, **(beside or {})},
        details={"from": order.state.at(found.axis), "to": found.target, **why, **(details or {})},
        status=status,
        reason=reason if status else None,
        sets={**new, **(sets or {})},
        **more,
    )


def _columns(to: Mapping[Axis, str], *, ends_hold: bool, reason: str | None) -> dict[str, Any]:
    """Name the columns that a move changes, but for that of the status."""
    new: dict[str, Any] = {}
    if Axis.FULFILLMENT in to:
        new["fulfillment_status"] = to[Axis.FULFILLMENT]
    if Axis.HOLD in to or ends_hold:
        held = to.get(Axis.HOLD) == Hold.HELD
        new |= {"on_hold": held, "hold_reason": reason if held else None}
    return new


async def move(connection: Connection, moves: Sequence[Happened]) -> list[int]:
    """Move orders, with history, event and outbox pointer; their new sequences.

    Every move of every axis comes by here, in the transaction of whatever it moves along: what else
    has to follow from one, such as stock, is moved here.
    """
    sequences = await storage.events.append(connection, moves)
    await allocating.follow(connection, moves)
    after_commit(connection, partial(_count, moves))
    return sequences


def _count(moves: Sequence[Happened], _: Database) -> None:
    for each in moves:
        if "to" in each.details:
            telemetry.MOVES.labels(source=each.details["from"], target=each.details["to"]).inc()


def content_of(order: Order) -> dict[str, Any]:
    """Write what an event says of an order, as JSON values; there ``order_id`` is the reference."""
    customer = Customer(
        order.customer_name, order.customer_email, order.customer_ref, order.customer_id
    )
    return {
        "order_id": order.external_ref,
        "customer": customer.content(),
        "items": [
            {
                "sku": item.sku,
                "name": item.name,
                "quantity": item.quantity,
                "unit_price": str(item.unit_price),
                **({} if item.product is None else {"product": item.product}),
            }
            for item in order.items
        ],
        "shipping_address": order.shipping_address,
        "total": str(order.total),
        "source": order.source,
        "status": order.status,
        "fulfillment_status": order.fulfillment_status,
        "on_hold": order.on_hold,
        **({"metadata": order.metadata} if order.metadata else {}),
    }
