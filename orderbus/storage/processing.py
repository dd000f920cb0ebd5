"""How far the processing of each order is; the caller has locked the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from orderbus.domain.states import Status
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Begun:
    """A try at an order, by the event it began with; and what was drawn for it, if anything was."""

    order_pk: int
    began_with: int
    drawn: bool | None = None


async def begin(connection: Connection, begun: Sequence[Begun]) -> None:
    """Note that orders are being processed anew."""
    await connection.execute(
        """
        INSERT INTO orders.order_processing (order_id, status, began_with, drawn)
        SELECT order_id, 'PROCESSING', began_with, drawn
          FROM unnest($1::bigint[], $2::bigint[], $3::boolean[])
               AS given (order_id, began_with, drawn)
        ON CONFLICT (order_id) DO UPDATE
           SET status = 'PROCESSING', began_with = excluded.began_with, attempts = 1, amount = NULL,
               error_message = NULL, asked_by = NULL, started_at = now(), processed_at = NULL,
               drawn = excluded.drawn
        """,
        [each.order_pk for each in begun],
        [each.began_with for each in begun],
        [each.drawn for each in begun],
    )


async def asked_by(connection: Connection, orders: Sequence[int]) -> dict[int, str]:
    """Say who asked for the tries that begin now, where somebody did."""
    records = await connection.fetch(
        "SELECT order_id, asked_by FROM orders.order_processing"
        " WHERE order_id = ANY ($1::bigint[]) AND asked_by IS NOT NULL",
        orders,
    )
    return {record["order_id"]: record["asked_by"] for record in records}


async def go_on(connection: Connection, orders: Sequence[int]) -> dict[int, Begun]:
    """Note one more attempt at orders that are in progress; how they began."""
    records = await connection.fetch(
        """
        UPDATE orders.order_processing
           SET status = 'PROCESSING', attempts = attempts + 1
         WHERE order_id = ANY ($1::bigint[])
        RETURNING order_id AS order_pk, began_with, drawn
        """,
        orders,
    )
    return {each.order_pk: each for each in rows.many(Begun, records)}


async def wait(connection: Connection, order_pk: int, *, error: str) -> None:
    """Note that an attempt failed, and that another one follows."""
    await connection.execute(
        "UPDATE orders.order_processing SET status = 'PENDING', error_message = $2"
        " WHERE order_id = $1 AND status = 'PROCESSING'",
        order_pk,
        error,
    )


async def finish(
    connection: Connection, finished: Sequence[tuple[int, Decimal | None, str | None]]
) -> datetime:
    """Note what came of orders: their amounts, and their errors; returns when."""
    return await connection.fetchval(
        """
        INSERT INTO orders.order_processing
               (order_id, status, began_with, amount, error_message, processed_at)
        SELECT order_id, CASE WHEN error IS NULL THEN 'SUCCESS' ELSE 'FAILED' END, 0, amount,
               error, now()
          FROM unnest($1::bigint[], $2::numeric[], $3::text[]) AS given (order_id, amount, error)
        ON CONFLICT (order_id) DO UPDATE
           SET status = excluded.status, amount = excluded.amount,
               error_message = excluded.error_message, processed_at = now()
        RETURNING processed_at
        """,
        *([each[column] for each in finished] for column in range(3)),
    )


async def wake(connection: Connection, consumer: str, order_pk: int) -> None:
    """Let a consumer have an order's first event now that it had put off; its row is locked."""
    await connection.execute(
        """
        UPDATE ops.consumptions
           SET due_at = now()
         WHERE consumer = $1 AND state = 'pending' AND lease IS NULL AND due_at > now()
           AND event_id = (SELECT event_id FROM orders.order_history
                            WHERE order_id = $2 AND sequence = 1)
        """,
        consumer,
        order_pk,
    )


async def lock_failed(connection: Connection, consumer: str, letters: Sequence[int]) -> list[int]:
    """Lock, in one order, the orders that a consumer's dead letters are of; those that failed."""
    records = await connection.fetch(
        """
        SELECT orders.id, status
          FROM ops.dead_letters AS letter
          JOIN orders.order_history AS history
            ON history.at = letter.occurred_at AND history.event_id = letter.event_id
          JOIN orders.orders ON orders.id = history.order_id
         WHERE letter.id = ANY ($2::bigint[]) AND letter.kind = 'consumption' AND letter.actor = $1
         ORDER BY public_id
           FOR UPDATE OF orders
        """,
        consumer,
        letters,
    )
    return [record["id"] for record in records if record["status"] == Status.FAILED]


async def begin_again(
    connection: Connection, consumer: str, order_pk: int, *, actor: str | None
) -> Literal["again", "waiting", "gone"]:
    """Let a consumer have an order's first event once more, as ``actor`` asked; or says why not.

    It may have that still to do, or the event is no longer kept. A dead letter that stands for it
    counts as redriven; it is locked before the consumption, as by whoever redrives it.
    """
    return await connection.fetchval(
        """
        WITH first AS (
            SELECT consumption.id, consumption.state = 'pending' AS is_pending,
                   EXISTS (SELECT FROM ops.events
                            WHERE events.occurred_at = consumption.occurred_at
                              AND events.event_id = consumption.event_id) AS is_kept
              FROM orders.order_history AS history
              JOIN ops.consumptions AS consumption ON consumption.event_id = history.event_id
             WHERE history.order_id = $2 AND history.sequence = 1
               AND consumption.consumer = $1
        ), letter AS (
            SELECT id
              FROM ops.dead_letters
             WHERE consumption_id = (SELECT id FROM first WHERE is_kept)
               AND kind = 'consumption' AND resolved_at IS NULL
               FOR UPDATE
        ), again AS (
            UPDATE ops.consumptions
               SET state = 'pending', attempts = 0, crashes = 0, is_suspect = false,
                   due_at = now(), settled_at = NULL
             WHERE id = (SELECT id FROM first WHERE is_kept)
               AND state <> 'pending'
               AND (SELECT count(*) FROM letter) >= 0
            RETURNING id
        ), redriven AS (
            UPDATE ops.dead_letters
               SET resolved_at = now(), resolution = 'redriven', note = 'tried again by the API'
             WHERE id IN (SELECT id FROM letter) AND EXISTS (SELECT FROM again)
        ), asked AS (
            UPDATE orders.order_processing
               SET asked_by = $3
             WHERE order_id = $2 AND EXISTS (SELECT FROM again)
        )
        SELECT CASE WHEN EXISTS (SELECT FROM again) THEN 'again'
                    WHEN EXISTS (SELECT FROM first WHERE is_kept OR is_pending) THEN 'waiting'
                    ELSE 'gone' END
        """,
        consumer,
        order_pk,
        actor,
    )
