"""The paths of the web server, and what it holds open while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from orderbus import services
from orderbus.services.health import Found, Health
from orderbus.services.shared import Shared
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from orderbus.web.api import carts, docs, health, metrics, new_orders, orders
from orderbus.web.app_keys import DATABASE, HEALTH, IN_FLIGHT, METRICS, SETTINGS, InFlight
from orderbus.web.middlewares import around
from orderbus.web.outbox_notifier import notify_dispatchers


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
    app[IN_FLIGHT] = InFlight()
    app.cleanup_ctx.append(_resources)
    for path in ("/webhooks/orders/create/", "/webhooks/orders/create"):
        app.router.add_post(path, orders.receive)
    _add_orders(app.router)
    _add_carts(app.router)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", metrics.negotiated)
    app.router.add_get("/metrics/prometheus", metrics.as_text)
    app.router.add_get("/api/v1/metrics", metrics.as_json)
    app.router.add_get("/openapi.json", docs.openapi)
    app.router.add_get("/docs", docs.page)
    return app


def _add_orders(router: web.UrlDispatcher) -> None:
    """One order resource under all its historical paths, with and without the trailing slash."""
    for slash in ("", "/"):
        router.add_post(f"/api/v1/orders/new{slash}", new_orders.create)
        router.add_get(f"/api/v1/orders/{{id}}/status{slash}", new_orders.status)
        router.add_get(f"/orders{slash}", orders.list_all)
        router.add_get(f"/api/v1/orders{slash}", orders.list_page)
        router.add_post(f"/api/v1/orders{slash}", orders.create)
        for root in ("/orders", "/api/v1/orders"):
            router.add_get(f"{root}/{{id}}{slash}", orders.show)
            router.add_get(f"{root}/{{id}}/history{slash}", orders.history)
            router.add_get(f"{root}/{{id}}/journey{slash}", orders.journey)
            router.add_post(f"{root}/{{id}}/cancel{slash}", orders.cancel)
            router.add_post(f"{root}/{{id}}/retry{slash}", orders.retry)


def _add_carts(router: web.UrlDispatcher) -> None:
    for slash in ("", "/"):
        router.add_get(f"/carts{slash}", carts.list_all)
        router.add_post(f"/carts{slash}", carts.create)
        router.add_put(f"/carts/{{id}}/checkout{slash}", carts.check_out)


async def _resources(app: web.Application) -> AsyncIterator[None]:
    async with open_database(app[SETTINGS]) as database:
        app[DATABASE] = database
        app[HEALTH] = _watched(database)
        app[METRICS] = metrics.metrics_of(database)
        notifying = asyncio.create_task(notify_dispatchers(database))
        yield
        notifying.cancel()
        with suppress(asyncio.CancelledError):
            await notifying


def _watched(database: Database) -> Shared[Found]:
    health = Health(*services.health.POSTGRES)

    async def look() -> Found:
        found = await services.health.look(database)
        health.found(found)
        return found

    return Shared(look)
