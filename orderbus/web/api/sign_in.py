"""People register, sign in and out, and change their passwords; the answers are the shop's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel

from orderbus import services, storage
from orderbus.domain import people
from orderbus.errors import BadToken, Fault, TooMany, Unauthenticated, Unavailable
from orderbus.web import requests, senders
from orderbus.web.app_keys import DATABASE, PASSWORDS, SETTINGS
from orderbus.web.requests import WHO
from orderbus.web.routes import Routes
from orderbus.web.schemas import identity as bodies

ROUTES: Final = Routes("identity")
ROOT: Final = "/api/identity/"
_PAIR: Final = {200: (bodies.Pair,)}
_NOTHING: Final = {200: (bodies.Nothing,)}
#: What any of these may be refused for, though anybody may ask.
_COMMON: Final = (Unavailable,)

Model = TypeVar("Model", bound=BaseModel)


async def read(request: web.Request, model: type[Model]) -> Model:
    """Read a body; raises ``Invalid`` with what is wrong with each field."""
    return people.read(model, requests.members(await requests.body(request)))


def url(request: web.Request, path: str) -> str:
    """Write the URL of something of ours below the root of people."""
    return f"{senders.base_url(request)}{ROOT}{path}"


def _address(request: web.Request) -> str:
    return senders.address_of(request, request.app[SETTINGS].trusted_proxies)


@ROUTES("GET", ROOT, name="identity_root", answers={200: (bodies.Links,)})
async def root(request: web.Request) -> web.Response:
    """Say where each thing is that is about people."""
    return bodies.Links(
        register_=url(request, "register/"),
        token=url(request, "token/"),
        refresh=url(request, "token/refresh/"),
        verify=url(request, "token/verify/"),
        customers=url(request, "customers/"),
    ).response()


@ROUTES(
    "POST",
    f"{ROOT}register/",
    name="register",
    takes=people.Registration,
    answers={201: (bodies.Registered,)},
    errors=(TooMany, *_COMMON),
)
async def register(request: web.Request) -> web.Response:
    """Register as a customer."""
    asked = await read(request, people.Registration)
    if asked.password != asked.password2:
        fault = Fault("/password", "mismatch", "Password fields didn't match.")
        raise people.wrong([fault])
    people.check_password(asked.password, asked.person())
    database = request.app[DATABASE]
    await services.throttles.count_registration(database, _address(request))
    password_hash = await request.app[PASSWORDS].hash(asked.password)
    async with database.transaction() as connection:
        user = await services.users.add(
            connection, asked.person(), password_hash=password_hash, actor=None
        )
    return bodies.Registered(username=user.username, email=user.email or "").response(201)


@ROUTES(
    "POST",
    f"{ROOT}token/",
    name="token",
    takes=bodies.Credentials,
    answers=_PAIR,
    errors=(Unauthenticated, TooMany, *_COMMON),
)
async def token(request: web.Request) -> web.Response:
    """Sign in with a name and a password.

    A wrong name and a wrong password are answered alike. Tries in vain are counted for the account
    and for the address they come from.
    """
    asked = await read(request, bodies.Credentials)
    pair = await services.users.sign_in(
        request.app[DATABASE],
        request.app[PASSWORDS],
        request.app[SETTINGS],
        username=asked.username,
        password=asked.password,
        address=_address(request),
        now=datetime.now(UTC),
    )
    return bodies.Pair.of(pair).response()


@ROUTES(
    "POST",
    f"{ROOT}token/refresh/",
    name="token_refresh",
    takes=bodies.Refresh,
    answers=_PAIR,
    errors=(BadToken, *_COMMON),
)
async def refresh(request: web.Request) -> web.Response:
    """Get the next pair of tokens for a refresh token, which is used up.

    One that was used before has been copied: then all that follow from that sign-in are refused.
    """
    asked = await read(request, bodies.Refresh)
    pair = await services.tokens.rotate(
        request.app[DATABASE], request.app[SETTINGS], asked.refresh, now=datetime.now(UTC)
    )
    return bodies.Pair.of(pair).response()


@ROUTES(
    "POST",
    f"{ROOT}token/verify/",
    name="token_verify",
    takes=bodies.Verify,
    answers=_NOTHING,
    errors=(BadToken, *_COMMON),
)
async def verify(request: web.Request) -> web.Response:
    """See whether a token, of either kind, is good."""
    asked = await read(request, bodies.Verify)
    await services.tokens.verify(request.app[DATABASE], request.app[SETTINGS], asked.token)
    return bodies.Nothing().response()


@ROUTES(
    "POST",
    f"{ROOT}logout/",
    name="logout",
    takes=bodies.Refresh,
    answers=_NOTHING,
    errors=(BadToken, *_COMMON),
)
async def log_out(request: web.Request) -> web.Response:
    """Refuse all tokens that follow from the sign-in of this refresh token, from now on."""
    asked = await read(request, bodies.Refresh)
    await services.tokens.log_out(request.app[DATABASE], request.app[SETTINGS], asked.refresh)
    return bodies.Nothing().response()


@ROUTES("GET", f"{ROOT}me/", name="me", answers={200: (bodies.Me,)})
async def me(request: web.Request) -> web.Response:
    """Show who the caller is; a key is nobody."""
    user = await request.app[DATABASE].ask(storage.users.get, _person(request))
    return bodies.Me.at(user, url(request, f"customers/{user.id}/")).response()


@ROUTES(
    "POST",
    f"{ROOT}password/change/",
    name="change_password",
    takes=bodies.ChangePassword,
    answers=_NOTHING,
    errors=(TooMany,),
)
async def change_password(request: web.Request) -> web.Response:
    """Change one's own password; who is signed in with the old one has to sign in again."""
    asked = await read(request, bodies.ChangePassword)
    await services.users.change_password(
        request.app[DATABASE],
        request.app[PASSWORDS],
        _person(request),
        old=asked.old_password,
        new=asked.password,
        address=_address(request),
    )
    return bodies.Nothing().response()


@ROUTES(
    "POST",
    f"{ROOT}password/reset/",
    name="reset_password",
    takes=bodies.ResetPassword,
    answers=_NOTHING,
    errors=(TooMany, *_COMMON),
)
async def reset_password(request: web.Request) -> web.Response:
    """Choose a new password with a token that staff gave out for it."""
    asked = await read(request, bodies.ResetPassword)
    database = request.app[DATABASE]
    await services.throttles.Try(_address(request)).count(database)
    await services.password_resets.finish(
        database, request.app[PASSWORDS], asked.token, asked.password
    )
    return bodies.Nothing().response()


def _person(request: web.Request) -> int:
    user_id = request[WHO].user_id
    if user_id is None:
        raise Unauthenticated("Sign in for this: send Authorization: Bearer and an access token")
    return user_id
