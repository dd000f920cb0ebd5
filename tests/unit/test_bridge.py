"""What the bridge does about a subscription that is made anew, without any Pub/Sub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orderbus import services
from orderbus.actors import bridge, given_up
from orderbus.errors import Unavailable
from orderbus.pubsub.subscription import Subscription
from orderbus.services.inbox import Due
from tests.support.settings_given import settings
from tests.support.waiting import PATIENCE


class Lost:
    """Stands in for the services: the subscription is made anew, and again while it is told of."""

    def __init__(self, subscription: Subscription, *trouble: Exception) -> None:
        self.taken_back = 0
        self.stop = asyncio.Event()
        self._subscription = subscription
        self._trouble = list(trouble)

    async def take_back_all(self, _: object) -> int:
        if self._trouble:
            raise self._trouble.pop()
        self.taken_back += 1
        if self.taken_back == 1:
            self._subscription.note_made_anew()
        else:
            self.stop.set()
        return 0

    async def receive(self, *_: object, **__: object) -> Due:
        return Due()


@pytest.fixture(autouse=True)
def _nobody_looks_for_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no Pub/Sub for them, and nobody on this network for credentials."""

    async def look(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(given_up, "look_at_pubsub", look)


@pytest.mark.parametrize("trouble", [(), (Unavailable("PostgreSQL is away"),)])
async def test_a_subscription_that_is_made_anew_again_meanwhile_is_told_of_again(
    monkeypatch: pytest.MonkeyPatch, trouble: tuple[Exception, ...]
) -> None:
    nobody: Any = None
    subscription = Subscription(nobody, at_most=10)
    lost = Lost(subscription, *trouble)

    @asynccontextmanager
    async def subscribed(*_: object, **__: object) -> AsyncIterator[Subscription]:
        yield subscription

    monkeypatch.setattr(bridge, "subscribed", subscribed)
    monkeypatch.setattr(services.lost_events, "take_back_all", lost.take_back_all)
    monkeypatch.setattr(services.inbox, "receive", lost.receive)
    subscription.note_made_anew()

    async with asyncio.timeout(PATIENCE):
        await bridge.run(settings(), nobody, stop=lost.stop)

    assert lost.taken_back == 2


async def test_who_stops_while_nothing_waits_does_not_ask_postgresql_before_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody: Any = None
    subscription = Subscription(nobody, at_most=10)
    stop = asyncio.Event()
    received: list[object] = []

    @asynccontextmanager
    async def subscribed(*_: object, **__: object) -> AsyncIterator[Subscription]:
        asyncio.create_task(stop.wait()).add_done_callback(subscription.note_ended)
        yield subscription

    async def receive(_: object, batch: object, **__: object) -> Due:
        received.append(batch)
        return Due()

    monkeypatch.setattr(bridge, "subscribed", subscribed)
    monkeypatch.setattr(services.inbox, "receive", receive)
    running = asyncio.create_task(bridge.run(settings(), nobody, stop=stop))
    await asyncio.sleep(0)

    stop.set()
    async with asyncio.timeout(PATIENCE):
        await running

    assert received == []
