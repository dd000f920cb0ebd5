"""``orderbus pubsub-double``: a Pub/Sub for one machine, with faults at will."""

from __future__ import annotations

import asyncio
import signal

import click

from orderbus.commands import terminal
from orderbus.devtools.pubsub_double import server


@click.command("pubsub-double")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen there.")
@click.option("--port", default=8085, show_default=True, help="For Pub/Sub clients; 0: any free.")
@click.option("--admin-port", default=8086, show_default=True, help="For orders; 0: any free.")
@terminal.as_json
def pubsub_double(*, host: str, port: int, admin_port: int, as_json: bool) -> None:
    """Run a Pub/Sub in memory that can be told to have faults.

    Set PUBSUB_EMULATOR_HOST to its port. `GET /` at its admin port describes it;
    `PUT /faults {"nack": 0.1}` gives it faults; `POST /forget` empties it;
    `POST /away {"seconds": 5}` closes its port for so long. docs/pubsub-double.md lists all faults.
    """
    terminal.with_exit_code(lambda: asyncio.run(_run(host, port, admin_port, as_json=as_json)))


async def _run(host: str, port: int, admin_port: int, *, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        server.open_double(host, port) as double,
        server.open_admin(double, admin_port) as admin,
    ):
        if as_json:
            terminal.show({"PUBSUB_EMULATOR_HOST": double.address, "admin": admin})
        else:
            terminal.say(f"PUBSUB_EMULATOR_HOST={double.address}  admin: {admin}")
        await stop.wait()
