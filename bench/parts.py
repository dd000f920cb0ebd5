"""The real, durable parts a measurement runs on."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from orderbus import services
from orderbus import settings as settings_module
from orderbus.devtools import dependencies
from orderbus.devtools.processes import run
from orderbus.domain import orders
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database

ROOT = Path(__file__).resolve().parents[1]
ORDER = json.loads((ROOT / "examples" / "order.json").read_text())
SECRET_KEY = "a key for measurements"  # noqa: S105 - of nobody


def silent(_name: str, _line: str) -> None:
    """Take a part's output and show nobody."""


@asynccontextmanager
async def parts(folder: Path, names: Sequence[str]) -> AsyncIterator[dict[str, str]]:
    """Start the named parts, with everything durable, and migrate; yields what names them."""
    folder.mkdir(mode=0o755)
    chosen = [part for part in dependencies.find(folder, {}) if part.name in names]
    try:
        await asyncio.gather(*(part.start(silent) for part in chosen))
        env = {
            "SECRET_KEY": SECRET_KEY,
            "AUTH": "open",
            "PYTHONPATH": str(ROOT),
            **{name: value for part in chosen for name, value in part.env.items()},
        }
        command = [sys.executable, "-m", "orderbus", "migrate"]
        await run("migrate", command, sink=silent, env=env, cwd=folder)
        yield env
    finally:
        await asyncio.gather(*(part.stop() for part in chosen))


@asynccontextmanager
async def opened(env: dict[str, str]) -> AsyncIterator[Database]:
    """Open the database that the variables name."""
    async with open_database(settings_of(env)) as database:
        yield database


def settings_of(env: dict[str, str], **changes: Any) -> Settings:  # noqa: ANN401 - any setting
    """Read the settings that the variables make."""
    fields = {
        field: env[alias]
        for field, info in Settings.model_fields.items()
        for alias in getattr(info.validation_alias, "choices", ())
        if alias in env
    }
    return settings_module.load(_env_file=None, **{**fields, **changes})


async def accept(database: Database, count: int) -> str:
    """Accept orders as the web server does; returns how their references begin."""
    mark = f"{time.time_ns():x}"

    async def client(number: int) -> None:
        for turn in range(number, count, 10):
            body = {**ORDER, "order_id": f"{mark}-{turn}"}
            order = orders.parse(json.dumps(body).encode())
            async with database.connection() as connection:
                await services.orders.accept(connection, order, traceparent=None)

    await asyncio.gather(*(client(number) for number in range(10)))
    return mark
