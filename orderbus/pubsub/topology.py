"""The topics and subscriptions that orderbus needs: looked for, made, compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from google.api_core import exceptions
from google.cloud import pubsub_v1

from orderbus.errors import Misconfigured, Unavailable
from orderbus.pubsub import channels
from orderbus.settings import Settings

#: Seconds after which an unacknowledged message is delivered again.
ACK_DEADLINE: Final = 10
#: Deliveries after which Pub/Sub moves a message to the dead-letter topic: as many as it admits,
#: since the bridge keeps what it cannot use itself and asks for nothing twice.
DELIVERY_ATTEMPTS: Final = 100
#: Seconds one request may take, but for those that carry messages.
TIMEOUT: Final = 2.0

#: Label of a subscription: which generation of it this is. One that was deleted and made again has
#: lost what it held, and nothing else tells.
_GENERATION: Final = "orderbus-making"
#: What Pub/Sub calls the topic of a subscription whose topic was deleted; making the topic again
#: does not bring the two together.
_DELETED_TOPIC: Final = "_deleted-topic_"

_Request = dict[str, Any]


def topic_path(settings: Settings) -> str:
    """Name the topic that carries the events, as Google names it."""
    return f"projects/{settings.pubsub_project_id}/topics/{settings.pubsub_topic}"


def subscription_path(settings: Settings) -> str:
    """Name the subscription the bridge pulls from, as Google names it."""
    name = settings.pubsub_subscription
    return f"projects/{settings.pubsub_project_id}/subscriptions/{name}"


async def ensure(settings: Settings) -> bool:
    """Make the topics and subscriptions that are missing; several processes may do so at once.

    Returns whether the subscription was made, so that what came before is not in it. One whose
    topic was deleted is made again, since it would stay silent for ever.
    Raises ``Unavailable`` while Pub/Sub does not answer, ``Misconfigured`` where it refuses us.
    """
    return await asyncio.to_thread(_ensure, settings)


async def check(settings: Settings) -> list[str]:
    """Say in sentences what is missing or would keep events from coming back.

    Raises ``Unavailable`` and ``Misconfigured`` as ``ensure`` does.
    """
    return await asyncio.to_thread(_check, settings)


def find(subscriber: pubsub_v1.SubscriberClient, settings: Settings) -> str | None:
    """Say which generation of the subscription is there, or None where none is of use.

    Two answers that differ mean that it was made anew in between. Raises ``Unavailable``.
    """
    path = {"subscription": subscription_path(settings)}
    try:
        found = _look(subscriber.get_subscription, path)
    except exceptions.PermissionDenied:
        return ""  # whoever may pull need not be allowed to look
    except exceptions.GoogleAPICallError as error:
        raise Unavailable(f"Pub/Sub did not answer: {error}") from error
    if found is None or found.topic == _DELETED_TOPIC:
        return None
    return str(found.labels.get(_GENERATION, ""))


def _ensure(settings: Settings) -> bool:
    topic, subscription = topic_path(settings), subscription_path(settings)
    dead = f"{topic}.dead-letter"
    kept = {"ack_deadline_seconds": ACK_DEADLINE, "expiration_policy": {}}
    # No retry policy: what is given back shall come at once, and the emulator would bring nothing
    # again that came in vain twice: its timer dies of two at the same millisecond.
    delivery = {
        "dead_letter_policy": {
            "dead_letter_topic": dead,
            "max_delivery_attempts": DELIVERY_ATTEMPTS,
        },
        "labels": {_GENERATION: uuid4().hex},
    }
    with clients(settings) as (publisher, subscriber):
        for path in (topic, dead):
            # Looking first: whoever may look need not be allowed to make.
            if _look(publisher.get_topic, {"topic": path}) is None:
                _make(publisher.create_topic, {"name": path})
        _make_subscription(
            subscriber, {"name": f"{subscription}.dead-letter", "topic": dead, **kept}
        )
        return _make_subscription(
            subscriber, {"name": subscription, "topic": topic, **kept, **delivery}
        )


def _make_subscription(subscriber: pubsub_v1.SubscriberClient, request: _Request) -> bool:
    path = {"subscription": request["name"]}
    found = _look(subscriber.get_subscription, path)
    if found is not None and found.topic == _DELETED_TOPIC:
        subscriber.delete_subscription(request=path, timeout=TIMEOUT, retry=None)
        found = None
    return found is None and _make(subscriber.create_subscription, request)


def _look(get: Callable[..., Any], request: _Request) -> Any:  # noqa: ANN401 - Google's message
    """Fetch it; None where it is not there."""
    try:
        return get(request=request, timeout=TIMEOUT, retry=None)
    except exceptions.NotFound:
        return None


def _make(create: Callable[..., Any], request: _Request) -> bool:
    """Make it; false where another was quicker."""
    try:
        create(request=request, timeout=TIMEOUT, retry=None)
    except exceptions.AlreadyExists:
        return False
    return True


def _check(settings: Settings) -> list[str]:
    topic, subscription = topic_path(settings), subscription_path(settings)
    with clients(settings) as (publisher, subscriber):
        found = {}
        for path in (topic, f"{topic}.dead-letter"):
            found[path] = _look(publisher.get_topic, {"topic": path})
        for path in (subscription, f"{subscription}.dead-letter"):
            found[path] = _look(subscriber.get_subscription, {"subscription": path})
    problems = [f"There is no {path}" for path, thing in found.items() if thing is None]
    if found[subscription] is not None:
        problems += _differences(found[subscription], settings)
    return problems


def _differences(found: Any, settings: Settings) -> list[str]:  # noqa: ANN401 - Google's message
    another = "name another subscription in PUBSUB_SUBSCRIPTION_ORDER_CREATED"
    differences = (
        (
            found.topic != topic_path(settings),
            f"belongs to {found.topic}, not to {topic_path(settings)}: {another} or delete it",
        ),
        (
            found.push_config.push_endpoint,
            f"pushes to {found.push_config.push_endpoint}, so nothing can be pulled: {another}",
        ),
        (
            found.enable_message_ordering,
            f"has message ordering on, which cannot be changed: {another}",
        ),
        (found.filter, f"has a filter, so some events would never come back: {another}"),
        (found.detached, f"is detached from its topic: {another} or delete it"),
    )
    return [f"{found.name} {sentence}" for wrong, sentence in differences if wrong]


@contextmanager
def clients(
    settings: Settings,
) -> Iterator[tuple[pubsub_v1.PublisherClient, pubsub_v1.SubscriberClient]]:
    """Lend both clients, and turn Google's errors into ours."""
    try:
        with channels.publisher(settings) as publisher, channels.subscriber(settings) as subscriber:
            yield publisher, subscriber
    except (
        exceptions.PermissionDenied,
        exceptions.Unauthenticated,
        exceptions.InvalidArgument,
    ) as error:
        raise Misconfigured(f"Pub/Sub refuses us: {error}") from error
    except exceptions.GoogleAPICallError as error:
        raise Unavailable(f"Pub/Sub did not answer: {error}") from error
