"""Roles of the database, and what one that runs the system must not do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg

from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from tests.support.scenario import value
from tests.support.waiting import PATIENCE

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
    "SELECT ops.drop_day((now() AT TIME ZONE 'UTC')::date)",
    "SELECT ops.drop_day((now() AT TIME ZONE 'UTC')::date - 1)",
    "SELECT ops.drop_day((now() AT TIME ZONE 'UTC')::date + 1)",
    "SELECT ops.drop_day((to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' BC')::date)",
    "SELECT ops.drop_day(NULL)",
    "SELECT ops.move_ids_on(-1)",
    "SELECT ops.move_ids_on(NULL)",
    "SELECT setval('orders.orders_id_seq', 1)",
    "SELECT last_value FROM ops.audit_log_id_seq",
    "CREATE TABLE orders.mine ()",
)


def grant(settings: Settings) -> list[str]:
    """Grant as ``orderbus migrate`` does."""
    with migrations.locked(settings, wait=timedelta(seconds=PATIENCE), waiting=print):
        return migrations.grant(settings)


def execute(settings: Settings, *statements: str) -> list[Any]:
    """Execute statements as ``DB_USER``; returns the rows of the last."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def is_there(settings: Settings, role: str) -> bool:
    """Say whether there is such a role."""
    return execute(settings, f"SELECT count(*) FROM pg_roles WHERE rolname = '{role}'") == [(1,)]


def make_owner(settings: Settings, owner: str) -> None:
    """Make a role that is no superuser, and have it own one database and all that is in it."""
    kinds = (
        ("SCHEMA", "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname IN {}"),
        (
            "TABLE",
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND (relnamespace::regnamespace::text IN {} OR relname ~ '^_?yoyo_')",
        ),
        (
            "ROUTINE",
            "SELECT oid::regprocedure::text FROM pg_proc"
            " WHERE pronamespace::regnamespace::text IN {}",
        ),
    )
    ours = "('ops', 'orders', 'identity', 'products')"
    execute(
        settings,
        f"CREATE ROLE \"{owner}\" LOGIN PASSWORD 'a password' CREATEROLE",
        f'ALTER DATABASE "{settings.db_name}" OWNER TO "{owner}"',
        *(
            f'ALTER {kind} {name} OWNER TO "{owner}"'
            for kind, listed in kinds
            for (name,) in execute(settings, listed.format(ours))
        ),
    )


def next_ids(settings: Settings) -> dict[str, int]:
    """Say which number each sequence gave last, 0 where none."""
    listed = "SELECT format('%I.%I', schemaname, sequencename), coalesce(last_value, 0)"
    return dict(execute(settings, f"{listed} FROM pg_sequences"))


def drop(settings: Settings, role: str) -> None:
    """Drop a role with what it was granted in one database."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        there = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if there is not None:  # a row without columns is falsy
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
