"""``orderbus keys``: who may read and change orders."""

from __future__ import annotations

import click

from orderbus import services, storage
from orderbus.commands import terminal


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    Until keys have scopes, each of them may read and change all orders and carts.
    """


@keys.command()
@click.argument("name")
@terminal.with_database
async def create(run: terminal.Run, *, name: str) -> None:
    """Make a key and show it, this once. NAME says who it is for.

    It may read and change all orders and carts, until keys have scopes; what it does is in each
    order's history as "key ID NAME".
    """
    made = await services.api_keys.create(run.database, run.settings, name=name, actor=run.actor)
    run.answer({"id": made.id, "name": name, "key": made.key}, made.key)


@keys.command("list")
@terminal.with_database
async def list_keys(run: terminal.Run) -> None:
    """List the keys, without anything that could be used as one."""
    rows = await run.database.ask(storage.api_keys.list_all)
    empty = "No API keys. Make one: orderbus keys create NAME"
    terminal.show_rows(rows, as_json=run.as_json, empty=empty)


@keys.command()
@click.argument("key_id", type=terminal.NUMBER, metavar="ID")
@terminal.with_database
async def revoke(run: terminal.Run, *, key_id: int) -> None:
    """Refuse a key from now on."""
    await services.api_keys.revoke(run.database, key_id, actor=run.actor)
    run.answer({"revoked": key_id}, f"key {key_id} revoked")
