"""The settings of ``.env`` that a stack takes, and those that it replaces with its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic_settings import DotEnvSettingsSource

from orderbus.settings import Settings

#: What a stack finds or makes up: other dependencies and another machine's addresses are not for
#: it, and whoever follows the README does not sign.
_OWN: Final = frozenset(
    (
        *("DB_NAME", "DB_USER", "DB_PASS", "DB_HOST", "DB_PORT"),
        *("DB_OWNER_USER", "DB_OWNER_PASSWORD"),
        *("DB_REPLICA_HOST", "DB_REPLICA_PORT"),
        *("RABBITMQ_URL", "RABBIT_HOST", "RABBIT_PORT", "RABBIT_USER", "RABBIT_PASS"),
        *("RABBIT_VHOST", "PUBSUB_EMULATOR_HOST"),
        *("AUTH", "ORDERBUS_OPEN_ON_LOOPBACK", "ALLOWED_HOSTS", "WEBHOOK_SECRET"),
        *("WEBHOOK_OUTGOING_URL", "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS"),
        *("ORDERBUS_WEB_HOST", "ORDERBUS_WEB_PORT", "ORDERBUS_METRICS_HOST"),
        *("ORDERBUS_WORKER_METRICS_PORT", "ORDERBUS_BRIDGE_METRICS_PORT"),
    )
)


@dataclass(frozen=True, slots=True)
class Given:
    """What ``.env`` says: the settings that are taken, and the names of those that are not."""

    taken: Mapping[str, str]
    replaced: tuple[str, ...]


def read(file: Path, environ: Mapping[str, str]) -> Given:
    """Read the settings in ``file``; one that the environment has too counts there alone."""
    variables = DotEnvSettingsSource(Settings, env_file=file).env_vars
    given = {name.upper(): value for name, value in variables.items() if value is not None}
    taken: dict[str, str] = {}
    replaced: list[str] = []
    for info in Settings.model_fields.values():
        names = [str(name) for name in getattr(info.validation_alias, "choices", ())]
        mine = [name for name in names if name in given]
        if _OWN.intersection(names):
            replaced += mine
        elif not any(environ.get(name) for name in names):
            taken |= {name: given[name] for name in mine}
    return Given(taken, tuple(replaced))
