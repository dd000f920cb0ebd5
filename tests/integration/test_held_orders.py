"""An order on hold waits as long as it is held, whatever is under way, and is not forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.domain.processing import Outcome, Task
from orderbus.errors import IllegalMove
from orderbus.services.order_moves import Asked
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, order_rows, scenario
from tests.support.scripted_processor import NAME, ScriptedProcessor, due, process

ASKED = Asked(actor="test")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedProcessor:
    processor = ScriptedProcessor()
    processor.tasks, processor.script = [], []
    monkeypatch.setattr(services.processing, "chosen", lambda _: processor)
    return processor


async def hold(database: Database, order_id: UUID) -> None:
    async with database.transaction() as connection:
        await services.order_moves.hold(connection, str(order_id), ASKED)


async def release(database: Database, order_id: UUID) -> None:
    async with database.transaction() as connection:
        await services.order_moves.release(connection, str(order_id), ASKED)


async def status(database: Database, order_id: UUID) -> str:
    return (await database.ask(storage.orders.get, str(order_id))).status


async def test_a_held_order_is_not_processed_and_once_released_it_is_at_once(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    order_id = await due(database)
    await hold(database, order_id)

    for _ in range(3):
        await process(database, settings)
    waiting = await consumption_rows.only(database)
    assert (scripted.tasks, await status(database, order_id)) == ([], "created")
    assert (waiting["state"], waiting["attempts"], waiting["is_due"]) == ("pending", 0, False)
    assert waiting["error"] == "The order is on hold"
    # Whatever nobody thought of, it is looked at again.
    assert waiting["due_at"] - waiting["created_at"] < timedelta(days=1)

    await release(database, order_id)
    await scenario.consume(database, settings, NAME)

    assert await status(database, order_id) == "completed"
    assert len(scripted.tasks) == 1
    assert await order_rows.history_types(database) == [
        *("order.created", "order.held", "order.released", "order.processing_started"),
        *("order.completed", "order.processed"),
    ]


def holds_meanwhile(database: Database, order_id: UUID, then: Outcome | Exception) -> object:
    class Slow:
        tasks: list[Task] = []  # noqa: RUF012 - of one test

        async def process(self, task: Task) -> Outcome:
            self.tasks.append(task)
            if len(self.tasks) > 1:
                return Outcome()
            await hold(database, order_id)
            if isinstance(then, Exception):
                raise then
            return then

    return Slow()


async def test_what_came_of_an_order_that_was_held_meanwhile_is_written_down(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await due(database)
    slow = holds_meanwhile(database, order_id, Outcome(amount=Decimal(7)))
    monkeypatch.setattr(services.processing, "chosen", lambda _: slow)

    await process(database, settings)

    order = await database.ask(storage.orders.get, str(order_id))
    assert (order.status, order.on_hold) == ("completed", True)
    assert (await order_rows.processing(database))["amount"] == Decimal(7)
    async with database.transaction() as connection:
        with pytest.raises(IllegalMove):
            await services.order_moves.ship(connection, str(order_id), ASKED)


async def test_an_attempt_that_failed_under_a_hold_is_gone_on_with_after_it(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await due(database)
    slow = holds_meanwhile(database, order_id, OSError("the bank is away"))
    monkeypatch.setattr(services.processing, "chosen", lambda _: slow)
    for _ in range(6):
        await process(database, settings)
    assert await status(database, order_id) == "in_progress"

    await release(database, order_id)
    await scenario.consume(database, settings, NAME)

    assert await status(database, order_id) == "completed"
    keys = [task.idempotency_key for task in slow.tasks]  # type: ignore[attr-defined]
    assert (len(keys), len({*keys})) == (2, 1)


async def test_one_that_is_held_leaves_the_others_of_its_batch_alone(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    placed = [await scenario.place(database) for _ in range(3)]
    returned = await scenario.events(database)
    await scenario.record(database, returned, wanted={NAME: "order.created"})
    await hold(database, placed[1].order_id)

    await process(database, settings)

    found = [await status(database, each.order_id) for each in placed]
    assert found == ["completed", "created", "completed"]


async def cancel(database: Database, order_id: UUID) -> None:
    async with database.transaction() as connection:
        await services.order_moves.cancel(connection, str(order_id), ASKED)


@pytest.mark.parametrize(
    ("end", "becomes", "tasks"),
    [(release, "completed", 8), (cancel, "cancelled", 0)],
    ids=["release", "cancel"],
)
async def test_however_the_end_of_a_hold_and_the_worker_meet_the_order_is_gone_on_with(
    database: Database,
    settings: Settings,
    scripted: ScriptedProcessor,
    end: Callable[[Database, UUID], Awaitable[None]],
    becomes: str,
    tasks: int,
) -> None:
    for _ in range(8):
        order_id = await due(database)
        await hold(database, order_id)

        await asyncio.gather(scenario.consume(database, settings, NAME), end(database, order_id))
        # A worker that met the lock comes again in a moment, not when nobody thought of it.
        assert await consumption_rows.longest_pause(database) < timedelta(minutes=1)
        await process(database, settings)

        assert await status(database, order_id) == becomes
    assert await consumption_rows.states(database) == {"done"}
    assert len(scripted.tasks) == tasks


async def test_a_failed_order_that_is_held_is_not_tried_again(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    order_id = await due(database)
    scripted.script = [Outcome(reason="no")]
    await process(database, settings)
    await hold(database, order_id)

    async with database.transaction() as connection:
        with pytest.raises(IllegalMove, match="held"):
            await services.processing.retry(connection, str(order_id), actor=None, seen=None)


async def test_a_try_that_was_asked_for_before_the_hold_waits_for_its_end(
    database: Database, settings: Settings, scripted: ScriptedProcessor
) -> None:
    order_id = await due(database)
    scripted.script = [Outcome(reason="no")]
    await process(database, settings)
    async with database.transaction() as connection:
        await services.processing.retry(connection, str(order_id), actor="key 1 x", seen=None)
    await hold(database, order_id)
    await process(database, settings)
    assert await status(database, order_id) == "failed"

    await release(database, order_id)
    await scenario.consume(database, settings, NAME)

    assert await status(database, order_id) == "completed"
