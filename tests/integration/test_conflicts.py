"""Two orders under one reference: the first stays, and an operator sees that there was another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from orderbus.settings import Settings
from orderbus.storage.conflicts import MOST
from orderbus.storage.database import Database
from tests.support import conflict_rows, event_rows, order_rows, samples
from tests.support.api_client import PATH, Client, post, problem, serving
from tests.support.commands import answered, typed

ACCEPTED = {"ok": True, "order_id": "SO-10045"}


@pytest.fixture
async def keeping(settings: Settings) -> AsyncIterator[Client]:
    """A front door that keeps the first order and says yes to the second."""
    async with serving(settings.model_copy(update={"ingress_on_conflict": "accept"})) as client:
        yield client


async def send(client: Client, **changes: Any) -> aiohttp.ClientResponse:
    return await client.post(PATH, json=samples.order_body("SO-10045", **changes))


async def conflicts(client: Client) -> list[dict[str, Any]]:
    told = await (await client.get("/orders/SO-10045/history")).json()
    found: list[dict[str, Any]] = told["conflicts"]
    return found


async def test_another_content_is_refused_and_both_are_in_the_orders_history(
    client: Client, database: Database
) -> None:
    await send(client)
    assert await conflicts(client) == []

    refused = await send(client, total=351)
    await problem(refused, 409, "conflict")

    (found,) = await conflicts(client)
    assert len(found["kept_hash"]) == len(found["content_hash"]) == 64
    assert found["kept_hash"] != found["content_hash"]
    assert found["first_at"] == found["last_at"]
    assert {name: found[name] for name in ("total", "lines", "answered", "actor", "times")} == {
        "total": "351.00",
        "lines": 2,
        "answered": "refused",
        "actor": "webhook",
        "times": 1,
    }
    assert found["request_id"] == refused.headers["Correlation-ID"]
    assert await order_rows.totals(database) == ["350.00"]
    assert await event_rows.count(database) == 1


async def test_a_sender_that_would_repeat_for_ever_is_told_yes_and_the_first_is_kept(
    keeping: Client, database: Database
) -> None:
    first = await send(keeping)
    other = await send(keeping, total=351)
    same = await send(keeping)

    assert (first.status, other.status, same.status) == (201, 200, 200)
    assert [await each.json() for each in (first, other, same)] == [ACCEPTED] * 3
    assert other.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in other.headers
    assert same.headers["Idempotent-Replayed"] == "true"
    assert await order_rows.totals(database) == ["350.00"]
    assert await event_rows.count(database) == 1
    assert [one["answered"] for one in await conflicts(keeping)] == ["kept_first"]


async def test_who_repeats_one_content_is_counted_and_fills_nothing(
    client: Client, keeping: Client, database: Database
) -> None:
    await send(client)
    for door in (client, keeping, client):
        await send(door, total=351)
    await asyncio.gather(*(send(keeping, total=351) for _ in range(10)))

    (found,) = await conflicts(client)
    assert (found["times"], found["answered"]) == (13, "kept_first")
    assert found["first_at"] < found["last_at"]
    assert await conflict_rows.count(database) == 1


async def test_of_ever_new_contents_the_first_are_kept(keeping: Client, database: Database) -> None:
    await send(keeping)
    for total in range(MOST + 5):
        assert (await send(keeping, total=total)).status == 200

    found = await conflicts(keeping)
    assert [one["total"] for one in found] == [f"{total}.00" for total in range(MOST)]
    await send(keeping, total=0)
    assert (await conflicts(keeping))[0]["times"] == 2
    assert await conflict_rows.count(database) == MOST


async def test_a_key_holder_is_always_refused_and_leaves_the_conflict_and_no_key(
    keeping: Client,
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = samples.order_body("SO-10045")
    await keeping.post("/api/v1/orders", json=body, headers={"Idempotency-Key": "first"})

    other = {**body, "total": 351}
    refused = await keeping.post("/api/v1/orders", json=other, headers=key)
    await problem(refused, 409, "conflict")
    again = await keeping.post("/api/v1/orders", json=other, headers=key)
    await problem(again, 409, "conflict")

    (found,) = await conflicts(keeping)
    assert (found["actor"], found["times"]) == ("loopback", 2)


async def test_the_command_lists_conflicts_of_all_orders_the_newest_first(
    keeping: Client, client: Client, env: dict[str, str]
) -> None:
    await send(client)
    await send(keeping, total=351)
    await send(client, total=352)

    listed = await answered(env, "conflicts", "list")
    behind = await answered(env, "conflicts", "list", "--until", listed[0]["last_at"])
    none = await typed(env, "conflicts", "list", "--until", listed[-1]["last_at"])

    assert [(each["other_total"], each["answered"]) for each in listed] == [
        ("352.00", "refused"),
        ("351.00", "kept_first"),
    ]
    assert {(each["external_ref"], each["kept_total"]) for each in listed} == {
        ("SO-10045", "350.00")
    }
    assert behind == listed[1:]
    assert none.output == "No other content came for any order.\n"


async def test_a_key_that_stands_for_another_order_is_refused_whatever_is_set(
    keeping: Client, database: Database
) -> None:
    """To say yes would lose an order that nobody has."""
    await post(keeping, Idempotency_Key="k")

    response = await keeping.post(
        PATH, json=samples.order_body("SO-2"), headers={"Idempotency-Key": "k"}
    )

    await problem(response, 422, "idempotency-key-reused")
    assert await conflict_rows.count(database) == 0
