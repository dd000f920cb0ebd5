"""An endpoint is changed as the commands do it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orderbus import services
from orderbus.services.endpoints import Changes
from orderbus.settings import Settings
from orderbus.storage.database import Database

ACTOR = "command:test"


async def enable(database: Database, endpoint: UUID) -> int:
    async with database.transaction() as connection:
        held = await services.endpoints.enable(connection, endpoint, actor=ACTOR)
    await services.owed.release(database)
    return held


async def remove(database: Database, endpoint: UUID) -> int:
    async with database.transaction() as connection:
        await services.endpoints.remove(connection, endpoint, actor=ACTOR)
    return await services.owed.skip(database)


async def rotate(database: Database, settings: Settings, endpoint: UUID) -> str:
    async with database.transaction() as connection:
        made = await services.endpoints.rotate_secret(connection, settings, endpoint, actor=ACTOR)
    return made.secret


async def change(database: Database, endpoint: UUID, **changes: Any) -> None:
    async with database.transaction() as connection:
        await services.endpoints.change(connection, endpoint, Changes(**changes), actor=ACTOR)
    await services.owed.release(database)
