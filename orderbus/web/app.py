"""The paths of the web server, and what it holds open while it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final

from aiohttp import web

from orderbus import services
from orderbus.errors import OrderbusError
from orderbus.services.health import Found, Health
from orderbus.services.reads import Reads
from orderbus.services.shared import Shared
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from orderbus.storage.replica import open_replica
from orderbus.web import app_keys, openapi
from orderbus.web.api import (
    api_keys,
    carts,
    catalog,
    customers,
    dead_letters,
    deliveries,
    docs,
    inventory,
    jobs,
    monitoring,
    new_orders,
    order_moves,
    orders,
    shop_orders,
    sign_in,
    webhook_endpoints,
)
from orderbus.web.app_keys import DATABASE, DESCRIPTION, IN_FLIGHT, SETTINGS, InFlight
from orderbus.web.middlewares import around
from orderbus.web.routes import Route

#: Seconds between two notifications: each makes every worker look.
_PAUSE: Final = 0.01
#: Of two paths that fit a request, the first one answers.
ROUTES: Final[Sequence[Route]] = (
    *orders.ROUTES,
    *order_moves.ROUTES,
    *new_orders.ROUTES,
    *carts.ROUTES,
    *catalog.ROUTES,
    *inventory.ROUTES,
    *shop_orders.ROUTES,
    *dead_letters.ROUTES,
    *webhook_endpoints.ROUTES,
    *deliveries.ROUTES,
    *jobs.ROUTES,
    *sign_in.ROUTES,
    *customers.ROUTES,
    *api_keys.ROUTES,
    *monitoring.ROUTES,
    *docs.ROUTES,
)


def build_app(settings: Settings) -> web.Application:
    """Build the front door; raises ``Misconfigured`` if nobody could tell who sends orders.

    It starts while PostgreSQL is away: then orders are answered with 503 until it is back.
    """
    settings.require_signatures()
    app = web.Application(middlewares=[around])
    app[SETTINGS] = settings
    app[IN_FLIGHT] = InFlight()
    app.cleanup_ctx.append(_resources)
    app[DESCRIPTION] = json.dumps(description()).encode()
    app[app_keys.ROUTES] = {}
    for route in ROUTES:
        without = route.path.rstrip("/")
        for path in filter(None, (without, f"{without}/")):
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                added = app.router.add_route(method, path, route.handler)
                app[app_keys.ROUTES][added] = route
    return app


@cache
def description() -> dict[str, Any]:
    """Describe the API in OpenAPI 3.1."""
    return openapi.document(ROUTES)


async def _resources(app: web.Application) -> AsyncIterator[None]:
    app[app_keys.PASSWORDS] = passwords = services.passwords.Passwords()
    async with (
        open_database(app[SETTINGS]) as database,
        open_replica(app[SETTINGS]) as replicated,
    ):
        app[DATABASE] = database
        app[app_keys.READS] = reads = services.reads.Reads(
            database, replicated, max_lag=app[SETTINGS].replica_max_lag
        )
        app[app_keys.ACCEPTING] = services.orders.Accepting(
            database,
            keeps_first=app[SETTINGS].ingress_on_conflict == "accept",
            allocates=app[SETTINGS].webhook_allocate,
        )
        app[app_keys.PRODUCTS] = services.product_cache.ProductCache(
            reads, ttl=app[SETTINGS].product_cache_ttl
        )
        app[app_keys.HEALTH] = _watched(database, reads)
        app[app_keys.METRICS] = monitoring.metrics_of(database)
        for_ever = [
            asyncio.create_task(task) for task in (_notify_dispatchers(database), reads.watch())
        ]
        yield
        for task in for_ever:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    passwords.close()


async def _notify_dispatchers(database: Database) -> None:
    """Send one notification for all orders of the last moment, for as long as the server runs.

    Never inside an order's transaction: it would take a database-wide lock at every commit. One
    that is lost costs the events up to a second, until the workers look by themselves.
    """
    while True:
        await database.outbox_written.wait()
        database.outbox_written.clear()
        with suppress(OrderbusError):
            await database.notify("outbox")
        await asyncio.sleep(_PAUSE)


def _watched(database: Database, reads: Reads) -> Shared[Found]:
    health = Health(*services.health.POSTGRES)

    async def look() -> Found:
        found = await services.health.look(database)
        health.found(found)
        return {**found, **reads.found()}

    return Shared(look)
