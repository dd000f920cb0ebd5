"""A dependency as a Docker container, where an engine runs and nothing native is installed."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from orderbus.devtools.processes import Process, Sink, free_port, until


def available() -> bool:
    """Say whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        asking = subprocess.run(  # noqa: S603 - a fixed command
            asked, capture_output=True, check=False, timeout=10
        )
        return asking.returncode == 0
    return False


@dataclass
class Container:
    """One container that is removed when it stops; it keeps nothing."""

    name: str
    image: str
    ports: dict[str, int]
    given: dict[str, str]
    named: dict[str, str]
    shown: dict[str, str]
    greeting: bytes = b""
    command: tuple[str, ...] = ()
    how: str = field(init=False)
    env: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    _process: Process | None = None

    def __post_init__(self) -> None:
        """Say what it is."""
        self.how = f"Docker, {self.image}"

    @property
    def processes(self) -> list[Process]:
        """What runs."""
        return [self._process] if self._process else []

    async def start(self, sink: Sink) -> None:
        """Start the container, and wait until its first port speaks."""
        local = {name: free_port() for name in self.ports}
        self.env = {name: value.format(**local) for name, value in self.named.items()}
        self.urls = {name: value.format(**local) for name, value in self.shown.items()}
        self._process = await Process.start(
            self.image.split(":", maxsplit=1)[0].rpartition("/")[2],
            self.run(local),
            sink=sink,
            env=self.given,
        )
        port = next(iter(local.values()))
        await until(
            lambda: _speaks(port, self.greeting), self._process, seconds=180, what=self.image
        )

    def run(self, local: Mapping[str, int]) -> list[str]:
        """Write the command; every user of this machine may read it, so no value stands in it."""
        publish = [
            f"--publish=127.0.0.1:{local[name]}:{inside}" for name, inside in self.ports.items()
        ]
        return [
            "docker",
            "run",
            "--rm",
            "--init",
            "--label=orderbus.part",  # `make test-stop` finds it by this
            *publish,
            *(f"--env={name}" for name in self.given),  # the client's own environment has it
            self.image,
            *self.command,
        ]

    async def stop(self) -> None:
        """Stop the container."""
        if self._process is not None:
            await self._process.stop()


def container(name: str) -> Container:
    """Describe the container of a dependency."""
    password = secrets.token_urlsafe(16)
    match name:
        case "PostgreSQL":
            return Container(
                name,
                "postgres:15-alpine",
                ports={"sql": 5432},
                given={"POSTGRES_USER": "orderbus", "POSTGRES_PASSWORD": password},
                named={
                    "DB_HOST": "127.0.0.1",
                    "DB_PORT": "{sql}",
                    "DB_NAME": "orderbus",
                    "DB_USER": "orderbus",
                    "DB_PASS": password,
                },
                shown={"postgres": "postgresql://orderbus@127.0.0.1:{sql}/orderbus"},
                # May I speak TLS? Answered by one byte.
                greeting=b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
            )
        case "RabbitMQ":
            return Container(
                name,
                "rabbitmq:3-management",
                ports={"amqp": 5672, "management": 15672},
                given={"RABBITMQ_DEFAULT_USER": "orderbus", "RABBITMQ_DEFAULT_PASS": password},
                named={
                    "RABBITMQ_URL": f"amqp://orderbus:{password}@127.0.0.1:{{amqp}}/",
                    "RABBIT_USER": "orderbus",
                    "RABBIT_PASS": password,
                },
                shown={
                    "rabbitmq": "amqp://127.0.0.1:{amqp}/",
                    "rabbitmq_management": "http://127.0.0.1:{management}/",
                },
                greeting=b"AMQP\x00\x00\x09\x01",
            )
        case _:
            return Container(
                name,
                "gcr.io/google.com/cloudsdktool/cloud-sdk:emulators",
                ports={"grpc": 8085},
                given={},
                named={"PUBSUB_EMULATOR_HOST": "127.0.0.1:{grpc}"},
                shown={"pubsub_emulator": "127.0.0.1:{grpc}"},
                greeting=b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                command=(
                    "gcloud",
                    "beta",
                    "emulators",
                    "pubsub",
                    "start",
                    "--host-port=0.0.0.0:8085",
                ),
            )


async def _speaks(port: int, greeting: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(greeting)
        async with asyncio.timeout(2):
            await reader.readexactly(1)
    finally:
        writer.close()
