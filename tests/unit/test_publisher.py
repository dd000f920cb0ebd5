"""What the publisher hands to Google's client, and what it says of the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import Future
from datetime import timedelta
from unittest.mock import Mock

import pytest
from google import pubsub_v1 as plain
from google.api_core import exceptions
from google.cloud import pubsub_v1

from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub import messages
from orderbus.pubsub.publisher import Publisher, open_publisher
from orderbus.settings import load
from tests.support import samples

DEADLINE = timedelta(seconds=1)
TOPIC = "projects/demo-poc/topics/order.created"


def done(answer: str | Exception) -> Future[str]:
    future: Future[str] = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
    return future


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands in for the one method of Google's client that sends anything."""
    mock = Mock(side_effect=lambda *_, **__: done("m-1"))
    monkeypatch.setattr(pubsub_v1.PublisherClient, "publish", mock)
    return mock


@pytest.fixture
async def publisher(publish: Mock) -> AsyncIterator[Publisher]:
    settings = load(_env_file=None, secret_key="k", pubsub_emulator_host="127.0.0.1:1")
    async with open_publisher(settings) as publisher:
        yield publisher


def reasons(answers: list[str | OrderbusError]) -> list[str]:
    return [
        answer if isinstance(answer, str) else getattr(answer, "reason", answer.code)
        for answer in answers
    ]


async def test_an_order_is_announced_to_its_topic_as_the_source_document_says(
    publisher: Publisher, publish: Mock
) -> None:
    message = messages.encode(samples.event())

    answers = await publisher.publish([message], deadline=DEADLINE)

    ((topic, data), _) = publish.call_args
    assert answers == ["m-1"]
    assert topic == TOPIC
    assert json.loads(data) == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "created_at": "2026-01-02T03:04:05.678901Z",
    }


async def test_the_attributes_travel_and_no_ordering_key_does(
    publisher: Publisher, publish: Mock
) -> None:
    message = messages.encode(samples.event())

    await publisher.publish([message], deadline=DEADLINE)

    options = dict(publish.call_args.kwargs)
    assert "ordering_key" not in options
    assert message.attributes.items() <= options.items()
    assert set(options) - set(message.attributes) == {"retry", "timeout"}


async def test_google_is_given_the_deadline_and_repeats_nothing_by_itself(
    publisher: Publisher, publish: Mock
) -> None:
    await publisher.publish([messages.encode(samples.event())], deadline=DEADLINE)

    assert publish.call_args.kwargs["timeout"] == 1.0
    assert publish.call_args.kwargs["retry"] is None


async def test_nothing_is_sent_for_an_empty_batch(publisher: Publisher, publish: Mock) -> None:
    assert await publisher.publish([], deadline=DEADLINE) == []
    assert publish.call_count == 0


async def test_answers_are_in_the_order_of_the_messages(
    publisher: Publisher, publish: Mock
) -> None:
    publish.side_effect = [
        done("m-1"),
        done(exceptions.ServiceUnavailable("away")),  # type: ignore[no-untyped-call]
        done("m-3"),
    ]
    batch = [messages.encode(samples.event(number)) for number in (1, 2, 3)]

    answers = await publisher.publish(batch, deadline=DEADLINE)

    assert reasons(answers) == ["m-1", "unavailable", "m-3"]
    assert isinstance(answers[1], Unavailable)


async def test_the_messages_of_a_refused_request_are_tried_apart_to_find_the_bad_one(
    publisher: Publisher, publish: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = exceptions.InvalidArgument("bad")  # type: ignore[no-untyped-call]
    publish.side_effect = lambda *_, **__: done(refused)
    batch = [messages.encode(samples.event(number)) for number in (1, 2)]

    def apart(_: object, *, messages: list[plain.PubsubMessage], **__: object) -> Mock:
        if any(message.attributes["sequence"] == "2" for message in messages):
            raise refused
        return Mock(message_ids=["m-1"])

    # Not by the batching client, which may put another caller's message into the same request.
    monkeypatch.setattr(plain.PublisherClient, "publish", apart)
    monkeypatch.setattr(pubsub_v1.PublisherClient, "get_topic", Mock())

    answers = await publisher.publish(batch, deadline=DEADLINE)

    assert reasons(answers) == ["m-1", "refused_by_pubsub"]
    assert isinstance(answers[1], Poisoned)


@pytest.mark.parametrize("error", [ValueError("x"), TypeError("x")])
async def test_a_message_the_client_itself_refuses_is_poisoned_alone(
    publisher: Publisher, publish: Mock, error: Exception
) -> None:
    publish.side_effect = [error, done("m-2")]
    batch = [messages.encode(samples.event(number)) for number in (1, 2)]

    answers = await publisher.publish(batch, deadline=DEADLINE)

    assert reasons(answers) == ["refused_by_pubsub", "m-2"]


async def test_silence_ends_with_the_deadline(publisher: Publisher, publish: Mock) -> None:
    publish.side_effect = lambda *_, **__: Future()

    answers = await publisher.publish(
        [messages.encode(samples.event())], deadline=timedelta(seconds=0.1)
    )

    assert reasons(answers) == ["unavailable"]


async def test_a_topic_that_vanished_is_made_again_and_the_message_waits(
    publisher: Publisher, publish: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topic = Mock()
    monkeypatch.setattr(pubsub_v1.PublisherClient, "create_topic", create_topic)
    publish.side_effect = [done(exceptions.NotFound("no topic"))]  # type: ignore[no-untyped-call]

    answers = await publisher.publish([messages.encode(samples.event())], deadline=DEADLINE)

    assert reasons(answers) == ["unavailable"]
    assert create_topic.call_args.kwargs["name"] == TOPIC
