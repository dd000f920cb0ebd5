"""Readiness says the truth about the database, in our own words, and costs nobody else anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog

from orderbus import services
from orderbus.commands import bridge
from orderbus.services import shared
from orderbus.services.health import Health
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.schema import NEWEST
from tests.conftest import settings_from
from tests.support import event_rows, scenario
from tests.support.api_client import JSON, PATH, Client, body, post, problem, serving
from tests.support.ports import kept_port
from tests.support.rabbitmq_node import until
from tests.support.statements import recorded
from tests.support.waiting import PATIENCE
from tests.support.worker_process import Start

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
OLDER = f"DELETE FROM _yoyo_migration WHERE migration_id = '{NEWEST}'"
NEW_AGAIN = f"""
    INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('hash', '{NEWEST}')
"""
WATCHED = ("/readyz", "/metrics", "/metrics/prometheus", "/api/v1/metrics")
#: What PostgreSQL and its driver say, and nobody outside has to know.
THEIR_WORDS = ("connect", "errno", "refused", "127.0.0.1", "localhost", "password", "role", "user")


@pytest.fixture(autouse=True)
def _fresh_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep an answer for longer than any test takes; a client of its own begins anew."""
    monkeypatch.setattr(shared, "FRESH", 3600.0)


@pytest.fixture
async def alone(env: dict[str, str]) -> AsyncIterator[Client]:
    """A front door whose PostgreSQL is away."""
    nowhere = settings_from(env, db_host="127.0.0.1", db_port=kept_port())
    async with serving(nowhere) as client:
        yield client


async def readiness(client: Client) -> tuple[int, dict[str, Any]]:
    response = await client.get("/readyz")
    return response.status, await response.json()


def test_the_newest_migration_is_the_one_that_readiness_asks_for() -> None:
    names = [path.stem for path in MIGRATIONS.glob("[0-9]*.sql")]

    assert max(name for name in names if not name.endswith(".rollback")) == NEWEST


# -- what is not ready -----------------------------------------------------------------------------


async def test_a_server_on_an_empty_database_is_not_ready_and_says_what_to_type(
    part_env: dict[str, str],
) -> None:
    settings = settings_from({**part_env, "DB_NAME": "postgres"})
    async with serving(settings) as client:
        status, said = await readiness(client)

    assert status == 503
    assert said["parts"] == {"postgres": True, "schema": False, "partitions": False}
    assert "orderbus migrate" in said["detail"]


async def test_a_server_on_an_older_schema_is_not_ready_and_says_what_to_type(
    client: Client, database: Database
) -> None:
    await scenario.value(database, OLDER)

    status, said = await readiness(client)

    assert (status, said["ready"]) == (503, False)
    assert said["parts"] == {"postgres": True, "schema": False, "partitions": True}
    assert "orderbus migrate" in said["detail"]


async def test_a_newer_schema_is_ready(client: Client, database: Database) -> None:
    await scenario.value(database, NEW_AGAIN.replace(NEWEST, "9999.of-the-next-version"))

    assert (await readiness(client))[0] == 200


async def test_a_server_without_todays_partition_is_not_ready_and_says_what_to_type(
    client: Client, database: Database
) -> None:
    await event_rows.drop_today(database)

    status, said = await readiness(client)
    placing = await problem(await post(client), 503, "unavailable")

    assert status == 503
    assert said["parts"] == {"postgres": True, "schema": True, "partitions": False}
    assert "orderbus migrate" in said["detail"]
    assert placing["part"] == "partitions"


async def test_a_bridge_looks_at_the_same(database: Database, settings: Settings) -> None:
    await scenario.value(database, OLDER)
    health, port = Health(*services.health.POSTGRES), kept_port()
    watching = asyncio.create_task(
        health.watch("postgres", partial(services.health.look, database))
    )
    bridge.show(settings.model_copy(update={"bridge_metrics_port": port}), health, database)
    async with asyncio.timeout(PATIENCE):
        while not health.readiness.dependencies["partitions"]:
            await asyncio.sleep(0.02)
    status, said = await asked(port, "/readyz")
    watching.cancel()

    assert (status, said["parts"]["schema"]) == (503, False)
    assert "orderbus migrate" in said["detail"]


