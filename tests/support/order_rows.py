"""What is kept of orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from orderbus.domain.orders import OrderId
from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def count(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.orders"))


async def count_items(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.order_items"))


async def count_history(database: Database) -> int:
    return int(await value(database, "SELECT count(*) FROM orders.order_history"))


async def names(database: Database) -> list[tuple[str, str]]:
    """Both names of every order, ours and its sender's, the oldest first."""
    query = "SELECT array_agg((public_id::text, external_ref) ORDER BY id) FROM orders.orders"
    return await value(database, query) or []


async def whole(database: Database) -> list[str]:
    """The references of all orders with their two items, history, event and pointer, sorted."""
    query = """
        SELECT array_agg(external_ref ORDER BY external_ref)
          FROM orders.orders
          JOIN orders.order_history AS history ON history.order_id = orders.id
          JOIN ops.events ON events.event_id = history.event_id AND events.order_id = orders.id
          JOIN ops.outbox ON outbox.event_id = events.event_id
         WHERE (SELECT count(*) FROM orders.order_items WHERE order_id = orders.id) = 2
           AND content ->> 'order_id' = external_ref
    """
    return await value(database, query) or []


async def requests(database: Database) -> dict[str, tuple[str, str]]:
    """The request and the trace by which each order came, by its reference."""
    query = "SELECT content ->> 'order_id' AS ref, request_id, traceparent FROM ops.events"
    async with database.connection() as connection:
        rows = await connection.fetch(query)
    return {row["ref"]: (row["request_id"], row["traceparent"]) for row in rows}


async def totals(database: Database) -> list[str]:
    query = "SELECT array_agg(total::text ORDER BY id) FROM orders.orders"
    return await value(database, query) or []


async def statuses(database: Database) -> list[str]:
    """The status of every order, the oldest first."""
    query = "SELECT array_agg(status ORDER BY id) FROM orders.orders"
    return await value(database, query) or []


async def forge_history(database: Database) -> None:
    """Try to have something else have happened to every order."""
    await value(database, "UPDATE orders.order_history SET type = 'order.forged'")


async def details(database: Database) -> list[dict[str, Any]]:
    """What the history says beside each thing that happened."""
    query = "SELECT array_agg(details ORDER BY order_id, sequence) FROM orders.order_history"
    return await value(database, query) or []


async def processing(database: Database) -> dict[str, Any]:
    """How the one order that was begun with is processed."""
    async with database.connection() as connection:
        (row,) = await connection.fetch("SELECT * FROM orders.order_processing")
    return dict(row)


async def draws(database: Database) -> dict[int, tuple[bool | None, str]]:
    """What was drawn for each order that was begun with, and the order's status."""
    async with database.connection() as connection:
        records = await connection.fetch(
            "SELECT order_id, drawn, placed.status FROM orders.order_processing"
            " JOIN orders.orders AS placed ON placed.id = order_id"
        )
    return {record["order_id"]: (record["drawn"], record["status"]) for record in records}


async def count_stuck(database: Database) -> int:
    """Count orders in progress of which no consumption will ever take care."""
    query = """
        SELECT count(*) FROM orders.orders
         WHERE status = 'in_progress'
           AND NOT EXISTS (SELECT FROM ops.consumptions WHERE state = 'pending')
    """
    return int(await value(database, query))


async def history_types(database: Database) -> list[str]:
    """What happened to the one order there is, in the order of its story."""
    query = "SELECT array_agg(type ORDER BY sequence) FROM orders.order_history"
    return await value(database, query) or []


async def last_sequence(database: Database) -> int:
    """How much happened to the order that most happened to."""
    return int(await value(database, "SELECT max(event_seq) FROM orders.orders"))


