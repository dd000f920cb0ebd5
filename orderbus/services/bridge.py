"""What becomes of events that come back from Pub/Sub?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.text import storable
from orderbus.errors import OrderbusError, Poisoned
from orderbus.pubsub.bridge import Received
from orderbus.pubsub.messages import decode
from orderbus.storage.database import Connection, Database
from orderbus.storage.inbox import Returned

_Letter = tuple[Received, Poisoned]


@dataclass(frozen=True, slots=True)
class Due:
    """What may go now: deliveries, and consumptions by consumer."""

    deliveries: Sequence[int] = ()
    consumptions: Mapping[str, Sequence[int]] = field(default_factory=dict)


async def receive(
    database: Database, received: Sequence[Received], *, wanted: Mapping[str, str]
) -> Due:
    """Record a batch in one transaction; returns what may go now.

    A message that makes recording fail for a reason of its own is kept as a dead letter, alone.
    Inbox, watermarks, one delivery for each endpoint, one consumption for each consumer in
    ``wanted`` (see ``storage.inbox.add``), pointers deleted: all or nothing, and receiving a
    message again changes nothing. What cannot be decoded, or belongs to no event we
    know, is kept as a dead letter with its bytes. When this returns, every message may be acked.
    Raises ``Unavailable``; then none may.
    """
    try:
        return await _receive(database, received, wanted)
    except OrderbusError:
        raise
    except Exception as error:  # noqa: BLE001 - a door: one message must not stop all others
        if len(received) > 1:
            return _together([await receive(database, [one], wanted=wanted) for one in received])
        poisoned = Poisoned(f"It cannot be recorded: {error!r}", reason="unrecordable")
        await _bury_alone(database, received[0], poisoned)
        return Due()


async def _receive(
    database: Database, received: Sequence[Received], wanted: Mapping[str, str]
) -> Due:
    returned, letters = _decoded(received)
    async with database.transaction() as connection:
        new, due, known = await record(connection, [event for _, event in returned], wanted=wanted)
        letters += [
            (message, Poisoned(f"No event {event.event_id} is known here", reason="unknown_event"))
            for message, event in returned
            if event.event_id not in known
        ]
        await _bury(connection, letters)
    _tell(received, letters, new=new, known=len(known))
    return due


def _together(parts: Sequence[Due]) -> Due:
    consumptions: dict[str, list[int]] = {}
    for part in parts:
        for name, ids in part.consumptions.items():
            consumptions.setdefault(name, []).extend(ids)
    return Due([delivery for part in parts for delivery in part.deliveries], consumptions)


async def _bury_alone(database: Database, message: Received, why: Poisoned) -> None:
    async with database.connection() as connection:
        await _bury(connection, [(message, why)])
    _tell([message], [(message, why)], new=0, known=0)


async def _bury(connection: Connection, letters: Sequence[_Letter]) -> None:
    if letters:
        await storage.dead_letters.add_pubsub(
            connection,
            [
                (
                    message.message_id,
                    message.data,
                    {storable(k): storable(v) for k, v in message.attributes.items()},
                    why.reason,
                    storable(str(why)),
                )
                for message, why in letters
            ],
        )


async def record(
    connection: Connection, returned: Sequence[Returned], *, wanted: Mapping[str, str]
) -> tuple[int, Due, set[UUID]]:
    """Put events into the inbox, in the caller's transaction.

    Returns how many were new, what may go now, and which events we know.
    """
    known = await storage.inbox.lock_watermarks(connection, returned)
    if not known:
        return 0, Due(), set()
    recorded = await storage.inbox.add(connection, known, wanted=wanted)
    deliveries = await storage.inbox.advance_watermarks(connection, known)
    due = Due(deliveries, recorded.consumptions)
    return recorded.new, due, {event.returned.event_id for event in known}


def _decoded(received: Sequence[Received]) -> tuple[list[tuple[Received, Returned]], list[_Letter]]:
    returned: list[tuple[Received, Returned]] = []
    letters: list[_Letter] = []
    for message in received:
        try:
            event = decode(message.data, message.attributes)
        except Poisoned as poisoned:
            letters.append((message, poisoned))
        else:
            returned.append(
                (
                    message,
                    Returned(
                        event.event_id, event.occurred_at, message.message_id, message.published_at
                    ),
                )
            )
    return returned, letters


def _tell(
    received: Sequence[Received], letters: Sequence[_Letter], *, new: int, known: int
) -> None:
    telemetry.RECEIVED.inc(new)
    telemetry.DUPLICATES.inc(known - new)
    telemetry.DEAD_LETTERS.labels(kind="pubsub").inc(len(letters))
    for message, why in letters:
        telemetry.log.error(
            "dead_letter_written", kind="pubsub", message_id=message.message_id, error=str(why)
        )
    for message in received:
        telemetry.log.info(
            "event_received",
            event_id=message.attributes.get("ce-id"),
            order_id=message.attributes.get("ce-subject"),
            sequence=message.attributes.get("sequence"),
            message_id=message.message_id,
        )
