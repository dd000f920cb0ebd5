"""Carts are opened, listed and checked out; the answers are those of the source document."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from aiohttp import web

from orderbus import services, storage
from orderbus.domain import carts
from orderbus.domain.events import rfc3339
from orderbus.errors import NotFound
from orderbus.storage.database import Connection
from orderbus.web import requests
from orderbus.web.app_keys import DATABASE
from orderbus.web.idempotency import answer_once
from orderbus.web.streams import stream_list


async def create(request: web.Request) -> web.Response:
    """Open a cart."""
    caller = await requests.authorize(request)
    body = await requests.body(request)
    cart = carts.parse(body)

    async def open_cart(connection: Connection) -> web.Response:
        uuid = await services.carts.open_cart(connection, cart)
        return _answer("Cart created successfully!", uuid, status=201)

    return await answer_once(request, body, open_cart, caller=caller)


async def list_all(request: web.Request) -> web.StreamResponse:
    """List all carts, however many, without holding them all."""
    await requests.authorize(request)

    async def page(
        connection: Connection, after: int, at_most: int
    ) -> list[tuple[int, dict[str, Any]]]:
        rows = await storage.carts.list_after(connection, after, at_most=at_most)
        return [(number, _shown(cart)) for number, cart in rows]

    return await stream_list(request, "carts", page)


async def check_out(request: web.Request) -> web.Response:
    """Close a cart; doing it again changes nothing and is answered the same."""
    caller = await requests.authorize(request)
    try:
        uuid = UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("Cart not found") from None
    traceparent = requests.traceparent(request)
    await services.carts.check_out(
        request.app[DATABASE], uuid, actor=requests.key_of(caller), traceparent=traceparent
    )
    return _answer("Cart closed successfully!", uuid, status=200)


def _answer(message: str, uuid: UUID, *, status: int) -> web.Response:
    body = json.dumps({"message": message, "cart_uuid": str(uuid)}).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def _shown(cart: dict[str, Any]) -> dict[str, Any]:
    return {
        "uuid": str(cart["uuid"]),
        "total_amount": str(cart["total_amount"]),
        "created_at": rfc3339(cart["created_at"]),
        "closed": cart["closed"],
    }
