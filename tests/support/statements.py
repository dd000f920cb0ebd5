"""What is sent to PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from orderbus.storage.database import Connection, Database


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record every statement this process sends, those that open and close transactions too."""
    sent: list[str] = []
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
