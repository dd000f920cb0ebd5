"""``orderbus bridge``: the way back from Pub/Sub, a process of its own."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import click

from orderbus import settings as settings_module
from orderbus import telemetry
from orderbus.actors import broker
from orderbus.commands import terminal
from orderbus.errors import OrderbusError, Unavailable
from orderbus.pubsub import bridge as pubsub_bridge
from orderbus.pubsub import topology
from orderbus.pubsub.bridge import Received
from orderbus.services import bridge as services_bridge
from orderbus.services import relay
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from orderbus.web.watchpoint import Health, open_watchpoint

_max_messages = click.option(
    "--max-messages", type=click.IntRange(min=1), help="Stop after this many messages."
)


@click.command()
@_max_messages
def bridge(*, max_messages: int | None) -> None:
    """Stream events from Pub/Sub into the inbox and hint at their deliveries."""
    terminal.with_exit_code(lambda: asyncio.run(_run(settings_module.load(), max_messages)))


@click.command("subscribe_order_created", hidden=True)
@_max_messages
def subscribe_order_created(*, max_messages: int | None) -> None:
    """Do what `bridge` does; the name it had in the source document."""
    terminal.with_exit_code(lambda: asyncio.run(_run(settings_module.load(), max_messages)))


async def _run(settings: Settings, max_messages: int | None) -> None:
    telemetry.configure_logging(settings, process="bridge")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = Health("postgres", "pubsub", "rabbitmq")
    async with (
        open_database(settings) as database,
        open_watchpoint(settings.metrics_host, settings.bridge_metrics_port, health, database),
    ):
        watching = [
            asyncio.create_task(_watch(health, "postgres", database.ping)),
            asyncio.create_task(_watch(health, "rabbitmq", broker.ping)),
        ]
        try:
            await _stream(settings, database, health, stop, max_messages)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)


async def _stream(
    settings: Settings,
    database: Database,
    health: Health,
    stop: asyncio.Event,
    max_messages: int | None,
) -> None:
    async def handle(batch: list[Received]) -> None:
        due = await services_bridge.receive(database, batch)
        # The deliveries are committed: a hint that gets lost costs one beat, so nothing waits.
        with suppress(Unavailable):
            await broker.enqueue_deliveries(due)

    async def made_anew() -> None:
        count = await relay.take_back_all(database)
        telemetry.log.warning("subscription_made_anew", events_to_publish_again=count)

    async def prepare() -> None:
        if (await topology.ensure(settings)).subscription_made:
            await made_anew()

    await _until_it_works(prepare, stop)
    await pubsub_bridge.stream(
        settings,
        handle,
        made=made_anew,
        stop=stop,
        max_messages=max_messages,
        connected=functools.partial(health.saw, "pubsub"),
    )


async def _until_it_works(attempt: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    pause = 0.2
    while not stop.is_set():
        try:
            await attempt()
        except Unavailable as error:
            telemetry.log.warning("part_away", error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(2.0, pause * 2)
        else:
            return


async def _watch(health: Health, part: str, ask: Callable[[], Awaitable[None]]) -> None:
    """Ask a part once a second, so that readiness tells the truth."""
    while True:
        try:
            await ask()
        except OrderbusError:
            health.saw(part, up=False)
        else:
            health.saw(part, up=True)
        await asyncio.sleep(1)
