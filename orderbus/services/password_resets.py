"""Lets somebody choose a new password who does not know theirs, by a token that is good for once.

We send no mail: whoever may change the person hands the token on.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from orderbus import storage
from orderbus.domain import people
from orderbus.domain.rights import Caller
from orderbus.errors import Fault, Invalid
from orderbus.services import users
from orderbus.services.passwords import Passwords
from orderbus.storage.database import Connection, Database

GOOD_FOR: Final = timedelta(hours=1)


async def begin(connection: Connection, user_id: int, *, by: Caller, own: bool) -> str:
    """Give a token that changes somebody's password, once and within the hour, shown here alone.

    Raises ``NotFound``, ``Forbidden``.
    """
    user = await users.changeable(connection, user_id, by, own=own)
    token = secrets.token_urlsafe(32)
    await storage.audit.begin(connection, actor=by.name)
    await storage.password_resets.add(
        connection, token_hash=_hash(token), user_id=user.id, good_for=GOOD_FOR
    )
    return token


async def finish(database: Database, passwords: Passwords, token: str, password: str) -> None:
    """Take a new password for a token, which is used up; raises ``Invalid``.

    Every token of their sign-ins is refused from then on.
    """
    token_hash = _hash(token)
    user_id = await database.ask(storage.password_resets.find, token_hash)
    if user_id is None:
        raise _no_token()
    user = await database.ask(storage.users.get, user_id)
    people.check_password(password, user.person)
    password_hash = await passwords.hash(password)
    async with database.transaction() as connection:
        await storage.audit.begin(connection, actor=f"user {user_id}")
        if await storage.password_resets.take(connection, token_hash) is None:
            raise _no_token()
        await users.set_password(connection, user_id, password_hash, actor=f"user {user_id}")


def _no_token() -> Invalid:
    return people.wrong([Fault("/token", "invalid", "This token is not valid, or has expired.")])


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
