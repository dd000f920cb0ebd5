"""``orderbus doctor`` finds what is wrong with each part, and says what to type."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pika
import psycopg
import pytest

from orderbus import actors, storage
from orderbus.commands import examine_postgres
from orderbus.commands.findings import Verdict
from orderbus.pubsub import topology
from orderbus.rabbitmq.broker import Broker
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support.ports import kept_port
from tests.support.rabbitmq_node import Node
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


@dataclass
class Patient:
    """An orderbus whose environment a test may spoil."""

    env: dict[str, str]

    async def examined(self) -> dict[str, dict[str, str]]:
        """Run the command; returns each finding by its subject."""
        code, findings = await self.run()
        faults = [name for name, found in findings.items() if found["verdict"] == "fault"]
        assert code == (1 if faults else 0)
        assert all(found["todo"] for found in findings.values() if found["verdict"] != "ok")
        return findings

    async def run(self) -> tuple[int | None, dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orderbus", "doctor", "--json"),
            env={**os.environ, **self.env, "PYTHONPATH": str(ROOT)},
            cwd="/",
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return process.returncode, {found["subject"]: found for found in json.loads(out)}


@pytest.fixture
async def patient(env: dict[str, str], settings: Settings, rabbitmq_node: Node) -> Patient:
    """One on the test's own parts, which are well."""
    await topology.ensure(settings)
    return Patient(
        {
            **env,
            # For the broker's own command, which finds the node by these.
            **{name: value for name, value in rabbitmq_node.env.items() if name != "HOME"},
            "HOME": rabbitmq_node.env["HOME"],
            "RABBITMQ_URL": rabbitmq_node.vhost(),
            "SECRET_KEY": "a key for tests",
            "WEBHOOK_SECRET": "a secret for tests",
        }
    )


async def test_it_looks_at_every_part(patient: Patient) -> None:
    findings = await patient.examined()

    assert list(findings) == [
        "orderbus",
        "settings",
        "incoming orders",
        "PostgreSQL",
        "connections",
        "clock",
        "notifications",
        "schema",
        "partitions",
        "outbox",
        "endpoints",
        "consumers",
        "dead letters",
        "RabbitMQ",
        "queues",
        "consumer_timeout",
        "Pub/Sub",
    ]
    assert not [found for found in findings.values() if found["verdict"] == "fault"]
    assert findings["queues"]["verdict"] == "warning", "no worker has made them"
    assert findings["consumer_timeout"]["found"].startswith("1800 s; a worker holds")


async def test_parts_that_are_away_are_faults_with_what_to_check(patient: Patient) -> None:
    port = str(kept_port())
    patient.env |= {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": port,
        "RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{port}/",
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}",
    }

    findings = await patient.examined()

    for part, word in (("PostgreSQL", "DB_HOST"), ("RabbitMQ", "RABBITMQ_URL"), ("Pub/Sub", "PUB")):
        assert findings[part]["verdict"] == "fault"
        assert word in findings[part]["todo"]


async def test_settings_that_contradict_one_another_are_told_first(patient: Patient) -> None:
    patient.env["ORDERBUS_RELAY_LEASE"] = "1"

    findings = await patient.examined()

    assert list(findings) == ["orderbus", "settings"]
    assert "ORDERBUS_RELAY_LEASE" in findings["settings"]["found"]


async def test_a_queue_of_another_type_is_a_fault(patient: Patient) -> None:
    with pika.BlockingConnection(pika.URLParameters(patient.env["RABBITMQ_URL"])) as connection:
        connection.channel().queue_declare("publish_outbox", durable=True)

    findings = await patient.examined()

    assert findings["queues"]["verdict"] == "fault"
    assert "publish_outbox" in findings["queues"]["found"]
    assert "inequivalent arg" in findings["queues"]["found"]


async def test_queues_as_they_should_be_without_a_worker_are_a_warning(patient: Patient) -> None:
    broker = Broker(url=patient.env["RABBITMQ_URL"], middleware=[])
    for name in {actor.queue_name for actor in actors.broker.broker.actors.values()}:
        broker.declare_queue(name, ensure=True)
    broker.close()

    found = (await patient.examined())["queues"]

    assert found["verdict"] == "warning"
    assert "no worker" in found["found"]


