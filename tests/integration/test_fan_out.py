"""What a delivery costs where many endpoints want each order: nothing for those not taken."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from orderbus import storage
from orderbus.storage.database import Connection, Database
from orderbus.storage.deliveries import Claimed
from tests.support import scenario

ENDPOINTS = 30
ORDERS = 8
AT_MOST = 20


async def _owe(database: Database) -> None:
    """Owe each of many endpoints several orders; all is due."""
    for _ in range(ENDPOINTS):
        await scenario.add_endpoint(database)
    for _ in range(ORDERS):
        await scenario.place(database)
    due = await scenario.come_back(database, *await scenario.events(database))
    assert len(due) == ENDPOINTS * ORDERS


async def _claim(connection: Connection, at_most: int = AT_MOST) -> list[Claimed]:
    return await storage.deliveries.claim(
        connection,
        lease=uuid4(),
        length=timedelta(hours=1),
        in_flight={},
        otherwise=ORDERS,
        at_most=at_most,
    )


async def _scans(connection: Connection, index: str) -> int:
    """Count the scans that this session has not reported yet; it does so between transactions."""
    return int(await connection.fetchval("SELECT pg_stat_get_xact_numscans($1::regclass)", index))


async def test_a_claim_asks_of_what_it_takes_alone_whether_it_may_go(database: Database) -> None:
    await _owe(database)
    async with database.transaction() as connection:
        before = await _scans(connection, "ops.watermarks_pkey")
        claimed = await _claim(connection)
        after = await _scans(connection, "ops.watermarks_pkey")

    assert len(claimed) == AT_MOST
    assert after - before == AT_MOST
