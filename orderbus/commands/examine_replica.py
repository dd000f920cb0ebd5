"""What `doctor` finds about the replica that answers reads."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from orderbus import storage
from orderbus.commands.findings import Examinations, Finding, fault, ok, warning

if TYPE_CHECKING:
    from orderbus.settings import Settings
    from orderbus.storage.replica import Replicated

_CHECK: Final = "check DB_REPLICA_HOST, DB_REPLICA_PORT, and that it lets DB_USER in"
#: Seconds for which it may catch up with what the primary has, and between two looks.
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.02


def examinations(settings: Settings) -> Examinations:
    """Name what is looked at; nothing where no replica is named."""

    async def replica() -> Finding:
        async with storage.replica.open_replica(settings) as replicated:
            assert replicated is not None  # noqa: S101 - it is named
            return await _examine(replicated, settings)

    return {"replica": (replica, _CHECK)} if settings.replica_url else {}


async def _examine(replicated: Replicated, settings: Settings) -> Finding:
    """Compare both, and see how long the replica takes to have what the primary has now."""
    primary = await replicated.primary.ask(storage.replica.written)
    began = time.monotonic()
    while True:
        replica = await replicated.replica.ask(storage.replica.replayed)
        if replica.at is None:
            found = "it is no replica, or none any more: it was promoted"
            return fault("replica", found, "set DB_REPLICA_HOST to a replica, or to nothing")
        if replica.system != primary.system:
            found = "it is a replica of another PostgreSQL"
            return fault("replica", found, "set DB_REPLICA_HOST to a replica of DB_HOST")
        took = time.monotonic() - began
        behind = (primary.at or 0) - replica.at
        if behind <= 0:
            return _judged(f"had what the primary has within {took:.2f} s", took, settings)
        if took > min(_PATIENCE, settings.replica_max_lag.total_seconds()):
            return _judged(f"{behind} bytes behind, for more than {took:.1f} s", took, settings)
        await asyncio.sleep(_PAUSE)


def _judged(found: str, took: float, settings: Settings) -> Finding:
    if took <= settings.replica_max_lag.total_seconds():
        return ok("replica", found)
    found = f"{found}: the primary answers its reads"
    return warning("replica", found, "see what holds it up, or raise ORDERBUS_REPLICA_MAX_LAG")
