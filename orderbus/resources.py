"""What a process holds open, and when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from orderbus.egress.session import Session, open_session
from orderbus.pubsub.publisher import Publisher, open_publisher
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database


@dataclass(frozen=True, slots=True)
class Resources:
    """What a worker hands to the services it calls."""

    settings: Settings
    database: Database
    publisher: Publisher
    http: Session
    #: Set before what is under way is interrupted because the worker ends: that is nobody's fault.
    ending: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open database, publisher and HTTP session, which connect at their first use."""
    async with (
        open_database(settings) as database,
        open_publisher(settings) as publisher,
        open_session(settings) as http,
    ):
        yield Resources(settings, database, publisher, http)
