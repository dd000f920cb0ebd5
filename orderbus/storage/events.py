"""The one place that writes events, the history and the pointers of the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from orderbus import telemetry
from orderbus.domain.events import Event
from orderbus.domain.orders import OrderId
from orderbus.storage import rows
from orderbus.storage.database import Connection, after_commit

#: Parts of a statement that write down what its part ``happened`` lists: ``order_pk``,
#: ``order_public_id``, ``order_created_at``, ``sequence``, ``type``, ``content``, ``traceparent``,
#: ``request_id``, ``occurred_at``; of one order, or of many. So orders and their events are one
#: statement, and one round trip.
INTO_OUTBOX: Final = """
    named AS (
        SELECT gen_random_uuid() AS event_id, * FROM happened
    ), event AS (
        INSERT INTO ops.events (event_id, order_id, order_public_id, order_created_at, sequence,
               type, content, traceparent, request_id, occurred_at)
        SELECT event_id, order_pk, order_public_id, order_created_at, sequence, type, content,
               traceparent, request_id, occurred_at
          FROM named
    ), pointer AS (
        INSERT INTO ops.outbox (event_id, occurred_at)
        SELECT event_id, occurred_at FROM named ORDER BY order_pk, sequence
    )
"""
#: The same for an order, whose ``happened`` also lists ``actor`` and ``details``.
INTO_HISTORY_AND_OUTBOX: Final = f"""
    {INTO_OUTBOX}, history AS (
        INSERT INTO orders.order_history (order_id, sequence, event_id, type, actor, at, details)
        SELECT order_pk, sequence, event_id, type, actor, occurred_at, details FROM named
    )
"""  # noqa: S608 - a constant of ours


def wake_dispatcher(connection: Connection) -> None:
    """Have the dispatcher look at the outbox as soon as what was written is committed."""
    after_commit(connection, lambda database: database.outbox_written.set())


@dataclass(frozen=True, slots=True)
class Move:
    """Where an order goes, and why if somebody said so."""

    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Who did what to an order, and when."""

    sequence: int
    type: str
    actor: str
    at: datetime
    event_id: UUID
    details: Mapping[str, str]


async def append(
    connection: Connection,
    order_pk: int,
    *,
    types: Sequence[str],
    actor: str,
    content: Mapping[str, Any],
    details: Mapping[str, Any],
    traceparent: str | None,
    move: Move | None = None,
) -> int:
    """Give an order its next events, with history and outbox pointers; returns the last sequence.

    ``move`` is where they bring the order; the database refuses a move that is none. The order's
    row stays locked until the transaction ends, so an order's numbers have no gap and follow the
    order of commits.
    """
    sequence: int = await connection.fetchval(
        f"""
        WITH moved AS (
            UPDATE orders.orders
               SET event_seq = event_seq + cardinality($2::text[]),
                   status = coalesce($7, status),
                   status_reason = CASE WHEN $7 IS NULL THEN status_reason ELSE $8 END
             WHERE id = $1
            RETURNING id, public_id, created_at, event_seq
        ), happened AS (
            SELECT id AS order_pk, public_id AS order_public_id, created_at AS order_created_at,
                   event_seq - cardinality($2::text[]) + number AS sequence, type,
                   $4::jsonb AS content, $5 AS traceparent, $9 AS request_id,
                   clock_timestamp() AS occurred_at, $3 AS actor, $6::jsonb AS details
              FROM moved, unnest($2::text[]) WITH ORDINALITY AS added (type, number)
        ), {INTO_HISTORY_AND_OUTBOX}
        SELECT event_seq FROM moved
        """,  # noqa: S608 - as above
        order_pk,
        types,
        actor,
        content,
        traceparent,
        details,
        None if move is None else move.status,
        None if move is None else move.reason,
        telemetry.request_id(),
    )
    wake_dispatcher(connection)
    return sequence


async def remembered(connection: Connection, event_id: UUID, occurred_at: datetime) -> Event | None:
    """Find all but the order of an event whose payload is gone; None for a cart's event."""
    row = await connection.fetchrow(
        """
        SELECT history.event_id, history.type, history.sequence, history.at, placed.public_id
          FROM orders.order_history AS history
          JOIN orders.orders AS placed ON placed.id = history.order_id
         WHERE history.at = $2 AND history.event_id = $1
        """,
        event_id,
        occurred_at,
    )
    if row is None:
        return None
    order_id = OrderId(row["public_id"])
    return Event(row["event_id"], row["type"], row["sequence"], row["at"], order_id, {})


async def history(connection: Connection, order_id: OrderId) -> list[HistoryEntry]:
    """List who did what to an order, and when, oldest first; empty where there is no such order."""
    records = await connection.fetch(
        """
        SELECT sequence, type, actor, at, event_id, details
          FROM orders.order_history
         WHERE order_id = (SELECT id FROM orders.orders WHERE public_id = $1)
         ORDER BY sequence
        """,
        order_id,
    )
    return rows.many(HistoryEntry, records)
