"""The typed keys under which the application keeps what its handlers need."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Final, NamedTuple

from aiohttp import web

from orderbus.services.health import Found
from orderbus.services.orders import Accepting
from orderbus.services.passwords import Passwords
from orderbus.services.product_cache import ProductCache
from orderbus.services.reads import Reads
from orderbus.services.shared import Shared
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web.routes import Route


class InFlight:
    """Counts the requests that were begun and not answered yet."""

    def __init__(self) -> None:
        self.requests = 0
        #: The timer that closes each new connection on which no request has begun yet.
        self.closings: dict[object, TimerHandle] = {}

    def begin(self, connection: object) -> None:
        """Count a request, which ``connection`` brought."""
        self.requests += 1
        if (timer := self.closings.pop(connection, None)) is not None:
            timer.cancel()


class Metrics(NamedTuple):
    """What is counted, in either format."""

    text: bytes
    as_json: bytes


SETTINGS: Final = web.AppKey("settings", Settings)
DATABASE: Final = web.AppKey("database", Database)
ACCEPTING: Final = web.AppKey("accepting", Accepting)
PASSWORDS: Final = web.AppKey("passwords", Passwords)
READS: Final = web.AppKey("reads", Reads)
PRODUCTS: Final = web.AppKey("products", ProductCache)
HEALTH: Final = web.AppKey("health", Shared[Found])
METRICS: Final = web.AppKey("metrics", Shared[Metrics])
IN_FLIGHT: Final = web.AppKey("in_flight", InFlight)
#: What each path says of itself, by what aiohttp finds for a request.
ROUTES: Final = web.AppKey("routes", dict[web.AbstractRoute, Route])
#: The OpenAPI document.
DESCRIPTION: Final = web.AppKey("description", bytes)
