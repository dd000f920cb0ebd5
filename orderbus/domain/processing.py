"""What is done with an order once it is there, and what may come of it.

A processor is a small class with one method. ``priced``, ``inventory``, ``always`` and ``random``
are here; a path such as ``shop.processing:Payment`` names a class of your own, made without
arguments.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from orderbus.domain.events import Event
from orderbus.domain.orders import LARGEST_AMOUNT
from orderbus.domain.states import Cause
from orderbus.errors import ShortLine

#: Names that are no path: the processors here, and that orders are not processed.
PRICED, INVENTORY, ALWAYS, RANDOM, NONE = BUILT_IN = (
    *("priced", "inventory"),
    *("always", "random", "none"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """An order to process.

    ``order`` is what its event says of it. ``idempotency_key`` stays the same however often a
    worker dies over this task: hand it to whoever takes money. So does ``drawn``, what was drawn
    when the task began, where ``random`` was asked then. ``prices`` are those of the catalogue, by
    sku, where ``priced`` has to know them.
    """

    event: Event
    idempotency_key: str
    drawn: bool | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def order(self) -> dict[str, Any]:
        """The order's members."""
        return dict(self.event.order)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: done with ``amount`` charged, or refused for ``reason``.

    One that is done and ``takes_stock`` is refused all the same where there is too little of what
    the order names: that is the ``cause``, and ``short`` has the lines.
    """

    amount: Decimal | None = None
    reason: str | None = None
    takes_stock: bool = False
    cause: Cause | None = None
    short: Sequence[ShortLine] = ()

    @property
    def refused(self) -> bool:
        """Whether the processor said no."""
        return self.reason is not None


class Processor(Protocol):
    """Does what an order asks for. What it raises is tried again; what it refuses is not."""

    async def process(self, task: Task) -> Outcome:
        """Process one order; may be called again for the same one if its worker dies."""
        ...


class Random:
    """Says yes at a given rate: the same answer for the same task and seed, on every worker."""

    def __init__(self, *, rate: float, seed: str) -> None:
        self._rate, self._seed = rate, seed

    def draw(self, idempotency_key: str) -> bool:
        """Draw once for a task; whoever begins it keeps the answer, as rate and seed may change."""
        return random.Random(f"{self._seed}:{idempotency_key}").random() < self._rate  # noqa: S311 - no secret

    async def process(self, task: Task) -> Outcome:
        """Say what was drawn, or what is drawn where nobody kept it."""
        yes = self.draw(task.idempotency_key) if task.drawn is None else task.drawn
        if yes:
            return Outcome(amount=Decimal(task.order["total"]))
        return Outcome(reason="Simulated processing failure")


class Always:
    """Says yes to every order, and charges its total. No money moves."""

    async def process(self, task: Task) -> Outcome:
        """Write the total down as charged."""
        return Outcome(amount=Decimal(task.order["total"]))


class Inventory:
    """Lets an order have the stock of what it names, unless it has, and charges its total."""

    async def process(self, task: Task) -> Outcome:
        """Write the total down as charged; the stock is taken in the transaction of the move."""
        return Outcome(amount=Decimal(task.order["total"]), takes_stock=True)


class Priced:
    """Charges an order's total, or the sum of its lines where it has none. No money moves.

    A line that names a product which is sold now costs what the catalogue says.
    """

    def asks_for(self, event: Event) -> Collection[str]:
        """Name the skus whose prices it has to know."""
        is_summed = not Decimal(event.order["total"])
        return {item["sku"] for item in event.order["items"]} if is_summed else ()

    async def process(self, task: Task) -> Outcome:
        """Write the amount down as charged."""
        lines = sum(
            (
                task.prices.get(item["sku"], Decimal(item["unit_price"])) * item["quantity"]
                for item in task.order["items"]
            ),
            Decimal(0),
        )
        amount = Decimal(task.order["total"]) or lines
        if amount > LARGEST_AMOUNT:
            return Outcome(reason=f"The amount {amount} is larger than {LARGEST_AMOUNT}")
        return Outcome(amount=amount)
