"""What one transaction read and wrote, as PostgreSQL counts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from orderbus.storage.database import Connection, Database

_COUNTED: Final = """
    SELECT schemaname || '.' || relname AS name, seq_tup_read AS unindexed,
           coalesce(idx_tup_fetch, 0) AS indexed, n_tup_upd AS updated
      FROM pg_stat_xact_user_tables
"""


class Counting:
    """A transaction whose rows are counted.

    What PostgreSQL shows of a transaction holds what its session did before and has not reported
    yet, up to a second's worth: that is subtracted here.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._before: Counter[tuple[str, str]] = Counter()

    async def begin(self) -> None:
        self._before = await self._now()

    async def read(self, table: str) -> int:
        """Count the rows of a table that were read so far, with an index or without."""
        return await self._since(table, "indexed") + await self.read_without_index(table)

    async def read_without_index(self, table: str) -> int:
        """Count the rows of a table that were read so far from end to end."""
        return await self._since(table, "unindexed")

    async def updated(self, schema: str) -> int:
        """Count the rows of a schema that were written anew so far."""
        counted = await self._now() - self._before
        return sum(
            rows
            for (table, what), rows in counted.items()
            if what == "updated" and table.startswith(f"{schema}.")
        )

    async def _since(self, table: str, what: str) -> int:
        return (await self._now() - self._before)[(table, what)]

    async def _now(self) -> Counter[tuple[str, str]]:
        return Counter(
            {
                (row["name"], what): row[what]
                for row in await self.connection.fetch(_COUNTED)
                for what in ("unindexed", "indexed", "updated")
            }
        )


@asynccontextmanager
async def transaction(database: Database) -> AsyncIterator[Counting]:
    """Begin a transaction of which is counted what it reads and writes."""
    async with database.transaction() as connection:
        counting = Counting(connection)
        await counting.begin()
        yield counting
