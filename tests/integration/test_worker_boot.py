"""The worker's own command: it waits for what is away, and ends where waiting cannot help."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orderbus.local.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
def worker_env(env: dict[str, str]) -> dict[str, str]:
    return {
        **env,
        "SECRET_KEY": "a key for tests",
        "ORDERBUS_WORKER_METRICS_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
async def start(worker_env: dict[str, str]) -> AsyncIterator[Start]:
    """Start ``dramatiq orderbus.actors`` as it stands."""
    started: list[asyncio.subprocess.Process] = []

    async def start(processes: int = 1, **changes: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "dramatiq", "orderbus.actors", "-t", "2"]
        worker = await asyncio.create_subprocess_exec(
            *command,
            "-p",
            str(processes),
            env={**os.environ, **worker_env, **changes},
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=2**24,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        try:
            os.killpg(worker.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        await worker.wait()


async def readiness(env: dict[str, str]) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{env['ORDERBUS_WORKER_METRICS_PORT']}/readyz"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, await answer.json()


async def until_ready(env: dict[str, str], expected: int) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            try:
                status, body = await readiness(env)
            except aiohttp.ClientError:
                status, body = 0, {}
            if status == expected and body["parts"]:
                return body
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_command_as_it_stands_comes_up_ready_and_ends_on_sigterm(
    start: Start, worker_env: dict[str, str], processes: int
) -> None:
    worker = await start(processes)
    body = await until_ready(worker_env, 200)

    url = f"http://127.0.0.1:{worker_env['ORDERBUS_WORKER_METRICS_PORT']}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        metrics = await answer.text()
    worker.terminate()
    async with asyncio.timeout(20):
        _, _ = await worker.communicate()

    assert set(body["parts"]) == {"postgres", "rabbitmq", "pubsub"}
    assert "orderbus_events_published_total" in metrics
    assert worker.returncode == 0


@pytest.mark.parametrize(
    ("part", "away"),
    [
        ("postgres", {"DB_PORT": "1"}),
        ("rabbitmq", {"RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1/"}),
        ("pubsub", {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}),
    ],
)
async def test_a_part_that_is_away_is_waited_for_and_readiness_names_it(
    start: Start, worker_env: dict[str, str], part: str, away: dict[str, str]
) -> None:
    worker = await start(**away)

    body = await until_ready(worker_env, 503)
    async with asyncio.timeout(20):
        while len(body["parts"]) < 3:
            _, body = await readiness(worker_env)
            await asyncio.sleep(0.1)

    assert [name for name, up in body["parts"].items() if not up] == [part]
    assert worker.returncode is None


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ORDERBUS_RELAY_LEASE": "1"}, b"ORDERBUS_RELAY_LEASE"),
        ({"DB_PASS": "wrong"}, b"PostgreSQL refuses us"),
    ],
)
async def test_settings_that_cannot_work_end_the_whole_worker_with_a_sentence(
    start: Start, processes: int, wrong: dict[str, str], said: bytes
) -> None:
    worker = await start(processes, **wrong)

    async with asyncio.timeout(30):
        _, err = await worker.communicate()

    assert worker.returncode == 2
    assert said in err
