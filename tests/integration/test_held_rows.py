"""What somebody else holds at this moment is neither waited for nor forgotten."""

from __future__ import annotations

import asyncio

import pytest

from orderbus import storage
from orderbus.domain.retries import Settlement
from orderbus.egress.session import Session
from orderbus.errors import Busy
from orderbus.services.deliveries import Sender
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Claimed, Outcome
from tests.support import (
    delivery_rows,
    endpoint_changes,
    endpoint_rows,
    many_rows,
    row_counts,
    scenario,
)
from tests.support.receiver import Receiver
from tests.support.waiting import PATIENCE, until_here

DELIVERED = Settlement("delivered", "delivered")


async def first_of_two(database: Database) -> Claimed:
    """An order's first event, claimed; its second waits for it."""
    await scenario.add_endpoint(database)
    await scenario.append(database, await scenario.place(database))
    (due,) = await scenario.come_back(database, *await scenario.events(database))
    claimed = await scenario.claim(database, due)
    assert claimed is not None
    return claimed


async def test_the_first_is_not_settled_while_somebody_holds_what_waits_for_it(
    database: Database,
) -> None:
    claimed = await first_of_two(database)
    _, waiting = await delivery_rows.ids(database)

    async with database.transaction() as somebody:
        await delivery_rows.lock(somebody, waiting)
        meanwhile = await scenario.settle(database, claimed, DELIVERED)
    afterwards = await scenario.settle(database, claimed, DELIVERED)

    assert (meanwhile.busy, afterwards.busy) == (True, False)
    assert await delivery_rows.count_forgotten(database) == 0
    assert await scenario.due(database) == [waiting]


async def test_one_that_is_to_be_tried_again_is_settled_whoever_holds_what_waits_for_it(
    database: Database,
) -> None:
    claimed = await first_of_two(database)
    _, waiting = await delivery_rows.ids(database)

    async with database.transaction() as somebody:
        await delivery_rows.lock(somebody, waiting)
        settled = await scenario.settle(database, claimed, Settlement("pending", "failed"))

    assert (settled.ours, settled.busy) == (True, False)


async def test_what_somebody_holds_is_handed_back_uncharged_once_it_is_free(
    database: Database,
    settings: Settings,
    http: Session,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = await scenario.one_due(database, receiver.url)
    receiver.may_answer.clear()
    settle, busy = storage.deliveries.settle, asyncio.Event()

    async def watched(*arguments: object) -> list[storage.deliveries.Settled]:
        settled = await settle(*arguments)  # type: ignore[arg-type]
        if settled[0].busy:
            busy.set()
        return settled

    monkeypatch.setattr(storage.deliveries, "settle", watched)
    sender = Sender(database, http, settings)
    await sender.take_due()
    await until_here(lambda: receiver.requests, "the endpoint is asked")
    async with database.transaction() as bridge:
        await delivery_rows.lock(bridge, due)
        stopping = asyncio.create_task(sender.interrupt())
        async with asyncio.timeout(PATIENCE):
            await busy.wait()
    await stopping

    row = await scenario.state(database, due)
    assert (row["state"], row["attempts"], row["lease"]) == ("pending", 0, None)


async def test_nobody_waits_for_an_endpoint_that_answered_410_and_is_held(
    database: Database,
) -> None:
    """Waiting, they would take every connection of the worker from all other endpoints."""
    claimed = await first_of_two(database)
    endpoint = claimed.endpoint_id

    async def disable() -> None:
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL lock_timeout = 100")
            about = {"reason": "gone", "delivery_id": claimed.delivery_id, "lease": claimed.lease}
            await storage.endpoints.disable(connection, endpoint, **about)  # type: ignore[arg-type]

    async with database.transaction() as operator:
        await endpoint_rows.lock(operator, endpoint)
        with pytest.raises(Busy, match="could not obtain lock"):
            await disable()
    await disable()

    assert await endpoint_changes.enable(database, endpoint) == 2


async def test_settlement_and_bridge_read_of_those_who_wait_their_own_where_nothing_was_analysed(
    database: Database,
) -> None:
    claimed = await first_of_two(database)
    async with database.connection() as connection:
        await many_rows.deliveries_that_wait(
            connection, claimed.endpoint_id, orders=10_000, each=10, analyse=False
        )

    async with row_counts.transaction(database) as counted:
        await storage.deliveries.settle(counted.connection, [Outcome(claimed, DELIVERED)])
        settling = await counted.read("ops.webhook_deliveries")
    async with row_counts.transaction(database) as counted:
        await storage.sequencing.begin(counted.connection, range(1_000_001, 1_000_201))
        bringing_back = await counted.read("ops.webhook_deliveries")

    assert settling < 100
    assert bringing_back < 200 * 50


async def test_what_a_closed_gap_lets_go_is_put_off_while_somebody_holds_it(
    database: Database,
) -> None:
    await scenario.add_endpoint(database, events=["order.noted"])
    await scenario.append(database, await scenario.place(database))
    first, second = await scenario.events(database)
    await scenario.come_back(database, second)
    (waiting,) = await delivery_rows.ids(database)

    async with database.transaction() as somebody:
        await delivery_rows.lock(somebody, waiting)
        with pytest.raises(Busy):
            await scenario.come_back(database, first)

    assert await scenario.come_back(database, first) == [waiting]


async def test_what_is_claimed_while_the_worker_ends_is_handed_back_unsent(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    due = await scenario.one_due(database, receiver.url)
    sender = Sender(database, http, settings)
    await sender.interrupt()

    await sender.take_due()
    await sender.idle()

    row = await scenario.state(database, due)
    assert receiver.requests == []
    assert (row["attempts"], row["lease"], row["state"]) == (0, None, "pending")
