"""Deliveries of webhooks, and the attempts at them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from orderbus.domain.orders import OrderId
from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def ids(database: Database, *, to: UUID | None = None) -> list[int]:
    """Every delivery, or every one to an endpoint, in the order of its order's story."""
    query = (
        "SELECT array_agg(id ORDER BY sequence, id) FROM ops.webhook_deliveries"
        " WHERE $1::uuid IS NULL OR endpoint_id = $1"
    )
    return await value(database, query, to) or []


async def by_order(database: Database) -> dict[tuple[OrderId, int], int]:
    """Every delivery by its order and its event's place in that order's story."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT d.id, d.sequence, o.public_id FROM ops.webhook_deliveries d"
            " JOIN orders.orders o ON o.id = d.order_id"
        )
    return {(row["public_id"], row["sequence"]): row["id"] for row in rows}


async def every(connection: Connection) -> list[dict[str, Any]]:
    """Every delivery as it is kept, with its last attempt and whether its endpoint is disabled."""
    rows = await connection.fetch(
        """
        SELECT delivery.*, disabled_at IS NOT NULL AS is_disabled, last.status AS last_status,
               last.error AS last_error
          FROM ops.webhook_deliveries AS delivery
          JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = endpoint_id
          LEFT JOIN (SELECT DISTINCT ON (delivery_id) * FROM ops.webhook_attempts
                      ORDER BY delivery_id, number DESC) AS last ON delivery_id = delivery.id
        """
    )
    return [dict(row) for row in rows]


async def versions(database: Database, *, but: int) -> list[str]:
    """What tells whether any delivery but one was written to."""
    query = "SELECT array_agg(xmin::text ORDER BY id) FROM ops.webhook_deliveries WHERE id <> $1"
    return await value(database, query, but) or []


async def all_are(database: Database, state: str) -> bool:
    """Say whether there are deliveries, and every one is in this state."""
    return set(await states(database)) == {state}


async def add_many(database: Database, endpoint: UUID, count: int) -> None:
    """Owe an endpoint events of so many orders that nobody knows."""
    async with database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO ops.webhook_deliveries
                   (endpoint_id, event_id, occurred_at, order_id, sequence)
            SELECT $1, gen_random_uuid(), now(), 1000000 + n, 1
              FROM generate_series(1, $2::integer) AS n
            """,
            endpoint,
            count,
        )
        await connection.execute("ANALYZE ops.webhook_deliveries")


async def states(database: Database) -> list[str]:
    """The state of every delivery, the oldest first."""
    query = "SELECT array_agg(state ORDER BY id) FROM ops.webhook_deliveries"
    return await value(database, query) or []


async def count_under_way(database: Database) -> int:
    """Count the deliveries that a worker has claimed."""
    query = "SELECT count(*) FROM ops.webhook_deliveries WHERE lease IS NOT NULL"
    return int(await value(database, query))


async def make_due(database: Database) -> None:
    """Let the time pass until the next attempt at every delivery."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET due_at = now()"
        " WHERE state = 'pending' AND due_at < 'infinity'",
    )


async def make_waiting_due(database: Database) -> None:
    """Let whatever waits for the one before it be due too early."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET due_at = now()"
        " WHERE state = 'pending' AND due_at = 'infinity'",
    )


async def hurry(database: Database) -> None:
    """Let the time pass until the next attempt at whatever no worker is at, and wait for none."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET due_at = now() WHERE id IN (SELECT id"
        " FROM ops.webhook_deliveries WHERE state = 'pending' AND due_at > now()"
        " AND due_at < 'infinity' AND lease IS NULL ORDER BY id FOR UPDATE SKIP LOCKED)",
    )


async def put_off(database: Database, by: timedelta) -> None:
    """Attempt every delivery no earlier than ``by`` from now."""
    await value(database, "UPDATE ops.webhook_deliveries SET due_at = now() + $1::interval", by)


async def back_off(database: Database, by: timedelta) -> None:
    """Let the next attempt at whatever waits for nothing else be so far away."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET due_at = now() + $1::interval"
        " WHERE state = 'pending' AND due_at < 'infinity'",
        by,
    )


async def count_due(database: Database) -> int:
    """Count what is due now."""
    query = (
        "SELECT count(*) FROM ops.webhook_deliveries WHERE state = 'pending' AND due_at <= now()"
    )
    return int(await value(database, query))


async def leave_one_attempt_to_the_due(database: Database) -> None:
    """The same for whatever waits for nothing else."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET attempts = 9, due_at = now()"
        " WHERE state = 'pending' AND due_at < 'infinity'",
    )


async def leave_one_attempt(database: Database) -> None:
    """Let the attempts pass that deliveries are allowed, but the last; it is due."""
    await value(database, "UPDATE ops.webhook_deliveries SET attempts = 9, due_at = now()")


async def give_up(database: Database, *, only: int | None = None) -> None:
    """Have every delivery given up, or only one."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET state = 'dead', settled_at = now()"
        " WHERE $1::bigint IS NULL OR id = $1",
        only,
    )


