"""The one place that writes events, the history and the pointers of the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from orderbus.domain.events import Event
from orderbus.domain.orders import OrderId
from orderbus.domain.retries import BETWEEN_EVENTS
from orderbus.storage import rows
from orderbus.storage.database import Connection, after_commit

_INTO_OUTBOX: Final = """
    named AS (
        SELECT gen_random_uuid() AS event_id, * FROM happened
    ), event AS (
        INSERT INTO ops.events (event_id, order_id, order_public_id, order_created_at, sequence,
               type, content, traceparent, request_id, occurred_at)
        SELECT event_id, order_pk, order_public_id, order_created_at, sequence, type, content,
               traceparent, request_id, occurred_at
          FROM named
    ), pointer AS (
        INSERT INTO ops.outbox (event_id, occurred_at, due_at)
        SELECT event_id, occurred_at, {due_at} FROM named ORDER BY order_pk, sequence
    )
"""
_INTO_HISTORY: Final = """
    , history AS (
        INSERT INTO orders.order_history (order_id, sequence, event_id, type, actor, at, details)
        SELECT order_pk, sequence, event_id, type, actor, occurred_at, details FROM named
    )
"""
#: Parts of a statement that write down what its part ``happened`` lists: ``order_pk``,
#: ``order_public_id``, ``order_created_at``, ``sequence``, ``type``, ``content``, ``traceparent``,
#: ``request_id``, ``occurred_at``; of one order, or of many. So orders and their events are one
#: statement, and one round trip.
INTO_OUTBOX: Final = _INTO_OUTBOX.format(due_at="now()")
#: The same for an order, whose ``happened`` also lists ``actor`` and ``details``.
INTO_HISTORY_AND_OUTBOX: Final = INTO_OUTBOX + _INTO_HISTORY
#: How many events of one order go out at once. The others follow, as many after each pause:
#: thousands of one order are never ahead of everybody else's.
AT_ONCE: Final = 100
#: When an event is due: at once, or a pause after the one ``AT_ONCE`` before it, if that waits.
_DUE_AT: Final = f"""(
    SELECT coalesce(max(greatest(now(), due_at + $12::interval)), now())
      FROM ops.outbox
     WHERE sequence > {AT_ONCE}
       AND event_id = (SELECT event_id FROM orders.order_history AS before
                        WHERE before.order_id = order_pk
                          AND before.sequence = named.sequence - {AT_ONCE})
       AND lease IS NULL AND isfinite(due_at))
"""  # noqa: S608 - a constant of ours


def wake_dispatcher(connection: Connection) -> None:
    """Have the dispatcher look at the outbox as soon as what was written is committed."""
    after_commit(connection, lambda database: database.outbox_written.set())


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened to an order: an event, and perhaps one ``also`` that carries the same.

    ``status`` is where it brings the order, if anywhere, and ``reason`` why, if somebody said so;
    ``sets`` names what else is new of the order, by column.
    """

    order_pk: int
    type: str
    actor: str
    content: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None
    request_id: str | None = None
    also: str | None = None
    status: str | None = None
    reason: str | None = None
    sets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Who did what to an order, and when."""

    sequence: int
    type: str
    actor: str
    at: datetime
    event_id: UUID
    details: Mapping[str, str]


#: Each column that ``Happened.sets`` may name: one that it does not name stays as it is.
_SETS: Final = ", ".join(
    f"{column} = CASE WHEN sets ? '{column}' THEN {new} ELSE orders.{column} END"
    for column, new in {
        "fulfillment_status": "sets ->> 'fulfillment_status'",
        "on_hold": "(sets ->> 'on_hold')::boolean",
        "hold_reason": "sets ->> 'hold_reason'",
        "cancel_cause": "sets ->> 'cancel_cause'",
        "shipping_address": "sets ->> 'shipping_address'",
        "metadata": "sets -> 'metadata'",
        "total": "(sets ->> 'total')::numeric",
        "customer_name": "sets ->> 'customer_name'",
        "customer_email": "sets ->> 'customer_email'",
        "customer_ref": "sets ->> 'customer_ref'",
        "removed_at": "now()",
    }.items()
)
_APPEND: Final = f"""
    WITH given AS (
        SELECT *
          FROM unnest($1::bigint[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[], $6::text[],
                      $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[])
               AS given (order_pk, type, actor, content, details, traceparent, request_id, also,
                         status, reason, sets)
    ), moved AS (
        UPDATE orders.orders
           SET event_seq = event_seq + 1 + (also IS NOT NULL)::int,
               status = coalesce(given.status, orders.status),
               status_reason = CASE WHEN given.status IS NULL THEN status_reason ELSE reason END,
               {_SETS}
          FROM given
         WHERE id = order_pk AND id = ANY ($1)  -- else a plan may walk through all orders
        RETURNING order_pk, public_id AS order_public_id, created_at AS order_created_at,
                  event_seq, type, also, content, traceparent, request_id, actor, details
    ), happened AS (
        SELECT order_pk, order_public_id, order_created_at, added.sequence, added.type, content,
               traceparent, request_id, clock_timestamp() AS occurred_at, actor, details
          FROM moved
         CROSS JOIN LATERAL (
                VALUES (event_seq - (also IS NOT NULL)::int, moved.type), (event_seq, also)
                ) AS added (sequence, type)
         WHERE added.type IS NOT NULL
    ), {_INTO_OUTBOX.format(due_at=_DUE_AT)} {_INTO_HISTORY}
    SELECT order_pk, event_seq FROM moved
"""  # noqa: S608 - as above


async def append(connection: Connection, happened: Sequence[Happened]) -> list[int]:
    """Give each order its next events, with history and outbox pointers; their last sequences.

    They go out at once, unless more than ``AT_ONCE`` of the order would. The database refuses a
    move that is none. An order's row stays locked until the transaction ends, so an order's numbers
    have no gap and follow the order of commits; where there are many, the caller has locked them.
    """
    columns = [[getattr(each, name.name) for each in happened] for name in fields(Happened)]
    records = await connection.fetch(_APPEND, *columns, BETWEEN_EVENTS)
    wake_dispatcher(connection)
    sequences = {record["order_pk"]: record["event_seq"] for record in records}
    return [sequences[each.order_pk] for each in happened]


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
