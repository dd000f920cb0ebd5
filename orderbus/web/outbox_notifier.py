"""Tells the workers at once that something waits in the outbox."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from orderbus.errors import OrderbusError
from orderbus.storage.database import Database

#: Seconds between two notifications: each makes every worker look.
PAUSE: Final = 0.01
CHANNEL: Final = "outbox"


async def notify_dispatchers(database: Database) -> None:
    """Send one notification for all orders of the last moment, for as long as the server runs.

    Never inside an order's transaction: it would take a database-wide lock at every commit. One
    that is lost costs the events up to a second, until the workers look by themselves.
    """
    while True:
        await database.outbox_written.wait()
        database.outbox_written.clear()
        with suppress(OrderbusError):
            await database.notify(CHANNEL)
        await asyncio.sleep(PAUSE)
