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


class OutboxNotifier:
    """Sends one notification for all orders of the last moment, beside the requests.

    Never inside an order's transaction: it would take a database-wide lock at every commit. One
    that is lost costs the events up to a second, until the workers look by themselves.
    """

    def __init__(self, database: Database) -> None:
        """Send nothing before ``notify`` was called."""
        self._database = database
        self._wanted = asyncio.Event()

    def notify(self) -> None:
        """Ask for a notification soon; never waits, never fails."""
        self._wanted.set()

    async def run(self) -> None:
        """Send notifications for as long as the server runs."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            with suppress(OrderbusError):
                await self._database.notify(CHANNEL)
            await asyncio.sleep(PAUSE)
