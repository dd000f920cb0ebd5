"""What work costs in PostgreSQL: statements, commits, rows written and write-ahead log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass

from orderbus.storage.database import Connection, Database
from tests.support import statements

#: Everything that every session has reported, and where the write-ahead log ends.
_WRITTEN = """
    SELECT coalesce(sum(n_tup_ins), 0)::bigint, coalesce(sum(n_tup_upd), 0)::bigint,
           coalesce(sum(n_tup_del), 0)::bigint, (pg_current_wal_insert_lsn() - '0/0')::bigint
      FROM pg_stat_user_tables
"""


@dataclass(frozen=True)
class Cost:
    """What something cost."""

    statements: int
    commits: int
    inserted: int
    updated: int
    deleted: int
    wal: int

    @property
    def written(self) -> int:
        """Rows written, of all kinds."""
        return self.inserted + self.updated + self.deleted


async def leave_alone(connection: Connection) -> None:
    """Let PostgreSQL do nothing by itself to the tables; no checkpoint follows this one soon."""
    tables = await connection.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('ops'::regnamespace, 'orders'::regnamespace)"
    )
    for table in tables:
        await connection.execute(f"ALTER TABLE {table['name']} SET (autovacuum_enabled = off)")
    await connection.execute("ALTER INDEX orders.order_history_by_time SET (autosummarize = off)")
    await connection.execute("CHECKPOINT", timeout=60)


async def of(database: Database, watch: Connection, work: Callable[[], Awaitable[None]]) -> Cost:
    """Do work in one session, and tell what it cost."""
    before = await _written(database, watch)
    with statements.recorded() as sent:
        await work()
    after = await _written(database, watch)
    commits = sum(query.startswith("COMMIT") for query in sent)
    return Cost(len(sent), commits, *(b - a for a, b in zip(before, after, strict=True)))


async def _written(database: Database, watch: Connection) -> Sequence[int]:
    async with database.connection() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
    return list(await watch.fetchrow(_WRITTEN) or ())


def least(costs: Sequence[Cost]) -> Cost:
    """The least of each: pages fill now and then."""
    return Cost(*map(min, zip(*map(astuple, costs), strict=True)))


async def in_place(watch: Connection) -> dict[str, float]:
    """The share of each table's updates that made no new entries in its indexes."""
    rows = await watch.fetch(
        "SELECT relname, n_tup_hot_upd::float / n_tup_upd AS share"
        "  FROM pg_stat_user_tables WHERE n_tup_upd > 0"
    )
    return {row["relname"]: row["share"] for row in rows}
