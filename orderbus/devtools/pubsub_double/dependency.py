"""The double as the Pub/Sub of a local orderbus."""

from __future__ import annotations

import sys
from typing import Final

from orderbus.devtools import client
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.processes import Process, Sink, free_port, until

_COMMAND: Final = (sys.executable, "-m", "orderbus", "pubsub-double")


class DoublePubsub(Dependency):
    """A double in a process of its own; it keeps all in memory, and forgets it at its end."""

    def __init__(self) -> None:
        """Run nothing yet."""
        how = "embedded double, in memory; what it forgets is published again from PostgreSQL"
        super().__init__("Pub/Sub", how)
        self._ports: tuple[int, int] | None = None

    async def start(self, sink: Sink) -> None:
        """Start the double, and wait until it answers."""
        port, admin = self._ports = self._ports or (free_port(), free_port())
        self.env = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"}
        self.urls = {
            "pubsub_emulator": f"127.0.0.1:{port}",
            "pubsub_double": f"http://127.0.0.1:{admin}/",
        }
        command = [*_COMMAND, "--port", str(port), "--admin-port", str(admin)]
        process = await Process.start("pubsub", command, sink=sink, grace=5)
        self.processes.append(process)
        await until(self._answers, process, seconds=30, what="The double")

    async def _answers(self) -> None:
        async with client.open_client() as http:
            await http.get(self.urls["pubsub_double"])