async def moves(database: Database) -> set[tuple[str, str, str]]:
    """The moves along each axis, from where to where, that the database itself knows."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT axis, from_status, to_status FROM orders.moves")
    return {(row["axis"], row["from_status"], row["to_status"]) for row in rows}


async def refuses(database: Database, order_id: OrderId, column: str, new: object) -> bool:
    """Say whether the database itself refuses a value, past all code; it is not kept."""
    statement = f"UPDATE orders.orders SET {column} = $2 WHERE public_id = $1"
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statement, order_id, new)
        except asyncpg.CheckViolationError as error:
            return error.constraint_name == "order_moves"
        finally:
            await transaction.rollback()
    return False


async def shipped(database: Database, order_id: OrderId) -> list[int]:
    """How many of each line of an order have left."""
    query = """
        SELECT array_agg(shipped ORDER BY line)
          FROM orders.order_items
         WHERE order_id = (SELECT id FROM orders.orders WHERE public_id = $1)
    """
    return await value(database, query, order_id) or []


async def ship_past_all_code(database: Database, quantity: int) -> None:
    """Have so much of every line there is left, unless the database itself refuses it."""
    await value(database, "UPDATE orders.order_items SET shipped = $1", quantity)


async def set_status(database: Database, order_id: OrderId, status: str) -> None:
    """Give an order a status, past all code, unless the database itself refuses it."""
    statement = "UPDATE orders.orders SET status = $2 WHERE public_id = $1"
    await value(database, statement, order_id, status)


async def fail_all(database: Database) -> None:
    """Have every order failed."""
    await value(database, "UPDATE orders.orders SET status = 'failed'")


async def keys(database: Database, order_ids: Sequence[OrderId]) -> list[int]:
    """The keys by which other tables know these orders, the oldest first."""
    query = "SELECT array_agg(id ORDER BY id) FROM orders.orders WHERE public_id = ANY ($1)"
    return await value(database, query, order_ids) or []


async def only_key(database: Database) -> int:
    """The key by which other tables know the one order there is."""
    return int(await value(database, "SELECT id FROM orders.orders"))


async def public_id(database: Database, key: int) -> UUID:
    """The id by which the world knows the order of a key."""
    found: UUID = await value(database, "SELECT public_id FROM orders.orders WHERE id = $1", key)
    return found


async def newest_first(connection: Connection) -> list[dict[str, Any]]:
    """Every order as it is kept, the newest first."""
    rows = await connection.fetch("SELECT * FROM orders.orders ORDER BY created_at DESC, id DESC")
    return [dict(row) for row in rows]


async def move_to_a_day_that_is_gone(database: Database, keys: Sequence[int], day: date) -> None:
    """Let all that happened to orders have happened on a day whose events are not kept."""
    async with database.transaction() as connection:
        await connection.execute("ALTER TABLE orders.order_history DISABLE TRIGGER append_only")
        for statement in (
            "UPDATE orders.order_history SET at = $2::date WHERE order_id = ANY ($1)",
            "UPDATE ops.watermarks SET day = $2 WHERE order_id = ANY ($1)",
        ):
            await connection.execute(statement, keys, day)
        for statement in (
            "DELETE FROM ops.events WHERE order_id = ANY ($1)",
            "DELETE FROM ops.inbox WHERE order_id = ANY ($1)",
        ):
            await connection.execute(statement, keys)


async def add_personal(database: Database, customer: UUID, count: int) -> None:
    """Let a customer have so many orders that say who they are."""
    await value(
        database,
        """
        INSERT INTO orders.orders (source, external_ref, content_hash, customer_name,
               customer_email, shipping_address, total, event_seq, customer_ref, customer_id)
        SELECT 'api', 'SO-' || n, sha256('x'), 'Jane', 'jane@shop.example', 'Road 1', 1, 1, 'j', $1
          FROM generate_series(1, $2::integer) AS n
        """,
        customer,
        count,
    )


async def count_personal(database: Database) -> int:
    """Count orders that say who somebody is."""
    query = """
        SELECT count(*) FROM orders.orders
         WHERE customer_name || customer_email || shipping_address <> ''
            OR customer_ref IS NOT NULL OR metadata <> '{}'
    """
    return int(await value(database, query))


async def sources(database: Database) -> dict[str, int]:
    """Count orders by where they came in."""
    query = """
        SELECT jsonb_object_agg(source, n)
          FROM (SELECT source, count(*) AS n FROM orders.orders GROUP BY source) AS counted
    """
    found: dict[str, int] = await value(database, query)
    return found
