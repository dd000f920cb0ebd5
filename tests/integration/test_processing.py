"""An order is processed once, whatever dies in between, and its status tells how it went."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.domain.processing import Outcome, Task
from orderbus.services.order_moves import Asked
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.orders import Order
from orderbus.storage.processing import Begun
from tests.support import consumption_rows, event_rows, letter_rows, order_rows, scenario
from tests.support.scripted_processor import (
    ATTEMPTS,
    NAME,
    ScriptedProcessor,
    due,
    given_up,
    process,
)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedProcessor:
    processor = ScriptedProcessor()
    processor.tasks, processor.script = [], []
    monkeypatch.setattr(services.processing, "chosen", lambda _: processor)
    return processor


async def order(database: Database, public_id: UUID) -> Order:
    return await database.ask(storage.orders.get, str(public_id))


async def test_an_order_that_is_processed_is_completed_and_told_of(
    database: Database, settings: Settings
) -> None:
    public_id = await due(database)

    await process(database, settings)

    found, row = await order(database, public_id), await order_rows.processing(database)
    assert (found.status, found.event_seq) == ("completed", 4)
    assert (row["status"], str(row["amount"]), row["attempts"]) == ("SUCCESS", "350.00", 1)
    told = await event_rows.content(database, "order.processed")
    assert told["processing"]["status"] == "SUCCESS"
    assert told["processing"]["error_message"] is None
    assert told["processing"]["amount"] == "350.00"
    assert told["status"] == "completed"


async def test_an_order_processed_already_is_not_processed_again(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    await due(database)

    await asyncio.gather(*(process(database, settings) for _ in range(3)))
    await process(database, settings)

    assert len({task.idempotency_key for task in scripted.tasks}) == 1
    assert await event_rows.count(database) == 4


async def test_a_processor_that_says_no_fails_the_order_at_once_with_its_reason(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    public_id = await due(database)
    scripted.script = [Outcome(reason="Simulated processing failure")]

    await process(database, settings)

    found, row = await order(database, public_id), await order_rows.processing(database)
    assert (found.status, found.status_reason) == ("failed", "Simulated processing failure")
    assert (row["status"], row["error_message"]) == ("FAILED", "Simulated processing failure")
    assert await letter_rows.count(database) == 0


async def test_a_processor_that_raises_is_tried_again_and_the_order_stays_in_progress(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    public_id = await due(database)
    scripted.script = [OSError("the bank is away"), OSError("still")]

    await process(database, settings)
    waiting, row = await order(database, public_id), await order_rows.processing(database)
    for _ in range(2):
        await process(database, settings)

    assert (waiting.status, row["status"]) == ("in_progress", "PENDING")
    assert row["error_message"] == "OSError: the bank is away"
    assert (await order(database, public_id)).status == "completed"
    assert (await order_rows.processing(database))["attempts"] == 3
    assert len({task.idempotency_key for task in scripted.tasks}) == 1
    assert await event_rows.count(database) == 4


async def test_a_processor_that_always_raises_fails_the_order_with_its_reason(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    public_id = await given_up(database, settings, scripted)

    found = await order(database, public_id)
    assert (found.status, found.status_reason) == ("failed", "OSError: the bank is gone")
    assert await letter_rows.reasons(database) == ["retries_exhausted"]


async def test_a_failed_order_that_is_redriven_is_tried_anew_under_another_key(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    public_id = await given_up(database, settings, scripted)
    letter = await letter_rows.only_id(database)
    async with database.transaction() as connection:
        await services.dead_letters.redrive(connection, letter)

    await process(database, settings)

    assert (await order(database, public_id)).status == "completed"
    assert len({task.idempotency_key for task in scripted.tasks}) == 2
    assert (await order_rows.history_types(database))[-3:] == [
        "order.processing_started",
        "order.completed",
        "order.processed",
    ]


async def test_no_transaction_is_open_while_the_processor_works(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await due(database)
    found: list[int] = []

    class Looks:
        async def process(self, _: Task) -> Outcome:
            idle = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
            )
            found.append(await scenario.value(database, idle))
            return Outcome()

    monkeypatch.setattr(services.processing, "chosen", lambda _: Looks())
    await process(database, settings)

    assert found == [0]


async def test_the_settings_say_how_often_and_after_which_pause_it_is_tried_again(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    await due(database)
    scripted.script = [OSError("the bank is away")] * 2
    changed = settings.model_copy(
        update={"max_retry_attempts": 1, "retry_delay_base": timedelta(seconds=40)}
    )

    before = await scenario.clock(database)
    await process(database, changed)
    after = await scenario.clock(database)
    due_at = (await consumption_rows.only(database))["due_at"]
    await process(database, changed)

    assert before <= due_at - timedelta(seconds=40) <= after
    assert (await consumption_rows.only(database))["state"] == "dead"


async def test_an_order_whose_worker_died_in_the_middle_is_gone_on_with_by_the_next(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    """What SIGKILL leaves: the order in progress, the lease of a worker that is no more."""
    public_id = await due(database)
    held = scenario.resources(database, settings)
    (claim,) = await scenario.claim_consumptions(database, NAME, length=scenario.LEASE)
    assert claim.event is not None
    async with database.transaction() as connection:
        (began,) = await services.processing.begin(held, connection, [claim.event])
    assert isinstance(began, Begun)
    await services.processing.process(held, claim.event, database.transaction, began)
    assert (await order(database, public_id)).status == "in_progress"
    await scenario.consume(database, settings, NAME)  # the lease still holds
    assert (await order(database, public_id)).status == "in_progress"

    await process(database, settings)

    assert (await order(database, public_id)).status == "completed"
    assert len({task.idempotency_key for task in scripted.tasks}) == 1


async def test_an_order_that_kills_every_worker_fails_and_is_a_dead_letter(
    database: Database, settings: Settings
) -> None:
    public_id = await due(database)
    await scenario.crash(database, NAME, times=ATTEMPTS)

    await process(database, settings)

    assert (await order(database, public_id)).status == "failed"
    assert await letter_rows.reasons(database) == ["crashed"]


async def test_an_order_cancelled_while_it_is_processed_stays_cancelled(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_id = await due(database)

    class Slow:
        async def process(self, _: Task) -> Outcome:
            async with database.transaction() as connection:
                await services.order_moves.cancel(
                    connection, str(public_id), Asked(actor="test", reason="too late")
                )
            return Outcome(amount=Decimal(7))

    monkeypatch.setattr(services.processing, "chosen", lambda _: Slow())
    await process(database, settings)

    assert (await order(database, public_id)).status == "cancelled"
    row = await order_rows.processing(database)
    assert (row["status"], row["amount"]) == ("FAILED", 7)
    assert row["error_message"] == "The order was cancelled meanwhile"
    assert (await consumption_rows.only(database))["state"] == "done"


async def test_a_cancelled_order_is_not_processed(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    public_id = await due(database)
    async with database.transaction() as connection:
        await services.order_moves.cancel(connection, str(public_id), Asked(actor="test"))

    await process(database, settings)

    assert scripted.tasks == []


async def test_with_no_processor_an_order_stays_as_it_is(
    database: Database, settings: Settings
) -> None:
    public_id = await due(database)

    await process(database, settings.model_copy(update={"processor": "none"}))

    assert (await order(database, public_id)).status == "created"


async def test_random_fails_about_as_many_orders_as_its_rate_says(
    database: Database, settings: Settings
) -> None:
    for _ in range(100):
        await scenario.place(database)
    random = settings.model_copy(update={"processor": "random"})

    await scenario.go_on(database, random)

    statuses = await order_rows.statuses(database)
    assert len(statuses) == 100
    assert set(statuses) <= {"failed", "completed"}
    assert 3 <= statuses.count("failed") <= 45
