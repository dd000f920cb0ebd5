"""An HTTP client for the processes of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp


class Client:
    """Asks over HTTP and reads JSON where there is some; raises where it is not answered 2xx."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Use ``open_client``."""
        self._session = session

    async def get(self, url: str) -> Any:  # noqa: ANN401 - any JSON value
        """Ask for a page."""
        async with self._session.get(url) as answer:
            answer.raise_for_status()
            return await answer.json() if answer.content_type == "application/json" else None

    async def post(self, url: str, body: object) -> tuple[int, str]:
        """Post JSON; returns status and text, whatever they are."""
        async with self._session.post(url, json=body) as answer:
            return answer.status, await answer.text()

    async def put(self, url: str) -> tuple[int, str]:
        """Put nothing; returns status and text, whatever they are."""
        async with self._session.put(url) as answer:
            return answer.status, await answer.text()

    async def find(self, url: str) -> Any:  # noqa: ANN401 - any JSON value
        """Ask for what may not be there yet; None if it is not."""
        async with self._session.get(url) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            answer.raise_for_status()
            return await answer.json()


@asynccontextmanager
async def open_client() -> AsyncIterator[Client]:
    """Open a client for processes of this machine."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield Client(session)
