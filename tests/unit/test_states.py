"""One table says how an order may move, and everything else agrees with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orderbus.domain.states import (
    MOVES,
    Action,
    Axis,
    Fulfillment,
    Hold,
    State,
    Status,
    allowed_actions,
    diagram,
    move,
    offered_actions,
)
from orderbus.errors import IllegalMove

DOCS = Path(__file__).resolve().parents[2] / "docs" / "states.md"

STATES = [
    State(status, fulfillment, on_hold)
    for status in Status
    for fulfillment in Fulfillment
    for on_hold in (False, True)
]
TO_SHIP = {"pending", "partially_shipped"}
TARGETS = {
    Action.START: Status.IN_PROGRESS,
    Action.COMPLETE: Status.COMPLETED,
    Action.FAIL: Status.FAILED,
    Action.CANCEL: Status.CANCELLED,
    Action.SHIP_SOME: Fulfillment.PARTIALLY_SHIPPED,
    Action.SHIP: Fulfillment.SHIPPED,
    Action.DELIVER: Fulfillment.DELIVERED,
    Action.HOLD: Hold.HELD,
    Action.RELEASE: Hold.RELEASED,
}


#: The table in other words: where an action may be done.
LEGAL: dict[Action, Callable[[State], bool]] = {
    Action.START: lambda at: at.status in {"created", "failed"} and not at.on_hold,
    Action.COMPLETE: lambda at: at.status == "in_progress",
    Action.FAIL: lambda at: at.status in {"created", "in_progress"},
    Action.CANCEL: lambda at: at.status != "cancelled" and at.fulfillment == "pending",
    Action.SHIP_SOME: lambda at: (
        at.fulfillment in TO_SHIP and at.status != "failed" and not at.on_hold
    ),
    Action.SHIP: lambda at: (
        at.fulfillment in TO_SHIP | {"cancelled"} and at.status != "failed" and not at.on_hold
    ),
    Action.DELIVER: lambda at: at.fulfillment == "shipped",
    Action.HOLD: lambda at: (
        not at.on_hold and at.status != "cancelled" and at.fulfillment in TO_SHIP
    ),
    Action.RELEASE: lambda at: at.on_hold,
}


@pytest.mark.parametrize("action", list(Action))
def test_a_move_leads_where_the_table_says_or_is_refused_with_what_is_allowed(
    action: Action,
) -> None:
    for state in STATES:
        assert (action in allowed_actions(state)) is LEGAL[action](state), state
        if LEGAL[action](state):
            assert move(state, action).target == TARGETS[action]
            continue
        with pytest.raises(IllegalMove) as refused:
            move(state, action)
        at = {state.status, state.fulfillment, Hold.HELD if state.on_hold else Hold.RELEASED}
        assert (refused.value.source in at, refused.value.target) == (True, TARGETS[action])
        assert list(refused.value.allowed) == offered_actions(state)
        for allowed in allowed_actions(state):
            assert allowed in str(refused.value)


def test_what_a_caller_is_offered_can_be_done_and_a_cancelled_order_offers_nothing() -> None:
    for state in STATES:
        offered = {*offered_actions(state)} - {"retry"}
        assert offered <= {*allowed_actions(state)}, state
    assert offered_actions(State(Status.CANCELLED, Fulfillment.CANCELLED)) == []
    assert offered_actions(State()) == ["cancel", "hold", "ship"]
    assert "retry" not in offered_actions(State(Status.FAILED, on_hold=True))


def test_every_action_has_one_move_and_an_event_of_its_own() -> None:
    assert [each.action for each in MOVES] == list(Action)
    assert len({each.event for each in MOVES}) == len(MOVES)


@pytest.mark.parametrize("axis", list(Axis))
def test_the_docs_hold_the_diagrams_that_the_command_prints(axis: Axis) -> None:
    assert f"```mermaid\n{diagram(axis)}\n```" in DOCS.read_text()
