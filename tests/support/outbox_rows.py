"""The pointers to events that are still to be published, or to be seen again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value

NOW = timedelta(0)


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM ops.outbox"))


async def count_of(database: Database, type_: str) -> int:
    """Count the pointers to events of one type."""
    return int(
        await value(
            database,
            "SELECT count(*) FROM ops.events JOIN ops.outbox USING (event_id) WHERE type = $1",
            type_,
        )
    )


async def make_due(database: Database, *, since: timedelta = NOW) -> None:
    """Let the time pass that pointers wait for: a lease, or the next attempt."""
    await value(database, "UPDATE ops.outbox SET due_at = now() - $1::interval", since)


async def put_off(database: Database, event_id: UUID, by: timedelta) -> None:
    """Publish one event no earlier than ``by`` from now."""
    await value(
        database,
        "UPDATE ops.outbox SET due_at = now() + $2::interval WHERE event_id = $1",
        event_id,
        by,
    )


async def lock(connection: Connection, event_id: UUID) -> None:
    """Lock the pointer to one event, as whoever publishes or records it does."""
    await connection.execute("SELECT FROM ops.outbox WHERE event_id = $1 FOR UPDATE", event_id)


async def lock_all(connection: Connection) -> None:
    """Let nobody else come near any pointer."""
    await connection.execute("LOCK TABLE ops.outbox IN ACCESS EXCLUSIVE MODE")


async def count_parked(database: Database) -> int:
    """Count the pointers that wait until a person has decided on a dead letter."""
    query = "SELECT count(*) FROM ops.outbox WHERE parked_at IS NOT NULL"
    return int(await value(database, query))


async def publish_again(database: Database, type_: str) -> None:
    """Point again at every event of a type, whose pointer is gone."""
    await value(
        database,
        "INSERT INTO ops.outbox (event_id, occurred_at)"
        " SELECT event_id, occurred_at FROM ops.events WHERE type = $1",
        type_,
    )


async def take_no_pointer(database: Database) -> None:
    """Have every statement fail that adds a pointer."""
    await value(database, "ALTER TABLE ops.outbox ADD CONSTRAINT none CHECK (false) NOT VALID")
