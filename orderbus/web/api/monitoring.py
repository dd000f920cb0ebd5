"""Whether this process can do its work, and what is counted, for people and for Prometheus.

Counts are JSON unless ``Accept`` wants a text type more than JSON: curl and browsers want anything
alike, scripts in browsers JSON and text alike, Prometheus text more than the rest. 503 while
PostgreSQL is away: what waits there cannot be known.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from orderbus import services, storage, telemetry
from orderbus.errors import Misconfigured, Unavailable
from orderbus.services.shared import Shared
from orderbus.storage.database import Database
from orderbus.storage.diagnostics import Backlog
from orderbus.storage.metrics import Metric
from orderbus.web.accept import quality
from orderbus.web.app_keys import HEALTH, METRICS, READS, Metrics
from orderbus.web.routes import Routes
from orderbus.web.schemas import monitoring as bodies

_JSON: Final = "application/json"
_TEXT: Final = ("text/plain", "application/openmetrics-text")

ROUTES: Final = Routes("monitoring")
_WATCHED: Final[Any] = {"any_host": True}
_COUNTED: Final[Any] = {"errors": (Unavailable, Misconfigured), **_WATCHED}
_EITHER: Final = {200: (bodies.Metrics, "text/plain")}


@ROUTES("GET", "/healthz", name="healthz", answers={200: (bodies.Alive,)}, **_WATCHED)
async def healthz(_: web.Request) -> web.Response:
    """Say that the process runs."""
    return bodies.Alive(ok=True).response()


@ROUTES(
    "GET",
    "/readyz",
    name="readyz",
    answers={200: (bodies.Readiness,), 503: (bodies.Readiness,)},
    headers=("Retry-After",),
    **_WATCHED,
)
async def readyz(request: web.Request) -> web.Response:
    """Say which dependencies answer and are as we need them."""
    readiness = services.health.readiness(await request.app[HEALTH].get())
    lag = request.app[READS].lag
    replica = {} if lag is None else {"replica_lag": round(lag.total_seconds(), 3)}
    body = bodies.Readiness.model_validate({**readiness.body(), **replica})
    return body.response() if readiness.ready else body.response(503, {"Retry-After": "1"})


def metrics_of(database: Database) -> Shared[Metrics]:
    """Prepare what is counted: it is worked out at most once a second, for all who ask."""

    async def ask() -> Metrics:
        async with database.connection() as connection:
            counted = await storage.metrics.list_all(connection)
            backlog = await storage.diagnostics.backlog(connection)
        exact = {metric.description: metric.count for metric in counted}
        as_json = bodies.Metrics(metrics=[*counted, *_entries(backlog)]).encoded()
        return Metrics(telemetry.render(backlog, exact), as_json)

    return Shared(ask)


@ROUTES("GET", "/metrics", name="metrics", answers=_EITHER, headers=("Vary",), **_COUNTED)
async def negotiated(request: web.Request) -> web.Response:
    """Show what is counted, as JSON or as Prometheus text."""
    accept = ",".join(request.headers.getall("Accept", ()))
    wants_text = max(quality(accept, kind) for kind in _TEXT) > quality(accept, _JSON)
    response = await (as_text if wants_text else as_json)(request)
    response.headers["Vary"] = "Accept"
    return response


@ROUTES(
    "GET", "/metrics/prometheus", name="metrics_as_text", answers={200: ("text/plain",)}, **_COUNTED
)
async def as_text(request: web.Request) -> web.Response:
    """Show what is counted, as Prometheus text."""
    counted = await request.app[METRICS].get()
    return web.Response(body=counted.text, headers={"Content-Type": telemetry.CONTENT_TYPE})


@ROUTES(
    "GET", "/api/v1/metrics", name="metrics_as_json", answers={200: (bodies.Metrics,)}, **_COUNTED
)
async def as_json(request: web.Request) -> web.Response:
    """Show what is counted, as JSON."""
    counted = await request.app[METRICS].get()
    return web.Response(body=counted.as_json, content_type=_JSON, charset="utf-8")


def _entries(backlog: Backlog) -> list[Metric]:
    counts: dict[str, float] = telemetry.counts()
    counts |= {name: float(getattr(backlog, field)) for field, name, _ in telemetry.BACKLOG}
    return [
        Metric(uuid5(NAMESPACE_URL, f"orderbus:metrics:{name}"), int(count), name)
        for name, count in sorted(counts.items())
    ]
