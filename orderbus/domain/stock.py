"""Stock: what is in the house, what of it is promised, and what each movement does to these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

#: Units that one counter of a product can hold.
MOST_UNITS: Final = 2_147_483_647
#: Lines of one booking.
MOST_LINES: Final = 1_000

#: Why stock moves. For a cart: ``reserved``, ``released``. For an order: ``allocated`` out of what
#: is available, ``bought`` out of what its cart had reserved, ``returned`` where it failed or was
#: cancelled, ``shipped``. By hand: ``received``, ``removed``, ``counted``; ``set_aside`` for
#: somebody who has neither cart nor order, ``sent`` to them out of what is available,
#: ``sent_aside`` out of what was set aside.
Kind = Literal[
    "reserved",
    "released",
    "allocated",
    "bought",
    "returned",
    "shipped",
    "received",
    "removed",
    "counted",
    "set_aside",
    "sent",
    "sent_aside",
]


@dataclass(frozen=True, slots=True)
class Change:
    """By how much each counter of a product changes."""

    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    shipped: int = 0


#: What one unit of each kind does; what is counted differs by a number of either sign.
UNIT: Final[Mapping[Kind, Change]] = {
    "reserved": Change(reserved=1),
    "released": Change(reserved=-1),
    "allocated": Change(allocated=1),
    "bought": Change(reserved=-1, allocated=1),
    "returned": Change(allocated=-1),
    "shipped": Change(on_hand=-1, allocated=-1, shipped=1),
    "received": Change(on_hand=1),
    "removed": Change(on_hand=-1),
    "counted": Change(on_hand=1),
    "set_aside": Change(reserved=1),
    "sent": Change(on_hand=-1, shipped=1),
    "sent_aside": Change(on_hand=-1, reserved=-1, shipped=1),
}


def change(kind: Kind, quantity: int) -> Change:
    """Say what a movement of so many units does; raises ``ValueError`` for none of them."""
    if quantity == 0 or (quantity < 0 and kind != "counted"):
        raise ValueError(f"a movement of {quantity} units is none")
    unit = UNIT[kind]
    return Change(
        unit.on_hand * quantity,
        unit.reserved * quantity,
        unit.allocated * quantity,
        unit.shipped * quantity,
    )


#: Why a line of a booking is refused: no such product; an earlier line is about it; ``on_hand`` is
#: not what was expected; more than a counter holds; less than nothing; less than is promised.
Refusal = Literal["unknown", "twice", "stale", "too_many", "not_there", "promised"]
