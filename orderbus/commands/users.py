"""``orderbus users``: who signs in."""

from __future__ import annotations

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.commands.people import asked_for, id_of
from orderbus.domain import people
from orderbus.domain.rights import OF_PEOPLE, Caller, Role

_ROLES = click.Choice([str(role) for role in OF_PEOPLE])


@click.group()
def users() -> None:
    """Add, list, disable and enable people who sign in."""


@users.command()
@click.argument("username")
@click.option("--email", default="", help="Where they read mail.")
@click.option("--role", type=_ROLES, default=str(Role.CUSTOMER), show_default=True)
@terminal.with_database
async def create(run: terminal.Run, *, username: str, email: str, role: str) -> None:
    """Add somebody. The password is asked for, or read as the first line of standard input."""
    await add(run, username=username, email=email, role=Role(role))


async def add(run: terminal.Run, *, username: str, email: str, role: Role) -> None:
    """Add somebody with the password that is asked for. Raises ``Invalid``."""
    asked = people.read(people.NewCustomer, {"username": username, "email": email})
    person = asked.of(people.Person(username=asked.username))
    given = {"username": username, "password": asked_for()}
    password = people.read(people.NewCustomer, given).password or ""
    people.check_password(password, person)
    hashing = services.passwords.Passwords()
    try:
        password_hash = await hashing.hash(password)
    finally:
        hashing.close()
    async with run.database.transaction() as connection:
        user = await services.users.add(
            connection, person, password_hash=password_hash, role=role, actor=run.actor
        )
    facts = {"id": user.id, "username": user.username, "role": user.role, "uuid": user.uuid}
    run.answer(facts, f"{user.role} {user.username} added, with the id {user.id}")


@users.command("list")
@click.option("--role", type=_ROLES, help="Only those of this role.")
@click.option("--after", default=0, type=click.IntRange(0, 2**63 - 1), help="Behind this id.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@terminal.with_database
async def list_users(run: terminal.Run, *, role: str | None, after: int, limit: int) -> None:
    """List people by id, without anything that they sign in with."""
    found = await run.database.ask(storage.users.list_shown, after=after, role=role, at_most=limit)
    empty = "Nobody. Add somebody: orderbus users create NAME"
    terminal.show_rows(found, as_json=run.as_json, empty=empty)


@users.command()
@click.argument("username")
@terminal.with_database
async def disable(run: terminal.Run, *, username: str) -> None:
    """Let somebody in no more: their tokens and their keys are refused from this moment on."""
    user_id = await id_of(run, username)
    async with run.database.transaction() as connection:
        await services.users.disable(connection, user_id, actor=run.actor)
    run.answer({"disabled": user_id}, f"{username} disabled")


@users.command()
@click.argument("username")
@terminal.with_database
async def enable(run: terminal.Run, *, username: str) -> None:
    """Let somebody in again who was disabled; they have to sign in anew."""
    user_id = await id_of(run, username)
    async with run.database.transaction() as connection:
        await services.users.enable(connection, user_id, actor=run.actor)
    run.answer({"enabled": user_id}, f"{username} enabled")


@users.command("reset-password")
@click.argument("username")
@terminal.with_database
async def reset_password(run: terminal.Run, *, username: str) -> None:
    """Show a token, this once, by which somebody may choose a new password within the hour.

    They send it to POST /api/identity/password/reset/ with the password.
    """
    user_id = await id_of(run, username)
    by = Caller(run.actor, frozenset({Role.SUPERUSER}))
    async with run.database.transaction() as connection:
        token = await services.password_resets.begin(connection, user_id, by=by, own=False)
    run.answer({"id": user_id, "token": token}, token)
