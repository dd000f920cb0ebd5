"""What a dependency on this machine is, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orderbus.devtools.processes import Process, Sink


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
