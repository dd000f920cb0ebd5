"""Holds up who guesses: so many tries in vain of one account, and from one address, in a while."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from orderbus import storage
from orderbus.errors import TooMany
from orderbus.storage.database import Database

#: How long tries are counted together, from the first of them on.
WITHIN: Final = timedelta(minutes=5)
#: Tries of one account, and from one address, which may be that of a whole office.
OF_ACCOUNT: Final = 10
FROM_ADDRESS: Final = 100
#: People who may register from one address in that time.
REGISTERING: Final = 20


@dataclass(frozen=True, slots=True)
class Try:
    """What is tried: the account, or none where it is about none, and from where."""

    address: str
    account: str | None = None

    @property
    def _account(self) -> str:
        """Name the account by a hash: people type their passwords into the wrong field."""
        name = (self.account or "").casefold().encode()
        return f"account:{hashlib.sha256(name).hexdigest()}"

    async def count(self, database: Database) -> None:
        """Count it before it is made. Raises ``TooMany``, ``Unavailable``.

        The address comes first: who is refused there adds no row for each name they make up.
        """
        await _count(database, f"address:{self.address}", FROM_ADDRESS)
        if self.account is not None:
            await _count(database, self._account, OF_ACCOUNT)

    async def succeeded(self, database: Database) -> None:
        """Forget the tries of the account, and that this one came from its address."""
        await database.ask(storage.throttles.forgive, f"address:{self.address}")
        if self.account is not None:
            await database.ask(storage.throttles.forget, [self._account])


async def count_registration(database: Database, address: str) -> None:
    """Count somebody who registers. Raises ``TooMany``, ``Unavailable``."""
    await _count(database, f"registering:{address}", REGISTERING)


async def _count(database: Database, subject: str, limit: int) -> None:
    found = await database.ask(storage.throttles.count, subject, within=WITHIN)
    if found.tries > limit:
        seconds = max(1, round(found.forgotten_in.total_seconds()))
        error = TooMany(f"Request was throttled. Expected available in {seconds} seconds.")
        error.limit, error.retry_after = limit, timedelta(seconds=seconds)
        raise error
