"""An order is accepted in one way, whichever door it came by: counted, told and passed on once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderbus import services, storage, telemetry
from orderbus.errors import Unavailable
from orderbus.services.order_moves import Asked
from orderbus.settings import Settings
from orderbus.storage.database import Database, after_commit
from tests.support import order_rows, samples, scenario
from tests.support.api_client import Client, body, post

NEW = {"user_id": "u-1", "products": [{"product_id": "A", "quantity": 1}], "amount": "1.10"}
Door = Callable[[Client], Awaitable[None]]


async def by_webhook(client: Client) -> None:
    assert (await post(client)).status == 201


async def by_api(client: Client) -> None:
    order, key = samples.order_body("SO-1"), {"Idempotency-Key": str(uuid4())}
    assert (await client.post("/api/v1/orders", json=order, headers=key)).status == 201


async def by_references(client: Client) -> None:
    assert (await client.post("/api/v1/orders/new", json=NEW)).status == 201


async def by_cart(client: Client) -> None:
    opened = await (await client.post("/carts", json={"total_amount": 100.5})).json()
    assert (await client.put(f"/carts/{opened['cart_uuid']}/checkout")).status == 200


DOORS = [by_webhook, by_api, by_references, by_cart]


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs([merge_contextvars]) as written:
        yield written


def told(lines: list[Any]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "order_accepted"]


def accepted() -> float:
    return telemetry.counts()["orderbus_orders_accepted"]


def refused(code: str) -> float:
    return REGISTRY.get_sample_value("orderbus_orders_refused_total", {"code": code}) or 0


def cancelled() -> float:
    labels = {"source": "created", "target": "cancelled"}
    return REGISTRY.get_sample_value("orderbus_order_moves_total", labels) or 0


async def test_an_order_by_any_door_is_counted_once_and_told_once_under_both_its_names(
    client: Client, database: Database, settings: Settings, lines: list[Any]
) -> None:
    before = accepted()
    for door in DOORS:
        await door(client)
    await scenario.go_on(database, settings)

    kept = await order_rows.names(database)
    assert [(line["order_id"], line["external_ref"]) for line in told(lines)] == kept
    assert accepted() - before == len(kept) == len(DOORS)
    assert all(line["trace_id"] for line in told(lines))


@pytest.mark.parametrize("door", DOORS)
async def test_an_order_by_any_door_is_passed_on_at_once(
    client: Client, database: Database, door: Door
) -> None:
    async with database.listening("outbox") as heard:
        await door(client)

        assert await heard(30)


async def test_the_same_order_again_is_neither_counted_nor_told(
    client: Client, lines: list[Any]
) -> None:
    await post(client)
    before = accepted()
    again = await post(client)

    assert again.status == 200
    assert accepted() == before
    assert len(told(lines)) == 1


@pytest.mark.parametrize("door", [by_api, by_references])
async def test_an_order_whose_answer_cannot_be_kept_is_neither_counted_nor_told(
    client: Client, lines: list[Any], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_away(*_: object, **__: object) -> None:
        raise Unavailable("PostgreSQL went away")

    monkeypatch.setattr(storage.idempotency, "keep", be_away)
    client.session.headers["Idempotency-Key"] = str(uuid4())
    before = accepted()
    with pytest.raises(AssertionError, match="503"):
        await door(client)

    assert accepted() == before
    assert not told(lines)


async def test_an_order_is_counted_told_and_passed_on_when_it_is_committed_and_not_before(
    database: Database, lines: list[Any]
) -> None:
    before = accepted()
    async with database.transaction() as connection:
        await services.orders.accept(connection, samples.order(), traceparent=None)
        assert (accepted(), told(lines)) == (before, [])
        assert not database.outbox_written.is_set()

    assert (accepted() - before, len(told(lines))) == (1, 1)
    assert database.outbox_written.is_set()


async def test_nothing_follows_from_an_order_that_was_rolled_back_not_even_later(
    database: Database, lines: list[Any]
) -> None:
    before = accepted()

    async def accept_and_fail() -> None:
        async with database.transaction() as connection:
            await services.orders.accept(connection, samples.order(), traceparent=None)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await accept_and_fail()
    await scenario.value(database, "SELECT 1")  # on the connection that was used last

    assert (accepted(), told(lines)) == (before, [])
    assert not database.outbox_written.is_set()


async def test_orders_that_are_refused_are_counted_by_reason_at_every_door(client: Client) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    before = refused("invalid"), refused("unprocessable"), refused("conflict")
    await post(client, b"{}")
    await client.post("/api/v1/orders/", json={}, headers=key)
    await client.post("/api/v1/orders/new/", json={})
    await post(client)
    await post(client, body(total="1.00"))

    after = refused("invalid"), refused("unprocessable"), refused("conflict")
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1]


async def test_what_is_no_order_is_no_order_refused(client: Client) -> None:
    before = telemetry.counts()["orderbus_orders_refused"]
    for path in (f"/carts/{uuid4()}/checkout", "/carts/none/checkout"):
        assert (await client.put(path)).status == 404
    assert (await client.get("/orders/SO-1")).status == 404
    assert (await client.post("/orders/SO-1/cancel")).status == 404
    assert (await client.post("/carts", json={})).status == 400

    assert telemetry.counts()["orderbus_orders_refused"] == before


async def test_a_follow_up_that_fails_is_no_outage_of_postgresql_and_keeps_no_other_from_running(
    database: Database,
) -> None:
    ran: list[str] = []

    def fail(_: Database) -> None:
        raise OSError("No space left on device")

    async def commit() -> None:
        async with database.transaction() as connection:
            after_commit(connection, fail)
            after_commit(connection, lambda _: ran.append("the next one"))

    with pytest.raises(OSError, match="No space left"):
        await commit()

    assert ran == ["the next one"]


async def test_a_move_that_is_rolled_back_is_not_counted(database: Database) -> None:
    placed = await scenario.place(database)
    before = cancelled()

    async def cancel(*, fails: bool) -> None:
        async with database.transaction() as connection:
            await services.order_moves.cancel(connection, str(placed.order_id), Asked(actor="test"))
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cancel(fails=True)
    assert cancelled() == before
    await cancel(fails=False)
    assert cancelled() == before + 1
