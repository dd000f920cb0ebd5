"""``orderbus doctor``: is every part there, does every setting fit, and what is to be done?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Final

import click

from orderbus import settings as settings_module
from orderbus import storage
from orderbus.actors import broker
from orderbus.commands import schema, terminal
from orderbus.errors import Misconfigured, OrderbusError
from orderbus.pubsub import topology
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database

OK: Final = "ok"
WARNING: Final = "warning"
FAULT: Final = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``todo`` says what to type where it is not well."""

    subject: str
    verdict: str
    found: str
    todo: str = ""


@click.command()
@terminal.as_json
def doctor(*, as_json: bool) -> None:
    """Check every part and setting, and say what to do. Exits 1 if something is at fault."""
    findings = asyncio.run(examine())
    if as_json:
        terminal.show([asdict(finding) for finding in findings])
    else:
        colours = {OK: "green", WARNING: "yellow", FAULT: "red"}
        for finding in findings:
            verdict = f"[{colours[finding.verdict]}]{finding.verdict:8}[/]"
            line = f"{finding.subject:20} {terminal.plain(finding.found)}"
            terminal.console.print(verdict, line, highlight=False)
            if finding.todo:
                terminal.console.print(f"{'':29}-> {terminal.plain(finding.todo)}", highlight=False)
    if any(finding.verdict == FAULT for finding in findings):
        sys.exit(1)


async def examine() -> list[Finding]:
    """Look at everything, one after the other; an unreachable part is a finding, not an error."""
    try:
        settings = settings_module.load()
    except Misconfigured as error:
        return [Finding("settings", FAULT, str(error), "mend .env; .env.example explains each")]
    findings = [Finding("settings", OK, "read and in agreement"), _ingress(settings)]
    async with open_database(settings) as database:
        findings += [
            await _part(
                "PostgreSQL", _postgres(database), "check DB_HOST, DB_PORT, DB_USER, DB_PASS"
            ),
            await _part("schema", _schema(settings), "orderbus migrate"),
            await _part("partitions", _partitions(database), "orderbus migrate"),
            await _part("outbox", _outbox(database), "orderbus outbox status"),
            await _part("endpoints", _endpoints(database), "orderbus endpoints add URL"),
            await _part("dead letters", _letters(database), "orderbus dead-letters list"),
            await _part("RabbitMQ", _rabbitmq, "check RABBITMQ_URL and that the broker runs"),
            await _part("Pub/Sub", _pubsub(settings), "orderbus migrate; check PUBSUB_*"),
        ]
    return findings


Examination = Callable[[], Awaitable[tuple[str, str]]]


async def _part(subject: str, examination: Examination, todo: str) -> Finding:
    try:
        async with asyncio.timeout(15):
            verdict, found = await examination()
    except (OrderbusError, TimeoutError) as error:
        return Finding(subject, FAULT, str(error) or "no answer within 15 s", todo)
    return Finding(subject, verdict, found, "" if verdict == OK else todo)


def _ingress(settings: Settings) -> Finding:
    try:
        settings.require_signatures()
    except Misconfigured as error:
        return Finding("incoming orders", FAULT, str(error), "set WEBHOOK_SECRET")
    if settings.open_on_loopback:
        found = "unsigned orders are taken, on this machine alone"
        return Finding("incoming orders", WARNING, found, "set WEBHOOK_SECRET before going further")
    return Finding("incoming orders", OK, f"{len(settings.webhook_secrets)} secret(s)")


def _postgres(database: Database) -> Examination:
    async def examine() -> tuple[str, str]:
        async with database.connection() as connection:
            version = await connection.fetchval("SHOW server_version")
            room = int(await connection.fetchval("SHOW max_connections"))
        return OK, f"{version}, {room} connections"

    return examine


def _schema(settings: Settings) -> Examination:
    async def examine() -> tuple[str, str]:
        missing = await asyncio.to_thread(schema.pending, settings)
        return (FAULT, f"missing: {', '.join(missing)}") if missing else (OK, "up to date")

    return examine


def _partitions(database: Database) -> Examination:
    async def examine() -> tuple[str, str]:
        async with database.connection() as connection:
            days = (await storage.partitions.horizon(connection)).days
        verdict = OK if days >= 14 else WARNING if days >= 2 else FAULT  # noqa: PLR2004
        return verdict, f"{days} days ahead"

    return examine


def _outbox(database: Database) -> Examination:
    async def examine() -> tuple[str, str]:
        async with database.connection() as connection:
            backlog = await storage.watch.backlog(connection)
        late = backlog.oldest_unpublished > 60 or backlog.publishing_paused  # noqa: PLR2004
        found = (
            f"{backlog.unpublished} unpublished, {backlog.awaiting_return} on the way back, "
            f"{backlog.undelivered} undelivered"
        )
        return (WARNING if late else OK), found

    return examine


def _endpoints(database: Database) -> Examination:
    async def examine() -> tuple[str, str]:
        async with database.connection() as connection:
            rows = await storage.endpoints.list_all(connection)
        disabled = sum(row["disabled_at"] is not None for row in rows)
        found = f"{len(rows)} endpoint(s), {disabled} disabled"
        return (OK if rows and not disabled else WARNING), found

    return examine


def _letters(database: Database) -> Examination:
    async def examine() -> tuple[str, str]:
        async with database.connection() as connection:
            rows = await storage.dead_letters.list_open(connection, kind=None, at_most=1000)
        return (WARNING if rows else OK), f"{len(rows)} open"

    return examine


async def _rabbitmq() -> tuple[str, str]:
    await broker.ping()
    return OK, "answers"


def _pubsub(settings: Settings) -> Examination:
    async def examine() -> tuple[str, str]:
        problems = await topology.check(settings)
        where = settings.pubsub_emulator_host or "Google Cloud"
        return (FAULT, "; ".join(problems)) if problems else (OK, f"{where}, topics as needed")

    return examine