async def test_an_alarm_is_a_fault(patient: Patient, rabbitmq_node: Node) -> None:
    rabbitmq_node.alarm(on=True)
    try:
        found = (await patient.examined())["RabbitMQ"]
    finally:
        rabbitmq_node.alarm(on=False)

    assert found["verdict"] == "fault"
    assert "memory" in found["found"]


async def test_a_consumer_timeout_that_is_too_short_is_a_fault(
    patient: Patient, rabbitmq_node: Node
) -> None:
    setting = "application:set_env(rabbit, consumer_timeout, {})."
    rabbitmq_node.control("eval", setting.format(5_000))
    try:
        found = (await patient.examined())["consumer_timeout"]
    finally:
        rabbitmq_node.control("eval", setting.format(1_800_000))

    assert found["verdict"] == "fault"
    assert found["found"].startswith("5 s, but a worker holds")


async def test_a_missing_topic_is_a_fault(patient: Patient) -> None:
    patient.env["PUBSUB_TOPIC_ORDER_CREATED"] += ".other"

    found = (await patient.examined())["Pub/Sub"]

    assert found["verdict"] == "fault"
    assert "There is no" in found["found"]
    assert found["todo"] == "orderbus migrate"


async def test_migrations_that_miss_or_are_unknown_are_told(
    patient: Patient, settings: Settings
) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE _yoyo_migration SET migration_id = '9999.later' WHERE migration_id ="
            " (SELECT max(migration_id) FROM _yoyo_migration)"
        )
        missing = (await patient.examined())["schema"]
        connection.execute(
            "INSERT INTO _yoyo_migration (migration_hash, migration_id) SELECT 'x', %s",
            [missing["found"].removeprefix("missing: ")],
        )
        unknown = (await patient.examined())["schema"]

    assert missing["verdict"] == "fault"
    assert missing["todo"] == "orderbus migrate"
    assert unknown["verdict"] == "warning"
    assert "9999.later" in unknown["found"]


async def test_a_pool_that_is_too_large_for_the_server_is_told(
    patient: Patient, database: Database
) -> None:
    async with database.connection() as connection:
        room = int(await connection.fetchval("SHOW max_connections"))
    patient.env["ORDERBUS_DB_POOL_SIZE"] = str(room // 3)
    some = (await patient.examined())["connections"]
    patient.env["ORDERBUS_DB_POOL_SIZE"] = str(room)
    none = (await patient.examined())["connections"]

    assert some["verdict"] == "warning"
    assert none["verdict"] == "fault"
    assert "room for 0 processes" in none["found"]


async def test_a_proxy_that_drops_notifications_is_told(
    patient: Patient, deaf_proxy: TcpProxy
) -> None:
    patient.env |= {"DB_HOST": "127.0.0.1", "DB_PORT": str(deaf_proxy.port)}

    findings = await patient.examined()

    assert findings["schema"]["verdict"] == "ok"
    assert findings["notifications"]["verdict"] == "warning"
    assert "pool by session" in findings["notifications"]["todo"]


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(0, Verdict.OK), (2, Verdict.WARNING), (-2, Verdict.WARNING), (60, Verdict.FAULT)],
)
async def test_clocks_that_differ_are_told(
    settings: Settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
    verdict: Verdict,
) -> None:
    class Ours:
        @staticmethod
        def now(zone: tzinfo) -> datetime:
            return datetime.now(zone) - timedelta(seconds=ahead)

    monkeypatch.setattr(storage.diagnostics, "datetime", Ours)
    examine, _ = examine_postgres.examinations(settings, database)["clock"]

    assert (await examine()).verdict is verdict


@pytest.fixture
def deaf_proxy(env: dict[str, str]) -> Iterator[TcpProxy]:
    """A proxy to PostgreSQL that loses notifications, as one that pools by transaction does."""
    proxy = TcpProxy(env["DB_HOST"], int(env["DB_PORT"]), answers=_without_notifications)
    proxy.open()
    yield proxy
    proxy.close()


async def _without_notifications(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Forward the server's messages (a letter, four bytes of length, a body) but not letter A."""
    with suppress(asyncio.IncompleteReadError, OSError):
        # The answer to the question for TLS, a single byte, is no message.
        writer.write(await reader.readexactly(1))
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
            if head[:1] != b"A":
                writer.write(head + body)
    writer.close()
