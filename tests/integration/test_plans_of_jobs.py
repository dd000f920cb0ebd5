"""However many jobs there have been, whoever looks for one reads a few."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from orderbus import storage
from orderbus.storage.database import Connection, Database
from tests.support import many_rows
from tests.support.plans import plans, quiet_connection

Question = Callable[[Connection], Awaitable[object]]
QUESTIONS: dict[str, Question] = {
    "take": lambda c: storage.jobs.take(c, ["replay", "rare"]),
    "take one": lambda c: storage.jobs.take(c, ["rare"], job_id=1),
    "due in": storage.jobs.due_in,
    "list": lambda c: storage.jobs.list_newest(c, at_most=50),
    "list a page": lambda c: storage.jobs.list_newest(c, before=50_000, at_most=50),
    "list failed": lambda c: storage.jobs.list_newest(c, state="failed", at_most=50),
    "list a kind": lambda c: storage.jobs.list_newest(c, kind="rare", at_most=50),
    "list done of a kind": lambda c: storage.jobs.list_newest(
        c, state="done", kind="rare", at_most=50
    ),
    "list failed of a kind": lambda c: storage.jobs.list_newest(
        c, state="failed", kind="rare", at_most=50
    ),
    "list failed replays": lambda c: storage.jobs.list_newest(
        c, state="failed", kind="replay", at_most=50
    ),
    "count": storage.diagnostics.backlog,
    "delete": lambda c: storage.retention.delete_jobs(
        c, storage.retention.Bounds(timedelta(0), at_most=50)
    ),
}


async def test_no_question_about_jobs_reads_those_that_are_done(database: Database) -> None:
    faults: dict[str, list[str]] = {}
    async with quiet_connection(database) as connection:
        await many_rows.finished_jobs(connection, 100_000)
        for name, question in QUESTIONS.items():
            for mode in ("generic", "custom"):
                found = [
                    fault
                    for plan in await plans(connection, mode, question)
                    for fault in plan.faults(100)
                ]
                faults |= {f"{name}, {mode}": found} if found else {}

    assert faults == {}
