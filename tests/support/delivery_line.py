"""A line of deliveries of one order to one endpoint, and a person who does something about one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orderbus.storage.database import Database
from orderbus.storage.delivery_views import Delivery
from tests.support import audit_rows, delivery_rows, scenario

BY = "command:ann"
WHY = "the receiver lost it"

Act = Callable[..., Awaitable[Delivery]]


async def act(database: Database, what: Act, delivery: int) -> Delivery:
    async with database.transaction() as connection:
        return await what(connection, delivery, actor=BY, reason=WHY)


async def noted(database: Database) -> list[tuple[str, str, str, str | None]]:
    """What the audit trail has of it."""
    entries = await audit_rows.acts(database)
    return [(each.action, each.actor, each.subject_id, each.reason) for each in entries]


async def line_of(database: Database, url: str, events: int = 3) -> list[int]:
    """Owe an endpoint some events of one order; only the first is due."""
    await scenario.add_endpoint(database, url, format="compact")
    order = await scenario.place(database, "SO-10045")
    for _ in range(events - 1):
        await scenario.append(database, order)
    await scenario.come_back(database, *await scenario.events(database))
    return await delivery_rows.ids(database)
