"""People who sign in, each with the uuid by which other schemas know them as a customer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from orderbus.domain.people import Person, taken
from orderbus.domain.rights import Role
from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection

_FIELDS: Final = {"users_by_name": "username", "users_by_email": "email"}
_COLUMNS: Final = """
        SELECT id, username, email, first_name, last_name, role, password_hash, token_version,
               created_at, disabled_at, erased_at, uuid
"""
_USERS: Final = f"{_COLUMNS} FROM identity.users JOIN identity.customers ON user_id = id"


@dataclass(frozen=True, slots=True)
class User:
    """A person, and what they sign in with: that is shown to nobody."""

    id: int
    username: str
    email: str | None
    first_name: str
    last_name: str
    role: str
    password_hash: str | None
    token_version: int
    created_at: datetime
    disabled_at: datetime | None
    erased_at: datetime | None
    uuid: UUID

    @property
    def person(self) -> Person:
        """Who they are, as they say themselves."""
        return Person(
            username=self.username,
            email=self.email,
            first_name=self.first_name,
            last_name=self.last_name,
        )


@dataclass(frozen=True, slots=True)
class ShownUser:
    """A person as operators see them."""

    id: int
    username: str
    email: str | None
    role: str
    uuid: UUID
    created_at: datetime
    disabled_at: datetime | None


async def add(
    connection: Connection,
    person: Person,
    *,
    password_hash: str | None,
    role: Role,
    uuid: UUID | None = None,
) -> User:
    """Add somebody; raises ``Invalid`` where the name or the e-mail is somebody else's."""
    with _unique():
        record = await connection.fetchrow(
            f"""
            WITH added AS (
                INSERT INTO identity.users
                       (username, email, first_name, last_name, password_hash, role)
                VALUES ($1, $2, $3, $4, $5, $6)
                RETURNING *
            ), named AS (
                INSERT INTO identity.customers (user_id, uuid)
                SELECT id, $7 FROM added
                RETURNING uuid
            )
            {_COLUMNS} FROM added, named
            """,  # noqa: S608 - the columns are a constant of ours
            person.username,
            person.email,
            person.first_name,
            person.last_name,
            password_hash,
            role,
            uuid or uuid4(),
        )
    return rows.one(User, record)


async def find(connection: Connection, username: str) -> User | None:
    """Find somebody by name, however it is written; None where there is nobody."""
    record = await connection.fetchrow(f"{_USERS} WHERE lower(username) = lower($1)", username)
    return rows.one(User, record) if record else None


async def get(connection: Connection, user_id: int) -> User:
    """Read somebody. Raises ``NotFound``."""
    return _found(await connection.fetchrow(f"{_USERS} WHERE id = $1", user_id))


async def lock(connection: Connection, user_id: int) -> User:
    """Read somebody whom nobody else changes meanwhile. Raises ``NotFound``."""
    return _found(
        await connection.fetchrow(f"{_USERS} WHERE id = $1 FOR NO KEY UPDATE OF users", user_id)
    )


async def list_page(connection: Connection, *, offset: int, at_most: int) -> list[User]:
    """List people by id, but for the first ``offset``."""
    records = await connection.fetch(f"{_USERS} ORDER BY id OFFSET $1 LIMIT $2", offset, at_most)
    return rows.many(User, records)


async def list_shown(
    connection: Connection, *, after: int, role: str | None, at_most: int
) -> list[ShownUser]:
    """List people by id, behind one; of a role, if it is one."""
    records = await connection.fetch(
        f"""
        {_USERS}
         WHERE id > $1 AND ($2::text IS NULL OR role = $2)
         ORDER BY id
         LIMIT $3
        """,
        after,
        role,
        at_most,
    )
    return rows.many(ShownUser, records)


async def count(connection: Connection) -> int:
    """Count people."""
    return await connection.fetchval("SELECT count(*) FROM identity.users")


async def write(connection: Connection, user_id: int, person: Person) -> None:
    """Write down who somebody is; raises ``Invalid`` as ``add`` does."""
    with _unique():
        await connection.execute(
            """
            UPDATE identity.users
               SET username = $2, email = $3, first_name = $4, last_name = $5
             WHERE id = $1
            """,
            user_id,
            person.username,
            person.email,
            person.first_name,
            person.last_name,
        )


async def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Take another password; every token that was given before is refused from now on."""
    await connection.execute(
        """
        UPDATE identity.users
           SET password_hash = $2, token_version = token_version + 1
         WHERE id = $1
        """,
        user_id,
        password_hash,
    )


async def set_role(connection: Connection, user_id: int, role: Role) -> None:
    """Make somebody another role."""
    await connection.execute("UPDATE identity.users SET role = $2 WHERE id = $1", user_id, role)


async def disable(connection: Connection, user_id: int) -> None:
    """Let somebody in no more; their tokens are refused from now on, and their keys."""
    await connection.execute(
        """
        UPDATE identity.users
           SET disabled_at = coalesce(disabled_at, now()), token_version = token_version + 1
         WHERE id = $1
        """,
        user_id,
    )


async def enable(connection: Connection, user_id: int) -> None:
    """Let somebody in again who was disabled."""
    await connection.execute("UPDATE identity.users SET disabled_at = NULL WHERE id = $1", user_id)


async def erase(connection: Connection, user_id: int) -> None:
    """Keep nothing that says who somebody is, but for the uuid by which orders name them."""
    await connection.execute(
        """
        UPDATE identity.users
           SET username = 'erased-' || id, email = NULL, first_name = '', last_name = '',
               password_hash = NULL, token_version = token_version + 1,
               disabled_at = coalesce(disabled_at, now()), erased_at = coalesce(erased_at, now())
         WHERE id = $1
        """,
        user_id,
    )


async def remove(connection: Connection, user_id: int) -> None:
    """Remove somebody with their tokens and keys; what names them by their uuid stays."""
    await connection.execute("DELETE FROM identity.users WHERE id = $1", user_id)


def _found(record: asyncpg.Record | None) -> User:
    if record is None:
        raise NotFound("Not found.")
    return rows.one(User, record)


@contextmanager
def _unique() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        field = _FIELDS.get(error.constraint_name or "")
        if field is None:
            raise
        raise taken(field) from error
