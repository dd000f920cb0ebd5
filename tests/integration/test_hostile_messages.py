"""Whoever can write to a queue can stop no worker, and what they wrote is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dramatiq
import pika
import psycopg
import pytest
from dramatiq.common import q_name

from orderbus import services, telemetry
from orderbus.domain.retries import DeadLetter
from orderbus.errors import BadMessage, Conflict, Poisoned
from orderbus.rabbitmq import validation
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.telemetry import UNKNOWN_ACTOR
from orderbus.worker import retries
from tests.support import hostile_messages, letter_rows, scenario
from tests.support.probe_worker import ProbeWorker, nothing
from tests.support.rabbitmq_node import ready, until, until_async
from tests.support.waiting import PATIENCE
from tests.support.worker_process import Start, send

MIGRATION = Path(__file__).resolve().parents[2] / "migrations" / "0012.hostile-messages"


@pytest.fixture
def probe_worker(rabbitmq_url: str) -> Iterator[ProbeWorker]:
    probe_worker = ProbeWorker(rabbitmq_url)

    def probe(mark: str) -> None:
        probe_worker.ran[mark] += 1

    dramatiq.actor(actor_name="probe", queue_name="probes", broker=probe_worker.broker)(probe)
    dramatiq.actor(actor_name="elsewhere", queue_name="others", broker=probe_worker.broker)(nothing)
    for queue in ("probes", "others"):
        probe_worker.broker.declare_queue(queue, ensure=True)
    yield probe_worker
    probe_worker.close()


def put(url: str, queue: str, *bodies: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body, mandatory=True)


@pytest.mark.parametrize(
    ("queue", "bodies"),
    [("probes", hostile_messages.MESSAGES), ("probes.DQ", hostile_messages.DELAYED)],
)
def test_hostile_messages_are_kept_with_their_bytes_and_stop_nobody(
    probe_worker: ProbeWorker, queue: str, bodies: dict[str, bytes]
) -> None:
    put(probe_worker.url, queue, *bodies.values())
    put(probe_worker.url, "probes", hostile_messages.message(args=["harmless"]))
    worker = probe_worker.work()

    until(lambda: len(probe_worker.dead_letters.buried) == len(bodies), "all of them are buried")
    until(lambda: probe_worker.ran["harmless"] == 1, "others are processed")
    until(lambda: ready(probe_worker.url, queue) == 0, "they are acknowledged")
    threads = [*worker.workers, *worker.consumers.values()]
    assert all(thread.is_alive() for thread in threads)
    assert set(probe_worker.ran) == {"harmless"}
    assert sorted(probe_worker.dead_letters.refused, key=repr) == sorted(bodies.values(), key=repr)
    probe_worker.close()
    assert [ready(probe_worker.url, f"{q_name(queue)}{kind}") for kind in ("", ".DQ", ".XQ")] == [
        0
    ] * 3


def test_a_hostile_message_is_acknowledged_only_once_it_is_kept(probe_worker: ProbeWorker) -> None:
    probe_worker.dead_letters.away = 1_000_000
    put(probe_worker.url, "probes", b"not a message")
    probe_worker.work()
    until(lambda: probe_worker.dead_letters.away < 1_000_000, "it was tried to be kept")

    probe_worker.settle_within(0.1)
    probe_worker.close()

    assert probe_worker.dead_letters.buried == []
    assert ready(probe_worker.url, "probes") == 1


def test_names_from_outside_are_no_labels(probe_worker: ProbeWorker) -> None:
    put(
        probe_worker.url,
        "probes",
        *(hostile_messages.message(actor_name=f"name_{n}") for n in range(5)),
    )
    probe_worker.work()

    until(lambda: len(probe_worker.dead_letters.buried) == 5, "they are buried")

    labels = {
        sample.labels["actor"]
        for metric in telemetry.ACTOR_MESSAGES.collect()
        for sample in metric.samples
    }
    assert UNKNOWN_ACTOR in labels
    assert not [label for label in labels if label.startswith("name_")]


def buried() -> float:
    """How many messages were decided to be buried, by any actor's name."""
    return sum(
        sample.value
        for metric in telemetry.ACTOR_MESSAGES.collect()
        for sample in metric.samples
        if sample.labels.get("outcome") == "buried" and sample.name.endswith("_total")
    )


def test_many_bad_messages_are_buried_together_and_leave_connections_to_others(
    probe_worker: ProbeWorker,
) -> None:
    before, letters = buried(), probe_worker.dead_letters
    letters.free.clear()
    put(probe_worker.url, "probes", *(hostile_messages.message(args=[]) for _ in range(40)))
    probe_worker.work()

    until(lambda: buried() >= before + 6, "several are to be buried")
    side_by_side = letters.under_way
    letters.free.set()
    until(lambda: len(letters.buried) == 40, "all are buried")

    assert side_by_side <= 4
    assert max(letters.at_once) > 1


