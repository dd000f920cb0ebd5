"""Orders as the shop's clients know them: what they are called there, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from orderbus.domain.orders import MOST_LINES
from orderbus.domain.states import Status

Word = Literal["new", "processing", "completed", "failed", "cancelled"]
#: What the status of an order is called there.
WORDS: Final[Mapping[Status, Word]] = {
    Status.CREATED: "new",
    Status.IN_PROGRESS: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class ShopLine:
    """So many of a product, at the price that the client says it has."""

    product: UUID
    quantity: int
    price: Decimal


def item_number(order_pk: int, line: int) -> int:
    """Give a line of an order a number that no other line of any order has."""
    return (order_pk - 1) * MOST_LINES + line
