"""Deliveries are listed and shown, retried now, skipped, and sent once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from orderbus import services
from orderbus.domain.text import brief
from orderbus.errors import Conflict, Fault, NotFound
from orderbus.storage.database import Connection
from orderbus.storage.delivery_lists import Filter, Place
from orderbus.storage.delivery_views import Delivery
from orderbus.web import queries, requests
from orderbus.web.app_keys import DATABASE
from orderbus.web.idempotency import REPLAYED, act_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import deliveries as bodies

ROUTES: Final = Routes("deliveries")
#: Statements that may look for what a page shows: what is rare among many takes several pages.
_LOOKS: Final = 10
_ACT: Final[Mapping[str, Any]] = {
    "answers": {200: (bodies.Delivery,)},
    "headers": (REPLAYED,),
    "reads": ("Idempotency-Key",),
    "errors": (Conflict,),
}


@ROUTES(
    "GET",
    "/api/v1/deliveries",
    name="list_deliveries",
    query=queries.DeliveryQuery,
    answers={200: (bodies.DeliveryPage,)},
    errors=(NotFound,),
)
async def list_page(request: web.Request) -> web.Response:
    """List deliveries: what is owed in the order of each line, all else from the newest on.

    A page may hold fewer than were asked for, though the list goes on: next_cursor says so.
    """
    query, database = queries.read(request, queries.DeliveryQuery), request.app[DATABASE]
    wanted = await database.ask(services.delivery_lists.of_order, query.filter(), query.order)
    page = await services.delivery_lists.list_page(
        database, wanted, after=_place(wanted, query.cursor), at_most=query.limit, looks=_LOOKS
    )
    items = [bodies.Delivery.of(each) for each in page.deliveries]
    cursor = None if page.next is None else services.delivery_lists.cursor_of(page.next)
    return bodies.DeliveryPage(items=items, next_cursor=cursor).response()


def _place(wanted: Filter, cursor: str | None) -> Place | None:
    try:
        return services.delivery_lists.place_at(wanted, cursor) if cursor else None
    except ValueError:
        detail = f"is {brief(cursor or '', 40)!r}: must be the next_cursor of a page of this list"
        raise requests.invalid("query", [Fault("/cursor", "query", detail)]) from None


@ROUTES(
    "GET",
    "/api/v1/deliveries/{delivery}",
    name="show_delivery",
    answers={200: (bodies.DeliveryHistory,)},
)
async def show(request: web.Request) -> web.Response:
    """Show a delivery with every attempt: status, error, duration, address, head of the answer."""
    number = requests.number(request, "delivery")
    found = await services.delivery_lists.show(request.app[DATABASE], number)
    return bodies.DeliveryHistory.with_attempts(found).response()


Act = Callable[..., Awaitable[Delivery]]


async def _act(
    request: web.Request, act: Act, model: type[bodies.Retry | bodies.Skip]
) -> web.Response:
    number = requests.number(request, "delivery")

    async def work(connection: Connection, asked: bodies.Retry | bodies.Skip) -> web.Response:
        done = await act(connection, number, actor=request[CALLER], reason=asked.reason)
        return bodies.Delivery.of(done).response()

    return await act_once(request, model, work)


@ROUTES(
    "POST",
    "/api/v1/deliveries/{delivery}/retry",
    name="retry_delivery",
    takes=bodies.Retry,
    **_ACT,
)
async def retry(request: web.Request) -> web.Response:
    """Attempt a delivery now, whatever its schedule says; one that is dead begins anew."""
    return await _act(request, services.delivery_acts.retry, bodies.Retry)


@ROUTES(
    "POST", "/api/v1/deliveries/{delivery}/skip", name="skip_delivery", takes=bodies.Skip, **_ACT
)
async def skip(request: web.Request) -> web.Response:
    """Let the endpoint never have it; what comes next in its order goes on."""
    return await _act(request, services.delivery_acts.skip, bodies.Skip)


@ROUTES(
    "POST",
    "/api/v1/deliveries/{delivery}/resend",
    name="resend_delivery",
    takes=bodies.Retry,
    **_ACT,
)
async def resend(request: web.Request) -> web.Response:
    """Send once more what was delivered or skipped: the same webhook-id, the same body."""
    return await _act(request, services.delivery_acts.resend, bodies.Retry)