async def bury(database: Database, message: dramatiq.Message[Any], refused: bytes | None) -> None:
    taken: Any = SimpleNamespace(_message=message, refused=refused)
    failed = retries.failed_message(taken, "malformed", ValueError("no"))
    await services.dead_letters.add_messages(database, [failed])


async def test_a_message_nobody_can_read_can_be_discarded_and_not_be_sent_again(
    database: Database,
) -> None:
    body = hostile_messages.MESSAGES["10 MB"]
    await bury(database, validation.stand_in(body, "probes"), body)
    letter = await letter_rows.only(database)

    with pytest.raises(Conflict, match="discard it"):
        async with database.transaction() as connection:
            await services.dead_letters.redrive(connection, letter["id"])
    await letter_rows.discard(database, letter["id"], note="an attack")

    assert bytes(letter["data"]) == body
    assert (letter["actor"], letter["arguments"]) == (None, None)
    assert (await letter_rows.only(database))["resolution"] == "discarded"


async def test_a_message_of_a_later_version_can_be_sent_again(database: Database) -> None:
    body = hostile_messages.message(actor_name="later", kwargs={"a": 1})
    later = dramatiq.Message.decode(body)
    await bury(database, later, body)
    letter = await letter_rows.only(database)

    async with database.transaction() as connection:
        owed = await services.dead_letters.redrive(connection, letter["id"])

    assert owed.message == ("later", {"args": ["hostile"], "kwargs": {"a": 1}})


async def test_two_messages_that_claim_one_id_are_both_kept(database: Database) -> None:
    for mark in ("a", "b", "b"):
        body = hostile_messages.message(args=[mark])
        await bury(database, dramatiq.Message.decode(body), None)

    letters = await letter_rows.every(database)
    assert [letter["arguments"]["args"] for letter in letters] == [["a"], ["b"]]


async def test_no_letter_is_lost_when_the_schema_goes_back_and_forth(
    database: Database, settings: Settings
) -> None:
    await bury(database, validation.stand_in(b"\xff", "probes"), b"\xff")
    for mark in ("a", "b"):
        message = dramatiq.Message.decode(hostile_messages.message(args=[mark]))
        await bury(database, message, None)
    await scenario.place(database)

    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        for step in (".rollback.sql", ".sql"):
            connection.execute(MIGRATION.with_name(MIGRATION.name + step).read_bytes())

    found = await letter_rows.every(database)
    assert len(found) == 3
    assert bytes(found[0]["data"]) == b"\xff"
    assert len({letter["message_id"] for letter in found}) == 3


def test_a_refusal_is_buried_at_once() -> None:
    verdict = retries.judge(BadMessage("no"), waits=0, retries=0, max_retries=3)

    assert verdict == DeadLetter("malformed")
    assert issubclass(BadMessage, Poisoned)


async def test_a_real_worker_keeps_hostile_messages_as_rows_and_stays_ready(
    database: Database, start: Start, rabbitmq_url: str
) -> None:
    worker = start("--processes", "1", "--threads", "2", "--queues", "deliver_webhook")
    await until_async(worker.is_ready, "it is ready")
    changes = {"actor_name": "deliver_webhook", "args": [1]}
    bodies = [
        b"not a message",
        b"",
        hostile_messages.message("deliver_webhook", **changes, options={"throws": "ValueError"}),
        hostile_messages.message("deliver_webhook", **changes, options=None),
        hostile_messages.message("deliver_webhook", **changes, options={"eta": 2**62}),
        hostile_messages.message("elsewhere", **changes),
        hostile_messages.message("deliver_webhook", **{**changes, "args": [2**70]}),
        hostile_messages.message("deliver_webhook", **{**changes, "args": ["\0"]}),
        hostile_messages.MESSAGES["10 MB"],
    ]

    await asyncio.to_thread(put, rabbitmq_url, "deliver_webhook", *bodies)
    await asyncio.to_thread(send, rabbitmq_url, "deliver_webhook", "deliver_webhook", delivery=1)

    async with asyncio.timeout(PATIENCE):
        while await letter_rows.count(database) < len(bodies):
            await asyncio.sleep(0.05)
    await until_async(lambda: worker.count("deliver_webhook") == 1, "others are processed")
    assert worker.is_ready()
    letters = await letter_rows.every(database)
    assert sorted(bytes(letter["data"]) for letter in letters) == sorted(bodies)
    assert worker.count("unknown", "buried") == len(bodies)
