"""API keys: made, shown once, listed and revoked, by superusers alone."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from orderbus import services, storage
from orderbus.web import requests
from orderbus.web.api.sign_in import ROOT, read
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.requests import CALLER, WHO
from orderbus.web.routes import Routes
from orderbus.web.schemas import identity as bodies

ROUTES: Final = Routes("API keys")
_ALL: Final = f"{ROOT}api-keys/"


@ROUTES("GET", _ALL, name="list_api_keys", answers={200: (bodies.ApiKeys,)})
async def list_all(request: web.Request) -> web.Response:
    """List all API keys, without anything that could be used as one."""
    found = await request.app[DATABASE].ask(storage.api_keys.list_all)
    return bodies.ApiKeys(results=[bodies.ApiKey.of(key) for key in found]).response()


@ROUTES(
    "POST",
    _ALL,
    name="add_api_key",
    takes=bodies.NewApiKey,
    answers={201: (bodies.AddedApiKey,)},
)
async def add(request: web.Request) -> web.Response:
    """Make an API key, shown this once; it is refused once its owner is disabled or removed."""
    asked = await read(request, bodies.NewApiKey)
    made = await services.api_keys.create(
        request.app[DATABASE],
        request.app[SETTINGS],
        name=asked.name,
        actor=request[CALLER],
        scopes=asked.scopes,
        owner_id=request[WHO].user_id,
        expires_at=asked.expires_at,
    )
    return bodies.AddedApiKey(
        id=made.id,
        name=asked.name,
        key=made.key,
        scopes=[str(scope) for scope in asked.scopes],
        expires_at=asked.expires_at,
    ).response(201)


@ROUTES("DELETE", f"{_ALL}{{key}}/", name="revoke_api_key", answers={204: ()})
async def revoke(request: web.Request) -> web.Response:
    """Refuse an API key from now on."""
    key_id = requests.number(request, "key")
    await services.api_keys.revoke(request.app[DATABASE], key_id, actor=request[CALLER])
    return web.Response(status=204)
