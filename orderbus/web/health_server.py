"""Health, readiness and metrics of a process that serves nothing else over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from orderbus import storage, telemetry, waiting
from orderbus.domain import retries
from orderbus.errors import OrderbusError
from orderbus.services.health import Health
from orderbus.services.shared import Shared
from orderbus.storage.database import Database
from orderbus.web import problems


@asynccontextmanager
async def open_health_server(
    host: str, port: int, health: Health, database: Database
) -> AsyncIterator[None]:
    """Answer ``/healthz``, ``/readyz`` and ``/metrics`` while the block runs; port 0 for none."""
    if port == 0:
        yield
        return
    routes = web.RouteTableDef()

    @routes.get("/healthz")
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    @routes.get("/readyz")
    async def readyz(_: web.Request) -> web.Response:
        found = health.readiness
        return web.json_response(found.body(), status=200 if found.ready else 503)

    async def render() -> bytes:
        return telemetry.render(await database.ask(storage.diagnostics.backlog))

    rendered = Shared(render)

    @routes.get("/metrics")
    async def metrics(request: web.Request) -> web.Response:
        try:
            body = await rendered.get()
        except OrderbusError as error:
            return problems.response_to(error, request)
        return web.Response(body=body, headers={"Content-Type": telemetry.CONTENT_TYPE})

    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    binding = asyncio.create_task(_bind(runner, host, port))
    try:
        yield
    finally:
        binding.cancel()
        await runner.cleanup()


async def _bind(runner: web.AppRunner, host: str, port: int) -> None:
    """Take the port as soon as it is free: a bridge that ends may hold it for a while yet."""
    await waiting.until_it_works(
        lambda: web.TCPSite(runner, host, port).start(),
        retries.PORT,
        retry_on=OSError,
        away=lambda error: telemetry.log.error("metrics_port_taken", port=port, error=str(error)),
    )
