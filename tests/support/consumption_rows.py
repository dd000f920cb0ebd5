"""What consumers have to do with events, and what they counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orderbus.storage.database import Database
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM ops.consumptions"))


async def only(database: Database) -> dict[str, Any]:
    """The one consumption there is, as it is kept, and whether it ``is_due``."""
    async with database.connection() as connection:
        (row,) = await connection.fetch("SELECT *, due_at <= now() AS is_due FROM ops.consumptions")
    return dict(row)


async def make_due(database: Database) -> None:
    """Let the time pass that a later attempt waits for, or a lease lasts."""
    await value(
        database,
        "UPDATE ops.consumptions SET due_at = now(),"
        " leased_until = CASE WHEN lease IS NOT NULL THEN now() END",
    )


async def add(database: Database, *consumers: str) -> None:
    """Give each consumer something to do with an event that nobody knows."""
    await value(
        database,
        "INSERT INTO ops.consumptions (consumer, event_id, occurred_at)"
        " SELECT name, gen_random_uuid(), now() FROM unnest($1::text[]) AS name",
        consumers,
    )


async def fits(database: Database, event: str, pattern: str) -> bool:
    """Say whether a consumer that wants this pattern gets events of this type."""
    return bool(await value(database, "SELECT ops.fits($1, ARRAY[$2])", event, pattern))


async def hurry(database: Database) -> None:
    """Let the time pass that a later attempt waits for at whatever no worker is at."""
    await value(
        database,
        "UPDATE ops.consumptions SET due_at = now()"
        " WHERE state = 'pending' AND lease IS NULL AND due_at > now()",
    )


async def finish(database: Database) -> None:
    """Have every consumer done with every event."""
    await value(database, "UPDATE ops.consumptions SET state = 'done', settled_at = now()")


async def attempts(database: Database, consumer: str) -> int:
    """The attempts of a consumer at the only event it wants."""
    query = "SELECT attempts FROM ops.consumptions WHERE consumer = $1"
    return int(await value(database, query, consumer))


async def counted(database: Database, name: str | None = None) -> int:
    """What consumers have counted in all, or under one name."""
    return int(
        await value(
            database,
            "SELECT coalesce(sum(count), 0)"
            "  FROM (SELECT description, count FROM ops.metrics"
            "         UNION ALL SELECT description, more FROM ops.counted) AS counted"
            " WHERE $1::text IS NULL OR description = $1",
            name,
        )
    )


async def pending(database: Database, consumer: str) -> list[int]:
    """What a consumer has still to do, the oldest first."""
    query = """
        SELECT array_agg(id ORDER BY id) FROM ops.consumptions
         WHERE consumer = $1 AND state = 'pending'
    """
    return await value(database, query, consumer) or []


async def count_unlocked(database: Database) -> int:
    """Count the consumptions whose rows no transaction holds."""
    query = "SELECT count(*) FROM (SELECT FROM ops.consumptions FOR UPDATE SKIP LOCKED) AS free"
    return int(await value(database, query))


async def end_leases(database: Database) -> None:
    """Let every lease end, and nothing else: what SIGSTOP and SIGCONT leave of one."""
    await value(database, "UPDATE ops.consumptions SET leased_until = now() - interval '1 s'")


async def set_attempts(database: Database, attempts: int) -> None:
    """Let so many attempts have failed; the next is due."""
    await value(database, "UPDATE ops.consumptions SET attempts = $1, due_at = now()", attempts)


async def delete_all(database: Database) -> None:
    await value(database, "DELETE FROM ops.consumptions")


async def give_all_to(database: Database, consumer: str) -> None:
    """Have all that is to be consumed be another consumer's."""
    await value(database, "UPDATE ops.consumptions SET consumer = $1", consumer)


async def add_mostly_done(database: Database, done: int, *, pending: int) -> None:
    """Add much that a consumer has done, and a little that it has to do."""
    await value(
        database,
        """
        INSERT INTO ops.consumptions (consumer, event_id, occurred_at, state, settled_at)
        SELECT 'count_event', gen_random_uuid(), now(),
               CASE WHEN n <= $2 THEN 'pending' ELSE 'done' END,
               CASE WHEN n > $2 THEN now() END
          FROM generate_series(1, $1::integer + $2::integer) AS n
        """,
        done,
        pending,
    )
    await value(database, "ANALYZE ops.consumptions")


async def error(database: Database, consumption: int) -> str:
    """Why it is tried again."""
    query = "SELECT error FROM ops.consumptions WHERE id = $1"
    return str(await value(database, query, consumption))


async def lose_lease(database: Database, consumption: int) -> None:
    """Let another worker have taken it, as if the lease had ended."""
    await value(
        database,
        "UPDATE ops.consumptions SET lease = gen_random_uuid(), leased_until = now() + '1 h'"
        " WHERE id = $1",
        consumption,
    )


async def most_attempts(database: Database) -> int:
    return int(await value(database, "SELECT max(attempts) FROM ops.consumptions"))


async def count_leased(database: Database) -> int:
    """Count what some worker has taken."""
    query = "SELECT count(*) FROM ops.consumptions WHERE lease IS NOT NULL"
    return int(await value(database, query))


async def given_in_order(database: Database, consumer: str) -> bool:
    """Whether a consumer was given its events in the order in which they happened."""
    query = """
        SELECT array_agg(event_id ORDER BY id) = array_agg(event_id ORDER BY occurred_at, event_id)
          FROM ops.consumptions WHERE consumer = $1
    """
    return bool(await value(database, query, consumer))


async def count_of(database: Database, consumer: str) -> int:
    query = "SELECT count(*) FROM ops.consumptions WHERE consumer = $1"
    return int(await value(database, query, consumer))


async def states(database: Database) -> set[str]:
    """The states that consumptions are in."""
    return {*await value(database, "SELECT array_agg(state) FROM ops.consumptions")}


async def longest_pause(database: Database) -> timedelta:
    """How long the one that waits longest waits, of those that no worker is at."""
    query = """
        SELECT max(due_at - now()) FROM ops.consumptions WHERE state = 'pending' AND lease IS NULL
    """
    return await value(database, query) or timedelta(0)
