"""The catalogue: what can be sold, at which price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from orderbus.domain.products import NewProduct
from orderbus.domain.text import brief
from orderbus.errors import Conflict, NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Product:
    """What can be sold; ``version`` is one more for each change."""

    id: int
    uuid: UUID
    sku: str
    name: str
    price: Decimal
    active: bool
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = "id, uuid, sku, name, price, active, version, created_at, updated_at"


async def add(connection: Connection, new: NewProduct) -> Product:
    """Add a product, of which there is none in stock yet. Raises ``Conflict``: the sku is taken."""
    added = await connection.fetchrow(
        f"""
        WITH added AS (
            INSERT INTO products.products (sku, name, price) VALUES ($1, $2, $3)
            ON CONFLICT (sku) DO NOTHING
            RETURNING *
        ), stocked AS (
            INSERT INTO products.stock (product_id) SELECT id FROM added
        )
        SELECT {_COLUMNS} FROM added
        """,  # noqa: S608 - the columns are a constant of ours
        new.sku,
        new.name,
        new.price,
    )
    if added is None:
        raise Conflict(f"There is a product {brief(new.sku)} already")
    return rows.one(Product, added)


async def get(connection: Connection, sku: str) -> Product:
    """Show a product. Raises ``NotFound``."""
    found = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM products.products WHERE sku = $1",  # noqa: S608 - as above
        sku,
    )
    if found is None:
        raise NotFound(f"No product {brief(sku)}")
    return rows.one(Product, found)


async def get_sold(connection: Connection, sku: str) -> Product:
    """Show a product that is sold now. Raises ``NotFound``."""
    product = await get(connection, sku)
    if not product.active:
        raise NotFound(f"No product {brief(sku)}")
    return product


async def list_by_sku(
    connection: Connection, *, after: str | None = None, at_most: int
) -> list[Product]:
    """List products by sku, behind one."""
    found = await connection.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM products.products
         WHERE $1::text IS NULL OR sku > $1
         ORDER BY sku
         LIMIT $2
        """,  # noqa: S608 - as above
        after,
        at_most,
    )
    return rows.many(Product, found)


async def ids(
    connection: Connection, skus: Sequence[str], *, only_sold: bool = True
) -> dict[str, int]:
    """Find the products of those named, by default those that are sold now; others are left out."""
    found = await connection.fetch(
        "SELECT sku, id FROM products.products WHERE sku = ANY ($1::text[]) AND (active OR NOT $2)",
        skus,
        only_sold,
    )
    return {row["sku"]: row["id"] for row in found}
