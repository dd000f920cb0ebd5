"""Finds the PostgreSQL, the RabbitMQ and the Pub/Sub that a stack on this machine uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from orderbus.devtools import docker, emulator, postgres, rabbitmq
from orderbus.devtools.dependency import Dependency, urls_of
from orderbus.devtools.providers import Provider
from orderbus.errors import Misconfigured
from orderbus.settings import QUEUES_IN_MEMORY


def find(
    data: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    provider: Provider | None = None,
    safe: bool = True,
) -> list[Dependency]:
    """Choose the three dependencies; ``provider`` provides all of them, whatever else is here.

    ``safe`` false trades durability for speed, for tests. Raises ``Misconfigured`` and says what
    to install where one cannot be had.
    """
    return [_find(name, data, environ, provider, safe=safe) for name in _NAMED]


def _find(
    name: str, data: Path, environ: Mapping[str, str], provider: Provider | None, *, safe: bool
) -> Dependency:
    naming, more = _NAMED[name]
    env = {variable: environ[variable] for variable in (*naming, *more) if environ.get(variable)}
    named = [variable for variable in naming if variable in env]
    if provider is None and named:
        return Dependency(name, f"named by {named[0]}", env=env, urls=urls_of(env))
    for each in Provider if provider is None else [provider]:
        dependency = _had(name, each, data, safe=safe)
        if dependency is not None:
            return dependency
    if provider is None:
        tried = f"neither named by {' or '.join(naming)}, nor installed, nor is Docker running"
    else:
        tried = f"--parts {provider} has none on this machine"
    raise Misconfigured(
        f"{name} was not found: {tried}. "
        f"Set {naming[0]} to one that runs, or install it: `make services` does, or says how."
    )


def _had(name: str, provider: Provider, data: Path, *, safe: bool) -> Dependency | None:
    had: Dependency | None = None
    match provider, name:
        case Provider.DOCKER, _ if docker.available():
            had = docker.container(name)
        case Provider.NATIVE, "PostgreSQL" if (binaries := postgres.binaries()) is not None:
            had = postgres.NativePostgres(data / "postgres", binaries, safe=safe)
        case Provider.NATIVE, "RabbitMQ" if (server := rabbitmq.server()) is not None:
            had = rabbitmq.NativeRabbitmq(data / "rabbitmq", server)
        case Provider.NATIVE, "Pub/Sub" if (jar := emulator.jar()) is not None:
            had = emulator.NativeEmulator(jar)
        case Provider.EMBEDDED, "PostgreSQL" if (binaries := postgres.wheel()) is not None:
            had = postgres.NativePostgres(data / "postgres", binaries, safe=safe, embedded=True)
        case Provider.EMBEDDED, "RabbitMQ":
            how = "embedded in the worker, with the bridge; queues hold wake-up messages only"
            had = Dependency(name, how, env={"RABBITMQ_URL": QUEUES_IN_MEMORY})
        case Provider.EMBEDDED, "Pub/Sub":
            had = emulator.DoublePubsub()
    return had


_OF_POSTGRESQL: Final = (
    *("DB_PORT", "DB_NAME", "DB_USER", "DB_PASS"),
    *("DB_OWNER_USER", "DB_OWNER_PASSWORD", "DB_REPLICA_HOST", "DB_REPLICA_PORT"),
)
#: For each dependency the variables any of which names one, and those that say more about it.
_NAMED: Final = {
    "PostgreSQL": (("DB_HOST",), _OF_POSTGRESQL),
    "RabbitMQ": (("RABBITMQ_URL",), ()),
    "Pub/Sub": (("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"), ()),
}
