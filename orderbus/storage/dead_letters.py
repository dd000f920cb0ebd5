"""The work that cannot go on, why, and what a person decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from orderbus.errors import Conflict, NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection
from orderbus.storage.letter_views import ABOUT, SUBJECT, OpenLetter


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message of a queue or of Pub/Sub that failed for good, and why.

    One of a queue has the bytes in ``data`` only if no actor was given it, and neither ``actor``
    nor ``arguments`` if it cannot be read.
    """

    message_id: str
    reason: str
    error: str
    data: bytes | None = None
    attributes: Mapping[str, str] | None = None
    actor: str | None = None
    arguments: Mapping[str, Any] | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter(OpenLetter):
    """A dead letter with everything it carries; what its ``kind`` leaves empty is None."""

    occurred_at: datetime | None
    data: bytes | None
    attributes: Mapping[str, str] | None
    arguments: Mapping[str, Any] | None
    traceback: str | None
    resolved_at: datetime | None
    resolution: str | None
    note: str | None
    decided_by: str | None
    consumption_id: int | None


async def add(
    connection: Connection, kind: Literal["message", "pubsub"], messages: Sequence[FailedMessage]
) -> dict[str, int]:
    """Keep messages; returns the dead letter of each id, none for one that is kept already."""
    records = await connection.fetchmany(
        """
        INSERT INTO ops.dead_letters
               (kind, message_id, reason, error, data, attributes, actor, arguments, traceback)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT DO NOTHING
        RETURNING message_id, id
        """,
        [(kind, *(getattr(each, field.name) for field in fields(each))) for each in messages],
    )
    return {record["message_id"]: record["id"] for record in records}


async def get(connection: Connection, letter_id: int) -> DeadLetter:
    """Show one dead letter, open or not. Raises ``NotFound``."""
    record = await connection.fetchrow(
        f"""
        SELECT letter.*, {SUBJECT} AS subject, orders.external_ref, orders.public_id,
               delivery.endpoint_id, endpoint.url
          FROM ops.dead_letters AS letter {ABOUT}
         WHERE letter.id = $1
        """,  # noqa: S608 - constants of ours
        letter_id,
    )
    if record is None:
        raise NotFound(f"No dead letter {letter_id}")
    return rows.one(DeadLetter, record)


async def lock_open(connection: Connection, letter_id: int) -> None:
    """Take one undecided dead letter; waits for whoever decides about it at this moment.

    Raises ``NotFound``, and ``Conflict``, which says who decided what; ``Busy`` where somebody else
    has it for longer than anybody waits for a lock.
    """
    taken = await connection.fetchrow(
        "SELECT resolved_at, resolution, decided_by, note FROM ops.dead_letters WHERE id = $1"
        " FOR UPDATE",
        letter_id,
    )
    if taken is None:
        raise NotFound(f"No dead letter {letter_id}")
    if taken["resolution"] is not None:
        by = f" by {taken['decided_by']}" if taken["decided_by"] else ""
        why = f": {taken['note']}" if taken["note"] else ""
        at = f"{taken['resolved_at']:%Y-%m-%d %H:%M:%S} UTC"
        raise Conflict(f"Dead letter {letter_id} was {taken['resolution']} at {at}{by}{why}")


async def lock_free(connection: Connection, letters: Sequence[int]) -> dict[int, int]:
    """Take those that are undecided and that nobody has; says how many bytes each carries."""
    records = await connection.fetch(
        """
        SELECT id, coalesce(octet_length(data), 0) AS size
          FROM ops.dead_letters
         WHERE id = ANY ($1::bigint[]) AND resolved_at IS NULL
         ORDER BY id
           FOR UPDATE SKIP LOCKED
        """,
        letters,
    )
    return {record["id"]: record["size"] for record in records}


async def resolve(
    connection: Connection, letter_id: int, *, resolution: str, note: str | None, by: str | None
) -> None:
    """Write down what was decided about a dead letter, and by whom."""
    await connection.execute(
        """
        UPDATE ops.dead_letters
           SET resolved_at = now(), resolution = $2, note = $3, decided_by = $4
         WHERE id = $1
        """,
        letter_id,
        resolution,
        note,
        by,
    )
