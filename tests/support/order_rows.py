"""What is kept of orders."""

from __future__ import annotations

from typing import Any

from orderbus.storage.database import Database
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.orders"))


async def count_items(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.order_items"))


async def count_history(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.order_history"))


async def names(database: Database) -> list[tuple[str, str]]:
    """Both names of every order, ours and its sender's, the oldest first."""
    query = "SELECT array_agg((public_id::text, external_ref) ORDER BY id) FROM orders.orders"
    return await value(database, query) or []


async def totals(database: Database) -> list[str]:
    query = "SELECT array_agg(total::text ORDER BY id) FROM orders.orders"
    return await value(database, query) or []


async def statuses(database: Database) -> list[str]:
    """The status of every order, the oldest first."""
    query = "SELECT array_agg(status ORDER BY id) FROM orders.orders"
    return await value(database, query) or []


async def details(database: Database) -> list[dict[str, Any]]:
    """What the history says beside each thing that happened."""
    query = "SELECT array_agg(details ORDER BY order_id, sequence) FROM orders.order_history"
    return await value(database, query) or []
