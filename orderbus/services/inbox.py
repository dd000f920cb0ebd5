"""What becomes of the events that come back from Pub/Sub."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.text import storable
from orderbus.domain.traces import request_id, trace_id
from orderbus.errors import Busy, Poisoned
from orderbus.handling import OnReturn, handling
from orderbus.pubsub.messages import decode
from orderbus.pubsub.subscription import Received
from orderbus.storage.database import Connection, Database
from orderbus.storage.dead_letters import FailedMessage
from orderbus.storage.inbox import Known, Returned

#: How often a batch may wait in vain for a lock while it is taken apart: enough to find one message
#: among a hundred. Then nothing more is tried: it may be a table that is locked.
_VAIN_WAITS: Final = 10


@dataclass(slots=True)
class Due:
    """What may go now: deliveries, and how many consumptions by consumer.

    ``later`` are messages that have to be received again: somebody else is at work on their orders.
    """

    deliveries: list[int] = field(default_factory=list)
    consumptions: Counter[str] = field(default_factory=Counter)
    later: list[Received] = field(default_factory=list)

    def add(self, other: Due) -> None:
        """Take in what else may go."""
        self.deliveries += other.deliveries
        self.later += other.later
        self.consumptions += other.consumptions


@dataclass(slots=True)
class Recorded(Due):
    """What may go now; how many events were new, which are ours, which of those are recorded."""

    new: int = 0
    known: set[UUID] = field(default_factory=set)
    done: set[UUID] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Came:
    """A message and the event that it announces; ``why`` says what makes it a dead letter."""

    message: Received
    event: Returned | None = None
    external_ref: str | None = None
    why: Poisoned | None = None

    @classmethod
    def read(cls, message: Received) -> Self:
        try:
            event = decode(message.data, message.attributes)
        except Poisoned as poisoned:
            return cls(message, why=poisoned)
        returned = Returned(
            event.event_id, event.occurred_at, message.message_id, message.published_at
        )
        return cls(message, returned, event.external_ref)


async def receive(
    database: Database, received: Sequence[Received], *, wanted: Mapping[str, str]
) -> Due:
    """Record a batch in one transaction; returns what may go now, and what has to come again.

    Inbox, watermarks, one delivery for each endpoint, one consumption for each consumer in
    ``wanted``, pointers deleted: all or nothing, and receiving a message again changes nothing.
    What cannot be decoded, or belongs to no event we know, is kept as a dead letter. A batch that
    cannot be recorded is taken apart: a message that fails for a reason of its own is a dead
    letter, alone, with its event parked, and one that waits for a lock is left for later. When this
    returns, every message but those may be acked. Raises ``Unavailable``; then none may.
    """
    due, vain = Due(), 0
    chunks = [[_Came.read(message) for message in received]]
    while chunks:
        chunk = chunks.pop()
        try:
            due.add(await _receive(database, chunk, wanted))
        except Exception as error:  # a door: one message must not stop all others
            waits = handling(error).bridge is OnReturn.PUT_OFF
            vain += waits
            if handling(error).bridge in {OnReturn.RETRY, OnReturn.EXIT}:
                raise
            if len(chunk) > 1 and not (waits and vain > _VAIN_WAITS):
                middle = len(chunk) // 2
                chunks += [chunk[middle:], chunk[:middle]]
            elif waits:
                telemetry.log.warning("events_put_off", count=len(chunk), error=str(error))
                due.later += [came.message for came in chunk]
            else:
                poisoned = Poisoned(f"It cannot be recorded: {error!r}", reason="unrecordable")
                await _keep_alone(database, chunk[0], poisoned)
    return due


async def _receive(database: Database, chunk: Sequence[_Came], wanted: Mapping[str, str]) -> Due:
    async with database.transaction() as connection:
        events = [came.event for came in chunk if came.event is not None]
        recorded = await record(connection, events, wanted=wanted)
        settled: list[_Came] = []
        for came in chunk:
            if came.event is None or came.event.event_id in recorded.done:
                settled.append(came)
            elif came.event.event_id in recorded.known:
                recorded.later.append(came.message)
            else:
                message = f"No event {came.event.event_id} is known here"
                settled.append(replace(came, why=Poisoned(message, reason="unknown_event")))
        letters = [came for came in settled if came.why is not None]
        await _keep(connection, letters)
    telemetry.RECEIVED.inc(recorded.new)
    telemetry.DUPLICATES.inc(len(settled) - len(letters) - recorded.new)
    _log(settled)
    return recorded


async def _keep_alone(database: Database, came: _Came, why: Poisoned) -> None:
    """Keep a message that cannot be recorded, or its event, once, however often that comes."""
    async with database.connection() as connection:
        if came.event is not None and await _park(connection, came.event, why):
            telemetry.DEAD_LETTERS.labels(kind="outbox").inc()
            telemetry.log.error(
                "dead_letter_written", kind="outbox", error=str(why), **_about(came)
            )
            return
        letter = replace(came, why=why)
        await _keep(connection, [letter])
    _log([letter])


async def _park(connection: Connection, event: Returned, why: Poisoned) -> bool:
    # Whoever knows an event's id alone, and may write to the topic, parks nothing.
    if await storage.outbox.happened_at(connection, event.event_id) != event.occurred_at:
        return False
    return await storage.outbox.park(
        connection, None, event.event_id, reason=why.reason, error=storable(str(why))
    )


async def _keep(connection: Connection, letters: Sequence[_Came]) -> None:
    if letters:
        await storage.dead_letters.add(
            connection,
            "pubsub",
            [
                FailedMessage(
                    came.message.message_id,
                    came.why.reason,
                    storable(str(came.why)),
                    came.message.data,
                    {storable(k): storable(v) for k, v in came.message.attributes.items()},
                )
                for came in letters
                if came.why is not None
            ],
        )


def _log(settled: Sequence[_Came]) -> None:
    for came in settled:
        about = _about(came)
        if came.why is not None:
            telemetry.DEAD_LETTERS.labels(kind="pubsub").inc()
            telemetry.log.error("dead_letter_written", kind="pubsub", error=str(came.why), **about)
        telemetry.log.info("event_received", **about)


async def record(
    connection: Connection, returned: Sequence[Returned], *, wanted: Mapping[str, str]
) -> Recorded:
    """Put the events that are ours into the inbox, in the caller's transaction."""
    known = await storage.inbox.hold(connection, returned)
    held = [event for event in known if event.held]
    recorded = Recorded(known=_ids(known), done=_ids(held))
    if held:
        added = await storage.inbox.add(connection, held, wanted=wanted)
        recorded.new = added.new
        recorded.consumptions.update(added.consumptions)
        recorded.deliveries = [*added.due, *await _let_go(connection, added.waiting)]
    return recorded


