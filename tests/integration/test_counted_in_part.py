"""However many rows fit, what begins a job ends soon, and says whether it counted them all."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from orderbus import services, storage
from orderbus.services.jobs import Plan
from orderbus.services.kinds import read
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.delivery_lists import LOOKS_AT
from tests.support import delivery_rows, scenario
from tests.support.api_client import Client
from tests.support.commands import answered_apart, typed

NO_TIME = timedelta(0)
MORE = LOOKS_AT + 10


async def skip_all(
    database: Database, settings: Settings, endpoint: UUID, patience: timedelta
) -> Plan:
    asked = {"endpoint_id": str(endpoint), "reason": "test"}
    wanted = read(services.delivery_jobs.SkipDeliveries, asked)
    return await database.ask(
        services.jobs.plan, "skip_deliveries", wanted, settings, patience=patience
    )


async def test_rows_are_counted_for_so_long_and_it_is_said_that_they_may_be_more(
    database: Database, settings: Settings
) -> None:
    endpoint = await scenario.add_endpoint(database)
    await delivery_rows.add_many(database, endpoint, MORE)

    in_no_time = await skip_all(database, settings, endpoint, NO_TIME)
    at_leisure = await skip_all(database, settings, endpoint, timedelta(hours=1))

    assert (in_no_time.total, in_no_time.is_at_least) == (LOOKS_AT, True)
    assert (at_leisure.total, at_leisure.is_at_least) == (MORE, False)


async def test_a_job_that_was_counted_in_part_says_so_wherever_it_is_shown(
    database: Database, settings: Settings, client: Client, env: dict[str, str]
) -> None:
    endpoint = await scenario.add_endpoint(database)
    await delivery_rows.add_many(database, endpoint, MORE)
    planned = await skip_all(database, settings, endpoint, NO_TIME)
    async with database.transaction() as connection:
        job = await services.jobs.begin(connection, planned, rate=1, asked_by="test")

    response = await client.get(f"/api/v1/jobs/{job.id}")
    shown = await response.json()
    said = await typed(env, "jobs", "show", job.id)
    listed = await answered_apart(env, "jobs", "list")

    assert (shown["total"], shown["is_at_least"]) == (LOOKS_AT, True)
    assert f"at least {LOOKS_AT}" in said.output
    assert [(each["total"], each["is_at_least"]) for each in listed] == [(LOOKS_AT, True)]
    assert (await database.ask(storage.jobs.get, job.id)).is_at_least
