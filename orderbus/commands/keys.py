"""``orderbus keys``: which programs may do what."""

from __future__ import annotations

from datetime import datetime

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.commands.moments import later
from orderbus.commands.people import id_of
from orderbus.domain.rights import BEFORE_SCOPES, Scope


@click.group()
def keys() -> None:
    """Create, list and revoke API keys. docs/rights.md says what each scope lets them do."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What it may do; give it more than once for more. [default: "
    f"{', '.join(BEFORE_SCOPES)}, as keys could before they had scopes]",
)
@click.option("--expires", type=later, help="When it is refused: a moment, or 90d, 12h from now.")
@click.option("--owner", metavar="USERNAME", help="With whom it goes, once they are disabled.")
@terminal.with_database
async def create(
    run: terminal.Run,
    *,
    name: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    owner: str | None,
) -> None:
    """Make a key and show it, this once. NAME says who it is for.

    What it does is in each order's history as "key ID NAME".
    """
    made = await services.api_keys.create(
        run.database,
        run.settings,
        name=name,
        actor=run.actor,
        scopes=[Scope(scope) for scope in scopes] or BEFORE_SCOPES,
        owner_id=None if owner is None else await id_of(run, owner),
        expires_at=expires,
    )
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
