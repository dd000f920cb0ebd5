"""``orderbus endpoints test`` sends one signed sample and judges the answer in words."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from orderbus.storage.database import Database
from tests.integration.test_guard import certify
from tests.support import audit_rows, delivery_rows, endpoint_rows, scenario
from tests.support.commands import answered, typed
from tests.support.raw_receiver import hang, listening
from tests.support.receiver import Receiver


async def judged(database: Database, env: dict[str, str], url: str) -> tuple[int, dict[str, Any]]:
    """Add an endpoint and test it; returns the exit code, and what was answered."""
    endpoint = await scenario.add_endpoint(database, url)
    done = await typed(env, "endpoints", "test", endpoint, "--json")
    return done.exit_code, json.loads(done.stdout)


async def test_a_sample_is_signed_and_tells_that_it_is_one(
    database: Database, env: dict[str, str], receiver: Receiver
) -> None:
    made = await answered(env, "endpoints", "add", receiver.url, "--trace", "--header", "X-A: 1")

    said = await answered(env, "endpoints", "test", made["id"])

    (request,) = receiver.requests
    verified = Webhook(made["secret"]).verify(request.content.decode(), request.headers)
    assert verified["type"] == request.headers["orderbus-event-type"] == "webhook.test"
    assert request.headers["webhook-id"] == said["webhook_id"]
    assert request.headers["x-a"] == "1"
    assert request.headers["traceparent"].startswith("00-")
    assert (said["delivered"], said["status"], said["error"]) == (True, 204, None)
    assert await delivery_rows.states(database) == []


@pytest.mark.parametrize("body_format", ["compact", "source1"])
async def test_a_sample_has_the_endpoints_format(
    database: Database, env: dict[str, str], receiver: Receiver, body_format: str
) -> None:
    events = ["order.created"]
    endpoint = await scenario.add_endpoint(
        database, receiver.url, format=body_format, events=events
    )

    await answered(env, "endpoints", "test", endpoint)

    (request,) = receiver.requests
    assert request.headers["orderbus-event-type"] == "webhook.test"
    assert set(request.body) == (
        {"event", "order_id", "customer_name", "total", "sent_at"}
        if body_format == "compact"
        else {"order_id", "user_id", "products", "amount", "created_at"}
    )


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(500, "receiver failed"), (401, "signature"), (301, "elsewhere"), (410, "no webhooks")],
)
async def test_an_answer_that_would_not_do_is_said_with_what_to_do(
    database: Database, env: dict[str, str], receiver: Receiver, status: int, meaning: str
) -> None:
    receiver.answers = [status]

    code, said = await judged(database, env, receiver.url)

    assert (code, said["delivered"], said["status"]) == (1, False, status)
    assert meaning in said["meaning"]
    assert said["todo"]
    assert await endpoint_rows.disabled_at(database) is None


async def test_nothing_that_listens_no_answer_and_an_address_of_ours_are_told_apart(
    database: Database, env: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _, port = taken.getsockname()
    refused = await judged(database, env, f"http://127.0.0.1:{port}/")
    async with listening(hang) as server:
        late = await judged(database, {**env, "ORDERBUS_WEBHOOK_TIMEOUT": "0.2"}, server.url)
    ours = await judged(database, env, "http://10.255.255.1/")

    assert [(code, said["error"]) for code, said in (refused, late, ours)] == [
        (1, "connect"),
        (1, "timeout"),
        (1, "refused_address"),
    ]
    assert "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS" in ours[1]["todo"]


async def test_a_certificate_that_nobody_trusts_is_said(
    database: Database, env: dict[str, str], tmp_path: Path
) -> None:
    async with listening(hang, tls=certify("localhost", tmp_path)) as server:
        _, said = await judged(database, env, server.url.replace("http:", "https:"))

    assert said["error"] == "tls"
    assert "certificate" in said["meaning"]


async def test_a_disabled_endpoint_can_be_tested_and_stays_disabled(
    database: Database, env: dict[str, str], receiver: Receiver
) -> None:
    endpoint = await scenario.add_endpoint(database, receiver.url)
    await endpoint_rows.disable(database)

    done = await typed(env, "endpoints", "test", endpoint)

    assert done.exit_code == 0
    assert "meaning  it takes webhooks" in done.stdout
    assert await endpoint_rows.disabled_at(database) is not None
    (entry,) = await audit_rows.acts(database)
    assert (entry.action, entry.after) == ("endpoint.tested", {"status": 204, "error": None})
