"""How does what cannot go on get buried, and how does it come back?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.text import storable
from orderbus.errors import Conflict
from orderbus.services import bridge, processing
from orderbus.storage.database import Connection, Database
from orderbus.storage.inbox import Returned


@dataclass(frozen=True, slots=True)
class Redriven:
    """What the caller owes after a redrive: messages to send that PostgreSQL does not hint at.

    ``held_by`` is the endpoint that is disabled: until it is enabled, the delivery waits.
    """

    deliveries: tuple[int, ...] = ()
    held_by: UUID | None = None
    message: tuple[str, Mapping[str, Any]] | None = None
    publication: tuple[bytes, Mapping[str, str]] | None = None


async def bury_message(
    database: Database,
    *,
    message_id: str,
    actor: str | None,
    arguments: Mapping[str, Any] | None,
    reason: str,
    error: str,
    traceback: str | None,
    data: bytes | None = None,
) -> int | None:
    """Keep a queue message that failed for good; returns the dead letter's id.

    ``data`` are the bytes of one that no actor was given; one that cannot be read has neither
    ``actor`` nor ``arguments``. None for a message that is kept already. Raises ``Unavailable``.
    """
    async with database.connection() as connection:
        letter = await storage.dead_letters.add_message(
            connection,
            message_id=message_id,
            actor=actor,
            arguments=arguments,
            reason=reason,
            error=storable(error),
            traceback=traceback and storable(traceback),
            data=data,
        )
    if letter is not None:
        telemetry.DEAD_LETTERS.labels(kind="message").inc()
        telemetry.log.error(
            "dead_letter_written", kind="message", dead_letter=letter, actor=actor, error=error
        )
    return letter


async def redrive(connection: Connection, letter_id: int) -> Redriven:
    """Bring a dead letter back on its way, in the caller's transaction.

    A delivery begins its schedule again, an outbox event or a consumption is due again. A queue or
    Pub/Sub message is returned for the caller to send before the transaction ends: then a crash in
    between sends it twice rather than never. Raises ``NotFound``, and ``Conflict`` where it cannot
    come back.
    """
    letter = await storage.dead_letters.lock_open(connection, letter_id)
    owed = await _bring_back(connection, letter)
    await storage.dead_letters.resolve(connection, letter_id, resolution="redriven", note=None)
    return owed


async def _bring_back(connection: Connection, letter: Mapping[str, Any]) -> Redriven:
    match letter["kind"]:
        case "delivery":
            if not await storage.deliveries.redrive(connection, letter["delivery_id"]):
                message = "The delivery is not dead any more, or its endpoint was removed"
                raise Conflict(message)
            held_by = await storage.endpoints.holding(connection, letter["delivery_id"])
            return Redriven(deliveries=(letter["delivery_id"],), held_by=held_by)
        case "outbox":
            await storage.outbox.unpark(connection, letter["event_id"])
            return Redriven()
        case "consumption":
            if not await storage.consumptions.redrive(connection, letter["consumption_id"]):
                message = "The consumption is not dead any more"
                raise Conflict(message)
            return Redriven()
        case "message":
            if letter["arguments"] is None:
                message = "No worker can read this message, so it cannot be sent again: discard it"
                raise Conflict(message)
            return Redriven(message=(letter["actor"], letter["arguments"]))
        case _:
            return Redriven(publication=(letter["data"], letter["attributes"]))


async def discard(database: Database, letter_id: int, *, note: str) -> list[int]:
    """Decide that a dead letter stays dead, with the reason; raises ``NotFound``.

    A parked event is passed over: nobody is told of it, and its order's later events may go, also
    where its payload is gone. An order that is in progress for it fails: nobody will go on with it.
    Returns the deliveries that may go now. Raises ``Busy`` where its order is being worked on.
    """
    async with database.connection() as connection:
        letter = await storage.dead_letters.get(connection, letter_id)
        skipped = Returned(letter["event_id"], letter["occurred_at"], None, None)
        place = await bridge.find_place(connection, skipped) if letter["kind"] == "outbox" else None
    async with database.transaction() as connection:
        await _give_order_up(connection, letter_id, note)
        letter = await storage.dead_letters.lock_open(connection, letter_id)
        await storage.dead_letters.resolve(connection, letter_id, resolution="discarded", note=note)
        if place is None:
            return []
        return list(await bridge.pass_over(connection, skipped, place))


async def _give_order_up(connection: Connection, letter_id: int, note: str) -> None:
    """Let an order fail whose processing is discarded; its lock comes before the letter's."""
    letter = await storage.dead_letters.get(connection, letter_id)
    if (letter["kind"], letter["actor"]) != ("consumption", processing.ACTOR):
        return
    event = await storage.orders.remembered(connection, letter["event_id"], letter["occurred_at"])
    if event is not None:
        await processing.give_up(connection, event, note)
