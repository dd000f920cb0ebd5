"""Deliveries over HTTP: the same lists and the same acts as typed, by the holder of a key."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from orderbus import storage
from orderbus.storage.database import Database
from orderbus.storage.delivery_views import STATES
from tests.support import delivery_rows, endpoint_rows, many_rows, scenario
from tests.support.api_client import Client, problem
from tests.support.delivery_line import line_of, noted

ROOT = "/api/v1/deliveries"


async def pages(client: Client, query: str) -> list[dict[str, Any]]:
    """Read a list to its end."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        response = await client.get(f"{ROOT}?limit=7{query}{cursor}")
        assert response.status == 200, await response.text()
        page = await response.json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_every_state_is_listed_page_by_page(client: Client, database: Database) -> None:
    much, little = [await scenario.add_endpoint(database) for _ in range(2)]
    async with database.connection() as connection:
        await many_rows.deliveries_in_every_state(connection, much, little, 120)
    await endpoint_rows.disable(database, only=little)
    every = await pages(client, "")

    for state in STATES:
        listed = await pages(client, f"&state={state}")
        assert {each["id"] for each in listed} == {
            each["id"] for each in every if each["state"] == state
        }
        assert len(listed) == len({each["id"] for each in listed}) > 0
    few = await pages(client, f"&state=pending&status=503&endpoint_id={much}")
    assert {(each["last_status"], each["endpoint_id"]) for each in few} == {(503, str(much))}


async def test_one_is_shown_with_its_attempts_and_acted_on_in_the_name_of_the_caller(
    client: Client, database: Database
) -> None:
    first, second = await line_of(database, "https://shop.example/", events=2)
    skipped = await client.post(f"{ROOT}/{first}/skip", json={"reason": "agreed with them"})
    shown = await (await client.get(f"{ROOT}/{first}")).json()

    assert skipped.status == 200
    (entry,) = await noted(database)
    assert (entry[0], entry[2], entry[3]) == ("delivery.skipped", str(first), "agreed with them")
    assert (shown["state"], shown["decided_by"]) == ("skipped", entry[1])
    assert (shown["decided_reason"], shown["attempts_made"]) == ("agreed with them", [])
    assert await scenario.due(database) == [second]


async def test_a_key_that_comes_back_does_it_once(client: Client, database: Database) -> None:
    (delivery,) = await line_of(database, "https://shop.example/", events=1)
    await delivery_rows.give_up(database)
    key = {"Idempotency-Key": "once"}

    first, again = [
        await client.post(f"{ROOT}/{delivery}/retry", headers=key, json={"reason": "back"})
        for _ in range(2)
    ]

    assert (first.status, again.status) == (200, 200)
    assert await first.read() == await again.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await noted(database)) == 1


async def test_what_waits_or_is_settled_is_refused_and_what_is_under_way_may_be_asked_again(
    client: Client, database: Database
) -> None:
    first, second = await line_of(database, "https://shop.example/", events=2)
    waits = await client.post(f"{ROOT}/{second}/retry")
    refused = await problem(waits, 409, "conflict")
    assert f"waits behind delivery {first}" in refused["detail"]

    assert await scenario.claim(database, first) is not None
    busy = await client.post(f"{ROOT}/{first}/skip", json={"reason": "x"})
    await problem(busy, 503, "unavailable")
    assert busy.headers["Retry-After"] == "1"


HOSTILE = [
    "state=dead&state=pending",
    "state=%00",
    "state=owed",
    "endpoint_id=x",
    "status=5e2",
    "status=%D9%A5%D9%A0%D9%A0",
    "status=600",
    "error=%00",
    "order=",
    "since=yesterday",
    "until=2026-01-01T00:00:00",
    "limit=0",
    "limit=101",
    "later=1",
    "order_pk=1",
    *(
        f"state=dead&cursor={base64.urlsafe_b64encode(text.encode()).decode()}"
        for text in ('["1"]', "{}", "[[[[", '["2026-01-01T00:00:00+00:00", 1]', "null", '[1e9,"2"]')
    ),
    "cursor=%F0%9F%A6%91",
    "cursor=" + "W1tb" * 60,
]


@pytest.mark.parametrize("query", HOSTILE)
async def test_a_filter_or_a_cursor_that_is_none_is_refused(client: Client, query: str) -> None:
    await problem(await client.get(f"{ROOT}?{query}"), 400, "invalid")


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"reason": null}', b'{"reason": ""}', b'{"why": "x"}', b"{}", b""]
)
async def test_nothing_is_skipped_without_a_reason(
    client: Client, database: Database, body: bytes
) -> None:
    (delivery,) = await line_of(database, "https://shop.example/", events=1)
    path, headers = f"{ROOT}/{delivery}/skip", {"Content-Type": "application/json"}

    await problem(await client.post(path, data=body, headers=headers), 400, "invalid")

    found = await database.ask(storage.delivery_views.get, delivery)
    assert found.state == "pending"


@pytest.mark.parametrize("name", ["x", "-1", "0", "9" * 19, "1.0", "%00", "\u0661"])
async def test_what_is_no_number_of_a_delivery_is_not_found(client: Client, name: str) -> None:
    await problem(await client.get(f"{ROOT}/{name}"), 404, "not-found")
    await problem(await client.post(f"{ROOT}/{name}/retry"), 404, "not-found")
