"""Orders are cancelled, tried again, held, released, shipped, delivered and changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from orderbus import services, telemetry
from orderbus.errors import Conflict, IllegalMove, Invalid, OutOfStock
from orderbus.services.order_moves import Asked, Leaving
from orderbus.storage.database import Connection, after_commit
from orderbus.storage.orders import Order
from orderbus.web import requests
from orderbus.web.api.orders import answer, id_or_ref, under
from orderbus.web.idempotency import REPLAYED, act_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import order_moves as bodies
from orderbus.web.schemas import orders

ROUTES: Final = Routes("orders")
_ORDER: Final = (orders.Order,)
#: What all changes have in common.
_CHANGE: Final[Mapping[str, Any]] = {
    "answers": {200: _ORDER},
    "headers": ("ETag", REPLAYED),
    "reads": ("Idempotency-Key", "If-Match"),
    "errors": (IllegalMove,),
}
Do = Callable[[Connection, str, Asked], Awaitable[Order]]


@ROUTES("POST", *under("/{id}/cancel"), name="cancel_order", takes=bodies.Cancel, **_CHANGE)
async def cancel(request: web.Request) -> web.Response:
    """Cancel an order of which nothing has left, if it is still as the caller saw it.

    A customer may cancel their own while nobody has begun with it.
    """
    named = id_or_ref(request)

    async def cancel(connection: Connection, change: bodies.Cancel) -> web.Response:
        asked = _asked(request, change.reason)
        order = await services.order_moves.cancel(connection, named, asked, cause=change.cause)
        return answer(orders.Order.of(order, is_own=asked.customer is not None))

    return await act_once(request, bodies.Cancel, cancel)


@ROUTES(
    "POST",
    *under("/{id}/retry"),
    name="retry_order",
    takes=orders.Change,
    **{**_CHANGE, "answers": {202: _ORDER}, "errors": (IllegalMove, OutOfStock)},
)
async def retry(request: web.Request) -> web.Response:
    """Have an order that failed processed anew."""
    named = id_or_ref(request)

    async def retry(connection: Connection, _: orders.Change) -> web.Response:
        seen = requests.seen_sequence(request)
        order = await services.processing.retry(
            connection, named, actor=requests.key_of(request), seen=seen
        )
        about = {"order_id": str(order.order_id), "external_ref": order.external_ref}
        about["actor"] = request[CALLER]
        after_commit(connection, lambda _: telemetry.log.info("order_tried_again", **about))
        return answer(orders.Order.of(order), 202)

    return await act_once(request, orders.Change, retry)


@ROUTES("POST", *under("/{id}/hold"), name="hold_order", takes=bodies.Because, **_CHANGE)
async def hold(request: web.Request) -> web.Response:
    """Keep an order from being processed and shipped until it is released."""
    return await _done(request, services.order_moves.hold)


@ROUTES("POST", *under("/{id}/release"), name="release_order", takes=bodies.Because, **_CHANGE)
async def release(request: web.Request) -> web.Response:
    """Let an order go on that was held."""
    return await _done(request, services.order_moves.release)


@ROUTES(
    "POST",
    *under("/{id}/ship"),
    name="ship_order",
    takes=bodies.Ship,
    **{**_CHANGE, "errors": (IllegalMove, Conflict, Invalid)},
)
async def ship(request: web.Request) -> web.Response:
    """Note that an order has left: all that had not yet, or so much of some lines."""
    named = id_or_ref(request)

    async def ship(connection: Connection, change: bodies.Ship) -> web.Response:
        lines = None
        if change.lines is not None:
            lines = [Leaving(each.line, each.quantity) for each in change.lines]
        order = await services.order_moves.ship(
            connection,
            named,
            _asked(request, change.reason),
            lines=lines,
            though_cancelled=change.though_cancelled,
        )
        return _shown(order)

    return await act_once(request, bodies.Ship, ship)


@ROUTES("POST", *under("/{id}/deliver"), name="deliver_order", takes=bodies.Because, **_CHANGE)
async def deliver(request: web.Request) -> web.Response:
    """Note that an order that was shipped has arrived."""
    return await _done(request, services.order_moves.deliver)


@ROUTES(
    "PATCH",
    *under("/{id}"),
    name="change_order",
    takes=bodies.OrderChange,
    **{
        **_CHANGE,
        "reads": ("Idempotency-Key",),
        "requires": ("If-Match",),
        "errors": (Conflict, Invalid),
    },
)
async def change(request: web.Request) -> web.Response:
    """Give an order another address while some of it has not left, or other metadata.

    If-Match is required: nobody overwrites what they have not seen.
    """
    named = id_or_ref(request)
    seen = requests.seen_sequence(request, required=True)

    async def change(connection: Connection, change: bodies.OrderChange) -> web.Response:
        order = await services.order_moves.change(
            connection,
            named,
            _asked(request, change.reason, seen=seen),
            shipping_address=change.shipping_address,
            metadata=change.metadata,
        )
        return _shown(order)

    return await act_once(request, bodies.OrderChange, change)


async def _done(request: web.Request, do: Do) -> web.Response:
    named = id_or_ref(request)

    async def act(connection: Connection, change: bodies.Because) -> web.Response:
        return _shown(await do(connection, named, _asked(request, change.reason)))

    return await act_once(request, bodies.Because, act)


def _asked(request: web.Request, reason: str | None, *, seen: int | None = None) -> Asked:
    return Asked(
        actor=request[CALLER],
        customer=requests.only_customer(request),
        traceparent=requests.traceparent(request),
        reason=reason,
        seen=requests.seen_sequence(request) if seen is None else seen,
    )


def _shown(order: Order) -> web.Response:
    return answer(orders.Order.of(order))
