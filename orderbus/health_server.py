"""Shows health, readiness and metrics of a process that serves nothing else over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from threading import Thread
from typing import Any

from orderbus import telemetry, waiting
from orderbus.domain import retries
from orderbus.errors import OrderbusError
from orderbus.services.health import Readiness
from orderbus.services.shared import SharedByThreads


def show(
    host: str, port: int, readiness: Callable[[], Readiness], render: Callable[[], bytes]
) -> None:
    """Answer ``/healthz``, ``/readyz`` and ``/metrics`` from now on; port 0 for none.

    Takes the port as soon as nobody else has it. Threads call ``readiness``, and ``render`` once a
    second at most; what that refuses is answered with 503.
    """
    rendered = SharedByThreads(render)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            status, body = _answer(self.path.partition("?")[0], readiness, rendered)
            kind = telemetry.CONTENT_TYPE if isinstance(body, bytes) else "application/json"
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.command == "GET" else b"")

        do_HEAD = do_GET  # noqa: N815 - as the standard library asks for it

        def log_message(self, *_: object) -> None:
            """Keep scrapes out of the log."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET

    def serve() -> None:
        waiting.block_until_it_works(
            lambda: Server((host, port), Handler),
            retries.PORT,
            retry_on=OSError,
            away=lambda error: telemetry.log.error(
                "metrics_port_taken", port=port, error=str(error)
            ),
        ).serve_forever()

    if port:
        Thread(target=serve, name="health server", daemon=True).start()


def _answer(
    path: str, readiness: Callable[[], Readiness], rendered: SharedByThreads[bytes]
) -> tuple[int, dict[str, Any] | bytes]:
    match path:
        case "/healthz":
            return 200, {"ok": True}
        case "/readyz":
            found = readiness()
            return 200 if found.ready else 503, found.body()
        case "/metrics":
            try:
                return 200, rendered.get()
            except OrderbusError as error:
                return 503, {"error": error.code, "detail": error.detail}
    return 404, {"error": "not_found"}
