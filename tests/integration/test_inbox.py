"""What comes back from Pub/Sub: once, in any order, and nothing is thrown away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.pubsub.messages import Message, encode
from orderbus.pubsub.subscription import Received
from orderbus.storage.database import Database
from tests.support import (
    delivery_rows,
    event_rows,
    letter_rows,
    outbox_rows,
    scenario,
    watermark_rows,
)


def received(message: Message, message_id: str | None = None) -> Received:
    return Received(
        data=message.data,
        attributes=message.attributes,
        message_id=message_id or str(uuid4()),
        published_at=datetime.now(UTC),
        ack=lambda: None,
        nack=lambda: None,
        let_go=lambda: None,
    )


async def messages(database: Database) -> list[Received]:
    return [
        received(encode(leased.event)) for leased in await scenario.lease(database) if leased.event
    ]


async def test_the_same_message_a_thousand_times_from_eight_bridges_is_one_delivery(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    await scenario.place(database)
    (message,) = await messages(database)

    async def one_bridge() -> None:
        for _ in range(5):
            left: Sequence[Received] = [message] * 25
            while left:
                left = (await services.inbox.receive(database, left, wanted={})).later

    await asyncio.gather(*(one_bridge() for _ in range(8)))

    assert await event_rows.count_returned(database) == 1
    assert len(await delivery_rows.ids(database)) == 1


async def test_an_event_that_nobody_wants_is_in_the_inbox(database: Database) -> None:
    await scenario.place(database)

    due = await services.inbox.receive(database, await messages(database), wanted={})

    assert not due.deliveries
    assert await event_rows.count_returned(database) == 1
    assert await outbox_rows.count(database) == 0


async def test_what_cannot_be_decoded_is_a_dead_letter_with_its_bytes_and_reason(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    await scenario.place(database)
    (good,) = await messages(database)
    bad = received(Message(b"\xff\x00 not json", {"ce-id": "nonsense"}), "m-bad")

    due = await services.inbox.receive(database, [bad, good, bad], wanted={})

    letter = await letter_rows.only(database)
    assert len(due.deliveries) == 1
    assert (letter["data"], letter["message_id"]) == (bad.data, "m-bad")
    assert letter["reason"] == "undecodable"


@pytest.mark.parametrize("attributes", [{"ce-id": "a\x00b"}, {"\x00": "x"}, {"ce-id": "\ud800"}])
async def test_a_message_that_no_column_can_hold_is_kept_alone_and_stops_no_other(
    database: Database, attributes: dict[str, str]
) -> None:
    await scenario.add_endpoint(database)
    await scenario.place(database)
    (good,) = await messages(database)
    bad = received(Message(b'{"event": "x"}', attributes), "m-bad")

    due = await services.inbox.receive(database, [bad, good], wanted={})

    assert len(due.deliveries) == 1
    assert (await letter_rows.only(database))["message_id"] == "m-bad"


async def test_a_message_that_makes_recording_fail_is_kept_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scenario.add_endpoint(database)
    for _ in range(3):
        await scenario.place(database)
    batch = await messages(database)
    record = services.inbox.record

    async def fragile(connection: Any, events: Any, **wanted: Any) -> Any:
        if any(event.message_id == batch[1].message_id for event in events):
            raise ZeroDivisionError
        return await record(connection, events, **wanted)

    monkeypatch.setattr(services.inbox, "record", fragile)

    due = await services.inbox.receive(database, batch, wanted={})

    assert len(due.deliveries) == 2
    assert (await letter_rows.only(database))["reason"] == "unrecordable"


async def test_an_event_that_cannot_be_recorded_is_parked_and_has_one_dead_letter(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published again it would come back for ever, each time as another message."""
    await scenario.add_endpoint(database)
    await scenario.place(database)
    (message,) = await messages(database)
    record = services.inbox.record

    async def fails(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(services.inbox, "record", fails)
    for number in range(3):
        again = replace(message, message_id=f"m-{number}")
        await services.inbox.receive(database, [again], wanted={})

    async with database.connection() as connection:
        (letter,) = await letter_rows.listed(connection, kind=None)
        lost = await storage.lost_events.take_back(
            connection, published_before=datetime.now(UTC), pauses=[timedelta(0)], at_most=9
        )
    assert (letter.kind, letter.reason, lost) == ("outbox", "unrecordable", 0)

    monkeypatch.setattr(services.inbox, "record", record)
    async with database.transaction() as connection:
        await services.dead_letters.redrive(connection, letter.id)
    due = await services.inbox.receive(database, [message], wanted={})

    assert len(due.deliveries) == 1
    assert await outbox_rows.count(database) == 0


async def test_a_message_that_only_names_an_events_id_parks_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scenario.place(database)
    (message,) = await messages(database)
    forged = replace(message, attributes={**message.attributes, "ce-time": "2026-01-01T00:00:00Z"})

    async def fails(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(storage.inbox, "hold", fails)
    await services.inbox.receive(database, [forged], wanted={})

    assert await outbox_rows.count_parked(database) == 0
    assert (await letter_rows.only(database))["kind"] == "pubsub"


async def test_an_event_nobody_here_committed_is_a_dead_letter(database: Database) -> None:
    await scenario.place(database)
    (message,) = await messages(database)
    stranger = {**message.attributes, "ce-id": str(uuid4())}

    unknown = received(Message(message.data, stranger), "m-1")
    await services.inbox.receive(database, [unknown], wanted={})

    assert (await letter_rows.only(database))["reason"] == "unknown_event"
    assert await event_rows.count_returned(database) == 0


async def test_an_event_that_overtakes_its_predecessor_waits_for_it(database: Database) -> None:
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.append(database, order)
    first, second = await scenario.events(database)

    early = await scenario.come_back(database, second)
    both = await scenario.come_back(database, first)

    assert early == []
    assert len(both) == 1
    assert (await scenario.state(database, both[0]))["sequence"] == 1
    assert list((await watermark_rows.by_order(database)).values()) == [2]
    assert await event_rows.count_early(database) == 0


async def test_watermarks_are_right_whatever_order_events_come_back_in(database: Database) -> None:
    orders = [await scenario.place(database) for _ in range(5)]
    for order in orders:
        for _ in range(9):
            await scenario.append(database, order)
    events: list[Any] = await scenario.events(database)
    random.Random(4).shuffle(events)  # noqa: S311 - a fixed shuffle

    await asyncio.gather(
        *(scenario.come_back(database, *events[start::7]) for start in range(7)),
        *(scenario.come_back(database, *events[start::3]) for start in range(3)),
    )

    assert list((await watermark_rows.by_order(database)).values()) == [10] * 5
    assert await event_rows.count_early(database) == 0


async def test_an_endpoint_that_gave_order_up_does_not_wait(database: Database) -> None:
    await scenario.add_endpoint(database, ordering="none")
    order = await scenario.place(database)
    await scenario.append(database, order)
    _, second = await scenario.events(database)

    due = await scenario.come_back(database, second)

    assert len(due) == 1
    assert await scenario.claim(database, due[0]) is not None
