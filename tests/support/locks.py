"""Which rows a statement holds while it waits for another one, of tables that many lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from orderbus import storage
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from tests.support.locked_world import World

#: The order of ``orderbus.storage``, with each table's key.
ORDER: Final = {
    "ops.webhook_endpoints": "id",
    "orders.orders": "id",
    "products.stock": "product_id",
    "ops.watermarks": "order_id",
    "ops.outbox": "event_id",
    "ops.webhook_deliveries": "id",
}
RANK: Final = {table: rank for rank, table in enumerate(ORDER)}

Row = tuple[str, Any]
Call = Callable[[Connection, World], Awaitable[object]]


async def rows(connection: Connection, *, free: bool = False) -> set[Row]:
    """List every row of these tables; of those that are ``free``, only what nobody holds."""
    only = "FOR NO KEY UPDATE SKIP LOCKED" if free else ""
    return {
        (table, row[0])
        for table, key in ORDER.items()
        for row in await connection.fetch(f"SELECT {key} FROM {table} {only}")
    }


@asynccontextmanager
async def locked(connection: Connection, row: Row) -> AsyncIterator[None]:
    table, key = row
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            f"SELECT FROM {table} WHERE {ORDER[table]} = $1 FOR NO KEY UPDATE", key
        )
        yield
    finally:
        await transaction.rollback()


async def held_while_waiting(
    call: Call, world: World, row: Row, *, caller: Any, blocker: Any, watcher: Any
) -> set[Row]:
    """Tell what a call holds while it waits for a row; nothing where it does not wait for it."""
    everything = await rows(watcher)
    transaction = caller.transaction()
    await transaction.start()
    try:
        async with locked(blocker, row):
            calling = asyncio.ensure_future(call(caller, world))
            waits = "SELECT cardinality(pg_blocking_pids($1)) > 0"
            while not calling.done() and not await watcher.fetchval(waits, caller.get_server_pid()):
                await asyncio.sleep(0)
            held = set() if calling.done() else everything - await rows(watcher, free=True) - {row}
        await calling
        return held
    finally:
        await transaction.rollback()


def allowed(held: Row, awaited: Row) -> bool:
    """Of one table, several rows are waited for only by their key, and deliveries not at all."""
    if held[0] != awaited[0]:
        return RANK[held[0]] < RANK[awaited[0]]
    return bool(held[0] != "ops.webhook_deliveries" and held[1] < awaited[1])


@asynccontextmanager
async def connections(settings: Settings, count: int) -> AsyncIterator[list[Any]]:
    """Connections of a pool large enough, with its codecs."""
    async with storage.database.open_database(
        settings.model_copy(update={"db_pool_size": count})
    ) as database:
        made = [await database._pool.acquire() for _ in range(count)]
        try:
            yield made
        finally:
            for connection in made:
                await database._pool.release(connection)
