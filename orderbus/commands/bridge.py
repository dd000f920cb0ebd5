"""``orderbus bridge``: the process that receives the events from Pub/Sub."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

import click

from orderbus import actors, services, telemetry
from orderbus import settings as settings_module
from orderbus.actors import broker
from orderbus.commands import terminal
from orderbus.errors import Misconfigured
from orderbus.services.health import Health
from orderbus.settings import Settings
from orderbus.storage.database import open_database
from orderbus.web.health_server import open_health_server

_max_messages = click.option(
    "--max-messages", type=click.IntRange(min=1), help="Stop after this many messages."
)


@click.command()
@_max_messages
def bridge(*, max_messages: int | None) -> None:
    """Receive the events from Pub/Sub and record them in the inbox.

    Sends wake-up messages for the deliveries and consumptions that are due.
    """
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
    health = Health(*services.health.POSTGRES, "pubsub", "rabbitmq")
    async with (
        open_database(settings) as database,
        open_health_server(settings.metrics_host, settings.bridge_metrics_port, health, database),
    ):
        watching = [
            asyncio.create_task(health.watch("postgres", partial(services.health.look, database))),
            asyncio.create_task(health.watch("rabbitmq", broker.ping)),
        ]
        try:
            await actors.bridge.run(
                settings,
                database,
                stop=stop,
                connected=partial(health.heard, "pubsub"),
                max_messages=max_messages,
            )
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
