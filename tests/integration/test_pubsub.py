"""The way out to Google's emulator and back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from orderbus.errors import Poisoned, Unavailable
from orderbus.pubsub import bridge, channels, topology
from orderbus.pubsub.bridge import Received
from orderbus.pubsub.messages import Message, encode
from orderbus.pubsub.publisher import open_publisher
from orderbus.settings import Settings
from tests import samples
from tests.conftest import settings_from

DEADLINE = timedelta(seconds=2)


class Stream:
    """A bridge at work, and what it was handed."""

    def __init__(self, settings: Settings) -> None:
        self.batches: list[list[str]] = []
        self.unavailable = 0
        self.made = 0
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            bridge.stream(settings, self.handle, made=self.on_made, stop=self.stop)
        )

    async def handle(self, batch: list[Received]) -> None:
        self.batches.append([message.message_id for message in batch])
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("PostgreSQL is away")

    async def on_made(self) -> None:
        self.made += 1

    @property
    def ids(self) -> set[str]:
        return {message_id for batch in self.batches for message_id in batch}

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.ids) < count:
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        self.stop.set()
        async with asyncio.timeout(20):
            await self.task


async def test_everything_that_is_needed_is_made_once(settings: Settings) -> None:
    first = await topology.ensure(settings)
    second = await topology.ensure(settings)

    assert (first.subscription_made, second.subscription_made) == (True, False)
    assert await topology.check(settings) == []


async def test_the_subscription_is_as_promised_and_its_dead_letters_are_kept(
    settings: Settings,
) -> None:
    await topology.ensure(settings)
    client = channels.subscriber(settings)

    found = client.get_subscription(subscription=topology.subscription_path(settings))
    dead = client.get_subscription(
        subscription=f"{topology.subscription_path(settings)}.dead-letter"
    )
    client.close()

    assert (found.ack_deadline_seconds, found.enable_message_ordering) == (10, False)
    assert found.dead_letter_policy.dead_letter_topic == dead.topic


async def test_a_subscription_of_another_topic_is_found(
    settings: Settings, env: dict[str, str]
) -> None:
    await topology.ensure(settings)
    other = settings_from({**env, "PUBSUB_TOPIC_ORDER_CREATED": f"{settings.pubsub_topic}.other"})

    await topology.ensure(other)

    assert any("belongs to" in problem for problem in await topology.check(other))


async def test_what_is_published_comes_back_with_bytes_and_attributes(settings: Settings) -> None:
    await topology.ensure(settings)
    message = encode(samples.event())
    stream = Stream(settings)
    seen: list[Received] = []

    async def handle(batch: list[Received]) -> None:
        seen.extend(batch)

    stream.handle = handle  # type: ignore[method-assign]
    await stream.close()
    stop = asyncio.Event()
    task = asyncio.create_task(
        bridge.stream(settings, handle, made=stream.on_made, stop=stop, max_messages=1)
    )
    async with open_publisher(settings) as publisher:
        (message_id,) = await publisher.publish([message], deadline=DEADLINE)
    async with asyncio.timeout(20):
        await task

    (received,) = seen
    assert (received.message_id, received.data) == (message_id, message.data)
    assert received.attributes == message.attributes


async def test_one_message_that_is_too_large_is_refused_alone(settings: Settings) -> None:
    await topology.ensure(settings)
    good = encode(samples.event())

    async with open_publisher(settings) as publisher:
        answers = await publisher.publish(
            [good, Message(b"x" * 10_500_000, {}), good], deadline=DEADLINE
        )

    assert [type(answer) for answer in answers] == [str, Poisoned, str]


async def test_where_nothing_listens_every_message_is_to_be_published_again(
    env: dict[str, str],
) -> None:
    settings = settings_from({**env, "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"})

    async with open_publisher(settings) as publisher:
        answers = await publisher.publish([encode(samples.event())] * 3, deadline=DEADLINE)

    assert all(isinstance(answer, Unavailable) for answer in answers)


async def test_a_batch_that_cannot_be_recorded_waits_and_is_acknowledged_once(
    settings: Settings,
) -> None:
    await topology.ensure(settings)
    stream = Stream(settings)
    stream.unavailable = 2

    async with open_publisher(settings) as publisher:
        await publisher.publish([encode(samples.event())], deadline=DEADLINE)
        await stream.until(1)
        async with asyncio.timeout(10):
            while len(stream.batches) < 3:
                await asyncio.sleep(0.02)
        await publisher.publish([encode(samples.event())], deadline=DEADLINE)
        await stream.until(2)
    await stream.close()

    assert stream.batches[0] == stream.batches[1] == stream.batches[2]
    assert len(stream.batches) == 4


async def test_a_subscription_that_vanished_is_made_anew_and_reported(settings: Settings) -> None:
    await topology.ensure(settings)
    stream = Stream(settings)
    client = channels.subscriber(settings)
    client.delete_subscription(subscription=topology.subscription_path(settings))
    client.close()

    async with asyncio.timeout(20):
        while not stream.made:
            await asyncio.sleep(0.05)
    async with open_publisher(settings) as publisher:
        await publisher.publish([encode(samples.event())], deadline=DEADLINE)
    await stream.until(1)
    await stream.close()

    assert stream.made == 1


async def test_a_topic_that_was_deleted_is_made_anew_with_its_subscription(
    settings: Settings,
) -> None:
    await topology.ensure(settings)
    stream = Stream(settings)
    client = channels.publisher(settings)
    client.delete_topic(topic=topology.topic_path(settings))
    client.transport.close()

    async with asyncio.timeout(20):
        while not stream.made:
            await asyncio.sleep(0.05)
    async with open_publisher(settings) as publisher:
        (answer,) = await publisher.publish([encode(samples.event())], deadline=DEADLINE)
    await stream.until(1)
    await stream.close()

    assert isinstance(answer, str)
    assert await topology.check(settings) == []
