"""Orders are listed, and their histories and journeys shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from orderbus import storage
from orderbus.domain.rights import Caller
from orderbus.storage.conflicts import Conflict
from orderbus.storage.database import Database
from orderbus.storage.events import HistoryEntry
from orderbus.storage.journey import Journey
from orderbus.storage.order_lists import Filter
from orderbus.storage.orders import Order

#: Whoever did something that was not the customer, as they are told.
_THE_SHOP: Final = "shop"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of orders, and the row behind which the next begins, if there is one."""

    orders: Sequence[Order]
    next_position: int | None


async def list_page(
    database: Database, wanted: Filter, *, position: int | None, at_most: int
) -> Page:
    """List orders from the newest or the oldest on; raises ``Unavailable``."""
    async with database.connection() as connection:
        found = await storage.order_lists.list_page(
            connection, wanted, position=position, at_most=at_most + 1
        )
    page = found[:at_most]
    return Page(page, page[-1].order_pk if len(found) > at_most else None)


@dataclass(frozen=True, slots=True)
class History:
    """An order, and what was done to it, oldest first; and what else was sent in its name."""

    order: Order
    entries: Sequence[HistoryEntry]
    conflicts: Sequence[Conflict]


async def history(database: Database, id_or_ref: str, *, only: Caller | None = None) -> History:
    """List who did what to an order, and when.

    ``only`` is a customer who sees their own orders alone: whoever else did something is nobody
    they know, and what others sent is not theirs to see. Raises ``NotFound``, ``Unavailable``.
    """
    async with database.connection() as connection:
        customer = None if only is None else only.customer
        order = await storage.orders.get(connection, id_or_ref, customer=customer)
        entries = await storage.events.history(connection, order.order_id)
        if only is not None:
            return History(order, [_as_seen_by(only, entry) for entry in entries], [])
        return History(order, entries, await storage.conflicts.list_of(connection, order.order_pk))


def _as_seen_by(customer: Caller, entry: HistoryEntry) -> HistoryEntry:
    """Name nobody of the house; of what was noted beside a move, tell where it led."""
    details = {name: entry.details[name] for name in ("from", "to") if name in entry.details}
    actor = entry.actor if entry.actor == customer.name else _THE_SHOP
    return replace(entry, actor=actor, details=details)


async def journey(database: Database, id_or_ref: str) -> Journey:
    """Show every hop of an order's events. Raises ``NotFound``, ``Unavailable``."""
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
        return await storage.journey.get(connection, order.order_id)
