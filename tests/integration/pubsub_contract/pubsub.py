"""What the tests of Pub/Sub share: a server to stop and start, an inbox, and patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import uuid4

from google.api_core import exceptions

from orderbus import services
from orderbus.actors import bridge
from orderbus.devtools.emulator import DoublePubsub, NativeEmulator
from orderbus.pubsub import channels, topology
from orderbus.pubsub.messages import Message
from orderbus.pubsub.publisher import Publisher, open_publisher
from orderbus.pubsub.subscription import Received
from orderbus.services.inbox import Due
from orderbus.settings import Settings
from tests.conftest import settings_from
from tests.support.dependencies import Background
from tests.support.waiting import PATIENCE

#: For what Pub/Sub is going to answer, however slow the machine is.
DEADLINE = timedelta(seconds=60)
#: For what it cannot answer: it is away.
SHORT = timedelta(seconds=0.5)


class Server:
    """A Pub/Sub that a test may stop and start again on the same port; it forgets everything."""

    def __init__(
        self, background: Background, name: str, part: NativeEmulator | DoublePubsub
    ) -> None:
        self.name = name
        self.part = part
        self._background = background

    @property
    def host(self) -> str:
        return self.part.env["PUBSUB_EMULATOR_HOST"]

    def start(self) -> None:
        self._background.run(self.part.start(lambda *_: None))

    def stop(self) -> None:
        self._background.run(self.part.stop())


def at(host: str, **changes: Any) -> Settings:
    mark = uuid4().hex[:8]
    return settings_from(
        {"PUBSUB_EMULATOR_HOST": host},
        pubsub_topic=f"order.created.{mark}",
        pubsub_subscription=f"order.created.local.{mark}",
        **changes,
    )


def numbered(count: int, start: int = 0) -> list[Message]:
    return [Message(b"{}", {"n": str(number)}) for number in range(start, start + count)]


def numbers(messages: list[Received]) -> list[int]:
    return [int(message.attributes["n"]) for message in messages]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for ``condition``."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


class Inbox:
    """Stands in for the services: remembers what came; ``trouble`` is raised first."""

    def __init__(self, *trouble: Exception) -> None:
        self.batches: list[list[int]] = []
        self.tries: list[list[int]] = []
        self.messages: list[Received] = []
        self.made = 0
        self.ups: list[bool] = []
        self.free = asyncio.Event()
        self.free.set()
        self._trouble = list(trouble)
        self.puts_off: Callable[[Received], bool] = lambda _: False

    async def receive(self, _: object, messages: list[Received], **__: object) -> Due:
        if not messages:
            return Due()
        self.tries.append(numbers(messages))
        await self.free.wait()
        if self._trouble:
            raise self._trouble.pop(0)
        later = [message for message in messages if self.puts_off(message)]
        taken = [message for message in messages if message not in later]
        self.messages += taken
        self.batches.append(numbers(taken))
        return Due(later=later)

    async def take_back_all(self, _: object) -> int:
        self.made += 1
        return 0

    def hear_connected(self, *, up: bool) -> None:
        self.ups.append(up)

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number in batch]

    @property
    def up(self) -> bool:
        return self.ups[-1:] == [True]


@asynccontextmanager
async def bridging(
    settings: Settings, inbox: Inbox, *, ensured: bool = True, **options: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """Run the bridge into ``inbox`` while the block runs."""
    if ensured:
        await topology.ensure(settings)
    stop = asyncio.Event()
    nowhere: Any = None
    with (
        mock.patch.object(services.inbox, "receive", inbox.receive),
        mock.patch.object(services.lost_events, "take_back_all", inbox.take_back_all),
    ):
        running = asyncio.create_task(
            bridge.run(settings, nowhere, stop=stop, connected=inbox.hear_connected, **options)
        )
        try:
            yield running
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait({running})


@asynccontextmanager
async def publishing(settings: Settings) -> AsyncIterator[Publisher]:
    await topology.ensure(settings)
    async with open_publisher(settings) as publisher:
        yield publisher


async def published(publisher: Publisher, messages: list[Message]) -> list[str]:
    answers = await publisher.publish(messages, deadline=DEADLINE)
    ids = [answer for answer in answers if isinstance(answer, str)]
    assert len(ids) == len(messages), [a for a in answers if not isinstance(a, str)][:1]
    return ids


async def publish_until_it_works(publisher: Publisher, messages: list[Message]) -> None:
    """Publish as the relay does, again and again, until all were taken."""
    async with asyncio.timeout(PATIENCE):
        while messages:
            answers = await publisher.publish(messages, deadline=DEADLINE)
            messages = [
                message
                for message, answer in zip(messages, answers, strict=True)
                if not isinstance(answer, str)
            ]
            if messages:
                await asyncio.sleep(0.1)


def clients(settings: Settings) -> tuple[Any, Any]:
    return channels.publisher(settings), channels.subscriber(settings)


def pull_all(subscriber: Any, path: str, ids: set[str]) -> list[str]:
    """Pull until all these messages came; returns their ack ids."""
    came: dict[str, str] = {}
    ends = time.monotonic() + PATIENCE
    while came.keys() < ids:
        assert time.monotonic() < ends, f"{len(ids) - len(came)} of {len(ids)} do not come"
        with suppress(exceptions.DeadlineExceeded):
            answer = subscriber.pull(subscription=path, max_messages=100, timeout=5, retry=None)
            came |= {each.message.message_id: each.ack_id for each in answer.received_messages}
    return list(came.values())
