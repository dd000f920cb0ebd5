"""Where are the processes of one worker watched: health, readiness, and metrics in one scrape.

The processes share a folder named after their master. Each writes its metrics and its readiness
there; one more process beside them serves it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import parent_process
from pathlib import Path
from typing import Final

#: A process that wrote nothing for so long is taken for dead (seconds).
SILENCE: Final = 5.0


def folder() -> Path:
    """Name the folder shared by the processes of one Dramatiq master."""
    return Path(tempfile.gettempdir()) / f"orderbus-worker-{os.getuid()}-{os.getppid()}"


if parent_process() is not None and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    # Before anything imports prometheus_client, which looks here once.
    folder().mkdir(mode=0o700, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder())


def report(parts: dict[str, bool]) -> None:
    """Write down which parts this process reaches; call it at least every second."""
    place = folder()
    if place.is_dir():
        draft = place / f"{os.getpid()}.draft"
        draft.write_text(json.dumps(parts))
        draft.replace(place / f"{os.getpid()}.ready")


def readiness() -> tuple[bool, dict[str, bool]]:
    """Say whether every process reaches every part, and which parts all of them reach."""
    parts: dict[str, bool] = {}
    reports = list(folder().glob("*.ready"))
    for path in reports:
        fresh = time.time() - path.stat().st_mtime < SILENCE
        for part, up in json.loads(path.read_text()).items():
            parts[part] = parts.get(part, True) and up and fresh
    return bool(parts) and all(parts.values()), parts


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer one question."""
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(200, "application/json", b'{"ok": true}')
            case "/readyz":
                ready, parts = readiness()
                body = json.dumps({"ready": ready, "parts": parts}).encode()
                self._answer(200 if ready else 503, "application/json", body)
            case "/metrics":
                from orderbus import telemetry  # noqa: PLC0415 - after the folder was named

                self._answer(200, telemetry.CONTENT_TYPE, telemetry.render())
            case _:
                self._answer(404, "application/json", b'{"error": "not found"}')

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep scrapes out of the log."""


def serve() -> None:
    """Serve until told to stop, then remove the shared folder. Runs beside the workers."""
    from orderbus import settings as settings_module  # noqa: PLC0415
    from orderbus import telemetry  # noqa: PLC0415 - after the folder was named

    settings = settings_module.load()
    telemetry.configure_logging(settings, process="watchpoint")
    try:
        if settings.worker_metrics_port == 0:
            while True:
                time.sleep(3600)
        with _bound(settings.metrics_host, settings.worker_metrics_port) as server:
            server.serve_forever()
    finally:
        shutil.rmtree(folder(), ignore_errors=True)


def _bound(host: str, port: int) -> ThreadingHTTPServer:
    """Take the port as soon as it is free: a worker that ends may hold it for a while yet."""
    from orderbus import telemetry  # noqa: PLC0415 - after the folder was named

    told = False
    while True:
        try:
            return ThreadingHTTPServer((host, port), _Handler)
        except OSError as error:
            if not told:
                telemetry.log.error("metrics_port_taken", port=port, error=str(error))
            told = True
            time.sleep(0.5)
