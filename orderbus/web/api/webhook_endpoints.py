"""The endpoints of webhooks: added, shown, changed, tested and removed, as by the commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from aiohttp import web

from orderbus import services, storage
from orderbus.errors import Conflict, NotFound, Unavailable
from orderbus.services.endpoints import Changes, New
from orderbus.storage.database import Connection
from orderbus.web import queries, requests
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, act_once, answer_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import webhook_endpoints as bodies

ROUTES: Final = Routes("webhook endpoints")
_ALL: Final = "/api/v1/webhook-endpoints"
_ONE: Final = f"{_ALL}/{{id}}"
_KEY: Final = ("Idempotency-Key",)


@ROUTES(
    "POST",
    _ALL,
    name="add_endpoint",
    takes=bodies.NewEndpoint,
    answers={201: (bodies.AddedEndpoint,)},
    headers=("Location", REPLAYED),
    reads=_KEY,
)
async def add(request: web.Request) -> web.Response:
    """Add an endpoint, which is told of what happens from now on; its secret is shown, this once.

    An address that no webhook may be sent to is refused.
    """
    body = await requests.body(request)
    asked = requests.valid(bodies.NewEndpoint, requests.members(body))
    warning = await services.endpoint_tests.check_address(request.app[SETTINGS], asked.url)

    async def add(connection: Connection) -> web.Response:
        new = New(**asked.model_dump())
        made = await services.endpoints.add(connection, new, actor=request[CALLER])
        shown = await storage.endpoint_lists.get(connection, made.id)
        answer = bodies.AddedEndpoint.made(shown, secret=made.secret, warning=warning)
        return answer.response(201, {"Location": f"{_ALL}/{made.id}"})

    return await answer_once(request, body, add)


@ROUTES(
    "GET",
    _ALL,
    name="list_endpoints",
    query=queries.EndpointQuery,
    answers={200: (bodies.EndpointPage,)},
)
async def list_page(request: web.Request) -> web.Response:
    """List endpoints from the oldest on, a page at a time, and what each is owed."""
    query = queries.read(request, queries.EndpointQuery)
    found = await request.app[DATABASE].ask(
        storage.endpoint_lists.list_page, after=query.cursor, at_most=query.limit + 1
    )
    page = found[: query.limit]
    last = page[-1].id if len(found) > len(page) else None
    items = [bodies.Endpoint.of(endpoint) for endpoint in page]
    return bodies.EndpointPage(items=items, next_cursor=queries.cursor(last)).response()


@ROUTES("GET", _ONE, name="show_endpoint", answers={200: (bodies.Endpoint,)})
async def show(request: web.Request) -> web.Response:
    """Show an endpoint, and what it is owed."""
    return await _shown(request, _id(request))


@ROUTES(
    "PATCH",
    _ONE,
    name="change_endpoint",
    takes=bodies.EndpointChange,
    answers={200: (bodies.Endpoint,)},
    errors=(Conflict,),
)
async def change(request: web.Request) -> web.Response:
    """Change an endpoint; what it is owed goes to its new URL at once.

    Other events are for what happens from now on. Of the built-in one, settings say URL and events.
    """
    endpoint_id = _id(request)
    asked = requests.valid(bodies.EndpointChange, requests.members(await requests.body(request)))
    if asked.url is not None:
        await services.endpoint_tests.check_address(request.app[SETTINGS], asked.url)
    database = request.app[DATABASE]
    async with database.transaction() as connection:
        await services.endpoints.change(
            connection,
            endpoint_id,
            Changes(**asked.model_dump(exclude={"reason"})),
            actor=request[CALLER],
            reason=asked.reason,
        )
    await _begin(request, services.owed.release)
    return await _shown(request, endpoint_id)


@ROUTES(
    "POST",
    f"{_ONE}/disable",
    name="disable_endpoint",
    takes=bodies.EndpointWhy,
    answers={200: (bodies.Endpoint,)},
    headers=(REPLAYED,),
    reads=_KEY,
)
async def disable(request: web.Request) -> web.Response:
    """Tell an endpoint nothing more until it is enabled; what it is owed is held."""
    endpoint_id = _id(request)

    async def disable(connection: Connection, why: bodies.EndpointWhy) -> web.Response:
        await services.endpoints.disable(
            connection, endpoint_id, actor=request[CALLER], reason=why.reason
        )
        return await _answer(connection, endpoint_id)

    return await act_once(request, bodies.EndpointWhy, disable)


@ROUTES(
    "POST",
    f"{_ONE}/enable",
    name="enable_endpoint",
    takes=bodies.EndpointWhy,
    answers={200: (bodies.Endpoint,)},
    headers=(REPLAYED,),
    reads=_KEY,
)
async def enable(request: web.Request) -> web.Response:
    """Tell a disabled endpoint again; what was held for it is due now."""
    endpoint_id = _id(request)

    async def enable(connection: Connection, why: bodies.EndpointWhy) -> web.Response:
        await services.endpoints.enable(
            connection, endpoint_id, actor=request[CALLER], reason=why.reason
        )
        return await _answer(connection, endpoint_id)

    answer = await act_once(request, bodies.EndpointWhy, enable)
    if REPLAYED not in answer.headers:
        await _begin(request, services.owed.release)
    return answer


@ROUTES(
    "POST",
    f"{_ONE}/rotate-secret",
    name="rotate_endpoint_secret",
    takes=bodies.Rotation,
    answers={200: (bodies.NewSecret,)},
    headers=(REPLAYED,),
    reads=_KEY,
    errors=(Conflict,),
)
async def rotate_secret(request: web.Request) -> web.Response:
    """Sign with a new secret, which is shown this once, and for a while with the old one too."""
    endpoint_id = _id(request)

    async def rotate(connection: Connection, asked: bodies.Rotation) -> web.Response:
        made = await services.endpoints.rotate_secret(
            connection,
            request.app[SETTINGS],
            endpoint_id,
            actor=request[CALLER],
            keep=timedelta(seconds=asked.keep),
            secret=asked.secret,
            reason=asked.reason,
        )
        return bodies.NewSecret.of(made).response()

    return await act_once(request, bodies.Rotation, rotate)


@ROUTES("POST", f"{_ONE}/test", name="test_endpoint", answers={200: (bodies.Tested,)})
async def test(request: web.Request) -> web.Response:
    """Send an endpoint one signed sample (webhook.test), and judge its answer in words.

    It is no delivery: nothing is owed, counted or tried again.
    """
    tested = await services.endpoint_tests.test(
        request.app[DATABASE], request.app[SETTINGS], _id(request), actor=request[CALLER]
    )
    return bodies.Tested.of(tested).response()


@ROUTES("DELETE", _ONE, name="remove_endpoint", answers={200: (bodies.Removed,)})
async def remove(request: web.Request) -> web.Response:
    """Stop telling an endpoint; what it is still owed is skipped."""
    endpoint_id, database = _id(request), request.app[DATABASE]
    async with database.transaction() as connection:
        skipped = await services.endpoints.remove(connection, endpoint_id, actor=request[CALLER])
    await _begin(request, services.owed.skip)
    return bodies.Removed(id=endpoint_id, skipped=skipped).response()


async def _begin(request: web.Request, work: Callable[..., Awaitable[int]]) -> None:
    """Do a first step, which is all where little is owed; workers do the rest."""
    with suppress(Unavailable):  # what was asked for is committed
        await work(request.app[DATABASE], steps=1)


async def _shown(request: web.Request, endpoint_id: UUID) -> web.Response:
    return await request.app[DATABASE].ask(_answer, endpoint_id)


async def _answer(connection: Connection, endpoint_id: UUID) -> web.Response:
    return bodies.Endpoint.of(await storage.endpoint_lists.get(connection, endpoint_id)).response()


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise NotFound("No such endpoint: its id is a uuid") from None
