"""Finds out what an old database does not know any more, and keeps numbers from being used again.

Whoever restores a backup beside a living Pub/Sub has receivers that know more than the database: an
order that was at event 3 when the backup was made may have had 4 and 5 since. Its next event would
be another 4, which receivers take for old. So each order goes on well behind what anybody saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orderbus import storage
from orderbus.domain.events import Numbered
from orderbus.errors import Conflict, Invalid
from orderbus.storage.database import Connection, Database
from orderbus.storage.restores import Facts, Stranger

#: Orders of one step; all steps are one transaction.
_STEP: Final = 10_000
#: Numbers that are passed over one by one, at most: those of the orders that are on their way.
_MOST_PASSED_OVER: Final = 20_000_000
#: By how much the numbers of rows are moved on.
_IDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the database knows, and of which orders Pub/Sub knows more.

    ``behind`` are orders whose next number was seen already, ``lost`` those that are not here at
    all, ``reused`` those that gave a number to two events before anybody looked.
    """

    facts: Facts
    looked_at: int
    strangers: Sequence[Stranger]

    @property
    def behind(self) -> list[Stranger]:
        """List the orders whose next number was seen already."""
        return [each for each in self.strangers if each.here is not None and each.seen > each.here]

    @property
    def lost(self) -> list[Stranger]:
        """List the orders that the database does not know."""
        return [each for each in self.strangers if each.here is None]

    @property
    def reused(self) -> list[Stranger]:
        """List the orders of which a number stands for two events by now."""
        return [each for each in self.strangers if each.reused]


@dataclass(frozen=True, slots=True)
class Repaired:
    """How many orders go on with a higher number, and how many sequences of ids were moved on."""

    orders: int
    passed_over: int
    id_sequences: int


async def compare(database: Database, announced: Sequence[Numbered]) -> Comparison:
    """Compare the database with what is announced in Pub/Sub; changes nothing."""
    async with database.connection() as connection:
        facts = await storage.restores.facts(connection)
        strangers = await storage.restores.strangers(connection, announced)
    return Comparison(facts, len(announced), strangers)


async def repair(
    database: Database, compared: Comparison, *, margin: int, actor: str, reason: str
) -> Repaired:
    """Have every order that may go on do so ``margin`` behind the last number that was seen.

    All or nothing. Done twice, it leaves out as many numbers once more, which harms nobody.
    Raises ``Conflict`` while other processes of ours are connected, since they give numbers, and
    while another repair goes on. Whoever connects later waits for its end before it gives any.
    """
    if compared.facts.pointers * margin > _MOST_PASSED_OVER:
        most = _MOST_PASSED_OVER // compared.facts.pointers
        raise Invalid(
            f"{compared.facts.pointers} events are on their way, so a margin of {margin} takes too "
            f"many rows: {most} is possible"
        )
    seen = {each.order_id: each.seen for each in compared.strangers if each.here is not None}
    orders = passed_over = last = 0
    async with database.transaction() as connection:
        await _be_alone(connection)
        while True:
            step = await storage.restores.lift(
                connection, seen=seen, margin=margin, after=last, at_most=_STEP
            )
            orders, passed_over = orders + step.orders, passed_over + step.passed_over
            if step.last is None:
                break
            last = step.last
        ids = await storage.restores.move_ids_on(connection, by=_IDS)
        repaired = Repaired(orders, passed_over, ids)
        await storage.audit.add(
            connection,
            actor=actor,
            action="database.repaired",
            subject_type="database",
            subject_id="orders",
            reason=reason,
            after={"orders": orders, "margin": margin, "newest": f"{compared.facts.newest}"},
        )
    return repaired


async def _be_alone(connection: Connection) -> None:
    """Keep others out; asked twice, so that nobody waits where it is refused anyway."""
    await _refuse_beside_others(connection)
    if not await storage.restores.keep_others_out(connection):
        raise Conflict("Another restore-check --repair is at work: see what it says")
    await _refuse_beside_others(connection)  # one that came meanwhile may have given a number


async def _refuse_beside_others(connection: Connection) -> None:
    if others := await storage.restores.others(connection):
        raise Conflict(
            f"{others} sessions of other orderbus processes are connected to this database: "
            "stop web, workers and bridge first"
        )
