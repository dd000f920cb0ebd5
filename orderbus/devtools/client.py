"""An HTTP client for the processes of this machine."""

from __future__ import annotations

from typing import Final

import aiohttp

from orderbus.errors import Died

_PATIENCE: Final = aiohttp.ClientTimeout(total=10)


async def ask(method: str, url: str, body: object = None) -> str:
    """Send JSON, or nothing, to a process of this machine; returns the text of its answer.

    Raises ``Died`` where that is no success, and whatever keeps it from answering.
    """
    async with (
        aiohttp.ClientSession(timeout=_PATIENCE) as session,
        session.request(method, url, json=body) as answer,
    ):
        text = await answer.text()
        if not answer.ok:
            raise Died(f"{method} {url} was answered with {answer.status}: {text}")
        return text
