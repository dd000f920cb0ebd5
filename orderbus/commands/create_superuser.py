"""``orderbus create-superuser``: the first person who may do everything."""

from __future__ import annotations

import click

from orderbus.commands import terminal, users
from orderbus.domain.rights import Role


@click.command("create-superuser")
@click.option("--username", prompt=True, help="Asked for where it is not given.")
@click.option("--email", default="", help="Where they read mail.")
@terminal.with_database
async def create_superuser(run: terminal.Run, *, username: str, email: str) -> None:
    """Add somebody who may do everything. The password is asked for, or read from a pipe."""
    await users.add(run, username=username, email=email, role=Role.SUPERUSER)


#: The name it had in the source document.
createsuperuser = click.Command(
    "createsuperuser",
    callback=create_superuser.callback,
    params=create_superuser.params,
    hidden=True,
)
