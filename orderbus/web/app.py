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
from orderbus.services.health import Found, Health
from orderbus.services.shared import Shared
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from orderbus.web import openapi
from orderbus.web.api import carts, docs, health, metrics, new_orders, orders
from orderbus.web.app_keys import (
    DATABASE,
    DESCRIPTION,
    HEALTH,
    IN_FLIGHT,
    METRICS,
    SETTINGS,
    InFlight,
)
from orderbus.web.middlewares import around
from orderbus.web.outbox_notifier import notify_dispatchers
from orderbus.web.routes import Route

#: Of two paths that fit a request, the first one answers.
ROUTES: Final[Sequence[Route]] = (
    *orders.ROUTES,
    *new_orders.ROUTES,
    *carts.ROUTES,
    *health.ROUTES,
    *metrics.ROUTES,
    *docs.ROUTES,
)


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
    app[DESCRIPTION] = json.dumps(description()).encode()
    for route in ROUTES:
        for path in _spellings(route):
            app.router.add_route(route.method, path, route.handler)
            if route.method == "GET":
                app.router.add_head(path, route.handler)
    return app


@cache
def description() -> dict[str, Any]:
    """Describe the API in OpenAPI 3.1."""
    return openapi.document(ROUTES)


def _spellings(route: Route) -> set[str]:
    """Take the paths of the source documents with a trailing slash and without."""
    without = route.path.rstrip("/")
    return {route.path} if route.access == "anybody" else {without, f"{without}/"}


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
