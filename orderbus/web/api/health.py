"""Whether this process runs, and whether it can do its work."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from orderbus import services
from orderbus.web.app_keys import HEALTH
from orderbus.web.routes import Access, Answer, Operation, Routes
from orderbus.web.schemas.monitoring import Alive, Readiness

ROUTES: Final = Routes("monitoring")


@ROUTES.add(
    "GET",
    "/healthz",
    operation=Operation(
        name="healthz", answers={200: Answer("It runs", Alive)}, access=Access.PROBE
    ),
)
async def healthz(_: web.Request) -> web.Response:
    """Say that the process runs."""
    return Alive(ok=True).response()


@ROUTES.add(
    "GET",
    "/readyz",
    operation=Operation(
        name="readyz",
        answers={
            200: Answer("Orders can be taken", Readiness),
            503: Answer("A dependency is away", Readiness, ("Retry-After",)),
        },
        access=Access.PROBE,
    ),
)
async def readyz(request: web.Request) -> web.Response:
    """Say which dependencies answer and are as we need them."""
    found = await request.app[HEALTH].get()
    parts = {part: error is None for part, error in found.items()}
    ready = all(parts.values())
    body = Readiness.model_validate(services.health.readiness(parts, ready=ready))
    return body.response() if ready else body.response(503, {"Retry-After": "1"})
