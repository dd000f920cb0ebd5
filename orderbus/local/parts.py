"""Which PostgreSQL, which RabbitMQ, which Pub/Sub does a local orderbus use?

Each is looked for in this order: named by a setting; a private native one; Docker; embedded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from orderbus.errors import Misconfigured
from orderbus.local.processes import Sink


class Part(Protocol):
    """One neighbour that ``start`` brings up; afterwards ``env`` names it to the processes."""

    name: str
    how: str
    env: dict[str, str]
    urls: dict[str, str]

    async def start(self, sink: Sink) -> None:
        """Bring the part up and wait until it answers."""

    async def stop(self) -> None:
        """Take the part down again."""


@dataclass
class Named:
    """A part that somebody else runs; the environment says where."""

    name: str
    how: str
    env: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)

    async def start(self, sink: Sink) -> None:
        """Do nothing: it runs."""

    async def stop(self) -> None:
        """Do nothing: it is not ours."""


#: For each part the variables that name one.
_NAMED: Final = {
    "PostgreSQL": ("DB_HOST",),
    "RabbitMQ": ("RABBITMQ_URL",),
    "Pub/Sub": ("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"),
}


def find(data: Path, environ: Mapping[str, str] = os.environ, *, safe: bool = True) -> list[Part]:
    """Choose the three parts. ``safe`` false trades durability for speed, for tests.

    Raises ``Misconfigured`` and says what to install where one cannot be had.
    """
    from orderbus.local import docker, emulator, postgres, rabbitmq  # noqa: PLC0415 - they import Part

    found: list[Part] = []
    for name, variables in _NAMED.items():
        named = [variable for variable in variables if environ.get(variable)]
        if named:
            found.append(Named(name, f"named by {named[0]}"))
            continue
        native: Part | None = None
        match name:
            case "PostgreSQL" if (binaries := postgres.binaries()) is not None:
                native = postgres.NativePostgres(data / "postgres", binaries, safe=safe)
            case "RabbitMQ" if (server := rabbitmq.server()) is not None:
                native = rabbitmq.NativeRabbitmq(data / "rabbitmq", server)
            case "Pub/Sub" if (jar := emulator.jar()) is not None:
                native = emulator.NativeEmulator(jar)
        if native is None and docker.available():
            native = docker.container(name)
        if native is None:
            message = (
                f"{name} was not found: neither named by {' or '.join(variables)}, nor installed, "
                "nor is Docker running. `make services` installs it or says how."
            )
            raise Misconfigured(message)
        found.append(native)
    return found
