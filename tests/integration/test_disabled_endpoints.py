"""A customer that answers 410 once is cut off, and whoever can act on it hears of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from orderbus import storage, telemetry
from orderbus.commands import examine_postgres
from orderbus.commands.cli import main
from orderbus.commands.findings import Finding, Verdict
from orderbus.egress.session import Session
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import (
    audit_rows,
    delivery_rows,
    endpoint_changes,
    endpoint_rows,
    letter_rows,
    order_rows,
    scenario,
)
from tests.support.receiver import Receiver
from tests.support.scenario import deliver, one_due


async def orderbus(env: dict[str, str], *arguments: str) -> str:
    """Run a command; returns what it printed."""
    given = {**env, "SECRET_KEY": "a key for tests"}
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments, env=given)
    assert done.exit_code == 0, done.output
    return done.output


async def examined(settings: Settings, database: Database) -> Finding:
    examine, _ = examine_postgres.examinations(settings, database)["endpoints"]
    return await examine()


@pytest.fixture
async def gone(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> tuple[UUID, list[Any]]:
    """An endpoint that answered 410, and what was logged about it."""
    await one_due(database, receiver.url)
    receiver.answers = [410]
    with capture_logs() as logs:
        await deliver(database, http, settings)
    return await endpoint_rows.only_id(database), logs


async def test_a_410_is_an_error_in_the_log_and_in_the_metrics_until_it_is_enabled(
    database: Database, gone: tuple[UUID, list[Any]]
) -> None:
    endpoint, logs = gone
    async with database.connection() as connection:
        disabled = await storage.diagnostics.backlog(connection)
    await endpoint_changes.enable(database, endpoint)
    async with database.connection() as connection:
        enabled = await storage.diagnostics.backlog(connection)

    [alarm] = [line for line in logs if line["event"] == "endpoint_disabled"]
    assert alarm["log_level"] == "error"
    assert alarm["external_ref"] == "SO-10045"
    assert alarm["endpoint_id"] == str(endpoint)
    assert alarm["todo"] == f"orderbus endpoints enable {endpoint}"
    assert b"\norderbus_endpoints_disabled 1.0\n" in telemetry.render(disabled)
    assert b"\norderbus_endpoints_disabled 0.0\n" in telemetry.render(enabled)


async def test_the_trail_says_that_a_worker_disabled_it_and_why(
    database: Database, env: dict[str, str], gone: tuple[UUID, list[Any]]
) -> None:
    endpoint, _ = gone
    shown = await orderbus(env, "audit", "list", "--subject", str(endpoint), "--json")

    entry, _ = json.loads(shown)
    assert (entry["actor"], entry["action"]) == ("worker", "endpoint.disabled")
    assert entry["before"] == {"disabled_at": None, "disabled_reason": None}
    assert "410 Gone" in entry["after"]["disabled_reason"]


async def test_one_of_many_that_hear_410_at_once_disables_it_and_is_noted(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    endpoint = await scenario.add_endpoint(database, receiver.url)
    for _ in range(8):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    receiver.answers = [410] * 8
    await deliver(database, http, settings)

    entries = await audit_rows.acts(database, subject=str(endpoint))
    assert [entry.action for entry in entries] == ["endpoint.disabled"]


async def test_a_removed_endpoint_is_no_alarm_any_more(
    database: Database, settings: Settings, gone: tuple[UUID, list[Any]]
) -> None:
    async with database.connection() as connection:
        await storage.endpoints.remove(connection, gone[0])
        backlog = await storage.diagnostics.backlog(connection)

    assert backlog.disabled_endpoints == 0
    assert (await examined(settings, database)).verdict is Verdict.WARNING, "there is none at all"


async def test_doctor_fails_and_says_which_since_when_why_and_what_to_type(
    database: Database, settings: Settings, receiver: Receiver, gone: tuple[UUID, list[Any]]
) -> None:
    endpoint, _ = gone
    found = await examined(settings, database)
    since = await endpoint_rows.disabled_at(database)
    await endpoint_changes.enable(database, endpoint)

    assert found.verdict is Verdict.FAULT
    assert f"{endpoint} {receiver.url} is told nothing since {since:%Y-%m-%d %H:%M}" in found.found
    assert "410 Gone" in found.found
    assert "1 deliveries held" in found.found
    assert f"orderbus endpoints enable {endpoint}" in found.todo
    assert (await examined(settings, database)).verdict is Verdict.OK


async def test_doctor_names_a_few_of_many_and_counts_the_rest(
    database: Database, settings: Settings
) -> None:
    for number in range(7):
        await scenario.add_endpoint(database, f"https://shop-{number}.example/")
    await endpoint_rows.disable(database)

    found = await examined(settings, database)

    assert found.found.startswith("7 endpoint(s), 7 disabled; ")
    assert found.found.count("is told nothing since") == 5
    assert found.found.endswith("; and 2 more")
    assert found.todo.startswith("orderbus endpoints enable ID")


async def test_the_lists_show_the_url_the_reference_and_what_to_type(
    env: dict[str, str], receiver: Receiver, gone: tuple[UUID, list[Any]]
) -> None:
    endpoint, _ = gone
    listed = await orderbus(env, "endpoints", "list")
    [owed] = json.loads(await orderbus(env, "endpoints", "owed", str(endpoint), "--json"))
    order = " ".join((await orderbus(env, "orders", "show", "SO-10045")).split())

    assert f"orderbus endpoints enable {endpoint}" in listed.splitlines()[-1]
    assert (owed["external_ref"], owed["reference"]) == ("SO-10045", "SO-10045")
    assert owed["order_id"] in order
    assert owed["last_status"] == 410
    assert receiver.url in order
    assert "410 Gone" in order


async def test_a_dead_letter_shows_whose_order_and_whose_url_it_is(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    env: dict[str, str],
) -> None:
    await one_due(database, receiver.url)
    await delivery_rows.leave_one_attempt(database)
    receiver.answers = [500]
    await deliver(database, http, settings)
    await letter_rows.add_of_every_event(database)

    delivery, outbox = json.loads(await orderbus(env, "dead-letters", "list", "--json"))
    shown = json.loads(await orderbus(env, "dead-letters", "show", str(delivery["id"]), "--json"))

    ((order, _),) = await order_rows.names(database)
    for letter, url in ((delivery, receiver.url), (outbox, None), (shown, receiver.url)):
        names = letter["external_ref"], letter["reference"], letter["order_id"]
        assert (*names, letter["url"]) == ("SO-10045", "SO-10045", order, url)
    assert shown["endpoint_id"] == str(await endpoint_rows.only_id(database))


async def test_a_dead_delivery_that_is_redriven_says_where_its_endpoint_still_holds_it(
    database: Database, env: dict[str, str]
) -> None:
    endpoint = await scenario.add_endpoint(database)
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    await endpoint_rows.disable(database)

    said = await orderbus(env, "dead-letters", "redrive", "--all")

    assert said.splitlines()[-2:] == [
        "1 of 1 redriven, 0 refused: job 1 is done",
        f"1 held until you type: orderbus endpoints enable {endpoint}",
    ]
