"""Stock is booked many products at a time, and what moved is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from orderbus import services, storage
from orderbus.errors import Conflict, Fault, Invalid, NotFound
from orderbus.storage.database import Connection
from orderbus.storage.stock_bookings import Booked
from orderbus.storage.stock_views import Moved
from orderbus.web import problems, product_queries, queries, reads, requests
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import inventory as bodies

ROUTES: Final = Routes("catalogue")
_BATCH: Final[Mapping[str, Any]] = {
    "takes": bodies.InventoryBatch,
    "answers": {200: (bodies.BookedBatch,), 409: (bodies.BatchRefusal,)},
    "headers": (REPLAYED,),
    "reads": ("Idempotency-Key",),
}


@ROUTES("POST", "/api/catalog/inventory/batch/", name="book_stock", **_BATCH)
async def book(request: web.Request) -> web.Response:
    """Book stock of up to 1,000 products: all or none, or with per_item each that can be."""
    body = await requests.body(request)
    asked = requests.valid(bodies.InventoryBatch, requests.members(body))
    each_alone, refused = asked.policy == "per_item", list[Booked]()

    async def book(connection: Connection) -> web.Response:
        lines = [item.line() for item in asked.items]
        try:
            booked = await services.stock.book(
                connection, lines, each_alone=each_alone, actor=request[CALLER]
            )
        except Invalid as error:
            found = [
                Fault(f"/items{each.pointer}", each.code, each.detail) for each in error.faults
            ]
            raise Invalid(error.detail, found) from None
        if not each_alone and not all(each.ok for each in booked):
            refused.extend(booked)
            raise Conflict("Nothing was booked: a line was refused")
        return bodies.BookedBatch(**_said(booked)).response()

    try:
        return await answer_once(request, body, book)
    except Conflict as error:  # what was done under the key is rolled back, and it stays free
        if not refused:
            raise
        refusal = bodies.BatchRefusal(error=error.detail, **_said(refused))
        return problems.noted(refusal.response(409), error.code, error.detail)


@ROUTES("PATCH", "/api/catalog/inventory/batch/", name="change_stock", **_BATCH)
async def change(request: web.Request) -> web.Response:
    """Book stock as a POST does."""
    return await book(request)


@ROUTES(
    "GET",
    "/api/catalog/inventory/{product}/movements/",
    name="list_movements",
    query=queries.PageQuery,
    reads=(reads.CONSISTENCY,),
    answers={200: (bodies.MovementPage,)},
)
async def list_movements(request: web.Request) -> web.Response:
    """List what moved of a product, and why, from the newest on."""
    query = queries.read(request, queries.PageQuery)
    try:
        product_id = requests.number(request, "product")
    except NotFound:
        raise NotFound("Not found.") from None

    async def moved(connection: Connection) -> list[Moved]:
        await storage.stock_views.level_of(connection, product_id)
        return await storage.stock_views.list_movements(
            connection, product_id, before=query.cursor, at_most=query.limit + 1
        )

    found = await reads.ask(request, moved)
    page = found[: query.limit]
    cursor = queries.cursor(page[-1].id if len(found) > len(page) else None)
    here = f"{product_queries.origin(request)}{request.path}?limit={query.limit}"
    return bodies.MovementPage(
        next=f"{here}&cursor={cursor}" if cursor else None,
        previous=None,
        results=[bodies.Movement.of(each) for each in page],
    ).response()


def _said(booked: Sequence[Booked]) -> dict[str, Any]:
    applied = sum(each.ok for each in booked)
    return {
        "applied": applied,
        "failed": len(booked) - applied,
        "items": [_line(each) for each in booked],
    }


def _line(booked: Booked) -> bodies.BookedLine:
    why = services.stock.refusal(booked)
    refused: dict[str, Any] = {} if why is None else {"error": booked.error, "detail": why}
    return bodies.BookedLine(
        index=booked.index,
        ok=booked.ok,
        before=booked.before,
        after=booked.after,
        version=booked.version,
        **refused,
    )
