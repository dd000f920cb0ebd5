"""Every hop of an order's way, on the real database, a batch at a time; without RabbitMQ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from orderbus import actors, services, storage
from orderbus.domain.retries import Settlement
from orderbus.pubsub.messages import Message
from orderbus.pubsub.subscription import Received
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Claimed, Outcome
from tests.support import scenario

_DELIVERED: Final = Settlement("delivered", "delivered")


@dataclass
class Topic:
    """Keeps what is published, to be received."""

    published: list[Message] = field(default_factory=list)

    async def publish(self, messages: list[Message], **_: object) -> list[str]:
        self.published += messages
        return [str(uuid4()) for _ in messages]


@dataclass
class Travel:
    """Orders that go from hop to hop together; each hop is one method, as its process does it."""

    database: Database
    settings: Settings
    orders: int
    topic: Topic = field(default_factory=Topic)
    claimed: list[Claimed] = field(default_factory=list)
    #: What the bridge wakes up, and for how much that is due.
    woken: dict[str, int] = field(default_factory=dict)

    def hops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Name the hops, in the order of the way."""
        return {
            "accept": self.accept,
            "publish": self.publish,
            "record": self.record,
            "claim deliveries": self.claim,
            "settle deliveries": self.settle,
            "consume": self.consume,
        }

    async def on(self) -> None:
        """Go all the way."""
        for hop in self.hops().values():
            await hop()

    async def accept(self) -> None:
        for _ in range(self.orders):
            await scenario.place(self.database)

    async def publish(self) -> None:
        relay = services.outbox.Relay(self.database, self.topic, self.settings)  # type: ignore[arg-type]
        await relay.publish_due()

    async def record(self) -> None:
        received = [
            Received(
                data=message.data,
                attributes=message.attributes,
                message_id=str(uuid4()),
                published_at=datetime.now(UTC),
                ack=lambda: None,
                nack=lambda: None,
                let_go=lambda: None,
            )
            for message in self.topic.published
        ]
        self.topic.published.clear()
        wanted = {each.name: each.pattern for each in actors.consumers.installed(self.settings)}
        due = await services.inbox.receive(self.database, received, wanted=wanted)
        self.woken = {**due.consumptions, "deliver_webhook": len(due.deliveries)}

    async def claim(self) -> None:
        async with self.database.transaction() as connection:
            self.claimed = await storage.deliveries.claim(
                connection,
                lease=uuid4(),
                length=scenario.LEASE,
                in_flight={},
                otherwise=1000,
                at_most=self.orders,
            )

    async def settle(self) -> None:
        outcomes = [Outcome(claimed, _DELIVERED) for claimed in self.claimed]
        async with self.database.transaction() as connection:
            settled = await storage.deliveries.settle(connection, outcomes)
        assert all(each.ours for each in settled)

    async def consume(self) -> None:
        for each in actors.consumers.installed(self.settings):
            await scenario.consume(self.database, self.settings, each.name)
