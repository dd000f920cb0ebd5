"""The description of the API and the API are one: every route is in it, and every answer it has."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from orderbus import errors, services
from orderbus.domain.rights import Scope
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web import app, openapi
from tests.conftest import settings_from
from tests.support import (
    catalog_samples,
    catalogue_calls,
    delivery_rows,
    identity_answers,
    job_calls,
    letter_rows,
    order_calls,
    samples,
    scenario,
)
from tests.support.api_client import JSON, PATH, Client, placed, serving
from tests.support.described import DESCRIBED, operations

NEW = {"user_id": "u", "products": [{"product_id": "p", "quantity": 1}], "amount": "1"}
FOREIGN = {"Origin": "http://evil.example"}
#: An order, the same, another content, and another order under the first one's key.
ONE_AFTER_ANOTHER = (("a", "SO-1", 350), ("b", "SO-1", 350), ("c", "SO-1", 1), ("a", "SO-2", 350))
#: Given where a dependency is away, where we fail, or where a sender is slow: other tests do that.
ELSEWHERE = {503, 500, 408}
#: Here 409 means only that the first request under a key is not answered yet.
ONLY_UNDER_WAY = {
    (name, 409)
    for name in (
        *("discard_dead_letter", "create_new_order", "begin_job", "place_shop_order"),
        *("add_product", "reserve_product", "ship_product"),
        *("add_endpoint", "disable_endpoint", "enable_endpoint"),
    )
}


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A front door that is open on this machine, and takes small bodies."""
    async with serving(settings.model_copy(update={"max_body": 5_000})) as client:
        yield client


@pytest.fixture
async def guarded(env: dict[str, str], database: Database) -> AsyncIterator[Client]:
    """A front door that wants signatures and API keys."""
    settings = settings_from(env, auth="required", webhook_secrets="shared")
    async with serving(settings) as client:
        yield client


