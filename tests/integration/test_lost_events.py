"""An event is published again when Pub/Sub lost it, and not because a bridge is behind.

Time passes as the tests say, second by second, whatever the clock on the wall does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.inbox import Returned
from tests.support import forced
from tests.support.frozen_clock import FrozenOrderbus

NEWEST_FIRST = "published_at DESC, event_id"
OLDEST_FIRST = "published_at, event_id"
ANY_ORDER = "md5(event_id::text)"


@pytest.fixture
async def frozen(database: Database, settings: Settings) -> AsyncIterator[FrozenOrderbus]:
    async with database.transaction() as connection:
        yield await FrozenOrderbus.make(connection, settings)


async def stop_the_bridge(frozen: FrozenOrderbus, *, seconds: int, rate: int) -> None:
    """Let events go out while nothing comes back, after a while in which everything did."""
    for _ in range(20):
        await frozen.publish(1)
        await frozen.come_back(await frozen.on_its_way(NEWEST_FIRST))
        await frozen.pass_time(2)
    for _ in range(seconds // 4):
        await frozen.publish(rate * 4)
        await frozen.pass_time(4)
        assert await frozen.take_back_lost() == 0


@pytest.mark.parametrize("order", [NEWEST_FIRST, ANY_ORDER, OLDEST_FIRST])
@pytest.mark.parametrize("rate", [0, 60], ids=["nothing new", "while others go on"])
async def test_of_a_backlog_of_thousands_that_comes_back_a_fifth_at_most_is_published_again(
    frozen: FrozenOrderbus, order: str, rate: int
) -> None:
    await stop_the_bridge(frozen, seconds=80, rate=40)
    again = seconds = 0

    while back := (await frozen.on_its_way(order))[:200]:
        await frozen.come_back(back)
        again += await frozen.take_back_lost()
        again += await frozen.publish(rate * 2) - rate * 2
        await frozen.pass_time(2)
        again += await frozen.take_back_lost()
        rate = rate if seconds < 60 else 0
        seconds += 2

    assert seconds >= 30  # a backlog that is gone at once would prove nothing
    assert again <= 80 * 40 // 5  # the last of them look as lost ones do


async def test_a_backlog_that_hardly_moves_beside_new_events_is_not_published_again(
    frozen: FrozenOrderbus,
) -> None:
    await stop_the_bridge(frozen, seconds=80, rate=30)

    again = 0
    for _ in range(60):
        await frozen.publish(40)
        await frozen.come_back((await frozen.on_its_way(NEWEST_FIRST))[:41])
        await frozen.pass_time(2)
        again += await frozen.take_back_lost()

    assert again == 0


async def test_a_bridge_that_stalls_amid_its_backlog_is_not_fed_what_it_has_to_do(
    frozen: FrozenOrderbus,
) -> None:
    await stop_the_bridge(frozen, seconds=80, rate=30)
    await frozen.come_back((await frozen.on_its_way(NEWEST_FIRST))[:100])

    again = 0
    for _ in range(30):
        await frozen.publish(40)
        await frozen.pass_time(2)
        again += await frozen.take_back_lost()

    assert again == 0


async def test_what_is_lost_amid_steady_traffic_is_published_again_within_40_seconds(
    frozen: FrozenOrderbus,
) -> None:
    await frozen.publish(50)  # lost, and those of every second after it come back
    seconds = 0

    while not (lost := await frozen.take_back_lost()):
        await frozen.publish(5)
        await frozen.come_back((await frozen.on_its_way(NEWEST_FIRST))[:5])
        await frozen.pass_time(2)
        seconds += 2
        assert seconds <= 40

    assert lost == 50
    assert await frozen.publish() == 50


@pytest.mark.parametrize("pause", [6, 14, 20, 60])
async def test_what_is_lost_between_few_orders_is_published_again(
    frozen: FrozenOrderbus, pause: int
) -> None:
    await frozen.publish(1)
    seconds = 0

    while not await frozen.take_back_lost():
        await frozen.pass_time(2)
        seconds += 2
        if seconds % pause == 0:
            await frozen.publish(1)
            await frozen.come_back((await frozen.on_its_way(NEWEST_FIRST))[:1])
        assert seconds <= 90


async def test_what_is_lost_again_and_again_is_published_after_pauses_that_double(
    frozen: FrozenOrderbus,
) -> None:
    await frozen.publish(1)
    pauses = [0]

    while len(pauses) < 5:
        await frozen.publish(5)
        await frozen.come_back((await frozen.on_its_way("publishes, published_at DESC"))[:5])
        await frozen.pass_time(2)
        pauses[-1] += 2
        if await frozen.take_back_lost():
            await frozen.publish()
            pauses.append(0)

    assert pauses[1] <= 34
    assert all(60 * 2**n <= pause <= 62 * 2**n for n, pause in enumerate(pauses[2:4]))


async def test_where_all_is_silent_a_few_ask_and_one_that_returns_speaks_for_all(
    frozen: FrozenOrderbus,
) -> None:
    await frozen.publish(3000)
    asked = seconds = 0
    while not asked:
        await frozen.pass_time(2)
        seconds += 2
        asked = await frozen.take_back_lost()

    await frozen.publish()
    await frozen.come_back((await frozen.on_its_way(NEWEST_FIRST))[:20])
    while await frozen.on_its_way(OLDEST_FIRST):
        await frozen.pass_time(2)
        seconds += 2
        await frozen.take_back_lost()
        await frozen.publish()
        await frozen.come_back(
            [
                event
                for event in await frozen.on_its_way(NEWEST_FIRST)
                if _fresh(frozen, event.message_id)
            ]
        )
        assert seconds <= 120

    assert asked == 20


def _fresh(frozen: FrozenOrderbus, message_id: str | None) -> bool:
    """Say whether it is not of the first 3,000, which are lost."""
    return message_id is not None and int(message_id.removeprefix("m-")) > 3000


async def test_a_bridge_that_is_stopped_for_an_hour_is_fed_some_hundred_duplicates_at_most(
    frozen: FrozenOrderbus,
) -> None:
    await frozen.publish(2000)
    again = 0

    for _ in range(720):
        await frozen.pass_time(5)
        if await frozen.take_back_lost():
            again += await frozen.publish()

    assert 0 < again <= 300


async def test_one_event_that_is_lost_in_silence_is_asked_for_after_pauses_that_double(
    frozen: FrozenOrderbus,
) -> None:
    await frozen.publish(1)
    pauses = [0]

    while len(pauses) < 5:
        await frozen.pass_time(2)
        pauses[-1] += 2
        if await frozen.take_back_lost():
            await frozen.publish()
            pauses.append(0)

    assert pauses == [12, 22, 42, 82, 0]


@pytest.mark.parametrize(("lost", "within"), [(1, 60), (20, 60), (100, 700)])
async def test_a_few_lost_amid_others_that_come_late_for_ever_are_asked_for_within_a_minute(
    frozen: FrozenOrderbus, lost: int, within: int
) -> None:
    await frozen.publish(lost)
    for _ in range(12):
        await frozen.publish(5)
        await frozen.pass_time(2)
    seconds = 24

    while not (again := await frozen.take_back_lost()):
        await frozen.publish(5)
        on_its_way = (await frozen.on_its_way(NEWEST_FIRST))[:-lost]
        await frozen.come_back(on_its_way[:2] + on_its_way[-3:])
        await frozen.pass_time(2)
        seconds += 2
        assert seconds < within

    assert min(lost, 20) <= again <= 20
    assert within == 60 or seconds > 600


async def test_while_some_go_astray_and_some_come_late_each_comes_back_within_two_minutes(
    frozen: FrozenOrderbus,
) -> None:
    """As the emulator does for minutes after a connection to it broke."""
    for _ in range(100):
        await frozen.publish(40)
        await frozen.take_back_lost()
        await frozen.publish()
        now = await storage.lost_events.now(frozen.held)
        await frozen.come_back(
            [event for event in await frozen.on_its_way(OLDEST_FIRST) if _is_back(event, now)]
        )
        assert now - await frozen.oldest_on_its_way() <= timedelta(minutes=2)
        await frozen.pass_time(2)


def _is_back(event: Returned, now: datetime) -> bool:
    """Say whether it is: of ten messages one goes astray, and two come ten seconds late."""
    assert event.message_id is not None
    assert event.published_at is not None
    match int(event.message_id.removeprefix("m-")) % 10:
        case 0:
            return False
        case 1 | 2:
            return now - event.published_at >= timedelta(seconds=10)
        case _:
            return True


async def test_nothing_is_published_again_while_its_return_is_not_late(
    frozen: FrozenOrderbus,
) -> None:
    await frozen.publish(3)
    await frozen.pass_time(5)

    assert await frozen.take_back_lost() == 0


async def test_where_the_subscription_is_gone_all_is_published_again_in_bounded_steps(
    frozen: FrozenOrderbus, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced.take_back_at_most(monkeypatch, 100)
    await frozen.publish(250)
    await frozen.pass_time(1)

    assert await services.lost_events.take_back_all(frozen) == 250
    assert await frozen.publish() == 250
