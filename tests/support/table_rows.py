"""Tables by their names, for tests of the schema itself, of its plans and of its locks."""

from __future__ import annotations

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def is_there(database: Database, table: str) -> bool:
    return bool(await value(database, "SELECT to_regclass($1) IS NOT NULL", table))


async def add_column(database: Database, table: str, column: str) -> None:
    await value(database, f"ALTER TABLE {table} ADD COLUMN {column} text")


async def lock_as_a_reader(connection: Connection, table: str) -> None:
    """Take the lock that whoever reads a table holds until the end of the transaction."""
    await connection.execute(f"SELECT FROM {table} LIMIT 0")


async def plan(database: Database, table: str, where: str) -> str:
    """How PostgreSQL would find rows of a table, if reading all of them was out of the question."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        rows = await connection.fetch(f"EXPLAIN SELECT FROM {table} WHERE {where}")
    return "\n".join(row[0] for row in rows)


async def references(database: Database, table: str) -> list[str]:
    """List what a table refers to, and what refers to it, by column."""
    query = """
        SELECT conrelid::regclass || '.' || attname || ' -> ' || confrelid::regclass
          FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
         WHERE contype = 'f' AND $1::text::regclass IN (conrelid, confrelid)
         ORDER BY 1
    """
    async with database.connection() as connection:
        return [row[0] for row in await connection.fetch(query, table)]


async def pages_of_indexes(database: Database, table: str) -> dict[str, int]:
    """How many pages each index of a table has."""
    query = """
        SELECT relname, pg_relation_size(oid) / current_setting('block_size')::integer AS pages
          FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid
         WHERE indrelid = $1::text::regclass
    """
    async with database.connection() as connection:
        return {row["relname"]: row["pages"] for row in await connection.fetch(query, table)}
