"""Dead letters over HTTP: found, shown and decided about as by command, with the actor kept."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from orderbus import storage
from orderbus.storage.database import Database
from orderbus.storage.dead_letters import FailedMessage
from tests.support import audit_rows, delivery_rows, letter_rows, scenario
from tests.support.api_client import Client, problem

PATH = "/api/v1/dead-letters"


async def deliveries(database: Database) -> list[int]:
    """Leave a dead letter of a delivery of each of three orders."""
    await scenario.add_endpoint(database)
    for number in range(3):
        await scenario.place(database, f"SO-{number}")
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    return [letter["id"] for letter in await letter_rows.every(database)]


async def read(client: Client, path: str) -> Any:
    response = await client.get(f"{PATH}{path}")
    assert response.status == 200, await response.text()
    return await response.json()


async def test_letters_are_listed_page_by_page_grouped_and_shown(
    client: Client, database: Database
) -> None:
    ids = await deliveries(database)

    first = await read(client, "?limit=2")
    second = await read(client, f"?limit=2&cursor={first['next_cursor']}")
    (of_order,) = (await read(client, "?order=SO-1&kind=delivery"))["items"]
    groups = await read(client, "/groups?limit=5")
    shown = await read(client, f"/{ids[1]}")

    assert [each["id"] for each in (*first["items"], *second["items"])] == ids
    assert second["next_cursor"] is None
    assert (of_order["id"], of_order["external_ref"]) == (ids[1], "SO-1")
    assert of_order["url"]
    assert [(each["count"], each["example"]) for each in groups["groups"]] == [(3, ids[0])]
    assert (groups["letters"], groups["is_complete"]) == (3, True)
    assert (shown["resolution"], shown["data"]) == (None, None)


async def test_what_was_decided_is_decided_once_and_says_by_whom(
    client: Client, database: Database
) -> None:
    one, two, _ = await deliveries(database)

    redriven = await client.post(f"{PATH}/{one}/redrive", headers={"Idempotency-Key": "k"})
    again = await client.post(f"{PATH}/{one}/redrive", headers={"Idempotency-Key": "k"})
    twice = await client.post(f"{PATH}/{one}/redrive")
    discarded = await client.post(f"{PATH}/{two}/discard", json={"note": "a test"})

    assert await redriven.json() == {"id": one, "resolution": "redriven", "held_by": None}
    assert again.headers["Idempotent-Replayed"] == "true"
    told = await problem(twice, 409, "conflict")
    assert re.fullmatch(rf"Dead letter {one} was redriven at \S+ \S+ UTC by \S.*", told["detail"])
    assert (await discarded.json())["resolution"] == "discarded"
    kept = await letter_rows.every(database)
    assert [each["resolution"] for each in kept] == ["redriven", "discarded", None]
    acts = await audit_rows.acts(database)
    assert [(each.action, each.subject_id, each.reason) for each in acts] == [
        ("dead_letter.discarded", str(two), "a test"),
        ("dead_letter.redriven", str(one), None),
    ]


async def test_a_message_that_has_to_be_sent_is_sent_by_a_job(
    client: Client, database: Database
) -> None:
    hostile = b"\x00\xff" * 524_288
    failed = FailedMessage("m", "x", "\u202e", hostile, {"a": "b"})
    async with database.connection() as connection:
        await storage.dead_letters.add(connection, "pubsub", [failed])
    letter = await letter_rows.only_id(database)

    shown = await read(client, f"/{letter}")
    answer = await client.post(f"{PATH}/{letter}/redrive")

    job = await answer.json()
    assert (answer.status, job["kind"], job["total"]) == (202, "redrive_dead_letters", 1)
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert base64.b64decode(shown["data"]) == hostile
    assert (await letter_rows.only(database))["resolution"] is None


@pytest.mark.parametrize(
    "query",
    [
        "kind=all",
        "endpoint_id=7",
        "order=",
        "order=%00",
        "subject=a%00",
        "error=%0a",
        "created_at__gte=yesterday",
        "limit=0",
        "cursor=x",
        "id=7",
        "kind=message&kind=message",
    ],
)
async def test_a_filter_that_means_nothing_is_refused(client: Client, query: str) -> None:
    await problem(await client.get(f"{PATH}?{query}"), 400, "invalid")


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": None}, {"note": "a\0b"}, {"why": "x"}])
async def test_nothing_is_discarded_without_a_reason(client: Client, body: Any) -> None:
    await problem(await client.post(f"{PATH}/7/discard", json=body), 400, "invalid")


async def test_many_are_decided_about_as_a_job(client: Client, database: Database) -> None:
    await deliveries(database)
    body = {"kind": "discard_dead_letters", "filter": {"order": "SO-1", "note": "a test"}}

    counted = await client.post("/api/v1/jobs", json={**body, "dry_run": True})
    begun = await client.post("/api/v1/jobs", json=body)
    no_note = await client.post("/api/v1/jobs", json={**body, "filter": {"order": "SO-1"}})

    assert (await counted.json())["total"] == 1
    assert (begun.status, (await begun.json())["total"]) == (201, 1)
    await problem(no_note, 400, "invalid")
