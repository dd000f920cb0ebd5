"""What is sent to PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from orderbus.storage.database import Connection, Database


@contextmanager
def recorded(sent: list[str] | None = None) -> Iterator[list[str]]:
    """Record every statement this process sends, those that open and close transactions too.

    Each is appended, to ``sent`` if that is given, once PostgreSQL has answered.
    """
    sent = [] if sent is None else sent
    lend = Database.connection

    @asynccontextmanager
    async def lent(self: Database) -> AsyncIterator[Connection]:
        async with lend(self) as connection:
            with connection.query_logger(lambda record: sent.append(record.query)):
                yield connection

    Database.connection = lent  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        Database.connection = lend  # type: ignore[method-assign]
