"""What a restored database does not know of, and numbers that are moved on past it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.domain.events import Numbered
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: What sessions are called that look at a restored database, or repair it.
NAME: Final = "orderbus-restore-check"
#: Seconds a statement of a repair may take: nobody waits for it, since nothing else runs.
_PATIENCE: Final = 300.0
#: An order has no more events than that; whoever may write to the topic can claim more.
MOST_EVENTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database knows: until when, and what of it is told again.

    ``others`` are sessions of other processes of ours; ``open_orders`` may have further events.
    Counts stop at 100,000, but that of ``pointers``.
    """

    newest: datetime | None
    pointers: int
    deliveries: int
    attempted: int
    consumptions: int
    open_orders: int
    others: int


@dataclass(frozen=True, slots=True)
class Stranger:
    """An order of which Pub/Sub holds ``events`` that the database does not know.

    ``seen`` is the last number of them, ``here`` the last that the database has given, None where
    it does not know the order. ``reused`` is how many of these numbers it gave to other events.
    """

    order_id: UUID
    external_ref: str | None
    events: int
    seen: int
    here: int | None
    reused: int


@dataclass(frozen=True, slots=True)
class Lifted:
    """How many orders of a step go on with a higher number; ``last`` of the orders looked at."""

    last: int | None
    orders: int
    passed_over: int


async def facts(connection: Connection) -> Facts:
    """Ask what is known, and what waits to be told."""
    record = await connection.fetchrow(
        """
        SELECT greatest((SELECT max(occurred_at) FROM ops.events),
                        (SELECT max(received_at) FROM ops.inbox)) AS newest,
               (SELECT count(*) FROM ops.outbox) AS pointers,
               (SELECT count(*) FROM (SELECT FROM ops.webhook_deliveries
                                       WHERE state = 'pending' LIMIT 100000) AS few) AS deliveries,
               (SELECT count(*) FROM (SELECT FROM ops.webhook_deliveries
                                       WHERE state = 'pending' AND attempts > 0
                                       LIMIT 100000) AS few) AS attempted,
               (SELECT count(*) FROM (SELECT FROM ops.consumptions
                                       WHERE state = 'pending' LIMIT 100000) AS few)
                   AS consumptions,
               (SELECT count(*) FROM (SELECT FROM orders.orders
                                       WHERE status IN (SELECT from_status FROM orders.moves
                                                         WHERE axis = 'status')
                                       LIMIT 100000) AS few) AS open_orders
        """,
        timeout=_PATIENCE,
    )
    return rows.one(Facts, record, others=await others(connection))


async def others(connection: Connection) -> int:
    """Count the sessions of our other processes; a restore-check is none of them."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND application_name LIKE 'orderbus%' AND application_name <> $1
        """,
        NAME,
    )
    return count


async def keep_others_out(connection: Connection) -> bool:
    """Have whoever would give a number, or note one that came back, wait for this transaction.

    False, and nobody waits, where another repair does so already.
    """
    free: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('orderbus restore-check'))"
    )
    if free:
        await connection.execute("LOCK TABLE orders.orders, ops.watermarks IN EXCLUSIVE MODE")
    return free


