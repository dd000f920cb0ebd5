"""Begins with what is due, and looks after what nobody asks for.

Every worker process runs the dispatcher; there is no leader. Rows are leased by whoever takes them,
so several dispatchers share the work instead of doubling it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

from orderbus import services, telemetry
from orderbus.actors import bridge, given_up, jobs
from orderbus.actors.broker import broker
from orderbus.errors import Misconfigured, Unavailable
from orderbus.rabbitmq.broker import Broker
from orderbus.resources import Resources
from orderbus.services.maintenance import Maintenance
from orderbus.worker import lifecycle
from orderbus.worker.dependencies import Dependencies

CHANNEL: Final = "outbox"
#: How often a worker looks for what is rare; for everything else it does so at each poll.
INTERVALS: Final = {
    "retention": timedelta(seconds=10),  # whether something old has to go, and nobody deletes it
    "given_up": given_up.LOOKS,
}


async def run(resources: Resources, queues: Collection[str], lost: Callable[[], list[str]]) -> None:
    """Dispatch for as long as the worker runs, whatever is away; ``lost`` names threads that ended.

    What is due is taken where this worker works on the ``queues`` of its kind.
    """
    settings, database = resources.settings, resources.database
    takers = {name: each for name, each in lifecycle.takers().items() if name in queues}
    notified = database.outbox_written

    async def listen() -> None:
        async with database.listening(CHANNEL) as wait:
            notified.set()  # something may have come before
            while True:
                if await wait(60):
                    notified.set()

    publish = partial(resources.publisher.publish, deadline=settings.publish_timeout)
    outside = jobs.outside(settings, publish)
    tasks: dict[str, Callable[[], Awaitable[None]]] = {
        "upkeep": Maintenance(database).tick,
        "retention": partial(services.retention.tick, database, settings),
        "jobs": partial(services.jobs.run_due, database, outside, patience=settings.poll_interval),
        "end_without_master": partial(_end_without_master, os.getppid()),
    }
    tasks |= {name: each.take_due for name, each in takers.items()}
    if isinstance(broker, Broker):
        tasks["given_up"] = partial(given_up.keep_from_rabbitmq, database, broker)
    else:
        tasks["bring_back"] = partial(bridge.run, settings, database, stop=asyncio.Event())
    woken = {name: each.woken for name, each in takers.items()}
    if "publish_outbox" in takers:
        tasks["listen"] = listen
    else:  # those hear it that publish
        tasks["tell"], woken["tell"] = partial(database.notify, CHANNEL), notified
    async with asyncio.TaskGroup() as group:
        group.create_task(Dependencies(resources, broker, lost).watch_all())
        for name, work in tasks.items():
            interval = INTERVALS.get(name, settings.poll_interval)
            early = woken.get(name, asyncio.Event())
            group.create_task(_repeat(interval, name, work, early))


async def _repeat(
    interval: timedelta, name: str, work: Callable[[], Awaitable[None]], early: asyncio.Event
) -> None:
    """Do ``work`` again and again, and at once when ``early`` is set. Nothing it raises ends this.

    Each pause is up to a fifth shorter than ``interval``, so that workers do not march in step.
    """
    logged = ""
    while True:
        early.clear()
        try:
            await work()
        except Unavailable:
            pass  # the watch over the dependencies says which one, once
        except Misconfigured as error:
            lifecycle.exit_misconfigured(error)
        except Exception as error:  # noqa: BLE001 - a door: the dispatcher must go on
            if repr(error) != logged:
                telemetry.log.exception("beat_failed", task=name)
            logged = repr(error)
        else:
            logged = ""
        pause = interval * random.uniform(0.8, 1.0)  # noqa: S311 - spreads the dispatchers
        with suppress(TimeoutError):
            await asyncio.wait_for(early.wait(), pause.total_seconds())


async def _end_without_master(master: int) -> None:
    """Stop this process when the one that started it is gone: nobody else would."""
    if os.getppid() != master:
        os.kill(os.getpid(), signal.SIGTERM)
