"""What the publisher hands to Google's client, and the subscriber's side of the same contract."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta
from typing import Any
from unittest.mock import create_autospec

from google.api_core import exceptions
from google.cloud import pubsub_v1

from orderbus.errors import Poisoned, Unavailable
from orderbus.pubsub.messages import encode
from orderbus.pubsub.publisher import Publisher
from orderbus.settings import Settings
from tests import samples

SETTINGS = Settings(_env_file=None, debug=True)
SECOND = timedelta(seconds=1)


def answered(*answers: str | Exception) -> Any:
    """Make a ``PublisherClient`` whose ``publish`` answers one after the other."""
    client = create_autospec(pubsub_v1.PublisherClient, instance=True)
    futures = []
    for answer in answers:
        future: Future[str] = Future()
        if isinstance(answer, str):
            future.set_result(answer)
        else:
            future.set_exception(answer)
        futures.append(future)
    client.publish.side_effect = futures
    return client


async def test_payload_and_topic_are_those_of_the_source_document() -> None:
    client = answered("17")
    message = encode(samples.event())

    answers = await Publisher(client, SETTINGS).publish([message], deadline=SECOND)

    assert answers == ["17"]
    ((topic, data), options) = client.publish.call_args
    assert topic == "projects/demo-poc/topics/order.created"
    assert data == message.data
    assert "ordering_key" not in options
    assert options.items() >= message.attributes.items()


async def test_a_message_that_is_refused_alone_too_is_poisoned_and_the_others_are_published() -> (
    None
):
    refusal = exceptions.InvalidArgument("attribute too long")  # type: ignore[no-untyped-call]
    client = answered(refusal, refusal, "1", refusal)

    answers = await Publisher(client, SETTINGS).publish(
        [encode(samples.event()) for _ in range(2)], deadline=SECOND
    )

    assert answers[0] == "1"
    assert isinstance(answers[1], Poisoned)


async def test_trouble_with_the_service_is_no_messages_fault() -> None:
    away = exceptions.ServiceUnavailable("away")  # type: ignore[no-untyped-call]

    (answer,) = await Publisher(answered(away), SETTINGS).publish(
        [encode(samples.event())], deadline=SECOND
    )

    assert isinstance(answer, Unavailable)
