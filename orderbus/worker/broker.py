"""What a worker asks of its broker, and of the messages the broker hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any, Protocol

import dramatiq


class Broker(Protocol):
    """Queues, whether they are in RabbitMQ or in the worker's own memory."""

    #: Open while messages may be processed: everything they need is there.
    gate: Event
    #: Set when the worker ends, for those who wait for something.
    stopping: Event

    @property
    def actors(self) -> Mapping[str, dramatiq.Actor[..., Any]]:
        """Every actor there is, by name."""

    async def put(
        self,
        messages: Sequence[dramatiq.Message[Any]],
        *,
        delay: int | None = None,
        within: float | None = ...,
    ) -> None:
        """Put messages on their queues, after ``delay`` milliseconds; raises ``Unavailable``."""

    async def ping(self) -> None:
        """Return when the queues can be reached; raises ``Unavailable`` when they cannot."""


class TakenMessage(Protocol):
    """A message as the broker handed it out, once."""

    #: The message itself, as it was sent.
    _message: dramatiq.Message[Any]
    actor_name: str
    options: Mapping[str, Any]
    #: What its acknowledgement waits for; cancelled where it is to be given out again.
    settled: Future[None] | None
    #: The bytes of a message that must not be acted on.
    refused: bytes | None

    @property
    def is_ours(self) -> bool:
        """Whether the queue still takes it for ours; if not, it gives it out again."""

    def leave(self) -> None:
        """Neither acknowledge nor refuse it: it is given out again when we are gone."""
