"""What the publisher asks of Pub/Sub, and what it says of the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1

from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub import channels, messages
from orderbus.pubsub.publisher import Publisher, open_publisher
from orderbus.settings import load
from tests.support import samples

DEADLINE = timedelta(seconds=1)
TOPIC = "projects/demo-poc/topics/order.created"


def taken(ids: Sequence[str]) -> pubsub_v1.types.PublishResponse:
    return pubsub_v1.types.PublishResponse(message_ids=ids)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """Stands in for the one function that asks Pub/Sub anything on the way out."""
    mock = AsyncMock(return_value=taken(["m-1"]))
    monkeypatch.setattr(channels, "call", mock)
    return mock


@pytest.fixture
async def publisher(call: AsyncMock) -> AsyncIterator[Publisher]:
    settings = load(_env_file=None, secret_key="k", pubsub_emulator_host="127.0.0.1:1")
    async with open_publisher(settings) as publisher:
        yield publisher


def reasons(answers: list[str | OrderbusError]) -> list[str]:
    return [
        answer if isinstance(answer, str) else getattr(answer, "reason", answer.code)
        for answer in answers
    ]


async def test_an_order_is_announced_to_its_topic_as_the_source_document_says(
    publisher: Publisher, call: AsyncMock
) -> None:
    message = messages.encode(samples.event())

    answers = await publisher.publish([message], deadline=DEADLINE)

    _, request = call.call_args.args
    assert answers == ["m-1"]
    assert request.topic == TOPIC
    assert json.loads(request.messages[0].data) == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "created_at": "2026-01-02T03:04:05.678901Z",
    }


async def test_the_attributes_travel_and_no_ordering_key_does(
    publisher: Publisher, call: AsyncMock
) -> None:
    message = messages.encode(samples.event())

    await publisher.publish([message], deadline=DEADLINE)

    (sent,) = call.call_args.args[1].messages
    assert sent.attributes == message.attributes
    assert sent.ordering_key == ""


async def test_a_batch_is_one_request_with_the_deadline_and_nothing_repeats_it(
    publisher: Publisher, call: AsyncMock
) -> None:
    call.return_value = taken(["m-1", "m-2"])
    batch = [messages.encode(samples.event(number)) for number in (1, 2)]

    await publisher.publish(batch, deadline=DEADLINE)

    assert call.call_count == 1
    assert 0 < call.call_args.kwargs["timeout"] <= 1.0


async def test_nothing_is_sent_for_an_empty_batch(publisher: Publisher, call: AsyncMock) -> None:
    assert await publisher.publish([], deadline=DEADLINE) == []
    assert call.call_count == 0


async def test_the_messages_of_a_refused_request_are_tried_apart_to_find_the_bad_one(
    publisher: Publisher, call: AsyncMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(_: object, request: Any, **__: object) -> pubsub_v1.types.PublishResponse:
        if any(message.attributes["sequence"] == "2" for message in request.messages):
            raise exceptions.InvalidArgument("bad")  # type: ignore[no-untyped-call]
        return taken([message.attributes["sequence"] for message in request.messages])

    call.side_effect = judge
    monkeypatch.setattr(pubsub_v1.PublisherClient, "get_topic", Mock())
    batch = [messages.encode(samples.event(number)) for number in (1, 2, 3)]

    answers = await publisher.publish(batch, deadline=DEADLINE)

    assert reasons(answers) == ["1", "refused_by_pubsub", "3"]
    assert isinstance(answers[1], Poisoned)


async def test_what_cannot_be_written_is_poisoned_alone(
    publisher: Publisher, call: AsyncMock
) -> None:
    call.return_value = taken(["m-2"])
    batch = [messages.Message(b"", {"name": "\ud800"}), messages.encode(samples.event())]

    answers = await publisher.publish(batch, deadline=DEADLINE)

    assert reasons(answers) == ["refused_by_pubsub", "m-2"]


@pytest.mark.parametrize("error", [exceptions.ServiceUnavailable, exceptions.DeadlineExceeded])
async def test_what_is_not_answered_condemns_no_message(
    publisher: Publisher, call: AsyncMock, error: type[Exception]
) -> None:
    call.side_effect = error("away")

    answers = await publisher.publish([messages.encode(samples.event())] * 2, deadline=DEADLINE)

    assert reasons(answers) == ["unavailable", "unavailable"]
    assert all(isinstance(answer, Unavailable) for answer in answers)


async def test_a_topic_that_vanished_is_made_again_and_the_message_waits(
    publisher: Publisher, call: AsyncMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_topic = Mock()
    monkeypatch.setattr(pubsub_v1.PublisherClient, "create_topic", create_topic)
    call.side_effect = exceptions.NotFound("no topic")  # type: ignore[no-untyped-call]

    answers = await publisher.publish([messages.encode(samples.event())], deadline=DEADLINE)

    assert reasons(answers) == ["unavailable"]
    assert create_topic.call_args.kwargs["name"] == TOPIC


@pytest.mark.parametrize("ids", [[], ["m-1"], ["m-1", "m-2", "m-3"]])
async def test_an_answer_with_another_number_of_ids_leaves_every_message_to_be_tried_again(
    publisher: Publisher, call: AsyncMock, ids: list[str]
) -> None:
    call.return_value = taken(ids)
    batch = [messages.encode(samples.event(number)) for number in (1, 2)]

    answers = await publisher.publish(batch, deadline=DEADLINE)

    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
