"""What a sender writes around a message costs nobody anything: orderbus reads none of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import dramatiq
import pika
import pytest

from tests.support import hostile_messages
from tests.support.probe_worker import Workshop
from tests.support.rabbitmq_node import ready, until


@pytest.fixture
def workshop(rabbitmq_url: str) -> Iterator[Workshop]:
    workshop = Workshop(rabbitmq_url)

    def probe(mark: str) -> None:
        workshop.ran[mark] += 1

    dramatiq.actor(actor_name="probe", queue_name="probes", broker=workshop.broker)(probe)
    workshop.broker.declare_queue("probes", ensure=True)
    yield workshop
    workshop.close()


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
def test_headers_that_cannot_be_read_stop_no_consumer(workshop: Workshop, headers: str) -> None:
    soon: dict[str, Any] = {"queue_name": "probes.DQ", "options": {"eta": 1}}
    connection = pika.BlockingConnection(pika.URLParameters(workshop.url))
    channel = connection.channel()
    channel.confirm_delivery()
    for queue, members in (("probes", {}), ("probes.DQ", soon)):
        body = hostile_messages.message(args=["odd"], **{"queue": queue, **members})
        channel.basic_publish("", queue, body, Raw(*HEADERS[headers]), mandatory=True)
        body = hostile_messages.message(args=["behind it"], **{"queue": queue, **members})
        channel.basic_publish("", queue, body, mandatory=True)
    connection.close()

    workshop.work()

    until(lambda: workshop.ran == {"odd": 2, "behind it": 2}, "all are processed")
    until(lambda: ready(workshop.url, "probes") == 0, "they are acknowledged")
    assert workshop.desk.letters == []
