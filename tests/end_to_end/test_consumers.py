"""Several kinds of work consume the same events, each once, whatever becomes of its workers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support import consumption_rows, event_rows, letter_rows, order_rows
from tests.support.system import System

pytestmark = pytest.mark.timeout(300)

STORY = ["order.created", "order.processing_started", "order.completed", "order.processed"]


LATER = {"ORDERBUS_CONSUMERS": "tests.end_to_end.later_consumers"}


@pytest.fixture(autouse=True)
async def processing(system: System, tmp_path: Path) -> None:
    system.env |= {
        "ORDERBUS_PROCESSOR": "priced",
        "ORDERBUS_WEBHOOK_OUTGOING_EVENTS": "order.*",
        "SEEN": str(tmp_path / "seen"),
    }
    await system.orderbus("migrate")


async def counted(system: System, name: str) -> int:
    return await consumption_rows.counted(system.database, name)


def is_counted(system: System, name: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return await counted(system, name) >= count

    return reached


async def hurried(system: System, holds: Callable[[], Awaitable[bool]]) -> bool:
    await consumption_rows.hurry(system.database)
    return await holds()


async def close_a_cart(system: System) -> str:
    async with system.http.post(f"{system.api}/carts", json={"total_amount": 100.5}) as answer:
        cart = str((await answer.json())["cart_uuid"])
    async with system.http.put(f"{system.api}/carts/{cart}/checkout") as answer:
        assert answer.status == 200
    return cart


async def test_a_closed_cart_becomes_an_order_whose_webhooks_tell_its_whole_story(
    system: System,
) -> None:
    await system.start_all()

    carts = [await close_a_cart(system) for _ in range(3)]
    await system.until_accepted(3 * len(STORY))

    assert sorted(system.receiver.sequences()) == sorted(carts)
    for cart in carts:
        told = [e.body["event"] for e in system.receiver.accepted if e.body["order_id"] == cart]
        assert told == STORY
        async with system.http.get(f"{system.api}/orders/{cart}/history") as answer:
            assert [h["type"] for h in (await answer.json())["history"]] == STORY
    assert set(system.receiver.times().values()) == {1}
    assert await counted(system, "orders_created") == 3


@pytest.mark.parametrize(
    "point",
    [
        "worker between an effect and its mark",
        "worker between an effect's commit and its end",
        "worker between processing and its commit",
    ],
)
async def test_a_consumer_killed_in_the_middle_has_its_effect_once(
    system: System, point: str
) -> None:
    await system.start_all(but="workers")
    dying = await system.start("workers", killed_at=point, ready=False)
    for _ in range(5):
        await system.post()
    await system.killed(dying)
    await system.end_leases()
    await system.start("workers")

    await system.until(
        partial(hurried, system, is_counted(system, "orders_created", 5)), "all are counted"
    )

    async def processed() -> bool:
        return set(await order_rows.statuses(system.database)) == {"completed"}

    await system.until(partial(hurried, system, processed), "all are processed")
    await system.until_accepted(5 * len(STORY))
    assert await counted(system, "orders_created") == 5
    assert await event_rows.count(system.database) == 5 * len(STORY)
    assert await letter_rows.count(system.database) == 0


async def test_a_consumer_that_fails_three_times_has_its_effect_once(system: System) -> None:
    system.env |= LATER
    await system.start_all()
    await system.post()

    await system.until(
        partial(hurried, system, is_counted(system, "flaky", 1)), "it worked at last"
    )

    seen = Path(system.env["SEEN"]).read_text().splitlines()
    assert (len(seen), len(set(seen))) == (4, 1)
    assert await consumption_rows.attempts(system.database, "flaky") == 4
    assert await counted(system, "flaky") == 1


@pytest.mark.native
async def test_what_a_consumer_without_code_has_to_do_is_seen_and_waits_for_the_code(
    system: System,
) -> None:
    await system.start("web")
    old = await system.start("workers")
    now = dict(system.env)
    system.env |= LATER
    await system.start("bridge")
    later, system.env = system.env, now
    await system.post()
    await system.until(is_counted(system, "orders_created", 1), "the old worker goes on")

    listed = {row["consumer"]: row for row in await system.orderbus("consumers", "list")}
    assert (listed["audit"]["wants"], listed["audit"]["pending"]) == (None, 1)

    system.env = later
    await system.start("workers", ready=False)  # beside the old one
    await system.until(is_counted(system, "audited", 1), "the code came")
    await system.post()
    await system.until(is_counted(system, "audited", 2), "both versions work side by side")
    await system.until(is_counted(system, "orders_created", 2), "each order is counted by either")
    await system.kill(old)
    assert await counted(system, "orders_created") == 2


@pytest.mark.native
async def test_each_kind_of_work_can_be_stopped_and_started_alone(system: System) -> None:
    await system.start("web")
    await system.start("bridge")
    others = ("publish_outbox", "deliver_webhook", "create_order", "count_event")
    await system.start("workers", "--queues", *others)
    await system.post()
    await system.until_accepted(1)
    await system.until(is_counted(system, "orders_created", 1), "it is counted")
    assert await order_rows.statuses(system.database) == ["created"]

    await system.start("workers", "--queues", "process_order", ready=False)
    await system.until_accepted(len(STORY))

    assert await order_rows.statuses(system.database) == ["completed"]


@pytest.mark.once
async def test_5000_events_of_the_past_reach_a_new_consumer_once_while_orders_come_in(
    system: System,
) -> None:
    system.env["ORDERBUS_PROCESSOR"] = "none"
    await system.start_all()
    await system.post()
    await system.until_accepted(1)
    await event_rows.have_a_past(system.database, 4999)
    system.env |= LATER
    for name in set(system.processes) - {"web"}:
        await system.kill(system.started[name])
        await system.start(name)

    replay = ["-m", "orderbus", "replay", "--consumer", "audit", "--since", "1d"]
    first = await system.command(*replay, "--rate", "1000")
    await system.until(is_counted(system, "audited", 500), "the replay is under way")
    first.send_signal(signal.SIGKILL)
    live = asyncio.create_task(_post(system, 50))
    again = await system.command(*replay, "--rate", "2000")
    assert await again.wait() == 0
    await live

    await system.until(is_counted(system, "audited", 5050), "all were audited")
    await system.until_accepted(51)
    assert await counted(system, "audited") == 5050
    assert await letter_rows.count(system.database) == 0


async def _post(system: System, orders: int) -> None:
    for _ in range(orders):
        await system.post()
