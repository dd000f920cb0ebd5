"""The double as the Pub/Sub of a local orderbus."""

from __future__ import annotations

import sys
from typing import Final

from orderbus.devtools import client
from orderbus.devtools.processes import Process, Sink, free_port, until

_COMMAND: Final = (sys.executable, "-m", "orderbus", "pubsub-double")


class DoublePubsub:
    """A double in a process of its own; it keeps all in memory, and forgets it at its end."""

    name = "Pub/Sub"

    def __init__(self) -> None:
        """Run nothing yet."""
        self.how = "embedded double, in memory; what it forgets is published again from PostgreSQL"
        self.env: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self._ports: tuple[int, int] | None = None
        self._process: Process | None = None

    @property
    def processes(self) -> list[Process]:
        """What runs."""
        return [self._process] if self._process else []

    async def start(self, sink: Sink) -> None:
        """Start the double, and wait until it answers."""
        port, admin = self._ports = self._ports or (free_port(), free_port())
        self.env = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"}
        self.urls = {
            "pubsub_emulator": f"127.0.0.1:{port}",
            "pubsub_double": f"http://127.0.0.1:{admin}/",
        }
        command = [*_COMMAND, "--port", str(port), "--admin-port", str(admin)]
        self._process = await Process.start("pubsub", command, sink=sink, grace=5)
        await until(self._answers, self._process, seconds=30, what="The double")

    async def stop(self) -> None:
        """Stop the double."""
        if self._process is not None:
            await self._process.stop()

    async def _answers(self) -> None:
        async with client.open_client() as http:
            await http.get(self.urls["pubsub_double"])
