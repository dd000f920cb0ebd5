"""What cannot go on, why, and what a person decided about it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orderbus.errors import NotFound
from orderbus.storage.database import Connection


async def add_message(
    connection: Connection,
    *,
    message_id: str,
    actor: str | None,
    arguments: Mapping[str, Any] | None,
    reason: str,
    error: str,
    traceback: str | None,
    data: bytes | None = None,
) -> int | None:
    """Keep a queue message that failed for good; returns the dead letter's id.

    None for a message that is kept already.
    """
    letter: int | None = await connection.fetchval(
        """
        INSERT INTO ops.dead_letters
               (kind, message_id, actor, arguments, reason, error, traceback, data)
        VALUES ('message', $1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        message_id,
        actor,
        arguments,
        reason,
        error,
        traceback,
        data,
    )
    return letter


async def add_pubsub(
    connection: Connection, letters: Sequence[tuple[str, bytes, Mapping[str, str], str, str]]
) -> None:
    """Keep Pub/Sub messages nobody can act on: (message id, data, attributes, reason, error).

    A message that is kept already changes nothing.
    """
    await connection.executemany(
        """
        INSERT INTO ops.dead_letters (kind, message_id, data, attributes, reason, error)
        VALUES ('pubsub', $1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        letters,
    )


async def list_open(
    connection: Connection, *, kind: str | None, at_most: int
) -> list[dict[str, Any]]:
    """List dead letters nobody has decided about, oldest first, with whose order and whose URL."""
    rows = await connection.fetch(
        """
        SELECT letter.id, letter.kind, letter.reason, letter.error,
               orders.external_ref AS reference, endpoint.url, letter.delivery_id,
               letter.event_id, letter.actor, letter.message_id, letter.created_at
          FROM (SELECT *
                  FROM ops.dead_letters
                 WHERE resolved_at IS NULL AND ($1::text IS NULL OR kind = $1)
                 ORDER BY id
                 LIMIT $2) AS letter
          LEFT JOIN ops.webhook_deliveries AS delivery ON delivery.id = letter.delivery_id
          LEFT JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
          -- Each is looked up: a long list would read all events that are kept.
          LEFT JOIN LATERAL (
               SELECT order_id FROM ops.events
                WHERE occurred_at = letter.occurred_at AND event_id = letter.event_id
                LIMIT 1) AS event ON true
          LEFT JOIN orders.orders ON orders.id = coalesce(delivery.order_id, event.order_id)
         ORDER BY letter.id
        """,
        kind,
        at_most,
    )
    return [dict(row) for row in rows]


async def ids(connection: Connection, *, kind: str | None) -> list[int]:
    """Name every dead letter nobody has decided about, oldest first."""
    rows = await connection.fetch(
        """
        SELECT id
          FROM ops.dead_letters
         WHERE resolved_at IS NULL AND ($1::text IS NULL OR kind = $1)
         ORDER BY id
        """,
        kind,
    )
    return [row["id"] for row in rows]


async def get(connection: Connection, letter_id: int) -> dict[str, Any]:
    """Show one dead letter whole, with whose order and whose URL. Raises ``NotFound``."""
    row = await connection.fetchrow(
        """
        SELECT letter.*, orders.external_ref AS reference, delivery.endpoint_id, endpoint.url
          FROM ops.dead_letters AS letter
          LEFT JOIN ops.webhook_deliveries AS delivery ON delivery.id = letter.delivery_id
          LEFT JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
          LEFT JOIN ops.events AS event
            ON event.occurred_at = letter.occurred_at AND event.event_id = letter.event_id
          LEFT JOIN orders.orders ON orders.id = coalesce(delivery.order_id, event.order_id)
         WHERE letter.id = $1
        """,
        letter_id,
    )
    if row is None:
        raise NotFound(f"No dead letter {letter_id}")
    return dict(row)


async def lock_open(connection: Connection, letter_id: int) -> dict[str, Any]:
    """Take one undecided dead letter for this transaction. Raises ``NotFound``."""
    row = await connection.fetchrow(
        "SELECT * FROM ops.dead_letters WHERE id = $1 AND resolved_at IS NULL FOR UPDATE",
        letter_id,
    )
    if row is None:
        raise NotFound(f"No open dead letter {letter_id}")
    return dict(row)


async def resolve(
    connection: Connection, letter_id: int, *, resolution: str, note: str | None
) -> None:
    """Write down what was decided about a dead letter."""
    await connection.execute(
        "UPDATE ops.dead_letters SET resolved_at = now(), resolution = $2, note = $3 WHERE id = $1",
        letter_id,
        resolution,
        note,
    )
