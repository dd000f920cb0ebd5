"""Carts are opened, listed and checked out; the answers are those of the source document."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from aiohttp import web

from orderbus import storage
from orderbus.domain import carts
from orderbus.errors import NotFound
from orderbus.storage.database import Connection
from orderbus.web import requests
from orderbus.web.app_keys import DATABASE
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.routes import Routes
from orderbus.web.schemas.carts import Cart, CartAnswer, Carts
from orderbus.web.streams import stream_list

ROUTES: Final = Routes("carts")
#: What old clients say of their JSON, or their libraries do for them; the program they were written
#: for never looked.
_ALSO_JSON: Final = frozenset(
    {"", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"}
)


@ROUTES(
    "POST",
    "/carts",
    name="open_cart",
    takes=carts.OpenCart,
    answers={201: (CartAnswer,)},
    headers=(REPLAYED,),
    reads=("Idempotency-Key",),
)
async def create(request: web.Request) -> web.Response:
    """Open a cart with a total, or with items that make up the total."""
    body = await requests.body(request, taken=_is_taken)
    cart = carts.parse(body)

    async def open_cart(connection: Connection) -> web.Response:
        uuid = await storage.carts.add(connection, cart)
        return CartAnswer(message="Cart created successfully!", cart_uuid=uuid).response(201)

    return await answer_once(request, body, open_cart)


@ROUTES("GET", "/carts", name="list_carts", answers={200: (Carts,)})
async def list_all(request: web.Request) -> web.StreamResponse:
    """List all carts."""
    list_after = storage.carts.list_after
    return await stream_list(request, "carts", list_after, number="cart_pk", shape=Cart)


@ROUTES("PUT", "/carts/{id}/checkout", name="check_out_cart", answers={200: (CartAnswer,)})
async def check_out(request: web.Request) -> web.Response:
    """Close a cart, which becomes an order; doing it again changes nothing."""
    try:
        uuid = UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("Cart not found") from None
    actor, traceparent = requests.key_of(request), requests.traceparent(request)
    await request.app[DATABASE].ask(
        storage.carts.check_out, uuid, actor=actor, traceparent=traceparent
    )
    return CartAnswer(message="Cart closed successfully!", cart_uuid=uuid).response()


def _is_taken(media_type: str) -> bool:
    return media_type in _ALSO_JSON or requests.is_json(media_type)
