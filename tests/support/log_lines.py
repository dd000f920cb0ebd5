"""Lines that processes wrote, and a Pub/Sub between them that only remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderbus import services
from orderbus.errors import Poisoned
from orderbus.pubsub import messages
from orderbus.pubsub.messages import Message
from orderbus.pubsub.subscription import Received
from orderbus.services.orders import Placed
from orderbus.settings import Settings
from orderbus.storage.database import Database

#: By which its sender knows the order that lines are about.
REF: Final = "SO-10045"


@contextmanager
def written() -> Iterator[list[Any]]:
    """Keep what is logged meanwhile, with all that is written into each line."""
    with capture_logs([merge_contextvars]) as lines:
        yield lines


class Taking:
    """A Pub/Sub that takes everything but messages of the kind it is told to refuse."""

    def __init__(self, refused: Poisoned | None = None) -> None:
        self.taken: list[Message] = []
        self._refused = refused

    async def publish(
        self,
        messages: list[Message],
        *,
        deadline: timedelta,  # noqa: ARG002 - it never waits
    ) -> list[Any]:
        self.taken += messages
        return [self._refused or f"m-{number}" for number, _ in enumerate(messages)]


def named(lines: list[Any], event: str) -> dict[str, Any]:
    """The one line of this name."""
    [line] = [line for line in lines if line["event"] == event]
    return dict(line)


def assert_about(line: dict[str, Any], order: Placed) -> None:
    """Both names of the order are in the line, and which of its events it is about."""
    assert line["order_id"] == str(order.order_id)
    assert line["external_ref"] == order.external_ref
    assert line["sequence"] == 1
    assert line["event_id"]


async def publish(database: Database, settings: Settings, pubsub: Taking) -> list[Message]:
    taking: Any = pubsub
    await services.outbox.Relay(database, taking, settings).publish_due()
    return pubsub.taken


def came_back(message: Message, **attributes: str) -> Received:
    return Received(
        message.data,
        {**message.attributes, **attributes},
        "m-0",
        messages.decode(message.data, message.attributes).occurred_at,
        ack=lambda: None,
        nack=lambda: None,
        let_go=lambda: None,
    )
