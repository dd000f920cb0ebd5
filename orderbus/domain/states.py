"""Where an order is on its axes, and its moves; the table ``orders.moves`` has the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


class Fulfillment(StrEnum):
    """What of an order has left."""

    PENDING = "pending"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Hold(StrEnum):
    """Whether somebody holds an order: then it is neither processed nor shipped."""

    RELEASED = "released"
    HELD = "held"


class Axis(StrEnum):
    """What an order moves along: each by itself, but for what ``Move.only`` says."""

    STATUS = "status"
    FULFILLMENT = "fulfillment_status"
    HOLD = "on_hold"


class Action(StrEnum):
    """What can be done to an order."""

    START = "start"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    SHIP_SOME = "ship_some"
    SHIP = "ship"
    DELIVER = "deliver"
    HOLD = "hold"
    RELEASE = "release"


class Cause(StrEnum):
    """Why an order is cancelled, as a word."""

    CUSTOMER = "customer"
    DECLINED = "declined"
    FRAUD = "fraud"
    INVENTORY = "inventory"
    STAFF = "staff"
    EXPIRED = "expired"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class State:
    """Where an order is on all of its axes."""

    status: Status = Status.CREATED
    fulfillment: Fulfillment = Fulfillment.PENDING
    on_hold: bool = False

    def at(self, axis: Axis) -> str:
        """Say where it is on one of them."""
        held = Hold.HELD if self.on_hold else Hold.RELEASED
        return {Axis.STATUS: self.status, Axis.FULFILLMENT: self.fulfillment, Axis.HOLD: held}[axis]


@dataclass(frozen=True, slots=True)
class Move:
    """From where an action leads where on one axis, and the event that tells of it.

    It is made ``only`` while the order is at one of these places on the other axes.
    """

    action: Action
    sources: Sequence[str]
    target: str
    event: str
    axis: Axis = Axis.STATUS
    only: Mapping[Axis, Sequence[str]] = field(default_factory=dict)


_NOT_HELD: Final = {Axis.HOLD: (Hold.RELEASED,)}
_NOTHING_LEFT: Final = {Axis.FULFILLMENT: (Fulfillment.PENDING,)}
#: What leaves although the order is cancelled left before that was heard; it is told of as such.
_MAY_LEAVE: Final = {
    Axis.STATUS: (Status.CREATED, Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED),
    **_NOT_HELD,
}
_TO_SHIP: Final = (Fulfillment.PENDING, Fulfillment.PARTIALLY_SHIPPED)
_ALIVE: Final = (Status.CREATED, Status.IN_PROGRESS, Status.COMPLETED, Status.FAILED)

MOVES: Final = (
    Move(
        Action.START,
        (Status.CREATED, Status.FAILED),
        Status.IN_PROGRESS,
        "order.processing_started",
        only=_NOT_HELD,
    ),
    Move(Action.COMPLETE, (Status.IN_PROGRESS,), Status.COMPLETED, "order.completed"),
    Move(Action.FAIL, (Status.CREATED, Status.IN_PROGRESS), Status.FAILED, "order.failed"),
    Move(Action.CANCEL, _ALIVE, Status.CANCELLED, "order.cancelled", only=_NOTHING_LEFT),
    Move(
        Action.SHIP_SOME,
        _TO_SHIP,
        Fulfillment.PARTIALLY_SHIPPED,
        "order.partially_shipped",
        Axis.FULFILLMENT,
        _MAY_LEAVE,
    ),
    Move(
        Action.SHIP,
        (*_TO_SHIP, Fulfillment.CANCELLED),
        Fulfillment.SHIPPED,
        "order.shipped",
        Axis.FULFILLMENT,
        _MAY_LEAVE,
    ),
    Move(
        Action.DELIVER,
        (Fulfillment.SHIPPED,),
        Fulfillment.DELIVERED,
        "order.delivered",
        Axis.FULFILLMENT,
    ),
    Move(
        Action.HOLD,
        (Hold.RELEASED,),
        Hold.HELD,
        "order.held",
        Axis.HOLD,
        {Axis.STATUS: _ALIVE, Axis.FULFILLMENT: _TO_SHIP},
    ),
    Move(Action.RELEASE, (Hold.HELD,), Hold.RELEASED, "order.released", Axis.HOLD),
)
#: Told of beside ``order.shipped`` where an order was cancelled before.
SHIPPED_THOUGH_CANCELLED: Final = "order.shipped_though_cancelled"
#: What moves along on another axis: whoever cancels an order cancels what was to leave.
FOLLOWS: Final = {Action.CANCEL: (Axis.FULFILLMENT, Fulfillment.PENDING, Fulfillment.CANCELLED)}


def move(state: State, action: Action) -> Move:
    """Find the move that ``action`` is for an order in ``state``; raises ``IllegalMove``."""
    (found,) = (each for each in MOVES if each.action is action)
    for axis, sources in ((found.axis, found.sources), *found.only.items()):
        if (source := state.at(axis)) not in sources:
            allowed = ", ".join(allowed_actions(state)) or "nothing"
            message = f"An order that is {source} cannot {action}: allowed is {allowed}"
            raise illegal(message, state, source=source, target=found.target)
    return found


def illegal(message: str, state: State, *, source: str, target: str) -> IllegalMove:
    """Refuse a move, and say what a caller can do to the order instead."""
    return IllegalMove(message, source=source, target=target, allowed=offered_actions(state))


def allowed_actions(state: State) -> list[str]:
    """List what can be done to an order in ``state``."""
    return [
        str(each.action)
        for each in MOVES
        if state.at(each.axis) in each.sources
        and all(state.at(axis) in places for axis, places in each.only.items())
    ]


def offered_actions(state: State) -> list[str]:
    """List what a caller of the API can do to an order in ``state``."""
    allowed = allowed_actions(state)
    offered = {
        "cancel": Action.CANCEL in allowed,
        "retry": state.status is Status.FAILED and not state.on_hold,
        "hold": Action.HOLD in allowed,
        "release": Action.RELEASE in allowed,
        # What left although the order is cancelled can be told of; nobody is asked to send it.
        "ship": Action.SHIP in allowed and state.status is not Status.CANCELLED,
        "deliver": Action.DELIVER in allowed,
    }
    return [action for action, possible in offered.items() if possible]


def offered_to_customer(state: State) -> list[str]:
    """List what a customer can do to an order of their own: nobody has begun with it yet."""
    return ["cancel"] if state.status is Status.CREATED else []


def see_that_a_customer_may_cancel(state: State) -> None:
    """Pass where ``offered_to_customer`` has it; raises ``IllegalMove``."""
    if not offered_to_customer(state):
        message = f"An order that is {state.status} is not a customer's to cancel any more"
        raise IllegalMove(message, source=state.status, target=Status.CANCELLED)


def diagram(axis: Axis = Axis.STATUS) -> str:
    """Draw the moves along an axis as a Mermaid state diagram."""
    moves = [
        f"    {source} --> {each.target}: {each.action} ({each.event})"
        for each in MOVES
        if each.axis is axis
        for source in each.sources
    ]
    follows = [
        f"    {source} --> {target}: {action}"
        for action, (its_axis, source, target) in FOLLOWS.items()
        if its_axis is axis
    ]
    first = State().at(axis)
    begin = f"    [*] --> {first}: {ORDER_CREATED}"
    return "\n".join(("stateDiagram-v2", begin, *moves, *follows))
