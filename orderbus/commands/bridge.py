"""``orderbus bridge``: the process that receives the events from Pub/Sub."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING

import click

from orderbus import actors, event_loop, health_server, log_lines, services, storage, telemetry
from orderbus import settings as settings_module
from orderbus.actors import broker
from orderbus.commands import terminal
from orderbus.errors import Misconfigured

if TYPE_CHECKING:
    from orderbus.services.health import Health
    from orderbus.storage.database import Database


@click.command()
@click.option("--max-messages", type=click.IntRange(min=1), help="Stop after this many messages.")
def bridge(*, max_messages: int | None) -> None:
    """Receive the events from Pub/Sub and record them in the inbox.

    Sends wake-up messages for the deliveries and consumptions that are due.
    """
    terminal.with_exit_code(lambda: event_loop.run(_run(settings_module.load(), max_messages)))


#: The name it had in the source document.
subscribe_order_created = click.Command(
    "subscribe_order_created", callback=bridge.callback, params=bridge.params, hidden=True
)


async def _run(settings: settings_module.Settings, max_messages: int | None) -> None:
    if settings.queues_in_memory:
        raise Misconfigured(
            "RABBITMQ_URL is memory:// : the bridge runs inside the worker then, so start none"
        )
    log_lines.configure(settings, process="bridge")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = services.health.Health(*services.health.POSTGRES, "pubsub", "rabbitmq")
    async with storage.database.open_database(settings) as database:
        show(settings, health, database)
        watching = [
            asyncio.create_task(health.watch("postgres", partial(services.health.look, database))),
            asyncio.create_task(health.watch("rabbitmq", broker.ping)),
        ]
        event_loop.all_is_loaded()
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


def show(settings: settings_module.Settings, health: Health, database: Database) -> None:
    """Show over HTTP, as long as the event loop runs, how well this process is."""
    loop = asyncio.get_running_loop()

    def render() -> bytes:
        asking = asyncio.run_coroutine_threadsafe(database.ask(storage.diagnostics.backlog), loop)
        return telemetry.render(asking.result())

    place = settings.metrics_host, settings.bridge_metrics_port
    health_server.show(*place, lambda: health.readiness, render)
