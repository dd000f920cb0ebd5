"""Where is a process without an HTTP door of its own watched: health, readiness and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from orderbus import storage, telemetry
from orderbus.errors import OrderbusError
from orderbus.storage.database import Database


class Health:
    """Remembers of each part whether it answered when it was last asked."""

    def __init__(self, *parts: str) -> None:
        """Every part is away until it was seen."""
        self._parts = dict.fromkeys(parts, False)

    def saw(self, part: str, *, up: bool) -> None:
        """Note how a part answered just now; a change is logged once."""
        if self._parts[part] != up:
            self._parts[part] = up
            if up:
                telemetry.log.info("part_back", part=part)
            else:
                telemetry.log.warning("part_away", part=part)

    @property
    def parts(self) -> dict[str, bool]:
        """Each part and whether it answers."""
        return dict(self._parts)

    @property
    def ready(self) -> bool:
        """Whether every part answers."""
        return all(self._parts.values())


@asynccontextmanager
async def open_watchpoint(
    host: str, port: int, health: Health, database: Database
) -> AsyncIterator[None]:
    """Answer ``/healthz``, ``/readyz`` and ``/metrics`` while the block runs; port 0 for none."""
    if port == 0:
        yield
        return
    app = web.Application()

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_: web.Request) -> web.Response:
        body = {"ready": health.ready, "parts": health.parts}
        return web.json_response(body, status=200 if health.ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        try:
            async with database.connection() as connection:
                backlog = await storage.watch.backlog(connection)
        except OrderbusError:
            backlog = None
        return web.Response(
            body=telemetry.render(backlog), headers={"Content-Type": telemetry.CONTENT_TYPE}
        )

    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
        ]
    )
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
    told = False
    while True:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            if not told:
                telemetry.log.error("metrics_port_taken", port=port, error=str(error))
            told = True
            await asyncio.sleep(0.5)
        else:
            return
