"""Orders come in, and can be read and listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import uuid4

from aiohttp import web

from orderbus import services, storage
from orderbus.domain import orders, priced_orders, signatures
from orderbus.domain.orders import IncomingOrder, OrderId, PlaceOrder
from orderbus.domain.priced_orders import AskedOrder
from orderbus.errors import (
    Conflict,
    MixedLines,
    NotFound,
    OtherContent,
    OutOfStock,
    PriceChanged,
)
from orderbus.storage.database import Connection
from orderbus.web import open_access, queries, reads, requests
from orderbus.web.app_keys import ACCEPTING, DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.order_queries import OrderQuery
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import orders as bodies
from orderbus.web.streams import stream_list

ROUTES: Final = Routes("orders")
_KEY: Final = ("Idempotency-Key",)
_ORDER: Final = (bodies.Order,)


def under(path: str) -> tuple[str, str]:
    """Name both paths under which an order is found."""
    return f"/orders{path}", f"/api/v1/orders{path}"


@ROUTES(
    "POST",
    "/webhooks/orders/create/",
    name="create_order",
    takes=IncomingOrder,
    answers={201: (bodies.Accepted,), 200: (bodies.Accepted,)},
    headers=("Location", "traceparent", REPLAYED),
    reads=_KEY,
    errors=(Conflict, OutOfStock),
    takes_order=True,
)
async def receive(request: web.Request) -> web.Response:
    """Take an order from an upstream system; 201 means that it is committed.

    Size, media type, signature and shape are checked before the database is asked.
    """
    settings = request.app[SETTINGS]
    if not settings.webhook_secrets:
        open_access.admit(request)
    body = await requests.body(request)
    if settings.webhook_secrets:
        signatures.verify(
            request.headers,
            body,
            [secret.get_secret_value() for secret in settings.webhook_secrets],
            now=datetime.now(UTC),
        )
    order = orders.parse(body, idempotency_key=requests.idempotency_key(request))
    traceparent = requests.traceparent(request)
    placed = await request.app[ACCEPTING].accept(order, traceparent=traceparent)
    headers = {"Location": f"/orders/{placed.order_id}", "traceparent": traceparent}
    if not placed.created and not placed.differs:
        headers[REPLAYED] = "true"
    accepted = bodies.Accepted(ok=True, order_id=placed.external_ref)
    return accepted.response(201 if placed.created else 200, headers)


@ROUTES(
    "POST",
    "/api/v1/orders",
    name="create_order_v1",
    takes=AskedOrder,
    answers={201: _ORDER, 200: _ORDER},
    headers=("Location", "ETag", REPLAYED),
    requires=_KEY,
    errors=(Conflict, MixedLines, OutOfStock, PriceChanged),
    takes_order=True,
)
async def create(request: web.Request) -> web.Response:
    """Take an order, at the catalogue's prices and with its stock; order_id may be left out."""
    body = await requests.body(request)
    order_id = OrderId(uuid4())
    asked = priced_orders.parse(body, reference=str(order_id))
    tried = list[PlaceOrder]()

    async def place(connection: Connection) -> web.Response:
        placed = await services.adding.accept(
            connection,
            asked,
            traceparent=requests.traceparent(request),
            order_id=order_id,
            actor=requests.key_of(request),
            tries=tried.append,
        )
        found = await storage.orders.get(connection, str(placed.order_id))
        location = f"/api/v1/orders/{placed.order_id}"
        return answer(bodies.Order.of(found), 201 if placed.created else 200, Location=location)

    try:
        return await answer_once(request, body, place)
    except OtherContent as error:  # what was done under the key is rolled back; this is not
        database, first = request.app[DATABASE], OrderId(error.order_id)
        for sent in tried[-1:]:  # what could not be priced is no order that could be told of
            await services.conflicts.note(
                database, first, sent, answered="refused", actor=request[CALLER]
            )
        raise


@ROUTES(
    "GET",
    *under("/{id}"),
    name="show_order",
    answers={200: _ORDER, 304: ()},
    headers=("ETag",),
    reads=("If-None-Match", reads.CONSISTENCY),
)
async def show(request: web.Request) -> web.Response:
    """Show an order."""
    customer = requests.only_customer(request)
    found = await reads.ask(request, storage.orders.get, id_or_ref(request), customer=customer)
    order = bodies.Order.of(found, is_own=customer is not None)
    if request.headers.get("If-None-Match") == order.etag():
        return web.Response(status=304, headers={"ETag": order.etag()})
    return answer(order)


@ROUTES(
    "GET",
    *under("/{id}/history"),
    name="order_history",
    answers={200: (bodies.History,)},
    reads=(reads.CONSISTENCY,),
)
async def history(request: web.Request) -> web.Response:
    """Show who did what to an order, and when."""
    named, only = id_or_ref(request), requests.only_own(request)
    found = await reads.read(
        request, partial(services.order_lists.history, id_or_ref=named, only=only)
    )
    return bodies.History.of(found).response()


@ROUTES(
    "GET",
    *under("/{id}/journey"),
    name="order_journey",
    answers={200: (bodies.Journey,)},
    reads=(reads.CONSISTENCY,),
)
async def journey(request: web.Request) -> web.Response:
    """Show every hop of every event of an order."""
    named = id_or_ref(request)
    found = await reads.read(request, partial(services.order_lists.journey, id_or_ref=named))
    return bodies.Journey.of(found).response()


@ROUTES(
    "GET",
    "/api/v1/orders",
    name="list_orders",
    query=OrderQuery,
    answers={200: (bodies.OrderPage,)},
    reads=(reads.CONSISTENCY,),
)
async def list_page(request: web.Request) -> web.Response:
    """List orders from the newest on, or the oldest, a page at a time.

    An unknown filter is refused.
    """
    query = queries.read(request, OrderQuery)
    customer = requests.only_customer(request)
    wanted = replace(query.filter(), customer_id=customer)
    page = await reads.read(
        request,
        lambda database: services.order_lists.list_page(
            database, wanted, position=query.cursor, at_most=query.limit
        ),
    )
    items = [bodies.Order.of(order, is_own=customer is not None) for order in page.orders]
    return bodies.OrderPage(items=items, next_cursor=queries.cursor(page.next_position)).response()


@ROUTES(
    "GET",
    "/orders",
    name="list_all_orders",
    answers={200: (bodies.OrdersInBrief,)},
    reads=(reads.CONSISTENCY,),
)
async def list_all(request: web.Request) -> web.StreamResponse:
    """List all orders, however many, in the shape of the source document."""
    list_after = storage.order_lists.list_after
    return await stream_list(
        request,
        "orders",
        lambda after, at_most: reads.ask(request, list_after, after, at_most=at_most),
        number="order_pk",
        shape=bodies.OrderInBrief,
    )


def answer(order: bodies.Order, status: int = 200, **headers: str) -> web.Response:
    """Answer with an order, and which version of it that is."""
    return order.response(status, {"ETag": order.etag(), **headers})


def id_or_ref(request: web.Request) -> str:
    """Read which order the path names; raises ``NotFound`` for what can name none."""
    named = request.match_info["id"]
    if "\x00" in named or not named.isprintable():
        raise NotFound("No such order")
    return named
