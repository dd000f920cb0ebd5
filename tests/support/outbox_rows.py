"""The pointers to events that are still to be published, or to be seen again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
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
    await value(
        database,
        "UPDATE ops.outbox SET due_at = now() - $1::interval WHERE due_at <> 'infinity'",
        since,
    )


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


async def has_pointer(database: Database, event_id: UUID) -> bool:
    query = "SELECT EXISTS (SELECT FROM ops.outbox WHERE event_id = $1)"
    return bool(await value(database, query, event_id))


async def message_ids(database: Database) -> list[str | None]:
    """The id under which Pub/Sub took each event; None is one that is not published."""
    query = "SELECT array_agg(message_id ORDER BY occurred_at) FROM ops.outbox"
    return await value(database, query) or []


async def are_all_published(database: Database) -> bool:
    """Say whether there is a pointer, and each one's event is published."""
    return bool(await value(database, "SELECT bool_and(published_at IS NOT NULL) FROM ops.outbox"))


async def are_all_handed_back(database: Database) -> bool:
    """Say whether every pointer is due, leased by nobody and charged with no lease."""
    query = "SELECT bool_and(due_at <= now() AND lease IS NULL AND leases = 0) FROM ops.outbox"
    return bool(await value(database, query))


async def max_publishes(database: Database) -> int:
    """How often the event was published that was published most."""
    return int(await value(database, "SELECT max(publishes) FROM ops.outbox"))


async def lease_in_vain(database: Database, event_id: UUID, times: int) -> None:
    """Let so many workers have died of a pointer; it is due before all others."""
    await value(
        database,
        "UPDATE ops.outbox SET leases = $2, due_at = '2020-01-01' WHERE event_id = $1",
        event_id,
        times,
    )


async def end_pauses(database: Database) -> None:
    """Let the time pass after which publishing is tried again, the breaker's pause too."""
    await value(
        database, "UPDATE ops.relay_breaker SET probe_at = now() WHERE opened_at IS NOT NULL"
    )
    await make_due(database)


async def lease(database: Database, event_ids: Sequence[UUID], token: UUID) -> None:
    """Let a relay have these pointers, whoever had them before."""
    await value(
        database, "UPDATE ops.outbox SET lease = $1 WHERE event_id = ANY ($2)", token, event_ids
    )


async def park(database: Database, event_id: UUID) -> None:
    """Park a pointer, as if its event could not be published."""
    await value(
        database,
        "UPDATE ops.outbox SET parked_at = now(), due_at = 'infinity' WHERE event_id = $1",
        event_id,
    )


async def publish_yesterday(database: Database, event_ids: Sequence[UUID]) -> None:
    """Let these events have been published a day ago, and not have come back."""
    await value(
        database,
        "UPDATE ops.outbox SET published_at = now() - interval '1 day', message_id = 'm',"
        " due_at = 'infinity' WHERE event_id = ANY ($1)",
        event_ids,
    )


async def add_pointer(database: Database, day: date) -> None:
    """Add a pointer to some event of a day."""
    await value(
        database,
        "INSERT INTO ops.outbox (event_id, occurred_at)"
        " SELECT gen_random_uuid(), $1::date + interval '12 hours'",
        day,
    )


async def set_published(connection: Connection, *, times: int, ago: timedelta) -> None:
    """Let every event have been published so often, the last time so long ago."""
    await connection.execute(
        "UPDATE ops.outbox SET publishes = $1, published_at = now() - $2::interval", times, ago
    )


async def open_breaker(connection: Connection, failures: int) -> None:
    """Let publishing have failed so many times; the next try is due."""
    await connection.execute(
        "UPDATE ops.relay_breaker SET opened_at = now(), probe_at = now(), failures = $1",
        failures,
    )


async def pause_before_probe(connection: Connection) -> timedelta:
    """How long the breaker waits, from the beginning of the transaction on."""
    pause: timedelta = await connection.fetchval("SELECT probe_at - now() FROM ops.relay_breaker")
    return pause


async def have_waited(database: Database, time: timedelta) -> None:
    """Let so much time have passed for every pointer."""
    await value(database, "UPDATE ops.outbox SET due_at = due_at - $1::interval", time)


async def seconds_to_wait(database: Database, order_id: UUID) -> list[float]:
    """By how much later each event of an order is due than the earliest but its first."""
    query = """
        SELECT array_agg(extract(epoch FROM due_at - earliest)::float ORDER BY sequence)
          FROM (SELECT sequence, due_at, min(due_at) OVER () AS earliest
                  FROM ops.outbox
                  JOIN ops.events USING (occurred_at, event_id)
                 WHERE order_public_id = $1 AND sequence > 1) AS each
    """
    return list(await value(database, query, order_id))


async def entries_read(connection: Connection) -> list[int]:
    """How many entries this transaction has read by the keys of pointers and of the history.

    What its session did before and has not reported yet is in it.
    """
    query = """
        SELECT ARRAY[pg_stat_get_xact_tuples_returned('ops.outbox_pkey'::regclass),
                     pg_stat_get_xact_tuples_returned('orders.order_history_pkey'::regclass)]
    """
    return list(await connection.fetchval(query))
