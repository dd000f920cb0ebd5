"""The statuses of an order, and the moves between them; the table ``orders.moves`` has the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orderbus.domain.events import ORDER_CREATED
from orderbus.errors import IllegalMove


class Status(StrEnum):
    """Where an order is in its life."""

    CREATED = "created"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Action(StrEnum):
    """What can be done to an order."""

    START = "start"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Move:
    """From which statuses an action leads where, and the event that tells of it."""

    action: Action
    sources: Sequence[Status]
    target: Status
    event: str


MOVES: Final = (
    Move(
        Action.START,
        (Status.CREATED, Status.FAILED),
        Status.IN_PROGRESS,
        "order.processing_started",
    ),
    Move(Action.COMPLETE, (Status.IN_PROGRESS,), Status.COMPLETED, "order.completed"),
    Move(Action.FAIL, (Status.CREATED, Status.IN_PROGRESS), Status.FAILED, "order.failed"),
    Move(
        Action.CANCEL,
        (Status.CREATED, Status.IN_PROGRESS, Status.COMPLETED, Status.FAILED),
        Status.CANCELLED,
        "order.cancelled",
    ),
)


def move(status: Status, action: Action) -> Move:
    """Find the move that ``action`` is for an order in ``status``; raises ``IllegalMove``."""
    (found,) = (each for each in MOVES if each.action is action)
    if status not in found.sources:
        allowed = ", ".join(allowed_actions(status)) or "nothing"
        message = f"An order that is {status} cannot {action}: allowed is {allowed}"
        raise IllegalMove(message, source=status, target=found.target)
    return found


def allowed_actions(status: Status) -> list[str]:
    """List what can be done to an order in ``status``."""
    return [str(each.action) for each in MOVES if status in each.sources]


def offered_actions(status: Status) -> list[str]:
    """List what a caller of the API can do to an order in ``status``."""
    offered = {"cancel": Action.CANCEL in allowed_actions(status), "retry": status is Status.FAILED}
    return [action for action, possible in offered.items() if possible]


def diagram() -> str:
    """Draw the moves as a Mermaid state diagram."""
    moves = (
        f"    {source} --> {each.target}: {each.action} ({each.event})"
        for each in MOVES
        for source in each.sources
    )
    begin = f"    [*] --> {Status.CREATED}: {ORDER_CREATED}"
    return "\n".join(("stateDiagram-v2", begin, *moves))
