"""What is counted, for people and for Prometheus?

JSON unless ``Accept`` names a Prometheus format: curl and browsers ask for anything, Prometheus
names what it reads.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from orderbus import storage, telemetry
from orderbus.errors import OrderbusError
from orderbus.storage.watch import Backlog
from orderbus.web.keys import DATABASE

_TEXT: Final = ("text/plain", "application/openmetrics-text")


async def negotiated(request: web.Request) -> web.Response:
    """Answer in the format the caller names."""
    accept = request.headers.get("Accept", "")
    wants_text = any(kind in accept for kind in _TEXT)
    response = await (as_text if wants_text else as_json)(request)
    response.headers["Vary"] = "Accept"
    return response


async def as_text(request: web.Request) -> web.Response:
    """Answer in Prometheus' text format."""
    exact = {metric["description"]: metric["count"] for metric in await _exact(request)}
    return web.Response(
        body=telemetry.render(await _backlog(request), exact),
        headers={"Content-Type": telemetry.CONTENT_TYPE},
    )


async def as_json(request: web.Request) -> web.Response:
    """Answer with one entry for each count, in the shape the source document gives."""
    counts: dict[str, float] = telemetry.counts()
    backlog = await _backlog(request)
    exact = await _exact(request)
    if backlog is not None:
        counts |= {name: float(getattr(backlog, field)) for field, name, _ in telemetry.BACKLOG}
    metrics = [
        {
            "uuid": str(uuid5(NAMESPACE_URL, f"orderbus:metrics:{name}")),
            "count": int(count),
            "description": name,
        }
        for name, count in sorted(counts.items())
    ]
    return web.json_response({"metrics": exact + metrics})


async def _exact(request: web.Request) -> list[dict[str, Any]]:
    """Show what consumers counted, one for each event; nothing while PostgreSQL is away."""
    try:
        async with request.app[DATABASE].connection() as connection:
            counted = await storage.metrics.list_all(connection)
    except OrderbusError:
        return []
    return [{**metric, "uuid": str(metric["uuid"])} for metric in counted]


async def _backlog(request: web.Request) -> Backlog | None:
    """Ask what waits at each hop; what this process counted is shown without it, too."""
    try:
        async with request.app[DATABASE].connection() as connection:
            return await storage.watch.backlog(connection)
    except OrderbusError:
        return None
