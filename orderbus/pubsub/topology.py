"""Which topics and subscriptions does orderbus need, and are they there?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.protobuf.duration_pb2 import Duration

from orderbus.errors import Misconfigured, Unavailable
from orderbus.pubsub import channels
from orderbus.settings import Settings

#: Seconds after which an unacknowledged message is delivered again.
ACK_DEADLINE: Final = 10
#: Deliveries after which Pub/Sub moves a message to the dead-letter topic: as many as it admits,
#: since the bridge keeps what it cannot use itself and asks for nothing twice.
DELIVERY_ATTEMPTS: Final = 100
#: What Pub/Sub calls the topic of a subscription whose topic was deleted. Making the topic again
#: does not bring the two together: nothing would ever come back.
DELETED_TOPIC: Final = "_deleted-topic_"
#: Seconds a request about topics may take.
TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Made:
    """What ``ensure`` had to make."""

    subscription_made: bool


def topic_path(settings: Settings) -> str:
    """Name the topic that carries the events, as Google names it."""
    return f"projects/{settings.pubsub_project_id}/topics/{settings.pubsub_topic}"


def subscription_path(settings: Settings) -> str:
    """Name the subscription the bridge pulls from, as Google names it."""
    name = settings.pubsub_subscription
    return f"projects/{settings.pubsub_project_id}/subscriptions/{name}"


async def ensure(settings: Settings) -> Made:
    """Make the topics and subscriptions that are missing; several processes may do so at once.

    Raises ``Unavailable`` while Pub/Sub does not answer, ``Misconfigured`` where it refuses us.
    """
    return await asyncio.to_thread(_ensure, settings)


async def check(settings: Settings) -> list[str]:
    """Say in sentences what is missing or other than it should be. Raises ``Unavailable``."""
    return await asyncio.to_thread(_check, settings)


def _ensure(settings: Settings) -> Made:
    topic, subscription = topic_path(settings), subscription_path(settings)
    with our_errors(), _clients(settings) as (publisher, subscriber):
        for path in (topic, f"{topic}.dead-letter"):
            _make(publisher.create_topic, {"name": path})
        _make_subscription(
            subscriber,
            {
                "name": f"{subscription}.dead-letter",
                "topic": f"{topic}.dead-letter",
                "ack_deadline_seconds": ACK_DEADLINE,
                "expiration_policy": {},
            },
        )
        made = _make_subscription(
            subscriber,
            {
                "name": subscription,
                "topic": topic,
                "ack_deadline_seconds": ACK_DEADLINE,
                "expiration_policy": {},
                "retry_policy": {
                    "minimum_backoff": Duration(nanos=100_000_000),
                    "maximum_backoff": Duration(seconds=10),
                },
                "dead_letter_policy": {
                    "dead_letter_topic": f"{topic}.dead-letter",
                    "max_delivery_attempts": DELIVERY_ATTEMPTS,
                },
            },
        )
    return Made(subscription_made=made)


def _make_subscription(subscriber: pubsub_v1.SubscriberClient, request: dict[str, Any]) -> bool:
    """Make it; false where it is there already. One whose topic was deleted is made anew."""
    if _make(subscriber.create_subscription, request):
        return True
    name = request["name"]
    found = subscriber.get_subscription(subscription=name, timeout=TIMEOUT, retry=None)
    if found.topic != DELETED_TOPIC:
        return False
    subscriber.delete_subscription(subscription=name, timeout=TIMEOUT, retry=None)
    return _make(subscriber.create_subscription, request)


def _make(create: Callable[..., Any], request: dict[str, Any]) -> bool:
    """Make it; false where it is there already."""
    try:
        create(request=request, timeout=TIMEOUT, retry=None)
    except exceptions.AlreadyExists:
        return False
    return True


def _check(settings: Settings) -> list[str]:
    subscription = subscription_path(settings)
    problems = []
    with our_errors(), _clients(settings) as (publisher, subscriber):
        for path in (topic_path(settings), f"{topic_path(settings)}.dead-letter"):
            try:
                publisher.get_topic(topic=path, timeout=TIMEOUT, retry=None)
            except exceptions.NotFound:
                problems.append(f"There is no {path}")
        for path in (subscription, f"{subscription}.dead-letter"):
            try:
                found = subscriber.get_subscription(subscription=path, timeout=TIMEOUT, retry=None)
            except exceptions.NotFound:
                problems.append(f"There is no {path}")
                continue
            if path == subscription:
                problems += _differences(found, settings)
    return problems


def _differences(found: Any, settings: Settings) -> list[str]:  # noqa: ANN401 - Google's message
    problems = []
    if found.topic != topic_path(settings):
        problems.append(
            f"{found.name} belongs to {found.topic}, not to {topic_path(settings)}: change "
            "PUBSUB_SUBSCRIPTION_ORDER_CREATED or delete the subscription"
        )
    if found.enable_message_ordering:
        problems.append(
            f"{found.name} has message ordering on, which cannot be changed: name another "
            "subscription in PUBSUB_SUBSCRIPTION_ORDER_CREATED"
        )
    if found.filter:
        problems.append(f"{found.name} has a filter, so events would never come back: delete it")
    return problems


@contextmanager
def _clients(
    settings: Settings,
) -> Iterator[tuple[pubsub_v1.PublisherClient, pubsub_v1.SubscriberClient]]:
    publisher, subscriber = channels.publisher(settings), channels.subscriber(settings)
    try:
        yield publisher, subscriber
    finally:
        publisher.transport.close()
        subscriber.close()


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn Google's errors into ours."""
    try:
        yield
    except (
        exceptions.PermissionDenied,
        exceptions.Unauthenticated,
        exceptions.InvalidArgument,
    ) as error:
        raise Misconfigured(f"Pub/Sub refuses us: {error}") from error
    except (exceptions.GoogleAPICallError, exceptions.RetryError) as error:
        raise Unavailable(f"Pub/Sub did not answer: {error}") from error
