"""Out to Pub/Sub, through every trouble."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from orderbus.errors import Poisoned, Unavailable
from orderbus.pubsub import channels, topology
from orderbus.pubsub import publisher as publisher_module
from orderbus.pubsub.messages import Message
from orderbus.pubsub.publisher import open_publisher
from orderbus.settings import Settings
from tests.conftest import settings_from
from tests.integration.pubsub_contract.pubsub import (
    DEADLINE,
    SHORT,
    Inbox,
    Server,
    at,
    bridging,
    clients,
    numbered,
    publish_until_it_works,
    published,
    publishing,
    until,
)
from tests.support.waiting import PATIENCE


async def test_every_message_of_a_batch_gets_an_id_of_its_own(settings: Settings) -> None:
    async with publishing(settings) as publisher:
        ids = await published(publisher, numbered(1000))

    assert len(set(ids)) == 1000


async def test_bad_messages_of_a_batch_are_poisoned_alone(settings: Settings) -> None:
    inbox = Inbox()
    batch = numbered(200)
    batch[7] = batch[150] = Message(b"", {})  # the service refuses it, and its whole request
    batch[42] = Message(b"x" * 10_000_001, {})  # no request can hold it
    batch[43] = Message(b"x", {"name": "\ud800"})  # it cannot even be written

    async with publishing(settings) as publisher, bridging(settings, inbox):
        answers = await publisher.publish(batch, deadline=DEADLINE)
        bad = {n for n, answer in enumerate(answers) if isinstance(answer, Poisoned)}
        await until(lambda: len(inbox.numbers) >= 196)

    assert bad == {7, 42, 43, 150}
    assert sum(isinstance(answer, str) for answer in answers) == 196
    assert sorted(inbox.numbers) == sorted(set(range(200)) - bad)


async def test_a_batch_that_no_request_can_hold_goes_in_several(settings: Settings) -> None:
    async with publishing(settings) as publisher:
        ids = await published(publisher, [Message(b"x" * 4_000_000, {})] * 4)

    assert len(set(ids)) == 4


async def test_a_bad_message_of_one_caller_is_not_held_against_another(settings: Settings) -> None:
    async with publishing(settings) as publisher:
        for _ in range(10):
            (bad,), *good = await asyncio.gather(
                publisher.publish([Message(b"", {})], deadline=DEADLINE),
                *(publisher.publish([message], deadline=DEADLINE) for message in numbered(8)),
            )

            assert isinstance(bad, Poisoned)
            assert all(isinstance(answer, str) for (answer,) in good)


async def test_a_batch_of_nothing_but_bad_messages_keeps_to_its_deadline(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, call = 0, channels.call

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal requests
        requests += 1
        return await call(*arguments, **options)

    def now() -> float:
        return time.monotonic() + (3600 if requests >= 40 else 0)  # the deadline passes then

    async with publishing(settings) as publisher:
        monkeypatch.setattr(channels, "call", counted)
        monkeypatch.setattr(publisher_module, "time", SimpleNamespace(monotonic=now))
        answers = await publisher.publish([Message(b"", {})] * 500, deadline=DEADLINE)

    assert all(isinstance(answer, Poisoned | Unavailable) for answer in answers)
    assert any(isinstance(answer, Poisoned) for answer in answers)
    assert requests == 40


async def test_a_topic_name_pubsub_refuses_condemns_no_message(pubsub_host: str) -> None:
    impossible = settings_from({"PUBSUB_EMULATOR_HOST": pubsub_host}, pubsub_topic="no")

    async with open_publisher(impossible) as publisher:
        answers = await publisher.publish(numbered(2), deadline=DEADLINE)

    assert all(isinstance(answer, Unavailable) for answer in answers)


async def test_a_topic_that_vanished_is_made_again(settings: Settings) -> None:
    async with publishing(settings) as publisher:
        google, _ = clients(settings)
        google.delete_topic(topic=topology.topic_path(settings))

        (answer,) = await publisher.publish(numbered(1), deadline=DEADLINE)
        assert isinstance(answer, Unavailable)
        await published(publisher, numbered(1))
        google.transport.close()


async def test_the_settings_win_over_the_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    inbox = Inbox()

    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(1))
        await until(lambda: inbox.numbers == [0])


async def test_while_pubsub_is_away_all_are_unavailable_and_later_all_go(
    restartable: Server,
) -> None:
    settings = at(restartable.host)
    async with publishing(settings) as publisher:
        await published(publisher, numbered(1))
        restartable.stop()
        for count in (1, 200, 1):
            answers = await publisher.publish(numbered(count), deadline=SHORT)

            assert all(isinstance(answer, Unavailable) for answer in answers)

        restartable.start()
        # Forgotten with everything else, the topic is made again on the way.
        await publish_until_it_works(publisher, numbered(200))


async def test_a_pubsub_that_never_answers_is_given_up_at_the_deadline() -> None:
    left = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(swallow, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with open_publisher(at(f"127.0.0.1:{port}")) as publisher:
            answers = await publisher.publish(numbered(10), deadline=SHORT)
        async with asyncio.timeout(PATIENCE):
            await left.wait()

    assert all(isinstance(answer, Unavailable) for answer in answers)
