"""What becomes of events that come back from Pub/Sub?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.text import storable
from orderbus.domain.traces import trace_id
from orderbus.errors import Busy, OrderbusError, Poisoned
from orderbus.pubsub.bridge import Received
from orderbus.pubsub.messages import decode
from orderbus.storage.database import Connection, Database
from orderbus.storage.dead_letters import PubsubMessage
from orderbus.storage.inbox import Known, Returned

_Letter = tuple[Received, Poisoned]


#: How often a batch may wait in vain for a lock while it is taken apart: enough to find one message
#: among a hundred. Then nothing more is tried: it may be a table that is locked.
_VAIN_WAITS: Final = 10


@dataclass(frozen=True, slots=True)
class Due:
    """What may go now: deliveries, and consumptions by consumer.

    ``later`` are messages that could not be recorded because somebody else is at work on their
    orders: they have to be received again.
    """

    deliveries: Sequence[int] = ()
    consumptions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    later: Sequence[Received] = ()


async def receive(
    database: Database, received: Sequence[Received], *, wanted: Mapping[str, str]
) -> Due:
    """Record a batch in one transaction; returns what may go now, and what has to come again.

    Inbox, watermarks, one delivery for each endpoint, one consumption for each consumer in
    ``wanted`` (see ``storage.inbox.add``), pointers deleted: all or nothing, and receiving a
    message again changes nothing. What cannot be decoded, or belongs to no event we
    know, is kept as a dead letter with its bytes. A batch that cannot be recorded is taken apart: a
    message that fails for a reason of its own is a dead letter, alone, with its event parked, and
    one that waits for a lock is left for later. When this returns, every message but those may be
    acked. Raises ``Unavailable``; then none may.
    """
    parts, done, later, vain = [received], [], [], 0
    while parts:
        part = parts.pop()
        try:
            done.append(await _receive(database, part, wanted))
        except Busy as busy:
            vain += 1
            if len(part) > 1 and vain <= _VAIN_WAITS:
                parts += _halves(part)
                continue
            telemetry.log.warning("events_put_off", count=len(part), error=str(busy))
            later.append(Due(later=part))
        except OrderbusError:
            raise
        except Exception as error:  # noqa: BLE001 - a door: one message must not stop all others
            if len(part) > 1:
                parts += _halves(part)
                continue
            poisoned = Poisoned(f"It cannot be recorded: {error!r}", reason="unrecordable")
            await _bury_alone(database, part[0], poisoned)
    return together([*done, *later])


def _halves(part: Sequence[Received]) -> tuple[Sequence[Received], Sequence[Received]]:
    middle = len(part) // 2
    return part[middle:], part[:middle]


async def _receive(
    database: Database, received: Sequence[Received], wanted: Mapping[str, str]
) -> Due:
    returned, letters = _decoded(received)
    async with database.connection() as connection:
        known = await storage.inbox.recognise(connection, [event for _, event in returned])
        ours = {event.returned.event_id for event in known}
        letters += [
            (message, Poisoned(f"No event {event.event_id} is known here", reason="unknown_event"))
            for message, event in returned
            if event.event_id not in ours
        ]
        async with connection.transaction():
            new, due, recorded = await record(connection, known, wanted=wanted)
            await _bury(connection, letters)
    busy = ours - recorded
    later = [message for message, event in returned if event.event_id in busy]
    settled = [message for message in received if message not in later] if later else received
    refs = _references(returned)
    _tell(settled, letters, refs, new=new, known=len(known) - len(later))
    return replace(due, later=later)


def together(parts: Sequence[Due]) -> Due:
    """Say of several parts what is due."""
    consumptions: dict[str, list[int]] = {}
    for part in parts:
        for name, ids in part.consumptions.items():
            consumptions.setdefault(name, []).extend(ids)
    return Due(
        [delivery for part in parts for delivery in part.deliveries],
        consumptions,
        [message for part in parts for message in part.later],
    )


async def _bury_alone(database: Database, message: Received, why: Poisoned) -> None:
    """Keep a message that cannot be recorded; its event is parked, or it would come again.

    The event's own dead letter is enough then: there is one, however often it comes.
    """
    returned, _ = _decoded([message])
    async with database.connection() as connection:
        for _, event in returned:
            if await _park(connection, event, why):
                _tell_parked(message, event, why)
                return
        await _bury(connection, [(message, why)])
    _tell([message], [(message, why)], _references(returned), new=0, known=0)


async def _park(connection: Connection, event: Returned, why: Poisoned) -> bool:
    # Whoever knows an event's id alone, and may write to the topic, parks nothing.
    if await storage.outbox.happened_at(connection, event.event_id) != event.occurred_at:
        return False
    return await storage.outbox.park(
        connection, None, event.event_id, reason=why.reason, error=storable(str(why))
    )


def _tell_parked(message: Received, event: Returned, why: Poisoned) -> None:
    telemetry.DEAD_LETTERS.labels(kind="outbox").inc()
    telemetry.log.error(
        "dead_letter_written", kind="outbox", error=str(why), **_about(message, event.external_ref)
    )


async def _bury(connection: Connection, letters: Sequence[_Letter]) -> None:
    if letters:
        await storage.dead_letters.add_pubsub(
            connection,
            [
                PubsubMessage(
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
    connection: Connection, known: Sequence[Known], *, wanted: Mapping[str, str]
) -> tuple[int, Due, set[UUID]]:
    """Put events that were recognised into the inbox, in the caller's transaction.

    Returns how many were new, what may go now, and which were recorded: on the orders of the others
    somebody else is at work.
    """
    known = await storage.inbox.lock_watermarks(connection, known)
    if not known:
        return 0, Due(), set()
    recorded = await storage.inbox.add(connection, known, wanted=wanted)
    deliveries = await storage.inbox.advance_watermarks(connection, known)
    due = Due(deliveries, recorded.consumptions)
    return recorded.new, due, {event.returned.event_id for event in known}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in its order's line; ``known`` is empty for a cart's without payload.

    ``kept`` is whether the event's payload is still there.
    """

    known: Sequence[Known]
    kept: bool


