"""The work that must be done now and then, by whichever worker comes by."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import Final

from orderbus import storage, telemetry
from orderbus.errors import Unavailable
from orderbus.services import carts, lost_events, owed
from orderbus.storage.database import Database

#: Daily partitions are made this far ahead, and an alarm is logged below the second figure.
DAYS_AHEAD: Final = 21
ALARM_BELOW: Final = 7
#: Rows at which a table is counted, so that what was prepared while it was empty is planned anew.
PLANNED_ANEW_AT: Final = 1000
#: Steps of what endpoints are owed that are done before anything else has its turn.
_STEPS: Final = 10
#: How long a session of ours may be silent in the middle of a statement; nothing takes so long.
SILENT_FOR: Final = timedelta(seconds=15)


class Maintenance:
    """Remembers when each thing was done last, so that ``tick`` may be called at any time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next_owed = self._next_partitions = 0.0

    async def tick(self) -> None:
        """Do what is due of it. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            ended = await storage.maintenance.end_frozen_sessions(connection, silent_for=SILENT_FOR)
            await storage.metrics.fold(connection)
        if ended:
            telemetry.log.warning("frozen_sessions_ended", count=ended)
        with suppress(Unavailable):  # right after a restore it may take longer than a statement may
            await self._database.ask(storage.maintenance.count_grown, rows=PLANNED_ANEW_AT)
        lost = await lost_events.take_back_lost(self._database)
        if lost:
            telemetry.log.warning("events_lost_by_pubsub", count=lost)
        await carts.let_lapse(self._database)
        await owed.release(self._database, steps=_STEPS)
        if time.monotonic() >= self._next_owed:
            self._next_owed = time.monotonic() + 60
            await owed.skip(self._database)
            await self._database.ask(storage.endpoint_changes.drop_old_secrets)
        if time.monotonic() >= self._next_partitions:
            self._next_partitions = time.monotonic() + 60
            async with self._database.connection() as connection:
                await storage.maintenance.make_ahead(connection, days=DAYS_AHEAD)
                horizon = await storage.maintenance.horizon(connection)
            if horizon < timedelta(days=ALARM_BELOW):
                telemetry.log.error("partition_horizon_short", days=horizon.days)
            self._next_partitions = time.monotonic() + 600