async def strangers(connection: Connection, announced: Sequence[Numbered]) -> list[Stranger]:
    """List the orders of which events are announced that this database does not know."""
    records = await connection.fetch(
        """
        WITH unknown AS (
            SELECT came.*
              FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::bigint[], $5::text[])
                   AS came (event_id, occurred_at, public_id, sequence, called)
              LEFT JOIN LATERAL (
                   SELECT true AS known FROM ops.events
                    WHERE occurred_at = came.occurred_at AND event_id = came.event_id
                    LIMIT 1) AS event ON true
              LEFT JOIN LATERAL (
                   SELECT true AS remembered FROM orders.order_history
                    WHERE at = came.occurred_at AND event_id = came.event_id
                    LIMIT 1) AS entry ON true
             WHERE known IS NULL AND remembered IS NULL
        )
        SELECT unknown.public_id, max(called) AS called,
               count(DISTINCT unknown.event_id) AS events, max(unknown.sequence) AS seen,
               max(placed.event_seq) AS here,
               count(DISTINCT unknown.event_id) FILTER (WHERE taken) AS reused
          FROM unknown
          LEFT JOIN LATERAL (
               SELECT id, event_seq FROM orders.orders
                WHERE orders.public_id = unknown.public_id
                LIMIT 1) AS placed ON true
          LEFT JOIN LATERAL (
               SELECT true AS taken FROM orders.order_history AS history
                WHERE history.order_id = placed.id AND history.sequence = unknown.sequence
                LIMIT 1) AS number ON true
         WHERE unknown.sequence <= coalesce(placed.event_seq, 0) + $6
         GROUP BY unknown.public_id
         ORDER BY min(unknown.occurred_at), unknown.public_id
        """,
        *zip(*map(_columns, announced), strict=True) if announced else ([], [], [], [], []),
        MOST_EVENTS,
        timeout=_PATIENCE,
    )
    return [rows.one(Stranger, record, external_ref=record["called"]) for record in records]


def _columns(one: Numbered) -> tuple[object, ...]:
    return (one.event_id, one.occurred_at, one.order_id, one.sequence, one.external_ref)


_LIFT: Final = """
    WITH page AS MATERIALIZED (
        SELECT id, public_id, event_seq
          FROM orders.orders
         WHERE id > $4
         ORDER BY id
         LIMIT $5
           FOR UPDATE
    ), lifted AS MATERIALIZED (
        SELECT id, event_seq AS was, greatest(event_seq, reached) + $3 AS now
          FROM page
          LEFT JOIN unnest($1::uuid[], $2::bigint[]) AS seen (order_id, reached)
                 ON seen.order_id = page.public_id
    ), numbered AS (
        UPDATE orders.orders
           SET event_seq = lifted.now
          FROM lifted
         WHERE orders.id = lifted.id
    ), level AS MATERIALIZED (
        SELECT order_id, lifted.now
          FROM lifted
          JOIN ops.watermarks ON order_id = lifted.id
         WHERE sequence = was
         ORDER BY order_id
           FOR UPDATE OF watermarks
    ), moved AS (
        UPDATE ops.watermarks
           SET sequence = level.now
          FROM level
         WHERE watermarks.order_id = level.order_id
    ), passed_over AS (
        INSERT INTO ops.early_events (order_id, sequence)
        SELECT lifted.id, generate_series(was + 1, lifted.now)
          FROM lifted
          LEFT JOIN ops.watermarks ON order_id = lifted.id
         WHERE sequence < was
            OR sequence IS NULL
           AND EXISTS (SELECT FROM orders.order_history AS history
                         JOIN ops.outbox USING (event_id)
                        WHERE history.order_id = lifted.id)
        ON CONFLICT DO NOTHING
        RETURNING order_id
    )
    SELECT (SELECT max(id) FROM page) AS last, (SELECT count(*) FROM lifted) AS orders,
           (SELECT count(*) FROM passed_over) AS passed_over
"""


async def lift(
    connection: Connection, *, seen: Mapping[UUID, int], margin: int, after: int, at_most: int
) -> Lifted:
    """Have the next orders go on ``margin`` behind the last number that anybody saw.

    That is every order: one that was delivered long ago may still be changed. What is between
    counts as come back, so that what follows does not wait for it: the watermark of an order all of
    whose events are back is moved, and an order on its way finds the numbers among its early ones.
    """
    record = await connection.fetchrow(
        _LIFT,
        list(seen),
        list(seen.values()),
        margin,
        after,
        at_most,
        timeout=_PATIENCE,
    )
    return rows.one(Lifted, record)


async def move_ids_on(connection: Connection, *, by: int) -> int:
    """Leave out numbers of rows that may have been given; returns how many sequences moved."""
    moved: int = await connection.fetchval("SELECT ops.move_ids_on($1)", by)
    return moved
