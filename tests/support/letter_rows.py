"""Dead letters: what is kept of what was given up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from orderbus import services, storage
from orderbus.domain.letters import Filter
from orderbus.storage.database import Connection, Database
from orderbus.storage.letter_views import OpenLetter
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM ops.dead_letters"))


async def every(database: Database) -> list[dict[str, Any]]:
    """Every dead letter as it is kept, the oldest first."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM ops.dead_letters ORDER BY id")
    return [dict(row) for row in rows]


async def only(database: Database) -> dict[str, Any]:
    """The one dead letter there is, as it is kept."""
    (letter,) = await every(database)
    return letter


async def listed(connection: Connection, *, kind: str | None = None) -> Sequence[OpenLetter]:
    """The open ones as they are listed; there are few."""
    wanted = Filter(kind=kind)
    return (await storage.letter_lists.list_next(connection, wanted, after=0, look_at=1000)).letters


async def count_unlocked(database: Database) -> int:
    """Count the dead letters whose rows no transaction holds."""
    query = "SELECT count(*) FROM (SELECT FROM ops.dead_letters FOR UPDATE SKIP LOCKED) AS free"
    return int(await value(database, query))


async def only_id(database: Database) -> int:
    return int((await only(database))["id"])


async def reasons(database: Database) -> list[str]:
    """Why each was given up, the oldest first."""
    return [letter["reason"] for letter in await every(database)]


async def add_of_every_event(database: Database, reason: str = "test") -> None:
    """Give up publishing every event there is, as far as dead letters say."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, event_id, occurred_at, reason, error)"
        " SELECT 'outbox', event_id, occurred_at, $1, $1 FROM ops.events",
        reason,
    )


async def add_of_every_delivery(database: Database, reason: str = "test") -> None:
    """Write a dead letter of every delivery there is."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, delivery_id, event_id, occurred_at, reason, error)"
        " SELECT 'delivery', id, event_id, occurred_at, $1, $1 FROM ops.webhook_deliveries",
        reason,
    )


async def add_of(database: Database, delivery: int) -> None:
    """Write a dead letter of one delivery."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, delivery_id, event_id, occurred_at, reason, error)"
        " SELECT 'delivery', id, event_id, occurred_at, 'test', 'test'"
        " FROM ops.webhook_deliveries WHERE id = $1",
        delivery,
    )


async def discard_all(database: Database) -> None:
    """Let each have been discarded just now."""
    await value(
        database, "UPDATE ops.dead_letters SET resolved_at = now(), resolution = 'discarded'"
    )


async def discard(database: Database, letter_id: int, *, note: str) -> list[int]:
    """Discard one as an operator does."""
    async with database.transaction() as connection:
        return await services.dead_letters.discard(connection, letter_id, note=note)


async def give_up_consumptions(database: Database) -> None:
    """Have every consumption given up, each with its dead letter."""
    await value(
        database,
        """
        WITH dead AS (
            UPDATE ops.consumptions SET state = 'dead', settled_at = now()
            RETURNING id, consumer, event_id, occurred_at
        )
        INSERT INTO ops.dead_letters
               (kind, consumption_id, actor, event_id, occurred_at, reason, error)
        SELECT 'consumption', id, consumer, event_id, occurred_at, 'x', 'x' FROM dead
        """,
    )


async def add_of_lost_events(database: Database, count: int) -> None:
    """Add dead letters of events that could not be published and are gone."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, event_id, reason, error)"
        " SELECT 'outbox', gen_random_uuid(), 'x', 'x' FROM generate_series(1, $1::integer)",
        count,
    )


async def add_among_events(database: Database, count: int, *, events: int) -> None:
    """Add many events, and a dead letter of each of the first of them."""
    async with database.connection() as connection:
        await connection.execute(
            """
            WITH event AS (
                INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence,
                       type, content)
                SELECT n, gen_random_uuid(), now(), 1, 'order.created', '{}'
                  FROM generate_series(1, $2::integer) AS n
                RETURNING event_id, occurred_at, order_id
            )
            INSERT INTO ops.dead_letters (kind, event_id, occurred_at, reason, error)
            SELECT 'outbox', event_id, occurred_at, 'x', 'x' FROM event WHERE order_id <= $1
            """,
            count,
            events,
        )
        await connection.execute("ANALYZE ops.events, ops.dead_letters")


async def add_of_a_message(database: Database, *, actor: str, error: str) -> None:
    """Add a dead letter of a queue message."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, actor, arguments, message_id, reason, error)"
        " VALUES ('message', $1, '{}', gen_random_uuid(), 'test', $2)",
        actor,
        error,
    )


async def add_given_up(database: Database, *subjects: str) -> None:
    """Add dead letters of messages from Pub/Sub that say of which orders they are."""
    await value(
        database,
        "INSERT INTO ops.dead_letters (kind, data, attributes, message_id, reason, error)"
        " SELECT 'pubsub', '', jsonb_build_object('ce-subject', subject), gen_random_uuid(),"
        " 'test', 'test' FROM unnest($1::text[]) AS subject",
        subjects,
    )


@asynccontextmanager
async def locked_table(database: Database) -> AsyncIterator[None]:
    """Keep everybody from writing dead letters while the block runs."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute("LOCK TABLE ops.dead_letters IN EXCLUSIVE MODE")
        yield
