"""An event whose payload is gone holds nobody up for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from orderbus import actors, storage
from orderbus.domain.carts import OpenCart
from orderbus.errors import Conflict
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import event_rows, letter_rows, outbox_rows, scenario, table_rows, watermark_rows


async def park(database: Database, event_id: UUID) -> int:
    """Lose an event's payload, and park its pointer as the relay does; returns the letter's id."""
    await event_rows.lose(database, event_id)
    token = uuid4()
    async with database.connection() as connection:
        leased = await storage.outbox.lease(
            connection, token, at_most=100, length=timedelta(minutes=1)
        )
        assert [each.event for each in leased if each.event_id == event_id] == [None]
        await storage.outbox.park(
            connection, token, event_id, reason="payload_gone", error="It is gone"
        )
    return await letter_rows.only_id(database)


async def test_discarding_an_event_whose_payload_is_gone_lets_its_order_go_on(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.append(database, order)
    first, second = await scenario.events(database)
    letter = await park(database, first.event_id)
    assert await scenario.come_back(database, second) == []

    freed = await letter_rows.discard(database, letter, note="a test order")

    assert len(freed) == 1
    assert await scenario.claim(database, freed[0])
    assert list((await watermark_rows.by_order(database)).values()) == [2]
    assert await event_rows.count_early(database) == 0
    assert not await outbox_rows.has_pointer(database, first.event_id)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_discarding_the_event_of_a_cart_lets_go_of_its_pointer(
    database: Database, *, is_lost: bool
) -> None:
    async with database.transaction() as connection:
        cart = await storage.carts.add(connection, OpenCart(total_amount=Decimal(5)))
    await database.ask(storage.carts.check_out, cart, traceparent=None)
    (event,) = await scenario.events(database)
    kept = await event_rows.only(database)
    letter = await park(database, event.event_id)
    if not is_lost:
        await event_rows.put_back(database, kept)

    assert await letter_rows.discard(database, letter, note="a test cart") == []

    assert await outbox_rows.count(database) == 0


async def test_an_order_whose_event_lost_its_payload_fails_instead_of_waiting_for_ever(
    database: Database, settings: Settings
) -> None:
    placed = await scenario.place(database)
    await scenario.record(
        database, await scenario.events(database), wanted={"process_order": "order.created"}
    )
    await event_rows.lose_all(database)

    await scenario.consume(database, settings, "process_order")

    order = await database.ask(storage.orders.get, str(placed.order_id))
    assert (order.status, order.status_reason) == ("failed", "The event's payload is gone")
    assert await letter_rows.reasons(database) == ["payload_gone"]


async def test_the_place_of_an_event_is_found_without_reading_all_history(
    database: Database,
) -> None:
    plan = await table_rows.plan(
        database, "orders.order_history", "at = now() AND event_id = gen_random_uuid()"
    )

    assert "order_history_by_time" in plan


async def test_discarding_the_processing_of_an_order_leaves_it_in_progress_for_nobody(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where giving it up failed, the order is still in progress, and its dead letter open."""
    placed = await scenario.place(database)
    await scenario.record(
        database, await scenario.events(database), wanted={"process_order": "order.created"}
    )

    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    known = {each.name: each for each in actors.consumers.installed(settings)}
    work = replace(known["process_order"].work, effect=fails, on_dead_letter=fails)
    held = scenario.resources(
        database, settings.model_copy(update={"max_retry_attempts": 0, "processor": "priced"})
    )
    await scenario.have_consumed(held, "process_order", work)
    before = await database.ask(storage.orders.get, str(placed.order_id))

    letter = await letter_rows.only_id(database)
    await letter_rows.discard(database, letter, note="the shop is closed")

    after = await database.ask(storage.orders.get, str(placed.order_id))
    assert before.status == "in_progress"
    assert (after.status, after.status_reason) == ("failed", "the shop is closed")
    with pytest.raises(Conflict, match="was discarded at"):
        await letter_rows.discard(database, letter, note="once more")
