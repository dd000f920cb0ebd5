"""What is old and settled is let go: by one process at a time, a little at a time.

The process that deletes holds a lease and makes it longer before each step. No transaction is open
between two statements: one that is killed holds no lock, and another goes on where it was. A day's
events go before what was consumed of them, so that a replay gives none twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from orderbus import storage, telemetry
from orderbus.errors import Unavailable
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.retention import Bounds, Step

#: Rows one statement deletes at most; fewer where that takes too long, on a slow disk.
AT_MOST: Final = 2_000
FEWEST: Final = 20
#: How long a process that says nothing keeps others from going on; longer than any statement.
LEASE: Final = timedelta(seconds=60)
#: How long a round takes at most, and the pause before the next where nothing is left.
ROUND: Final = timedelta(seconds=30)
PAUSE: Final = timedelta(seconds=60)
#: How long is kept what expired of sign-ins, or holds nobody up any more.
SIGN_INS: Final = timedelta(days=1)

Holding = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class Work:
    """One kind of rows: how it is deleted, how long it is kept, and how far this round got."""

    delete: Callable[[Connection, Bounds], Awaitable[Step]]
    keep: timedelta
    at_most: int = AT_MOST
    after: datetime | None = None

    async def step(self, database: Database) -> int:
        """Delete the next rows; returns how many. Raises ``Unavailable``."""
        while True:
            bounds = Bounds(self.keep, self.at_most, self.after)
            try:
                step = await database.ask(self.delete, bounds)
            except Unavailable:
                if self.at_most <= FEWEST:
                    raise
                self.at_most //= 10
            else:
                self.after = step.until
                return step.rows


async def tick(database: Database, settings: Settings) -> None:
    """Delete for a while what is old, unless another process does; raises ``Unavailable``."""
    holder = uuid4()

    async def holding() -> bool:
        return await database.ask(storage.retention.lease, holder, length=LEASE)

    if not await holding():
        return
    await _drop_days(database, settings)
    deleted, finished = await _delete(database, kinds(settings), holding)
    if deleted:
        telemetry.log.info("old_rows_deleted", **deleted)
    await database.ask(
        storage.retention.give_back, holder, due_after=PAUSE if finished else timedelta(0)
    )


async def _drop_days(database: Database, settings: Settings) -> None:
    keep = settings.event_retention
    try:
        async with database.connection() as connection:
            for day in await storage.retention.list_old_days(connection, keep=keep):
                if not await storage.retention.drop_day(connection, day):
                    telemetry.log.warning("partition_in_use", day=f"{day:%Y%m%d}")
                    return
                telemetry.log.info("partition_dropped", day=f"{day:%Y%m%d}")
    except Unavailable as error:  # with many millions of open rows it may take too long to look
        telemetry.log.warning("partitions_not_dropped", error=str(error))


def kinds(settings: Settings) -> dict[str, Work]:
    """List what is let go, each with how long it is kept."""
    delete = storage.retention
    return {
        "consumptions": Work(delete.delete_consumptions, settings.event_retention),
        "deliveries": Work(delete.delete_deliveries, settings.keep_deliveries),
        "dead_letters": Work(delete.delete_dead_letters, settings.keep_dead_letters),
        "watermarks": Work(delete.forget_watermarks, settings.event_retention),
        "jobs": Work(delete.delete_jobs, settings.keep_dead_letters),
        "throttles": Work(delete.delete_throttles, SIGN_INS),
        "tokens": Work(delete.delete_tokens, SIGN_INS),
        "resets": Work(delete.delete_resets, SIGN_INS),
        "answers": Work(delete.delete_answers, settings.idempotency_retention),
    }


async def _delete(
    database: Database, kinds: dict[str, Work], holding: Holding
) -> tuple[Mapping[str, int], bool]:
    """Delete a step of each kind in turn; returns how much, and whether nothing is left."""
    deleted: Counter[str] = Counter()
    until = time.monotonic() + ROUND.total_seconds()
    while kinds:
        for name, work in list(kinds.items()):
            if time.monotonic() > until or not await holding():
                return deleted, False
            rows = await work.step(database)
            deleted[name] += rows
            if not rows:
                del kinds[name]
    return +deleted, True
