"""Operators change endpoints by command, while webhooks go on."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services, storage
from orderbus.egress.session import Session
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import (
    audit_rows,
    delivery_rows,
    endpoint_changes,
    endpoint_rows,
    samples,
    scenario,
)
from tests.support.commands import answered, typed
from tests.support.receiver import Receiver
from tests.support.scenario import deliver, one_due


async def orders(database: Database, count: int) -> None:
    """Place so many orders, and bring their events back."""
    for _ in range(count):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))


async def entries(database: Database) -> list[tuple[str, str | None]]:
    """What was done, the oldest first, and why."""
    found = await audit_rows.acts(database)
    return [(entry.action, entry.reason) for entry in reversed(found)]


async def test_headers_and_traceparent_arrive_and_values_are_shown_nowhere(
    database: Database, settings: Settings, http: Session, receiver: Receiver, env: dict[str, str]
) -> None:
    headers = ("--header", "Authorization: Bearer s3cret", "--header", "User-Agent: shop/1")
    made = await answered(env, "endpoints", "add", receiver.url, *headers, "--trace")
    await scenario.place(database)
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    async with database.connection() as connection:
        await services.orders.accept(connection, samples.order(), traceparent=traceparent)
    await scenario.come_back(database, *await scenario.events(database))
    await deliver(database, http, settings)
    listed = await typed(env, "endpoints", "list", "--json")
    changed = await typed(
        env, "endpoints", "set-headers", made["id"], "--drop", "authorization", "--header", "X-A: 2"
    )
    await answered(env, "endpoints", "set-trace", made["id"], "off")
    await orders(database, 1)
    await deliver(database, http, settings)

    first, second, last = (request.headers for request in receiver.requests)
    assert first["authorization"] == second["authorization"] == "Bearer s3cret"
    assert first["user-agent"] == "shop/1"
    assert {first.get("traceparent"), second.get("traceparent")} == {None, traceparent}
    assert last["x-a"] == "2"
    assert {"authorization", "traceparent"} & set(last) == set()
    assert json.loads(listed.output)[0]["headers"] == ["Authorization", "User-Agent"]
    assert "s3cret" not in listed.output + changed.output + await audit_rows.written(database)


async def test_what_is_owed_follows_the_url_and_is_due_now(
    database: Database, settings: Settings, http: Session, receiver: Receiver, env: dict[str, str]
) -> None:
    async with Receiver().listening() as away:
        await one_due(database, away.url)
        away.answers = [500]
        await deliver(database, http, settings)
    endpoint = await endpoint_rows.only_id(database)

    said = await answered(env, "endpoints", "set-url", endpoint, receiver.url, "--reason", "moved")
    await deliver(database, http, settings)

    assert said["url"] == receiver.url
    assert len(receiver.accepted) == 1
    assert await delivery_rows.states(database) == ["delivered"]
    assert await entries(database) == [("endpoint.changed", "moved")]


async def test_other_events_are_for_what_comes_back_later(
    database: Database, settings: Settings, http: Session, receiver: Receiver, env: dict[str, str]
) -> None:
    await one_due(database, receiver.url)
    endpoint = await endpoint_rows.only_id(database)

    await answered(env, "endpoints", "set-events", endpoint, "order.failed", "order.completed")
    await orders(database, 1)
    await deliver(database, http, settings)

    assert [request.body["type"] for request in receiver.accepted] == ["order.created"]


async def test_a_disabled_endpoint_is_told_nothing_and_what_it_is_owed_is_held(
    database: Database, settings: Settings, http: Session, receiver: Receiver, env: dict[str, str]
) -> None:
    await one_due(database, receiver.url)
    endpoint = await endpoint_rows.only_id(database)

    disabled = await answered(env, "endpoints", "disable", endpoint, "--reason", "they move")
    again = await answered(env, "endpoints", "disable", endpoint, "--reason", "another")
    await deliver(database, http, settings)
    (listed,) = await answered(env, "endpoints", "list")
    told_meanwhile = len(receiver.requests)
    enabled = await answered(env, "endpoints", "enable", endpoint)
    await deliver(database, http, settings)

    assert disabled == again == {"id": str(endpoint), "held": 1}
    assert (listed["disabled_reason"], listed["held"], listed["pending"]) == ("they move", 1, 0)
    assert told_meanwhile == 0
    assert enabled["released"] == 1
    assert len(receiver.accepted) == 1
    assert await entries(database) == [
        ("endpoint.disabled", "they move"),
        ("endpoint.enabled", None),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "http://10.0.0.7/hooks"), "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS"),
        (("add", "http://169.254.169.254/latest"), "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS"),
        (("add", "http://[fd00::1]/"), "fd00::1/128"),
        (("add", "ftp://shop.example/"), "http:// or https://"),
        (("add", "http://me:pw@127.0.0.1/"), "user name or password"),
        (("add", "http://127.0.0.1/", "--header", "Host: evil"), "cannot be given"),
        (("add", "http://127.0.0.1/", "--header", "X-A: 1\r\nX-B: 2"), "is refused"),
        (("add", "http://127.0.0.1/", "--events", "Order"), "no pattern"),
        (("add", "http://127.0.0.1/", "--secret", "whsec_x"), "whsec_ followed by base64"),
        (
            ("add", "http://127.0.0.1/", "--format", "source1", "--events", "order.*"),
            "order.created and order.processed",
        ),
        (("set-url", "{id}", "http://10.0.0.7/"), "10.0.0.7/32"),
        (("set-events", "{id}", "order.created", "nothing at all"), "no pattern"),
        (("set-format", "{id}", "source1"), "order.created and order.processed"),
        (("set-headers", "{id}", "--header", "webhook-id: 1"), "cannot be given"),
        (("rotate-secret", "{id}", "--secret", "short"), "whsec_ followed by base64"),
        (("rotate-secret", "{id}", "--keep", "31d"), "0 to 30 days"),
        (("disable", str(uuid4())), "No endpoint"),
        (("test", str(uuid4())), "No endpoint"),
        (("rotate-secret", str(uuid4())), "No endpoint"),
    ],
)
async def test_what_cannot_work_is_refused_in_words_and_changes_nothing(
    database: Database, env: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    endpoint = await scenario.add_endpoint(database, "http://127.0.0.1:9/", events=["order.*"])
    before = await database.ask(storage.endpoint_lists.list_all)

    done = await typed(env, "endpoints", *(word.format(id=endpoint) for word in words))

    assert done.exit_code == 1, done.output
    assert said in done.stderr
    assert await database.ask(storage.endpoint_lists.list_all) == before
    assert await entries(database) == []


async def test_a_name_that_has_no_address_yet_is_a_warning(
    database: Database, env: dict[str, str]
) -> None:
    done = await typed(env, "endpoints", "add", "https://nobody.invalid/hooks")

    assert done.exit_code == 0, done.output
    assert "warning: nobody.invalid" in done.stderr
    assert len(await database.ask(storage.endpoint_lists.list_all)) == 1


async def test_source1_is_told_of_its_two_events_in_its_own_words(
    database: Database, settings: Settings, http: Session, receiver: Receiver, env: dict[str, str]
) -> None:
    await answered(env, "endpoints", "add", receiver.url, "--format", "source1")
    placed = await scenario.place(database, "SO-10045")
    await scenario.go_on(database, settings)
    await deliver(database, http, settings)

    created, processed = (request.content for request in receiver.accepted)
    about: Any = json.loads(created)
    assert created == json.dumps(about).encode()
    assert (about["order_id"], about["amount"]) == (str(placed.order_id), 350.0)
    assert about["products"][0] == {"product_id": "ABC123", "quantity": 2}
    told = json.loads(processed)
    assert list(told) == ["order_id", "status", "error_message", "processed_at"]
    assert (told["status"], told["error_message"]) == ("SUCCESS", None)


async def test_every_act_is_in_the_trail_with_who_did_it(
    database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "endpoints", "add", "http://127.0.0.1:9/?token=s3cret")
    for words in (
        ("set-format", "compact"),
        ("set-format", "compact"),
        ("rotate-secret", "--reason", "yearly"),
        ("remove", "--reason", "gone"),
    ):
        await answered(env, "endpoints", words[0], made["id"], *words[1:])

    listed = await answered(env, "audit", "list", "--subject", made["id"])

    assert [(one["action"], one["reason"]) for one in listed[::-1]] == [
        ("endpoint.added", None),
        ("endpoint.changed", None),
        ("endpoint.secret_rotated", "yearly"),
        ("endpoint.removed", "gone"),
    ]
    assert all(one["actor"].startswith("command:") for one in listed)
    written = await audit_rows.written(database)
    assert "s3cret" not in written
    assert not any(secret in written for secret in await endpoint_rows.secrets(database))


async def test_two_who_change_it_at_once_both_have_their_way(database: Database) -> None:
    endpoint = await scenario.add_endpoint(database, "http://127.0.0.1:9/")

    await asyncio.gather(
        endpoint_changes.change(database, endpoint, trace=True),
        endpoint_changes.change(database, endpoint, format="compact"),
        endpoint_changes.change(database, endpoint, headers={"X-A": "1"}),
        endpoint_changes.change(database, endpoint, headers={"X-B": "2"}),
    )

    shown = await database.ask(storage.endpoint_lists.get, endpoint)
    assert (shown.trace, shown.format, shown.headers) == (True, "compact", ["X-A", "X-B"])
