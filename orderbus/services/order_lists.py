"""Orders are listed, and their histories and journeys shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderbus import storage
from orderbus.storage.conflicts import Conflict
from orderbus.storage.database import Database
from orderbus.storage.events import HistoryEntry
from orderbus.storage.journey import Journey
from orderbus.storage.order_lists import Filter
from orderbus.storage.orders import Order


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


async def history(database: Database, id_or_ref: str) -> History:
    """List who did what to an order, and when. Raises ``NotFound``, ``Unavailable``."""
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
        entries = await storage.events.history(connection, order.order_id)
        return History(order, entries, await storage.conflicts.list_of(connection, order.order_pk))


async def journey(database: Database, id_or_ref: str) -> Journey:
    """Show every hop of an order's events. Raises ``NotFound``, ``Unavailable``."""
    async with database.connection() as connection:
        order = await storage.orders.get(connection, id_or_ref)
        return await storage.journey.get(connection, order.order_id)
