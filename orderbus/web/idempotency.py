"""A request with an Idempotency-Key is answered once, and the same way ever after.

As draft-ietf-httpapi-idempotency-key-header-07 asks: 409 while the first is under way, 422 where
the key comes back with another request, otherwise the first answer, byte for byte. The key is kept
in the transaction of what was done under it; a refusal leaves nothing, so its key stays free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel

from orderbus import storage
from orderbus.errors import Fault, Invalid
from orderbus.storage.database import Connection
from orderbus.storage.idempotency import Answer
from orderbus.web.app_keys import DATABASE
from orderbus.web.requests import CALLER, idempotency_key, model_or_none, route_of

Model = TypeVar("Model", bound=BaseModel)

#: Says that an answer was given before.
REPLAYED: Final = "Idempotent-Replayed"


async def answer_once(
    request: web.Request, body: bytes, work: Callable[[Connection], Awaitable[web.Response]]
) -> web.Response:
    """Do ``work`` in one transaction, or give the answer it gave before under the same key.

    Raises ``Invalid`` where the route requires a key and none is there, ``UnderWay``,
    ``KeyReused``, and what ``work`` raises.
    """
    key, route, caller = idempotency_key(request), route_of(request), request[CALLER]
    if key is None and route and "Idempotency-Key" in route.requires:
        message = "Idempotency-Key is missing: send 1 to 255 characters of printable ASCII"
        raise Invalid(message, [Fault("", "idempotency_key_required", message)])
    async with request.app[DATABASE].transaction() as connection:
        if key is None:
            return await work(connection)
        asked = hashlib.sha256(f"{request.method} {request.path}\n".encode() + body)
        answer = await storage.idempotency.begin(
            connection, scope=caller, key=key, fingerprint=asked.digest()
        )
        if answer is None:
            response = await work(connection)
            assert isinstance(response.body, bytes)  # noqa: S101 - none of these is a stream
            answer = Answer(response.status, dict(response.headers), response.body)
            await storage.idempotency.keep(connection, scope=caller, key=key, answer=answer)
            return response
    headers = {**answer.headers, REPLAYED: "true"}
    return web.Response(status=answer.status, headers=headers, body=answer.body)


async def act_once(
    request: web.Request,
    model: type[Model],
    act: Callable[[Connection, Model], Awaitable[web.Response]],
) -> web.Response:
    """Do with the body, which may be missing, as ``answer_once`` does; raises ``Invalid`` too."""
    body, asked = await model_or_none(request, model)
    return await answer_once(request, body, lambda connection: act(connection, asked))
