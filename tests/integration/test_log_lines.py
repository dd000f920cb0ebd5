"""Whoever knows an order by its reference finds every line that any process wrote about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderbus import services, storage, telemetry
from orderbus.domain.carts import OpenCart
from orderbus.domain.events import Event
from orderbus.egress.session import Session
from orderbus.errors import Poisoned, Unavailable
from orderbus.pubsub import messages
from orderbus.pubsub.messages import Message
from orderbus.pubsub.subscription import Received
from orderbus.services.consumptions import Work
from orderbus.services.orders import Placed
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.support import scenario
from tests.support.api_client import Client, body, placed, post
from tests.support.receiver import Receiver
from tests.support.scenario import deliver

REF = "SO-10045"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """What is logged meanwhile, with all that is written into each line."""
    with capture_logs([merge_contextvars]) as written:
        yield written


@pytest.fixture
async def order(database: Database) -> Placed:
    return await scenario.place(database, REF)


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
    await services.outbox.publish_due(database, taking, settings)
    return pubsub.taken


def came_back(message: Message, **attributes: str) -> Received:
    return Received(
        message.data,
        {**message.attributes, **attributes},
        "m-0",
        messages.decode(message.data, message.attributes).occurred_at,
        ack=lambda: None,
        nack=lambda: None,
    )


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
    _, due = await scenario.record(database, await scenario.events(database), wanted=wanted)
    [one] = due.consumptions["count_event"]
    held = scenario.resources(database, settings)
    for _ in range(times):
        await services.consumptions.consume(held, "count_event", one, work)


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
    [due] = await scenario.come_back(database, *await scenario.events(database))
    receiver.answers = [answer]
    lines.clear()
    await deliver(database, http, settings, due)

    assert [line["event"] for line in lines] == events
    for line in lines:
        assert_about(line, order)


async def test_the_order_a_cart_becomes_is_accepted_under_both_its_names(
    database: Database, settings: Settings, lines: list[Any]
) -> None:
    async with database.connection() as connection:
        cart = await services.carts.open_cart(connection, OpenCart(total_amount=Decimal("100.50")))
    await services.carts.check_out(database, cart, traceparent=None)
    await scenario.go_on(database, settings)

    async with database.connection() as connection:
        order = await storage.orders.get(connection, str(cart))
    accepted = named(lines, "order_accepted")
    assert accepted["order_id"] == str(order.order_id)
    assert accepted["external_ref"] == accepted["cart_uuid"] == str(cart)


# -- what a request and what follows from it have in common ---------------------------------------


def assert_of_request(line: dict[str, Any], request_id: str, trace: str = TRACE) -> None:
    assert (line["request_id"], line["trace_id"]) == (request_id, trace), line["event"]


async def test_every_line_of_a_request_has_its_id_and_its_trace(
    client: Client, lines: list[Any]
) -> None:
    await post(client, body(REF), Correlation_ID="c-1", traceparent=TRACEPARENT)

    assert [line["event"] for line in lines] == ["order_accepted", "request"]
    assert lines[0]["external_ref"] == REF
    for line in lines:
        assert_of_request(line, "c-1")


async def test_the_line_of_a_refusal_has_them_too(client: Client, lines: list[Any]) -> None:
    refused = await post(client, b"{}", Correlation_ID="c-1", traceparent=TRACEPARENT)

    assert refused.status == 400
    assert named(lines, "request")["code"] == "invalid"
    assert_of_request(named(lines, "request"), "c-1")


async def test_the_line_of_a_failure_has_them_too(
    client: Client, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.orders, "find", fail)

    answer = await client.get(
        "/orders/SO-1", headers={"Correlation-ID": "c-1", "traceparent": TRACEPARENT}
    )

    assert answer.status == 500
    assert_of_request(named(lines, "request_failed"), "c-1")
    assert_of_request(named(lines, "request"), "c-1")


async def test_requests_on_one_connection_keep_their_own_and_begin_a_trace_where_none_came(
    client: Client, lines: list[Any]
) -> None:
    given = await client.get("/healthz", headers={"Correlation-ID": "c-1"})
    made = await client.get("/healthz", headers={"Correlation-ID": "not one: \u00e9"})

    first, second = (line for line in lines if line["event"] == "request")
    assert (given.headers["Correlation-ID"], first["request_id"]) == ("c-1", "c-1")
    assert second["request_id"] == made.headers["Correlation-ID"] != "c-1"
    assert re.fullmatch("[0-9a-f]{32}", first["trace_id"])
    assert first["trace_id"] != second["trace_id"]


async def test_the_trace_that_is_begun_is_that_of_the_event_and_of_the_answer(
    client: Client, database: Database, lines: list[Any]
) -> None:
    answer = await post(client, body(REF))

    stored = await scenario.value(database, "SELECT traceparent FROM ops.events")
    assert answer.headers["traceparent"] == stored
    assert named(lines, "request")["trace_id"] == stored.split("-")[1]


async def test_both_its_ids_are_in_every_line_of_what_follows_from_a_request(
    client: Client,
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    lines: list[Any],
) -> None:
    await scenario.add_endpoint(database, receiver.url)
    await post(client, body(REF), Correlation_ID="c-1", traceparent=TRACEPARENT)

    [message] = await publish(database, settings, Taking())
    wanted = {"count_event": "*"}
    due = await services.inbox.receive(database, [came_back(message)], wanted=wanted)
    [delivery], [one] = due.deliveries, due.consumptions["count_event"]
    await scenario.consume(database, settings, "count_event", one)
    await deliver(database, http, settings, delivery)

    way = ["order_accepted", "request", "event_published", "event_received", "event_consumed"]
    assert [line["event"] for line in lines] == [*way, "webhook_delivered"]
    for line in lines:
        assert_of_request(line, "c-1")


async def test_what_becomes_of_a_cart_is_found_by_the_id_of_its_checkout(
    client: Client, database: Database, settings: Settings, lines: list[Any]
) -> None:
    opened = await (await client.post("/carts", json={"total_amount": 100.5})).json()
    checkout = f"/carts/{opened['cart_uuid']}/checkout"
    await client.put(checkout, headers={"Correlation-ID": "c-2", "traceparent": TRACEPARENT})
    lines.clear()
    await scenario.go_on(database, settings)

    assert named(lines, "order_accepted")["external_ref"] == opened["cart_uuid"]
    for line in lines:
        assert_of_request(line, "c-2")
    kept = await scenario.value(
        database, "SELECT array_agg(DISTINCT type || ' ' || request_id) FROM ops.events"
    )
    assert {"cart.checked_out c-2", "order.created c-2", "order.processed c-2"} <= set(kept)


async def test_a_trace_that_cannot_be_read_is_in_no_line_of_the_bridge(
    database: Database, settings: Settings, order: Placed, lines: list[Any]
) -> None:
    [message] = await publish(database, settings, Taking())
    odd = came_back(message, traceparent="\x1b[2J", **{"request-id": "\x1b[2J"})
    await services.inbox.receive(database, [odd], wanted={})

    assert_about(named(lines, "event_received"), order)
    assert named(lines, "event_received")["trace_id"] is None
    assert named(lines, "event_received")["request_id"] is None


async def test_whoever_asks_for_another_try_is_found_by_the_orders_reference(
    client: Client, database: Database, settings: Settings, lines: list[Any]
) -> None:
    order = await placed(client)
    never = {"processor": "random", "processing_success_rate": 0.0}
    await scenario.go_on(database, settings.model_copy(update=never))
    asked = await client.post(f"/orders/{order['id']}/retry", headers={"Correlation-ID": "c-1"})

    assert asked.status == 202, await asked.text()
    told = named(lines, "order_tried_again")
    assert (told["order_id"], told["external_ref"]) == (order["id"], order["order_id"])
    assert told["request_id"] == "c-1"
