"""Google's own Pub/Sub emulator, from the Cloud SDK that is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from orderbus.devtools.processes import Process, Sink, free_port, until

_SDKS: Final = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
    "~/google-cloud-sdk",
)


def jar() -> Path | None:
    """Find the emulator's newest jar; None where it, or Java, is missing."""
    if shutil.which("java") is None:
        return None
    places = [Path(place).expanduser() for place in _SDKS]
    gcloud = shutil.which("gcloud")
    if gcloud is not None:
        places.insert(0, Path(gcloud).resolve().parents[1])
    for place in places:
        jars = sorted((place / "platform/pubsub-emulator/lib").glob("cloud-pubsub-emulator-*.jar"))
        if jars:
            return jars[-1]
    return None


class NativeEmulator:
    """An emulator on a port of its own; it keeps all in memory, and forgets it at its end."""

    name = "Pub/Sub"

    def __init__(self, jar: Path) -> None:
        """Run ``jar``."""
        self.how = f"private, Google's emulator {jar.name}"
        self.env: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self._jar = jar
        self._port: int | None = None
        self._process: Process | None = None

    @property
    def processes(self) -> list[Process]:
        """What runs."""
        return [self._process] if self._process else []

    async def start(self, sink: Sink) -> None:
        """Start the emulator, and wait until it answers."""
        port = self._port = self._port or free_port()  # the same again after a restart
        self.env = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"}
        self.urls = {"pubsub_emulator": f"127.0.0.1:{port}"}
        java = [os.environ.get("JAVA", "java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        self._process = await Process.start(
            "pubsub",
            [*java, "-Xmx512m", "-jar", str(self._jar), "--host=127.0.0.1", f"--port={port}"],
            sink=sink,
            grace=5,
        )
        await until(lambda: _answers(port), self._process, seconds=60, what="The emulator")

    async def stop(self) -> None:
        """Stop the emulator."""
        if self._process is not None:
            await self._process.stop()


async def _answers(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(2):
            await reader.readexactly(12)
    finally:
        writer.close()
