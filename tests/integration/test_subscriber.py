"""The subscriber's test in two: a message is recorded and acknowledged, and the order is posted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orderbus import services
from orderbus.actors import bridge, broker
from orderbus.egress.session import Session
from orderbus.pubsub import messages
from orderbus.pubsub.subscription import Received, Subscription
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import delivery_rows, scenario
from tests.support.receiver import Receiver
from tests.support.subscriber_client import Client, trusted


async def message(database: Database, done: list[str]) -> Received:
    """The message that tells of the one order, as Pub/Sub would bring it."""
    (leased,) = await scenario.lease(database)
    assert leased.event is not None
    encoded = messages.encode(leased.event)
    return Received(
        data=encoded.data,
        attributes=encoded.attributes,
        message_id="m-1",
        published_at=leased.event.occurred_at,
        ack=lambda: done.append("acknowledged"),
        nack=lambda: done.append("given back"),
        let_go=lambda: done.append("let go"),
    )


async def test_subscriber_records_a_message_and_then_acks_it(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scenario.add_endpoint(database, format="compact", events=["order.created"])
    await scenario.place(database, "SO-10045")
    done: list[str] = []
    came = await message(database, done)
    receive = services.inbox.receive

    subscription = Subscription(trusted(Client()), at_most=10)

    async def next_batch(_: int) -> list[Received]:
        return [came]

    @asynccontextmanager
    async def subscribed(*_: object, **__: object) -> AsyncIterator[Subscription]:
        yield subscription

    async def recorded(*given: Any, **named: Any) -> Any:
        due = await receive(*given, **named)
        done.append(f"{len(await delivery_rows.ids(database))} delivery is committed")
        return due

    async def wake_up(_: object) -> None:
        done.append("workers are woken")

    monkeypatch.setattr(subscription, "next_batch", next_batch)
    monkeypatch.setattr(bridge, "subscribed", subscribed)
    monkeypatch.setattr(services.inbox, "receive", recorded)
    monkeypatch.setattr(broker, "wake_up", wake_up)

    await bridge.run(settings, database, stop=asyncio.Event(), max_messages=1)

    assert done == ["1 delivery is committed", "workers are woken", "acknowledged"]


async def test_subscriber_posts_the_order_to_the_webhook(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await scenario.add_endpoint(database, receiver.url, format="compact", events=["order.created"])
    await scenario.place(database, "SO-10045")
    await scenario.come_back(database, *await scenario.events(database))

    await scenario.deliver(database, http, settings)

    (posted,) = receiver.requests
    assert posted.body == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "sent_at": posted.body["sent_at"],
    }
    assert posted.status == 204
