"""The web server runs in one process, or in several behind one socket.

The socket is bound once, by the first process, and inherited by the workers: so a port of 0 works,
a taken port is an error at once, and a worker that dies is replaced without refusing anybody.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from aiohttp import web

from orderbus import event_loop, files, telemetry
from orderbus.settings import Settings
from orderbus.web.app import build_app
from orderbus.web.app_keys import IN_FLIGHT

#: Seconds that requests under way may take to finish after SIGTERM.
DRAIN: Final = 20.0
#: Seconds in which a request that was on its way at SIGTERM still begins.
_SETTLE: Final = 0.3
#: A worker that dies younger than this cannot run at all: replacing it would go on for ever.
_TOO_YOUNG: Final = 3.0


def bind(host: str, port: int) -> socket.socket:
    """Bind and listen; raises ``OSError`` where the place is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(1024)
    listening.setblocking(False)  # noqa: FBT003 - the standard library takes it so
    return listening


#: How aiohttp speaks HTTP for us. What came compressed is not unpacked: the door refuses it.
OPTIONS: Final[Mapping[str, Any]] = {
    "access_log": None,
    "shutdown_timeout": 1.0,
    "keepalive_timeout": 30,
    "handler_cancellation": False,
    "auto_decompress": False,
    # How long what is left of a refused body is read, so that the sender may read why.
    "lingering_time": 2.0,
}
#: Seconds a new connection has for the head of its first request.
HEAD_TIMEOUT: Final = 10.0


def url_of(listening: socket.socket) -> str:
    """Say under which URL the bound socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new connections and finish what is under way."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = build_app(settings)
    runner = web.AppRunner(app, **OPTIONS)
    await runner.setup()
    try:
        server = await loop.create_server(lambda: _let_in(runner, app), sock=listening)
        event_loop.all_is_loaded()
        telemetry.log.info("web_ready", url=url_of(listening))
        await stop.wait()
        server.close()
        await _drain(app)
    finally:
        await runner.cleanup()


def _let_in(runner: web.AppRunner, app: web.Application) -> asyncio.Protocol:
    """Serve a connection, and close it unless a whole head of a request comes soon.

    aiohttp closes connections that idle after a request, but waits for ever for the first one.
    """
    assert runner.server is not None  # noqa: S101 - it is set up
    connection: Any = runner.server()

    closings = app[IN_FLIGHT].closings

    def close() -> None:
        del closings[connection]
        connection.force_close()

    closings[connection] = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, close)
    return cast("asyncio.Protocol", connection)


async def _drain(app: web.Application) -> None:
    """Wait for the requests that were begun: the runner's own cleanup drops a body half sent."""
    await asyncio.sleep(_SETTLE)
    deadline = time.monotonic() + DRAIN
    while app[IN_FLIGHT].requests and time.monotonic() < deadline:  # noqa: ASYNC110 - at its end only
        await asyncio.sleep(0.02)


class Supervisor:
    """Runs several workers on one socket, replaces those that die, and stops them together."""

    def __init__(self, listening: socket.socket, *, workers: int) -> None:
        self._listening = listening
        self._wanted = workers
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        self._stopping = False

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; returns the exit code."""
        metrics = tempfile.mkdtemp(prefix="orderbus-web-")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self._stopping:
                code = self._replace_dead(metrics)
                if code is not None:
                    self._stop()
                    return code
                time.sleep(0.1)
            return 0
        finally:
            self._wait()
            shutil.rmtree(metrics, ignore_errors=True)

    def _replace_dead(self, metrics: str) -> int | None:
        """Keep as many workers as wanted; an exit code if one cannot run at all."""
        for worker, began in list(self._workers.items()):
            code = worker.poll()
            if code is None:
                continue
            del self._workers[worker]
            if time.monotonic() - began < _TOO_YOUNG and code > 0:
                return code
            telemetry.log.error("web_worker_died", worker=worker.pid, code=code)
        while len(self._workers) < self._wanted and not self._stopping:
            self._workers[self._start(metrics)] = time.monotonic()
        return None

    def _start(self, metrics: str) -> subprocess.Popen[bytes]:
        number = self._listening.fileno()
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "orderbus", "web", "--inherit", str(number)],
            pass_fds=[number],
            env={**os.environ, **files.IMPORTABLE, "PROMETHEUS_MULTIPROC_DIR": metrics},
        )

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for worker in self._workers:
            worker.terminate()

    def _wait(self) -> None:
        deadline = time.monotonic() + DRAIN + 5
        for worker in self._workers:
            try:
                worker.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