async def hold_as_before(database: Database) -> None:
    """Hold every delivery as a process of an earlier version does: by its state."""
    await value(database, "UPDATE ops.webhook_deliveries SET state = 'held'")


async def lock(connection: Connection, delivery: int) -> None:
    """Lock a delivery, as whoever works on it does."""
    await connection.execute(
        "SELECT FROM ops.webhook_deliveries WHERE id = $1 FOR UPDATE", delivery
    )


async def give_to_others(database: Database) -> None:
    """Have other workers hold every delivery that a worker has claimed."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET lease = gen_random_uuid() WHERE lease IS NOT NULL",
    )


async def end_leases(database: Database) -> None:
    """Let the time pass for which claimed deliveries are a worker's."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET leased_until = now() - interval '1 s'"
        " WHERE lease IS NOT NULL",
    )


async def max_attempts(database: Database) -> int:
    """The attempts charged to the delivery that was charged most."""
    return int(await value(database, "SELECT max(attempts) FROM ops.webhook_deliveries") or 0)


async def outcomes(database: Database) -> list[str | None]:
    """How each attempt ended; None is one that has not."""
    query = "SELECT array_agg(outcome ORDER BY delivery_id, number) FROM ops.webhook_attempts"
    return await value(database, query) or []


async def count_attempts(database: Database) -> int:
    """Count the attempts, begun or ended."""
    return len(await outcomes(database))


async def count_ended_attempts(database: Database) -> int:
    return sum(outcome is not None for outcome in await outcomes(database))


async def errors(database: Database, *, path: str = "") -> list[str | None]:
    """Why each attempt at an endpoint whose URL ends so failed; None is one that did not."""
    query = (
        "SELECT array_agg(attempt.error ORDER BY delivery.id, attempt.number)"
        " FROM ops.webhook_attempts AS attempt"
        " JOIN ops.webhook_deliveries AS delivery ON delivery.id = attempt.delivery_id"
        " JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id"
        " WHERE endpoint.url LIKE '%' || $1"
    )
    return await value(database, query, path) or []


async def heads(database: Database) -> list[bytes]:
    """What is kept of the beginning of each answer."""
    query = "SELECT array_agg(head) FROM ops.webhook_attempts WHERE head IS NOT NULL"
    return await value(database, query) or []


async def statuses(database: Database) -> list[int | None]:
    """What receivers answered to each attempt; None is one without an answer."""
    query = "SELECT array_agg(status ORDER BY delivery_id, number) FROM ops.webhook_attempts"
    return await value(database, query) or []


async def add_one_per_endpoint(database: Database, day: date) -> None:
    """Owe every endpoint some event of a day."""
    await value(
        database,
        """
        INSERT INTO ops.webhook_deliveries (endpoint_id, event_id, occurred_at, order_id, sequence)
        SELECT id, gen_random_uuid(), $1::date + interval '12 hours', 1, 1
          FROM ops.webhook_endpoints
        """,
        day,
    )


async def skip_all(database: Database) -> None:
    """Have every delivery skipped, as those to a removed endpoint are."""
    await value(database, "UPDATE ops.webhook_deliveries SET state = 'skipped', settled_at = now()")


async def deliver_all(database: Database, ago: timedelta) -> None:
    """Let every delivery have been made so long ago."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET state = 'delivered', settled_at = now() - $1::interval",
        ago,
    )


async def age(database: Database, by: timedelta) -> None:
    """Let every delivery's event have happened so much earlier."""
    await value(
        database, "UPDATE ops.webhook_deliveries SET occurred_at = occurred_at - $1::interval", by
    )


async def delete_all(database: Database) -> None:
    await value(database, "DELETE FROM ops.webhook_deliveries")


async def count_left_behind(database: Database) -> int:
    """Count what no worker has in hand and nothing will ever settle."""
    query = """
        SELECT count(*)
          FROM ops.webhook_deliveries AS delivery
          JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
         WHERE delivery.lease IS NULL
           AND (state NOT IN ('pending', 'delivered', 'dead', 'skipped')
                OR state = 'pending' AND removed_at IS NOT NULL)
    """
    return int(await value(database, query))


async def count_waiting(database: Database) -> int:
    """Count what waits for the one before it, or for the watermark."""
    query = "SELECT count(*) FROM ops.webhook_deliveries WHERE due_at = 'infinity'"
    return int(await value(database, query))


async def count_forgotten(database: Database) -> int:
    """Count what may be delivered now, and waits all the same."""
    query = """
        SELECT count(*)
          FROM ops.webhook_deliveries AS delivery
         WHERE state = 'pending' AND due_at = 'infinity' AND ops.may_go(delivery)
    """
    return int(await value(database, query))
