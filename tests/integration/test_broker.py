"""Work on RabbitMQ is neither lost nor copied, and what is dead stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import dramatiq
import pytest
from dramatiq.errors import ConnectionClosed

from orderbus.actors import broker as module
from orderbus.actors.broker import Broker
from orderbus.errors import Unavailable
from orderbus.local.parts import Part
from tests import rabbit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def vhost(parts: dict[str, Part], monkeypatch: pytest.MonkeyPatch) -> str:
    """A virtual host of this test's own, named in the environment."""
    name = f"test-{uuid4().hex[:12]}"
    rabbit.make_vhost(parts["RabbitMQ"], name)
    url = parts["RabbitMQ"].env["RABBITMQ_URL"].rstrip("/") + f"/{name}"
    monkeypatch.setenv("RABBITMQ_URL", url)
    monkeypatch.setenv("SECRET_KEY", "a key for tests")
    return name


@pytest.fixture
def broker(vhost: str) -> Iterator[Broker]:
    assert vhost
    broker = Broker()
    _probe(broker)
    yield broker
    broker.close()


def _probe(broker: Broker) -> Any:
    @dramatiq.actor(broker=broker, actor_name=f"probe_{uuid4().hex}", queue_name="probes")
    def probe(number: int) -> int:
        return number

    return probe


def send(broker: Broker, number: int = 1, delay: int | None = None) -> None:
    actor = broker.get_actor(next(iter(broker.get_declared_actors())))
    broker.enqueue(actor.message(number), delay=delay)


def queues(parts: dict[str, Part], vhost: str) -> dict[str, dict[str, Any]]:
    listed = rabbit.call(parts["RabbitMQ"], "GET", f"queues/{vhost}")
    return {queue["name"]: queue for queue in listed}


def until(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_queues_are_replicated_bounded_in_deliveries_and_keep_the_dead_for_ever(
    broker: Broker, parts: dict[str, Part], vhost: str
) -> None:
    send(broker)

    until(lambda: len(queues(parts, vhost)) == 3)
    found = queues(parts, vhost)
    assert {queue["type"] for queue in found.values()} == {"quorum"}
    for name in ("probes", "probes.DQ"):
        assert found[name]["arguments"]["x-delivery-limit"] == 20
        assert found[name]["arguments"]["x-dead-letter-routing-key"] == "probes.XQ"
    assert "x-message-ttl" not in found["probes.XQ"]["arguments"]


def test_a_queue_that_vanished_is_declared_again(
    broker: Broker, parts: dict[str, Part], vhost: str
) -> None:
    send(broker)
    rabbit.call(parts["RabbitMQ"], "DELETE", f"queues/{vhost}/probes")

    send(broker)

    until(lambda: queues(parts, vhost).get("probes", {}).get("messages") == 1)


def test_a_connection_closed_by_the_broker_is_made_again(
    broker: Broker, parts: dict[str, Part], vhost: str
) -> None:
    send(broker)
    until(lambda: bool(_connections(parts, vhost)))
    for name in _connections(parts, vhost):
        rabbit.call(parts["RabbitMQ"], "DELETE", f"connections/{name}")

    send(broker)

    until(lambda: queues(parts, vhost)["probes"].get("messages") == 2)


def test_a_memory_alarm_raises_in_time_and_makes_no_second_copy(
    broker: Broker, parts: dict[str, Part], vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker.parameters, "blocked_connection_timeout", 1)
    send(broker)
    rabbit.control(parts["RabbitMQ"], "set_vm_memory_high_watermark", "0.000001")
    try:
        until(lambda: rabbit.has_alarm(parts["RabbitMQ"]))
        began = time.monotonic()
        with pytest.raises(ConnectionClosed):
            send(broker)
        took = time.monotonic() - began
    finally:
        rabbit.control(parts["RabbitMQ"], "set_vm_memory_high_watermark", "0.4")
    until(lambda: not rabbit.has_alarm(parts["RabbitMQ"]))
    send(broker)

    assert took < 10
    until(lambda: queues(parts, vhost)["probes"].get("messages", 0) >= 2)
    assert queues(parts, vhost)["probes"]["messages"] <= 3


async def test_where_rabbitmq_is_away_async_callers_hear_it_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = Broker()
    monkeypatch.setitem(away.__dict__, "parameters", _nowhere())
    monkeypatch.setattr(module, "broker", away)
    actor = _probe(away)

    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="RabbitMQ"):
            await module._enqueue([actor.message(1)])
        with pytest.raises(Unavailable, match="RabbitMQ"):
            await module.ping()


async def test_a_message_that_kills_its_process_ends_among_the_dead(
    broker: Broker, parts: dict[str, Part], vhost: str, tmp_path: Path
) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PROBE_LIMIT": "2",
        "PROBE_FILE": str(tmp_path / "told"),
    }
    script = "from tests.integration import probe_actors as p; p.kill.send()"
    sending = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=env, cwd=ROOT)
    await sending.wait()

    def dead() -> bool:
        return bool(queues(parts, vhost).get("probes.XQ", {}).get("messages") == 1)

    for _ in range(8):
        command = [sys.executable, "-m", "dramatiq", "tests.integration.probe_actors"]
        worker = await asyncio.create_subprocess_exec(
            *command, "-p", "1", "-t", "1", env=env, cwd=ROOT, start_new_session=True,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(30):
            while worker.returncode is None and not await asyncio.to_thread(dead):
                await asyncio.sleep(0.1)
        if await asyncio.to_thread(dead):
            _end(worker)
            await worker.wait()
            break

    assert await asyncio.to_thread(dead)
    told = (tmp_path / "told").read_text().split()
    assert 2 <= len(told) <= 3


def _end(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _connections(parts: dict[str, Part], vhost: str) -> list[str]:
    listed = rabbit.call(parts["RabbitMQ"], "GET", f"vhosts/{vhost}/connections")
    return [quote(connection["name"], safe="") for connection in listed]


def _nowhere() -> Any:
    import pika  # noqa: PLC0415 - the same library, a port where nobody listens

    return pika.URLParameters("amqp://guest:guest@127.0.0.1:1/")
