"""A request, and all that follows from it in any process, is found by the ids it came with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.egress.session import Session
from orderbus.services.orders import Placed
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import event_rows, scenario
from tests.support.api_client import Client, body, placed, post
from tests.support.log_lines import REF, Taking, assert_about, came_back, named, publish, written
from tests.support.receiver import Receiver
from tests.support.scenario import deliver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with written() as lines:
        yield lines


@pytest.fixture
async def order(database: Database) -> Placed:
    return await scenario.place(database, REF)


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
    async def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(storage.orders, "get", fail)

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

    (stored,) = await event_rows.traceparents(database)
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
    await services.inbox.receive(database, [came_back(message)], wanted=wanted)
    await scenario.consume(database, settings, "count_event")
    await deliver(database, http, settings)

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
    kept = await event_rows.request_ids(database)
    followed = ("cart.checked_out", "order.created", "order.processed")
    assert {(each, "c-2") for each in followed} <= kept


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
