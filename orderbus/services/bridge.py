"""What becomes of events that come back from Pub/Sub?"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.errors import Poisoned
from orderbus.pubsub.bridge import Received
from orderbus.pubsub.messages import decode
from orderbus.storage.database import Connection, Database
from orderbus.storage.inbox import Returned

_Letter = tuple[Received, Poisoned]


async def receive(database: Database, received: Sequence[Received]) -> list[int]:
    """Record a batch in one transaction; returns the deliveries that may go now.

    Inbox, watermarks, one delivery for each endpoint, pointers deleted: all or nothing, and
    receiving a message again changes nothing. What cannot be decoded, or belongs to no event we
    know, is kept as a dead letter with its bytes. When this returns, every message may be acked.
    Raises ``Unavailable``; then none may.
    """
    returned, letters = _decoded(received)
    async with database.transaction() as connection:
        new, due, known = await record(connection, [event for _, event in returned])
        letters += [
            (message, Poisoned(f"No event {event.event_id} is known here", reason="unknown_event"))
            for message, event in returned
            if event.event_id not in known
        ]
        if letters:
            await storage.dead_letters.add_pubsub(
                connection,
                [
                    (message.message_id, message.data, message.attributes, why.reason, str(why))
                    for message, why in letters
                ],
            )
    _tell(received, letters, new=new, known=len(known))
    return due


async def record(
    connection: Connection, returned: Sequence[Returned]
) -> tuple[int, list[int], set[UUID]]:
    """Put events into the inbox, in the caller's transaction.

    Returns how many were new, the deliveries that may go now, and which events we know.
    """
    known = await storage.inbox.lock_watermarks(connection, returned)
    if not known:
        return 0, [], set()
    new = await storage.inbox.add(connection, known)
    due = await storage.inbox.advance_watermarks(connection, known)
    return new, due, {event.returned.event_id for event in known}


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
