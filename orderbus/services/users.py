"""People who register and sign in, are changed, disabled, erased and removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.domain import people
from orderbus.domain.people import Person
from orderbus.domain.rights import Caller, Role, may_act_on
from orderbus.errors import Fault, Forbidden, NotFound, Unauthenticated
from orderbus.services import erasing, tokens
from orderbus.services.passwords import Passwords
from orderbus.services.throttles import Try
from orderbus.services.tokens import Pair
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.users import User

#: Stands for somebody who is called by an id that they do not have yet.
_THEMSELVES: Final = "user"


@dataclass(frozen=True, slots=True)
class Page:
    """Some people, and how many there are in all."""

    users: list[User]
    count: int


async def add(
    connection: Connection,
    person: Person,
    *,
    password_hash: str | None,
    actor: str | None,
    role: Role = Role.CUSTOMER,
    uuid: UUID | None = None,
) -> User:
    """Add somebody; who registers is their own actor. Raises ``Invalid``."""
    await begin(connection, actor or _THEMSELVES, "created")
    return await storage.users.add(
        connection, person, password_hash=password_hash, role=role, uuid=uuid
    )


async def sign_in(
    database: Database,
    passwords: Passwords,
    settings: Settings,
    *,
    username: str,
    password: str,
    address: str,
    now: datetime,
) -> Pair:
    """Give tokens for a name and a password.

    A wrong name, a wrong password and a disabled account are answered alike, and cost the same.
    Raises ``Unauthenticated``, ``TooMany``, ``Unavailable``.
    """
    tried = Try(address, username)
    await tried.count(database)
    user = await database.ask(storage.users.find, username)
    is_right = await passwords.matches(user.password_hash if user else None, password)
    if user is None or not is_right or user.disabled_at is not None:
        raise Unauthenticated("No active account found with the given credentials")
    await tried.succeeded(database)
    async with database.transaction() as connection:
        # As they are now: since their password was read, it may have been changed.
        same = await storage.users.lock(connection, user.id)
        if same.token_version != user.token_version:
            raise Unauthenticated("No active account found with the given credentials")
        return await tokens.issue(connection, settings, same, now=now)


async def change_password(
    database: Database, passwords: Passwords, user_id: int, *, old: str, new: str, address: str
) -> None:
    """Take a new password from somebody who knows theirs; all their tokens are refused then.

    Raises ``Invalid``, ``TooMany``, ``Unavailable``.
    """
    user = await database.ask(storage.users.get, user_id)
    tried = Try(address, user.username)
    await tried.count(database)
    if not await passwords.matches(user.password_hash, old):
        fault = Fault("/old_password", "password", "This is not your password.")
        raise people.wrong([fault])
    await tried.succeeded(database)
    people.check_password(new, user.person)
    password_hash = await passwords.hash(new)
    async with database.transaction() as connection:
        await set_password(connection, user_id, password_hash, actor=f"user {user_id}")


async def set_password(
    connection: Connection, user_id: int, password_hash: str, *, actor: str
) -> None:
    """Take another password; who is signed in has to do so again."""
    await storage.users.lock(connection, user_id)
    await begin(connection, actor, "password_changed")
    await storage.users.set_password(connection, user_id, password_hash)
    await storage.tokens.revoke_all(connection, user_id)


async def list_page(database: Database, only: Caller | None, *, offset: int, at_most: int) -> Page:
    """List people by id; ``only`` the caller, where they may see nobody else."""
    if only is not None:
        own = [await database.ask(storage.users.get, _id_of(only))]
        return Page(own[offset : offset + at_most], 1)
    async with database.connection() as connection:
        found = await storage.users.list_page(connection, offset=offset, at_most=at_most)
        return Page(found, await storage.users.count(connection))


async def get(database: Database, user_id: int, only: Caller | None) -> User:
    """Show somebody; to who may see themselves alone, nobody else is there: ``NotFound``."""
    _is_theirs(user_id, only)
    return await database.ask(storage.users.get, user_id)


async def change(
    connection: Connection, user_id: int, changes: people.CustomerChange, by: Caller, *, own: bool
) -> User:
    """Write down who somebody is from now on. Raises ``NotFound``, ``Forbidden``, ``Invalid``."""
    was = await changeable(connection, user_id, by, own=own)
    await begin(connection, by.name, "changed")
    await storage.users.write(connection, user_id, changes.of(was.person))
    return await storage.users.get(connection, user_id)


async def remove(connection: Connection, user_id: int, by: Caller, *, own: bool) -> None:
    """Remove somebody, with tokens and keys; their orders stay. Raises as ``change`` does."""
    await changeable(connection, user_id, by, own=own)
    await begin(connection, by.name, "removed")
    await storage.users.remove(connection, user_id)


async def erase(connection: Connection, user_id: int, by: Caller, *, own: bool) -> User:
    """Keep nothing that says who somebody is; their orders stay, under a uuid that tells nothing.

    What these say of them goes, too. Raises as ``change`` does.
    """
    user = await changeable(connection, user_id, by, own=own)
    await erasing.forget(connection, user.uuid, actor=by.name)
    await begin(connection, by.name, "erased")
    await storage.users.erase(connection, user_id)
    await storage.tokens.revoke_all(connection, user_id)
    return await storage.users.get(connection, user_id)


async def disable(connection: Connection, user_id: int, *, actor: str) -> None:
    """Let somebody in no more, from this moment on. Raises ``NotFound``."""
    await storage.users.lock(connection, user_id)
    await begin(connection, actor, "disabled")
    await storage.users.disable(connection, user_id)
    await storage.tokens.revoke_all(connection, user_id)


async def enable(connection: Connection, user_id: int, *, actor: str) -> None:
    """Let somebody in again. Raises ``NotFound``, also where they were erased."""
    user = await storage.users.lock(connection, user_id)
    if user.erased_at is not None:
        raise NotFound("Who was erased is not there to be enabled")
    await begin(connection, actor, "enabled")
    await storage.users.enable(connection, user_id)


async def begin(connection: Connection, actor: str, action: str) -> None:
    """Say who changes somebody now; nothing that is written down says who that is."""
    await storage.audit.begin(connection, actor=actor, action=f"user.{action}")


async def changeable(connection: Connection, user_id: int, by: Caller, *, own: bool) -> User:
    """Lock somebody whom ``by`` may change. Raises ``NotFound``, ``Forbidden``."""
    _is_theirs(user_id, by if own else None)
    user = await storage.users.lock(connection, user_id)
    if user.id != by.user_id and not may_act_on(by, Role(user.role)):
        raise Forbidden(f"A {by.role} may not change a {user.role}")
    return user


def _is_theirs(user_id: int, only: Caller | None) -> None:
    if only is not None and user_id != only.user_id:
        raise NotFound("Not found.")


def _id_of(caller: Caller) -> int:
    if caller.user_id is None:
        raise NotFound("Not found.")
    return caller.user_id
