"""What is counted, for people and for Prometheus.

JSON unless ``Accept`` names a Prometheus format and no JSON: curl and browsers ask for anything,
scripts in browsers for JSON and text, Prometheus names what it reads. 503 while PostgreSQL is away:
what waits there cannot be known.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from orderbus import storage, telemetry
from orderbus.errors import Misconfigured, Unavailable
from orderbus.services.shared import Shared
from orderbus.storage.database import Database
from orderbus.storage.diagnostics import Backlog
from orderbus.storage.metrics import Metric
from orderbus.web.app_keys import METRICS, Metrics
from orderbus.web.routes import Routes
from orderbus.web.schemas import monitoring

_JSON: Final = "application/json"
_TEXT: Final = ("text/plain", "application/openmetrics-text")

ROUTES: Final = Routes("monitoring")
_WATCHED: Final[Any] = {"errors": (Unavailable, Misconfigured), "access": "anybody"}
_AS_JSON: Final = {200: (monitoring.Metrics,)}
_AS_TEXT: Final = {200: ("text/plain",)}
_EITHER: Final = {200: (monitoring.Metrics, "text/plain")}


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
        return monitoring.Metrics(metrics=_entries(*await figures.get())).encoded()

    return Metrics(Shared(text), Shared(as_json))


@ROUTES("GET", "/metrics", name="metrics", answers=_EITHER, headers=("Vary",), **_WATCHED)
async def negotiated(request: web.Request) -> web.Response:
    """Show what is counted, as JSON or as Prometheus text."""
    accept = request.headers.get("Accept", "")
    wants_text = _JSON not in accept and any(kind in accept for kind in _TEXT)
    response = await (as_text if wants_text else as_json)(request)
    response.headers["Vary"] = "Accept"
    return response


@ROUTES("GET", "/metrics/prometheus", name="metrics_as_text", answers=_AS_TEXT, **_WATCHED)
async def as_text(request: web.Request) -> web.Response:
    """Show what is counted, as Prometheus text."""
    text = await request.app[METRICS].text.get()
    return web.Response(body=text, headers={"Content-Type": telemetry.CONTENT_TYPE})


@ROUTES("GET", "/api/v1/metrics", name="metrics_as_json", answers=_AS_JSON, **_WATCHED)
async def as_json(request: web.Request) -> web.Response:
    """Show what is counted, as JSON."""
    body = await request.app[METRICS].as_json.get()
    return web.Response(body=body, content_type=_JSON, charset="utf-8")


def _entries(backlog: Backlog, exact: list[Metric]) -> list[Metric]:
    counts: dict[str, float] = telemetry.counts()
    counts |= {name: float(getattr(backlog, field)) for field, name, _ in telemetry.BACKLOG}
    return exact + [
        Metric(uuid5(NAMESPACE_URL, f"orderbus:metrics:{name}"), int(count), name)
        for name, count in sorted(counts.items())
    ]
