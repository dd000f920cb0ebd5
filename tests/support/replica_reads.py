"""A front door with a replica behind it, and who answered what was read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from orderbus import telemetry
from tests.support.api_client import Client, serving
from tests.support.replicated import Pair
from tests.support.waiting import until_here, until_true

TOKEN = "Orderbus-Consistency"


@asynccontextmanager
async def reading(pair: Pair, **changes: Any) -> AsyncIterator[Client]:
    """A front door that has heard from the replica."""
    given = {"product_cache_ttl": timedelta(0), "replica_max_lag": timedelta(minutes=1), **changes}
    async with serving(pair.settings(**given)) as client:
        await until_true(lambda: uses_replica(client), "the replica answers reads")
        yield client


async def uses_replica(client: Client) -> bool:
    return bool((await ready(client))["parts"]["replica"])


async def ready(client: Client) -> dict[str, Any]:
    response = await client.get("/readyz")
    said: dict[str, Any] = await response.json()
    assert (response.status, said["ready"]) == (200, True)
    return said


class Counted:
    """How many reads went where since."""

    def __init__(self) -> None:
        self._before = self._now()

    def __getitem__(self, server: str) -> int:
        return int(self._now().get(server, 0) - self._before.get(server, 0))

    def _now(self) -> dict[str, float]:
        now: dict[str, float] = {}
        for sample in next(iter(telemetry.READS.collect())).samples:
            if sample.name.endswith("_total"):
                server = sample.labels["server"]
                now[server] = now.get(server, 0) + sample.value
        return now


async def write(client: Client, order: str, number: int) -> str:
    """Change an order; returns what shows the change."""
    path = f"/api/v1/orders/{order}"
    response = await client.patch(
        path, json={"metadata": {"number": str(number)}}, headers={"If-Match": "*"}
    )
    assert response.status == 200, await response.text()
    return response.headers[TOKEN]


async def read(client: Client, order: str, token: str | None = None) -> dict[str, Any]:
    headers = {} if token is None else {TOKEN: token}
    response = await client.get(f"/api/v1/orders/{order}", headers=headers)
    assert response.status == 200, await response.text()
    found: dict[str, Any] = await response.json()
    return found


async def does_without(client: Client) -> bool:
    return not await uses_replica(client)


class Traffic:
    """Reads without a pause, and how each ended."""

    def __init__(self, client: Client, order: str) -> None:
        self.statuses: list[int] = []
        self.longest = 0.0
        self._reading = [asyncio.create_task(self._read(client, order)) for _ in range(4)]

    async def _read(self, client: Client, order: str) -> None:
        while True:
            began = time.monotonic()
            response = await client.get(f"/api/v1/orders/{order}")
            self.longest = max(self.longest, time.monotonic() - began)
            self.statuses.append(response.status)

    async def more(self) -> None:
        """Wait until each has read again."""
        seen = len(self.statuses)
        await until_here(lambda: len(self.statuses) > seen + 20, "reads go on")

    async def stop(self) -> set[int]:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        return set(self.statuses)
