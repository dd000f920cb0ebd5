"""A Pub/Sub topic without Pub/Sub: the last edge of the tests of publishing."""

from __future__ import annotations

from typing import Any

from orderbus.errors import OrderbusError, Poisoned, Unavailable
from orderbus.pubsub.messages import Message


class Topic:
    """Takes, loses or refuses what a test says."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.away = False
        self.refused: set[str] = set()

    async def publish(self, messages: list[Message], **_: Any) -> list[str | OrderbusError]:
        return [self._answer(message.attributes["ce-id"]) for message in messages]

    def _answer(self, event_id: str) -> str | OrderbusError:
        if self.away:
            return Unavailable("Pub/Sub does not answer")
        if event_id in self.refused:
            return Poisoned("too large", reason="refused_by_pubsub")
        self.taken.append(event_id)
        return f"m-{len(self.taken)}"
