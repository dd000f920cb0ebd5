"""Orders that come in all the time, from senders as careful as they should be."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from uuid import uuid4

import aiohttp

from orderbus import storage
from orderbus.errors import OrderbusError
from orderbus.storage.database import Database
from tests.support import samples, scenario
from tests.support.waiting import PATIENCE

#: Orders that are posted at the same time, and seconds each sender waits after one.
SENDERS, PAUSE = 8, 0.4


class Load:
    """Posts orders to an API, each until it is accepted, and has things happen to some of them."""

    def __init__(self, api: str, database: Database) -> None:
        #: When each order was accepted.
        self.accepted: dict[str, float] = {}
        #: How often senders were answered what.
        self.answers: Counter[str] = Counter()
        self._api = api
        self._database = database
        self._sending = [asyncio.create_task(self._send()) for _ in range(SENDERS)]

    async def end(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http:
            while True:
                reference = await self._post(http)
                if len(self.accepted) % 5 == 0:
                    with suppress(OrderbusError):
                        await self._append(reference)
                await asyncio.sleep(PAUSE)

    async def _post(self, http: aiohttp.ClientSession) -> str:
        """POST one order until it is accepted, as a careful sender does."""
        body = samples.order_body(f"SO-{uuid4()}")
        url = f"{self._api}/webhooks/orders/create/"
        while True:
            said = "no answer"
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.post(url, json=body) as answer:
                    said = str(answer.status)
                    if answer.status == 503 and "Retry-After" not in answer.headers:
                        said = "503 without Retry-After"
            self.answers[said] += 1
            if said in {"200", "201"}:
                self.accepted[body["order_id"]] = time.monotonic()
                return str(body["order_id"])
            await asyncio.sleep(0.2)

    async def _append(self, reference: str) -> None:
        order = await self._database.ask(storage.orders.get, reference)
        await scenario.append_event(self._database, order.order_id)
