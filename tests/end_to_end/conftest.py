"""A system of real processes for each test, on its own database, virtual host and topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from orderbus.devtools.dependency import Dependency
from orderbus.settings import QUEUES_IN_MEMORY, Settings
from orderbus.storage.database import Database
from tests.support import rabbitmq_admin
from tests.support.system import System, environment


@pytest.fixture
async def system(
    env: dict[str, str],
    settings: Settings,
    database: Database,
    parts: dict[str, Dependency],
    tmp_path: Path,
) -> AsyncIterator[System]:
    """A system whose processes the test starts; the schema is there, its receiver listens."""
    if env["RABBITMQ_URL"] != QUEUES_IN_MEMORY:
        vhost = f"test-{uuid4().hex[:12]}"
        await asyncio.to_thread(rabbitmq_admin.make_vhost, parts["RabbitMQ"], vhost)
        env = {**env, "RABBITMQ_URL": env["RABBITMQ_URL"].rstrip("/") + f"/{vhost}"}
    system = System(environment(env, tmp_path / "log"), settings, database)
    async with system.receiver.listening():
        system.env["WEBHOOK_OUTGOING_URL"] = system.receiver.url
        await system.orderbus("migrate")
        try:
            yield system
        finally:
            await system.close()
