"""Whether this process runs, and whether it can do its work."""

from __future__ import annotations

from aiohttp import web

from orderbus import services
from orderbus.web.app_keys import HEALTH


async def healthz(_: web.Request) -> web.Response:
    """Say that the process runs."""
    return web.json_response({"ok": True})


async def readyz(request: web.Request) -> web.Response:
    """Say which parts answer and are as we need them: 200 if orders can be taken, else 503."""
    found = await request.app[HEALTH].get()
    parts = {part: error is None for part, error in found.items()}
    body = services.health.readiness(parts, ready=all(parts.values()))
    if body["ready"]:
        return web.json_response(body)
    return web.json_response(body, status=503, headers={"Retry-After": "1"})
