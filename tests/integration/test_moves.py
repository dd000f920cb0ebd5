"""Every move writes status, history and event together, and no other move is possible."""

from __future__ import annotations

import asyncio

import asyncpg
import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from orderbus import services, storage
from orderbus.domain.orders import OrderId
from orderbus.domain.states import MOVES, Action, Status, allowed_actions
from orderbus.errors import IllegalMove
from orderbus.storage.database import Database
from orderbus.storage.orders import Order
from tests.support import event_rows, order_rows, outbox_rows, scenario
from tests.support.waiting import PATIENCE

PAIRS = {(str(source), str(move.target)) for move in MOVES for source in move.sources}


async def act(database: Database, order_id: OrderId, action: Action) -> None:
    async with database.transaction() as connection:
        order = await storage.orders.lock(connection, order_id)
        await services.orders.move(connection, [services.orders.moving(order, action, "test")])


async def bring_to(database: Database, status: Status) -> OrderId:
    """Place an order and move it as it would."""
    ways: dict[Status, tuple[Action, ...]] = {
        Status.CREATED: (),
        Status.IN_PROGRESS: (Action.START,),
        Status.COMPLETED: (Action.START, Action.COMPLETE),
        Status.FAILED: (Action.START, Action.FAIL),
        Status.CANCELLED: (Action.CANCEL,),
    }
    placed = await scenario.place(database)
    for action in ways[status]:
        await act(database, placed.order_id, action)
    return placed.order_id


async def order_of(database: Database, order_id: OrderId) -> Order:
    return await database.ask(storage.orders.get, str(order_id))


async def test_the_database_holds_the_same_moves_as_the_table(database: Database) -> None:
    assert await order_rows.moves(database) == PAIRS


@pytest.mark.parametrize("target", list(Status))
@pytest.mark.parametrize("status", list(Status))
async def test_the_database_itself_refuses_what_is_no_move(
    database: Database, status: Status, target: Status
) -> None:
    order_id = await bring_to(database, status)

    if status == target or (status, target) in PAIRS:
        await order_rows.set_status(database, order_id, target)
        return
    with pytest.raises(asyncpg.CheckViolationError, match="cannot go from"):
        await order_rows.set_status(database, order_id, target)


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("status", list(Status))
async def test_a_move_is_made_with_history_event_and_pointer_or_leaves_no_trace(
    database: Database, status: Status, action: Action
) -> None:
    order_id = await bring_to(database, status)
    before = await order_of(database, order_id)

    if action in allowed_actions(status):
        await act(database, order_id, action)
        added = 1
    else:
        with pytest.raises(IllegalMove):
            await act(database, order_id, action)
        added = 0

    after = await order_of(database, order_id)
    assert after.event_seq == before.event_seq + added
    assert (after.status != before.status) is bool(added)
    for rows in (order_rows.count_history, event_rows.count, outbox_rows.count):
        assert await rows(database) == after.event_seq


async def test_of_completing_and_cancelling_at_once_both_are_told_of_in_one_order(
    database: Database,
) -> None:
    for _ in range(20):
        order_id = await bring_to(database, Status.IN_PROGRESS)
        await asyncio.gather(
            act(database, order_id, Action.COMPLETE),
            act(database, order_id, Action.CANCEL),
            return_exceptions=True,
        )
        async with database.connection() as connection:
            told = await storage.events.history(connection, order_id)
        order = await order_of(database, order_id)
        assert order.status == "cancelled"
        assert [row.sequence for row in told] == list(range(1, len(told) + 1))
        moves = [row.details for row in told[1:]]
        assert [move["to"] for move in moves[:-1]] == [move["from"] for move in moves[1:]]


async def test_whatever_is_tried_in_any_order_the_history_tells_exactly_what_happened(
    database: Database,
) -> None:
    loop = asyncio.get_running_loop()

    async def tried(actions: list[Action]) -> None:
        order_id = (await scenario.place(database)).order_id
        status, expected = Status.CREATED, ["order.created"]
        for action in actions:
            move = next(move for move in MOVES if move.action is action)
            if status in move.sources:
                await act(database, order_id, action)
                status = move.target
                expected.append(move.event)
            else:
                with pytest.raises(IllegalMove):
                    await act(database, order_id, action)
        async with database.connection() as connection:
            told = await storage.events.history(connection, order_id)
        assert [row.type for row in told] == expected
        assert (await order_of(database, order_id)).status == status

    @hypothesis.settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(st.lists(st.sampled_from(list(Action)), max_size=8))
    def anything(actions: list[Action]) -> None:
        asyncio.run_coroutine_threadsafe(tried(actions), loop).result(timeout=PATIENCE)

    await asyncio.to_thread(anything)
