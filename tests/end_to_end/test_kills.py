"""Processes die by SIGKILL at the worst moments, and nobody can tell from outside."""

from __future__ import annotations

import asyncio

import pytest

from tests.end_to_end.bad_among_good import Bad, survives
from tests.support import event_rows, letter_rows, order_rows, outbox_rows
from tests.support.system import System

#: A master whose worker died while booting notices after 30 s.
pytestmark = pytest.mark.timeout(300)

ORDERS = 20


@pytest.mark.parametrize(
    ("victim", "point", "repetitions"),
    [
        ("workers", "worker between lease and publish", 0),
        ("workers", "worker between publish and mark", 0),
        ("bridge", "bridge before its commit", 0),
        ("bridge", "bridge after its commit", 0),
        ("workers", "worker between claim and request", 0),
        ("workers", "worker between answer and settlement", 12),
    ],
)
async def test_every_order_is_delivered_although_a_process_was_killed(
    system: System, victim: str, point: str, repetitions: int
) -> None:
    victim = system.home_of(victim)
    await system.start_all(but=victim)
    dying = await system.start(victim, killed_at=point, ready=False)
    for _ in range(ORDERS):
        await system.post()

    await system.killed(dying)
    if victim == "workers":
        await system.end_leases()
    await system.start(victim)
    await system.until_accepted(ORDERS)

    times = system.receiver.times()
    assert len(times) == ORDERS
    # Only an exchange that was under way when its worker died may be seen twice by the customer.
    assert sum(times.values()) - ORDERS <= repetitions
    assert await outbox_rows.count(system.database) == 0
    assert await letter_rows.count(system.database) == 0


@pytest.mark.parametrize(
    ("point", "orders"), [("web before its commit", 0), ("web after its commit", 1)]
)
async def test_an_order_whose_answer_was_lost_is_stored_and_told_of_once(
    system: System, point: str, orders: int
) -> None:
    await system.start_all(but="web")
    dying = await system.start("web", killed_at=point)
    posting = asyncio.create_task(system.post("SO-10045"))
    await system.killed(dying)
    stored = await order_rows.count(system.database)

    await system.start("web")
    await posting
    await system.until_accepted(1)

    assert stored == orders
    assert await event_rows.count(system.database) == 1
    assert list(system.receiver.times().values()) == [1]


async def test_processes_killed_at_random_lose_nothing_and_break_no_order(system: System) -> None:
    running = {name: await system.start(name) for name in system.processes}

    async def post() -> None:
        for _ in range(60):
            await system.post()
            await asyncio.sleep(0.05)

    async def kill() -> None:
        for name in map(system.home_of, ("workers", "bridge", "web", "workers", "bridge")):
            await asyncio.sleep(0.7)
            await system.kill(running[name])
            if name == "workers":
                await system.end_leases()
            running[name] = await system.start(name)

    await asyncio.gather(post(), kill())
    await system.until_accepted(60)

    assert len(system.receiver.times()) == 60
    assert await order_rows.count(system.database) == 60


@pytest.mark.native
async def test_bad_messages_among_good_ones_are_one_dead_letter_each_and_cost_nobody_else(
    system: System,
) -> None:
    bad = Bad(kills=2, breaks=20, unreadable=20, unknown=8)
    await survives(system, good=500, bad=bad, seconds=200)
