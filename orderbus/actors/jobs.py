"""What the steps of jobs use beside PostgreSQL, in a worker and in a command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from orderbus.actors import broker, consumers
from orderbus.errors import OrderbusError
from orderbus.pubsub.messages import Message
from orderbus.services.kinds import Outside
from orderbus.settings import Settings

Publish = Callable[[Sequence[Message]], Awaitable[Sequence[str | OrderbusError]]]


def outside(settings: Settings, publish: Publish) -> Outside:
    """Hand the steps of jobs RabbitMQ, Pub/Sub, and the consumers that there are."""
    wants = {each.name: each.pattern for each in consumers.installed(settings)}
    return Outside(settings, broker.enqueue_message, publish, broker.wake_up, wants)
