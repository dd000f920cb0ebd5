"""Stock as it is shown, and whether its counters are the sum of what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus.domain.stock import Kind
from orderbus.domain.text import brief
from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: Products that one statement of ``verify`` adds up.
STEP: Final = 500


@dataclass(frozen=True, slots=True)
class Level:
    """How much of a product there is: ``available`` is what is neither reserved nor allocated."""

    product_id: int
    sku: str
    name: str
    on_hand: int
    reserved: int
    allocated: int
    available: int
    shipped: int
    backorder_limit: int
    version: int


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement: by how much each counter changed, for whom, by whom, why."""

    id: int
    at: datetime
    kind: Kind
    on_hand: int
    reserved: int
    allocated: int
    shipped: int
    order_id: UUID | None
    cart_uuid: UUID | None
    actor: str
    reason: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that is not the sum of its movements."""

    sku: str
    counter: str
    kept: int
    moved: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs of the products that were looked at; they go on behind ``until``, if at all."""

    differences: Sequence[Difference]
    products: int
    until: int | None


async def list_levels(
    connection: Connection, *, after: str | None = None, at_most: int
) -> list[Level]:
    """List how much there is of each product, by sku, behind one."""
    levels = await connection.fetch(
        """
        SELECT stock.*, sku, name
          FROM products.products
          JOIN products.stock ON product_id = products.id
         WHERE $1::text IS NULL OR sku > $1
         ORDER BY sku
         LIMIT $2
        """,
        after,
        at_most,
    )
    return rows.many(Level, levels)


async def level(connection: Connection, sku: str) -> Level:
    """Say how much there is of a product. Raises ``NotFound``."""
    found = await connection.fetchrow(
        "SELECT stock.*, sku, name FROM products.stock JOIN products.products ON id = product_id"
        " WHERE sku = $1",
        sku,
    )
    if found is None:
        raise NotFound(f"No product {brief(sku)}")
    return rows.one(Level, found)


async def level_of(connection: Connection, product_id: int) -> Level:
    """Say how much there is of a product. Raises ``NotFound``."""
    found = await connection.fetchrow(
        "SELECT stock.*, sku, name FROM products.stock JOIN products.products ON id = product_id"
        " WHERE product_id = $1",
        product_id,
    )
    if found is None:
        raise NotFound("Not found.")
    return rows.one(Level, found)


async def list_movements(
    connection: Connection, product_id: int, *, before: int | None = None, at_most: int
) -> list[Moved]:
    """List what moved of a product, the newest first, before the movement of an id."""
    moved = await connection.fetch(
        """
        SELECT movement.id, at, kind, on_hand, reserved, allocated, shipped,
               orders.public_id, movement.cart_uuid, actor, reason, movement.request_id
          FROM products.stock_movements AS movement
          LEFT JOIN orders.orders ON orders.id = movement.order_id
         WHERE product_id = $1 AND movement.id < coalesce($2::bigint, 9223372036854775807)
         ORDER BY movement.id DESC
         LIMIT $3
        """,
        product_id,
        before,
        at_most,
    )
    return rows.many(Moved, moved)


async def compare(connection: Connection, *, after: int) -> Compared:
    """Compare the counters of the next products behind an id with the sum of their movements.

    One statement sees one moment, so what moves meanwhile differs in nothing.
    """
    records = await connection.fetch(
        """
        WITH next AS MATERIALIZED (
            SELECT * FROM products.stock WHERE product_id > $1 ORDER BY product_id LIMIT $2
        )
        SELECT product_id, sku, next.on_hand, next.reserved, next.allocated, next.shipped,
               moved.*
          FROM next
          JOIN products.products ON products.id = product_id
         CROSS JOIN LATERAL (
               SELECT coalesce(sum(on_hand), 0)::bigint AS moved_on_hand,
                      coalesce(sum(reserved), 0)::bigint AS moved_reserved,
                      coalesce(sum(allocated), 0)::bigint AS moved_allocated,
                      coalesce(sum(shipped), 0)::bigint AS moved_shipped
                 FROM products.stock_movements AS movement
                WHERE movement.product_id = next.product_id
               ) AS moved
         ORDER BY product_id
        """,
        after,
        STEP,
    )
    found = [
        Difference(record["sku"], counter, record[counter], record[f"moved_{counter}"])
        for record in records
        for counter in ("on_hand", "reserved", "allocated", "shipped")
        if record[counter] != record[f"moved_{counter}"]
    ]
    until = records[-1]["product_id"] if len(records) == STEP else None
    return Compared(found, len(records), until)


async def count(connection: Connection) -> int:
    """Count the products."""
    return int(await connection.fetchval("SELECT count(*) FROM products.stock"))
