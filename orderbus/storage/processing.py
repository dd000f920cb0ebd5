"""How far is the processing of each order?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from orderbus.storage.database import Connection


async def begin(connection: Connection, order_id: int, *, began_with: int) -> None:
    """Note that an order is being processed, from the event numbered ``began_with`` on."""
    await connection.execute(
        """
        INSERT INTO orders.order_processing (order_id, status, began_with)
        VALUES ($1, 'PROCESSING', $2)
        ON CONFLICT (order_id) DO UPDATE
           SET status = 'PROCESSING', began_with = $2, attempts = 1, amount = NULL,
               error_message = NULL, asked_by = NULL, started_at = now(), processed_at = NULL
        """,
        order_id,
        began_with,
    )


async def ask(connection: Connection, order_id: int, *, actor: str | None) -> None:
    """Note who asked for another try at an order that failed."""
    await connection.execute(
        "UPDATE orders.order_processing SET asked_by = $2 WHERE order_id = $1", order_id, actor
    )


async def asked_by(connection: Connection, order_id: int) -> str | None:
    """Say who asked for the try that begins now; None where nobody did."""
    actor: str | None = await connection.fetchval(
        "SELECT asked_by FROM orders.order_processing WHERE order_id = $1", order_id
    )
    return actor


async def go_on(connection: Connection, order_id: int) -> int:
    """Note one more attempt at an order that is in progress; returns the event it began with."""
    began_with: int = await connection.fetchval(
        """
        UPDATE orders.order_processing
           SET status = 'PROCESSING', attempts = attempts + 1
         WHERE order_id = $1
        RETURNING began_with
        """,
        order_id,
    )
    return began_with


async def wait(connection: Connection, order_id: int, *, error: str) -> None:
    """Note that an attempt failed, and that another one follows."""
    await connection.execute(
        "UPDATE orders.order_processing SET status = 'PENDING', error_message = $2"
        " WHERE order_id = $1 AND status = 'PROCESSING'",
        order_id,
        error,
    )


async def finish(
    connection: Connection, order_id: int, *, amount: Decimal | None, error: str | None
) -> datetime:
    """Note what came of it; returns when."""
    processed_at: datetime = await connection.fetchval(
        """
        INSERT INTO orders.order_processing AS processing
               (order_id, status, began_with, amount, error_message, processed_at)
        VALUES ($1, CASE WHEN $3::text IS NULL THEN 'SUCCESS' ELSE 'FAILED' END, 0, $2, $3, now())
        ON CONFLICT (order_id) DO UPDATE
           SET status = excluded.status, amount = $2, error_message = $3, processed_at = now()
        RETURNING processed_at
        """,
        order_id,
        amount,
        error,
    )
    return processed_at
