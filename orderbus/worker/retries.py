"""Retries queue messages whose actors raised, or makes them dead letters.

Which of the two, ``domain.retries`` decides by the error's class. The message is acknowledged when
that is settled, see ``rabbitmq.consumer``.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

import dramatiq
from dramatiq import Middleware
from dramatiq.broker import MessageProxy
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Shutdown

from orderbus import services, telemetry, waiting
from orderbus.domain.retries import MESSAGE, DeadLetter, NotCharged, Retry, judge_error
from orderbus.domain.text import of_error, storable
from orderbus.errors import OrderbusError, Unavailable
from orderbus.rabbitmq.consumer import QueueMessage
from orderbus.rabbitmq.memory_broker import AnyBroker
from orderbus.services.shared import Together
from orderbus.storage.dead_letters import FailedMessage
from orderbus.telemetry import UNKNOWN_ACTOR
from orderbus.worker import lifecycle

MAX_RETRIES: Final = 3
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Characters of a traceback that are kept: the last ones say most.
_TRACEBACK_AT_MOST: Final = 20_000
#: Bytes of a message that was refused; as many as RabbitMQ 4 takes.
LARGEST_KEPT: Final = 16 * 1024 * 1024
#: Dead letters written together at most.
_TOGETHER: Final = 50


def judge(
    error: BaseException, *, waits: int, retries: int, max_retries: int
) -> Retry | NotCharged | DeadLetter | None:
    """Say what becomes of a message after an error; None: RabbitMQ shall give it out again.

    ``waits`` were not charged so far, and ``retries`` were.
    """
    match error:
        case Shutdown() | asyncio.CancelledError():
            return None
        case ActorNotFound():
            return DeadLetter("unknown_actor")
    return judge_error(
        error,
        MESSAGE,
        failures=retries,
        waits=waits,
        allowed=max_retries,
        asked=getattr(error, "retry_after", None),
        jitter=random.random(),  # noqa: S311 - spreads messages, guards nothing
    )


def failed_message(message: QueueMessage, reason: str, error: BaseException) -> FailedMessage:
    """Say what is kept of a message, with its bytes where it was refused."""
    sent = message._message  # noqa: SLF001 - the message itself, as it was sent
    is_readable = sent.actor_name != UNKNOWN_ACTOR
    raised = "".join(traceback.format_exception(error, limit=30))
    return FailedMessage(
        sent.message_id,
        reason,
        of_error(error),
        data=None if message.refused is None else message.refused[:LARGEST_KEPT],
        actor=sent.actor_name if is_readable else None,
        arguments=arguments_of(sent) if is_readable else None,
        traceback=storable(raised[-_TRACEBACK_AT_MOST:]),
    )


def arguments_of(sent: dramatiq.Message[Any]) -> Mapping[str, Any]:
    """Write a message's arguments as a dead letter keeps them."""
    return {"args": list(sent.args), "kwargs": sent.kwargs}


Write = Callable[[Sequence[FailedMessage]], Awaitable[Sequence[object]]]


async def write_dead_letters(failed: Sequence[FailedMessage]) -> Sequence[FailedMessage]:
    """Keep messages as rows. Raises ``Unavailable``."""
    return await services.dead_letters.add_messages(lifecycle.resources().database, failed)


class Retries(Middleware):
    """Tries again, buries or leaves; never loses."""

    def __init__(self, *, write: Write = write_dead_letters) -> None:
        # Together: whoever sends many bad messages must not have all connections for them.
        self._write = Together(write, at_most=_TOGETHER).hand_in

    @property
    def actor_options(self) -> set[str]:
        """What an actor may say: how often a bug is tried again, and what it is known to raise."""
        return {"max_retries", "throws"}

    def before_declare_actor(
        self,
        broker: dramatiq.Broker,  # noqa: ARG002 - Dramatiq's hook
        actor: dramatiq.Actor[..., Any],
    ) -> None:
        """Keep what is no bug out of Dramatiq's log of failures: the line below says it."""
        actor.options.setdefault("throws", (OrderbusError, Shutdown))

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ANN401, ARG002 - Dramatiq's hook
        exception: BaseException | None = None,
    ) -> None:
        """Decide what becomes of a message, and have it done."""
        queues, taken = cast("AnyBroker", broker), cast("QueueMessage", message)
        if exception is None:
            _count(queues, taken, "done")
        else:
            self._decide(queues, taken, exception)

    def before_nack(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Bury a message that was refused before any actor had it."""
        queues, taken = cast("AnyBroker", broker), cast("QueueMessage", message)
        error = message._exception  # noqa: SLF001 - nowhere else
        if taken.settled is None and error is not None:
            self._decide(queues, taken, error)

    def _decide(self, broker: AnyBroker, message: QueueMessage, error: BaseException) -> None:
        message.leave()  # unless something better is found
        waits, retries = (message.options.get(name, 0) for name in ("waits", "retries"))
        actor = broker.actors.get(message.actor_name)
        allowed = 0 if actor is None else actor.options.get("max_retries", MAX_RETRIES)
        again = partial(_again, broker, message, error)
        outcome, settling = "left", None
        match judge(error, waits=waits, retries=retries, max_retries=allowed):
            case Retry(after):
                outcome, settling = "again", again(after, waits=waits, retries=retries + 1)
            case NotCharged(after):
                outcome, settling = "again", again(after, waits=waits + 1, retries=retries)
            case DeadLetter(reason):
                keep = partial(self._write, failed_message(message, reason, error))
                outcome, settling = "buried", _until_done(message, keep)
        _count(broker, message, outcome)
        if settling is not None:
            with suppress(Unavailable):  # the worker is ending
                message.settled = lifecycle.submit(settling)


async def _again(
    broker: AnyBroker, message: QueueMessage, error: BaseException, after: timedelta, **counted: int
) -> None:
    delay = after // _MILLISECOND
    telemetry.log.warning(
        "message_again", actor=message.actor_name, in_ms=delay, error=of_error(error)
    )

    async def put() -> None:
        again = message._message.copy(options=counted)  # noqa: SLF001 - as it was sent
        await broker.put([again], delay=delay, within=None)

    await _until_done(message, put)


async def _until_done(message: QueueMessage, attempt: Callable[[], Awaitable[object]]) -> None:
    """Attempt until it works, with growing pauses, for as long as the message is ours to settle.

    Cancels itself when RabbitMQ gives the message out again.
    """
    held = False

    def hold(error: Exception) -> None:
        nonlocal held
        held = True
        telemetry.log.warning("message_held", actor=message.actor_name, error=of_error(error))

    async def while_ours() -> None:
        if held and not message.is_ours:
            raise asyncio.CancelledError
        await attempt()

    try:
        await waiting.until_it_works(while_ours, MESSAGE, away=hold)
    except Exception:
        telemetry.log.exception("message_not_settled", actor=message.actor_name)
        raise


def _count(broker: AnyBroker, message: QueueMessage, outcome: str) -> None:
    # A name of the message's own making would be one more series for each.
    actor = message.actor_name if message.actor_name in broker.actors else UNKNOWN_ACTOR
    telemetry.ACTOR_MESSAGES.labels(actor=actor, outcome=outcome).inc()
