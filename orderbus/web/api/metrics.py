"""What is counted, for people and for Prometheus.

JSON unless ``Accept`` names a Prometheus format and no JSON: curl and browsers ask for anything,
scripts in browsers for JSON and text, Prometheus names what it reads. 503 while PostgreSQL is away:
what waits there cannot be known.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from orderbus import storage, telemetry
from orderbus.services.shared import Shared
from orderbus.storage.database import Database
from orderbus.storage.diagnostics import Backlog
from orderbus.storage.metrics import Metric
from orderbus.web.app_keys import METRICS, Metrics

_JSON: Final = "application/json"
_TEXT: Final = ("text/plain", "application/openmetrics-text")


def metrics_of(database: Database) -> Metrics:
    """Prepare what both formats show; each is worked out at most once a second, for all who ask."""

    async def ask() -> tuple[Backlog, list[Metric]]:
        async with database.connection() as connection:
            counted = await storage.metrics.list_all(connection)
            return await storage.diagnostics.backlog(connection), counted

    figures = Shared(ask)

    async def text() -> bytes:
        backlog, counted = await figures.get()
        exact = {metric.description: metric.count for metric in counted}
        return telemetry.render(backlog, exact)

    async def as_json() -> bytes:
        return json.dumps({"metrics": _entries(*await figures.get())}).encode()

    return Metrics(Shared(text), Shared(as_json))


async def negotiated(request: web.Request) -> web.Response:
    """Answer in the format the caller names."""
    accept = request.headers.get("Accept", "")
    wants_text = _JSON not in accept and any(kind in accept for kind in _TEXT)
    response = await (as_text if wants_text else as_json)(request)
    response.headers["Vary"] = "Accept"
    return response


async def as_text(request: web.Request) -> web.Response:
    """Answer in Prometheus' text format."""
    text = await request.app[METRICS].text.get()
    return web.Response(body=text, headers={"Content-Type": telemetry.CONTENT_TYPE})


async def as_json(request: web.Request) -> web.Response:
    """Answer with one entry for each count, in the shape the source document gives."""
    body = await request.app[METRICS].as_json.get()
    return web.Response(body=body, content_type=_JSON, charset="utf-8")


def _entries(backlog: Backlog, exact: list[Metric]) -> list[dict[str, Any]]:
    counts: dict[str, float] = telemetry.counts()
    counts |= {name: float(getattr(backlog, field)) for field, name, _ in telemetry.BACKLOG}
    return [{**asdict(metric), "uuid": str(metric.uuid)} for metric in exact] + [
        {
            "uuid": str(uuid5(NAMESPACE_URL, f"orderbus:metrics:{name}")),
            "count": int(count),
            "description": name,
        }
        for name, count in sorted(counts.items())
    ]
