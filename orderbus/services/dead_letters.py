"""Keeps work that cannot go on as dead letters, and brings it back or discards it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from orderbus import services, storage, telemetry
from orderbus.domain.text import brief, storable
from orderbus.errors import Conflict, OrderbusError
from orderbus.pubsub.messages import Message
from orderbus.services import processing
from orderbus.storage.database import Connection, Database
from orderbus.storage.dead_letters import DeadLetter, FailedMessage

if TYPE_CHECKING:  # they load gRPC, and web decides about dead letters without it
    from orderbus.pubsub.dead_letter_topic import GivenUp
    from orderbus.services.kinds import Outside

#: The attribute in which Pub/Sub says how often it delivered a message that it gave up.
_DELIVERED: Final = "CloudPubSubDeadLetterSourceDeliveryCount"


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
            _log(letter, "message", message, actor=message.actor)
    return messages


async def add_given_up(database: Database, messages: Sequence[GivenUp]) -> None:
    """Keep messages that Pub/Sub gave up, each once; when this returns, they may be acknowledged.

    None is looked into: it may have ended one bridge after the other.
    """
    failed = [_failed(message) for message in messages]
    letters = await database.ask(storage.dead_letters.add, "pubsub", failed)
    for message in failed:
        if letter := letters.pop(message.message_id, None):
            _log(letter, "pubsub", message, **services.inbox.about(message.attributes or {}, None))


def _failed(message: GivenUp) -> FailedMessage:
    times = brief(message.attributes.get(_DELIVERED, "too many"), 20)
    return FailedMessage(
        message.message_id,
        "given_up_by_pubsub",
        storable(f"Pub/Sub gave it up: {times} deliveries were not acknowledged"),
        message.data,
        {storable(name): storable(value) for name, value in message.attributes.items()},
    )


def _log(letter: int, kind: str, message: FailedMessage, **about: object) -> None:
    telemetry.DEAD_LETTERS.labels(kind=kind).inc()
    about |= {"dead_letter": letter, "message_id": message.message_id, "error": message.error}
    telemetry.log.error("dead_letter_written", kind=kind, **about)


async def redrive(
    connection: Connection, letter_id: int, *, actor: str | None = None, of_many: bool = False
) -> Redriven:
    """Bring a dead letter back on its way, in the caller's transaction.

    A delivery begins its schedule again, an outbox event or a consumption is due again. A queue or
    Pub/Sub message is returned for the caller to send before the transaction ends: then a crash in
    between sends it twice rather than never. ``actor`` is who decided it, which the audit trail
    says too, unless it is one ``of_many``: then it has their job. Raises ``NotFound``, and
    ``Conflict`` where it cannot come back, or where somebody decided before; ``OutOfStock`` where
    it is an order that failed and others have its stock now.
    """
    letter = await storage.dead_letters.get(connection, letter_id)
    if _is_of_processing(letter) and letter.event_id and letter.occurred_at:
        by = {"actor": actor}
        await processing.take_again(connection, letter.event_id, letter.occurred_at, **by)
    await storage.dead_letters.lock_open(connection, letter_id)
    owed = await _bring_back(connection, letter)
    await _resolve(connection, letter_id, "redriven", None, actor, of_many=of_many)
    return owed


async def _resolve(
    connection: Connection,
    letter_id: int,
    resolution: str,
    note: str | None,
    actor: str | None,
    *,
    of_many: bool,
) -> None:
    await storage.dead_letters.resolve(
        connection, letter_id, resolution=resolution, note=note, by=actor
    )
    if actor is not None and not of_many:
        await storage.audit.add(
            connection,
            actor=actor,
            action=f"dead_letter.{resolution}",
            subject_type="dead_letter",
            subject_id=letter_id,
            reason=note,
        )


async def send(owed: Redriven, outside: Outside) -> None:
    """Send what a redrive returned; raises what keeps it from being sent."""
    if owed.message is not None:
        await outside.enqueue(*owed.message)
    if owed.publication is not None:
        (answer,) = await outside.publish([owed.publication])
        if isinstance(answer, OrderbusError):
            raise answer


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
        case DeadLetter(kind="pubsub"):
            return Redriven(publication=publication_of(letter))
        case DeadLetter(actor=str() as actor, arguments=dict() as arguments):
            return Redriven(message=(actor, arguments))
    raise Conflict("No worker can read this message, so it cannot be sent again: discard it")


def publication_of(letter: DeadLetter) -> Message:
    """Write the message that a letter of the kind ``pubsub`` stands for."""
    return Message(letter.data or b"", letter.attributes or {})


async def discard(
    connection: Connection,
    letter_id: int,
    *,
    note: str,
    actor: str | None = None,
    of_many: bool = False,
) -> list[int]:
    """Decide in the caller's transaction that a dead letter stays dead, with the reason.

    A parked event is passed over: nobody receives it, and its order's later events may go. An order
    that is in progress for it fails. Returns the deliveries that may go now. ``actor`` and
    ``of_many`` as for ``redrive``. Raises ``NotFound``, ``Conflict`` where somebody decided
    before, and ``Busy`` where its order is being worked on.
    """
    letter = await storage.dead_letters.get(connection, letter_id)
    await _fail_order(connection, letter, note)
    await storage.dead_letters.lock_open(connection, letter_id)
    await _resolve(connection, letter_id, "discarded", note, actor, of_many=of_many)
    if letter.kind == "outbox" and letter.event_id and letter.occurred_at:
        return await services.inbox.pass_over(connection, letter.event_id, letter.occurred_at)
    return []


async def _fail_order(connection: Connection, letter: DeadLetter, note: str) -> None:
    """Let an order fail whose processing is discarded; its lock comes before the letter's."""
    if not _is_of_processing(letter):
        return
    if letter.event_id is None or letter.occurred_at is None:
        return
    event = await storage.events.remembered(connection, letter.event_id, letter.occurred_at)
    if event is not None:
        await processing.fail(connection, event, note)


def _is_of_processing(letter: DeadLetter) -> bool:
    return (letter.kind, letter.actor) == ("consumption", processing.ACTOR)