async def find_place(connection: Connection, event: Returned) -> Place:
    """Find the place of an event that its order shall pass over; its payload may be gone."""
    known = await storage.inbox.recognise(connection, [event])
    if known:
        return Place(known, kept=True)
    places = await storage.inbox.recognise(connection, [event], without_payload=True)
    return Place(places, kept=False)


async def pass_over(connection: Connection, event: Returned, place: Place) -> Sequence[int]:
    """Let an order go on without an event, in the caller's transaction.

    Returns the deliveries that may go now. A cart has one event and no history: nothing comes after
    it, so there is nothing to go on with, and only the pointer is let go of. Raises ``Busy`` where
    somebody else is at work on the order.
    """
    locked = await storage.inbox.lock_watermarks(connection, place.known)
    if len(locked) < len(place.known):
        message = "An event of the same order is being recorded at this moment: try again"
        raise Busy(message)
    if place.kept:
        await storage.inbox.add(connection, locked, wanted={})
    else:
        await storage.outbox.forget(connection, event.event_id)
    return await storage.inbox.advance_watermarks(connection, locked)


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
                        event.event_id,
                        event.occurred_at,
                        message.message_id,
                        message.published_at,
                        event.external_ref,
                    ),
                )
            )
    return returned, letters


def _tell(
    received: Sequence[Received],
    letters: Sequence[_Letter],
    refs: Mapping[str, str | None],
    *,
    new: int,
    known: int,
) -> None:
    telemetry.RECEIVED.inc(new)
    telemetry.DUPLICATES.inc(known - new)
    telemetry.DEAD_LETTERS.labels(kind="pubsub").inc(len(letters))
    for message, why in letters:
        telemetry.log.error(
            "dead_letter_written",
            kind="pubsub",
            error=str(why),
            **_about(message, refs.get(message.message_id)),
        )
    for message in received:
        telemetry.log.info("event_received", **_about(message, refs.get(message.message_id)))


def _references(returned: Sequence[tuple[Received, Returned]]) -> dict[str, str | None]:
    return {message.message_id: event.external_ref for message, event in returned}


def _about(message: Received, external_ref: str | None) -> dict[str, Any]:
    """Name a message, its event and its order in a log line, as the message itself does."""
    return {
        "event_id": message.attributes.get("ce-id"),
        "order_id": message.attributes.get("ce-subject"),
        "external_ref": external_ref,
        "sequence": message.attributes.get("sequence"),
        "trace_id": trace_id(message.attributes.get("traceparent")),
        "message_id": message.message_id,
    }
