"""The work that cannot go on, why, and what a person decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A queue message that failed for good, and why.

    ``data`` are the bytes of one that no actor was given; one that cannot be read has neither
    ``actor`` nor ``arguments``.
    """

    message_id: str
    actor: str | None
    arguments: Mapping[str, Any] | None
    reason: str
    error: str
    traceback: str | None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class PubsubMessage:
    """A Pub/Sub message that nobody can act on, and why."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A dead letter nobody has decided about, in brief, with whose order and whose URL."""

    id: int
    kind: str
    reason: str
    error: str
    external_ref: str | None
    order_id: UUID | None
    url: str | None
    delivery_id: int | None
    event_id: UUID | None
    actor: str | None
    message_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter with everything it carries, whose order and whose URL.

    What a delivery, an outbox pointer, a consumption, a Pub/Sub or a queue message leaves empty is
    None; see ``kind``.
    """

    id: int
    kind: str
    delivery_id: int | None
    event_id: UUID | None
    occurred_at: datetime | None
    message_id: str | None
    data: bytes | None
    attributes: Mapping[str, str] | None
    actor: str | None
    arguments: Mapping[str, Any] | None
    reason: str
    error: str
    traceback: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    note: str | None
    consumption_id: int | None
    external_ref: str | None
    order_id: UUID | None
    endpoint_id: UUID | None
    url: str | None


async def add_message(connection: Connection, message: FailedMessage) -> int | None:
    """Keep a queue message; returns the dead letter's id, None for one that is kept already."""
    letter: int | None = await connection.fetchval(
        """
        INSERT INTO ops.dead_letters
               (kind, message_id, actor, arguments, reason, error, traceback, data)
        VALUES ('message', $1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        message.message_id,
        message.actor,
        message.arguments,
        message.reason,
        message.error,
        message.traceback,
        message.data,
    )
    return letter


async def add_pubsub(connection: Connection, messages: Sequence[PubsubMessage]) -> None:
    """Keep Pub/Sub messages; one that is kept already changes nothing."""
    await connection.executemany(
        """
        INSERT INTO ops.dead_letters (kind, message_id, data, attributes, reason, error)
        VALUES ('pubsub', $1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        [
            (each.message_id, each.data, each.attributes, each.reason, each.error)
            for each in messages
        ],
    )


async def list_open(connection: Connection, *, kind: str | None, at_most: int) -> list[OpenLetter]:
    """List dead letters nobody has decided about, oldest first."""
    records = await connection.fetch(
        """
        SELECT letter.id, letter.kind, letter.reason, letter.error,
               orders.external_ref, orders.public_id, endpoint.url,
               letter.delivery_id, letter.event_id, letter.actor, letter.message_id,
               letter.created_at
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
    return rows.many(OpenLetter, records)


async def list_open_ids(connection: Connection, *, kind: str | None) -> list[int]:
    """Name every dead letter nobody has decided about, oldest first."""
    records = await connection.fetch(
        """
        SELECT id
          FROM ops.dead_letters
         WHERE resolved_at IS NULL AND ($1::text IS NULL OR kind = $1)
         ORDER BY id
        """,
        kind,
    )
    return [record["id"] for record in records]


async def get(connection: Connection, letter_id: int) -> DeadLetter:
    """Show one dead letter, open or not. Raises ``NotFound``."""
    record = await connection.fetchrow(
        """
        SELECT letter.*, orders.external_ref, orders.public_id, delivery.endpoint_id, endpoint.url
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
    if record is None:
        raise NotFound(f"No dead letter {letter_id}")
    return rows.one(DeadLetter, record)


async def lock_open(connection: Connection, letter_id: int) -> None:
    """Take one undecided dead letter for this transaction. Raises ``NotFound``."""
    if not await connection.fetchval(
        "SELECT true FROM ops.dead_letters WHERE id = $1 AND resolved_at IS NULL FOR UPDATE",
        letter_id,
    ):
        raise NotFound(f"No open dead letter {letter_id}")


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
