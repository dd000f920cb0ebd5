"""``orderbus web``: the web server, in one process or in several behind one socket."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping

import click

from orderbus import event_loop, log_lines, telemetry
from orderbus import settings as settings_module
from orderbus.commands import terminal
from orderbus.domain.addresses import is_loopback
from orderbus.errors import Misconfigured
from orderbus.web import server


@click.command()
@click.option("--host", help="Address to bind to (ORDERBUS_WEB_HOST).")
@click.option("--port", type=int, help="Port; 0 takes any free one (ORDERBUS_WEB_PORT).")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes behind the one socket.",
)
@click.option("--inherit", type=int, hidden=True, help="The socket that a supervisor has bound.")
def web(*, host: str | None, port: int | None, workers: int, inherit: int | None) -> None:
    """Run the web server. It ends on SIGTERM, when the requests under way are finished."""
    inherited = None if inherit is None else socket.socket(fileno=inherit)
    if inherited is not None:  # a worker goes by the place that its parent has bound
        host, port = inherited.getsockname()[:2]
    asked = {"web_host": host, "web_port": port}
    given = {name: value for name, value in asked.items() if value is not None}
    terminal.with_exit_code(lambda: sys.exit(_run(given, inherited, workers)))


def _run(given: Mapping[str, object], inherited: socket.socket | None, workers: int) -> int:
    settings = settings_module.load(**given)
    settings.require_signatures()
    log_lines.configure(settings, process="web")
    listening = inherited or _bind(settings)
    if settings.is_open and not is_loopback(listening.getsockname()[0]):
        raise Misconfigured(
            f"AUTH=open, but {settings.web_host} is no loopback address: set ORDERBUS_WEB_HOST to "
            "127.0.0.1, or AUTH=required and WEBHOOK_SECRET"
        )
    if inherited is not None:
        _end_with_parent()
    elif workers > 1:
        telemetry.log.info("web_bound", url=server.url_of(listening), workers=workers)
        return server.Supervisor(listening, workers=workers).run()
    event_loop.run(server.serve(settings, listening))
    return 0


def _bind(settings: settings_module.Settings) -> socket.socket:
    try:
        return server.bind(settings.web_host, settings.web_port)
    except OSError as error:
        place = f"{settings.web_host}:{settings.web_port}"
        message = f"cannot listen on {place}: {error}. Choose another --host or --port."
        terminal.fail(message, code=1)


def _end_with_parent() -> None:
    """Stop gracefully when the supervisor died without a word (SIGKILL)."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
