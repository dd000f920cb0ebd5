"""What an order may cost: statements and bytes of write-ahead log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from orderbus import services
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from tests.integration import steps
from tests.integration.test_inbox import messages
from tests.integration.test_outbox import Topic


class Counter:
    """Counts every statement sent, those that open and close transactions too."""

    def __init__(self) -> None:
        self.statements: list[str] = []


@pytest.fixture
def counter(database: Database, monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    lend = Database.connection

    @asynccontextmanager
    async def counted(self: Database) -> AsyncIterator[Connection]:
        async with lend(self) as connection:
            with connection.query_logger(lambda record: counter.statements.append(record.query)):
                yield connection

    monkeypatch.setattr(Database, "connection", counted)
    return counter


async def test_an_order_accepted_the_first_time_sends_exactly_one_statement(
    database: Database, counter: Counter
) -> None:
    await steps.place(database)
    counter.statements.clear()

    await steps.place(database)

    assert len(counter.statements) == 1


async def test_an_order_that_is_there_already_sends_a_second_statement(
    database: Database, counter: Counter
) -> None:
    await steps.place(database, "SO-10045")
    counter.statements.clear()

    await steps.place(database, "SO-10045")

    assert len(counter.statements) == 2


async def test_a_checkout_sends_exactly_one_statement(database: Database, counter: Counter) -> None:
    carts = [
        await steps.value(
            database, "INSERT INTO orders.carts (total_amount) VALUES (1) RETURNING uuid"
        )
        for _ in range(2)
    ]
    await services.carts.check_out(database, carts[0], traceparent=None)
    counter.statements.clear()

    await services.carts.check_out(database, carts[1], traceparent=None)

    assert len(counter.statements) == 1


WANTED = {"count_event": "*.created", "audit": "*", "idle": "cart.*"}


async def test_relay_and_bridge_send_less_than_a_tenth_of_a_statement_per_event(
    database: Database, settings: Settings, counter: Counter
) -> None:
    await steps.add_endpoint(database)
    await steps.place(database)
    first = await messages(database)
    await services.bridge.receive(database, first, wanted=WANTED)  # the driver learns types
    for _ in range(100):
        await steps.place(database)
    received = await messages(database)
    await steps.value(database, "UPDATE ops.outbox SET due_at = now()")
    counter.statements.clear()

    await services.relay.hint_due(database, settings)
    published = await services.relay.publish_due(database, Topic(), settings)  # type: ignore[arg-type]
    due = await services.bridge.receive(database, received, wanted=WANTED)

    assert (published, len(due.deliveries), len(due.consumptions["audit"])) == (100, 100, 100)
    assert len(counter.statements) < 10, counter.statements


async def test_an_accepted_order_writes_less_than_6_kib_of_wal(database: Database) -> None:
    await steps.place(database)
    await steps.value(database, "CHECKPOINT")
    for _ in range(50):
        await steps.place(database)  # the pages' first images after a checkpoint
    rounds = []
    for _ in range(10):
        before = await steps.value(database, "SELECT pg_current_wal_insert_lsn()::text")
        for _ in range(20):
            await steps.place(database)
        rounds.append(
            await steps.value(
                database, "SELECT pg_current_wal_insert_lsn() - $1::text::pg_lsn", before
            )
        )

    # Other tests may write to the same PostgreSQL meanwhile: the quietest round tells.
    assert min(rounds) / 20 < 6 * 1024
