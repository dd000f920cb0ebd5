"""``orderbus up``: everything on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderbus import files
from orderbus.commands import terminal
from orderbus.devtools import dotenv, processes, stack
from orderbus.devtools.folders import locked_folder, write_private
from orderbus.devtools.providers import Provider
from orderbus.domain import webhooks
from orderbus.errors import Died, Invalid, Misconfigured

if TYPE_CHECKING:
    from orderbus.devtools.dotenv import Given
    from orderbus.devtools.stack import Stack

#: The option that chooses the provider of every dependency.
with_provider = click.option(
    "--parts",
    "provider",
    type=click.Choice([each.value for each in Provider]),
    callback=lambda _context, _option, value: value and Provider(value),
    help="Provider of every dependency; without it, the first of these that is here.",
)


def _url(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """Pass a URL that webhooks can be sent to; another is refused before anything starts."""
    if url is not None:
        try:
            webhooks.check_url(url)
        except Invalid as error:
            raise click.BadParameter(f"{error}.") from None
    return url


_Opening = Callable[..., AbstractAsyncContextManager["Stack"]]

_say = partial(terminal.say, head=click.style("orderbus ", bold=True), err=True)
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port of the API; 0 takes any free one.",
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Folder to keep data in."
)
@with_provider
@click.option(
    "--webhook",
    metavar="URL",
    callback=_url,
    help="Send every order's webhook to URL, instead of to a receiver of its own.",
)
@click.option("--seed", is_flag=True, help="Fill an empty catalogue with examples.")
@click.option(
    "--replica",
    is_flag=True,
    help="Start a streaming replica of its PostgreSQL, too, which answers reads.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object with all URLs when ready."
)
def up(
    *,
    port: int,
    data: Path | None,
    provider: Provider | None,
    webhook: str | None,
    seed: bool,
    replica: bool,
    as_json: bool,
) -> None:
    """Run everything on this machine until Ctrl-C.

    PostgreSQL, RabbitMQ, Pub/Sub, web, workers, bridge, receiver. Each dependency is the one that a
    setting names, else a private one of what is installed, else a Docker container, else an
    embedded one, which needs nothing but what pip installed. Of `.env` it takes what is not about
    dependencies, ports and who may call.
    """
    folder = (data or files.default_data() / "up").absolute()
    given = dotenv.read(Path(".env"), os.environ)
    extras: dict[stack.Extra, bool] = {"seed": seed, "replica": replica}
    opening = partial(
        stack.running_stack,
        folder,
        say=_say,
        provider=provider,
        port=port,
        webhook=webhook,
        extras=[extra for extra, is_wanted in extras.items() if is_wanted],
        changes=given.taken,
    )

    def run() -> None:
        if port and not processes.is_free(port):
            raise Misconfigured(
                f"Port {port} is in use: name another with --port, or any free one with --port 0"
            )
        stack.check_settings(given.taken)
        _show_dotenv(given)
        with locked_folder(folder):
            stopped = asyncio.run(_up(opening, as_json=as_json))
        if stopped:
            _say(f"Stopped. Everything it had stays in {folder}")

    terminal.with_exit_code(run)


async def _up(opening: _Opening, *, as_json: bool) -> bool:
    """Run everything until somebody stops it, and say so; raises ``Died`` where a process ends."""
    stopping = asyncio.Event()
    running = asyncio.create_task(_run(opening, stopping, as_json=as_json))

    def stop() -> None:
        if not stopping.is_set() and not running.done():
            stopping.set()
            _say("stopping")
            running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    except BaseExceptionGroup as group:
        raise stack.first_error(group) from None
    return stopping.is_set()


async def _run(opening: _Opening, stopping: asyncio.Event, *, as_json: bool) -> None:
    def sink(name: str, line: str) -> None:
        if not stopping.is_set():  # what a process prints at its end, Java at length, helps nobody
            colour = _COLOURS[sum(name.encode()) % len(_COLOURS)]
            terminal.say(line, head=click.style(f"{name:9}", fg=colour), err=True)

    async with opening(sink=sink) as running:
        settings = (
            f"export {name}={shlex.quote(value)}\n" for name, value in sorted(running.env.items())
        )
        env_file = running.data / "env"
        write_private(env_file, "".join(settings))  # what other commands need to reach this one
        try:
            _show(running, env_file, as_json=as_json)
            process = await running.first_death()
            raise Died(f"{process.name} ended with code {process.code}; stopping everything")
        finally:
            env_file.unlink(missing_ok=True)


def _show_dotenv(given: Given) -> None:
    """Say which settings of ``.env`` hold here; never their values."""
    if given.taken:
        _say(f"of .env taken: {', '.join(given.taken)}")
    if given.replaced:
        _say(f"of .env replaced by its own: {', '.join(given.replaced)}")


def _show(running: Stack, env_file: Path, *, as_json: bool) -> None:
    if as_json:
        terminal.show(running.urls)
        return
    for name, url in running.urls.items():
        _say(f"{name.replace('_', ' ')}: {url}")
    if "RABBIT_PASS" in running.env:
        login = f"{running.env['RABBIT_USER']}, password {running.env['RABBIT_PASS']}"
        _say(f"rabbitmq management login: {login}")
    if "receiver" not in running.urls:  # somebody else's has to know it
        _say(f"webhook secret: {running.env['WEBHOOK_OUTGOING_SECRET']}")
    _say(f"for other commands, in another terminal: . {shlex.quote(str(env_file))}")
    terminal.say(f"orderbus ready: {running.urls['api']}")
