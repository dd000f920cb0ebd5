"""One table says how an order may move, and everything else agrees with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderbus.domain.states import MOVES, Action, Status, allowed_actions, diagram, move
from orderbus.errors import IllegalMove

DOCS = Path(__file__).resolve().parents[2] / "docs" / "states.md"

LEGAL = {
    (Status.CREATED, Action.START): Status.IN_PROGRESS,
    (Status.FAILED, Action.START): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, Action.COMPLETE): Status.COMPLETED,
    (Status.CREATED, Action.FAIL): Status.FAILED,
    (Status.IN_PROGRESS, Action.FAIL): Status.FAILED,
    (Status.CREATED, Action.CANCEL): Status.CANCELLED,
    (Status.IN_PROGRESS, Action.CANCEL): Status.CANCELLED,
    (Status.COMPLETED, Action.CANCEL): Status.CANCELLED,
    (Status.FAILED, Action.CANCEL): Status.CANCELLED,
}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("status", list(Status))
def test_a_move_leads_where_the_table_says_or_is_refused_with_what_is_allowed(
    status: Status, action: Action
) -> None:
    if (status, action) in LEGAL:
        assert move(status, action).target == LEGAL[status, action]
        assert action in allowed_actions(status)
        return
    with pytest.raises(IllegalMove) as refused:
        move(status, action)
    assert (refused.value.source, action in allowed_actions(status)) == (status, False)
    for allowed in allowed_actions(status):
        assert allowed in str(refused.value)


def test_every_action_has_one_move_and_an_event_of_its_own() -> None:
    assert [each.action for each in MOVES] == list(Action)
    assert len({each.event for each in MOVES}) == len(MOVES)


def test_the_docs_hold_the_diagram_that_the_command_prints() -> None:
    assert f"```mermaid\n{diagram()}\n```" in DOCS.read_text()
