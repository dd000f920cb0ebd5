"""What PostgreSQL has counted of the pointers, whose number only a test changes here."""

from __future__ import annotations

from orderbus.storage.database import Connection, Database
from tests.support import scenario


async def add_pointers(connection: Connection, rows: int) -> None:
    """Add so many that nobody counts by himself."""
    await connection.execute("ALTER TABLE ops.outbox SET (autovacuum_enabled = off)")
    await connection.execute(
        "INSERT INTO ops.outbox (event_id, occurred_at, due_at)"
        " SELECT gen_random_uuid(), now(), 'infinity' FROM generate_series(1, $1::integer)",
        rows,
    )
    await tell(connection)


async def tell(connection: Connection) -> None:
    """Have PostgreSQL know what this session did."""
    await connection.execute("SELECT pg_stat_force_next_flush()")


async def lock(connection: Connection) -> None:
    """Be counting the pointers until the transaction ends, or the like."""
    await connection.execute("LOCK TABLE ops.outbox IN SHARE UPDATE EXCLUSIVE MODE")


async def times_and_rows(database: Database) -> tuple[int, int]:
    """How often the pointers were counted, and how many there were."""
    times = "SELECT analyze_count FROM pg_stat_user_tables WHERE relid = 'ops.outbox'::regclass"
    rows = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'ops.outbox'::regclass"
    return await scenario.value(database, times), await scenario.value(database, rows)
