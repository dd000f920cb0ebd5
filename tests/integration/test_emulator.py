"""Google's emulator keeps each message for ever, and must not stand still for it."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress

import aiohttp
import pytest

from orderbus.devtools.emulator import NativeEmulator, jar
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.once

PROJECT = "v1/projects/demo-poc"


def silent(_name: str, _line: str) -> None:
    """Take its output and show nobody."""


async def test_an_emulator_without_memory_ends_instead_of_answering_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = jar()
    if found is None:
        pytest.skip("There is no Java, or no Pub/Sub emulator of the Cloud SDK")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx64m")
    emulator = NativeEmulator(found)
    await emulator.start(silent)
    try:
        (process,) = emulator.processes
        filling = asyncio.create_task(fill(emulator.env["PUBSUB_EMULATOR_HOST"]))
        async with asyncio.timeout(PATIENCE):
            await process.wait()
        filling.cancel()
    finally:
        await emulator.stop()

    assert process.code == 3


async def fill(host: str) -> None:
    """Publish until nobody answers any more."""
    message = {
        "data": base64.b64encode(bytes(500)).decode(),
        "attributes": {f"ce-{n}": 50 * "x" for n in range(20)},
    }
    topic = f"{PROJECT}/topics/events"
    async with aiohttp.ClientSession(f"http://{host}/") as http:
        (await http.put(topic, json={})).raise_for_status()
        about = {"topic": topic.removeprefix("v1/")}
        await http.put(f"{PROJECT}/subscriptions/events", json=about)
        with suppress(aiohttp.ClientError):
            while True:
                answer = await http.post(f"{topic}:publish", json={"messages": 500 * [message]})
                await answer.read()
