"""``orderbus bridge``: the way back from Pub/Sub, a process of its own."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable

import click

from orderbus import actors, telemetry
from orderbus import settings as settings_module
from orderbus.actors import broker
from orderbus.commands import terminal
from orderbus.errors import Misconfigured, OrderbusError
from orderbus.settings import Settings
from orderbus.storage.database import open_database
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
    if settings.queues_in_memory:
        raise Misconfigured("RABBITMQ_URL is memory:// : the bridge runs inside the worker then")
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
            await actors.bridge.run(
                settings,
                database,
                stop=stop,
                connected=functools.partial(health.saw, "pubsub"),
                max_messages=max_messages,
            )
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)


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
