"""Which paths are there, and what does the web server hold open?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from orderbus.settings import Settings
from orderbus.storage.database import open_database
from orderbus.web.api import docs, health, metrics, orders
from orderbus.web.keys import DATABASE, SETTINGS, UNDER_WAY, WAKER, UnderWay
from orderbus.web.middlewares import around
from orderbus.web.wake import Waker


def build_app(settings: Settings) -> web.Application:
    """Build the front door; raises ``Misconfigured`` if nobody could tell who sends orders.

    It starts while PostgreSQL is away: then orders are answered with 503 until it is back.
    """
    settings.require_signatures()
    app = web.Application(
        middlewares=[around],
        handler_args={"max_line_size": 8190, "max_field_size": 8190, "lingering_time": 2.0},
    )
    app[SETTINGS] = settings
    app[UNDER_WAY] = UnderWay()
    app.cleanup_ctx.append(_resources)
    for path in ("/webhooks/orders/create/", "/webhooks/orders/create"):
        app.router.add_post(path, orders.create)
    for path in ("/orders/{id}", "/orders/{id}/"):
        app.router.add_get(path, orders.show)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", metrics.negotiated)
    app.router.add_get("/metrics/prometheus", metrics.as_text)
    app.router.add_get("/api/v1/metrics", metrics.as_json)
    app.router.add_get("/openapi.json", docs.openapi)
    app.router.add_get("/docs", docs.page)
    return app


async def _resources(app: web.Application) -> AsyncIterator[None]:
    async with open_database(app[SETTINGS]) as database:
        app[DATABASE] = database
        app[WAKER] = Waker(database)
        waking = asyncio.create_task(app[WAKER].run())
        yield
        waking.cancel()
        with suppress(asyncio.CancelledError):
            await waking
