"""What a bridge that ends holds, or has on its way, is another's at once."""

from __future__ import annotations

import asyncio

import pytest

from orderbus.errors import Unavailable
from orderbus.pubsub import topology
from orderbus.settings import Settings
from tests.integration.pubsub_contract.pubsub import (
    Inbox,
    at,
    bridging,
    numbered,
    published,
    publishing,
    until,
)
from tests.support.waiting import PATIENCE


async def assert_handed_over(pubsub_host: str, count: int, *, batch: int) -> None:
    """Stop a bridge in its first batch of two; all others come to the next one, each once."""
    settings, first, second = at(pubsub_host, bridge_batch=2), Inbox(), Inbox()
    first.free.clear()

    async with publishing(settings) as publisher:
        async with bridging(settings, first):
            await published(publisher, numbered(count))
            await until(lambda: bool(first.tries))
            asyncio.get_running_loop().call_later(0.3, first.free.set)
        async with bridging(settings.model_copy(update={"bridge_batch": batch}), second):
            await until(lambda: len(first.numbers) + len(second.numbers) >= count)

    assert len(first.numbers) == 2
    assert sorted(first.numbers + second.numbers) == list(range(count))


async def test_what_waits_behind_the_last_batch_goes_to_another_bridge_at_once(
    pubsub_host: str,
) -> None:
    await assert_handed_over(pubsub_host, 20, batch=2)


async def test_what_is_on_its_way_to_a_bridge_that_ends_goes_to_another_one_at_once(
    pubsub_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ACK_DEADLINE", 600)  # what a stream keeps comes to nobody
    await assert_handed_over(pubsub_host, 3000, batch=200)


async def test_a_bridge_told_to_stop_does_not_wait_for_a_database_that_is_away(
    settings: Settings,
) -> None:
    first, second = Inbox(*[Unavailable("away")] * 1000), Inbox()

    async with publishing(settings) as publisher:
        async with bridging(settings, first):
            await published(publisher, numbered(3))
            await until(lambda: bool(first.tries))
        async with bridging(settings, second):
            await until(lambda: len(second.numbers) >= 3)

    assert first.numbers == []


async def test_it_stops_after_as_many_messages_as_were_asked_for(settings: Settings) -> None:
    first, second = Inbox(), Inbox()

    async with publishing(settings) as publisher:
        await published(publisher, numbered(10))
        async with bridging(settings, first, max_messages=4) as streaming:
            async with asyncio.timeout(PATIENCE):
                await streaming
        async with bridging(settings, second):
            await until(lambda: len(second.numbers) >= 6)

    assert len(first.numbers) == 4
    assert sorted(first.numbers + second.numbers) == list(range(10))
