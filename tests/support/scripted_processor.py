"""A processor that does what a test says, and the steps of an order that it processes."""

from __future__ import annotations

from uuid import UUID

from orderbus.domain.processing import Outcome, Task
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import consumption_rows, scenario

ATTEMPTS = 4
NAME = "process_order"


class ScriptedProcessor:
    """A processor that does what the test says, and remembers what it was asked."""

    tasks: list[Task]
    script: list[Outcome | Exception]

    async def process(self, task: Task) -> Outcome:
        self.tasks.append(task)
        step = self.script.pop(0) if self.script else Outcome()
        if isinstance(step, Exception):
            raise step
        return step


async def due(database: Database) -> UUID:
    """Place an order and bring its event back."""
    placed = await scenario.place(database)
    returned = await scenario.events(database)
    await scenario.record(database, returned, wanted={NAME: "order.created"})
    return placed.order_id


async def process(database: Database, settings: Settings) -> None:
    await consumption_rows.make_due(database)
    await scenario.consume(database, settings, NAME)


async def given_up(database: Database, settings: Settings, scripted: ScriptedProcessor) -> UUID:
    """Let the processor raise as often as an order is tried."""
    public_id = await due(database)
    scripted.script = [OSError("the bank is gone")] * ATTEMPTS
    for _ in range(ATTEMPTS):
        await process(database, settings)
    return public_id
