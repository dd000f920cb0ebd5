"""Endpoints over HTTP: the same acts as the commands', once each, with who did it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from orderbus import services, storage
from orderbus.egress.session import Session
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import endpoint_rows, scenario
from tests.support.api_client import Client, problem, serving
from tests.support.receiver import Receiver
from tests.support.scenario import deliver

ALL = "/api/v1/webhook-endpoints"
NOWHERE = "http://127.0.0.1:9/hooks"


async def added(client: Client, **members: Any) -> dict[str, Any]:
    response = await client.post(ALL, json={"url": NOWHERE, **members})
    assert response.status == 201, await response.text()
    endpoint: dict[str, Any] = await response.json()
    assert response.headers["Location"] == f"{ALL}/{endpoint['id']}"
    return endpoint


async def actions(database: Database) -> list[tuple[str, str]]:
    found = await database.ask(storage.audit.list_newest, at_most=100)
    return [(entry.actor, entry.action) for entry in reversed(found)]


async def test_an_endpoint_is_added_with_its_secret_and_shown_without(
    client: Client, database: Database
) -> None:
    made = await added(client, headers={"Authorization": "Bearer s3cret"}, trace=True)
    shown = await (await client.get(f"{ALL}/{made['id']}")).json()
    listed = await (await client.get(ALL)).json()

    assert made.pop("secret") in await endpoint_rows.secrets(database)
    assert made.pop("warning") is None
    assert shown == made == listed["items"][0]
    assert shown["headers"] == ["Authorization"]
    assert "s3cret" not in str(listed)
    assert await actions(database) == [("loopback", "endpoint.added")]


async def test_the_same_key_adds_one_endpoint_and_shows_the_same_secret(client: Client) -> None:
    key = {"Idempotency-Key": "add-1"}

    both = [await client.post(ALL, json={"url": NOWHERE}, headers=key) for _ in range(2)]

    assert [response.status for response in both] == [201, 201]
    assert (await both[0].json()) == (await both[1].json())
    assert len((await (await client.get(ALL)).json())["items"]) == 1


async def test_a_list_is_given_in_pages_from_the_oldest_on(
    client: Client, database: Database
) -> None:
    ids = [str(await scenario.add_endpoint(database, NOWHERE)) for _ in range(5)]

    seen, cursor = [], ""
    while cursor is not None:
        after = f"&cursor={cursor}" if cursor else ""
        page = await (await client.get(f"{ALL}?limit=2{after}")).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert seen == ids
    for query in ("cursor=x", "cursor=eA==", "limit=0", "limit=101", "state=on"):
        await problem(await client.get(f"{ALL}?{query}"), 400, "invalid")


async def test_it_is_changed_disabled_enabled_and_removed(
    client: Client, database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    made = await added(client)
    one = f"{ALL}/{made['id']}"
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))

    disabled = await (await client.post(f"{one}/disable", json={"reason": "they move"})).json()
    change = {"url": receiver.url, "events": ["order.created"], "headers": {"X-A": "1"}}
    changed = await (await client.patch(one, json=change)).json()
    again = await (await client.patch(one, json={"headers": {"x-a": None}, "trace": True})).json()
    enabled = await (await client.post(f"{one}/enable")).json()
    await deliver(database, http, settings)
    removed = await (await client.delete(one)).json()

    assert (disabled["disabled_reason"], disabled["held"]) == ("they move", 1)
    assert (changed["url"], changed["events"]) == (receiver.url, ["order.created"])
    assert (changed["headers"], again["headers"], again["trace"]) == (["X-A"], [], True)
    assert (enabled["disabled_at"], enabled["pending"]) == (None, 1)
    assert len(receiver.accepted) == 1
    assert removed == {"id": made["id"], "skipped": 0}
    await problem(await client.get(one), 404, "not-found")
    assert [action for _, action in await actions(database)] == [
        "endpoint.added",
        "endpoint.disabled",
        "endpoint.changed",
        "endpoint.changed",
        "endpoint.enabled",
        "endpoint.removed",
    ]


async def test_a_rotation_is_answered_once_under_its_key(
    client: Client, database: Database
) -> None:
    made = await added(client)
    one, key = f"{ALL}/{made['id']}/rotate-secret", {"Idempotency-Key": "rotate-1"}

    both = [await (await client.post(one, headers=key)).json() for _ in range(2)]
    dropped = await (await client.post(one, json={"keep": 0})).json()

    assert both[0] == both[1]
    assert both[0]["old_until"] is not None
    assert dropped["old_until"] is None
    assert await endpoint_rows.secrets(database) == [dropped["secret"]]


async def test_a_sample_is_sent_and_judged(client: Client, receiver: Receiver) -> None:
    made = await added(client, url=receiver.url)
    receiver.answers = [204, 503]

    taken, failed = [await (await client.post(f"{ALL}/{made['id']}/test")).json() for _ in range(2)]

    (request, _) = receiver.requests
    assert Webhook(made["secret"]).verify(request.content.decode(), request.headers)
    assert (taken["delivered"], taken["status"]) == (True, 204)
    assert (failed["delivered"], failed["status"], failed["error"]) == (False, 503, None)
    assert failed["meaning"]


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"url": "ftp://shop.example/"},
        {"url": "http://10.0.0.7/"},
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "http://[::ffff:10.0.0.1]/"},
        {"url": "http://127.0.0.1/\r\nX: 1"},
        {"url": "http://127.0.0.1/" + "x" * 3000},
        {"url": "http://\x00/"},
        {"url": 7},
        {"url": NOWHERE, "events": ["\ud800"]},
        {"url": NOWHERE, "events": ["order.*"] * 21},
        {"url": NOWHERE, "headers": {"Host": "evil"}},
        {"url": NOWHERE, "headers": {"X-A": "1\r\nHost: evil"}},
        {"url": NOWHERE, "headers": {"X-A": None}},
        {"url": NOWHERE, "headers": {"X-A": "1", "x-a": "2"}},
        {"url": NOWHERE, "format": "xml"},
        {"url": NOWHERE, "format": "source1", "events": ["order.*"]},
        {"url": NOWHERE, "secret": "whsec_x"},
        {"url": NOWHERE, "secret": "whsec_\u0000"},
        {"url": NOWHERE, "trace": "yes"},
        {"url": NOWHERE, "owner": "me"},
    ],
    ids=ascii,
)
async def test_what_cannot_work_is_refused_and_nothing_is_added(
    client: Client, database: Database, members: dict[str, Any]
) -> None:
    read = await problem(await client.post(ALL, json=members), 400, "invalid")

    assert read["faults"]
    assert await database.ask(storage.endpoint_lists.list_all) == []


async def test_nobody_is_found_under_an_id_that_is_none(client: Client) -> None:
    for endpoint in (uuid4(), "x", "7", "%00"):
        one = f"{ALL}/{endpoint}"
        await problem(await client.get(one), 404, "not-found")
        await problem(await client.patch(one, json={}), 404, "not-found")
        await problem(await client.delete(one), 404, "not-found")
        for act in ("disable", "enable", "rotate-secret", "test"):
            await problem(await client.post(f"{one}/{act}"), 404, "not-found")


async def test_who_acts_is_the_key_and_without_one_nobody_does(
    env: dict[str, str], database: Database
) -> None:
    settings = settings_from(env, auth="required", webhook_secrets="shared")
    made = await services.api_keys.create(
        database, settings, name="back office", actor="command:ann"
    )
    async with serving(settings) as client:
        await problem(await client.get(ALL), 401, "unauthenticated")
        await problem(await client.post(ALL, json={"url": NOWHERE}), 401, "unauthenticated")
        headers = {"Authorization": f"Bearer {made.key}"}
        response = await client.post(ALL, json={"url": NOWHERE}, headers=headers)

    assert response.status == 201
    assert (f"key {made.id} back office", "endpoint.added") in await actions(database)


async def test_what_settings_say_is_a_conflict(
    client: Client, database: Database, settings: Settings
) -> None:
    given = settings.model_copy(update={"webhook_outgoing_url": NOWHERE})
    async with database.transaction() as connection:
        await services.built_in_endpoint.keep(connection, given, actor="command:test")
    one = f"{ALL}/{await endpoint_rows.only_id(database)}"

    await problem(await client.patch(one, json={"events": ["*"]}), 409, "conflict")
    assert (await client.patch(one, json={"trace": True})).status == 200
