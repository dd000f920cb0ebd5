"""What else was sent under the reference of an order that is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from orderbus.domain.orders import OrderId
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: Other contents that are kept of one order; of more, nothing is.
MOST: Final = 20
#: What their sender was told: no, or yes, although the first content was kept.
Answered = Literal["refused", "kept_first"]


@dataclass(frozen=True, slots=True)
class Other:
    """Another content of an order, as it was sent."""

    content_hash: bytes
    total: Decimal
    lines: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another content of an order, how often it came, and what its sender was told last."""

    kept_hash: bytes
    content_hash: bytes
    total: Decimal
    lines: int
    answered: Answered
    actor: str
    request_id: str | None
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A conflict beside its order: what was kept, and what else came."""

    external_ref: str
    order_id: UUID
    source: str
    kept_total: Decimal
    other_total: Decimal
    other_lines: int
    answered: Answered
    actor: str
    times: int
    first_at: datetime
    last_at: datetime
    request_id: str | None


async def note(
    connection: Connection,
    order_id: OrderId,
    other: Other,
    *,
    answered: Answered,
    actor: str,
    request_id: str | None,
) -> None:
    """Note that another content came for an order; one that came before is counted."""
    await connection.execute(
        """
        INSERT INTO orders.conflicts AS conflict
               (order_id, content_hash, total, lines, answered, actor, request_id)
        SELECT id, $2, $3, $4, $5, $6, $7
          FROM orders.orders
         WHERE public_id = $1
           AND (EXISTS (SELECT FROM orders.conflicts WHERE order_id = id AND content_hash = $2)
                OR (SELECT count(*) FROM orders.conflicts WHERE order_id = id) < $8)
        ON CONFLICT (order_id, content_hash) DO UPDATE
           SET times = conflict.times + 1, last_at = now(), answered = excluded.answered,
               actor = excluded.actor, request_id = excluded.request_id
        """,
        order_id,
        other.content_hash,
        other.total,
        other.lines,
        answered,
        actor,
        request_id,
        MOST,
    )


async def list_of(connection: Connection, order_pk: int) -> Sequence[Conflict]:
    """List the other contents of an order, in the order in which they came first."""
    records = await connection.fetch(
        """
        SELECT placed.content_hash AS kept_hash, conflict.content_hash, conflict.total, lines,
               answered, actor, request_id, times, first_at, last_at
          FROM orders.conflicts AS conflict
          JOIN orders.orders AS placed ON placed.id = conflict.order_id
         WHERE conflict.order_id = $1
         ORDER BY first_at, conflict.content_hash
        """,
        order_pk,
    )
    return rows.many(Conflict, records)


async def list_newest(
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    at_most: int,
) -> list[Listed]:
    """List the conflicts of all orders, those first that came last: since when, and until when."""
    records = await connection.fetch(
        """
        SELECT external_ref, public_id, source, placed.total AS kept_total,
               conflict.total AS other_total, lines AS other_lines, answered, actor, times,
               first_at, last_at, request_id
          FROM (SELECT *
                  FROM orders.conflicts
                 WHERE last_at >= coalesce($1::timestamptz, '-infinity')
                   AND last_at < coalesce($2::timestamptz, 'infinity')
                 ORDER BY last_at DESC, order_id DESC, content_hash DESC
                 LIMIT $3) AS conflict
          JOIN orders.orders AS placed ON placed.id = conflict.order_id
         ORDER BY last_at DESC, conflict.order_id DESC, conflict.content_hash DESC
        """,
        since,
        until,
        at_most,
    )
    return rows.many(Listed, records)
