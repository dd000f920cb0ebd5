"""Asks about people and keys for every answer that there is."""

from __future__ import annotations

from orderbus import storage
from orderbus.storage.database import Database
from tests.support import identity, throttle_rows
from tests.support.api_client import Client


async def ask_everything(client: Client, database: Database) -> None:
    await _register_and_sign_in(client, database)
    await _look_after_people_and_keys(client, database)


async def _register_and_sign_in(client: Client, database: Database) -> None:
    root = "/api/identity"
    await client.get(f"{root}/")
    await client.post(f"{root}/register/", json=identity.registration("jane"))
    jane = {"username": "jane", "password": identity.PASSWORD}
    pair = await (await client.post(f"{root}/token/", json=jane)).json()
    bearer = {"Authorization": f"Bearer {pair['access']}"}
    await client.get(f"{root}/me/", headers=bearer)
    await client.get(f"{root}/customers/?limit=x", headers=bearer)
    await client.post(f"{root}/token/verify/", json={"token": pair["access"]})
    refreshed = await client.post(f"{root}/token/refresh/", json={"refresh": pair["refresh"]})
    last = {"refresh": (await refreshed.json())["refresh"]}
    change = {"old_password": identity.PASSWORD, "password": "battery staple"}
    for headers in (bearer, bearer):
        await client.post(f"{root}/password/change/", json=change, headers=headers)
    for path in ("logout", "token/refresh", "token/verify"):
        await client.post(f"{root}/{path}/", json={**last, "token": "x"} | {"refresh": "x"})
    again = await (
        await client.post(f"{root}/token/", json={**jane, "password": "battery staple"})
    ).json()
    await client.post(f"{root}/logout/", json={"refresh": again["refresh"]})
    await client.post(f"{root}/token/", json=jane)
    (user,) = await database.ask(storage.users.list_page, offset=0, at_most=9)
    begun = await client.post(f"{root}/customers/{user.id}/password/reset/")
    token = {"token": (await begun.json())["token"], "password": identity.PASSWORD}
    for _ in range(2):
        await client.post(f"{root}/password/reset/", json=token)
    pair = await (await client.post(f"{root}/token/", json=jane)).json()
    bearer = {"Authorization": f"Bearer {pair['access']}"}
    await throttle_rows.use_up(database)
    await client.post(f"{root}/register/", json=identity.registration("joe"))
    await client.post(f"{root}/token/", json=jane)
    await client.post(f"{root}/password/reset/", json=token)
    await client.post(f"{root}/password/change/", json=change, headers=bearer)


async def _look_after_people_and_keys(client: Client, database: Database) -> None:
    path = "/api/identity/customers"
    body = {"username": "joe", "email": "joe@example.com"}
    joe = (await (await client.post(f"{path}/", json=body)).json())["id"]
    await client.get(f"{path}/")
    await client.get(f"{path}/{joe}/")
    await client.put(f"{path}/{joe}/", json=body)
    await client.patch(f"{path}/{joe}/", json={"first_name": "Joe"})
    for method in ("PUT", "PATCH"):
        await client.request(method, f"{path}/4711/", json=body)
    await client.post(f"{path}/{joe}/erase/")
    await client.delete(f"{path}/{joe}/")
    path = "/api/identity/api-keys/"
    made = await client.post(path, json={"name": "shop", "scopes": ["orders:read"]})
    await client.get(path)
    await client.delete(f"{path}{(await made.json())['id']}/")
