"""Which PostgreSQL, which RabbitMQ, which Pub/Sub does a local orderbus use?

Each is looked for in this order: named by a setting; a private native one; Docker; embedded, which
needs nothing but what pip installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from orderbus.errors import Misconfigured
from orderbus.local import docker, emulator, postgres, rabbitmq
from orderbus.local.processes import Process, Sink
from orderbus.local.pubsub_double.part import DoublePubsub
from orderbus.settings import QUEUES_IN_MEMORY, Settings


class Way(StrEnum):
    """How a part that nobody named can be had."""

    NATIVE = "native"
    DOCKER = "docker"
    EMBEDDED = "embedded"


class Part(Protocol):
    """One neighbour that ``start`` brings up."""

    name: str
    how: str
    env: dict[str, str]
    """Names the part to the processes; complete before the part answers, except PostgreSQL's."""
    urls: dict[str, str]

    @property
    def processes(self) -> Sequence[Process]:
        """What runs for it here, and should not end by itself."""

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
    processes: Sequence[Process] = ()

    async def start(self, sink: Sink) -> None:
        """Do nothing: it runs."""

    async def stop(self) -> None:
        """Do nothing: it is not ours."""


#: For each part the variables any of which names one, and those that say more about it.
_NAMED: Final = {
    "PostgreSQL": (("DB_HOST",), ("DB_PORT", "DB_NAME", "DB_USER", "DB_PASS")),
    "RabbitMQ": (("RABBITMQ_URL",), ()),
    "Pub/Sub": (("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"), ()),
}


def find(
    data: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    way: Way | None = None,
    safe: bool = True,
) -> list[Part]:
    """Choose the three parts; ``way`` takes all of them that way, whatever else is here.

    ``safe`` false trades durability for speed, for tests. Raises ``Misconfigured`` and says what
    to install where one cannot be had.
    """
    return [_find(name, data, environ, way, safe=safe) for name in _NAMED]


def _find(
    name: str, data: Path, environ: Mapping[str, str], way: Way | None, *, safe: bool
) -> Part:
    naming, more = _NAMED[name]
    if way is None and (named := _named(name, naming, more, environ)) is not None:
        return named
    for each in Way if way is None else [way]:
        part = _had(name, each, data, safe=safe)
        if part is not None:
            return part
    tried = f"neither named by {' or '.join(naming)}, nor installed, nor is Docker running"
    raise Misconfigured(
        f"{name} was not found: {tried if way is None else f'it cannot be had {way}'}. "
        "`make services` installs it or says how."
    )


def _had(name: str, way: Way, data: Path, *, safe: bool) -> Part | None:
    match way:
        case Way.NATIVE:
            return _native(name, data, safe=safe)
        case Way.DOCKER:
            return docker.container(name) if docker.available() else None
        case Way.EMBEDDED:
            return _embedded(name, data, safe=safe)


def _named(
    name: str, naming: Sequence[str], more: Sequence[str], environ: Mapping[str, str]
) -> Named | None:
    env = {variable: environ[variable] for variable in (*naming, *more) if environ.get(variable)}
    names = [variable for variable in naming if variable in env]
    if not names:
        return None
    return Named(name, f"named by {names[0]}", env=env, urls=_URLS[name](env))


def _native(name: str, data: Path, *, safe: bool) -> Part | None:
    match name:
        case "PostgreSQL" if (binaries := postgres.binaries()) is not None:
            return postgres.NativePostgres(data / "postgres", binaries, safe=safe)
        case "RabbitMQ" if (server := rabbitmq.server()) is not None:
            return rabbitmq.NativeRabbitmq(data / "rabbitmq", server)
        case "Pub/Sub" if (jar := emulator.jar()) is not None:
            return emulator.NativeEmulator(jar)
    return None


def _embedded(name: str, data: Path, *, safe: bool) -> Part | None:
    match name:
        case "PostgreSQL" if (binaries := postgres.wheel()) is not None:
            return postgres.NativePostgres(data / "postgres", binaries, safe=safe, embedded=True)
        case "RabbitMQ":
            how = (
                "embedded in the worker, with the bridge; queues hold hints at what PostgreSQL has"
            )
            return Named(name, how, env={"RABBITMQ_URL": QUEUES_IN_MEMORY})
        case "Pub/Sub":
            return DoublePubsub()
    return None


def _postgres_urls(env: Mapping[str, str]) -> dict[str, str]:
    """Tell where PostgreSQL is, without the password."""
    host = env["DB_HOST"]
    user, port, name = (
        env.get(variable, Settings.model_fields[variable.lower()].default)
        for variable in ("DB_USER", "DB_PORT", "DB_NAME")
    )
    if host.startswith("/"):  # the folder of its socket
        return {"postgres": f"postgresql://{user}@/{name}?host={host}&port={port}"}
    return {"postgres": f"postgresql://{user}@{host}:{port}/{name}"}


def _rabbitmq_urls(env: Mapping[str, str]) -> dict[str, str]:
    """Tell where RabbitMQ is, without the password, and where its page is unless moved."""
    url = urlsplit(env["RABBITMQ_URL"])
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    port = f":{url.port}" if url.port else ""
    return {
        "rabbitmq": f"{url.scheme}://{host}{port}{url.path}",
        "rabbitmq_management": f"http://{host}:15672/",
    }


def _pubsub_urls(env: Mapping[str, str]) -> dict[str, str]:
    host = env.get("PUBSUB_EMULATOR_HOST")
    return {"pubsub_emulator": host} if host else {}


_URLS: Final[Mapping[str, Callable[[Mapping[str, str]], dict[str, str]]]] = {
    "PostgreSQL": _postgres_urls,
    "RabbitMQ": _rabbitmq_urls,
    "Pub/Sub": _pubsub_urls,
}
