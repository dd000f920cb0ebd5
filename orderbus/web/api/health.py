"""Does this process run, and can it do its work?"""

from __future__ import annotations

from aiohttp import web

from orderbus.errors import OrderbusError
from orderbus.web.keys import DATABASE


async def healthz(_: web.Request) -> web.Response:
    """Say that the process runs."""
    return web.json_response({"ok": True})


async def readyz(request: web.Request) -> web.Response:
    """Say which parts answer: 200 if orders can be taken, else 503."""
    try:
        await request.app[DATABASE].ping()
    except OrderbusError as error:
        parts = {"postgres": False}
        body = {"ready": False, "parts": parts, "detail": str(error)}
        return web.json_response(body, status=503, headers={"Retry-After": "1"})
    return web.json_response({"ready": True, "parts": {"postgres": True}})
