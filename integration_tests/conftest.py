"""A system started by itself, as ``make run`` starts it, spoken to over HTTP alone.

``ORDERBUS_URL`` names one that is running already; it has to process at random.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: What would name parts of somebody else's, or was meant for the make that runs the tests.
PARTS = ("DB_HOST", "RABBITMQ_URL", "PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")
MAKES = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")

#: Seconds after which something is taken to hang; it measures nothing.
PATIENCE = 90.0


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    """The system's door."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            named["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310 - the system's own address
            self._url + path, data=data, headers=named, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, dict(refusal.headers), refusal.read().decode())

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """Ask until the answer is true; fail with what was waited for."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := holds():
                return found
            time.sleep(0.05)
        pytest.fail(f"not within {PATIENCE:.0f} s: {what}")

    def metric(self, name: str) -> int:
        metrics = {m["description"]: m["count"] for m in self("GET", "/metrics").json["metrics"]}
        return int(metrics.get(name, 0))


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    if url := os.environ.get("ORDERBUS_URL"):
        yield Api(url.rstrip("/"))
        return
    with tempfile.TemporaryDirectory(prefix="orderbus-http-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user may enter
        env = {name: value for name, value in os.environ.items() if name not in {*PARTS, *MAKES}}
        log = Path(folder) / "log"
        command = ["make", "--no-print-directory", "-o", "venv", "run"]
        with (
            log.open("w") as errors,
            subprocess.Popen(
                [
                    *(*command, f"BIN={Path(sys.executable).parent}", "PARTS="),
                    f"ARGS=--json --port 0 --data {folder}/data",
                ],
                cwd=ROOT,
                env={
                    **env,
                    "PYTHONPATH": str(ROOT),
                    "ORDERBUS_PROCESSOR": "random",
                    "PROCESSING_SUCCESS_RATE": "0.5",
                },
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as system,
        ):
            assert system.stdout is not None
            line = system.stdout.readline()
            if not line:
                pytest.fail(log.read_text()[-4000:])
            yield Api(json.loads(line)["api"])
            system.terminate()
            system.wait(PATIENCE)
