"""The catalogue: what can be sold, at which price."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from orderbus.domain.priced_orders import Sold
from orderbus.domain.products import Changes, NewProduct
from orderbus.domain.text import brief
from orderbus.errors import Changed, Conflict, NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Product:
    """What can be sold; ``version`` is one more for each change."""

    id: int
    uuid: UUID
    sku: str
    name: str
    description: str
    price: Decimal
    active: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A product as the catalogue shows it: what of it is available, and its categories' slugs."""

    id: int
    uuid: UUID
    sku: str
    name: str
    description: str
    price: Decimal
    active: bool
    version: int
    available: int
    categories: Sequence[str]


_COLUMNS: Final = "id, uuid, sku, name, description, price, active, version, created_at, updated_at"
#: What ``Shown`` has of a product ``p``.
SHOWN: Final = """
    p.id, p.uuid, p.sku, p.name, p.description, p.price, p.active, p.version,
    (SELECT available FROM products.stock WHERE product_id = p.id) AS available,
    ARRAY(SELECT slug
            FROM products.product_categories
            JOIN products.categories ON categories.id = category_id
           WHERE product_id = p.id AND is_chosen
           ORDER BY slug) AS categories
"""


async def add(connection: Connection, new: NewProduct, *, uuid: UUID | None = None) -> Product:
    """Add a product, of which there is none in stock yet. Raises ``Conflict``: the sku is taken."""
    added = await connection.fetchrow(
        f"""
        WITH added AS (
            INSERT INTO products.products (sku, name, price, description, uuid)
            VALUES ($1, $2, $3, $4, coalesce($5, gen_random_uuid()))
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
        new.description,
        uuid,
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


async def sold(connection: Connection, skus: Collection[str]) -> dict[str, Sold]:
    """Find the products of those skus that are sold now; others are left out."""
    found = await connection.fetch(
        "SELECT sku, id, name, price FROM products.products"
        " WHERE sku = ANY ($1::text[]) AND active",
        skus,
    )
    return {row["sku"]: Sold(row["id"], row["name"], row["price"]) for row in found}


async def prices(connection: Connection, skus: Collection[str]) -> dict[str, Decimal]:
    """Say what the products of those skus cost that are sold now; others are left out."""
    found = await connection.fetch(
        "SELECT sku, price FROM products.products WHERE sku = ANY ($1::text[]) AND active", skus
    )
    return {row["sku"]: row["price"] for row in found}


async def list_of(
    connection: Connection, uuids: Collection[UUID], *, only_sold: bool = True
) -> list[Product]:
    """List the products of those uuids, by default those that are sold now."""
    found = await connection.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM products.products
         WHERE uuid = ANY ($1::uuid[]) AND (active OR NOT $2)
        """,  # noqa: S608 - as above
        uuids,
        only_sold,
    )
    return rows.many(Product, found)


async def uuids(connection: Connection, skus: Collection[str]) -> dict[str, UUID]:
    """Find the uuids of the products of those names, whether they are sold or not."""
    found = await connection.fetch(
        "SELECT sku, uuid FROM products.products WHERE sku = ANY ($1::text[])", skus
    )
    return {row["sku"]: row["uuid"] for row in found}


async def show(connection: Connection, product_id: int) -> Shown:
    """Show a product that is sold. Raises ``NotFound``."""
    found = await connection.fetchrow(
        f"SELECT {SHOWN} FROM products.products p WHERE id = $1 AND active",  # noqa: S608 - as above
        product_id,
    )
    if found is None:
        raise NotFound("Not found.")
    return rows.one(Shown, found)


async def change(
    connection: Connection, product_id: int, changes: Changes, *, seen: int | None
) -> None:
    """Change a product that is sold, if it is still as it was ``seen``.

    Raises ``NotFound``, ``Changed``; ``Conflict`` where another product has the sku.
    """
    try:
        changed = await connection.fetchval(
            """
            UPDATE products.products
               SET name = coalesce($3, name), description = coalesce($4, description),
                   price = coalesce($5, price), sku = coalesce($6, sku),
                   version = version + 1, updated_at = now()
             WHERE id = $1 AND active AND version = coalesce($2, version)
            RETURNING true
            """,
            product_id,
            seen,
            changes.name,
            changes.description,
            changes.price,
            changes.sku,
        )
    except asyncpg.UniqueViolationError:
        raise Conflict(f"There is a product {brief(changes.sku or '')} already") from None
    if not changed:
        raise await _why_not(connection, product_id)


async def deactivate(connection: Connection, product_id: int, *, seen: int | None) -> None:
    """Sell a product no more, if it is still as it was ``seen``: orders and movements name it.

    Raises ``NotFound``, ``Changed``.
    """
    changed = await connection.fetchval(
        """
        UPDATE products.products
           SET active = false, version = version + 1, updated_at = now()
         WHERE id = $1 AND active AND version = coalesce($2, version)
        RETURNING true
        """,
        product_id,
        seen,
    )
    if not changed:
        raise await _why_not(connection, product_id)


async def activate(connection: Connection, sku: str, *, active: bool) -> Product:
    """Sell a product again, or no more; one that is so already is left as it is. ``NotFound``."""
    await connection.execute(
        """
        UPDATE products.products
           SET active = $2, version = version + 1, updated_at = now()
         WHERE sku = $1 AND active <> $2
        """,
        sku,
        active,
    )
    return await get(connection, sku)


async def _why_not(connection: Connection, product_id: int) -> Changed | NotFound:
    version = await connection.fetchval(
        "SELECT version FROM products.products WHERE id = $1 AND active", product_id
    )
    if version is None:
        return NotFound("Not found.")
    return Changed(f'If-Match names another version of the product: its ETag is "{version}"')
