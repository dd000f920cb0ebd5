"""A dependency as a Docker container, where an engine runs and nothing native is installed."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from orderbus.devtools.dependency import Dependency
from orderbus.devtools.processes import HTTP_GREETING, Process, Sink, free_port, speaks, until


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


class Container(Dependency):
    """One container that is removed when it stops; it keeps nothing."""

    def __init__(
        self,
        name: str,
        image: str,
        *,
        ports: Mapping[str, int],
        given: Mapping[str, str],
        named: Mapping[str, str],
        shown: Mapping[str, str],
        greeting: bytes,
        command: Sequence[str] = (),
    ) -> None:
        """Run ``image`` with ``given``; ``named`` and ``shown`` become settings and URLs."""
        super().__init__(name, f"Docker, {image}")
        self.image, self.ports, self.given = image, ports, given
        self.named, self.shown = named, shown
        self.greeting, self.command = greeting, command

    async def start(self, sink: Sink) -> None:
        """Start the container, and wait until its first port speaks."""
        local = {name: free_port() for name in self.ports}
        self.env = {name: value.format(**local) for name, value in self.named.items()}
        self.urls = {name: value.format(**local) for name, value in self.shown.items()}
        process = await Process.start(
            self.image.split(":", maxsplit=1)[0].rpartition("/")[2],
            self.run(local),
            sink=sink,
            env=self.given,
        )
        port = next(iter(local.values()))
        self.processes.append(process)
        await until(lambda: speaks(port, self.greeting), process, seconds=180, what=self.image)

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
                greeting=HTTP_GREETING,
                command=(
                    "gcloud",
                    "beta",
                    "emulators",
                    "pubsub",
                    "start",
                    "--host-port=0.0.0.0:8085",
                ),
            )
