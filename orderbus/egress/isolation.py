"""Keeps a delivery that may kill its process apart from the others of that process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta


class Isolation:
    """Lets deliveries of one process run side by side, and one that is suspected alone.

    A delivery that kills its process takes those beside it along, and they look as guilty. Tried
    alone, the innocent ones show that they are.
    """

    def __init__(self) -> None:
        self._admission = asyncio.Lock()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def taken(self) -> bool:
        """Whether somebody is alone inside, or waits until everybody else has left."""
        return self._admission.locked()

    @asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        """Enter as soon as nobody is alone inside."""
        async with self._admission:
            self._enter()
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def alone(self, *, patience: timedelta) -> AsyncIterator[None]:
        """Go on alone, from within ``beside_others``; after ``patience`` not alone, but go on."""
        self._leave()
        closed = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience.total_seconds()):
                    closed = await self._admission.acquire()
                    await self._empty.wait()
            yield
        finally:
            if closed:
                self._admission.release()
            self._enter()

    def _enter(self) -> None:
        self._inside += 1
        self._empty.clear()

    def _leave(self) -> None:
        self._inside -= 1
        if self._inside == 0:
            self._empty.set()
