"""How is a list sent that may be longer than memory?"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web


async def stream_list(
    request: web.Request, name: str, more: Callable[[], Awaitable[list[dict[str, Any]]]]
) -> web.StreamResponse:
    """Send an object whose one member is the list of everything ``more`` gives, chunk by chunk.

    The first chunk is asked for before anything is sent, so that a part that is away is still
    answered with 503.
    """
    rows = await more()
    response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write(f'{{"{name}": ['.encode())
    between = ""
    while rows:
        await response.write((between + ", ".join(json.dumps(row) for row in rows)).encode())
        between = ", "
        rows = await more()
    await response.write(b"]}")
    await response.write_eof()
    return response
