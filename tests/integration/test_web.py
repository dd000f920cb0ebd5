"""The front door: what it takes, what it refuses, and what neither costs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from orderbus import services
from orderbus.domain import webhooks
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.web.app import build_app
from tests import samples
from tests.conftest import settings_from
from tests.integration import steps

PATH = "/webhooks/orders/create/"
SECRET = webhooks.new_secret()
Door = TestClient[Any, Any]
Open = Callable[[Settings], AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def door_of(settings: Settings) -> AsyncIterator[Door]:
    async with TestClient(TestServer(build_app(settings))) as client:
        yield client


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[Door]:
    async with door_of(settings) as client:
        yield client


@pytest.fixture
async def guarded(env: dict[str, str]) -> AsyncIterator[Door]:
    """A door that wants signatures and API keys."""
    settings = settings_from(env, open_on_loopback=False, webhook_secrets=SECRET)
    async with door_of(settings) as client:
        yield client


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a connection was lent."""
    lent: list[int] = []
    lend = Database.connection

    @asynccontextmanager
    async def counted(self: Database) -> AsyncIterator[Connection]:
        lent.append(1)
        async with lend(self) as connection:
            yield connection

    monkeypatch.setattr(Database, "connection", counted)
    return lent


async def post(door: Door, body: Any, **options: Any) -> tuple[int, Any, Any]:
    """Post ``body`` (bytes as they are, else as JSON); returns status, JSON and headers."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    path = options.pop("path", PATH)
    async with door.post(path, data=io.BytesIO(content), headers=headers) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def test_an_order_is_answered_with_exactly_two_members(door: Door) -> None:
    status, body, headers = await post(door, samples.order_body("SO-10045"))

    assert (status, body) == (201, {"ok": True, "order_id": "SO-10045"})
    assert UUID(headers["Location"].removeprefix("/orders/")).version == 4


@pytest.mark.parametrize("path", ["/webhooks/orders/create", "/webhooks/orders/create/"])
async def test_both_forms_of_the_path_work(door: Door, path: str) -> None:
    status, _, _ = await post(door, samples.order_body(), path=path)

    assert status == 201


async def test_the_same_order_again_is_answered_the_same(door: Door) -> None:
    _, first, _ = await post(door, samples.order_body("SO-1"))

    status, again, headers = await post(door, samples.order_body("SO-1", total="350.00"))

    assert (status, again, headers["Idempotent-Replayed"]) == (200, first, "true")


async def test_another_content_is_a_conflict(door: Door) -> None:
    await post(door, samples.order_body("SO-1"))

    status, body, _ = await post(door, samples.order_body("SO-1", total=1))

    assert (status, body["type"]) == (409, "/problems/conflict")


@pytest.mark.parametrize("key", ["k-1", '"k-1"'])
async def test_an_idempotency_key_with_another_content_is_refused(door: Door, key: str) -> None:
    headers = {"Idempotency-Key": key}
    await post(door, samples.order_body("SO-1", idempotency_key="k-1"))

    status, _, _ = await post(door, samples.order_body("SO-2"), headers=headers)

    assert status == 422


ITEM = {"sku": "A", "name": "B", "quantity": 1, "unit_price": 1}
REFUSED: dict[str, tuple[Any, int, str | None]] = {
    "wrong JSON": (b"{", 400, ""),
    "no JSON object": (b"[]", 400, ""),
    "a wrong type": (samples.order_body(order_id=7), 400, "/order_id"),
    "no items": (samples.order_body(items=[]), 400, "/items"),
    "a negative number": (samples.order_body(total=-1), 400, "/total"),
    "three decimals": (samples.order_body(total=1.234), 400, "/total"),
    "NaN": (json.dumps(samples.order_body(total=float("nan"))).encode(), 400, ""),
    "a NUL byte": (samples.order_body(shipping_address="a\x00b"), 400, "/shipping_address"),
    "half an item": (
        samples.order_body(items=[{**ITEM, "quantity": 0.5}]),
        400,
        "/items/0/quantity",
    ),
    "two megabytes": (b" " * 2_000_000, 413, ""),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_bad_input_names_the_place_stores_nothing_and_costs_no_connection(
    door: Door, database: Database, connections: list[int], what: str
) -> None:
    body, expected, pointer = REFUSED[what]

    status, problem, headers = await post(door, body)

    assert (status, connections) == (expected, [])
    assert headers["Content-Type"] == "application/problem+json"
    assert pointer in {fault["pointer"] for fault in problem["faults"]}
    assert "errors" in problem
    assert await steps.value(database, "SELECT count(*) FROM orders.orders") == 0


async def test_a_body_that_is_too_large_in_chunks_is_refused_too(
    door: Door, connections: list[int]
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    async with door.post(PATH, data=chunks(), headers=headers) as answer:
        status = answer.status

    assert (status, connections) == (413, [])


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
)
async def test_another_content_type_is_refused(
    door: Door, connections: list[int], kind: str
) -> None:
    status, _, _ = await post(door, samples.order_body(), headers={"Content-Type": kind})

    assert (status, connections) == (415, [])


def signed(body: bytes, moment: datetime, secret: str = SECRET) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", moment, body.decode()),
    }


async def test_a_signed_order_is_taken(guarded: Door) -> None:
    body = json.dumps(samples.order_body()).encode()

    status, _, _ = await post(guarded, body, headers=signed(body, datetime.now(UTC)))

    assert status == 201


@pytest.mark.parametrize("what", ["missing", "wrong", "stale"])
async def test_an_order_that_is_not_signed_rightly_is_refused(
    guarded: Door, connections: list[int], what: str
) -> None:
    body = json.dumps(samples.order_body()).encode()
    now = datetime.now(UTC)
    headers = {
        "missing": {},
        "wrong": signed(body, now, webhooks.new_secret()),
        "stale": signed(body, now - timedelta(minutes=10)),
    }[what]

    status, problem, _ = await post(guarded, body, headers=headers)

    assert (status, connections) == (401, [])
    assert problem["error"] == "Invalid signature"


@pytest.fixture
async def without_database(env: dict[str, str]) -> AsyncIterator[Door]:
    async with door_of(settings_from({**env, "DB_PORT": "1"})) as client:
        yield client


async def test_while_postgresql_is_away_orders_are_to_be_sent_again(without_database: Door) -> None:
    status, _, headers = await post(without_database, samples.order_body())

    assert status == 503
    assert int(headers["Retry-After"]) >= 1


async def test_while_postgresql_is_away_health_is_green_and_readiness_red(
    without_database: Door,
) -> None:
    statuses = []
    for path in ("/healthz", "/readyz", "/metrics"):
        async with without_database.get(path) as answer:
            statuses.append(answer.status)

    assert statuses == [200, 503, 200]


async def test_an_order_is_shown_by_uuid_and_by_reference(door: Door) -> None:
    _, _, headers = await post(door, samples.order_body("SO-10045"))

    shown = []
    for path in (headers["Location"], "/orders/SO-10045", "/orders/SO-10045/"):
        async with door.get(path) as answer:
            shown.append(await answer.json())

    assert shown[0] == shown[1] == shown[2]
    assert (shown[0]["total"], shown[0]["items"][0]["unit_price"]) == ("350.00", "150.00")


async def test_orders_are_shown_to_holders_of_a_key_alone(
    guarded: Door, database: Database, env: dict[str, str]
) -> None:
    await steps.place(database, "SO-10045")
    settings = settings_from(env)
    _, key = await services.keys.create(database, settings, name="shop")
    statuses = []
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {key}"},
        {"X-API-Key": key},
    ):
        async with guarded.get("/orders/SO-10045", headers=headers) as answer:
            statuses.append(answer.status)

    assert statuses == [401, 401, 200, 200]


@pytest.mark.parametrize("path", ["/orders/nope", "/orders/%00", "/nowhere"])
async def test_what_is_not_there_is_a_problem(door: Door, path: str) -> None:
    async with door.get(path) as answer:
        problem = await answer.json(content_type=None)

    assert (answer.status, problem["status"]) == (404, 404)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_method_that_is_not_there_says_which_is(door: Door) -> None:
    async with door.put(PATH) as answer:
        status, allow = answer.status, answer.headers["Allow"]

    assert (status, allow) == (405, "POST")


async def test_a_request_meant_for_another_host_is_refused(door: Door) -> None:
    async with door.get("/healthz", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(("given", "kept"), [("shop-7", True), ("bad id\x7f", False), ("", False)])
async def test_every_answer_carries_a_correlation_id(door: Door, given: str, kept: bool) -> None:  # noqa: FBT001
    headers = {"Correlation-ID": given} if given.isprintable() else {}

    async with door.get("/healthz", headers=headers) as answer:
        returned = answer.headers["Correlation-ID"]

    assert (returned == given) is kept
    assert returned


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html,*/*;q=0.8", "application/json"),
        ("text/plain", "text/plain"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            "text/plain",
        ),
    ],
)
async def test_metrics_are_json_unless_a_prometheus_format_is_named(
    door: Door, accept: str | None, kind: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}

    async with door.get("/metrics", headers=headers) as answer:
        text = await answer.text()

    assert answer.content_type == kind
    assert answer.headers["Vary"] == "Accept"
    assert "orderbus_orders_accepted" in text
    assert "orderbus_outbox_oldest_unpublished_seconds" in text


async def test_json_metrics_have_the_shape_of_the_source_document(door: Door) -> None:
    async with door.get("/api/v1/metrics") as answer:
        metrics = (await answer.json())["metrics"]

    assert all(set(metric) == {"uuid", "count", "description"} for metric in metrics)


async def test_the_api_describes_itself_and_asks_no_other_host(door: Door) -> None:
    async with door.get("/openapi.json") as answer:
        described = await answer.json()
    assert door.app is not None
    routes = {
        route.resource.canonical for route in door.app.router.routes() if route.resource is not None
    }
    async with door.get("/docs") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]

    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == routes - {PATH.rstrip("/"), "/orders/{id}/"}
    assert "default-src 'none'" in policy
    assert "http://" not in page
    assert "https://" not in page


async def test_a_slow_sender_is_told_so(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbus.web.api.orders.READ_TIMEOUT", 0.2)
    began = time.monotonic()

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        import asyncio  # noqa: PLC0415

        await asyncio.sleep(30)
        yield b"}"

    headers = {"Content-Type": "application/json"}
    try:
        async with door.post(PATH, data=drip(), headers=headers) as answer:
            status = answer.status
    except aiohttp.ClientError:
        status = 408  # the connection was closed on the sender

    assert status == 408
    assert time.monotonic() - began < 10
