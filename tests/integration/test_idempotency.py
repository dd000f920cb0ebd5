"""A request with an Idempotency-Key is done once, and answered the same ever after."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import idempotency_rows, order_rows, samples, scenario
from tests.support.api_client import Client, problem, serving


async def post(
    client: Client, key: str | None, body: dict[str, Any] | None = None
) -> aiohttp.ClientResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    json = body or samples.order_body("SO-10045")
    return await client.post("/api/v1/orders", json=json, headers=headers)


async def test_the_stored_answer_comes_back_byte_for_byte_and_says_so(client: Client) -> None:
    first = await post(client, "k")
    again = await post(client, "k")

    assert (again.status, await again.read()) == (first.status, await first.read())
    for name in ("Location", "ETag", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_it_comes_back_even_when_the_order_has_changed_since(client: Client) -> None:
    first = await post(client, "k")
    order = await first.json()
    await client.post(f"/orders/{order['id']}/cancel")

    assert await (await post(client, "k")).json() == order


async def test_a_key_that_is_required_and_missing_is_a_400(client: Client) -> None:
    refused = await problem(await post(client, None), 400, "invalid")

    assert refused["faults"][0]["code"] == "idempotency_key_required"


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "tab\there"])
async def test_a_key_that_is_none_is_a_400(client: Client, key: str) -> None:
    await problem(await post(client, key), 400, "invalid")


async def test_a_key_that_comes_back_with_another_content_is_a_422(
    client: Client, database: Database
) -> None:
    await post(client, "k")

    await problem(
        await post(client, "k", samples.order_body("SO-2")), 422, "idempotency-key-reused"
    )
    assert await order_rows.count(database) == 1


async def test_a_key_that_comes_back_on_another_path_is_a_422(client: Client) -> None:
    order = await (await post(client, "k")).json()

    cancelled = await client.post(f"/orders/{order['id']}/cancel", headers={"Idempotency-Key": "k"})

    await problem(cancelled, 422, "idempotency-key-reused")


async def test_a_key_whose_first_request_is_under_way_is_a_409_with_retry_after(
    client: Client, database: Database
) -> None:
    async with database.connection() as connection:
        first = connection.transaction()
        await first.start()
        await storage.idempotency.begin(
            connection, scope="loopback", key="k", fingerprint=b"the first"
        )
        response = await post(client, "k")
        await first.rollback()

    await problem(response, 409, "under-way")
    assert response.headers["Retry-After"] == "1"
    assert (await post(client, "k")).status == 201  # the first was never finished


async def test_a_refusal_leaves_the_key_free(client: Client, database: Database) -> None:
    await problem(await post(client, "k", samples.order_body(items=[])), 400, "invalid")
    await scenario.place(database, "SO-10045", total=1)
    conflict = await post(client, "other")

    assert (await post(client, "k", samples.order_body("SO-3"))).status == 201
    assert conflict.status == 201  # another door, so another namespace of references


async def test_100_identical_posts_at_once_with_one_key_make_one_order(
    client: Client, database: Database
) -> None:
    async def until_answered() -> Any:
        while (response := await post(client, "k")).status == 503:
            pass  # a hundred at once may wait too long for a connection
        return response

    responses = await asyncio.gather(*(until_answered() for _ in range(100)))

    answers = {await response.read() for response in responses if response.status == 201}
    assert {response.status for response in responses} <= {201, 409}
    assert len(answers) == 1
    assert await order_rows.count(database) == 1


async def test_the_keys_of_one_caller_are_not_those_of_another(
    settings: Settings, database: Database
) -> None:
    key = (await services.api_keys.create(database, settings, name="shop", actor="command:ann")).key
    async with serving(settings) as client:
        await post(client, "k")
        other = await client.post(
            "/api/v1/orders",
            json=samples.order_body("SO-2"),
            headers={"Idempotency-Key": "k", "X-API-Key": key},
        )

    assert other.status == 201


async def test_answers_are_let_go_after_a_while(
    client: Client, database: Database, settings: Settings
) -> None:
    await post(client, "old")
    await idempotency_rows.grow_old(database, days=3)
    await post(client, "young", samples.order_body("SO-2"))

    await services.retention.tick(database, settings)

    assert await idempotency_rows.kept(database) == ["young"]
