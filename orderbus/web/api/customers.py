"""Customers: who they are is shown and changed, as the shop's clients expect, and erased."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from orderbus import services
from orderbus.domain import people
from orderbus.storage.users import User
from orderbus.web import pages, queries, requests
from orderbus.web.api.sign_in import ROOT, read, url
from orderbus.web.app_keys import DATABASE, PASSWORDS
from orderbus.web.requests import CALLER, EXTENT, WHO
from orderbus.web.routes import Routes
from orderbus.web.schemas import identity as bodies

ROUTES: Final = Routes("customers")
_ALL: Final = f"{ROOT}customers/"
_ONE: Final = f"{_ALL}{{customer}}/"
_CUSTOMER: Final = (bodies.Customer,)


def _shown(request: web.Request, user: User) -> bodies.Customer:
    return bodies.Customer.at(user, url(request, f"customers/{user.id}/"))


def _by(request: web.Request) -> dict[str, Any]:
    return {"by": request[WHO], "own": request[EXTENT] == "own"}


@ROUTES(
    "GET",
    _ALL,
    name="list_customers",
    query=pages.OffsetQuery,
    answers={200: (bodies.CustomerPage,)},
)
async def list_page(request: web.Request) -> web.Response:
    """List customers by id; to a customer there is none but themselves."""
    query = queries.read(request, pages.OffsetQuery)
    page = await services.users.list_page(
        request.app[DATABASE],
        requests.only_own(request),
        offset=query.offset,
        at_most=query.at_most,
    )
    links = pages.links(request, query, page.count)
    results = [_shown(request, user) for user in page.users]
    return bodies.CustomerPage(**links, results=results).response()


@ROUTES("POST", _ALL, name="add_customer", takes=people.NewCustomer, answers={201: _CUSTOMER})
async def add(request: web.Request) -> web.Response:
    """Add a customer, who signs in with the password that is given, or with none."""
    asked = await read(request, people.NewCustomer)
    person = asked.of(people.Person(username=asked.username))
    password_hash = None
    if asked.password is not None:
        people.check_password(asked.password, person)
        password_hash = await request.app[PASSWORDS].hash(asked.password)
    async with request.app[DATABASE].transaction() as connection:
        user = await services.users.add(
            connection, person, password_hash=password_hash, actor=request[CALLER]
        )
    return _shown(request, user).response(201)


@ROUTES("GET", _ONE, name="show_customer", answers={200: _CUSTOMER})
async def show(request: web.Request) -> web.Response:
    """Show a customer; to a customer nobody else is there."""
    only = requests.only_own(request)
    user = await services.users.get(request.app[DATABASE], _id(request), only)
    return _shown(request, user).response()


@ROUTES("PUT", _ONE, name="replace_customer", takes=people.NewCustomer, answers={200: _CUSTOMER})
async def replace(request: web.Request) -> web.Response:
    """Change who a customer is; what is left out stays, and so does the password."""
    return await _change(request, people.NewCustomer)


@ROUTES(
    "PATCH", _ONE, name="change_customer", takes=people.CustomerChange, answers={200: _CUSTOMER}
)
async def change(request: web.Request) -> web.Response:
    """Change some of who a customer is."""
    return await _change(request, people.CustomerChange)


async def _change(request: web.Request, model: type[people.CustomerChange]) -> web.Response:
    user_id = _id(request)
    asked = await read(request, model)
    async with request.app[DATABASE].transaction() as connection:
        user = await services.users.change(connection, user_id, asked, **_by(request))
    return _shown(request, user).response()


@ROUTES("DELETE", _ONE, name="remove_customer", answers={204: ()})
async def remove(request: web.Request) -> web.Response:
    """Remove a customer, with tokens and keys; their orders stay."""
    async with request.app[DATABASE].transaction() as connection:
        await services.users.remove(connection, _id(request), **_by(request))
    return web.Response(status=204)


@ROUTES("POST", f"{_ONE}erase/", name="erase_customer", answers={200: _CUSTOMER})
async def erase(request: web.Request) -> web.Response:
    """Keep nothing that says who a customer is; their orders stay, and nobody signs in as them."""
    async with request.app[DATABASE].transaction() as connection:
        user = await services.users.erase(connection, _id(request), **_by(request))
    return _shown(request, user).response()


@ROUTES(
    "POST",
    f"{_ONE}password/reset/",
    name="begin_password_reset",
    answers={201: (bodies.PasswordReset,)},
)
async def begin_password_reset(request: web.Request) -> web.Response:
    """Give a token, this once, by which a customer may choose a new password within the hour."""
    user_id = _id(request)
    async with request.app[DATABASE].transaction() as connection:
        token = await services.password_resets.begin(connection, user_id, **_by(request))
    seconds = int(services.password_resets.GOOD_FOR.total_seconds())
    return bodies.PasswordReset(id=user_id, token=token, good_for=seconds).response(201)


def _id(request: web.Request) -> int:
    return requests.number(request, "customer")
