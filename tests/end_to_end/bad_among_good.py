"""Messages that kill, break or cannot be read, among many good ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import dramatiq
import pika
from google.cloud import pubsub_v1

from orderbus.pubsub import channels, topology
from orderbus.rabbitmq.broker import Broker
from tests.end_to_end.die_of import BREAKS, KILLS
from tests.support import delivery_rows, letter_rows, outbox_rows
from tests.support.system import System
from tests.support.waiting import PATIENCE

DIE_OF = str(Path(__file__).with_name("die_of.py"))
CLIENTS = 20


@dataclass(frozen=True)
class Bad:
    """How many bad messages of each kind."""

    kills: int
    breaks: int
    unreadable: int
    unknown: int

    @property
    def reasons(self) -> dict[str, int]:
        """The dead letters they have to become."""
        return {
            "crashed": self.kills + self.breaks,
            "undecodable": self.unreadable,
            "unknown_actor": self.unknown,
        }


async def survives(system: System, *, good: int, bad: Bad, seconds: float) -> None:
    """See that every good order is delivered, and every bad message is one dead letter."""
    names = [name for name in system.processes if name != "workers"]
    await asyncio.gather(*(system.start(name) for name in names))
    customers = [KILLS] * bad.kills + [BREAKS] * bad.breaks + ["Jane Doe"] * good
    Random(7).shuffle(customers)  # noqa: S311 - the same mixture every time
    shares = [customers[number::CLIENTS] for number in range(CLIENTS)]
    async with asyncio.TaskGroup() as helping:  # which ends all where one of them fails
        supervising = helping.create_task(_supervise(system))
        await asyncio.gather(
            asyncio.to_thread(_send_unreadable, system, bad.unreadable),
            asyncio.to_thread(_send_unknown, system, bad.unknown),
            *(_post(system, share) for share in shares),
        )
        hurrying = helping.create_task(_hurry(system))
        await system.until_accepted(good, seconds=seconds)
        await system.until(lambda: _buried(system, bad), "each is a dead letter", seconds=seconds)
        hurrying.cancel()
        supervising.cancel()

    assert len(system.receiver.times()) == good
    seen = Counter(await letter_rows.reasons(system.database))
    # One that breaks its worker may also die with it, beside one that kills it.
    both = Counter({"crashed": seen.pop("crashed", 0) + seen.pop("failed_here", 0), **seen})
    assert both == bad.reasons, both
    assert all(letter["error"] for letter in await letter_rows.every(system.database))
    assert await outbox_rows.count(system.database) == 0


async def _supervise(system: System) -> None:
    """Start the workers whenever they have ended, as an operating system does."""
    while True:
        workers = await system.command(DIE_OF, "run_actors.py", "--processes", "1")
        await workers.wait()
        await system.kill(workers)
        await system.end_leases()


async def _post(system: System, customers: list[str]) -> None:
    for name in customers:
        await system.post(customer={"name": name, "email": "jane@example.com"})


async def _hurry(system: System) -> None:
    """Let the time pass that the schedule asks for."""
    while True:
        await delivery_rows.hurry(system.database)
        await asyncio.sleep(1)


def _send_unreadable(system: System, count: int) -> None:
    publisher: pubsub_v1.PublisherClient = channels.publisher(system.settings)
    topic = topology.topic_path(system.settings)
    for future in [publisher.publish(topic, b"\xff not an order %d" % n) for n in range(count)]:
        future.result(timeout=PATIENCE)
    publisher.stop()


def _send_unknown(system: System, count: int) -> None:
    """Send messages for an actor that this version does not have."""
    url = system.env["RABBITMQ_URL"]
    broker = Broker(url=url, middleware=[])
    broker.declare_queue("deliver_webhook", ensure=True)
    broker.close()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel: Any = connection.channel()
        channel.confirm_delivery()  # else the last ones may go down with the connection
        for number in range(count):
            message = dramatiq.Message[Any]("deliver_webhook", "deliver_pigeon", (number,), {}, {})
            channel.basic_publish("", "deliver_webhook", message.encode())


async def _buried(system: System, bad: Bad) -> bool:
    return await letter_rows.count(system.database) >= sum(bad.reasons.values())
