"""Whoever stands still in the middle of its work holds up what it works on, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.errors import Busy
from orderbus.pubsub.messages import Message
from orderbus.pubsub.subscription import Received
from orderbus.services import maintenance
from orderbus.storage.database import Database
from orderbus.storage.dead_letters import FailedMessage
from tests.integration.test_inbox import messages, received
from tests.support import (
    event_rows,
    forced,
    letter_rows,
    outbox_rows,
    scenario,
    statements,
    table_rows,
    watermark_rows,
)
from tests.support.frozen_process import frozen
from tests.support.waiting import PATIENCE

#: A bridge that stops itself in its transaction, as SIGSTOP from outside would at this point.
FROZEN_BRIDGE = """
import asyncio, os, signal, sys
from orderbus import services, storage
from orderbus.settings import load
from orderbus.storage.database import open_database
from tests.support import scenario

async def main():
    async with open_database(load(_env_file=None)) as database:
        first = (await scenario.events(database))[:1]
        async with database.connection() as connection:
            async with connection.transaction():
                # What the session says of itself is tested elsewhere; here nobody waits for 10 s.
                limit = f"SET idle_in_transaction_session_timeout = '{sys.argv[1]}'"
                await connection.execute(limit)
                await services.inbox.record(connection, first, wanted={})
                print("in its transaction", flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


async def three_orders(database: Database) -> list[Received]:
    await scenario.add_endpoint(database)
    for _ in range(3):
        await scenario.place(database)
    return await messages(database)


async def until_recorded(database: Database, left: Sequence[Received]) -> None:
    async with asyncio.timeout(PATIENCE):
        while left:
            await asyncio.sleep(0.02)
            left = (await services.inbox.receive(database, left, wanted={})).later


async def test_a_bridge_frozen_in_its_transaction_holds_up_its_own_order_and_no_other(
    database: Database, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await three_orders(database)
    tries = forced.note_transactions_of_the_inbox(monkeypatch)

    async with frozen(env, FROZEN_BRIDGE, "1min"):
        due = await services.inbox.receive(database, batch, wanted={})
        while_frozen = await event_rows.count_returned(database)

    assert tries == [3], "nothing waits for a watermark that is made and not committed"
    assert due.later == batch[:1]
    assert len(due.deliveries) == while_frozen == 2


async def test_the_order_of_a_frozen_bridge_goes_on_when_its_session_is_ended(
    database: Database, env: dict[str, str]
) -> None:
    batch = await three_orders(database)

    async with frozen(env, FROZEN_BRIDGE, "100ms"):
        await until_recorded(database, batch)

    assert await event_rows.count_returned(database) == 3


async def test_a_message_whose_pointer_is_locked_is_left_for_later_and_the_others_are_recorded(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    for _ in range(20):
        await scenario.place(database)
    batch = await messages(database)
    async with database.transaction() as connection:
        await outbox_rows.lock(connection, UUID(batch[13].attributes["ce-id"]))

        due = await services.inbox.receive(database, batch, wanted={})

    assert due.later == [batch[13]]
    assert len(due.deliveries) == 19
    await until_recorded(database, due.later)
    assert await event_rows.count_returned(database) == 20


async def test_a_table_that_is_locked_does_not_make_every_message_be_tried_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced.hardly_wait_for_locks(monkeypatch)
    for _ in range(60):
        await scenario.place(database)
    batch = await messages(database)
    tries = forced.note_transactions_of_the_inbox(monkeypatch)
    async with database.transaction() as connection:
        await outbox_rows.lock_all(connection)
        due = await services.inbox.receive(database, batch, wanted={})

    assert sorted(m.message_id for m in due.later) == sorted(m.message_id for m in batch)
    assert len(tries) <= forced.VAIN_TRANSACTIONS


async def test_a_dead_letter_that_another_bridge_is_writing_holds_up_no_order(
    database: Database,
) -> None:
    (good, *_) = await three_orders(database)
    bad = received(Message(b"\xff", {}), "m-bad")
    async with database.transaction() as connection:
        await storage.dead_letters.add(
            connection, "pubsub", [FailedMessage("m-bad", "undecodable", "x", b"", {})]
        )

        due = await services.inbox.receive(database, [bad, good], wanted={})

    assert due.later == [bad]
    assert len(due.deliveries) == 1


async def test_discarding_an_event_of_a_busy_order_is_refused_and_decides_nothing(
    database: Database,
) -> None:
    await scenario.place(database)
    (event,) = await scenario.events(database)
    await letter_rows.add_of_every_event(database)
    letter = await letter_rows.only(database)
    async with database.connection() as connection:
        await storage.inbox.hold(connection, [event])
    async with database.transaction() as connection:
        await watermark_rows.hold(connection)
        with pytest.raises(Busy):
            await letter_rows.discard(database, letter["id"], note="gone")

    assert await letter_rows.only(database) == letter


async def test_partitions_are_made_in_a_statement_that_commits_by_itself(
    database: Database,
) -> None:
    with statements.recorded() as sent:
        await maintenance.Maintenance(database).tick()

    making = next(n for n, statement in enumerate(sent) if "make_partitions" in statement)
    assert not any(statement.startswith("BEGIN") for statement in sent[:making])


async def test_partitions_are_made_though_a_long_query_holds_the_table(
    database: Database,
) -> None:
    async with database.transaction() as reader, database.connection() as connection:
        await table_rows.lock_as_a_reader(reader, "ops.events")
        made = await storage.maintenance.make_ahead(connection, days=maintenance.DAYS_AHEAD + 1)

    assert made == 2
