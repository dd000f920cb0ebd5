"""The processor service's tests, under their names, against the real processor and PostgreSQL."""

from __future__ import annotations

import pytest

from orderbus import storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, event_rows, letter_rows, order_rows, outbox_rows
from tests.support.scripted_processor import due, process


@pytest.fixture
def yes(settings: Settings) -> Settings:
    return settings.model_copy(update={"processor": "random", "processing_success_rate": 1.0})


@pytest.fixture
def no(settings: Settings) -> Settings:
    return settings.model_copy(update={"processor": "random", "processing_success_rate": 0.0})


async def test_process_order_success(database: Database, yes: Settings) -> None:
    await due(database)

    await process(database, yes)

    assert (await order_rows.processing(database))["status"] == "SUCCESS"
    told = await event_rows.content(database, "order.processed")
    assert told["processing"]["status"] == "SUCCESS"
    assert told["processing"]["error_message"] is None
    assert await outbox_rows.count_of(database, "order.processed") == 1


async def test_process_order_idempotency(database: Database, yes: Settings, no: Settings) -> None:
    """An order that is processed already is neither begun again nor told of again."""
    await due(database)
    await process(database, yes)
    before = await order_rows.processing(database)

    await consumption_rows.make_due(database)
    await process(database, no)

    assert await order_rows.processing(database) == before
    assert await outbox_rows.count_of(database, "order.processed") == 1


async def test_process_order_failure(database: Database, no: Settings) -> None:
    await due(database)

    await process(database, no)

    row = await order_rows.processing(database)
    assert (row["status"], row["error_message"]) == ("FAILED", "Simulated processing failure")
    told = await event_rows.content(database, "order.processed")
    assert told["processing"]["status"] == "FAILED"
    assert told["processing"]["error_message"] == "Simulated processing failure"
    assert await outbox_rows.count_of(database, "order.processed") == 1


async def test_process_order_repository_error(database: Database, yes: Settings) -> None:
    """What PostgreSQL refuses is written down nowhere by half, and is tried again."""
    public_id = await due(database)
    await outbox_rows.take_no_pointer(database)

    await process(database, yes)

    waiting = await consumption_rows.only(database)
    assert (waiting["state"], waiting["attempts"]) == ("pending", 1)
    assert "CheckViolationError" in waiting["error"]
    assert (await database.ask(storage.orders.get, str(public_id))).status == "created"
    assert await event_rows.count(database) == 1
    assert await letter_rows.count(database) == 0
