"""Rows of long ago, many at a time, for tests of what becomes of them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from orderbus.storage.database import Connection, Database
from tests.support import scenario

LONG_AGO: Final = 60
MAY_GO: Final = timedelta(days=37)


async def make_day(connection: Connection, ago: int = LONG_AGO) -> date:
    """Make the partitions of a day in the past."""
    day: date = await connection.fetchval(
        "SELECT (now() AT TIME ZONE 'UTC')::date - $1::integer", ago
    )
    for parent in ("events", "inbox"):
        await connection.execute(
            f"CREATE TABLE ops.{parent}_{day:%Y%m%d} PARTITION OF ops.{parent}"
            f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
        )
    return day


async def deliveries(database: Database, count: int, *, state: str, ago: int = LONG_AGO) -> None:
    """Add deliveries, settled so many days ago where they are; each with one attempt."""
    endpoint = await scenario.add_endpoint(database)
    async with database.connection() as connection:
        await connection.execute(
            """
            WITH added AS (
                INSERT INTO ops.webhook_deliveries
                       (endpoint_id, event_id, occurred_at, order_id, sequence, state, settled_at)
                SELECT $1, gen_random_uuid(), now() - $4 * interval '1 day', number, 1, $3,
                       CASE WHEN $3 NOT IN ('pending', 'held')
                            THEN now() - $4 * interval '1 day' END
                  FROM generate_series(1, $2::integer) AS number
                RETURNING id
            )
            INSERT INTO ops.webhook_attempts (delivery_id, number) SELECT id, 1 FROM added
            """,
            endpoint,
            count,
            state,
            ago,
        )


async def letters_of_dead_deliveries(database: Database, resolution: str | None) -> None:
    """Add the dead letter of each dead delivery that has none, resolved when the delivery died."""
    await scenario.value(
        database,
        """
        INSERT INTO ops.dead_letters
               (kind, delivery_id, event_id, occurred_at, reason, error, resolution, resolved_at)
        SELECT 'delivery', id, event_id, occurred_at, 'gone', 'gone', $1,
               CASE WHEN $1::text IS NOT NULL THEN settled_at END
          FROM ops.webhook_deliveries AS delivery
         WHERE state = 'dead'
           AND id NOT IN (SELECT delivery_id FROM ops.dead_letters WHERE kind = 'delivery')
        """,
        resolution,
    )


async def letters(
    database: Database, count: int, resolution: str | None, ago: int = LONG_AGO
) -> None:
    """Add dead letters of queue messages."""
    await scenario.value(
        database,
        """
        INSERT INTO ops.dead_letters
               (kind, message_id, actor, arguments, reason, error, resolution, resolved_at)
        SELECT 'message', gen_random_uuid(), 'count_event', '{}', 'gone', 'gone', $2,
               CASE WHEN $2::text IS NOT NULL THEN now() - $3 * interval '1 day' END
          FROM generate_series(1, $1::integer)
        """,
        count,
        resolution,
        ago,
    )


async def consumptions(
    database: Database, count: int, *, state: str = "done", ago: int = LONG_AGO
) -> None:
    """Add consumptions of events of so many days ago."""
    await scenario.value(
        database,
        """
        INSERT INTO ops.consumptions (consumer, event_id, occurred_at, state, settled_at)
        SELECT 'count_event', gen_random_uuid(), now() - $3 * interval '1 day', $2,
               CASE WHEN $2 <> 'pending' THEN now() END
          FROM generate_series(1, $1::integer)
        """,
        count,
        state,
        ago,
    )


async def answers(database: Database, count: int, *, ago: int = LONG_AGO) -> None:
    """Add answers to requests with an idempotency key."""
    await scenario.value(
        database,
        """
        INSERT INTO ops.idempotency_keys (scope, key, fingerprint, created_at)
        SELECT 'test', gen_random_uuid(), '', now() - $2 * interval '1 day'
          FROM generate_series(1, $1::integer)
        """,
        count,
        ago,
    )


async def counts(database: Database) -> dict[str, Any]:
    """Count what there is of each kind."""
    async with database.connection() as connection:
        row = await connection.fetchrow(
            """
            SELECT (SELECT count(*) FROM ops.webhook_deliveries) AS deliveries,
                   (SELECT count(*) FROM ops.webhook_attempts) AS attempts,
                   (SELECT count(*) FROM ops.dead_letters) AS dead_letters,
                   (SELECT count(*) FROM ops.consumptions) AS consumptions,
                   (SELECT count(*) FROM ops.idempotency_keys) AS answers
            """
        )
    assert row is not None
    return dict(row)


async def days(database: Database) -> int:
    """Count the days whose events are kept longer than nine days."""
    return int(
        await scenario.value(
            database,
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ops.events'::regclass"
            " AND to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') < now() - interval '9 d'",
        )
    )


async def dead_consumptions_with_letters(database: Database, *, ago: int) -> None:
    """Add dead consumptions of events of so many days ago, each with its dead letter."""
    await consumptions(database, 2, state="dead", ago=ago)
    await scenario.value(
        database,
        "INSERT INTO ops.dead_letters"
        " (kind, consumption_id, event_id, occurred_at, reason, error)"
        " SELECT 'consumption', id, event_id, occurred_at, 'gone', 'gone'"
        " FROM ops.consumptions WHERE state = 'dead'",
    )


async def age_everything(database: Database) -> None:
    """Move all that happened to long ago, and let it be settled."""
    ago = f"interval '{LONG_AGO} days'"
    async with database.transaction() as connection:
        await connection.execute(
            f"""
            SET LOCAL session_replication_role = replica;
            UPDATE ops.events SET occurred_at = occurred_at - {ago};
            UPDATE ops.inbox SET occurred_at = occurred_at - {ago};
            UPDATE orders.order_history SET at = at - {ago};
            UPDATE ops.watermarks SET day = day - {LONG_AGO};
            UPDATE ops.webhook_deliveries
               SET occurred_at = occurred_at - {ago}, state = 'delivered',
                   settled_at = now() - {ago};
            """
        )