def routes() -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation as it can be asked: its method, a path, and what is described of it."""
    values = {"{delivery}": "4711", "{id}": str(uuid4()), "{file}": "start.js", "{job}": "17"}
    values |= {"{letter}": "17", "{product}": "17", "{sku}": "tea", "{order}": "4711"}
    values |= {"{customer}": "4711", "{key}": "17"}
    return [
        (method, re.sub("{[a-z]+}", lambda name: values[name.group()], path), operation)
        for (method, path), operation in operations().items()
    ]


async def give_what_any_route_refuses(client: Client, guarded: Client, key: str) -> None:
    too_large = b'"' + b"x" * 6_000 + b'"'
    for method, path, operation in routes():
        await client.request(method, path, headers={"Host": "evil.example"})
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
        await client.request(method, path, headers=headers)
        await guarded.request(method, path, headers={"X-API-Key": key})
        if method != "GET":
            await client.request(method, path, headers=FOREIGN)
        if "requestBody" not in operation:
            await guarded.request(method, path)
            continue
        await guarded.request(method, path, data=b"{}", headers=JSON)
        packed = {"Content-Encoding": "gzip", **JSON, **headers}
        await client.request(method, path, data=b"{}", headers=packed)
        for data in (b"[", too_large):
            await client.request(method, path, data=data, headers={**JSON, **headers})


async def take_orders(client: Client) -> None:
    for path in (PATH, "/api/v1/orders"):
        for key, reference, total in ONE_AFTER_ANOTHER:
            body = samples.order_body(reference, total=total)
            await client.post(path, json=body, headers={"Idempotency-Key": key})
    for path, body in (("/api/v1/orders/new", NEW), ("/carts", {"total_amount": "1"})):
        first = await client.post(path, json=body, headers={"Idempotency-Key": path})
        assert first.status == 201, await first.text()
        await client.post(path, json={**body, "more": 1}, headers={"Idempotency-Key": path})
    await client.post("/api/v1/orders/new", json={**NEW, "amount": "much"})
    await client.get("/api/v1/orders/17/status")
    await client.get("/api/v1/orders?stauts=created")
    for (cart,) in [(await (await client.get("/carts")).json())["carts"]]:
        await client.put(f"/carts/{cart['uuid']}/checkout")


async def read_and_change(client: Client, database: Database, settings: Settings) -> None:
    never = settings.model_copy(update={"processor": "random", "processing_success_rate": 0.0})
    for root in ("/orders", "/api/v1/orders"):
        order = await placed(client)
        await scenario.go_on(database, never)
        one = f"{root}/{order['id']}"
        shown = await client.get(one)
        await client.get(one, headers={"If-None-Match": shown.headers["ETag"]})
        for view in ("/history", "/journey"):
            await client.get(f"{one}{view}")
        await client.get(f"/api/v1/orders/{order['id']}/status")
        for action in ("retry", "cancel"):
            key = {"Idempotency-Key": f"{action} {one}"}
            await client.post(f"{one}/{action}", headers={"If-Match": '"99"'})
            await client.post(f"{one}/{action}", headers=key)
            await client.post(f"{one}/{action}", headers=key, json={"reason": "another"})
            await client.post(f"{one}/{action}")
        await order_calls.move_and_change(client, root)
    for path in ("/docs", "/docs/start.js"):
        seen = await client.get(path)
        await client.get(path, headers={"If-None-Match": seen.headers["ETag"]})
    await client.get("/docs/nothing.js")
    await client.get("/", allow_redirects=False)


async def add_and_change_endpoints(client: Client, database: Database, settings: Settings) -> None:
    path, key = "/api/v1/webhook-endpoints", {"Idempotency-Key": "an endpoint"}
    url = "http://127.0.0.1:9/hooks"
    async with database.transaction() as connection:
        given = settings.model_copy(update={"webhook_outgoing_url": url})
        await services.built_in_endpoint.keep(connection, given, actor="test")
    built_in = (await (await client.get(path)).json())["items"][0]["id"]
    await client.patch(f"{path}/{built_in}", json={"url": url})
    await client.patch(f"{path}/{uuid4()}", json={})
    made = await client.post(path, json={"url": url}, headers=key)
    await client.post(path, json={"url": url, "trace": True}, headers=key)
    await client.get(f"{path}?state=on")
    one = f"{path}/{(await made.json())['id']}"
    await client.get(one)
    for change in ({"trace": True}, {"trace": "on"}):
        await client.patch(one, json=change)
    for act in ("disable", "enable", "rotate-secret"):
        key = {"Idempotency-Key": act}
        await client.post(f"{one}/{act}", headers=key)
        await client.post(f"{one}/{act}", headers=key, json={"reason": "another"})
    for _ in range(5):
        await client.post(f"{one}/rotate-secret")
    await client.post(f"{one}/test")
    await client.delete(one)


async def act_on_deliveries(client: Client, database: Database) -> None:
    await scenario.add_endpoint(database)
    await scenario.place(database, "SO-delivered")
    await scenario.come_back(database, *await scenario.events(database))
    root = "/api/v1/deliveries"
    listed = await (await client.get(root)).json()
    one = f"{root}/{listed['items'][0]['id']}"
    await client.get(one)
    for path in (f"{root}/x", f"{root}?order=nobody", f"{root}?cursor=x"):
        await client.get(path)
    for action in ("retry", "skip", "resend"):
        for key in (action, action, f"{action} again", f"{action} once more"):
            reason = {"reason": "x" if key == action else "y"}
            headers = {"Idempotency-Key": key}
            await client.post(f"{one}/{action}", json=reason, headers=headers)
        headers = {"Idempotency-Key": action}
        await client.post(f"{one}/{action}", json={"reason": "z"}, headers=headers)
        await client.post(f"{root}/4711/{action}", json={"reason": "z"})
    await client.post(f"{one}/skip", json={"reason": "not wanted"})
    await client.post(f"{one}/retry")


async def decide_about_letters(client: Client, database: Database) -> None:
    await scenario.add_endpoint(database)
    await scenario.come_back(database, *await scenario.events(database))
    await letter_rows.add_of_a_message(database, actor="count_event", error="x")
    await letter_rows.add_of_every_delivery(database)
    message, alive, *_ = [each["id"] for each in await letter_rows.every(database)]
    path, key = "/api/v1/dead-letters", {"Idempotency-Key": "a letter"}
    for query in ("", "?kind=all", "/groups", "/groups?kind=all", f"/{message}"):
        await client.get(f"{path}{query}")
    await client.post(f"{path}/{alive}/redrive")
    await client.post(f"{path}/{message}/redrive", headers=key)
    await client.post(f"{path}/{message}/redrive", headers=key, json={})
    await delivery_rows.give_up(database)
    await client.post(f"{path}/{alive}/redrive")
    key = {"Idempotency-Key": "another"}
    for note in ("a test", "another test"):
        await client.post(f"{path}/{message}/discard", headers=key, json={"note": note})
    await client.post(f"{path}/{message}/discard", json={"note": "decided before"})
    await client.post(f"{path}/4711/discard", json={"note": "there is none"})
    await client.post(f"{path}/4711/redrive")


async def test_every_answer_that_is_described_is_given_and_no_other(
    client: Client, guarded: Client, database: Database, settings: Settings
) -> None:
    """That none is given which is not described, every server of a test sees to itself."""
    nobodys = await services.api_keys.create(
        database, settings, name="x", actor="test", scopes=[Scope.STORE_WRITE]
    )
    await give_what_any_route_refuses(client, guarded, nobodys.key)
    await take_orders(client)
    await catalogue_calls.fill_carts(client, database)
    await read_and_change(client, database, settings)
    await job_calls.begin_and_move(client, database)
    await add_and_change_endpoints(client, database, settings)
    await act_on_deliveries(client, database)
    await decide_about_letters(client, database)
    await catalog_samples.ask_everything(client, database)
    await order_calls.place_in_the_shop(client, database)
    for headers in ({}, {"X-API-Key": nobodys.key}):
        await guarded.get("/api/catalog/products?active=false", headers=headers)
    await identity_answers.ask_everything(client, database)

    described = {
        (operation["operationId"], int(status))
        for operation in operations().values()
        for status in operation["responses"]
        if int(status) not in ELSEWHERE
    }
    assert (
        described - ONLY_UNDER_WAY - client.app[DESCRIBED].seen - guarded.app[DESCRIBED].seen
        == set()
    )


def test_every_route_has_a_summary_and_every_error_an_example_that_fits_its_schema() -> None:
    components = app.description()["components"]
    schema = {"$ref": "#/components/schemas/Problem", "components": components}

    for route in app.ROUTES:
        assert route.handler.__doc__, route.name
    for (method, path), operation in operations().items():
        for status, response in operation["responses"].items():
            problems = response["content"].get("application/problem+json", {"examples": {}})
            for code, example in problems["examples"].items():
                value = example["value"]
                jsonschema.validate(value, schema)
                assert value["type"] == f"/problems/{code.replace('_', '-')}", (method, path)
                assert (value["status"], value["title"]) == (
                    int(status),
                    HTTPStatus(int(status)).phrase,
                )


def test_each_example_of_a_request_fits_its_schema() -> None:
    components = app.description()["components"]

    for operation in operations().values():
        for kind in operation.get("requestBody", {}).get("content", {}).values():
            jsonschema.validate(kind["example"], {**kind["schema"], "components": components})


def test_an_operation_is_named_once() -> None:
    names = [operation["operationId"] for operation in operations().values()]

    assert len(names) == len(set(names))


def test_every_header_and_way_to_sign_that_is_used_is_explained() -> None:
    document = json.dumps(app.description())

    for name in ("Location", "ETag", "Idempotent-Replayed", "Retry-After", "traceparent"):
        assert f'"{name}": {{"$ref"' in document, name
    for name in ("X-Webhook-Signature", "X-Shopify-Hmac-SHA256", "webhook-signature", "bearer"):
        assert f'"{name}": []' in document, name
    assert openapi.document(app.ROUTES)["components"]["headers"]["Retry-After"]["description"]
    assert errors.UnderWay.retry_after is not None
