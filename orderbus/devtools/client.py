"""An HTTP client for the processes of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

#: Sends JSON, or nothing, to a URL by a method; returns the status and the text of the answer.
Send = Callable[..., Coroutine[Any, Any, tuple[int, str]]]

_PATIENCE: Final = aiohttp.ClientTimeout(total=10)


@asynccontextmanager
async def open_client() -> AsyncIterator[Send]:
    """Yield what sends to processes of this machine; it raises where none answers."""
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:

        async def send(method: str, url: str, body: object = None) -> tuple[int, str]:
            async with session.request(method, url, json=body) as answer:
                return answer.status, await answer.text()

        yield send


async def answers(url: str) -> None:
    """Return if ``url`` answers 2xx; raises whatever keeps it from that."""
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(url) as answer:
        answer.raise_for_status()
