"""Whether this process runs, and whether it can do its work."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from orderbus import services
from orderbus.web.app_keys import HEALTH
from orderbus.web.routes import Routes
from orderbus.web.schemas.monitoring import Alive, Readiness

ROUTES: Final = Routes("monitoring")


@ROUTES("GET", "/healthz", name="healthz", answers={200: (Alive,)}, access="anybody")
async def healthz(_: web.Request) -> web.Response:
    """Say that the process runs."""
    return Alive(ok=True).response()


@ROUTES(
    "GET",
    "/readyz",
    name="readyz",
    answers={200: (Readiness,), 503: (Readiness,)},
    headers=("Retry-After",),
    access="anybody",
)
async def readyz(request: web.Request) -> web.Response:
    """Say which dependencies answer and are as we need them."""
    found = await request.app[HEALTH].get()
    readiness = services.health.readiness(found)
    body = Readiness.model_validate(readiness.body())
    return body.response() if readiness.ready else body.response(503, {"Retry-After": "1"})
