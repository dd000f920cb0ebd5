"""A process that carries out one command of a shop, and dies by SIGKILL after a statement of it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orderbus.domain.orders import OrderId
from orderbus.settings import Settings
from orderbus.storage.database import open_database
from tests.support import statements
from tests.support.shop_clients import Shop


@dataclass(frozen=True)
class Known:
    """What a process has to know of a shop."""

    products: Mapping[str, int]
    carts: Mapping[int, UUID]
    orders: Mapping[int, OrderId]


class _Deadly(list[str]):
    """Statements that were sent and answered; the one that is the last kills."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    def append(self, statement: str) -> None:
        super().append(statement)
        if len(self) == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


async def carried_out(settings: Settings, shop: Shop, act: str, *given: Any, last: int) -> bool:
    """Have a process of its own do it; false where it was killed after statement ``last``."""
    known = Known(shop.products, dict(shop.carts), dict(shop.orders))
    # Its server has loaded everything already, and forks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_carry_out, args=(settings, known, act, given, last))
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
    return process.exitcode == 0


def _carry_out(settings: Settings, known: Known, act: str, given: Sequence[Any], last: int) -> None:
    asyncio.run(_act(settings, known, act, given, last))


async def _act(settings: Settings, known: Known, act: str, given: Sequence[Any], last: int) -> None:
    async with open_database(settings) as database:
        await database.ping()
        shop = Shop(database, known.products)
        shop.carts.update(known.carts)
        shop.orders.update(known.orders)
        with statements.recorded(_Deadly(last)):
            await getattr(shop, act)(*given)
