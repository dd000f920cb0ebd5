"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orderbus import storage
from orderbus.storage.audit import Entry
from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def written(database: Database) -> str:
    """All that is written down there."""
    found: str = await value(
        database,
        "SELECT coalesce(string_agg(to_jsonb(entry)::text, ' '), '') FROM ops.audit_log entry",
    )
    return found


async def acts(database: Database, **asked: Any) -> list[Entry]:
    """The newest acts of those who say who they are: a test that fills tables says nothing."""
    found = await database.ask(storage.audit.list_newest, **asked, at_most=100)
    return [entry for entry in found if not entry.actor.startswith("database:")]


async def change_actor(database: Database, actor: str) -> None:
    """Try to deceive whoever reads it."""
    await value(database, "UPDATE ops.audit_log SET actor = $1", actor)


async def delete(database: Database) -> None:
    """Try to have done nothing."""
    await value(database, "DELETE FROM ops.audit_log")


async def change_products(database: Database, *, added: int, changed: int, removed: int) -> None:
    """Add products past the application, change some and remove others, a statement each."""
    await value(
        database,
        """
        INSERT INTO products.products (sku, name, price)
        SELECT 'sku-' || n, 'Tea', 1 FROM generate_series(1, $1::integer) AS n
        """,
        added,
    )
    await value(
        database,
        """
        UPDATE products.products SET price = 2, version = version + 1, updated_at = now()
         WHERE id IN (SELECT id FROM products.products ORDER BY id LIMIT $1)
        """,
        changed,
    )
    await value(
        database,
        """
        DELETE FROM products.products
         WHERE id IN (SELECT id FROM products.products ORDER BY id LIMIT $1)
        """,
        removed,
    )


async def write_products_as_they_are(database: Database) -> None:
    """Write every product, and change nothing of it but when."""
    await value(database, "UPDATE products.products SET name = name, updated_at = now()")


async def add_many(connection: Connection, began: datetime, count: int) -> None:
    """Add entries of the audit trail, one a minute; of one actor there are a few, the oldest."""
    await connection.execute(
        """
        INSERT INTO ops.audit_log (at, actor, action, subject_type, subject_id)
        SELECT $1::timestamptz + n * interval '1 minute',
               CASE WHEN n <= 5 THEN 'command:rare' ELSE 'command:ann' END,
               'endpoint.tested', 'endpoint', 's-' || n
          FROM generate_series(1, $2::integer) AS n
        """,
        began,
        count,
    )
    await connection.execute("ANALYZE ops.audit_log")
