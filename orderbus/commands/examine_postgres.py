"""What `doctor` finds about PostgreSQL and what it holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orderbus import actors, storage
from orderbus.commands.findings import Examinations, Finding, fault, ok, warning
from orderbus.storage import migrations

if TYPE_CHECKING:
    from orderbus.settings import Settings
    from orderbus.storage.database import Database
    from orderbus.storage.endpoint_lists import Endpoint

#: Web, worker, bridge and a command: with less room than that, something will have to wait.
_PROCESSES: Final = 4
#: A clock may be off by so much before leases get shorter or signatures old, and before they fail.
_SKEW_FELT: Final = timedelta(seconds=1)
_SKEW_HARMFUL: Final = timedelta(seconds=5)
#: Days of partitions ahead that leave time to act.
_DAYS_WELL, _DAYS_LEAST = 14, 2
#: Disabled endpoints that are named; the list has all.
_NAMED: Final = 5
#: Seconds an event may wait to be published.
_LATE: Final = 60.0


def examinations(settings: Settings, database: Database) -> Examinations:
    """Name what is looked at, and what to type where PostgreSQL does not answer."""
    postgres = _Postgres(settings, database)
    return {
        "PostgreSQL": (postgres.server, "check DB_HOST, DB_PORT, DB_USER, DB_PASS"),
        "connections": (postgres.connections, "orderbus doctor, once PostgreSQL answers"),
        "clock": (postgres.clock, "orderbus doctor, once PostgreSQL answers"),
        "notifications": (postgres.notifications, "orderbus doctor, once PostgreSQL answers"),
        "schema": (postgres.schema, "orderbus migrate"),
        "partitions": (postgres.partitions, "orderbus migrate"),
        "outbox": (postgres.outbox, "orderbus migrate"),
        "endpoints": (postgres.endpoints, "orderbus migrate"),
        "consumers": (postgres.consumers, "orderbus migrate"),
        "dead letters": (postgres.letters, "orderbus migrate"),
    }


class _Postgres:
    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def server(self) -> Finding:
        facts = await self._database.ask(storage.diagnostics.facts)
        if facts.is_replica:
            found = f"{facts.version}, a replica that takes no orders"
            return fault("PostgreSQL", found, "set DB_HOST to the primary")
        if not facts.durable:
            found = f"{facts.version}, loses what it confirmed if it crashes"
            return warning("PostgreSQL", found, "set fsync and synchronous_commit to on")
        return ok("PostgreSQL", facts.version)

    async def connections(self) -> Finding:
        facts = await self._database.ask(storage.diagnostics.facts)
        size = self._settings.db_pool_size + 1  # each process may also hold one that listens
        room = facts.max_connections - facts.reserved - facts.taken_by_others
        processes = max(0, room // size)
        found = (
            f"{facts.max_connections} in all, {facts.reserved} reserved, "
            f"{facts.taken_by_others} taken by others: room for {processes} processes of {size}"
        )
        if processes >= _PROCESSES:
            return ok("connections", found)
        judged = warning if processes else fault
        return judged("connections", found, "raise max_connections, or lower ORDERBUS_DB_POOL_SIZE")

    async def clock(self) -> Finding:
        facts = await self._database.ask(storage.diagnostics.facts)
        ahead = facts.clock_ahead.total_seconds()
        found = f"PostgreSQL's is {abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} ours"
        off = abs(facts.clock_ahead) - facts.round_trip
        if off < _SKEW_FELT:
            return ok("clock", found)
        judged = warning if off < _SKEW_HARMFUL else fault
        return judged("clock", found, "let NTP set the clock of both machines")

    async def notifications(self) -> Finding:
        within = timedelta(seconds=3)
        if await storage.diagnostics.hears_notifications(self._database, within=within):
            return ok("notifications", "LISTEN hears NOTIFY")
        found = "LISTEN hears nothing, so orders wait for the dispatcher: a proxy is in between"
        todo = "set DB_HOST and DB_PORT to PostgreSQL itself, or pool by session"
        return warning("notifications", found, todo)

    async def schema(self) -> Finding:
        level = await asyncio.to_thread(migrations.level, self._settings)
        if level.missing:
            found = f"missing: {', '.join(level.missing)}"
            return fault("schema", found, "orderbus migrate")
        if level.unknown:
            found = f"newer than this orderbus: {', '.join(level.unknown)}"
            return warning("schema", found, "install the newer orderbus here, too")
        return ok("schema", f"{level.newest}, up to date")

    async def partitions(self) -> Finding:
        days = (await self._database.ask(storage.maintenance.horizon)).days
        found = f"{days} days ahead"
        if days >= _DAYS_WELL:
            return ok("partitions", found)
        judged = warning if days >= _DAYS_LEAST else fault
        return judged("partitions", found, "orderbus migrate; let a worker run")

    async def outbox(self) -> Finding:
        backlog = await self._database.ask(storage.diagnostics.backlog)
        found = (
            f"{backlog.unpublished} unpublished, {backlog.awaiting_return} on the way back, "
            f"{backlog.undelivered} undelivered"
        )
        if backlog.publishing_paused:
            found = f"publishing pauses while Pub/Sub is away; {found}"
            return warning("outbox", found, "orderbus outbox status")
        if backlog.oldest_unpublished > _LATE:
            found = f"{found}, the oldest for {backlog.oldest_unpublished:.0f} s"
            return warning("outbox", found, "see that workers run")
        return ok("outbox", found)

    async def endpoints(self) -> Finding:
        rows = await self._database.ask(storage.endpoint_lists.list_all)
        disabled = [row for row in rows if row.disabled_at is not None]
        found = f"{len(rows)} endpoint(s), {len(disabled)} disabled"
        if disabled:
            named = [_cut_off(row) for row in disabled[:_NAMED]]
            rest = [f"and {len(disabled) - _NAMED} more"] * (len(disabled) > _NAMED)
            found = "; ".join([found, *named, *rest])
            ids = disabled[0].id if len(disabled) == 1 else "ID"
            todo = f"orderbus endpoints enable {ids}, or: orderbus endpoints remove {ids}"
            return fault("endpoints", found, todo)
        if not rows:
            return warning("endpoints", found, "orderbus endpoints add URL")
        return ok("endpoints", found)

    async def consumers(self) -> Finding:
        known = {each.name for each in actors.consumers.installed(self._settings)}
        pending = await self._database.ask(storage.consumptions.pending_by_consumer)
        found = f"{len(known)} here, {sum(pending.values())} events not consumed yet"
        missing = [name for name in pending if name not in known]
        if missing:
            found = f"no code here for {', '.join(missing)}, which has events to consume"
            todo = f"install it, or: orderbus consumers forget {missing[0]}"
            return warning("consumers", found, todo)
        return ok("consumers", found)

    async def letters(self) -> Finding:
        backlog = await self._database.ask(storage.diagnostics.backlog)
        found = f"{backlog.dead_letters} open"
        if backlog.dead_letters:
            return warning("dead letters", found, "orderbus dead-letters list; redrive ID")
        return ok("dead letters", found)


def _cut_off(endpoint: Endpoint) -> str:
    """Name an endpoint that is told nothing, since when, and what it is owed."""
    since = f"{endpoint.disabled_at:%Y-%m-%d %H:%M} UTC"
    return (
        f"{endpoint.id} {endpoint.url} is told nothing since {since} "
        f"({endpoint.disabled_reason}), {endpoint.held} deliveries held"
    )
