"""Shows the health, readiness and metrics of all processes of one worker, from one beside them."""

from __future__ import annotations

import json
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from orderbus import services, telemetry, waiting
from orderbus import settings as settings_module
from orderbus.domain import retries
from orderbus.services.shared import SharedByThreads
from orderbus.worker import shared_state

#: Seconds between two looks for the end of the workers, where there is nothing to serve.
_LOOK_AGAIN: Final = 2.0

_stopping = False
_rendered: Final = SharedByThreads(telemetry.render)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        """Answer one question."""
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(200, b'{"ok": true}')
            case "/readyz":
                found = services.health.together(shared_state.reports(), stopping=_stopping)
                self._answer(200 if found.ready else 503, json.dumps(found.body()).encode())
            case "/metrics":
                self._show_metrics()
            case _:
                self._answer(404, b'{"error": "not found"}')

    def _show_metrics(self) -> None:
        try:
            self._answer(200, _rendered.get(), telemetry.CONTENT_TYPE)
        except (ValueError, OSError):  # the folder is gone, and with it what the workers counted
            self._answer(503, b'{"error": "no worker has counted yet"}')

    def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep scrapes out of the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def service_actions(self) -> None:
        """End with the last process that is watched; called twice a second."""
        _end_when_deserted()


def serve() -> int:
    """Serve until the workers have ended, then remove what they shared. Runs beside them."""
    settings = settings_module.load()
    telemetry.configure_logging(settings, process="watchpoint")
    _stay_until_the_last()
    shared_state.sweep()
    try:
        while settings.worker_metrics_port == 0:
            time.sleep(_LOOK_AGAIN)
            _end_when_deserted()
        with _bound(settings.metrics_host, settings.worker_metrics_port) as server:
            server.serve_forever()
    finally:
        shared_state.leave()
    return 0


def _bound(host: str, port: int) -> _Server:
    """Get the port, as soon as nobody else has it."""

    def bind() -> _Server:
        _end_when_deserted()
        return _Server((host, port), _Handler)

    return waiting.block_until_it_works(
        bind,
        retries.PORT,
        retry_on=OSError,
        away=lambda error: telemetry.log.error("metrics_port_taken", port=port, error=str(error)),
    )


def _end_when_deserted() -> None:
    """End after the last worker.

    A folder that is not there says so only once we were told to stop: perhaps nobody took part yet.
    """
    if shared_state.is_deserted() or (_stopping and not shared_state.place().exists()):
        sys.exit(0)


def _stay_until_the_last() -> None:
    """Not be ready from the first signal on, but go on showing what still runs."""
    shared_state.leave()  # watches, and takes no part

    def stop(*_: object) -> None:
        global _stopping  # noqa: PLW0603 - Dramatiq's forks are told by signals alone
        if _stopping:
            sys.exit(0)
        _stopping = True

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
