"""A request with an Idempotency-Key is answered once, and the same way ever after.

As draft-ietf-httpapi-idempotency-key-header-07 asks: 409 while the first is under way, 422 where
the key comes back with another request, otherwise the first answer, byte for byte. The key is kept
in the transaction of what was done under it; a refusal leaves nothing, so its key stays free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from orderbus import storage
from orderbus.errors import Fault, Invalid
from orderbus.storage.database import Connection
from orderbus.storage.idempotency import Answer
from orderbus.web.app_keys import DATABASE
from orderbus.web.requests import idempotency_key

#: Says that an answer was given before.
REPLAYED: Final = "Idempotent-Replayed"


async def answer_once(
    request: web.Request,
    body: bytes,
    work: Callable[[Connection], Awaitable[web.Response]],
    *,
    caller: str,
    required: bool = False,
) -> web.Response:
    """Do ``work`` in one transaction, or give the answer it gave before under the same key.

    Raises ``Invalid`` where a key is ``required`` and missing, ``UnderWay``, ``KeyReused``, and
    what ``work`` raises.
    """
    key = idempotency_key(request)
    database = request.app[DATABASE]
    if key is None:
        if required:
            message = "Idempotency-Key is missing: send 1 to 255 characters of printable ASCII"
            raise Invalid(message, [Fault("", "idempotency_key_required", message)])
        async with database.transaction() as connection:
            return await work(connection)
    asked = f"{request.method} {request.path}\n".encode() + body
    fingerprint = hashlib.sha256(asked).digest()
    async with database.transaction() as connection:
        answer = await storage.idempotency.begin(
            connection, scope=caller, key=key, fingerprint=fingerprint
        )
        if answer is None:
            response = await work(connection)
            await storage.idempotency.keep(
                connection, scope=caller, key=key, answer=_answer_of(response)
            )
            return response
    headers = {**answer.headers, REPLAYED: "true"}
    return web.Response(status=answer.status, headers=headers, body=answer.body)


def _answer_of(response: web.Response) -> Answer:
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101 - none of these answers is a stream
    return Answer(response.status, dict(response.headers), body)
