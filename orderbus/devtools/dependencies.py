"""Finds the PostgreSQL, the RabbitMQ and the Pub/Sub that a stack on this machine uses.

The first of these that is here: one that a setting names; a private native one; Docker; embedded,
which needs nothing but what pip installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orderbus.devtools import docker, emulator, postgres, rabbitmq
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.pubsub_double.dependency import DoublePubsub
from orderbus.errors import Misconfigured
from orderbus.settings import QUEUES_IN_MEMORY, Settings


class Provider(StrEnum):
    """Who provides a dependency that no setting names."""

    NATIVE = "native"
    DOCKER = "docker"
    EMBEDDED = "embedded"


#: For each dependency the variables any of which names one, and those that say more about it.
_NAMED: Final = {
    "PostgreSQL": (("DB_HOST",), ("DB_PORT", "DB_NAME", "DB_USER", "DB_PASS")),
    "RabbitMQ": (("RABBITMQ_URL",), ()),
    "Pub/Sub": (("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"), ()),
}


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
    if provider is None and (named := _named(name, naming, more, environ)) is not None:
        return named
    for each in Provider if provider is None else [provider]:
        dependency = _had(name, each, data, safe=safe)
        if dependency is not None:
            return dependency
    tried = f"neither named by {' or '.join(naming)}, nor installed, nor is Docker running"
    raise Misconfigured(
        f"{name} was not found: {tried if provider is None else f'it cannot be had {provider}'}. "
        "`make services` installs it or says how."
    )


def _had(name: str, provider: Provider, data: Path, *, safe: bool) -> Dependency | None:
    match provider:
        case Provider.NATIVE:
            return _native(name, data, safe=safe)
        case Provider.DOCKER:
            return docker.container(name) if docker.available() else None
        case Provider.EMBEDDED:
            return _embedded(name, data, safe=safe)


def _named(
    name: str, naming: Sequence[str], more: Sequence[str], environ: Mapping[str, str]
) -> Dependency | None:
    env = {variable: environ[variable] for variable in (*naming, *more) if environ.get(variable)}
    names = [variable for variable in naming if variable in env]
    if not names:
        return None
    return Dependency(name, f"named by {names[0]}", env=env, urls=_URLS[name](env))


def _native(name: str, data: Path, *, safe: bool) -> Dependency | None:
    match name:
        case "PostgreSQL" if (binaries := postgres.binaries()) is not None:
            return postgres.NativePostgres(data / "postgres", binaries, safe=safe)
        case "RabbitMQ" if (server := rabbitmq.server()) is not None:
            return rabbitmq.NativeRabbitmq(data / "rabbitmq", server)
        case "Pub/Sub" if (jar := emulator.jar()) is not None:
            return emulator.NativeEmulator(jar)
    return None


def _embedded(name: str, data: Path, *, safe: bool) -> Dependency | None:
    match name:
        case "PostgreSQL" if (binaries := postgres.wheel()) is not None:
            return postgres.NativePostgres(data / "postgres", binaries, safe=safe, embedded=True)
        case "RabbitMQ":
            how = "embedded in the worker, with the bridge; queues hold wake-up messages only"
            return Dependency(name, how, env={"RABBITMQ_URL": QUEUES_IN_MEMORY})
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
