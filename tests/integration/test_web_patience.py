"""The front door has no patience without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from orderbus.settings import Settings
from tests.integration import front_door


async def test_a_slow_sender_is_told_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderbus.web.requests.READ_TIMEOUT", 0.2)

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with front_door.serving(settings) as door:
        try:
            answer = await door.post(front_door.PATH, data=drip(), headers=front_door.JSON)
            status = answer.status
        except aiohttp.ClientError:
            status = 408  # the connection was closed on the sender

    assert status == 408
