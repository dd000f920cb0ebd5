"""A private Pub/Sub: Google's own emulator, from the Cloud SDK that is installed, or our double."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from orderbus.devtools.dependency import Dependency, urls_of
from orderbus.devtools.processes import HTTP_GREETING, Sink, ask, free_port, speaks, until

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


#: For the JVM: the emulator keeps each message for ever, also those that were acked. Without memory
#: it would go on and answer nobody; where it ends, what was not back yet is published again.
ENDS_WITHOUT_MEMORY: Final = "-XX:+ExitOnOutOfMemoryError"


class NativeEmulator(Dependency):
    """An emulator on a port of its own; it keeps all in memory, and forgets it at its end.

    Its memory is at most a quarter of the machine's, about 400,000 messages of ours in each GiB; it
    ends once that is full.
    """

    def __init__(self, jar: Path) -> None:
        super().__init__("Pub/Sub", f"private, Google's emulator {jar.name}")
        self._jar = jar
        self._port = free_port()  # also after a restart

    async def start(self, sink: Sink) -> None:
        """Start the emulator, and wait until it answers."""
        port = self._port
        self.env = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"}
        self.urls = urls_of(self.env)
        options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:MaxRAMPercentage=25"]
        java = [os.environ.get("JAVA", "java"), *options, ENDS_WITHOUT_MEMORY]
        command = [*java, "-jar", str(self._jar), "--host=127.0.0.1", f"--port={port}"]
        process = await self.launch("pubsub", command, sink=sink, grace=5)
        await until(lambda: speaks(port, HTTP_GREETING), process, seconds=60, what="The emulator")


class DoublePubsub(Dependency):
    """A double in a process of its own; it keeps all in memory, and forgets it at its end."""

    def __init__(self) -> None:
        how = "embedded double, in memory; what it forgets is published again from PostgreSQL"
        super().__init__("Pub/Sub", how)
        self._port, self._admin = free_port(), free_port()  # also after a restart

    async def start(self, sink: Sink) -> None:
        """Start the double, and wait until it answers."""
        page = f"http://127.0.0.1:{self._admin}/"
        self.env = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self._port}"}
        self.urls = urls_of(self.env) | {"pubsub_double": page}
        ports = [f"--port={self._port}", f"--admin-port={self._admin}"]
        command = [sys.executable, "-m", "orderbus", "pubsub-double", *ports]
        process = await self.launch("pubsub", command, sink=sink, grace=5)
        await until(lambda: ask("GET", page), process, seconds=30, what="The double")
