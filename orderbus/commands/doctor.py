"""``orderbus doctor``: what is wrong with a dependency or a setting, and what mends it."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version

import click

from orderbus import settings as settings_module
from orderbus import storage
from orderbus.commands import examine_postgres, examine_rabbitmq, examine_replica, terminal
from orderbus.commands.findings import Examinations, Finding, fault, ok, report, warning
from orderbus.errors import Misconfigured, OrderbusError
from orderbus.files import settings_of_up
from orderbus.pubsub import topology

#: Seconds one examination may take.
_PATIENCE = 15
_PUBSUB_AWAY = "check PUBSUB_EMULATOR_HOST or Google's credentials"


@click.command()
@terminal.as_json
def doctor(*, as_json: bool) -> None:
    """Check every dependency and setting, and say what to do. Exits 1 if something is at fault."""
    report(asyncio.run(_examine()), as_json=as_json)


async def _examine() -> list[Finding]:
    """Examine one after the other; a dependency that is away is a finding, not an error."""
    found = [ok("orderbus", f"{version('orderbus')}, Python {platform.python_version()}")]
    try:
        settings = settings_module.load()
    except Misconfigured as error:
        return [*found, fault("settings", str(error), "mend .env; .env.example explains each")]
    found += [_settings(), _ingress(settings)]
    async with storage.database.open_database(settings) as database:
        examinations: Examinations = {
            **examine_postgres.examinations(settings, database),
            **examine_replica.examinations(settings),
            **examine_rabbitmq.examinations(settings),
            "Pub/Sub": (partial(_pubsub, settings), _PUBSUB_AWAY),
        }
        found += [await _bounded(subject, *each) for subject, each in examinations.items()]
    return found


async def _bounded(
    subject: str, examination: Callable[[], Awaitable[Finding]], todo: str
) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await examination()
    except (OrderbusError, TimeoutError) as error:
        return fault(subject, str(error) or f"no answer within {_PATIENCE} s", todo)


async def _pubsub(settings: settings_module.Settings) -> Finding:
    if problems := await topology.check(settings):
        return fault("Pub/Sub", "; ".join(problems), "orderbus migrate")
    where = settings.pubsub_emulator_host or "Google Cloud"
    names = f"topic {settings.pubsub_topic}, subscription {settings.pubsub_subscription}"
    return ok("Pub/Sub", f"{where}: {names}, dead letters of both")


def _settings() -> Finding:
    if (file := settings_of_up()) is None:
        return ok("settings", "read and in agreement")
    return warning("settings", "not those of the `orderbus up` that runs here", f". {file}")


def _ingress(settings: settings_module.Settings) -> Finding:
    subject = "incoming orders"
    try:
        settings.require_signatures()
    except Misconfigured as error:
        return fault(subject, str(error), "set WEBHOOK_SECRET")
    if settings.is_open:
        found = "unsigned orders are taken, on this machine alone"
        return warning(subject, found, "set WEBHOOK_SECRET before going further")
    return ok(subject, f"{len(settings.webhook_secrets)} secret(s)")
