"""A dependency as a Docker container, where an engine runs and nothing native is installed."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from orderbus.devtools.dependency import Dependency, urls_of
from orderbus.devtools.emulator import ENDS_WITHOUT_MEMORY
from orderbus.devtools.processes import HTTP_GREETING, Sink, free_port, speaks, until

_IMAGES: Final = {
    "PostgreSQL": "postgres:15-alpine",
    "RabbitMQ": "rabbitmq:3-management",
    "Pub/Sub": "gcr.io/google.com/cloudsdktool/cloud-sdk:emulators",
}
_EMULATOR: Final = ("gcloud", "beta", "emulators", "pubsub", "start", "--host-port=0.0.0.0:8085")


def available() -> bool:
    """Say whether a Docker engine answers."""
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        subprocess.run(asked, capture_output=True, check=True, timeout=10)  # noqa: S603 - fixed
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@dataclass(eq=False, kw_only=True)
class Container(Dependency):
    """One container that is removed when it stops; it keeps nothing.

    ``given`` is its environment. ``named`` and ``pages`` become settings and URLs once the names of
    its ``ports`` in them are replaced by ports of this machine.
    """

    image: str
    ports: Mapping[str, int]
    given: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str]
    greeting: bytes
    pages: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()

    async def start(self, sink: Sink) -> None:
        """Start the container, and wait until its first port speaks."""
        local = {name: free_port() for name in self.ports}
        self.env = {name: value.format(**local) for name, value in self.named.items()}
        pages = {name: value.format(**local) for name, value in self.pages.items()}
        self.urls = urls_of(self.env) | pages
        name = self.image.split(":", maxsplit=1)[0].rpartition("/")[2]
        process = await self.launch(name, self.run(local), sink=sink, env=self.given)
        port = next(iter(local.values()))
        await until(lambda: speaks(port, self.greeting), process, seconds=180, what=self.image)

    def run(self, local: Mapping[str, int]) -> list[str]:
        """Write the command; every user of this machine may read it, so no value stands in it."""
        return [
            *("docker", "run", "--rm", "--init"),
            "--label=orderbus.part",  # `make test-stop` finds it by this
            *(f"--publish=127.0.0.1:{local[name]}:{port}" for name, port in self.ports.items()),
            *(f"--env={name}" for name in self.given),  # the client's own environment has it
            self.image,
            *self.command,
        ]


def container(name: str) -> Container:
    """Describe the container of a dependency."""
    password, image = secrets.token_urlsafe(16), _IMAGES[name]
    make = partial(Container, name, f"Docker, {image}", image=image)
    match name:
        case "PostgreSQL":
            return make(
                ports={"sql": 5432},
                given={"POSTGRES_USER": "orderbus", "POSTGRES_PASSWORD": password},
                named={
                    "DB_HOST": "127.0.0.1",
                    "DB_PORT": "{sql}",
                    "DB_NAME": "orderbus",
                    "DB_USER": "orderbus",
                    "DB_PASS": password,
                },
                # May I speak TLS? Answered by one byte.
                greeting=b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
            )
        case "RabbitMQ":
            return make(
                ports={"amqp": 5672, "management": 15672},
                given={"RABBITMQ_DEFAULT_USER": "orderbus", "RABBITMQ_DEFAULT_PASS": password},
                named={
                    "RABBITMQ_URL": f"amqp://orderbus:{password}@127.0.0.1:{{amqp}}/",
                    "RABBIT_USER": "orderbus",
                    "RABBIT_PASS": password,
                },
                pages={"rabbitmq_management": "http://127.0.0.1:{management}/"},
                greeting=b"AMQP\x00\x00\x09\x01",
            )
        case _:
            return make(
                ports={"grpc": 8085},
                given={"JAVA_TOOL_OPTIONS": ENDS_WITHOUT_MEMORY},
                named={"PUBSUB_EMULATOR_HOST": "127.0.0.1:{grpc}"},
                greeting=HTTP_GREETING,
                command=_EMULATOR,
            )
