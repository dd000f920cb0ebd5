"""Products as they were read a moment ago, so that a shop's front page costs PostgreSQL little.

What is sold is decided by the database alone: a copy only ever shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from datetime import timedelta
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from cachetools import TTLCache

from orderbus import storage, telemetry
from orderbus.services.reads import Reads
from orderbus.storage.database import Connection
from orderbus.storage.product_changes import Change, Mark
from orderbus.storage.product_lists import Filter, Page
from orderbus.storage.products import Shown

P = ParamSpec("P")
T = TypeVar("T")

#: Characters that all copies hold at most, about; what was asked for longest ago goes first.
ROOM: Final = 32_000_000
#: Characters that are counted for a product beside its description.
_PRODUCT: Final = 1_000
#: Seconds for which nobody asks again what changed.
LOOK_EVERY: Final = 0.5


class ProductCache:
    """Shows products, and pages of them, as they are or were within the last half second.

    Before a copy is shown PostgreSQL is asked what changed, by one statement and at most twice a
    second however many ask; so each process hears of what any other wrote, also at psql. What
    changed is read again, and so is every page once anything did. What is read, one reads for all
    who wait for it. A copy ends after ``ttl`` in any case; with a ``ttl`` of 0 none is kept.
    """

    def __init__(self, reads: Reads, *, ttl: timedelta) -> None:
        self._reads = reads
        #: What whoever reads anew has to see: all that was found to have changed.
        self._seen: str | None = None
        self._is_on = bool(ttl)
        self._kept: TTLCache[Hashable, Any] = TTLCache(
            ROOM, ttl.total_seconds(), getsizeof=_characters
        )
        self._reading: dict[Hashable, asyncio.Task[Any]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._look_at = 0.0
        self._mark: Mark | None = None
        self._known: frozenset[Change] = frozenset()

    async def product(self, product_id: int, *, seen: str | None = None) -> Shown:
        """Show a product that is sold, as the caller has ``seen`` it or later; ``NotFound``."""
        return await self._get(seen, product_id, storage.products.show, product_id)

    async def page(
        self, wanted: Filter, *, limit: int, offset: int, seen: str | None = None
    ) -> Page:
        """Show a page of a list, with what the caller has ``seen``."""
        key = (wanted, limit, offset)
        read = storage.product_lists.read
        return await self._get(seen, key, read, wanted, limit=limit, offset=offset)

    def look_again(self) -> None:
        """Have whoever asks from now on see what this process wrote."""
        self._look_at = 0.0

    async def _get(
        self,
        seen: str | None,
        key: Hashable,
        read: Callable[Concatenate[Connection, P], Awaitable[T]],
        *given: P.args,
        **named: P.kwargs,
    ) -> T:
        if seen is not None or not self._is_on:
            return await self._reads.ask(seen, read, *given, **named)
        await self._drop_what_changed()
        if (kept := self._kept.get(key)) is not None:
            telemetry.PRODUCTS_SHOWN.labels("kept").inc()
            return kept  # type: ignore[no-any-return]
        reading = self._reading.get(key)
        if reading is None:
            asked = self._reads.ask(self._seen, read, *given, **named)
            # In a context of its own: no line about one request shall name another.
            reading = asyncio.create_task(self._read(key, asked), context=Context())
            self._reading[key] = reading
        return await asyncio.shield(reading)

    async def _read(self, key: Hashable, asked: Awaitable[T]) -> T:
        ours = asyncio.current_task()
        try:
            read = await asked
            is_new = self._reading.get(key) is ours  # else something changed meanwhile
            telemetry.PRODUCTS_SHOWN.labels("read" if is_new else "changed_meanwhile").inc()
            if is_new:
                self._kept[key] = read
            return read
        finally:
            if self._reading.get(key) is ours:
                del self._reading[key]

    async def _drop_what_changed(self) -> None:
        # A look that began before the caller asked may have missed what it has to see: after it
        # there is one more, unless no look is due.
        for _ in range(2):
            if self._looking is None or self._looking.done():
                if time.monotonic() < self._look_at:
                    return
                self._look_at = time.monotonic() + LOOK_EVERY
                self._looking = asyncio.create_task(self._look(), context=Context())
            await asyncio.shield(self._looking)

    async def _look(self) -> None:
        try:
            if self._mark is None:
                mark = await self._reads.primary.ask(storage.product_changes.begin)
                self._seen = await self._reads.position()
                self._mark = mark
                return
            found = await self._reads.primary.ask(storage.product_changes.since, self._mark)
            if found.changes is None or found.changes - self._known:
                self._seen = await self._reads.position()
        except BaseException:
            self._look_at = 0.0
            raise
        self._mark = found.mark
        if found.changes is None:
            self._kept.clear()
            self._reading.clear()
        elif new := found.changes - self._known:
            changed = {change.product_id for change in new}
            for key in list(self._kept):
                if key in changed or not isinstance(key, int):
                    self._kept.pop(key, None)
            self._reading.clear()
        self._known = found.changes or frozenset()


def _characters(kept: Shown | Page) -> int:
    products = kept.products if isinstance(kept, Page) else [kept]
    return _PRODUCT + sum(_PRODUCT + len(product.description) for product in products)
