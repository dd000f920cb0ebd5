"""Old and new versions share the schema, the queues and the topic while an upgrade goes on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import (
    consumption_rows,
    event_rows,
    letter_rows,
    old_version,
    order_rows,
    rabbitmq_admin,
)
from tests.support.system import System, own_ports

pytestmark = pytest.mark.native  # without RabbitMQ no two processes share queues


@pytest.fixture
async def old(system: System, tmp_path: Path) -> AsyncIterator[System]:
    """The version from which on upgrades are rolling, on what the new one has migrated."""
    root = await asyncio.to_thread(old_version.unpack, tmp_path / "old")
    env = {**system.env, **own_ports()}
    old = System(env, system.settings, system.database, root)
    old.receiver = system.receiver
    try:
        yield old
    finally:
        await old.close()


@pytest.fixture
def system(system: System) -> System:
    system.env["ORDERBUS_PROCESSOR"] = "priced"
    return system


async def _until_done(system: System, orders: int) -> None:
    """Wait until so many orders are processed and counted, once, and all is delivered of them."""

    async def done() -> bool:
        return (
            await order_rows.statuses(system.database) == ["completed"] * orders
            and await consumption_rows.counted(system.database) == orders
            and len(system.receiver.times()) == await event_rows.count(system.database)
        )

    await system.until(done, f"{orders} orders are processed, counted and delivered")
    numbers = system.receiver.sequences().values()
    assert all(seen == [*range(1, len(seen) + 1)] for seen in numbers)
    assert await letter_rows.count(system.database) == 0


async def test_orders_go_all_the_way_through_old_and_new_processes_in_any_mixture(
    system: System, old: System
) -> None:
    await asyncio.gather(old.start("web"), old.start("workers"), system.start("bridge"))
    for _ in range(3):
        await old.post()
    await _until_done(system, 3)  # published by the old version, received by the new one

    await asyncio.gather(system.start("web"), system.start("workers"), old.start("bridge"))
    await asyncio.gather(*(each.post() for _ in range(10) for each in (old, system)))
    await _until_done(system, 23)

    for name in ("workers", "web"):
        await old.kill(old.started[name])
    await system.kill(system.started["bridge"])
    for _ in range(3):
        await system.post()
    await _until_done(system, 26)  # published by the new version, received by the old one


async def test_messages_of_the_old_version_are_understood_by_the_new_one(
    system: System, old: System
) -> None:
    await old.start("web")
    for _ in range(3):
        await old.post()
    await old.ended(await old.command("-c", old_version.SEND_TO_ALL))
    await old.kill(old.started["web"])
    log = await asyncio.to_thread(Path(old.env["LOG"]).read_text)
    queues = set(re.findall("^sent to (.*)$", log, re.MULTILINE))

    await asyncio.gather(system.start("workers"), system.start("bridge"))

    async def taken() -> bool:
        return not await asyncio.to_thread(
            rabbitmq_admin.count_ready, system.env["RABBITMQ_URL"], queues
        )

    await system.until(taken, "every message is taken")
    await _until_done(system, 3)
    system.started["workers"].terminate()
    await system.ended(system.started["workers"])
    assert await letter_rows.count(system.database) == 0
    assert f"sent by {old.root / 'orderbus'}" in log
    assert len(queues) >= 4
