"""What is kept of jobs."""

from __future__ import annotations

from orderbus.storage.database import Database
from tests.support.scenario import value


async def make_due(database: Database) -> None:
    """Let the time pass that the next step of each job waits for."""
    await value(database, "UPDATE ops.jobs SET due_at = now() WHERE due_at > now()")
