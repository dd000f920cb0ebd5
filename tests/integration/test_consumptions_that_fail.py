"""What goes wrong with the work on an event, in whatever way, costs that event alone and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from orderbus import services
from orderbus.domain.events import Event
from orderbus.domain.processing import Outcome, Task
from orderbus.errors import Poisoned
from orderbus.services.consumptions import Consuming, Work
from orderbus.services.order_moves import Asked
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.integration.test_consumptions_in_batches import NAME, count_all, many_due
from tests.support import consumption_rows, letter_rows, order_rows, scenario
from tests.support.consuming import come_back, consume, consume_all
from tests.support.waiting import until_true


async def test_what_was_charged_is_written_down_although_the_order_is_cancelled_meanwhile(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = (await scenario.place(database)).order_id
    await come_back(database, {"process_order": "order.created"})
    cancelling = database.transaction()

    class Slow:
        """Charges, while somebody begins to cancel."""

        async def process(self, _: Task) -> Outcome:
            connection = await cancelling.__aenter__()
            await services.order_moves.cancel(connection, str(order_id), Asked(actor="test"))
            return Outcome(amount=Decimal(7))

    monkeypatch.setattr(services.processing, "chosen", lambda _: Slow())
    consuming = asyncio.create_task(scenario.consume(database, settings, "process_order"))
    await until_true(lambda: scenario.count_who_wait(database), "the outcome waits for the order")
    await cancelling.__aexit__(None, None, None)
    await consuming

    row = await order_rows.processing(database)
    assert (await order_rows.statuses(database), row["amount"]) == (["cancelled"], 7)


async def test_work_that_hangs_each_time_is_a_dead_letter_in_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many_due(database, 1)
    monkeypatch.setattr(services.consumptions, "TIME_LIMIT", 0.05)

    async def hang(_: Connection, __: Event) -> None:
        await asyncio.Event().wait()

    await consume_all(database, hang)

    assert await letter_rows.reasons(database) == ["retries_exhausted"]


@pytest.mark.parametrize("together", [True, False])
async def test_work_that_cancels_itself_fails_as_any_other_and_costs_itself_only(
    database: Database,
    together: bool,  # noqa: FBT001 - a parameter
) -> None:
    await many_due(database, 8)
    bad = (await scenario.events(database))[3].event_id

    async def cancels_itself(connection: Connection, given: Any) -> None:
        events = given if together else [given]
        await count_all(connection, events)
        if any(event.id == bad for event in events):
            raise asyncio.CancelledError

    await consume_all(database, cancels_itself, together=together)

    assert await consumption_rows.counted(database) == 7
    assert await letter_rows.reasons(database) == ["retries_exhausted"]


async def test_an_effect_that_cannot_reach_somebody_keeps_only_its_own_event_waiting(
    database: Database,
) -> None:
    await many_due(database, 20)
    bad = (await scenario.events(database))[3].event_id

    async def refused_once(connection: Connection, events: Sequence[Event]) -> None:
        await count_all(connection, events)
        if any(event.id == bad for event in events):
            raise ConnectionRefusedError

    await consume_all(database, refused_once, together=True)

    assert await consumption_rows.counted(database) == 19
    assert len(await consumption_rows.pending(database, NAME)) == 1


async def test_a_dead_letter_is_not_written_by_whoever_lost_the_lease(database: Database) -> None:
    (due,) = await many_due(database, 1)
    given_up: list[str] = []

    async def refuses(_: Connection, __: Event) -> None:
        await consumption_rows.lose_lease(database, due)
        raise Poisoned("no", reason="never")

    async def give_up(_: Connection, __: Event, error: str) -> None:
        given_up.append(error)

    await consume(database, refuses, on_dead_letter=give_up)

    assert len(given_up) == 1
    assert await letter_rows.count(database) == 0
    assert await consumption_rows.pending(database, NAME) == [due]


async def test_no_more_is_claimed_than_soon_has_its_turn(
    database: Database, settings: Settings
) -> None:
    await many_due(database, 20)
    may_end = asyncio.Event()

    async def hang(_: Connection, __: Event) -> None:
        await may_end.wait()

    held = scenario.resources(database, settings)
    slow = Consuming(held, NAME, Work(hang), side_by_side=2)
    await slow.take_due()

    assert await consumption_rows.count_leased(database) == 8
    may_end.set()
    await slow.idle()
