"""Every hop heals by itself: parts go away and come back, and nobody restarts a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from orderbus.devtools import dependencies
from orderbus.devtools.dependency import Dependency
from orderbus.storage.database import open_database
from tests.conftest import settings_from
from tests.support import delivery_rows, letter_rows
from tests.support.dependencies import open_folder, way
from tests.support.ports import with_kept_ports
from tests.support.system import System, environment


def silent(_name: str, _line: str) -> None:
    """Take a part's output and show nobody."""


@pytest.fixture
async def own_parts() -> AsyncIterator[dict[str, Dependency]]:
    """Parts of this test alone, since it takes them away."""
    with open_folder() as folder:
        found = dependencies.find(folder, {}, provider=way(), safe=False)
        parts = {part.name: with_kept_ports(part) for part in found}
        await asyncio.gather(*(part.start(silent) for part in parts.values()))
        yield parts
        await asyncio.gather(*(part.stop() for part in parts.values()))


@pytest.fixture
async def system(own_parts: dict[str, Dependency], tmp_path: Path) -> AsyncIterator[System]:
    """A running system on the test's own parts."""
    env = {name: value for part in own_parts.values() for name, value in part.env.items()}
    settings = settings_from(env)
    async with open_database(settings) as database:
        system = System(
            environment(env, tmp_path / "log"),
            settings,
            database,
        )
        async with system.receiver.listening():
            system.env["WEBHOOK_OUTGOING_URL"] = system.receiver.url
            await system.orderbus("migrate")
            try:
                await system.start_all()
                yield system
            finally:
                await system.close()


async def test_a_pubsub_restarted_empty_loses_no_event(
    system: System, own_parts: dict[str, Dependency]
) -> None:
    await asyncio.gather(*(system.post() for _ in range(20)))
    await own_parts["Pub/Sub"].stop()
    await asyncio.gather(*(system.post() for _ in range(20)))
    await own_parts["Pub/Sub"].start(silent)
    await asyncio.gather(*(system.post() for _ in range(20)))

    await system.until_accepted(60)

    assert set(system.receiver.times().values()) == {1}
    assert await letter_rows.count(system.database) == 0
    assert await delivery_rows.max_attempts(system.database) == 1


@pytest.mark.native
async def test_rabbitmq_killed_and_restarted_costs_no_order(
    system: System, own_parts: dict[str, Dependency]
) -> None:
    await asyncio.gather(*(system.post() for _ in range(20)))
    await own_parts["RabbitMQ"].stop()
    await asyncio.gather(*(system.post() for _ in range(20)))
    await system.until(lambda: _is_red(system, "WORKER", "rabbitmq"), "the workers say so")
    await own_parts["RabbitMQ"].start(silent)
    await asyncio.gather(*(system.post() for _ in range(20)))

    await system.until_accepted(60)

    assert set(system.receiver.times().values()) == {1}
    assert await letter_rows.count(system.database) == 0


async def test_postgresql_restarted_is_503_meanwhile_and_everything_after(
    system: System, own_parts: dict[str, Dependency]
) -> None:
    await asyncio.gather(*(system.post() for _ in range(20)))
    await own_parts["PostgreSQL"].stop()
    async with system.http.post(
        f"{system.api}/webhooks/orders/create/", json={"order_id": "SO-1"}
    ) as answer:
        refused = answer.status
    posting = [asyncio.create_task(system.post()) for _ in range(20)]
    await system.until(lambda: _is_red(system, "WORKER", "postgres"), "the workers say so")
    if "bridge" in system.processes:
        await system.until(lambda: _is_red(system, "BRIDGE", "postgres"), "the bridge says so")
    await own_parts["PostgreSQL"].start(silent)
    await asyncio.gather(*posting)

    await system.until_accepted(40)

    assert refused == 400, "bad input is told so without a database"
    assert len(system.receiver.times()) == 40
    assert await letter_rows.count(system.database) == 0


async def _is_red(system: System, process: str, part: str) -> bool:
    url = f"http://127.0.0.1:{system.env[f'ORDERBUS_{process}_METRICS_PORT']}/readyz"
    try:
        async with system.http.get(url) as answer:
            return answer.status == 503 and (await answer.json())["parts"][part] is False
    except aiohttp.ClientError:
        return False
