"""What is drawn for an order is drawn once: who goes on with it says the same, whatever is set."""

from __future__ import annotations

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, event_rows, order_rows, scenario
from tests.support.scripted_processor import NAME, due, process

ALWAYS_YES, ALWAYS_NO = 1.0, 0.0


def drawing(settings: Settings, rate: float, seed: str = "") -> Settings:
    chosen = {"processor": "random", "processing_success_rate": rate, "processing_seed": seed}
    return settings.model_copy(update=chosen)


async def begin(database: Database, settings: Settings) -> None:
    """Do what a worker does until it dies, with the draw committed and nothing said yet."""
    held = scenario.resources(database, settings)
    (claim,) = await scenario.claim_consumptions(database, NAME, length=scenario.NO_TIME)
    assert claim.event is not None
    async with database.transaction() as connection:
        await services.processing.begin(held, connection, [claim.event])


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [(ALWAYS_YES, ALWAYS_NO, "completed"), (ALWAYS_NO, ALWAYS_YES, "failed")],
)
async def test_a_worker_with_another_rate_and_seed_cannot_change_what_was_drawn(
    database: Database, settings: Settings, before: float, after: float, status: str
) -> None:
    public_id = await due(database)
    await begin(database, drawing(settings, before))

    await process(database, drawing(settings, after, "another series"))

    order = await database.ask(storage.orders.get, str(public_id))
    row = await order_rows.processing(database)
    assert (order.status, row["attempts"]) == (status, 2)
    assert row["drawn"] is (before == ALWAYS_YES)


async def test_an_event_that_comes_again_draws_nothing_and_tells_nothing(
    database: Database, settings: Settings
) -> None:
    public_id = await due(database)
    await process(database, drawing(settings, ALWAYS_NO))
    told = await event_rows.count(database)

    await consumption_rows.make_due(database)
    await process(database, drawing(settings, ALWAYS_YES))

    assert (await database.ask(storage.orders.get, str(public_id))).status == "failed"
    assert await event_rows.count(database) == told


async def test_a_person_who_asks_for_another_try_has_it_drawn_anew(
    database: Database, settings: Settings
) -> None:
    public_id = await due(database)
    await process(database, drawing(settings, ALWAYS_NO))
    async with database.transaction() as connection:
        await services.processing.retry(connection, str(public_id), actor="somebody", seen=None)

    await process(database, drawing(settings, ALWAYS_YES))

    assert (await database.ask(storage.orders.get, str(public_id))).status == "completed"
    assert (await order_rows.processing(database))["drawn"] is True


async def test_nothing_is_drawn_where_another_processor_is_at_work(
    database: Database, settings: Settings
) -> None:
    await due(database)

    await process(database, settings.model_copy(update={"processor": "always"}))

    row = await order_rows.processing(database)
    assert (row["status"], row["drawn"], str(row["amount"])) == ("SUCCESS", None, "350.00")
