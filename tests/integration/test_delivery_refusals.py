"""What nobody can do about a delivery is refused, and it is said what can be done instead."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.errors import Busy, Conflict, NotFound
from orderbus.storage.database import Database
from orderbus.storage.delivery_views import Delivery
from tests.support import delivery_rows, endpoint_rows, event_rows, scenario
from tests.support.delivery_line import BY, WHY, Act, act, line_of, noted
from tests.support.receiver import Receiver

ACTS: list[Act] = [
    services.delivery_acts.retry,
    services.delivery_acts.skip,
    services.delivery_acts.resend,
]


@pytest.fixture
async def line(database: Database, receiver: Receiver) -> list[int]:
    return await line_of(database, receiver.url)


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
