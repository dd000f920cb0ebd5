"""Orders come in, can be read and listed, and are cancelled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aiohttp import web

from orderbus import services, storage, telemetry
from orderbus.domain import orders, signatures
from orderbus.domain.orders import IncomingOrder, OrderId
from orderbus.errors import Conflict, IllegalMove, NotFound, UnderWay
from orderbus.storage.database import Connection
from orderbus.web import open_access, queries, requests
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.routes import Access, Answer, Operation, Routes
from orderbus.web.schemas.fields import Body
from orderbus.web.schemas.journeys import Journey
from orderbus.web.schemas.orders import (
    Accepted,
    Cancel,
    History,
    Order,
    OrderInBrief,
    OrderPage,
    OrdersInBrief,
    Retry,
)
from orderbus.web.streams import stream_list

ROUTES: Final = Routes("orders")
_KEY: Final = ("Idempotency-Key",)
_CHANGE: Final = ("Idempotency-Key", "If-Match")


@ROUTES.add(
    "POST",
    "/webhooks/orders/create/",
    operation=Operation(
        name="create_order",
        takes=IncomingOrder,
        answers={
            201: Answer("Committed", Accepted, ("Location", "traceparent")),
            200: Answer(
                "This very order was committed before",
                Accepted,
                ("Location", "traceparent", REPLAYED),
            ),
        },
        reads=_KEY,
        errors=(Conflict,),
        access=Access.SIGNATURE,
    ),
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
    async with request.app[DATABASE].connection() as connection:
        placed = await services.orders.accept(connection, order, traceparent=traceparent)
    headers = {"Location": f"/orders/{placed.order_id}", "traceparent": traceparent}
    if not placed.created:
        headers[REPLAYED] = "true"
    answer = Accepted(ok=True, order_id=placed.external_ref)
    return answer.response(201 if placed.created else 200, headers)


@ROUTES.add(
    "POST",
    "/api/v1/orders",
    operation=Operation(
        name="create_order_v1",
        takes=IncomingOrder,
        answers={
            201: Answer("Committed", Order, ("Location", "ETag", REPLAYED)),
            200: Answer(
                "This very order was committed before", Order, ("Location", "ETag", REPLAYED)
            ),
        },
        requires=_KEY,
        errors=(Conflict, UnderWay),
    ),
)
async def create(request: web.Request) -> web.Response:
    """Take an order from the holder of an API key; order_id may be left out."""
    caller = await requests.authorize(request)
    body = await requests.body(request)
    order_id = OrderId(uuid4())
    order = orders.parse(body, source="api", reference=str(order_id))
    traceparent = requests.traceparent(request)

    async def place(connection: Connection) -> web.Response:
        placed = await services.orders.accept(
            connection,
            order,
            traceparent=traceparent,
            order_id=order_id,
            actor=requests.key_of(caller),
        )
        found = await storage.orders.get(connection, str(placed.order_id))
        answer = Order.of(found)
        location = f"/api/v1/orders/{placed.order_id}"
        return _answer(answer, 201 if placed.created else 200, Location=location)

    return await answer_once(request, body, place, caller=caller, required=True)


@ROUTES.add(
    "GET",
    "/orders/{id}",
    "/api/v1/orders/{id}",
    operation=Operation(
        name="show_order",
        answers={
            200: Answer("The order", Order, ("ETag",)),
            304: Answer("It is still as If-None-Match says", headers=("ETag",)),
        },
        reads=("If-None-Match",),
    ),
)
async def show(request: web.Request) -> web.Response:
    """Show an order."""
    await requests.authorize(request)
    found = await services.orders.find(request.app[DATABASE], _id_or_ref(request))
    order = Order.of(found)
    if request.headers.get("If-None-Match") == order.etag():
        return web.Response(status=304, headers={"ETag": order.etag()})
    return _answer(order)


@ROUTES.add(
    "GET",
    "/orders/{id}/history",
    "/api/v1/orders/{id}/history",
    operation=Operation(
        name="order_history", answers={200: Answer("The history, oldest first", History)}
    ),
)
async def history(request: web.Request) -> web.Response:
    """Show who did what to an order, and when."""
    await requests.authorize(request)
    found = await services.orders.history(request.app[DATABASE], _id_or_ref(request))
    return History.of(found).response()


@ROUTES.add(
    "GET",
    "/orders/{id}/journey",
    "/api/v1/orders/{id}/journey",
    operation=Operation(
        name="order_journey", answers={200: Answer("The journey, oldest event first", Journey)}
    ),
)
async def journey(request: web.Request) -> web.Response:
    """Show every hop of every event of an order."""
    await requests.authorize(request)
    found = await services.orders.journey(request.app[DATABASE], _id_or_ref(request))
    return Journey.of(found).response()


@ROUTES.add(
    "POST",
    "/orders/{id}/cancel",
    "/api/v1/orders/{id}/cancel",
    operation=Operation(
        name="cancel_order",
        takes=Cancel,
        body_is_required=False,
        answers={200: Answer("Cancelled", Order, ("ETag", REPLAYED))},
        reads=_CHANGE,
        errors=(IllegalMove, UnderWay),
    ),
)
async def cancel(request: web.Request) -> web.Response:
    """Cancel an order, if it is still as the caller saw it."""
    caller = await requests.authorize(request)
    id_or_ref = _id_or_ref(request)
    body, change = await requests.model_or_none(request, Cancel)
    traceparent = requests.traceparent(request)

    async def cancel(connection: Connection) -> web.Response:
        order = await services.orders.cancel(
            connection,
            id_or_ref,
            reason=change.reason,
            actor=caller,
            seen=requests.seen_sequence(request),
            traceparent=traceparent,
        )
        return _answer(Order.of(order))

    return await answer_once(request, body, cancel, caller=caller)


@ROUTES.add(
    "POST",
    "/orders/{id}/retry",
    "/api/v1/orders/{id}/retry",
    operation=Operation(
        name="retry_order",
        takes=Retry,
        body_is_required=False,
        answers={202: Answer("It is processed anew afterwards", Order, ("ETag", REPLAYED))},
        reads=_CHANGE,
        errors=(IllegalMove, UnderWay),
    ),
)
async def retry(request: web.Request) -> web.Response:
    """Have an order that failed processed anew."""
    caller = await requests.authorize(request)
    id_or_ref = _id_or_ref(request)
    body, _ = await requests.model_or_none(request, Retry)

    async def retry(connection: Connection) -> web.Response:
        seen = requests.seen_sequence(request)
        order = await services.processing.retry(
            connection, id_or_ref, actor=requests.key_of(caller), seen=seen
        )
        telemetry.log.info(
            "order_tried_again",
            order_id=str(order.order_id),
            external_ref=order.external_ref,
            actor=caller,
        )
        return _answer(Order.of(order), 202)

    return await answer_once(request, body, retry, caller=caller)


@ROUTES.add(
    "GET",
    "/api/v1/orders",
    operation=Operation(
        name="list_orders", query=queries.OrderQuery, answers={200: Answer("A page", OrderPage)}
    ),
)
async def list_page(request: web.Request) -> web.Response:
    """List orders from the newest on, a page at a time; an unknown filter is refused."""
    await requests.authorize(request)
    query = queries.read(request)
    page = await services.orders.list_newest(
        request.app[DATABASE], query.filter(), before=query.cursor, at_most=query.limit
    )
    items = [Order.of(order) for order in page.orders]
    return OrderPage(items=items, next_cursor=queries.cursor(page.next_before)).response()


@ROUTES.add(
    "GET",
    "/orders",
    operation=Operation(
        name="list_all_orders", answers={200: Answer("All orders, oldest first", OrdersInBrief)}
    ),
)
async def list_all(request: web.Request) -> web.StreamResponse:
    """List all orders, however many, in the shape of the source document."""
    await requests.authorize(request)

    async def page(connection: Connection, after: int, at_most: int) -> list[tuple[int, Body]]:
        rows = await storage.order_lists.list_after(connection, after, at_most=at_most)
        return [(row.order_pk, OrderInBrief.of(row)) for row in rows]

    return await stream_list(request, "orders", page)


def _answer(order: Order, status: int = 200, **headers: str) -> web.Response:
    return order.response(status, {"ETag": order.etag(), **headers})


def _id_or_ref(request: web.Request) -> str:
    id_or_ref = request.match_info["id"]
    if "\x00" in id_or_ref or not id_or_ref.isprintable():
        raise NotFound("No such order")
    return id_or_ref
