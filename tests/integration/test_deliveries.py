"""Order per order, an attempt counted at claim, and one bad neighbour that harms nobody else."""

from __future__ import annotations

import asyncio

from aiohttp import web
from standardwebhooks import Webhook

from orderbus import services, storage
from orderbus.domain import retries, webhooks
from orderbus.domain.retries import Settlement
from orderbus.egress.session import Session
from orderbus.services import pacing
from orderbus.services.deliveries import Sender
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import delivery_rows, endpoint_changes, letter_rows, scenario
from tests.support.receiver import Receiver
from tests.support.scenario import NO_TIME, deliver, one_due, state
from tests.support.waiting import until_here


async def deliver_all(database: Database, http: Session, settings: Settings) -> None:
    """Go on as a worker does, until this is cancelled."""
    sender = Sender(database, http, settings)
    try:
        while True:
            sender.woken.clear()
            await sender.take_due()
            await sender.woken.wait()
    finally:
        await sender.interrupt()


async def test_a_delivery_is_signed_and_verifies_with_the_reference_library(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    secret = webhooks.new_secret()
    due = await one_due(database, receiver.url, secrets=[secret])

    await deliver(database, http, settings)

    (webhook,) = receiver.requests
    verified = Webhook(secret).verify(webhook.content, webhook.headers)
    assert verified["type"] == "order.created"
    assert verified["sequence"] == 1
    assert webhook.headers["orderbus-sequence"] == "1"
    assert (await state(database, due))["state"] == "delivered"


async def test_every_retry_has_the_same_id_and_the_same_bytes(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await one_due(database, receiver.url, format="compact")
    receiver.answers = [500, 503]

    for _ in range(3):
        await deliver(database, http, settings)
        await delivery_rows.make_due(database)

    ids = {request.headers["webhook-id"] for request in receiver.requests}
    bodies = {request.content for request in receiver.requests}
    assert (len(receiver.requests), len(ids), len(bodies)) == (3, 1, 1)


async def test_a_failed_attempt_is_in_the_ledger_and_the_next_follows_the_schedule(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    receiver.answers = [500]

    before = await scenario.clock(database)
    await deliver(database, http, settings)
    after = await scenario.clock(database)

    row = await state(database, due)
    assert row["state"] == "pending"
    pause, jitter = retries.WEBHOOK_SCHEDULE[1], retries.WEBHOOK_JITTER
    assert before + pause * (1 - jitter) <= row["due_at"] <= after + pause * (1 + jitter)
    assert await delivery_rows.outcomes(database) == ["failed"]
    assert await delivery_rows.statuses(database) == [500]


async def test_an_exhausted_delivery_is_a_dead_letter_and_one_redrive_brings_it_back(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    await delivery_rows.leave_one_attempt(database)
    receiver.answers = [500]

    await deliver(database, http, settings)
    dead = await state(database, due)
    letter = await letter_rows.only_id(database)
    async with database.transaction() as connection:
        await services.dead_letters.redrive(connection, letter)
    await deliver(database, http, settings)

    assert dead["state"] == "dead"
    assert (await state(database, due))["state"] == "delivered"
    assert await delivery_rows.count_attempts(database) == 2


async def test_410_disables_the_endpoint_and_holds_its_deliveries_until_it_is_enabled(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await one_due(database, receiver.url)
    receiver.answers = [410]

    await deliver(database, http, settings)
    await scenario.place(database)
    later = await scenario.come_back(database, (await scenario.events(database))[-1])
    async with database.connection() as connection:
        (listed,) = await storage.endpoint_lists.list_all(connection)
        backlog = await storage.diagnostics.backlog(connection)
    journey = await services.order_lists.journey(database, "SO-10045")
    hinted = await scenario.due(database)
    released = await endpoint_changes.enable(database, listed.id)

    assert later == hinted == []
    assert (listed.held, listed.pending) == (2, 0)
    assert (backlog.held, backlog.undelivered) == (2, 0)
    assert journey.events[0].deliveries[0].state == "held"
    assert released == 2
    assert len(await scenario.due(database)) == 2


async def test_a_redirect_is_not_followed(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await one_due(database, receiver.url)
    receiver.answers = [web.Response(status=302, headers={"Location": receiver.url})]

    await deliver(database, http, settings)

    assert len(receiver.requests) == 1
    assert (await state(database, due))["state"] == "pending"


async def test_settling_one_makes_the_next_of_the_same_order_due(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    order = await scenario.place(database)
    for _ in range(4):
        await scenario.append(database, order)
    due = await scenario.come_back(database, *await scenario.events(database))

    await deliver(database, http, settings)

    sequences = [request.headers["orderbus-sequence"] for request in receiver.requests]
    assert len(due) == 1
    assert sequences == ["1", "2", "3", "4", "5"]


async def test_a_later_event_is_not_posted_while_an_earlier_one_fails(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    order = await scenario.place(database)
    await scenario.append(database, order)
    other = await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    receiver.answers = [500]
    by_sequence = await delivery_rows.by_order(database)

    await deliver(database, http, settings)

    assert (await state(database, by_sequence[order.order_id, 2]))["attempts"] == 0
    assert (await state(database, by_sequence[other.order_id, 1]))["state"] == "delivered"


async def test_the_attempt_is_written_down_before_the_request_is_sent(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await one_due(database, receiver.url)
    receiver.may_answer.clear()

    delivering = asyncio.create_task(deliver(database, http, settings))
    await until_here(lambda: receiver.requests, "it is asked")
    open_attempts = (await delivery_rows.outcomes(database)).count(None)
    receiver.may_answer.set()
    await delivering

    assert open_attempts == 1


async def test_an_endpoint_that_hangs_takes_its_places_and_no_others(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    places = pacing.FIRST
    for _ in range(places + 2):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    receiver.may_answer.clear()

    delivering = asyncio.create_task(deliver(database, http, settings))
    await until_here(lambda: len(receiver.requests) == places, "it has all that it may")
    under_way = await delivery_rows.count_under_way(database)
    receiver.may_answer.set()
    await delivering

    assert under_way == places
    assert len(receiver.requests) == places + 2, "a free place takes the next that waits"


async def test_however_many_endpoints_hang_another_one_is_told_of_everything(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    async with Receiver().listening() as hanging:
        hanging.may_answer.clear()
        for _ in range(5):
            await scenario.add_endpoint(database, hanging.url)
        await scenario.add_endpoint(database, receiver.url)
        for _ in range(20):
            await scenario.place(database)
        await scenario.come_back(database, *await scenario.events(database))

        delivering = asyncio.create_task(deliver_all(database, http, settings))
        await until_here(lambda: len(receiver.accepted) == 20, "the healthy one has everything")
        asked = len(hanging.requests)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)

    assert asked == 5 * pacing.FIRST


async def test_a_worker_that_woke_up_after_its_lease_changes_nothing(database: Database) -> None:
    due = await one_due(database, "https://shop.example/")
    late = await scenario.claim(database, due, lease=NO_TIME)
    current = await scenario.claim(database, due)
    assert late is not None
    assert current is not None

    dead = Settlement("dead", "failed", reason="x", error="x")
    settled = await scenario.settle(database, late, dead)

    assert not settled.ours
    assert (await state(database, due))["lease"] == current.lease


async def test_what_a_removed_endpoint_was_owed_is_skipped_and_later_orders_owe_it_nothing(
    database: Database,
) -> None:
    due = await one_due(database, "https://shop.example/")
    endpoint = (await state(database, due))["endpoint_id"]

    skipped = await endpoint_changes.remove(database, endpoint)
    await scenario.place(database)
    later = await scenario.come_back(database, (await scenario.events(database))[-1])

    assert (skipped, later) == (1, [])
    assert (await state(database, due))["state"] == "skipped"


async def test_the_journey_tells_every_hop_of_an_order(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await one_due(database, receiver.url)
    await deliver(database, http, settings)

    journey = await services.order_lists.journey(database, "SO-10045")

    (event,) = journey.events
    (delivery,) = event.deliveries
    (attempt,) = delivery.attempts
    assert (event.state, delivery.state, attempt.status) == ("returned", "delivered", 204)
    assert event.message_id
    assert event.received_at
    assert delivery.delivered_at
    assert event.occurred_at <= event.received_at <= delivery.delivered_at
