"""What every event leaves behind when it is committed."""

from __future__ import annotations

from orderbus.storage.database import Connection, Database, after_commit


def wake_dispatcher(connection: Connection) -> None:
    """Have the dispatcher look at the outbox as soon as what was written is committed."""
    after_commit(connection, _outbox_written)


def _outbox_written(database: Database) -> None:
    database.outbox_written.set()
