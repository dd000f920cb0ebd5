"""What orders say of a customer who is erased is taken out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.services import orders
from orderbus.services.order_moves import CHANGED
from orderbus.storage.database import Connection
from orderbus.storage.events import Happened
from orderbus.storage.orders import Order

#: Orders that are changed by one statement.
_AT_MOST: Final = 100
#: What of an order may say who it is for, and what is kept of it.
_NOTHING: Final[Mapping[str, Any]] = {
    "customer_name": "",
    "customer_email": "",
    "customer_ref": None,
    "shipping_address": "",
    "metadata": {},
}


async def forget(connection: Connection, customer: UUID, *, actor: str) -> None:
    """Take name, e-mail, address and metadata out of a customer's orders, removed ones too.

    Each order that had any of it tells so by an event, ``order.changed``, which has nothing of it;
    events of before are as they were, since nobody rewrites what happened, and go with their day.
    """
    while found := await storage.erasing.list_personal(connection, customer, at_most=_AT_MOST):
        locked = await storage.orders.lock_all(
            connection, [order.order_id for order in found], wait=True
        )
        await orders.move(connection, [_forgetting(order, actor) for order in locked])


def _forgetting(order: Order, actor: str) -> Happened:
    left = replace(order, **_NOTHING)
    what = [name for name, value in _NOTHING.items() if getattr(order, name) != value]
    return Happened(
        order.order_pk,
        CHANGED,
        actor,
        content=orders.content_of(left),
        details={"changed": sorted(what), "reason": "the customer was erased"},
        request_id=telemetry.request_id(),
        sets=_NOTHING,
    )
