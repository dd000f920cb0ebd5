"""Every move writes state, history and event together, and no other move is possible."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from orderbus import services, storage
from orderbus.domain.orders import OrderId
from orderbus.domain.states import (
    FOLLOWS,
    MOVES,
    Action,
    Axis,
    Fulfillment,
    Hold,
    Move,
    State,
    Status,
    allowed_actions,
)
from orderbus.errors import IllegalMove
from orderbus.storage.database import Database
from orderbus.storage.orders import Order
from tests.support import event_rows, order_rows, outbox_rows, scenario
from tests.support.waiting import PATIENCE

PAIRS = {(str(m.axis), str(source), str(m.target)) for m in MOVES for source in m.sources}
PAIRS |= {(str(axis), str(source), str(target)) for axis, source, target in FOLLOWS.values()}
OF: dict[Action, Move] = {each.action: each for each in MOVES}


def after(state: State, action: Action) -> State:
    """Where a move that may be made brings an order."""
    move = OF[action]
    match move.axis:
        case Axis.FULFILLMENT:
            return replace(state, fulfillment=Fulfillment(move.target))
        case Axis.HOLD:
            return replace(state, on_hold=move.target == Hold.HELD)
    status = Status(move.target)
    if status is Status.CANCELLED:
        return State(status, Fulfillment.CANCELLED, on_hold=False)
    return replace(state, status=status)


def reachable() -> dict[State, tuple[Action, ...]]:
    """Every state that an order can come to, and a shortest way there."""
    ways: dict[State, tuple[Action, ...]] = {State(): ()}
    for state in (waiting := [State()]):
        for action in map(Action, allowed_actions(state)):
            if (new := after(state, action)) not in ways:
                ways[new] = (*ways[state], action)
                waiting.append(new)
    return ways


WAYS = reachable()


async def act(database: Database, order_id: OrderId, action: Action) -> None:
    async with database.transaction() as connection:
        order = await storage.orders.lock(connection, order_id)
        await services.orders.move(connection, [services.orders.moving(order, action, "test")])


async def bring_to(database: Database, state: State) -> OrderId:
    """Place an order and move it as it would."""
    placed = await scenario.place(database)
    for action in WAYS[state]:
        await act(database, placed.order_id, action)
    return placed.order_id


async def order_of(database: Database, order_id: OrderId) -> Order:
    return await database.ask(storage.orders.get, str(order_id))


async def test_the_database_holds_the_same_moves_as_the_table(database: Database) -> None:
    assert await order_rows.moves(database) == PAIRS


def may_be_set(state: State, axis: Axis, target: str) -> bool:
    """Say what the database lets anybody write; a held order is kept from work by code."""
    source = state.at(axis)
    if source == target or (axis, source, target) not in PAIRS:
        return source == target
    leaves = not state.on_hold and state.status is not Status.FAILED
    rules = {
        (Axis.STATUS, "cancelled"): state.fulfillment is Fulfillment.PENDING,
        (Axis.FULFILLMENT, "cancelled"): state.status is Status.CANCELLED,
        (Axis.FULFILLMENT, "partially_shipped"): leaves,
        (Axis.FULFILLMENT, "shipped"): leaves,
        (Axis.HOLD, "held"): "hold" in allowed_actions(state),
    }
    return rules.get((axis, str(target)), True)


async def test_the_database_itself_refuses_what_is_no_move_on_any_axis(database: Database) -> None:
    assert len(WAYS) > len(Status) * len(Fulfillment)
    wrong = []
    for state in WAYS:
        order_id = await bring_to(database, state)
        targets = {Axis.STATUS: Status, Axis.FULFILLMENT: Fulfillment, Axis.HOLD: Hold}
        for axis, target in ((axis, each) for axis, kind in targets.items() for each in kind):
            new = target == Hold.HELD if axis is Axis.HOLD else str(target)
            refused = await order_rows.refuses(database, order_id, axis, new)
            if refused is may_be_set(state, axis, target):
                wrong.append((state, axis, target))

    assert wrong == []


async def test_whoever_only_writes_a_status_cancels_what_was_to_leave_and_ends_a_hold(
    database: Database,
) -> None:
    """So does the version before, while it still runs."""
    order_id = await bring_to(database, State(on_hold=True))

    await order_rows.set_status(database, order_id, "cancelled")

    assert (await order_of(database, order_id)).state == State(
        Status.CANCELLED, Fulfillment.CANCELLED, on_hold=False
    )


@pytest.mark.parametrize("action", list(Action))
async def test_a_move_is_made_with_history_event_and_pointer_or_leaves_no_trace(
    database: Database, action: Action
) -> None:
    written = 0
    for state in WAYS:
        order_id = await bring_to(database, state)
        before = await order_of(database, order_id)
        assert before.state == state

        if action in allowed_actions(state):
            await act(database, order_id, action)
            added, expected = 1, after(state, action)
        else:
            with pytest.raises(IllegalMove):
                await act(database, order_id, action)
            added, expected = 0, state

        found = await order_of(database, order_id)
        assert (found.state, found.event_seq) == (expected, before.event_seq + added)
        written += found.event_seq
    for rows in (order_rows.count_history, event_rows.count, outbox_rows.count):
        assert await rows(database) == written


async def test_of_completing_and_cancelling_at_once_both_are_told_of_in_one_order(
    database: Database,
) -> None:
    for _ in range(20):
        order_id = await bring_to(database, State(Status.IN_PROGRESS))
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
        state, expected = State(), ["order.created"]
        for action in actions:
            if action in allowed_actions(state):
                await act(database, order_id, action)
                state = after(state, action)
                expected.append(OF[action].event)
            else:
                with pytest.raises(IllegalMove):
                    await act(database, order_id, action)
        async with database.connection() as connection:
            told = await storage.events.history(connection, order_id)
        assert [row.type for row in told] == expected
        assert (await order_of(database, order_id)).state == state

    @hypothesis.settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(st.lists(st.sampled_from(list(Action)), max_size=8))
    def anything(actions: list[Action]) -> None:
        asyncio.run_coroutine_threadsafe(tried(actions), loop).result(timeout=PATIENCE)

    await asyncio.to_thread(anything)
