"""Roles of the database, and what one that runs the system must not do."""

from __future__ import annotations

import psycopg

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support.scenario import value

FORBIDDEN = (
    "UPDATE ops.audit_log SET actor = 'nobody'",
    "DELETE FROM ops.audit_log",
    "TRUNCATE ops.audit_log",
    "ALTER TABLE ops.audit_log DISABLE TRIGGER append_only",
    "UPDATE orders.order_history SET actor = 'nobody'",
    "DELETE FROM orders.order_history",
    "UPDATE orders.moves SET to_status = 'completed'",
    "UPDATE ops.events SET sequence = 1",
    "DELETE FROM ops.events",
    "UPDATE products.stock_movements SET on_hand = 1",
    "DELETE FROM products.stock_movements",
    "DELETE FROM orders.orders",
    "CREATE TABLE ops.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "DROP TABLE orders.carts",
    "ALTER TABLE products.stock DROP CONSTRAINT never_oversold",
    "ALTER TABLE products.products DISABLE TRIGGER audited",
    "CREATE OR REPLACE FUNCTION ops.shown(named text, value jsonb) RETURNS jsonb"
    " LANGUAGE sql AS 'SELECT value'",
    "UPDATE public._yoyo_migration SET migration_id = 'none'",
)


def drop(settings: Settings, role: str) -> None:
    """Drop a role with what it was granted in one database."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(f'REASSIGN OWNED BY "{role}" TO CURRENT_USER')
            connection.execute(f'DROP OWNED BY "{role}"')
            connection.execute(f'DROP ROLE "{role}"')


async def days(database: Database, *, at_most: int) -> list[str]:
    """Name days of the events."""
    found: list[str] = await value(
        database,
        """
        SELECT array_agg(relname::text)
          FROM (SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                 WHERE inhparent = 'ops.events'::regclass LIMIT $1) AS few
        """,
        at_most,
    )
    return found


async def grant_too_much_and_add_a_schema(database: Database, role: str) -> None:
    """Do by hand what nobody should, and what a migration may do later."""
    for statement in (
        f'GRANT DELETE ON ops.audit_log TO "{role}"',
        "CREATE SCHEMA later",
        "CREATE TABLE later.things (id integer)",
    ):
        await value(database, statement)


async def make(database: Database, role: str, mighty: str) -> None:
    """Make a role a superuser, a member of the owner, or itself the owner of a table."""
    statement = {
        "superuser": 'ALTER ROLE "{}" SUPERUSER',
        "member": """DO $$ BEGIN EXECUTE format('GRANT %I TO "{}"', current_user); END $$""",
        "owner": 'ALTER TABLE orders.carts OWNER TO "{}"',
    }[mighty]
    await value(database, statement.format(role))
