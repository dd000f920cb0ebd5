"""What a sender writes around a message costs nobody anything: orderbus reads none of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import dramatiq
import pika
import pytest

from tests.support import hostile_messages
from tests.support.probe_worker import ProbeWorker
from tests.support.rabbitmq_node import ready, until


@pytest.fixture
def probe_worker(rabbitmq_url: str) -> Iterator[ProbeWorker]:
    probe_worker = ProbeWorker(rabbitmq_url)

    def probe(mark: str) -> None:
        probe_worker.ran[mark] += 1

    dramatiq.actor(actor_name="probe", queue_name="probes", broker=probe_worker.broker)(probe)
    probe_worker.broker.declare_queue("probes", ensure=True)
    yield probe_worker
    probe_worker.close()


class Raw(pika.BasicProperties):  # type: ignore[misc]
    """Headers as a sender of another make may write them."""

    def __init__(self, kind: bytes, value: bytes) -> None:
        super().__init__(headers={"x": kind})
        self._table = table(kind, value)

    def encode(self) -> list[bytes]:
        return [struct.pack(">H", self.FLAG_HEADERS), self._table]


def table(kind: bytes, value: bytes) -> bytes:
    entry = b"\x01x" + kind + value
    return struct.pack(">I", len(entry)) + entry


def tables_within_tables() -> bytes:
    nested = struct.pack(">I", 0)
    for _ in range(2_000):
        nested = table(b"F", nested)
    return nested


HEADERS = {
    "a moment after the year 9999": (b"T", struct.pack(">Q", 2**63)),
    "tables without end": (b"F", tables_within_tables()),
}


@pytest.mark.parametrize("headers", HEADERS)
def test_headers_that_cannot_be_read_stop_no_consumer(
    probe_worker: ProbeWorker, headers: str
) -> None:
    soon: dict[str, Any] = {"queue_name": "probes.DQ", "options": {"eta": 1}}
    connection = pika.BlockingConnection(pika.URLParameters(probe_worker.url))
    channel = connection.channel()
    channel.confirm_delivery()
    for queue, members in (("probes", {}), ("probes.DQ", soon)):
        body = hostile_messages.message(args=["odd"], **{"queue": queue, **members})
        channel.basic_publish("", queue, body, Raw(*HEADERS[headers]), mandatory=True)
        body = hostile_messages.message(args=["behind it"], **{"queue": queue, **members})
        channel.basic_publish("", queue, body, mandatory=True)
    connection.close()

    probe_worker.work()

    until(lambda: probe_worker.ran == {"odd": 2, "behind it": 2}, "all are processed")
    until(lambda: ready(probe_worker.url, "probes") == 0, "they are acknowledged")
    assert probe_worker.dead_letters.buried == []