async def asked(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Ask a health server, as soon as it is there."""
    import aiohttp  # noqa: PLC0415 - only here

    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE):
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
                    return answer.status, json.loads(await answer.read())
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


def test_a_worker_on_an_older_schema_is_not_ready_and_takes_nothing_until_it_is_migrated(
    start: Start, settings: Settings
) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(OLDER)
        worker = start()
        until(lambda: worker.reaches(postgres=True, schema=False), "it misses the schema")
        status, said = worker.ask("/readyz")
        assert status == 503
        assert "orderbus migrate" in json.loads(said)["detail"]

        connection.execute(NEW_AGAIN)
        until(worker.is_ready, "it is ready")


# -- in whose words --------------------------------------------------------------------------------


async def test_what_postgresql_says_is_for_the_log_alone(alone: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        answers = [
            await (await alone.get("/readyz")).text(),
            await (await alone.get("/metrics")).text(),
            await (await post(alone)).text(),
            await (await alone.post("/carts", json={"total_amount": 1})).text(),
            await (await alone.get("/orders/SO-1")).text(),
        ]

    for text in answers:
        assert "PostgreSQL" in text
        assert [word for word in THEIR_WORDS if word in text.lower()] == []
    refused = [line["detail"] for line in logs if line.get("code") == "unavailable"]
    assert any("connect" in detail.lower() for detail in refused)


async def test_a_503_names_what_is_away(alone: Client) -> None:
    refused = await problem(await post(alone), 503, "unavailable")

    assert refused["part"] == "postgres"
    assert refused["detail"] == "PostgreSQL did not answer"


async def test_a_503_names_who_refuses_us(env: dict[str, str]) -> None:
    async with serving(settings_from(env, db_pass="wrong")) as client:
        refused = await post(client)
        said = await problem(refused, 503, "misconfigured")
        ready = await (await client.get("/readyz")).json()

    assert (said["part"], refused.headers["Retry-After"]) == ("postgres", "1")
    assert "refuses us" in ready["detail"]


async def test_metrics_are_refused_when_what_waits_cannot_be_known(alone: Client) -> None:
    for path in WATCHED[1:]:
        refused = await problem(await alone.get(path), 503, "unavailable")
        assert "PostgreSQL" in refused["detail"]


async def test_a_bridge_without_postgresql_shows_no_half_metrics(env: dict[str, str]) -> None:
    port, health = kept_port(), Health("postgres")
    settings = settings_from(
        env, db_host="127.0.0.1", db_port=kept_port(), bridge_metrics_port=port
    )
    from orderbus.storage.database import open_database  # noqa: PLC0415 - only here

    async with open_database(settings) as database:
        bridge.show(settings, health, database)
        status, said = await asked(port, "/metrics")

    assert status == 503
    assert "PostgreSQL" in said["detail"]


async def test_the_log_line_of_a_refusal_says_why(client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        await post(client, body(total="much"))
        await client.post(PATH, data=b"{", headers=JSON)
        await client.get("/orders/none")
        await client.get("/nowhere")
        await client.get("/orders", headers={"Host": "shop.example"})
        await client.post("/api/v1/orders/new/", json={"user_id": "u"})

    lines = [line for line in logs if line["event"] == "request"]
    assert [line["code"] for line in lines] == [
        *("invalid", "invalid", "not_found", "not_found", "unknown_host", "unprocessable")
    ]
    assert "/total" in lines[0]["detail"]
    assert all(line["detail"] for line in lines)


async def test_what_is_taken_logs_no_refusal(client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        await post(client)

    (line,) = (line for line in logs if line["event"] == "request")
    assert "code" not in line


# -- who may ask, and what it costs ----------------------------------------------------------------


@pytest.mark.parametrize("host", ["10.1.2.3", "service-orders:8000", "orderbus"])
async def test_probes_and_scrapes_come_under_any_name(client: Client, host: str) -> None:
    for path in ("/healthz", *WATCHED):
        assert (await client.get(path, headers={"Host": host})).status == 200, path

    await problem(await client.get("/orders", headers={"Host": host}), 400, "unknown-host")


async def test_sixty_probes_and_scrapes_at_once_cost_as_much_as_one(settings: Settings) -> None:
    for path in WATCHED:
        async with serving(settings) as one:
            with recorded() as of_one:
                await one.get(path)
        async with serving(settings) as sixty:
            with recorded() as of_sixty:
                answers = await asyncio.gather(*(sixty.get(path) for _ in range(60)))

        assert {answer.status for answer in answers} == {200}
        assert of_sixty == of_one, path
        assert 1 <= len(of_one) <= 2, path


async def test_both_formats_share_what_they_ask_postgresql(client: Client) -> None:
    with recorded() as sent:
        await asyncio.gather(*(client.get(path) for path in WATCHED[1:] * 20))

    assert len(sent) == 2
