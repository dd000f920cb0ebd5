"""Runs the web server: ``python run_web.py [--host HOST] [--port PORT] [--workers N]``."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import threading

from orderbus import settings as settings_module
from orderbus import telemetry
from orderbus.domain.addresses import is_loopback
from orderbus.errors import Misconfigured


def main() -> int:
    """Read the settings, bind, and serve; 2 where the settings cannot work."""
    arguments = _arguments()
    inherited = None if arguments.inherit is None else socket.socket(fileno=arguments.inherit)
    try:
        settings = settings_module.load(**_given(arguments, inherited))
        settings.require_signatures()
    except Misconfigured as error:
        sys.stderr.write(f"orderbus: {error}\n")
        return 2
    telemetry.configure_logging(settings, process="web")
    from orderbus.web import server  # noqa: PLC0415 - what reads the settings comes after them

    if inherited is not None:
        _end_with_parent()
        listening = inherited
    else:
        try:
            listening = server.bind(settings.web_host, settings.web_port)
        except OSError as error:
            place = f"{settings.web_host}:{settings.web_port}"
            sys.stderr.write(f"orderbus: cannot listen on {place}: {error}\n")
            return 1
    if settings.is_open and not is_loopback(listening.getsockname()[0]):
        sys.stderr.write(f"orderbus: AUTH=open, but {settings.web_host} is no loopback address\n")
        return 2
    if arguments.workers > 1 and inherited is None:
        telemetry.log.info("web_bound", url=server.url_of(listening), workers=arguments.workers)
        return server.Supervisor(listening, workers=arguments.workers).run()
    _run(server.serve(settings, listening))
    return 0


def _run(serving: object) -> None:
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        asyncio.run(serving)  # type: ignore[arg-type]
    else:
        uvloop.run(serving)  # type: ignore[arg-type]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The web server of orderbus.")
    parser.add_argument("--host", help="address to bind to (ORDERBUS_WEB_HOST)")
    parser.add_argument("--port", type=int, help="port; 0 takes any free one (ORDERBUS_WEB_PORT)")
    parser.add_argument("--workers", type=int, default=1, help="processes behind the one socket")
    parser.add_argument("--inherit", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _given(arguments: argparse.Namespace, inherited: socket.socket | None) -> dict[str, object]:
    """Say what the environment does not: a worker goes by the place its parent has bound."""
    given = {"web_host": arguments.host, "web_port": arguments.port}
    if inherited is not None:
        given["web_host"], given["web_port"] = inherited.getsockname()[:2]
    return {name: value for name, value in given.items() if value is not None}


def _end_with_parent() -> None:
    """Stop gracefully when the supervisor died without a word (SIGKILL)."""
    parent = os.getppid()

    def watch() -> None:
        import signal  # noqa: PLC0415
        import time  # noqa: PLC0415

        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
