"""Sends lists that may be longer than memory."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

from orderbus import telemetry
from orderbus.errors import OrderbusError
from orderbus.storage.database import Connection
from orderbus.web.app_keys import DATABASE
from orderbus.web.schemas.fields import Body

#: Rows that are read at a time.
_CHUNK: Final = 1000

#: Gives the rows after a number, at most so many, each with its own number.
Page = Callable[[Connection, int, int], Awaitable[Sequence[tuple[int, Body]]]]


async def stream_list(request: web.Request, name: str, page: Page) -> web.StreamResponse:
    """Send an object whose one member is the list of all rows, chunk by chunk.

    The first chunk is asked for before anything is sent, so that a part that is away is still
    answered with 503; one that goes away later cuts the connection. Between two chunks no
    connection to PostgreSQL is held.
    """

    async def rows_after(number: int) -> Sequence[tuple[int, Body]]:
        async with request.app[DATABASE].connection() as connection:
            return await page(connection, number, _CHUNK)

    rows = await rows_after(0)
    response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await response.write(f'{{"{name}": ['.encode())
        between = ""
        while rows:
            await response.write(
                (between + ", ".join(json.dumps(row.members()) for _, row in rows)).encode()
            )
            between = ", "
            rows = await rows_after(rows[-1][0])
        await response.write(b"]}")
        await response.write_eof()
    except (OrderbusError, ConnectionError) as error:
        # A list that is cut must not look like one that ended; a reader may have gone away, too.
        telemetry.log.warning("list_cut", list=name, error=str(error))
        if request.transport is not None:
            request.transport.abort()
    return response
