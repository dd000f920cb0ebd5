"""Keeps work that cannot go on as dead letters, and brings it back or discards it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain.letters import Filter
from orderbus.errors import Conflict
from orderbus.pubsub.messages import Message
from orderbus.services import inbox, processing
from orderbus.storage.database import Connection, Database
from orderbus.storage.dead_letters import DeadLetter, FailedMessage
from orderbus.storage.letter_lists import Group, OpenLetter

#: Letters that one statement of a list looks at, where a filter fits few; and such statements.
_LOOK_AT: Final = 2_000
_STRETCHES: Final = 10
#: Letters that one statement puts into groups, and that are grouped in all.
_GROUP_AT: Final = 5_000
_GROUPED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Redriven:
    """What the caller has to send after a redrive: PostgreSQL keeps nothing of it.

    ``deliveries`` are due now. ``held_by`` is the endpoint that is disabled: until it is enabled,
    the delivery waits. ``message`` is for an actor, with these arguments.
    """

    deliveries: int = 0
    held_by: UUID | None = None
    message: tuple[str, Mapping[str, Any]] | None = None
    publication: Message | None = None


async def add_messages(
    database: Database, messages: Sequence[FailedMessage]
) -> Sequence[FailedMessage]:
    """Keep queue messages that failed for good, but for those that are kept already."""
    letters = await database.ask(storage.dead_letters.add, "message", messages)
    for message in messages:
        if letter := letters.pop(message.message_id, None):
            telemetry.DEAD_LETTERS.labels(kind="message").inc()
            about = {"dead_letter": letter, "actor": message.actor, "error": message.error}
            telemetry.log.error("dead_letter_written", kind="message", **about)
    return messages


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of open dead letters; it goes on behind ``next_after``, None at its end."""

    letters: Sequence[OpenLetter]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups, of so many letters; ``is_complete`` where these are all there are."""

    groups: Sequence[Group]
    letters: int
    is_complete: bool


async def list_open(database: Database, wanted: Filter, *, after: int = 0, at_most: int) -> Page:
    """List open dead letters that fit, oldest first, those behind the one numbered ``after``.

    Looks at 20,000 at most: where few fit, a page may have fewer than asked for, and go on.
    """
    letters: list[OpenLetter] = []
    for _ in range(_STRETCHES):
        look_at = max(at_most + 1, _LOOK_AT) if wanted.is_picky else at_most + 1
        found = await database.ask(
            storage.letter_lists.list_next, wanted, after=after, look_at=look_at
        )
        letters += found.letters
        if len(letters) > at_most:
            return Page(letters[:at_most], letters[at_most - 1].id)
        if found.until is None or found.looked_at < look_at:
            return Page(letters, None)
        after = found.until
    return Page(letters, after)


async def group(database: Database, wanted: Filter, *, at_most: int) -> Groups:
    """Put open dead letters that fit into groups of what is alike, the largest first.

    Looks at the oldest 100,000 alone, as the metrics do.
    """
    groups: dict[object, Group] = {}
    after, looked_at = 0, 0
    is_complete = False
    while looked_at < _GROUPED and not is_complete:
        found = await database.ask(
            storage.letter_lists.group_next, wanted, after=after, look_at=_GROUP_AT
        )
        for each in found.groups:
            known = groups.get(each.key)
            groups[each.key] = each if known is None else known.with_more(each)
        looked_at += found.looked_at
        is_complete = found.until is None or found.looked_at < _GROUP_AT
        after = found.until or after
    largest = sorted(groups.values(), key=lambda each: (-each.count, each.example))
    letters = sum(each.count for each in largest)
    return Groups(largest[:at_most], letters, is_complete and len(largest) <= at_most)


async def redrive(connection: Connection, letter_id: int) -> Redriven:
    """Bring a dead letter back on its way, in the caller's transaction.

    A delivery begins its schedule again, an outbox event or a consumption is due again. A queue or
    Pub/Sub message is returned for the caller to send before the transaction ends: then a crash in
    between sends it twice rather than never. Raises ``NotFound``, and ``Conflict`` where it cannot
    come back.
    """
    await storage.dead_letters.lock_open(connection, letter_id)
    owed = await _bring_back(connection, await storage.dead_letters.get(connection, letter_id))
    await storage.dead_letters.resolve(connection, letter_id, resolution="redriven", note=None)
    return owed


async def _bring_back(connection: Connection, letter: DeadLetter) -> Redriven:
    match letter:
        case DeadLetter(kind="delivery", delivery_id=int() as delivery_id):
            if not await storage.delivery_acts.redrive(connection, [delivery_id]):
                raise Conflict("The delivery is not dead any more, or its endpoint was removed")
            held_by = await storage.endpoints.holding(connection, delivery_id)
            return Redriven(deliveries=0 if held_by else 1, held_by=held_by)
        case DeadLetter(kind="outbox", event_id=UUID() as event_id):
            await storage.outbox.unpark(connection, event_id)
            return Redriven()
        case DeadLetter(kind="consumption", consumption_id=int() as consumption_id):
            if not await storage.consumptions.redrive(connection, consumption_id):
                raise Conflict("The consumption is not dead any more")
            return Redriven()
        case DeadLetter(kind="pubsub", data=bytes() as data, attributes=dict() as attributes):
            return Redriven(publication=Message(data, attributes))
        case DeadLetter(actor=str() as actor, arguments=dict() as arguments):
            return Redriven(message=(actor, arguments))
    raise Conflict("No worker can read this message, so it cannot be sent again: discard it")


async def discard(database: Database, letter_id: int, *, note: str) -> list[int]:
    """Decide that a dead letter stays dead, with the reason; raises ``NotFound``.

    A parked event is passed over: nobody receives it, and its order's later events may go. An order
    that is in progress for it fails. Returns the deliveries that may go now. Raises ``Busy`` where
    its order is being worked on.
    """
    letter = await database.ask(storage.dead_letters.get, letter_id)
    async with database.transaction() as connection:
        await _fail_order(connection, letter, note)
        await storage.dead_letters.lock_open(connection, letter_id)
        await storage.dead_letters.resolve(connection, letter_id, resolution="discarded", note=note)
        if letter.kind == "outbox" and letter.event_id and letter.occurred_at:
            return await inbox.pass_over(connection, letter.event_id, letter.occurred_at)
        return []


async def _fail_order(connection: Connection, letter: DeadLetter, note: str) -> None:
    """Let an order fail whose processing is discarded; its lock comes before the letter's."""
    if (letter.kind, letter.actor) != ("consumption", processing.ACTOR):
        return
    if letter.event_id is None or letter.occurred_at is None:
        return
    event = await storage.events.remembered(connection, letter.event_id, letter.occurred_at)
    if event is not None:
        await processing.fail(connection, event, note)
