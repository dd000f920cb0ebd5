"""The tree of categories, and which products are in which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderbus.domain.text import brief
from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Category:
    """A category, below the one with the slug ``parent``."""

    slug: str
    name: str
    parent: str | None


async def add(connection: Connection, slug: str, name: str, *, parent: str | None) -> bool:
    """Add a category, below another one if that is named; false where there is one already.

    Raises ``NotFound`` where there is none to be below.
    """
    above = None
    if parent is not None:
        find = "SELECT id FROM products.categories WHERE slug = $1"
        above = await connection.fetchval(find, parent)
        if above is None:
            raise NotFound(f"There is no category {brief(parent)}.")
    added = await connection.fetchval(
        """
        INSERT INTO products.categories (slug, name, parent_id)
        VALUES ($1, $2, $3)
        ON CONFLICT (slug) DO NOTHING
        RETURNING true
        """,
        slug,
        name,
        above,
    )
    return added is not None


async def list_all(connection: Connection) -> list[Category]:
    """List the categories, each behind the one that it is below; a thousand at most."""
    found = await connection.fetch(
        """
        SELECT category.slug, category.name, parent.slug AS parent
          FROM products.categories AS category
          LEFT JOIN products.categories AS parent ON parent.id = category.parent_id
         ORDER BY category.id
         LIMIT 1000
        """
    )
    return rows.many(Category, found)


async def choose(connection: Connection, product_id: int, slugs: Sequence[str]) -> list[str]:
    """Put a product into these categories and all above them, and out of all others.

    Returns the slugs that name none; then nothing is as it was asked for.
    """
    known = await connection.fetch(
        """
        WITH RECURSIVE chosen AS (
            SELECT id, slug, parent_id FROM products.categories WHERE slug = ANY ($2::text[])
        ), within AS (
            SELECT id, parent_id FROM chosen
             UNION
            SELECT above.id, above.parent_id
              FROM within
              JOIN products.categories AS above ON above.id = within.parent_id
        ), out_of AS (
            DELETE FROM products.product_categories
             WHERE product_id = $1 AND category_id NOT IN (SELECT id FROM within)
        ), entered AS (
            INSERT INTO products.product_categories (product_id, category_id, is_chosen)
            SELECT $1, id, id IN (SELECT id FROM chosen) FROM within
            ON CONFLICT (product_id, category_id) DO UPDATE SET is_chosen = excluded.is_chosen
        )
        SELECT slug FROM chosen
        """,
        product_id,
        slugs,
    )
    return sorted(set(slugs) - {row["slug"] for row in known})
