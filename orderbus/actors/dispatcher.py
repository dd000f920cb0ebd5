"""Turns rows that are due into messages.

Every worker process runs the dispatcher; there is no leader. It listens for the web server's
notification and looks by itself once a second, or as the settings say. Rows are noted as enqueued
when they are, so several dispatchers share the work instead of doubling it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

from orderbus import services, telemetry
from orderbus.actors import bridge, consumers
from orderbus.actors.broker import broker, enqueue_deliveries, enqueue_publish_outbox
from orderbus.errors import Misconfigured, Unavailable
from orderbus.resources import Resources
from orderbus.services.maintenance import Maintenance
from orderbus.worker import lifecycle
from orderbus.worker.dependencies import Dependencies

CHANNEL: Final = "outbox"
#: How often a worker looks whether something old has to be deleted and nobody does.
RETENTION_LOOKS: Final = timedelta(seconds=10)


async def run(resources: Resources, queues: Collection[str], lost: Callable[[], list[str]]) -> None:
    """Dispatch for as long as the worker runs, whatever is away; ``lost`` names threads that ended.

    Consumers are told of events only where this worker works on their ``queues``: what nobody works
    on would pile up.
    """
    installed = consumers.installed(resources.settings)
    names = [consumer.name for consumer in installed if consumer.name in queues]
    notified = resources.database.outbox_written
    maintenance = Maintenance(resources.database)
    repeat = partial(_repeat, resources.settings.poll_interval)

    async def listen() -> None:
        async with resources.database.listening(CHANNEL) as wait:
            notified.set()  # something may have come before
            while True:
                if await wait(60):
                    notified.set()

    async def bring_back() -> None:
        await bridge.run(resources.settings, resources.database, stop=asyncio.Event())

    async with asyncio.TaskGroup() as group:
        if resources.settings.queues_in_memory:
            group.create_task(repeat("bring_back", bring_back))
        group.create_task(Dependencies(resources, broker, lost).watch_all())
        group.create_task(repeat("listen", listen))
        group.create_task(repeat("enqueue_outbox", partial(_enqueue_outbox, resources), notified))
        group.create_task(repeat("enqueue_deliveries", partial(_enqueue_deliveries, resources)))
        group.create_task(
            repeat("enqueue_consumptions", partial(_enqueue_consumptions, resources, names))
        )
        group.create_task(repeat("upkeep", maintenance.tick))
        group.create_task(_repeat(RETENTION_LOOKS, "retention", partial(_retain, resources)))
        group.create_task(repeat("end_without_master", _end_without_master(os.getppid())))


async def _enqueue_outbox(resources: Resources) -> None:
    await broker.reach()  # rows that are noted as hinted, but were not, would wait for longer
    count = await services.outbox.due_to_enqueue(resources.database, resources.settings)
    await enqueue_publish_outbox(count)


async def _enqueue_deliveries(resources: Resources) -> None:
    await broker.reach()
    due = await services.deliveries.due_to_enqueue(resources.database, resources.settings)
    await enqueue_deliveries(due)


async def _enqueue_consumptions(resources: Resources, names: Sequence[str]) -> None:
    await broker.reach()
    await consumers.enqueue(await services.consumptions.due_to_enqueue(resources.database, names))


async def _retain(resources: Resources) -> None:
    await services.retention.tick(resources.database, resources.settings)


async def _repeat(
    interval: timedelta,
    name: str,
    work: Callable[[], Awaitable[None]],
    early: asyncio.Event | None = None,
) -> None:
    """Do ``work`` again and again, and at once when ``early`` is set. Nothing it raises ends this.

    Each pause is up to a fifth shorter than ``interval``, so that workers do not march in step.
    """
    early = early or asyncio.Event()
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
        with suppress(TimeoutError):
            await asyncio.wait_for(early.wait(), _about(interval))


def _end_without_master(master: int) -> Callable[[], Awaitable[None]]:
    """Stop this process when the one that started it is gone: nobody else would."""

    async def look() -> None:
        if os.getppid() != master:
            os.kill(os.getpid(), signal.SIGTERM)

    return look


def _about(interval: timedelta) -> float:
    return interval.total_seconds() * random.uniform(0.8, 1.0)  # noqa: S311 - spreads the dispatchers, guards nothing
