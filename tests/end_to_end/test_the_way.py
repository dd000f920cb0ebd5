"""One order goes all the way, and so do five hundred."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from orderbus import storage
from tests.support import delivery_rows, event_rows, order_rows, outbox_rows, scenario
from tests.support.system import System


async def test_an_order_is_saved_published_received_and_posted_and_the_logs_say_so(
    system: System,
) -> None:
    await system.start_all()

    await system.post("SO-10045")
    await system.until_accepted(1)

    (webhook,) = system.receiver.accepted
    assert [theirs for _, theirs in await order_rows.names(system.database)] == ["SO-10045"]
    assert await order_rows.count_items(system.database) == 2
    assert webhook.body["event"] == "order.created"
    await system.until(lambda: _logged(system, "webhook_delivered"), "the log of the delivery")
    for event in ("order_accepted", "event_published", "event_received", "webhook_delivered"):
        assert await _logged(system, event), event


async def test_the_built_in_endpoint_gets_exactly_five_members_that_verify(system: System) -> None:
    await system.start_all()

    await system.post("SO-10045")
    await system.until_accepted(1)

    (webhook,) = system.receiver.accepted
    verified = Webhook(system.env["WEBHOOK_OUTGOING_SECRET"]).verify(
        webhook.content, webhook.headers
    )
    assert set(verified) == {"event", "order_id", "customer_name", "total", "sent_at"}
    assert (verified["order_id"], verified["total"]) == ("SO-10045", "350.00")
    assert webhook.headers["orderbus-sequence"] == "1"


async def test_an_endpoint_added_by_command_gets_the_whole_order(system: System) -> None:
    await system.start_all()
    added = await system.orderbus("endpoints", "add", f"{system.receiver.url}/second")

    await system.post("SO-10045")

    async def both() -> bool:
        return len(system.receiver.accepted) == 2

    await system.until(both, "both endpoints were told")
    (webhook,) = [w for w in system.receiver.accepted if "data" in w.body]
    Webhook(added["secret"]).verify(webhook.content, webhook.headers)
    assert webhook.body["data"]["items"][0]["sku"] == "ABC123"
    assert webhook.body["sequence"] == 1


async def test_500_orders_by_20_clients_are_each_delivered_once_and_in_order(
    system: System,
) -> None:
    await system.start_all()

    async def client(number: int) -> None:
        for turn in range(25):
            reference = await system.post(f"SO-{number}-{turn}")
            if turn % 5 == 0:
                await _append(system, reference)
                await _append(system, reference)

    await asyncio.gather(*(client(number) for number in range(20)))
    await system.until_accepted(700)

    assert set(system.receiver.times().values()) == {1}
    sequences = system.receiver.sequences()
    assert len(sequences) == 500
    assert all(numbers == sorted(numbers) for numbers in sequences.values())
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())


async def test_an_event_that_overtakes_its_predecessor_waits_for_it(system: System) -> None:
    await system.start_all(but="workers")
    reference = await system.post()
    await _append(system, reference)
    first = await event_rows.one_id(system.database, sequence=1)
    await outbox_rows.put_off(system.database, first, timedelta(hours=1))
    await system.start("workers")

    async def second_is_back() -> bool:
        return await event_rows.returned_sequences(system.database) == [2]

    await system.until(second_is_back, "the second event came back first")
    waiting = len(system.receiver.requests)
    await outbox_rows.make_due(system.database)
    await system.until_accepted(2)

    assert waiting == 0
    assert system.receiver.sequences() == {reference: [1, 2]}


@pytest.mark.native
async def test_all_queues_purged_in_mid_run_costs_a_beat_and_nothing_else(system: System) -> None:
    await system.start_all()

    async def purge() -> None:
        for _ in range(10):
            await asyncio.to_thread(_purge_all, system.env["RABBITMQ_URL"])
            await asyncio.sleep(0.2)

    await asyncio.gather(purge(), *(system.post() for _ in range(60)))
    await system.until_accepted(60)

    assert set(system.receiver.times().values()) == {1}


async def test_orders_show_tells_the_whole_way(system: System) -> None:
    await system.start_all()
    await system.post("SO-10045")
    await system.until_accepted(1)

    delivered = partial(delivery_rows.all_are, system.database, "delivered")
    await system.until(delivered, "the delivery is settled")
    journey = await system.orderbus("orders", "show", "SO-10045")

    (event,) = journey["events"]
    assert event["message_id"]
    assert event["deliveries"][0]["attempts"][0]["status"] == 204


async def test_doctor_finds_nothing_at_fault(system: System) -> None:
    findings = await system.orderbus("doctor")

    assert {finding["verdict"] for finding in findings} <= {"ok", "warning"}


async def _append(system: System, reference: str) -> None:
    order = await system.database.ask(storage.orders.get, reference)
    await scenario.append_event(system.database, order.order_id)


async def _logged(system: System, event: str) -> bool:
    log = await asyncio.to_thread(Path(system.env["LOG"]).read_text)
    return f'"{event}"' in log


def _purge_all(url: str) -> None:
    import pika  # noqa: PLC0415 - the operator's hand, not orderbus

    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for queue in ("publish_outbox", "deliver_webhook"):
            for name in (queue, f"{queue}.DQ", f"{queue}.XQ"):
                channel.queue_purge(name)
