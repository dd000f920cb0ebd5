"""The rounds that delete what is old: when they are due, and which locks they take."""

from __future__ import annotations

from orderbus.storage.database import Connection, Database
from tests.support.scenario import value


async def make_due(database: Database) -> None:
    """Let the time pass until the next round, or until another process may take this one over."""
    await value(database, "UPDATE ops.retention SET due_at = now()")


async def hold_answers(connection: Connection) -> None:
    """Lock the answers to requests: a round waits before it deletes the last kind of rows."""
    await connection.execute("LOCK TABLE ops.idempotency_keys")


async def locks(connection: Connection, session: int | None = None) -> set[str]:
    """Which modes of locks a session (else this one) holds on what intake and bridge write."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT mode
          FROM pg_locks
          JOIN pg_class ON pg_class.oid = relation
         WHERE pid = coalesce($1, pg_backend_pid())
           AND (relname ~ '^(events|inbox)(_(2|pkey|received)|$)'
                OR relname IN ('orders', 'order_items', 'order_history', 'outbox'))
        """,
        session,
    )
    return {row["mode"] for row in rows}
