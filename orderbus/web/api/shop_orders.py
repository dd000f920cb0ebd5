"""Orders of the shop, as its clients know them: placed, and completed at once, each their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from orderbus import services, storage
from orderbus.domain import rights
from orderbus.errors import NotFound, OutOfStock
from orderbus.services.order_moves import Asked
from orderbus.services.shop_changes import ToChange
from orderbus.services.shop_orders import ToPlace
from orderbus.storage.database import Connection
from orderbus.storage.orders import Order
from orderbus.web import pages, queries, reads, requests, senders
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.requests import CALLER, WHO
from orderbus.web.routes import Routes
from orderbus.web.schemas import shop_orders as bodies
from orderbus.web.schemas.orders import History

ROUTES: Final = Routes("orders of the shop")
_ALL: Final = "/api/orders/orders/"
_ONE: Final = f"{_ALL}{{order}}/"
_ORDER: Final = (bodies.ShopOrder,)
_CHANGE: Final[Mapping[str, Any]] = {
    "answers": {200: _ORDER},
    "headers": ("ETag",),
    "reads": ("If-Match",),
    "errors": (OutOfStock,),
}


@ROUTES("GET", "/api/orders/", name="orders_root", answers={200: (bodies.OrderLinks,)})
async def root(request: web.Request) -> web.Response:
    """Say where the orders are."""
    return bodies.OrderLinks(orders=f"{senders.base_url(request)}{_ALL}").response()


@ROUTES(
    "GET",
    _ALL,
    name="list_shop_orders",
    query=pages.OffsetQuery,
    answers={200: (bodies.ShopOrderPage,)},
    reads=(reads.CONSISTENCY,),
)
async def list_page(request: web.Request) -> web.Response:
    """List orders from the oldest on; to a customer there are none but their own."""
    query = queries.read(request, pages.OffsetQuery)
    page = await reads.ask(
        request,
        services.shop_orders.list_page,
        customer=requests.only_customer(request),
        offset=query.offset,
        at_most=query.at_most,
    )
    links = pages.links(request, query, page.count)
    results = [_body(request, order) for order in page.orders]
    return bodies.ShopOrderPage(**links, results=results).response()


@ROUTES(
    "POST",
    _ALL,
    name="place_shop_order",
    takes=bodies.ShopOrderToPlace,
    answers={201: _ORDER},
    headers=("ETag", "Location", REPLAYED),
    reads=("Idempotency-Key",),
    errors=(OutOfStock,),
    takes_order=True,
)
async def place(request: web.Request) -> web.Response:
    """Place an order, which is answered as completed: with all of its stock, or not at all.

    Who may import orders can say that one was completed elsewhere: it takes no stock.
    """
    body = await requests.body(request)
    asked = requests.valid(bodies.ShopOrderToPlace, requests.members(body))
    may_import = rights.may(request[WHO], "import_orders")
    wanted = ToPlace(
        customer=_customer(request, asked.customer),
        lines=asked.lines(),
        total=asked.total,
        takes_stock=asked.status != "completed" or not may_import,
        trusts_prices=request.app[SETTINGS].price_policy == "trust",
        actor=request[CALLER],
        traceparent=requests.traceparent(request),
    )

    async def place(connection: Connection) -> web.Response:
        placed = await services.shop_orders.place(connection, wanted)
        return _shown(request, placed, 201, Location=_url(request, placed))

    return await answer_once(request, body, place)


@ROUTES(
    "GET",
    _ONE,
    name="show_shop_order",
    answers={200: _ORDER},
    headers=("ETag",),
    reads=(reads.CONSISTENCY,),
)
async def show(request: web.Request) -> web.Response:
    """Show an order; to a customer nobody else's is there."""
    number, customer = _number(request), requests.only_customer(request)
    found = await reads.ask(request, services.shop_orders.get, number, customer=customer)
    return _shown(request, found)


@ROUTES("PUT", _ONE, name="replace_shop_order", takes=bodies.ShopOrderToKeep, **_CHANGE)
async def replace(request: web.Request) -> web.Response:
    """Change what was ordered, and for how much, while nothing of it has left."""
    return await _change(request, bodies.ShopOrderToKeep)


@ROUTES("PATCH", _ONE, name="change_shop_order", takes=bodies.ShopOrderChange, **_CHANGE)
async def change(request: web.Request) -> web.Response:
    """Change what is sent of an order, while nothing of it has left."""
    return await _change(request, bodies.ShopOrderChange)


@ROUTES("DELETE", _ONE, name="remove_shop_order", answers={204: ()}, reads=("If-Match",))
async def remove(request: web.Request) -> web.Response:
    """Show an order here no more, and cancel it where nothing of it has left; history stays."""
    number, asked = _number(request), _asked(request)
    async with request.app[DATABASE].transaction() as connection:
        await services.shop_changes.remove(connection, number, asked)
    return web.Response(status=204)


@ROUTES(
    "GET",
    f"{_ONE}history/",
    name="shop_order_history",
    answers={200: (History,)},
    reads=(reads.CONSISTENCY,),
)
async def history(request: web.Request) -> web.Response:
    """Show who did what to an order, and when; of the house a customer is told no names."""
    number, customer = _number(request), requests.only_customer(request)
    order = await reads.ask(request, storage.shop_orders.get, number, customer=customer)
    named, only = str(order.order_id), requests.only_own(request)
    found = await reads.read(
        request, partial(services.order_lists.history, id_or_ref=named, only=only)
    )
    return History.of(found).response()


async def _change(
    request: web.Request, model: type[bodies.ShopOrderToKeep | bodies.ShopOrderChange]
) -> web.Response:
    number, body = _number(request), await requests.body(request)
    asked = requests.valid(model, requests.members(body))
    wanted = ToChange(
        lines=asked.lines(),
        total=asked.total,
        status=asked.status,
        trusts_prices=request.app[SETTINGS].price_policy == "trust",
    )
    async with request.app[DATABASE].transaction() as connection:
        order = await services.shop_changes.change(connection, number, _asked(request), wanted)
    return _shown(request, order)


def _asked(request: web.Request) -> Asked:
    return Asked(
        actor=request[CALLER],
        customer=requests.only_customer(request),
        traceparent=requests.traceparent(request),
        seen=requests.seen_sequence(request),
    )


def _customer(request: web.Request, named: UUID | None) -> UUID | None:
    """Say whose an order is to be: the caller's, or of whom they name, where they may."""
    return requests.only_customer(request) or named or request[WHO].customer


def _number(request: web.Request) -> int:
    try:
        return requests.number(request, "order")
    except NotFound:
        raise NotFound("Not found.") from None


def _url(request: web.Request, order: Order) -> str:
    return f"{senders.base_url(request)}{_ALL}{order.order_pk}/"


def _body(request: web.Request, order: Order) -> bodies.ShopOrder:
    return bodies.ShopOrder.shown(order, url=_url(request, order))


def _shown(request: web.Request, order: Order, status: int = 200, **headers: str) -> web.Response:
    tag = {"ETag": f'"{order.event_seq}"'}
    return _body(request, order).response(status, {**tag, **headers})