async def _let_go(connection: Connection, orders: Sequence[int]) -> list[int]:
    return await storage.sequencing.begin(connection, orders) if orders else []


def _ids(known: Sequence[Known]) -> set[UUID]:
    return {event.returned.event_id for event in known}


async def pass_over(connection: Connection, event_id: UUID, occurred_at: datetime) -> list[int]:
    """Let an order go on without an event, in the caller's transaction.

    Returns the deliveries that may go now. A cart has one event and no history: only its pointer is
    let go of. Raises ``Busy`` where somebody else is at work on the order.
    """
    event = Returned(event_id, occurred_at, None, None)
    kept = await storage.inbox.hold(connection, [event])
    known = kept or await storage.inbox.hold(connection, [event], without_payload=True)
    if not all(event.held for event in known):
        raise Busy("An event of the same order is being recorded at this moment: try again")
    passed = await storage.inbox.add(connection, known, wanted={}, keep=bool(kept))
    await storage.outbox.forget(connection, event_id)  # one that no history knows
    return await _let_go(connection, passed.waiting)


def about(attributes: Mapping[str, str], external_ref: str | None) -> Mapping[str, object]:
    """Name an event and its order in a log line, as a message does in its attributes."""
    sequence = attributes.get("sequence", "")
    return {
        "event_id": attributes.get("ce-id"),
        "order_id": attributes.get("ce-subject"),
        "external_ref": external_ref,
        "sequence": int(sequence) if re.fullmatch("[0-9]{1,18}", sequence) else None,
        "trace_id": trace_id(attributes.get("traceparent")),
        "request_id": request_id(attributes.get("request-id")),
    }


def _about(came: _Came) -> dict[str, Any]:
    attributes = came.message.attributes
    return {**about(attributes, came.external_ref), "message_id": came.message.message_id}
