"""Stock is booked by hand, and its counters are compared with what moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from orderbus import storage
from orderbus.domain.stock import MOST_LINES, MOST_UNITS, Kind, Refusal
from orderbus.domain.text import brief
from orderbus.errors import Fault, Invalid, OutOfStock, ShortLine
from orderbus.storage.database import Connection, Database
from orderbus.storage.stock import Movement
from orderbus.storage.stock_bookings import Booked, Line
from orderbus.storage.stock_views import Compared, Level

_SENTENCES: Final[Mapping[Refusal, str]] = {
    "unknown": "there is no such product",
    "twice": "an earlier line is about the same product: give one line for each",
    "stale": "on_hand is {before}, which is not what was expected: look again",
    "too_many": f"a counter holds {MOST_UNITS} units at most",
    "not_there": "only {before} are on hand",
    "promised": "{promised} are reserved for carts and allocated to orders: fewer cannot be left",
}


async def book(
    connection: Connection, lines: Sequence[Line], *, each_alone: bool, actor: str
) -> list[Booked]:
    """Book lines, each of another product: all or none, or each that can be.

    Says of every line what became of it, and of one that was refused why, see ``refusal``. Raises
    ``Invalid`` where a line says nothing clear.
    """
    _check(lines)
    return await storage.stock_bookings.book(connection, lines, each_alone=each_alone, actor=actor)


async def set_aside(connection: Connection, product_id: int, quantity: int, *, actor: str) -> Level:
    """Keep units of a product for somebody who has neither cart nor order.

    Raises ``NotFound``, ``OutOfStock``.
    """
    await storage.stock.set_aside_of(connection, product_id)
    return await _moved(connection, [Movement(product_id, "set_aside", quantity)], actor)


async def send(connection: Connection, product_id: int, quantity: int, *, actor: str) -> Level:
    """Let units of a product leave by hand: what was set aside first, then what is available.

    What carts hold and orders were allocated stays theirs. Raises ``NotFound``, ``OutOfStock``.
    """
    aside = min(quantity, await storage.stock.set_aside_of(connection, product_id))
    kinds: tuple[tuple[Kind, int], ...] = (("sent_aside", aside), ("sent", quantity - aside))
    movements = [Movement(product_id, kind, units) for kind, units in kinds if units]
    return await _moved(connection, movements, actor)


async def _moved(connection: Connection, movements: Sequence[Movement], actor: str) -> Level:
    short = await storage.stock.move(connection, movements, actor=actor)
    level = await storage.stock_views.level_of(connection, movements[0].product_id)
    if short:
        wanted = sum(each.quantity for each in movements)
        message = "Requested quantity is not available."
        raise OutOfStock(message, short=[ShortLine(level.sku, wanted, level.available)])
    return level


def refusal(booked: Booked) -> str | None:
    """Say in a sentence why a line was refused; None where it was not."""
    if booked.error is None:
        return None
    return _SENTENCES[booked.error].format(before=booked.before, promised=booked.promised)


def _check(lines: Sequence[Line]) -> None:
    if not 1 <= len(lines) <= MOST_LINES:
        raise _fault("", f"{len(lines)} lines: must be 1 to {MOST_LINES}")
    for index, line in enumerate(lines):
        if (fault := unclear(line)) is not None:
            raise _fault(f"/{index}", fault)


def unclear(line: Line) -> str | None:
    """Say what is not clear about a line by itself; None where it can be tried."""
    if (line.product is None) == (line.sku is None):
        return "name a product by its uuid or by its sku"
    if (line.count is None) == (line.delta is None):
        return "give either the count or the delta"
    if line.reason is None and (line.delta is None or line.delta < 0):
        return "give the reason of what is counted or removed"
    for number in (line.count, line.delta, line.expected):
        if number is not None and abs(number) > MOST_UNITS:
            return f"{brief(str(number), 40)} units: at most {MOST_UNITS}"
    return None


def _fault(pointer: str, sentence: str) -> Invalid:
    return Invalid(
        f"The booking is not valid: line {pointer.strip('/')} {sentence}",
        [Fault(pointer, "booking", sentence)],
    )


async def verify(database: Database) -> AsyncIterator[Compared]:
    """Compare every counter with the sum of its movements, some products at a time.

    It locks nothing, and what moves meanwhile differs in nothing. Raises ``Unavailable``.
    """
    behind: int | None = 0
    while behind is not None:
        compared = await database.ask(storage.stock_views.compare, after=behind)
        behind = compared.until
        yield compared
