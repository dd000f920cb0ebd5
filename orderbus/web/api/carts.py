"""Carts are opened, listed and checked out; the answers are those of the source document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from orderbus import services, storage
from orderbus.domain import carts
from orderbus.errors import Conflict, NotFound, OutOfStock
from orderbus.services.carts import Filled
from orderbus.storage.database import Connection
from orderbus.web import requests
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.requests import WHO
from orderbus.web.routes import Routes
from orderbus.web.schemas.carts import Cart, CartAnswer, CartContents, CartItem, Carts, Quantity
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
    errors=(OutOfStock,),
)
async def create(request: web.Request) -> web.Response:
    """Open a cart with a total, or with items that make up the total.

    It holds those of a known product in stock for a while, all of them or none.
    """
    body = await requests.body(request, taken=_is_taken)
    cart = carts.parse(body)

    async def open_cart(connection: Connection) -> web.Response:
        uuid = await services.carts.open_cart(
            connection, cart, customer=request[WHO].customer, hold_for=_held_for(request)
        )
        return CartAnswer(message="Cart created successfully!", cart_uuid=uuid).response(201)

    return await answer_once(request, body, open_cart)


@ROUTES("GET", "/carts", name="list_carts", answers={200: (Carts,)})
async def list_all(request: web.Request) -> web.StreamResponse:
    """List all carts; to a customer there are none but their own."""
    ask, customer = request.app[DATABASE].ask, requests.only_customer(request)
    list_after: Callable[..., Awaitable[Sequence[Any]]] = storage.carts.list_after
    if customer is not None:
        list_after = partial(list_after, customer=customer)
    return await stream_list(
        request,
        "carts",
        lambda after, at_most: ask(list_after, after, at_most=at_most),
        number="cart_pk",
        shape=Cart,
    )


@ROUTES("GET", "/carts/{id}", name="get_cart", answers={200: (CartContents,)})
async def show(request: web.Request) -> web.Response:
    """Show a cart with its items, and until when they are held in stock."""
    found = await request.app[DATABASE].ask(
        services.carts.show, _uuid(request), customer=requests.only_customer(request)
    )
    return _contents(found).response()


@ROUTES(
    "PUT",
    "/carts/{id}/items/{sku}",
    name="put_cart_item",
    takes=Quantity,
    answers={200: (CartContents,)},
    errors=(Conflict, OutOfStock),
)
async def put_item(request: web.Request) -> web.Response:
    """Put so many of a product into an open cart, at the price it has now; 0 takes it out.

    They are held in stock for a while, and so is what the cart holds already.
    """
    uuid, customer = _uuid(request), requests.only_customer(request)
    wanted = requests.valid(Quantity, requests.members(await requests.body(request)))
    item = requests.valid(
        carts.PutItem, {"sku": request.match_info["sku"], "quantity": wanted.quantity}
    )
    async with request.app[DATABASE].transaction() as connection:
        found = await services.carts.put_item(
            connection, uuid, item, customer=customer, hold_for=_held_for(request)
        )
    return _contents(found).response()


@ROUTES(
    "PUT",
    "/carts/{id}/checkout",
    name="check_out_cart",
    answers={200: (CartAnswer,)},
    errors=(OutOfStock,),
)
async def check_out(request: web.Request) -> web.Response:
    """Close a cart, which becomes an order; doing it again changes nothing.

    What it held too long and others have meanwhile is refused, and the cart stays open.
    """
    uuid = _uuid(request)
    actor, traceparent = requests.key_of(request), requests.traceparent(request)
    await request.app[DATABASE].ask(
        storage.carts.check_out,
        uuid,
        actor=actor,
        customer=requests.only_customer(request),
        traceparent=traceparent,
    )
    return CartAnswer(message="Cart closed successfully!", cart_uuid=uuid).response()


def _uuid(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("Cart not found") from None


def _held_for(request: web.Request) -> timedelta:
    return request.app[SETTINGS].cart_reservation_ttl


def _contents(found: Filled) -> CartContents:
    cart = found.cart
    return CartContents(
        uuid=cart.cart_uuid,
        total_amount=cart.total_amount,
        created_at=cart.created_at,
        closed=cart.closed,
        items=[
            CartItem(**item.model_dump(), held_until=found.held_until.get(item.sku))
            for item in cart.items
        ],
    )


def _is_taken(media_type: str) -> bool:
    return media_type in _ALSO_JSON or requests.is_json(media_type)
