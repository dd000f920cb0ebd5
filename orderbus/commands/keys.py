"""``orderbus keys``: who may read and change orders."""

from __future__ import annotations

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.settings import Settings
from orderbus.storage.database import Database


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    Until keys have scopes, each of them may read and change all orders and carts.
    """


@keys.command()
@click.argument("name")
@terminal.as_json
@terminal.with_database
async def create(settings: Settings, database: Database, *, name: str, as_json: bool) -> None:
    """Make a key and show it, this once. NAME says who it is for.

    It may read and change all orders and carts, until keys have scopes; what it does is in each
    order's history as "key ID NAME".
    """
    made = await services.api_keys.create(database, settings, name=name)
    if as_json:
        terminal.show({"id": made.id, "name": name, "key": made.key})
        return
    terminal.say(made.key)


@keys.command("list")
@terminal.as_json
@terminal.with_database
async def list_keys(_: Settings, database: Database, *, as_json: bool) -> None:
    """List the keys, without anything that could be used as one."""
    async with database.connection() as connection:
        rows = await storage.api_keys.list_all(connection)
    terminal.show_rows(
        terminal.named(rows),
        as_json=as_json,
        empty="No API keys. Make one: orderbus keys create NAME",
    )


@keys.command()
@click.argument("key_id", type=terminal.NUMBER, metavar="ID")
@terminal.with_database
async def revoke(_: Settings, database: Database, *, key_id: int) -> None:
    """Refuse a key from now on."""
    async with database.connection() as connection:
        await storage.api_keys.revoke(connection, key_id)
    terminal.say(f"key {key_id} revoked")
