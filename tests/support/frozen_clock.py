"""An orderbus in which time passes only when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from orderbus import services
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.inbox import Returned
from tests.support.topic import Topic

#: Clocks of our own, which statements find before PostgreSQL's.
_CLOCKS = """
    CREATE SCHEMA still;
    CREATE FUNCTION still.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT current_setting('still.now')::timestamptz $$;
    CREATE FUNCTION still.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT still.now() $$;
    ALTER TABLE ops.inbox ALTER received_at SET DEFAULT still.now();
    ALTER TABLE ops.events ALTER occurred_at SET DEFAULT still.now();
    ALTER TABLE ops.outbox ALTER due_at SET DEFAULT still.now();
    SELECT set_config('still.now', pg_catalog.now()::text, true);
    SET LOCAL search_path = still, pg_catalog, public
"""
_PASS = "SELECT set_config('still.now', (now() + make_interval(secs => $1))::text, true)"


class FrozenOrderbus(Database):
    """One transaction with clocks that ``pass_time`` moves: however slow the machine is."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.held = connection
        self._settings = settings
        self.topic = Topic()
        self.outbox_written = asyncio.Event()

    @classmethod
    async def make(cls, connection: Connection, settings: Settings) -> FrozenOrderbus:
        """Stop the clocks of a connection's transaction."""
        await connection.execute(_CLOCKS)
        return cls(connection, settings)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        yield self.held

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.held.transaction():
            yield self.held

    async def pass_time(self, seconds: float) -> None:
        await self.held.execute(_PASS, float(seconds))

    async def publish(self, count: int = 0) -> int:
        """Let ``count`` more orders be accepted, and publish everything that is due."""
        await self.held.execute(
            """
            WITH event AS (
                INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                       content)
                SELECT nextval('orders.orders_id_seq'), gen_random_uuid(), now(), 1,
                       'order.created',
                       '{"order_id": "SO-1", "total": "1.00", "customer": {"name": ""}}'
                  FROM generate_series(1, $1::integer)
                RETURNING event_id, occurred_at
            )
            INSERT INTO ops.outbox (event_id, occurred_at) SELECT event_id, occurred_at FROM event
            """,
            count,
        )
        published = 0
        relay = services.outbox.Relay(self, self.topic, self._settings)  # type: ignore[arg-type]
        while batch := await relay.publish_due():
            published += batch
        return published

    async def on_its_way(self, order: str) -> list[Returned]:
        """List what was published and did not come back."""
        rows = await self.held.fetch(
            f"""
            SELECT event_id, occurred_at, message_id, published_at
              FROM ops.outbox WHERE published_at IS NOT NULL ORDER BY {order}
            """
        )
        return [Returned(*row) for row in rows]

    async def oldest_on_its_way(self) -> datetime:
        """Tell when the event happened that waits longest, now if none does."""
        oldest: datetime = await self.held.fetchval(
            "SELECT coalesce(min(occurred_at), now()) FROM ops.outbox"
        )
        return oldest

    async def come_back(self, events: list[Returned]) -> None:
        """Let the bridge have these events, now."""
        await services.inbox.record(self.held, events, wanted={})

    async def take_back_lost(self) -> int:
        """Do what every beat does."""
        return await services.lost_events.take_back_lost(self)
