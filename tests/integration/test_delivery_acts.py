"""What a person does about one delivery: retry it now, skip it, send it once more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orderbus import services, storage
from orderbus.domain.retries import Settlement
from orderbus.egress.session import Session
from orderbus.errors import Busy, Conflict
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.delivery_lists import Filter
from tests.support import delivery_rows, letter_rows, scenario
from tests.support.delivery_line import BY, WHY, act, line_of
from tests.support.receiver import Receiver
from tests.support.scenario import deliver


@pytest.fixture
async def line(database: Database, receiver: Receiver) -> list[int]:
    return await line_of(database, receiver.url)


async def test_one_that_waits_for_its_next_attempt_has_it_now_and_its_line_follows_in_order(
    database: Database, line: list[int], http: Session, settings: Settings, receiver: Receiver
) -> None:
    receiver.answers = [503]
    await deliver(database, http, settings)
    assert await delivery_rows.outcomes(database) == ["failed"]

    shown = await act(database, services.delivery_acts.retry, line[0])
    await deliver(database, http, settings)

    assert (shown.state, shown.last_status) == ("pending", 503)
    assert list(receiver.sequences().values()) == [[1, 2, 3]]
    assert await delivery_rows.states(database) == ["delivered"] * 3


async def test_what_somebody_else_made_due_meanwhile_is_not_made_due_once_more(
    database: Database, line: list[int]
) -> None:
    """Two jobs that run at once would both say that they retried it."""
    await delivery_rows.back_off(database, timedelta(hours=5))
    wanted = Filter(state="pending", later=True)
    async with database.transaction() as began_first:
        await began_first.fetchval("SELECT now()")
        assert await database.ask(storage.delivery_acts.retry, line) == [line[0]]

        assert await storage.delivery_acts.retry(began_first, line) == []
        counted = [each async for each in storage.delivery_lists.count(began_first, wanted)]
        assert counted == [0]


async def test_one_that_waits_behind_another_is_not_made_due_and_it_is_said_which(
    database: Database, line: list[int]
) -> None:
    with pytest.raises(Conflict, match=f"waits behind delivery {line[0]} of its order"):
        await act(database, services.delivery_acts.retry, line[2])

    assert await scenario.due(database) == [line[0]]
    (first, second, third) = await database.ask(storage.delivery_views.show, line)
    assert (first.waits_for, second.waits_for, third.waits_for) == (None, line[0], line[0])


async def test_what_is_skipped_is_never_sent_and_what_waits_behind_it_goes_on(
    database: Database, line: list[int], http: Session, settings: Settings, receiver: Receiver
) -> None:
    skipped = await act(database, services.delivery_acts.skip, line[0])
    await deliver(database, http, settings)

    assert (skipped.state, skipped.decided_by, skipped.decided_reason) == ("skipped", BY, WHY)
    assert list(receiver.sequences().values()) == [[2, 3]]
    assert await delivery_rows.count_forgotten(database) == 0


async def test_one_in_the_middle_of_a_line_is_skipped_and_nobody_overtakes_the_first(
    database: Database, line: list[int], http: Session, settings: Settings, receiver: Receiver
) -> None:
    await act(database, services.delivery_acts.skip, line[1])

    assert await scenario.due(database) == [line[0]]
    await deliver(database, http, settings)
    assert list(receiver.sequences().values()) == [[1, 3]]


async def test_many_of_a_line_are_skipped_at_once_and_the_next_one_goes_on(
    database: Database, receiver: Receiver
) -> None:
    line = await line_of(database, receiver.url, events=5)
    async with database.transaction() as connection:
        skipped = await storage.delivery_acts.skip(connection, line[:3], by=BY, reason=WHY)

    assert sorted(skipped) == line[:3]
    assert await scenario.due(database) == [line[3]]


async def test_a_line_whose_next_one_somebody_holds_is_left_as_it_is(
    database: Database, line: list[int]
) -> None:
    """Whoever holds it may leave it waiting, and nobody would make it due later."""
    async with database.transaction() as other:
        await delivery_rows.lock(other, line[2])
        with pytest.raises(Busy):
            await act(database, services.delivery_acts.skip, line[1])
        async with database.transaction() as connection:
            many = await storage.delivery_acts.skip(connection, line[:2], by=BY, reason=WHY)

    assert many == []
    assert await delivery_rows.states(database) == ["pending"] * 3
    await act(database, services.delivery_acts.skip, line[1])


async def test_what_was_delivered_is_sent_once_more_with_the_same_id_and_the_same_bytes(
    database: Database, line: list[int], http: Session, settings: Settings, receiver: Receiver
) -> None:
    await deliver(database, http, settings)
    resent = await act(database, services.delivery_acts.resend, line[1])
    await deliver(database, http, settings)

    _, first, _, again = receiver.requests
    assert (again.content, again.headers["webhook-id"]) == (
        first.content,
        first.headers["webhook-id"],
    )
    assert (resent.state, resent.decided_by, resent.decided_reason) == ("pending", BY, WHY)
    after = await database.ask(storage.delivery_views.get, line[1])
    assert (after.state, after.resent_at) == ("delivered", resent.resent_at)
    attempts = await database.ask(storage.delivery_views.list_attempts, line[1])
    assert [(each.number, each.outcome) for each in attempts] == [
        (1, "delivered"),
        (2, "delivered"),
    ]


async def test_what_is_sent_once_more_counts_from_then_on_and_not_from_the_events_birth(
    database: Database, line: list[int]
) -> None:
    await delivery_rows.deliver_all(database, timedelta(days=1))
    await act(database, services.delivery_acts.resend, line[0])
    await delivery_rows.age(database, timedelta(hours=1))
    claimed = await scenario.claim(database, line[0])
    assert claimed is not None

    settled = await scenario.settle(database, claimed, Settlement("delivered", "delivered"))

    assert settled.seconds < 3600


async def test_an_orders_next_event_waits_for_the_one_that_is_sent_once_more(
    database: Database, line: list[int], http: Session, settings: Settings, receiver: Receiver
) -> None:
    receiver.answers = [204, 204, 503]
    await deliver(database, http, settings)
    await act(database, services.delivery_acts.resend, line[0])
    await delivery_rows.make_due(database)
    receiver.requests.clear()
    await deliver(database, http, settings)

    numbers = [request.headers["orderbus-sequence"] for request in receiver.requests]
    assert numbers == ["1", "3"]


async def test_what_was_skipped_can_be_sent_after_all(
    database: Database, line: list[int], http: Session, settings: Settings, receiver: Receiver
) -> None:
    await act(database, services.delivery_acts.skip, line[0])
    await act(database, services.delivery_acts.resend, line[0])
    await deliver(database, http, settings)

    assert list(receiver.sequences().values()) == [[1, 2, 3]]


async def test_a_dead_one_begins_its_schedule_again_and_its_letter_is_resolved(
    database: Database, line: list[int]
) -> None:
    await delivery_rows.give_up(database, only=line[0])
    await letter_rows.add_of_every_delivery(database)
    retried = await act(database, services.delivery_acts.retry, line[0])

    assert (retried.state, retried.attempts) == ("pending", 0)
    resolutions = {
        each["delivery_id"]: each["resolution"] for each in await letter_rows.every(database)
    }
    assert resolutions == {line[0]: "redriven", line[1]: None, line[2]: None}


async def test_a_dead_one_about_whose_letter_somebody_decides_is_left_to_them(
    database: Database, line: list[int]
) -> None:
    await delivery_rows.give_up(database, only=line[0])
    await letter_rows.add_of_every_delivery(database)
    letter = next(
        each["id"] for each in await letter_rows.every(database) if each["delivery_id"] == line[0]
    )
    async with database.transaction() as other:
        await storage.dead_letters.lock_open(other, letter)
        with pytest.raises(Busy):
            await act(database, services.delivery_acts.retry, line[0])

    assert (await delivery_rows.states(database))[0] == "dead"


async def test_the_journey_shows_who_skipped_it_and_why(
    database: Database, line: list[int]
) -> None:
    await act(database, services.delivery_acts.skip, line[0])
    journey = await services.order_lists.journey(database, "SO-10045")

    (delivery,) = journey.events[0].deliveries
    assert (delivery.state, delivery.decided_by, delivery.decided_reason) == ("skipped", BY, WHY)
