"""What the front door answers: a committed order, or a refusal that names what is wrong."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import event_rows, order_rows, statements
from tests.support.api_client import JSON, PATH, Client, body, post, problem, serving
from tests.support.ports import kept_port


@pytest.fixture
async def alone(env: dict[str, str]) -> AsyncIterator[Client]:
    """A front door whose PostgreSQL is away."""
    nowhere = settings_from(env, db_host="127.0.0.1", db_port=kept_port())
    async with serving(nowhere) as client:
        yield client


# -- orders that are taken -----------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
async def test_a_new_order_is_answered_with_201_and_these_very_members(
    client: Client, database: Database, path: str
) -> None:
    response = await post(client, path=path)

    assert response.status == 201
    assert await response.read() == b'{"ok": true, "order_id": "SO-10045"}'
    assert response.content_type == "application/json"
    assert await order_rows.count(database) == 1


async def test_where_the_order_can_be_read_is_said(client: Client) -> None:
    response = await post(client)

    shown = await client.get(response.headers["Location"])

    assert (await shown.json())["order_id"] == "SO-10045"


async def test_the_same_order_again_is_answered_alike_with_200_and_says_so(
    client: Client, database: Database
) -> None:
    first = await post(client)
    again = await post(client)

    assert (first.status, again.status) == (201, 200)
    assert await again.read() == await first.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert await order_rows.count(database) == 1


async def test_the_same_reference_with_another_content_is_a_conflict(
    client: Client, database: Database
) -> None:
    await post(client)

    response = await post(client, body(total=351))

    refused = await problem(response, 409, "conflict")
    assert "SO-10045" in refused["detail"]
    assert await order_rows.count(database) == 1


@pytest.mark.parametrize("key", ["key-1", '"key-1"'])
async def test_a_key_that_comes_back_with_another_content_is_refused(
    client: Client, database: Database, key: str
) -> None:
    await post(client, body("SO-1"), Idempotency_Key="key-1")

    response = await post(client, body("SO-2"), Idempotency_Key=key)

    await problem(response, 422, "idempotency-key-reused")
    assert await order_rows.count(database) == 1


@pytest.mark.parametrize("header", [{}, {"Idempotency_Key": "key-1"}])
async def test_a_key_in_the_body_stands_for_what_came_with_it_and_so_does_its_header(
    client: Client, database: Database, header: dict[str, str]
) -> None:
    first = await post(client, body("SO-1", idempotency_key="key-1"))
    again = await post(client, body("SO-1", idempotency_key="key-1"))
    other = body("SO-2") if header else body("SO-2", idempotency_key="key-1")

    response = await post(client, other, **header)

    assert (first.status, again.status) == (201, 200)
    await problem(response, 422, "idempotency-key-reused")
    assert await order_rows.count(database) == 1


async def test_the_callers_trace_is_kept_and_a_broken_one_replaced(
    client: Client, database: Database
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    kept = await post(client, traceparent=trace)
    replaced = await post(client, body("SO-2"), traceparent=trace.replace("4bf9", "zzzz"))

    assert kept.headers["traceparent"] == trace
    assert "zzzz" not in replaced.headers["traceparent"]
    assert (await event_rows.traceparents(database))[0] == trace


# -- orders that are refused ---------------------------------------------------------------------

ITEM = {"sku": "A", "name": "B", "quantity": 1, "unit_price": 1}
REFUSED: dict[str, tuple[bytes, str]] = {
    "an empty body": (b" ", ""),
    "broken JSON": (b"{", ""),
    "an exponent out of range": (b'{"total":1e9999999999999999999}', ""),
    "a list": (b"[]", ""),
    "not UTF-8": (b'{"order_id": "\xff"}', ""),
    "a name twice": (b'{"total": 1, "total": 2}', ""),
    "nested too deeply": (b"[" * 100_000, ""),
    "NaN": (body(total=float("nan")), ""),
    "Infinity": (body(total=float("inf")), ""),
    "a bool as the reference": (body(order_id=True), "/order_id"),
    "no customer": (body(customer=None), "/customer"),
    "a list as the name": (body(customer={"name": [], "email": "a@b"}), "/customer/name"),
    "no items": (body(items=[]), "/items"),
    "a negative total": (body(total=-1), "/total"),
    "three decimals": (body(total=1.234), "/total"),
    "a negative price": (body(items=[{**ITEM, "unit_price": -1}]), "/items/0/unit_price"),
    "a quantity of zero": (body(items=[ITEM, {**ITEM, "quantity": 0}]), "/items/1/quantity"),
    "NUL in the reference": (body("SO-\x00"), "/order_id"),
    "NUL in the address": (body(shipping_address="a\x00b"), "/shipping_address"),
    "half a character": (body("SO-\ud800"), "/order_id"),
}


@pytest.mark.parametrize(("sent", "pointer"), REFUSED.values(), ids=REFUSED)
async def test_a_wrong_order_is_refused_by_the_name_of_its_field_before_the_database_is_asked(
    client: Client, database: Database, lent: list[Database], sent: bytes, pointer: str
) -> None:
    response = await post(client, sent)

    refused = await problem(response, 400, "invalid")
    assert pointer in [fault["pointer"] for fault in refused["faults"]]
    assert all(refused["errors"].values())
    assert lent == []
    assert await order_rows.count(database) == 0


async def test_every_wrong_field_is_named_at_once(client: Client) -> None:
    response = await post(client, body(total=-1, items=[]))

    refused = await problem(response, 400, "invalid")
    assert {"total", "items"} <= set(refused["errors"])


async def chunks_of_two_megabytes() -> AsyncIterator[bytes]:
    for _ in range(32):
        yield b" " * 65_536


LARGE = {
    "with its length": lambda: io.BytesIO(b" " * (2 << 20)),
    "in chunks": chunks_of_two_megabytes,
}


@pytest.mark.parametrize("sent", LARGE.values(), ids=LARGE)
async def test_a_body_of_two_megabytes_is_too_large_however_it_is_sent(
    client: Client, lent: list[Database], sent: Callable[[], Any]
) -> None:
    response = await post(client, sent())

    refused = await problem(response, 413, "too-large")
    assert refused["faults"][0]["code"] == "too_large"
    assert lent == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/xml"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_another_kind_of_body_is_refused(
    client: Client, lent: list[Database], headers: dict[str, str]
) -> None:
    response = await client.post(PATH, data=b"{}", headers={**JSON, **headers})

    await problem(response, 415, "unknown-media-type")
    assert lent == []


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/order+json"])
async def test_json_by_another_name_is_taken(client: Client, kind: str) -> None:
    assert (await post(client, Content_Type=kind)).status == 201


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "ключ"])
async def test_a_key_that_is_none_is_refused(
    client: Client, lent: list[Database], key: str
) -> None:
    response = await post(client, Idempotency_Key=key)

    await problem(response, 400, "invalid")
    assert lent == []


# -- PostgreSQL away -----------------------------------------------------------------------------


async def test_without_postgresql_an_order_is_to_be_sent_again(alone: Client) -> None:
    response = await post(alone)

    await problem(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1


async def test_without_postgresql_the_server_lives_and_is_not_ready(alone: Client) -> None:
    healthy, ready = await alone.get("/healthz"), await alone.get("/readyz")

    assert (healthy.status, ready.status) == (200, 503)
    assert (await ready.json())["parts"] == {"postgres": False}


async def test_with_postgresql_the_server_is_ready(client: Client) -> None:
    response = await client.get("/readyz")

    assert response.status == 200
    assert (await response.json())["ready"] is True


# -- the work an order makes ---------------------------------------------------------------------


async def test_an_accepted_order_is_one_statement_and_a_repeated_one_two(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        pass

    # A notification may take the connection that is warm.
    monkeypatch.setattr(Database, "notify", nothing)
    await post(client, body("SO-warm"))
    await post(client, body("SO-warm"))
    with statements.recorded() as first:
        await post(client)
    with statements.recorded() as again:
        await post(client)

    assert (len(first), len(again)) == (1, 2)


async def test_the_id_an_answer_names_is_the_orders_own(client: Client, database: Database) -> None:
    response = await post(client)

    order_id = response.headers["Location"].rpartition("/")[2]
    assert await order_rows.names(database) == [(order_id, "SO-10045")]
