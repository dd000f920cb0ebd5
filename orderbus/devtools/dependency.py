"""What a dependency on this machine is, whoever provides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from orderbus.devtools.processes import Process, Sink
from orderbus.domain.addresses import in_url
from orderbus.settings import Settings


@dataclass(eq=False)
class Dependency:
    """PostgreSQL, RabbitMQ or Pub/Sub; one that somebody else runs is there already."""

    name: str
    how: str
    env: dict[str, str] = field(default_factory=dict)
    """Settings that name it to the processes; known before it answers, except PostgreSQL's."""
    urls: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    """What runs for it here, and should not end by itself."""
    is_spare: bool = False
    """Whether everything else goes on without it."""

    async def start(self, sink: Sink) -> None:
        """Bring it up and wait until it answers."""

    async def launch(self, name: str, command: Sequence[str], **options: Any) -> Process:  # noqa: ANN401
        """Start a process that ends with it; ``options`` as for ``Process.start``."""
        process = await Process.start(name, command, **options)
        self.processes.append(process)
        return process

    async def stop(self) -> None:
        """Stop what runs for it, the newest first."""
        while self.processes:
            await self.processes.pop().stop()


def urls_of(env: Mapping[str, str]) -> dict[str, str]:
    """Tell where what the settings name is, without a password; RabbitMQ's page unless moved."""
    urls = {}
    if host := env.get("DB_HOST"):
        user, port, name = (
            env.get(variable, Settings.model_fields[variable.lower()].default)
            for variable in ("DB_USER", "DB_PORT", "DB_NAME")
        )
        socket = host.startswith("/")  # the folder of its socket
        place = f"/{name}?host={host}&port={port}" if socket else f"{in_url(host)}:{port}/{name}"
        urls["postgres"] = f"postgresql://{user}@{place}"
    if "RABBITMQ_URL" in env:
        url = urlsplit(env["RABBITMQ_URL"])
        urls["rabbitmq"] = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
        urls["rabbitmq_management"] = f"http://{in_url(url.hostname or '')}:15672/"
    if host := env.get("PUBSUB_EMULATOR_HOST"):
        urls["pubsub_emulator"] = host
    return urls
