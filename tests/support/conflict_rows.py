"""What is kept of other contents of orders."""

from __future__ import annotations

from orderbus.storage.database import Database
from tests.support import scenario


async def count(database: Database) -> int:
    found: int = await scenario.value(database, "SELECT count(*) FROM orders.conflicts")
    return found
