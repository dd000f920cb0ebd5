"""What is kept of events, and of their return."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from orderbus.storage.database import Database
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM ops.events"))


async def count_returned(database: Database) -> int:
    """Count the events that came back from Pub/Sub."""
    return int(await value(database, "SELECT count(*) FROM ops.inbox"))


async def returned_sequences(database: Database) -> list[int]:
    """The place in its order's story of every event that came back."""
    query = "SELECT array_agg(sequence ORDER BY order_id, sequence) FROM ops.inbox"
    return await value(database, query) or []


async def count_early(database: Database) -> int:
    """Count the events that came back before an earlier one of their order."""
    return int(await value(database, "SELECT count(*) FROM ops.early_events"))


async def numbers(database: Database) -> list[list[int]]:
    """For every order, the numbers of its events in the order in which they happened."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT array_agg(sequence ORDER BY occurred_at, sequence) AS numbers"
            " FROM ops.events GROUP BY order_id"
        )
    return [row["numbers"] for row in rows]


async def drop_every_day(database: Database) -> None:
    """Leave no partition that an event could go into."""
    async with database.connection() as connection:
        days = await connection.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
            " WHERE inhparent = 'ops.events'::regclass"
        )
        for day in days:
            await connection.execute(f"DROP TABLE {day['name']}")


async def forge(database: Database) -> None:
    """Try to make another event of every event."""
    await value(database, "UPDATE ops.events SET type = 'order.forged'")


async def tell_again(database: Database) -> None:
    """Have the only event of an order happen a second time, under another id."""
    await value(
        database,
        "INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,"
        " content) SELECT order_id, order_public_id, order_created_at, 2, type, content"
        " FROM ops.events",
    )


async def have_a_past(database: Database, events: int) -> None:
    """Add so many copies of the only event, all of which came back."""
    for table, columns in (
        (
            "ops.events",
            "occurred_at, order_id, order_public_id, order_created_at, sequence, type, content",
        ),
        ("ops.inbox", "occurred_at, order_id, sequence, message_id, published_at, publishes"),
    ):
        await value(
            database,
            f"INSERT INTO {table} (event_id, {columns})"
            f" SELECT md5(n::text)::uuid, {columns}"
            f" FROM {table}, generate_series(1, $1::integer) AS n",
            events,
        )


async def content(database: Database, type_: str) -> Any:
    """What the only event of a type tells."""
    return await value(database, "SELECT content FROM ops.events WHERE type = $1", type_)


async def contents(database: Database, type_: str) -> list[Any]:
    """What every event of a type tells, those of the oldest order first."""
    query = "SELECT array_agg(content ORDER BY order_id, sequence) FROM ops.events WHERE type = $1"
    return await value(database, query, type_) or []


async def one_id(database: Database, *, sequence: int) -> UUID:
    """The id of the only event at this place of an order's story."""
    found: UUID = await value(
        database, "SELECT event_id FROM ops.events WHERE sequence = $1", sequence
    )
    return found


async def lose_all(database: Database) -> None:
    """Delete the payloads of all events; what points to them stays."""
    await value(database, "DELETE FROM ops.events")


async def lose(database: Database, event_id: UUID) -> None:
    """Delete the payload of an event; what points to it stays."""
    await value(database, "DELETE FROM ops.events WHERE event_id = $1", event_id)


async def only(database: Database) -> Any:
    """The one event there is, as it is kept, for ``put_back``."""
    return await value(database, "SELECT to_jsonb(events) FROM ops.events")


async def put_back(database: Database, event: Any) -> None:
    """Bring back an event that was lost."""
    await value(
        database,
        "INSERT INTO ops.events SELECT * FROM jsonb_populate_record(NULL::ops.events, $1)",
        event,
    )


async def traceparents(database: Database) -> list[str]:
    """The trace of every event, the oldest first."""
    query = "SELECT array_agg(traceparent ORDER BY occurred_at) FROM ops.events"
    return await value(database, query) or []


async def request_ids(database: Database) -> set[tuple[str, str]]:
    """The type of every event, with the id of the request that it follows from."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT DISTINCT type, request_id FROM ops.events")
    return {(row["type"], row["request_id"]) for row in rows}


async def drop_today(database: Database) -> None:
    """Drop the partition that today's events would go to."""
    today = await value(database, "SELECT (now() AT TIME ZONE 'UTC')::date")
    await value(database, f"DROP TABLE ops.events_{today:%Y%m%d}")


async def is_day_kept(database: Database, day: date) -> bool:
    """Say whether there is a partition for the events of a day."""
    query = f"SELECT to_regclass('ops.events_{day:%Y%m%d}') IS NOT NULL"
    return bool(await value(database, query))


async def count_days_ahead(database: Database) -> int:
    """Count the days that have partitions, from today on."""
    query = "SELECT count(*) FROM ops.kept_days WHERE day >= (now() AT TIME ZONE 'UTC')::date"
    return int(await value(database, query))


async def make_day_ahead(database: Database, days: int) -> None:
    """Make the partitions of the day that is so many days from now."""
    query = "SELECT ops.make_partitions((now() AT TIME ZONE 'UTC')::date + $1::integer)"
    await value(database, query, days)
