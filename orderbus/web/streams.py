"""Sends lists that may be longer than memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import web

from orderbus import telemetry
from orderbus.errors import OrderbusError
from orderbus.web.schemas.fields import Body

#: Rows that are read at a time.
_CHUNK: Final = 1000


async def stream_list(
    request: web.Request,
    name: str,
    list_after: Callable[..., Awaitable[Sequence[Any]]],
    *,
    number: str,
    shape: type[Body],
) -> web.StreamResponse:
    """Send an object whose one member is the list of all rows, chunk by chunk.

    ``list_after`` asks for rows after the ``number`` of one, and ``shape`` writes each. The first
    chunk is asked for before anything is sent, so that a part that is away is still answered with
    503; one that goes away later cuts the connection. Between two chunks no connection to
    PostgreSQL is held.
    """
    rows_after = partial(list_after, at_most=_CHUNK)
    rows = await rows_after(0)
    response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await response.write(f'{{"{name}": ['.encode())
        between = b""
        while rows:
            chunk = b", ".join(shape.of(row).encoded() for row in rows)
            await response.write(between + chunk)
            between = b", "
            rows = await rows_after(getattr(rows[-1], number))
        await response.write(b"]}")
        await response.write_eof()
    except (OrderbusError, ConnectionError, ValueError) as error:
        # A list that is cut must not look like one that ended: a reader may have gone away, too,
        # or a row is none that its shape can show.
        telemetry.log.warning("list_cut", list=name, error=str(error))
        if request.transport is not None:
            request.transport.abort()
    return response
