"""What a person does about one delivery: retry it now, skip it, send it once more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.domain.retries import Settlement
from orderbus.egress.session import Session
from orderbus.errors import Busy, Conflict, NotFound
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.delivery_views import Delivery
from tests.support import delivery_rows, endpoint_rows, event_rows, letter_rows, scenario
from tests.support.receiver import Receiver
from tests.support.scenario import deliver

BY = "command:ann"
WHY = "the receiver lost it"

Act = Callable[..., Awaitable[Delivery]]
ACTS: list[Act] = [
    services.delivery_acts.retry,
    services.delivery_acts.skip,
    services.delivery_acts.resend,
]


async def act(database: Database, what: Act, delivery: int) -> Delivery:
    async with database.transaction() as connection:
        return await what(connection, delivery, actor=BY, reason=WHY)


async def noted(database: Database) -> list[tuple[str, str, str, str | None]]:
    """What the audit trail has of it."""
    entries = await database.ask(storage.audit.list_newest, at_most=9)
    return [(each.action, each.actor, each.subject_id, each.reason) for each in entries]


async def line_of(database: Database, url: str, events: int = 3) -> list[int]:
    """Owe an endpoint some events of one order; only the first is due."""
    await scenario.add_endpoint(database, url, format="compact")
    order = await scenario.place(database, "SO-10045")
    for _ in range(events - 1):
        await scenario.append(database, order)
    await scenario.come_back(database, *await scenario.events(database))
    return await delivery_rows.ids(database)


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


@pytest.mark.parametrize("what", ACTS)
async def test_what_is_under_way_is_left_alone(
    database: Database, line: list[int], what: Act
) -> None:
    assert await scenario.claim(database, line[0]) is not None
    with pytest.raises(Busy, match=f"Delivery {line[0]} is being attempted"):
        await act(database, what, line[0])
    async with database.transaction() as connection:
        for many in (
            storage.delivery_acts.retry(connection, line[:1]),
            storage.delivery_acts.skip(connection, line[:1], by=BY, reason=WHY),
            storage.delivery_acts.resend(connection, line[:1], by=BY, reason=WHY),
        ):
            assert await many == []

    assert await noted(database) == []


REFUSED: dict[tuple[str, Act], str] = {
    ("delivered", services.delivery_acts.retry): "was delivered: `orderbus deliveries resend",
    ("delivered", services.delivery_acts.skip): "was delivered at ",
    ("skipped", services.delivery_acts.retry): "was skipped: `orderbus deliveries resend",
    ("skipped", services.delivery_acts.skip): "was skipped at .* by command:ann",
    ("dead", services.delivery_acts.skip): "is dead, and its order goes on: `orderbus dead-letters",
    ("dead", services.delivery_acts.resend): "is dead, not delivered: `orderbus deliveries retry",
    ("pending", services.delivery_acts.resend): "is pending, not delivered: `orderbus deliveries",
}


@pytest.mark.parametrize(("state", "what"), REFUSED)
async def test_what_cannot_be_done_in_a_state_is_refused_with_what_can_be(
    database: Database, line: list[int], state: str, what: Act
) -> None:
    if state == "delivered":
        await delivery_rows.deliver_all(database, timedelta(0))
    elif state == "skipped":
        await act(database, services.delivery_acts.skip, line[0])
    elif state == "dead":
        await delivery_rows.give_up(database)
    before = await noted(database)

    with pytest.raises(Conflict, match=REFUSED[state, what]):
        await act(database, what, line[0])

    assert await noted(database) == before


async def test_what_is_held_is_refused_and_its_endpoint_named(
    database: Database, line: list[int]
) -> None:
    endpoint = await endpoint_rows.only_id(database)
    await endpoint_rows.disable(database)
    with pytest.raises(Conflict, match=f"orderbus endpoints enable {endpoint}"):
        await act(database, services.delivery_acts.retry, line[0])

    assert (await act(database, services.delivery_acts.skip, line[0])).state == "skipped"


@pytest.mark.parametrize("what", [services.delivery_acts.retry, services.delivery_acts.resend])
async def test_nothing_is_sent_again_to_an_endpoint_that_was_removed(
    database: Database, line: list[int], what: Act
) -> None:
    await delivery_rows.deliver_all(database, timedelta(0))
    await endpoint_rows.remove_all(database)
    with pytest.raises(Conflict, match="is for an endpoint that was removed"):
        await act(database, what, line[0])


async def test_what_has_no_payload_any_more_stays_delivered(
    database: Database, line: list[int]
) -> None:
    await delivery_rows.deliver_all(database, timedelta(0))
    await event_rows.lose_all(database)
    with pytest.raises(Conflict, match="its event's payload is not kept any more"):
        await act(database, services.delivery_acts.resend, line[0])

    assert await delivery_rows.all_are(database, "delivered")


@pytest.mark.parametrize("what", ACTS)
async def test_what_is_not_there_is_not_found(database: Database, what: Act) -> None:
    with pytest.raises(NotFound, match="No delivery 4711"):
        await act(database, what, 4711)


async def test_two_who_act_on_one_at_once_do_it_once(database: Database, line: list[int]) -> None:
    both = await asyncio.gather(
        *(act(database, services.delivery_acts.skip, line[0]) for _ in range(2)),
        return_exceptions=True,
    )

    done: list[Any] = [each for each in both if isinstance(each, Delivery)]
    assert [each.state for each in done] == ["skipped"]
    assert isinstance(next(each for each in both if each not in done), Busy | Conflict)
    assert await noted(database) == [("delivery.skipped", BY, str(line[0]), WHY)]


async def test_the_journey_shows_who_skipped_it_and_why(
    database: Database, line: list[int]
) -> None:
    await act(database, services.delivery_acts.skip, line[0])
    journey = await services.orders.journey(database, "SO-10045")

    (delivery,) = journey.events[0].deliveries
    assert (delivery.state, delivery.decided_by, delivery.decided_reason) == ("skipped", BY, WHY)
