"""Whoever knows an order by its reference finds every line that any process wrote about it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage, telemetry
from orderbus.domain.carts import OpenCart
from orderbus.domain.events import Event
from orderbus.egress.session import Session
from orderbus.errors import Poisoned, Unavailable
from orderbus.services.consumptions import Work
from orderbus.services.orders import Placed
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.support import scenario
from tests.support.log_lines import REF, Taking, assert_about, came_back, named, publish, written
from tests.support.receiver import Receiver
from tests.support.scenario import deliver


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with written() as lines:
        yield lines


@pytest.fixture
async def order(database: Database) -> Placed:
    return await scenario.place(database, REF)


async def test_the_relay_names_an_order_as_its_sender_does(
    database: Database, settings: Settings, order: Placed, lines: list[Any]
) -> None:
    await publish(database, settings, Taking())

    assert_about(named(lines, "event_published"), order)


async def test_the_relay_names_the_order_of_an_event_that_is_parked(
    database: Database, settings: Settings, order: Placed, lines: list[Any]
) -> None:
    await publish(database, settings, Taking(Poisoned("too large", reason="refused")))

    assert_about(named(lines, "dead_letter_written"), order)


async def test_the_bridge_names_an_order_as_its_sender_does(
    database: Database, settings: Settings, order: Placed, lines: list[Any]
) -> None:
    [message] = await publish(database, settings, Taking())
    await services.inbox.receive(database, [came_back(message)], wanted={})

    assert_about(named(lines, "event_received"), order)


async def test_the_bridge_names_the_order_of_a_message_it_buries(
    database: Database, settings: Settings, order: Placed, lines: list[Any]
) -> None:
    [message] = await publish(database, settings, Taking())
    stray = came_back(message, **{"ce-id": str(uuid4())})
    await services.inbox.receive(database, [stray], wanted={})

    assert_about(named(lines, "dead_letter_written"), order)


async def consume(database: Database, settings: Settings, work: Work, times: int = 1) -> None:
    """Let a consumer have the order's event."""
    wanted = {"count_event": "*"}
    await scenario.record(database, await scenario.events(database), wanted=wanted)
    held = scenario.resources(database, settings)
    for _ in range(times):
        await scenario.have_consumed(held, "count_event", work)


async def say(_: Connection, __: Event) -> None:
    telemetry.log.info("said_by_a_consumer")


async def fail(_: Connection, __: Event) -> None:
    raise RuntimeError("no")


async def be_away(_: Connection, __: Event) -> None:
    raise Unavailable("away")


async def refuse(_: Connection, __: Event) -> None:
    raise Poisoned("no", reason="never")


@pytest.mark.parametrize(
    ("effect", "events"),
    [
        (say, ["said_by_a_consumer", "event_consumed"]),
        (be_away, ["event_consumed_later"]),
        (fail, ["consumer_failed", "event_consumed_later"]),
        (refuse, ["dead_letter_written"]),
    ],
)
async def test_a_consumer_names_its_order_in_every_line_and_so_does_the_work_itself(
    database: Database,
    settings: Settings,
    order: Placed,
    lines: list[Any],
    effect: Any,
    events: list[str],
) -> None:
    await consume(database, settings, Work(effect))

    assert [line["event"] for line in lines] == events
    for line in lines:
        assert_about(line, order)


async def test_a_line_after_a_consumers_work_is_not_about_its_order_any_more(
    database: Database, settings: Settings, order: Placed, lines: list[Any]
) -> None:
    await consume(database, settings, Work(say))
    telemetry.log.info("afterwards")

    assert named(lines, "event_consumed")["external_ref"] == order.external_ref
    assert "external_ref" not in named(lines, "afterwards")


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (204, ["webhook_delivered"]),
        (500, ["webhook_attempt_failed"]),
        (410, ["webhook_attempt_failed", "endpoint_disabled"]),
    ],
)
async def test_a_delivery_names_its_order_as_the_customer_does(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    lines: list[Any],
    answer: int,
    events: list[str],
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    order = await scenario.place(database, REF)
    await scenario.come_back(database, *await scenario.events(database))
    receiver.answers = [answer]
    lines.clear()
    await deliver(database, http, settings)

    assert [line["event"] for line in lines] == events
    for line in lines:
        assert_about(line, order)


async def test_the_order_a_cart_becomes_is_accepted_under_both_its_names(
    database: Database, settings: Settings, lines: list[Any]
) -> None:
    async with database.connection() as connection:
        cart = await storage.carts.add(connection, OpenCart(total_amount=Decimal("100.50")))
    await database.ask(storage.carts.check_out, cart, traceparent=None)
    await scenario.go_on(database, settings)

    async with database.connection() as connection:
        order = await storage.orders.get(connection, str(cart))
    accepted = named(lines, "order_accepted")
    assert accepted["order_id"] == str(order.order_id)
    assert accepted["external_ref"] == accepted["cart_uuid"] == str(cart)
